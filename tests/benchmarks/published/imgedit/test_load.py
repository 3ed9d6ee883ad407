from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rr_refine.benchmarks.published.imgedit import ImgEditLoader
from rr_refine.benchmarks.published.imgedit.edits import SUITES
from rr_refine.errors import ConfigError
from tests.benchmarks.published.imgedit.files import (
    EDITS,
    PROMPTS,
    UGE_EDITS,
    write_archive,
    write_checkout,
    write_json,
    write_pictures,
)
from tests.benchmarks.published.parts import is_whole


def test_the_suites() -> None:
    assert SUITES == ("basic", "uge")


@pytest.mark.parametrize("form", ["archive", "singleturn", "checkout", "file"])
def test_basic_is_read_wherever_its_files_are(tmp_path: Path, form: str) -> None:
    archive, checkout = write_archive(tmp_path), write_checkout(tmp_path)
    data, root = {
        "archive": (archive, archive / "singleturn"),
        "singleturn": (archive / "singleturn", archive / "singleturn"),
        "checkout": (checkout, checkout / "originals"),
        "file": (archive / "singleturn" / "singleturn.json", archive / "singleturn"),
    }[form]
    loaded = ImgEditLoader(data=data, suite="basic").load()
    assert is_whole(loaded)
    assert loaded.name == "imgedit basic"
    assert [(item.id, item.source) for item in loaded.items] == [
        (key, root / edit["id"]) for key, edit in EDITS.items()
    ]
    assert [item.prompt for item in loaded.items][1] == "Make it a mosaic."
    assert [item.labels["edit_type"] for item in loaded.items] == [
        "adjust", "style", "compose", "add", "adjust", "adjust",
    ]  # fmt: skip
    assert len({item.seed for item in loaded.items}) == len(EDITS)
    assert loaded.dimensions == ("add", "adjust", "style", "compose")
    assert loaded.notes == ()


@pytest.mark.parametrize("form", ["archive", "hard", "checkout"])
def test_uge_is_read_wherever_its_files_are(tmp_path: Path, form: str) -> None:
    archive, checkout = write_archive(tmp_path), write_checkout(tmp_path)
    data, root = {
        "archive": (archive, archive / "hard"),
        "hard": (archive / "hard", archive / "hard"),
        "checkout": (checkout, checkout / "originals"),
    }[form]
    loaded = ImgEditLoader(data=data, suite="uge").load()
    assert loaded.name == "imgedit uge"
    assert [(item.id, item.prompt, item.source) for item in loaded.items] == [
        (key, edit["prompt"], root / edit["id"]) for key, edit in UGE_EDITS.items()
    ]
    assert (loaded.wording, loaded.dimensions) == ("ours", ("uge",))


def test_what_was_read_is_recorded_by_its_content(tmp_path: Path) -> None:
    data = write_checkout(tmp_path)
    edits, prompts = data / "Basic" / "basic_edit.json", data / "Basic" / "prompts.json"
    sha256 = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (edits, prompts)}
    loaded = ImgEditLoader(data=data).load()
    assert loaded.files == sha256
    assert loaded.wording == f"official {sha256['prompts.json'][:12]}"
    prompts.unlink()
    loaded = ImgEditLoader(data=data).load()
    assert loaded.files == {"basic_edit.json": sha256["basic_edit.json"]}
    assert loaded.wording == "ours"


def test_prompts_that_are_named_come_first(tmp_path: Path) -> None:
    data = write_checkout(tmp_path)
    other = write_json(tmp_path / "mine.json", {**PROMPTS, "add": "Another text: <edit_prompt>"})
    loaded = ImgEditLoader(data=data, prompts=other).load()
    assert set(loaded.files) == {"basic_edit.json", "mine.json"}
    assert loaded.wording == f"official {loaded.files['mine.json'][:12]}"


