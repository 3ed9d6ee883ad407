from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from rr_refine.benchmarks.published.gedit import GEditLoader
from rr_refine.benchmarks.published.gedit.edits import SUITES
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.pictures import load_picture
from tests.benchmarks.published.gedit.files import (
    KEYS,
    ROWS,
    Row,
    row,
    write_arrow,
    write_copy,
    write_parquet,
)
from tests.benchmarks.published.parts import is_whole

pytest.importorskip("pyarrow")


def test_the_suites() -> None:
    assert SUITES == ("en", "cn")


@pytest.mark.parametrize("form", ["split", "dataset", "arrow file", "parquet", "parquet file"])
def test_the_data_set_is_read_in_every_form(tmp_path: Path, form: str) -> None:
    data = tmp_path / "hub"
    if form.startswith("parquet"):
        write_parquet(data)
    else:
        split = write_arrow(data / "train" if form == "split" else data)
        (split / "cache-7a.arrow").write_bytes(b"what `map` leaves")
    if form.endswith("file"):
        data = next(data.rglob("*-00000-of-*"))
    loaded = GEditLoader(data=data).load(cache=tmp_path / "cache")
    assert is_whole(loaded)
    assert loaded.name == "gedit en"
    assert [(item.id, item.prompt, dict(item.labels)) for item in loaded.items] == [
        (KEYS["a"], "Write OPEN.", {"task_type": "text_change", "intersection": "yes"}),
        (KEYS["b"], "Remove the cat.", {"task_type": "subject-remove", "intersection": "no"}),
        (KEYS["c"], "Make it blue.", {"task_type": "color_alter", "intersection": "yes"}),
        (KEYS["d"], "Write SHUT.", {"task_type": "text_change", "intersection": "no"}),
    ][: 2 if form == "parquet file" else 4]
    assert loaded.notes == ()


def test_pictures_come_out_of_the_files_once(tmp_path: Path) -> None:
    data, cache = write_arrow(tmp_path / "train"), tmp_path / "cache"
    loaded = GEditLoader(data=data).load(cache=cache)
    sources = [item.source for item in loaded.items]
    assert [Path(str(s)).suffix for s in sources] == [".png", ".jpg", ".png", ".png"]
    opened = [load_picture(source) for source in sources if source is not None]
    assert [image.size for image in opened] == [(16, 12)] * 4  # input_image, not the raw one
    assert opened[0].getpixel((0, 0)) == (255, 0, 0)
    # The same bytes in the other language are the same file, and nothing is written again.
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}
    assert [item.source for item in GEditLoader(data=data, suite="cn").load(cache=cache).items] == [
        sources[0],
        sources[2],
    ]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")} == before
    assert len(before) == 4


def test_a_row_without_the_small_picture_has_the_raw_one(tmp_path: Path) -> None:
    data = write_arrow(tmp_path / "train", [{**ROWS[0], "input_image": None}])
    (item,) = GEditLoader(data=data).load(cache=tmp_path / "cache").items
    assert isinstance(item.source, Path)
    assert load_picture(item.source).size == (32, 24)


@pytest.mark.parametrize("suite", ["cn", "zh"])
def test_chinese_goes_by_two_names(tmp_path: Path, suite: Literal["cn", "zh"]) -> None:
    loaded = GEditLoader(data=write_arrow(tmp_path / "train"), suite=suite).load(
        cache=tmp_path / "cache"
    )
    assert loaded.name == "gedit cn"
    assert [item.prompt for item in loaded.items] == ["写上“开”。", "变成蓝色。"]
    # The order of the official tables, not of the file.
    assert loaded.dimensions == ("color_alter", "text_change")
    assert loaded.picture(loaded.items[0]) == f"fullset/text_change/cn/{KEYS['a']}.png"


def test_a_key_that_comes_twice_is_left_out_and_noted(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        row("b", "subject-remove", "Remove the second cat."),
        row("a", "text_change", "写上“门”。", language="cn"),
        row("e", "ps_human", "Make her smile."),
    ]
    data = write_arrow(tmp_path / "train", rows)
    loaded = GEditLoader(data=data).load(cache=tmp_path / "cache")
    assert [item.prompt for item in loaded.items] == [
        "Write OPEN.", "Remove the cat.", "Make it blue.", "Write SHUT.", "Make her smile.",
    ]  # fmt: skip
    (note,) = loaded.notes
    assert note.startswith("1 edits have the key of an earlier one") and KEYS["b"] in note


def test_what_was_read_is_recorded_by_its_content(tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "hub")
    prompts = tmp_path / "GEdit-Bench" / "viescore" / "vie_prompts.py"
    prompts.parent.mkdir(parents=True)
    prompts.write_text(OFFICIAL)
    loaded = GEditLoader(data=data, prompts=tmp_path / "GEdit-Bench").load(cache=tmp_path / "cache")
    files = [*sorted((data / "data").iterdir()), prompts]
    expected = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert loaded.files == expected
    assert loaded.wording == f"official {expected['vie_prompts.py'][:12]}"
    assert GEditLoader(data=data).load(cache=tmp_path / "cache").wording == "ours"


