"""Small files of the form in which GEdit-Bench is published."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

Row = dict[str, object]

KEYS = {name: f"{number:032x}" for number, name in enumerate("abcde", 0xA0)}
"""32 hex digits each, by a short name."""


def picture(colour: str, form: str = "PNG", size: tuple[int, int] = (16, 12)) -> Row:
    """A picture as the data set embeds it."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return {"bytes": file.getvalue(), "path": None}


def row(
    key: str,
    group: str,
    instruction: str,
    *,
    language: str = "en",
    within: bool = True,
    colour: str = "red",
    form: str = "PNG",
) -> Row:
    return {
        "task_type": group,
        "key": KEYS[key],
        "instruction": instruction,
        "instruction_language": language,
        "input_image": picture(colour, form),
        "input_image_raw": picture(colour, form, (32, 24)),
        "Intersection_exist": within,
    }


ROWS = [
    row("a", "text_change", "Write OPEN.", colour="red"),
    row("a", "text_change", "写上“开”。", language="cn", colour="red"),
    row("b", "subject-remove", "Remove the cat.", within=False, colour="green", form="JPEG"),
    row("c", "color_alter", "Make it blue.", colour="blue"),
    row("c", "color_alter", "变成蓝色。", language="cn", within=False, colour="blue"),
    row("d", "text_change", "Write SHUT.", within=False, colour="white"),
]
"""Four edits in English and two in Chinese."""


def write_arrow(folder: Path, rows: Iterable[Row] = ROWS, *, batch: int = 2) -> Path:
    """As `save_to_disk` writes a split: a stream of record batches, and what goes with it."""
    import pyarrow

    folder.mkdir(parents=True)
    table = pyarrow.Table.from_pylist(list(rows))
    with (
        pyarrow.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pyarrow.ipc.new_stream(file, table.schema) as stream,
    ):
        stream.write_table(table, max_chunksize=batch)
    (folder / "state.json").write_text("{}")
    (folder / "dataset_info.json").write_text("{}")
    return folder


def write_parquet(folder: Path, rows: Iterable[Row] = ROWS) -> Path:
    """In two files, as on a hub."""
    import pyarrow
    from pyarrow import parquet

    every = list(rows)
    (folder / "data").mkdir(parents=True)
    for number, part in enumerate((every[:3], every[3:])):
        path = folder / "data" / f"train-0000{number}-of-00002.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(part), path)
    return folder


def write_copy(folder: Path) -> Path:
    """`gedit_edit.json`, with the pictures that it names beside."""
    edits = {}
    for name, group in (("a", "text_change"), ("c", "color_alter")):
        place = f"fullset/{group}/en/{KEYS[name]}.png"
        path = folder / "sources" / place
        path.parent.mkdir(parents=True)
        Image.new("RGB", (16, 12), "red").save(path)
        edits[KEYS[name]] = {"prompt": f"Edit {name}.", "id": place, "edit_type": group}
    (folder / "prompts").mkdir()
    (folder / "prompts" / "gedit_edit.json").write_text(json.dumps(edits))
    return folder