def test_an_older_version_calls_adjust_alter(tmp_path: Path) -> None:
    older = {
        k: {**e, "edit_type": e["edit_type"].replace("adjust", "alter")} for k, e in EDITS.items()
    }
    data = write_json(tmp_path / "basic_edit.json", older).parent
    write_pictures(tmp_path, EDITS)
    write_json(tmp_path / "prompts.json", {**PROMPTS, "alter": PROMPTS["adjust"]})
    loaded = ImgEditLoader(data=data).load()
    assert loaded.dimensions == ("add", "adjust", "style", "compose")
    (note,) = loaded.notes
    assert "'alter' (3 items)" in note


def test_a_limit_takes_the_first_and_needs_their_pictures_only(tmp_path: Path) -> None:
    data = write_archive(tmp_path)
    (data / "singleturn" / EDITS["22"]["id"]).unlink()
    loaded = ImgEditLoader(data=data).load(limit=3)
    assert [item.id for item in loaded.items] == ["1082", "673", "1149"]
    assert loaded.dimensions == ("adjust", "style", "compose")
    with pytest.raises(ConfigError, match=r"of 4, .*singleturn' lacks 1, such as 'for add/03.jpg'"):
        ImgEditLoader(data=data).load()


@pytest.mark.parametrize(
    ("options", "limit", "message"),
    [
        ({"suite": "multiturn"}, None, "no suite 'multiturn'; it has basic, uge"),
        ({}, 0, "limit = 0: give at least 1"),
        ({"suite": "uge", "prompts": Path("prompts.json")}, None, "leave the prompts out"),
        ({"prompts": Path("none.json")}, None, "cannot read 'none.json'"),
    ],
)
def test_arguments_that_are_refused(
    tmp_path: Path, options: dict[str, object], limit: int | None, message: str
) -> None:
    loader = ImgEditLoader(data=write_archive(tmp_path), **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        loader.load(limit=limit)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({}, "has no edits"),
        ({"7": {"id": "a.jpg"}}, r"7\.prompt is missing"),
        ({"7": {"id": "a.jpg", "prompt": "b", "edit_type": "paint"}}, "key '7' has .* 'paint'; in"),
        ({"7": {"id": "a.jpg", "prompt": "b"}}, "key '7' has edit_type None; in the suite 'basic'"),
        ({"../7": {"id": "a.jpg", "prompt": "b", "edit_type": "add"}}, "'../7' cannot be the name"),
        (["a.jpg"], "no table of fields"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, edits: dict[str, object], message: str) -> None:
    path = write_json(tmp_path / "basic_edit.json", edits)
    with pytest.raises(ConfigError, match=message) as caught:
        ImgEditLoader(data=tmp_path).load()
    assert str(path) in str(caught.value)


def test_the_edits_of_one_suite_are_not_those_of_the_other(tmp_path: Path) -> None:
    data = write_archive(tmp_path)
    with pytest.raises(ConfigError, match=r"key '1082' has .* 'adjust'; .*'uge' it has none"):
        ImgEditLoader(data=data / "singleturn" / "singleturn.json", suite="uge").load()


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no basic_edit\.json or singleturn\.json in"):
        ImgEditLoader(data=tmp_path).load()
    with pytest.raises(ConfigError, match=r"no UGE_edit\.json or one JSON file in hard/ in"):
        ImgEditLoader(data=tmp_path, suite="uge").load()
    with pytest.raises(ConfigError, match="nowhere' does not exist"):
        ImgEditLoader(data=tmp_path / "nowhere").load()
    (tmp_path / "basic_edit.json").write_text("{'1': }")
    with pytest.raises(ConfigError, match="is no JSON"):
        ImgEditLoader(data=tmp_path).load()


def test_official_prompts_need_every_type_and_a_place_for_the_instruction(tmp_path: Path) -> None:
    data = write_checkout(tmp_path)
    for prompts in ({**PROMPTS, "style": "No place."}, {k: PROMPTS[k] for k in ("add", "adjust")}):
        write_json(data / "Basic" / "prompts.json", prompts)
        with pytest.raises(ConfigError, match="no prompt with <edit_prompt> for the edit type"):
            ImgEditLoader(data=data).load()