OFFICIAL = '''
import nothing_that_there_is
_context_no_delimit = """A context."""
_prompts_0shot_two_image_edit_rule = "A rule."
_prompts_0shot_tie_rule_SC = "Grades of \\d. <instruction>"
_prompts_0shot_rule_PQ = "Quality."
_prompts_of_another_task = f"{nothing_that_there_is}"
'''


def test_official_words_are_taken_without_running_the_file(tmp_path: Path) -> None:
    prompts = tmp_path / "vie_prompts.py"
    prompts.write_text(OFFICIAL)
    loaded = GEditLoader(data=write_arrow(tmp_path / "train"), prompts=prompts).load(
        cache=tmp_path / "cache"
    )
    semantics, quality = loaded.questions(loaded.items[0], Image.new("RGB", (16, 12)))
    assert semantics.content[0] == "A context.\nA rule.\nGrades of \\d. Write OPEN."
    assert quality.content[0] == "A context.\nQuality."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OFFICIAL.replace("_rule_PQ", "_rule_XY"), "no text '_prompts_0shot_rule_PQ'"),
        (OFFICIAL.replace("<instruction>", ""), "leaves no place for the instruction"),
        ("def (", "is no Python file"),
    ],
)
def test_official_words_that_are_not_there(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"has no vie_prompts\.py, nor up to 2 folders"):
        GEditLoader(data=tmp_path, prompts=tmp_path).load()
    prompts = tmp_path / "vie_prompts.py"
    prompts.write_text(text)
    with pytest.raises(ConfigError, match=message):
        GEditLoader(data=tmp_path, prompts=prompts).load()


def test_the_copy_in_uniworld(tmp_path: Path) -> None:
    data = write_copy(tmp_path / "gedit")
    loaded = GEditLoader(data=data).load()  # no cache: its pictures are files
    assert [(item.id, item.prompt, item.source) for item in loaded.items] == [
        (
            KEYS[name],
            f"Edit {name}.",
            data / "sources" / f"fullset/{group}/en/{KEYS[name]}.png",
        )
        for name, group in (("a", "text_change"), ("c", "color_alter"))
    ]
    assert "intersection" not in loaded.items[0].labels
    (note,) = loaded.notes
    assert "does not say of 2 edits whether they belong to the intersection" in note
    assert set(loaded.files) == {"gedit_edit.json"}
    with pytest.raises(ConfigError, match="is in English only"):
        GEditLoader(data=data, suite="cn").load()
    for path in data.rglob(f"{KEYS['c']}.png"):
        path.unlink()
    assert len(GEditLoader(data=data).load(limit=1).items) == 1
    with pytest.raises(ConfigError, match=r"of 2, .* lacks 1, such as 'fullset/color_alter/en/"):
        GEditLoader(data=data).load()


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    loaded = GEditLoader(data=write_arrow(tmp_path / "train")).load(limit=2, cache=cache)
    assert [item.prompt for item in loaded.items] == ["Write OPEN.", "Remove the cat."]
    assert len(list((cache / "sources").iterdir())) == 2


@pytest.mark.parametrize(
    ("suite", "arguments", "message"),
    [
        ("fr", {}, "no suite 'fr'; it has en, cn"),
        ("en", {"limit": 0}, "limit = 0: give at least 1"),
        ("en", {"cache": None}, "has its pictures inside: name a folder"),
    ],
)
def test_arguments_that_are_refused(
    tmp_path: Path, suite: Literal["en"], arguments: dict[str, int | None], message: str
) -> None:
    loader = GEditLoader(data=write_arrow(tmp_path / "train"), suite=suite)
    with pytest.raises(ConfigError, match=message):
        loader.load(**{"cache": tmp_path / "cache", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_type": "paint"}, "has the task type 'paint', which is none of background_change"),
        ({"key": "../x"}, "key '../x' cannot be the name"),
        ({"instruction_language": "cn"}, "has no edits in 'en'"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, change: Row, message: str) -> None:
    data = write_arrow(tmp_path / "data", [{**ROWS[0], **change}])
    with pytest.raises(ConfigError, match=message):
        GEditLoader(data=data).load(cache=tmp_path / "cache")


@pytest.mark.parametrize(
    "change",
    [
        {"input_image": None, "input_image_raw": None},
        {"input_image": {"bytes": b"GIF?", "path": None}},
        {"input_image": {"bytes": None, "path": "x.png"}},
    ],
)
def test_a_row_without_a_picture_fails_alone(tmp_path: Path, change: Row) -> None:
    data = write_arrow(tmp_path / "data", [{**ROWS[0], **change}, *ROWS[1:]])
    broken, *others = GEditLoader(data=data).load(cache=tmp_path / "cache").items
    for item in others:
        assert item.source is not None
        load_picture(item.source)
    assert broken.source is not None
    with pytest.raises(ConfigError, match=r"does not exist|cannot be read"):
        load_picture(broken.source)


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere' does not exist"):
        GEditLoader(data=tmp_path / "nowhere").load()
    with pytest.raises(ConfigError, match=r"no Arrow or Parquet file and no gedit_edit\.json"):
        GEditLoader(data=tmp_path).load()
    (tmp_path / "data.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="cannot be read as Arrow"):
        GEditLoader(data=tmp_path).load()


def test_arrow_files_need_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_arrow(tmp_path / "train")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"rr-refine\[data\]"):
        GEditLoader(data=data).load(cache=tmp_path / "cache")
