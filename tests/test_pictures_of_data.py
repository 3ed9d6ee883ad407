"""A file of data from elsewhere has no pictures sent that lie outside of its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.benchmarks.preference import editreward_bench, genai_bench, hpdv3, mmrb2
from rr_refine.benchmarks.published.gedit.edits import read_edits
from rr_refine.benchmarks.published.imgedit.benchmark import ImgEditLoader
from rr_refine.benchmarks.published.picabench.case import find_files, read_cases
from rr_refine.errors import ConfigError
from rr_refine.named import allow_pictures, picture_of_data
from rr_refine.reward.preferences.sources import SOURCES
from rr_refine.training.nft.data import read_rows
from rr_refine.training.parrot.ingest import EvaluationSet
from tests.benchmarks.preference.files import edition, hub, ranked
from tests.benchmarks.published.gedit.files import KEYS, row, write_arrow
from tests.benchmarks.published.picabench import files as picabench
from tests.commands import Commands
from tests.reward.preferences.test_sources import edit_row

HPD = {"prompt": "a cat", "confidence": 1.0}
PATHS = {"path1": "", "path2": ""}


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def named(row: dict[str, Any], column: str, name: str) -> dict[str, Any]:
    """The row, which names one picture by its path and has none of the others inside."""

    def replaced(value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [replaced(each, name) for each in value]
        return {"bytes": None, "path": name} if isinstance(value, dict) else name

    pictures = {key for key, value in row.items() if "bytes" in str(value)} | {*PATHS} & {*row}
    return row | {key: replaced(row[key], name if key == column else "in.png") for key in pictures}


def source(kind: Any, row: dict[str, Any], column: str) -> Callable[[Path, str], object]:
    def read(folder: Path, name: str) -> object:
        return list(
            SOURCES[kind].read(lines(folder / "x.jsonl", named(row, column, name)), "d", "s")
        )

    return read


def suite(load: Any, row: dict[str, Any], column: str) -> Callable[[Path, str], object]:
    def read(folder: Path, name: str) -> object:
        return list(load(lines(folder / "x.jsonl", named(row, column, name))).read())

    return read


def mmrb2_file(folder: Path, name: str) -> object:
    response = {"response_content": [["image", "in.png"]]}
    row: dict[str, Any] = {"id": "1", "chosen": "A"}
    row |= {"response_a": response, "response_b": response}
    row["prompt_content"] = [["text", "make it red"], ["image", name]]
    return list(mmrb2.load(lines(folder / "x.jsonl", row)).read())


def gedit(folder: Path, name: str) -> object:
    picture = {"bytes": None, "path": name}
    rows = [{**row("a", "text_change", "Write."), "input_image": picture, "input_image_raw": None}]
    if not (folder / "data").exists():
        write_arrow(folder / "data", rows)
        for link in folder.glob("*"):
            if link.is_symlink():
                (folder / "data" / link.name).symlink_to(link.readlink())
    return read_edits(folder / "data", "en", limit=None, cache=None)


def gedit_copy(folder: Path, name: str) -> object:
    edit = {"prompt": "Write.", "id": name, "edit_type": "text_change"}
    (folder / "gedit_edit.json").write_text(json.dumps({KEYS["a"]: edit}))
    return read_edits(folder, "en", limit=None, cache=None)


def imgedit(folder: Path, name: str) -> object:
    edit = {"prompt": "Write.", "id": name, "edit_type": "style"}
    (folder / "basic_edit.json").write_text(json.dumps({"1": edit}))
    loader = ImgEditLoader(data=folder, suite="basic")
    return loader.load(sources=False), loader.load()


def picabench_rows(folder: Path, name: str) -> object:
    rows = [{**picabench.rows()[0], "input_image": {"bytes": None, "path": name}}]
    picabench.write_parquet(folder / "picabench-0.parquet", rows)
    return read_cases(find_files(folder), "explicit", limit=None, cache=None)


def picabench_meta(folder: Path, name: str) -> object:
    picabench.write_json(folder / "meta_info.json", [picabench.meta(0, input_path=name)])
    return read_cases(find_files(folder), "superficial", limit=None, cache=None)


def evaluation(folder: Path, name: str) -> object:
    file = lines(folder / "x.jsonl", {"instruction": "a cat", "source": name})
    return EvaluationSet.read([file])


def nft(folder: Path, name: str) -> object:
    return read_rows(str(lines(folder / "x.jsonl", {"prompt": "a cat", "image": name})))


EDIT = edit_row("leftvote", (4.0, 3.0), (1.0, 3.0))
RAPID = {
    "prompt": "a cat",
    "votes_image1": 3,
    "votes_image2": 0,
    "image1": {"bytes": None},
    "image2": {"bytes": None},
}
READERS: dict[str, Callable[[Path, str], object]] = {
    **{f"editreward {c}": source("editreward", EDIT, c) for c in EDIT if c.endswith("image")},
    "editreward source": source("editreward", EDIT, "source_img"),
    **{f"hpdv3 {c}": source("hpdv3", HPD | PATHS, c) for c in ("path1", "path2")},
    **{f"rapidata {c}": source("rapidata", RAPID, c) for c in ("image1", "image2")},
    **{f"bench hpdv3 {c}": suite(hpdv3.load, HPD | PATHS, c) for c in ("path1", "path2")},
    "genai-bench": suite(genai_bench.load, edition(["leftvote"])[0], "source_image"),
    "editreward-bench": suite(editreward_bench.load, ranked([(9, 1)])[0], "candidate_2"),
    "mmrb2 hub": suite(mmrb2.load, hub("A")[0], "response_b_images"),
    "mmrb2 file": mmrb2_file,
    "gedit": gedit,
    "gedit copy": gedit_copy,
    "imgedit": imgedit,
    "picabench": picabench_rows,
    "picabench meta": picabench_meta,
    "evaluation set": evaluation,
    "nft": nft,
}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The folder of somebody's data, with a picture; beside it one that is not theirs."""
    (tmp_path / "data").mkdir()
    Image.new("RGB", (40, 20), "red").save(tmp_path / "data" / "in.png")
    Image.new("RGB", (40, 20), "blue").save(tmp_path / "private.png")
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "private.png")
    (tmp_path / "data" / "up").symlink_to(tmp_path)
    yield tmp_path / "data"
    allow_pictures(())


