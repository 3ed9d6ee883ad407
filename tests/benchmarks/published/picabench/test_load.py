"""The published files, read."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.benchmarks.published.picabench import PicaBenchLoader
from rr_refine.benchmarks.published.picabench.benchmark import SUITES
from rr_refine.benchmarks.published.picabench.case import Difficulty
from rr_refine.errors import ConfigError, MissingExtraError, StoreError
from rr_refine.pictures import load_picture
from tests.benchmarks.published.parts import is_whole
from tests.benchmarks.published.picabench.files import (
    BOX,
    encoded,
    meta,
    pair,
    row,
    rows,
    write_json,
    write_parquet,
)

NAME = "picabench-00000-of-00001.parquet"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "copy" / "data" / NAME, rows())


@pytest.mark.parametrize(
    ("suite", "prompt"), list(zip(SUITES, ["short 1", "longer 1", "in full 1"], strict=True))
)
def test_a_suite_is_a_column_of_prompts(
    data: Path, tmp_path: Path, suite: Difficulty, prompt: str
) -> None:
    published = PicaBenchLoader(data=data, suite=suite).load(cache=tmp_path)
    assert is_whole(published)
    item = published.items[1]
    assert (item.id, item.prompt, item.seed) == ("00001", prompt, 1)
    assert item.labels == {"category": "Optics", "law": "Refraction", "operation": "add"}
    assert published.picture(item) == "00001.png"
    assert published.name == f"picabench {suite}"
    assert published.files == {NAME: hashlib.sha256(data.read_bytes()).hexdigest()}
    assert published.wording == "ours"
    assert published.notes == ("1 of 6 questions have no box: asked about the whole picture",)


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_file_is_found(data: Path, tmp_path: Path, up: int) -> None:
    folder = data if up == 0 else data.parents[up - 1]
    assert len(PicaBenchLoader(data=folder).load(cache=tmp_path).items) == 3


def test_row_numbers_go_on_in_the_next_file(tmp_path: Path) -> None:
    write_parquet(tmp_path / "picabench-00000-of-00002.parquet", rows()[:2])
    write_parquet(tmp_path / "picabench-00001-of-00002.parquet", rows()[2:])
    published = PicaBenchLoader(data=tmp_path).load(cache=tmp_path)
    assert [(i.id, i.prompt) for i in published.items] == [
        ("00000", "short 0"),
        ("00001", "short 1"),
        ("00002", "short 2"),
    ]
    assert len(published.files) == 2


def test_pictures_are_unpacked_once_and_only_those_asked_for(tmp_path: Path) -> None:
    found = rows()
    found[0]["input_image"]["bytes"] = encoded(colour="red", kind="JPEG")
    data = write_parquet(tmp_path / NAME, found)
    cache = tmp_path / "cache"
    published = PicaBenchLoader(data=data).load(limit=2, cache=cache)
    first, second = (item.source for item in published.items)
    assert isinstance(first, Path) and isinstance(second, Path)
    assert first == cache / "sources" / "00000.jpg"
    assert first.read_bytes() == found[0]["input_image"]["bytes"]
    assert second == cache / "sources" / "00001.png"
    assert sorted(path.name for path in (cache / "sources").iterdir()) == [
        "00000.jpg",
        "00001.png",
    ]
    first.write_bytes(b"of another file")
    before = second.stat()
    PicaBenchLoader(data=data).load(limit=2, cache=cache)
    assert first.read_bytes() == found[0]["input_image"]["bytes"]
    assert second.stat().st_ino == before.st_ino, "what is there is not written again"


def test_a_picture_may_lie_beside_the_parquet(tmp_path: Path) -> None:
    found = [row(0, "Reflection", "add", [], input_image={"bytes": None, "path": "a.png"})]
    published = PicaBenchLoader(data=write_parquet(tmp_path / NAME, found)).load()
    assert published.items[0].source == tmp_path / "a.png"
    assert published.notes == (
        "1 of 1 items have no questions and are left out of the official accuracy: 00000",
    )


@pytest.mark.parametrize(
    ("value", "areas"),
    [
        ("unknown", 0),
        (None, 0),
        ('[{"x": 1, "y": 2, "width": 3, "height": 4, "id": "a"}]', 1),
        ([{"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}] * 2, 2),
    ],
)
def test_edited_areas(tmp_path: Path, value: object, areas: int) -> None:
    data = write_parquet(
        tmp_path / NAME, [row(0, "Reflection", "add", [pair("?", "No", BOX)], edit_area=value)]
    )
    published = PicaBenchLoader(data=data).load(cache=tmp_path)
    (case,) = published.cases.values()
    assert len(case.areas) == areas


def test_a_meta_info(tmp_path: Path) -> None:
    nameless = {name: value for name, value in meta(0).items() if name != "index"}
    write_json(
        tmp_path / "meta_info.json",
        [meta(1174), meta(7, difficulty="explicit"), meta(5, difficulty="unknown"), nameless],
    )
    published = PicaBenchLoader(data=tmp_path).load()
    assert [(item.id, item.prompt, item.source) for item in published.items] == [
        ("01174", "do 1174", tmp_path / "input_img" / "1174.png"),
        ("00005", "do 5", tmp_path / "input_img" / "5.png"),
        ("00003", "do 0", tmp_path / "input_img" / "0.png"),
    ]
    assert published.notes == ("1 of 3 items do not say of which suite they are",)
    assert [item.id for item in PicaBenchLoader(data=tmp_path, suite="explicit").load().items] == [
        "00007",
        "00005",
    ]
    assert [item.id for item in PicaBenchLoader(data=tmp_path).load(limit=1).items] == ["01174"]


def test_the_parquet_comes_before_a_meta_info(data: Path, tmp_path: Path) -> None:
    write_json(data.parents[1] / "meta_info.json", [meta(0)])
    assert list(PicaBenchLoader(data=data.parents[1]).load(cache=tmp_path).files) == [NAME]


def test_the_official_words_are_read_from_the_users_copy(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "scripts" / "PicaEval_gpt.py"
    script.parent.mkdir()
    script.write_text(
        "raise SystemExit('this is read, not run')\n"
        "def ask(question):\n"
        "    json_instruction = (\n"
        "        '\\n\\nAnswer in '\n"
        "        'JSON.'\n"
        "    )\n"
        "    return question + json_instruction\n"
    )
    sha = hashlib.sha256(script.read_bytes()).hexdigest()
    for prompts in (script, script.parent):
        published = PicaBenchLoader(data=data, prompts=prompts).load(cache=tmp_path)
        assert published.wording == f"official {sha[:12]}"
        assert published.files["PicaEval_gpt.py"] == sha
        (question,) = published.questions(published.items[1], Image.new("RGB", (40, 20)))
        assert question.content[0] == "Is the straw bent?\n\nAnswer in JSON."


def no_prompt(found: dict[str, Any]) -> None:
    found["superficial_prompt"] = None


def no_law(found: dict[str, Any]) -> None:
    del found["physics_law"]


def odd_area(found: dict[str, Any]) -> None:
    found["edit_area"] = "everywhere"


def area_without_width(found: dict[str, Any]) -> None:
    found["edit_area"] = [{"x": 1.0, "y": 1.0, "height": 1.0}]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_prompt, "has no prompts of suite"),
        (no_law, "has no column 'physics_law'"),
        (odd_area, "row 0 of .*: edit_area"),
        (area_without_width, "row 0 of .*: width"),
    ],
)
def test_a_broken_parquet(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], message: str
) -> None:
    found = rows()[:1]
    spoil(found[0])
    with pytest.raises(ConfigError, match=message):
        PicaBenchLoader(data=write_parquet(tmp_path / NAME, found)).load(cache=tmp_path)


def test_a_row_without_a_prompt_fails_alone(tmp_path: Path) -> None:
    found = rows()
    found[0]["superficial_prompt"] = None
    blank, *others = (
        PicaBenchLoader(data=write_parquet(tmp_path / NAME, found)).load(cache=tmp_path).items
    )
    assert blank.prompt == ""
    assert all(item.prompt for item in others)


@pytest.mark.parametrize("data", [b"nothing to see", None])
def test_a_row_without_a_picture_fails_alone(tmp_path: Path, data: bytes | None) -> None:
    found = rows()
    found[0]["input_image"] = {"bytes": data, "path": None}
    broken, *others = (
        PicaBenchLoader(data=write_parquet(tmp_path / NAME, found)).load(cache=tmp_path).items
    )
    for item in others:
        assert item.source is not None
        load_picture(item.source)
    assert broken.source is not None
    with pytest.raises(ConfigError, match=r"does not exist|cannot be read"):
        load_picture(broken.source)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"items": []}, "holds no list"),
        ([], "no items of suite 'superficial'"),
        ([meta(0, difficulty="explicit")], "no items of suite 'superficial'"),
        ([meta(0), meta(0)], "index 0 twice"),
        ([meta(0, edit_instruction="")], "prepare_meta_info.py writes none"),
        ([meta(0), {"index": 1}], "row 1 of .*: input_path"),
        ([meta(0, annotated_qa_pairs=[{"question": 3}])], "row 0 of .*: question"),
    ],
)
def test_a_broken_meta_info(tmp_path: Path, value: object, message: str) -> None:
    file = write_json(tmp_path / "meta_info.json", value)
    with pytest.raises(ConfigError, match=message):
        PicaBenchLoader(data=file).load()


def test_what_is_asked_for_wrongly(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no suite 'hard'; it has superficial"):
        PicaBenchLoader(data=data, suite="hard").load(cache=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="limit = 0"):
        PicaBenchLoader(data=data).load(limit=0, cache=tmp_path)
    with pytest.raises(ConfigError, match="give a cache folder"):
        PicaBenchLoader(data=data).load()
    with pytest.raises(ConfigError, match="holds neither"):
        PicaBenchLoader(data=tmp_path / "nowhere").load(cache=tmp_path)
    with pytest.raises(ConfigError, match="nor holds one"):
        PicaBenchLoader(data=data, prompts=tmp_path).load(cache=tmp_path)
    with pytest.raises(ConfigError, match="no text called 'json_instruction'"):
        PicaBenchLoader(data=data, prompts=Path(__file__)).load(cache=tmp_path)
    with pytest.raises(ConfigError, match="is no Python file"):
        PicaBenchLoader(data=data, prompts=data).load(cache=tmp_path)
    broken = tmp_path / "meta_info.json"
    broken.write_text("[")
    with pytest.raises(ConfigError, match="cannot be read as JSON"):
        PicaBenchLoader(data=broken).load()
    write_parquet(data.parents[1] / "old" / NAME, rows())
    with pytest.raises(ConfigError, match="several folders below"):
        PicaBenchLoader(data=data.parents[1]).load(cache=tmp_path)


def test_a_cache_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "sources").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write .*00000\.png"):
        PicaBenchLoader(data=data).load(cache=tmp_path)


def test_it_needs_pyarrow(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"rr-refine\[data\]"):
        PicaBenchLoader(data=data).load(cache=tmp_path)
