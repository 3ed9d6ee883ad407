from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import JsonValue

from rr_refine.agent.events import RenderFailed
from rr_refine.agent.refine import refine
from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder, new_run_name, slug
from rr_refine.agent.store.png import read_metadata
from rr_refine.digest import image_digest
from rr_refine.errors import ConfigError, StoreError, StoreLockedError
from tests.agent.full_disk import FullDisk

PICTURE = Image.effect_noise((32, 24), 80).convert("RGB")
NAME = image_digest(PICTURE)
EVENT = RenderFailed(candidate="r0c0", error="GeneratorError", message="ein „Fehler“\n")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    with RunFolder(tmp_path / "run") as opened:
        yield opened


def files(folder: RunFolder) -> set[str]:
    """The files of the folder, those of its own making left out."""
    found = {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()}
    return found - {".lock", "samples.jsonl", "events.jsonl"}


# -- one at a time -----------------------------------------------------------------------------

_HOLD = """
import sys
from rr_refine.agent.store.folder import RunFolder
with RunFolder(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreLockedError, match="another process works on"):
            RunFolder(path)
        with RunFolder(path, lock=False) as looking:
            assert looking.journal.get("render", "a") is None
        other.kill()
    RunFolder(path).close()  # a process that is dead holds nothing


def test_the_second_opening_in_one_process_is_refused_too(folder: RunFolder) -> None:
    with pytest.raises(StoreLockedError, match="this program already works on"):
        RunFolder(folder.path)
    folder.close()
    folder.close()
    RunFolder(folder.path).close()


def test_what_could_not_be_opened_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunFolder(path).close()
    (path / "samples.jsonl").write_text("{\n")
    for _ in range(2):
        with pytest.raises(StoreError, match="line 1"):
            RunFolder(path)
    (path / "samples.jsonl").unlink()
    RunFolder(path).close()


@pytest.mark.parametrize("name", ["samples.jsonl", "events.jsonl", ".lock"])
def test_a_folder_that_cannot_be_worked_in(tmp_path: Path, name: str) -> None:
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot (open|lock)"):
        RunFolder(tmp_path / "run")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StoreError, match="cannot create run folder"):
            RunFolder(path)


def test_a_folder_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        RunFolder(tmp_path / "run", lock=False)
    assert not (tmp_path / "run").exists()


WRITES: dict[str, Callable[[RunFolder], object]] = {
    "image": lambda folder: folder.put_image(Image.new("RGB", (2, 2))),
    "story": lambda folder: folder.write_metadata(NAME, {}),
    "result": lambda folder: folder.publish(NAME),
    "json": lambda folder: folder.write_json("a.json", "something new"),
    "event": lambda folder: folder.record_event(EVENT),
    "item": lambda folder: folder.journal.put("render", "a", 1),
}


@pytest.mark.parametrize("name", WRITES)
def test_without_the_lock_nothing_is_written(folder: RunFolder, name: str) -> None:
    folder.put_image(PICTURE)
    before = files(folder)
    with (
        RunFolder(folder.path, lock=False) as looking,
        pytest.raises(StoreError, match="open for reading only"),
    ):
        WRITES[name](looking)
    folder.close()
    with pytest.raises(StoreError, match="open for reading only"):
        WRITES[name](folder)
    assert files(folder) == before


# -- images ------------------------------------------------------------------------------------


def test_an_image_is_called_after_its_pixels(folder: RunFolder) -> None:
    assert not folder.has_image(NAME)
    assert folder.put_image(PICTURE, {"prompt": "a cat"}) == NAME
    assert folder.has_image(NAME)
    assert files(folder) == {f"images/{NAME[:2]}/{NAME}.png"}
    loaded = folder.load_image(NAME)
    assert loaded.mode == "RGB"
    assert image_digest(loaded) == NAME


def test_the_same_pixels_are_stored_once(folder: RunFolder) -> None:
    folder.put_image(PICTURE, {"prompt": "a cat"})
    before = folder.image_path(NAME).stat().st_mtime_ns
    assert folder.put_image(PICTURE.copy(), {"prompt": "a dog"}) == NAME
    assert folder.image_path(NAME).stat().st_mtime_ns == before
    assert read_metadata(folder.image_path(NAME).read_bytes()) == {"prompt": "a cat"}


def test_two_threads_may_store_the_same_picture_at_once(folder: RunFolder) -> None:
    threads = 8
    start = threading.Barrier(threads)

    def put(picture: Image.Image) -> str:
        start.wait()
        return folder.put_image(picture)

    with ThreadPoolExecutor(threads) as pool:
        for shade in range(20):
            picture = PICTURE.point(lambda v, shade=shade: v // (shade + 1))
            names = set(pool.map(put, [picture] * threads))
            assert names == {image_digest(picture)}
            assert image_digest(folder.load_image(names.pop())) == image_digest(picture)
    assert len(files(folder)) == 20


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "../" * 20 + "etc/passwd",
        "/etc/passwd",
        NAME[:63],
        NAME + "0",
        NAME.upper(),
        NAME + "\n",
        NAME[:-4] + "/../",
        "..\\" + NAME[3:],
    ],
)
def test_what_is_no_digest_leads_nowhere(folder: RunFolder, name: str) -> None:
    for use in (folder.image_path, folder.load_image, folder.has_image, folder.publish):
        with pytest.raises(StoreError, match="is no image digest"):
            use(name)


def test_a_story_is_told_and_the_pixels_stay(folder: RunFolder) -> None:
    folder.put_image(PICTURE, {"prompt": "a cat"})
    story: dict[str, JsonValue] = {"prompt": "a cat", "scores": {"physical_quality": 3.5}}
    folder.write_metadata(NAME, story)
    assert read_metadata(folder.image_path(NAME).read_bytes()) == story
    assert image_digest(folder.load_image(NAME)) == NAME


def test_the_result_is_a_copy(folder: RunFolder) -> None:
    other = folder.put_image(Image.new("RGB", (2, 2), "red"))
    folder.put_image(PICTURE, {"prompt": "a cat"})
    assert folder.publish(other) == folder.path / "result.png"
    assert folder.publish(NAME).read_bytes() == folder.image_path(NAME).read_bytes()


def test_an_image_that_is_gone_or_broken_is_a_store_error(folder: RunFolder) -> None:
    uses = (folder.load_image, folder.publish, lambda name: folder.write_metadata(name, {}))
    for use in uses:
        with pytest.raises(StoreError, match="cannot be read"):
            use(NAME)
    folder.put_image(PICTURE)
    path = folder.image_path(NAME)
    whole = path.read_bytes()
    for data in (
        b"",
        b"no picture",
        whole[: len(whole) // 2],
        whole[:60] + b"?" * 40 + whole[100:],
    ):
        path.write_bytes(data)
        with pytest.raises(StoreError, match="cannot be read"):
            folder.load_image(NAME)
    path.write_bytes(b"no picture")
    with pytest.raises(StoreError, match="cannot be read"):
        folder.write_metadata(NAME, {})


# -- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"a": None, "b": [1, 2.5, True], "c": {}},
        "„Häuschen“ 猫 🐈 \ud800 \0 \x1b",
        [],
        None,
        2**63 - 1,
    ],
)
def test_json_comes_back_nulls_and_all(folder: RunFolder, value: JsonValue) -> None:
    folder.write_json("a.json", value)
    assert folder.read_json("a.json") == value
    assert json.loads((folder.path / "a.json").read_text("utf-8")) == value


def test_json_that_is_missing_or_broken(folder: RunFolder) -> None:
    assert folder.read_json("a.json") is None
    for data in (b"", b"{", b"\xff"):
        (folder.path / "a.json").write_bytes(data)
        with pytest.raises(StoreError, match=r"a\.json cannot be read"):
            folder.read_json("a.json")
    with pytest.raises(ValueError, match="JSON"):
        folder.write_json("b.json", float("nan"))
    assert "b.json" not in files(folder)


def test_events_are_appended_and_a_torn_one_is_cut_off(folder: RunFolder) -> None:
    folder.record_event(EVENT)
    folder.record_event(EVENT)
    folder.close()
    path = folder.path / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with RunFolder(folder.path) as again:
        again.record_event(EVENT)
    assert path.read_bytes() == whole


# -- a full disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 5])
@pytest.mark.parametrize("name", WRITES)
def test_on_a_full_disk_nothing_is_half_written(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, name: str, room: int
) -> None:
    folder.put_image(PICTURE, {"prompt": "a cat"})
    folder.publish(NAME)
    folder.write_json("a.json", "earlier")
    folder.close()
    disk = FullDisk(monkeypatch, 10**6)
    with RunFolder(folder.path) as full:
        before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
        disk.room = room
        with pytest.raises(StoreError, match="No space left on device"):
            WRITES[name](full)
        assert disk.hits
        assert {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()} == before
        disk.room = 10**6
        WRITES[name](full)


def test_a_place_that_is_taken_is_a_store_error(folder: RunFolder) -> None:
    (folder.path / "images").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        folder.put_image(PICTURE)


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Three red hats!", "three-red-hats"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\System32", "c-windows-system32"),
        ("~/$HOME/`rm -rf`/*", "home-rm-rf"),
        ("\x1b[31mred\x1b[0m\r\n\x07", "31mred-0m"),
        ("\u202egnp.exe", "gnp-exe"),
        ("naïve café", "na-ve-caf"),
        ("三只猫", "run"),
        ("", "run"),
        ("---", "run"),
        ("a" * 100_000, "a" * 32),
        ("word " * 20_000, "word-word-word-word-word-word-wo"),
        ("twenty-nine letters and a dash -", "twenty-nine-letters-and-a-dash"),
        ("a" * 31 + " b", "a" * 31),
    ],
)
def test_slugs(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text())
def test_a_slug_is_safe_whatever_the_text(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", slug(text))


def test_run_names_sort_by_time_and_never_meet() -> None:
    names = [new_run_name("../a cat", "0123456789abcdef") for _ in range(5)]
    assert len(set(names)) == 5
    for name in names:
        assert re.fullmatch(r"\d{8}-\d{6}-a-cat-01234567-[0-9a-f]{4}", name)


@pytest.mark.parametrize("name", ["x" * 6000, "x/" * 3000, "a\0b", "\ud800"])
def test_what_nothing_can_be_called(tmp_path: Path, name: str) -> None:
    for call in (load_run, RunFolder, lambda path: refine("a cat", out=path)):
        for path in (name, str(tmp_path / name)):
            with pytest.raises(ConfigError, match=r"name too long|is no path") as caught:
                call(path)
            assert len(str(caught.value)) < 300