@pytest.mark.parametrize("name", ["{}/private.png", "../private.png", "link.png", "up/private.png"])
@pytest.mark.parametrize("reader", READERS)
def test_a_picture_outside_is_refused(data: Path, reader: str, name: str) -> None:
    name = name.format(data.parent)
    with pytest.raises(ConfigError, match=r"private\.png', outside .* picture_folders"):
        READERS[reader](data, name if reader != "gedit" else name.replace("../", "../../"))
    allow_pictures([data.parent])
    assert READERS[reader](data, name)


@pytest.mark.parametrize("name", ["in.png", "./in.png", "{}/in.png", "missing.png", "a/../in.png"])
def test_one_within_is_taken(data: Path, name: str) -> None:
    assert picture_of_data(data, name.format(data)) == data / name.format(data)


def test_no_path_is_refused_in_words(data: Path) -> None:
    with pytest.raises(ConfigError, match="no path"):
        picture_of_data(data, "in\0.png")


def test_the_hubs_cache_is_one_folder(tmp_path: Path) -> None:
    """Its snapshots are links to `blobs`; what else such a link leads to is outside."""
    snapshot, blobs = tmp_path / "datasets--a--b" / "snapshots" / "1", tmp_path / "datasets--a--b"
    (blobs / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "blobs" / "f00").touch()
    (tmp_path / "private.png").touch()
    (snapshot / "a.png").symlink_to("../../blobs/f00")
    (snapshot / "b.png").symlink_to("../../../private.png")
    assert picture_of_data(snapshot, "a.png") == snapshot / "a.png"
    with pytest.raises(ConfigError, match="outside"):
        picture_of_data(snapshot, "b.png")


def test_only_the_user_says_where_else(commands: Commands, data: Path) -> None:
    rows = [{**HPD, "path1": str(data.parent / "private.png"), "path2": "in.png"}]
    (data / "train.json").write_text(json.dumps(rows))
    given = ("parrot", "ingest", "hpdv3", str(data / "train.json"), "pairs")
    refused = commands.run(*given)
    assert (refused.code, refused.stdout) == (2, "")
    assert "private.png" in refused.stderr
    (commands.folder / "rr-refine.toml").write_text(f'picture_folders = ["{data.parent}"]\n')
    refused = commands.run(*given)
    assert refused.code == 2
    assert "picture_folders = " in refused.stderr and "--trust" in refused.stderr
    (commands.folder / "rr-refine.toml").unlink()
    commands.environment["RR_REFINE_PICTURE_FOLDERS"] = "elsewhere"
    assert "must be a whole path" in commands.run(*given).stderr
    commands.environment["RR_REFINE_PICTURE_FOLDERS"] = str(data.parent)
    assert "1 of 1 kept" in commands.run(*given).stdout
