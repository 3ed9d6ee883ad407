from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pydantic import JsonValue

from rr_refine.agent.store import journal as journal_module
from rr_refine.agent.store.journal import ItemKind, Journal
from rr_refine.errors import StoreError, StoreFullError
from rr_refine.lines import FullError, LineFile, read_lines
from tests.agent.full_disk import FullDisk

ITEMS: list[tuple[ItemKind, str, JsonValue]] = [
    ("render", "a", {"image": "picture", "seconds": 0.5}),
    ("critique", "a", {"result": "ein „Urteil“\nmit Zeilen\r\u2028 und 猫 \ud800"}),
    ("round", "r0", {"candidates": [1, None, True, -0.0, 1e300], "incumbent": None}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


def write(path: Path, *items: tuple[ItemKind, str, JsonValue]) -> None:
    with closing(Journal(path)) as journal:
        for kind, key, value in items:
            journal.put(kind, key, value)


def contents(path: Path) -> list[tuple[ItemKind, str, JsonValue]]:
    journal = Journal(path, writable=False)
    kinds: list[ItemKind] = ["render", "critique", "round"]
    return [(kind, key, value) for kind in kinds for key, value in journal.items(kind)]


# -- writing and reading -----------------------------------------------------------------------


def test_items_come_back(path: Path) -> None:
    write(path, *ITEMS)
    assert contents(path) == ITEMS
    journal = Journal(path)
    for kind, key, value in ITEMS:
        assert journal.get(kind, key) == value
    assert journal.get("render", "b") is None
    assert journal.get("comparison", "a") is None
    journal.close()


def test_a_round_is_a_commit_of_all_that_was_put(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    real = os.fsync

    def fsync(file: int) -> None:
        real(file)
        synced.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(path)
    for number, item in enumerate(ITEMS, 1):
        journal.put(*item)
        assert path.read_bytes().endswith(b"\n")
        assert contents(path) == ITEMS[:number]  # what a process that is killed leaves
    assert synced == [path.read_bytes()]
    for kind in ("review", "outcome"):
        journal.put(kind, "a", {})
    assert len(synced) == 3
    journal.close()


def test_items_from_many_threads_are_whole_lines(path: Path) -> None:
    value: JsonValue = {"text": "x" * 5000}
    with closing(Journal(path)) as journal, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: journal.put("critique", str(n), value), range(200)))
        assert len(list(journal.items("critique"))) == 200
    assert {key for key, _ in Journal(path, writable=False).items("critique")} == {
        str(n) for n in range(200)
    }


def test_one_line_per_item_readable_by_anything(path: Path) -> None:
    write(path, *ITEMS)
    lines = path.read_text("ascii").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["render", "critique", "round"]


def test_an_item_may_be_done_anew_and_the_last_one_counts(path: Path) -> None:
    write(path, ("round", "r0", 1), ("round", "r1", 2), ("round", "r0", 3))
    journal = Journal(path)
    assert list(journal.items("round")) == [("r0", 3), ("r1", 2)]
    assert len(path.read_bytes().splitlines()) == 3  # nothing is rewritten
    journal.close()


def test_a_missing_file_is_an_empty_journal(path: Path) -> None:
    assert contents(path) == []
    assert not path.exists()
    write(path)
    assert path.read_bytes() == b""


def test_numbers_that_json_has_not_are_refused_before_writing(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(ValueError, match="JSON"):
        journal.put("render", "a", float("nan"))
    assert path.read_bytes() == b""
    journal.close()


# -- reading only ------------------------------------------------------------------------------


def test_reading_changes_nothing(path: Path) -> None:
    write(path, *ITEMS)
    with path.open("ab") as file:
        file.write(b'{"kind": "rend')
    before = path.read_bytes()
    journal = Journal(path, writable=False)
    assert journal.get("render", "a") == ITEMS[0][2]
    with pytest.raises(StoreError, match=r"samples\.jsonl is open for reading only"):
        journal.put("render", "b", 1)
    journal.close()
    assert path.read_bytes() == before


def test_a_closed_journal_can_be_read_but_not_written(path: Path) -> None:
    journal = Journal(path)
    journal.put(*ITEMS[0])
    journal.close()
    journal.close()
    assert journal.get("render", "a") == ITEMS[0][2]
    with pytest.raises(StoreError, match="reading only"):
        journal.put("render", "b", 1)


# -- crashes -----------------------------------------------------------------------------------


def test_a_torn_last_line_is_owed_again_wherever_it_was_torn(path: Path) -> None:
    write(path, *ITEMS[:2])
    kept = len(path.read_bytes())
    write(path, ITEMS[2])
    whole = path.read_bytes()
    for end in range(kept, len(whole)):
        path.write_bytes(whole[:end])
        assert contents(path) == ITEMS[:2]
        write(path, ITEMS[2])
        assert path.read_bytes() == whole
    assert contents(path) == ITEMS


def test_a_torn_line_stays_until_something_is_added(path: Path) -> None:
    path.write_bytes(b"somebody else's only line")
    Journal(path).close()
    assert path.read_bytes() == b"somebody else's only line"
    write(path, ITEMS[0])
    assert contents(path) == ITEMS[:1]


def test_zeros_at_the_end_are_a_torn_line(path: Path) -> None:
    """What a power cut leaves in a file on some file systems."""
    write(path, *ITEMS)
    with path.open("ab") as file:
        file.write(b"\0" * 512)
    write(path)
    assert contents(path) == ITEMS


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\x00\x00",
        b"\xff\xfe",
        b"[]",
        b"1",
        b"null",
        b'{"kind": "render", "key": "b"}',
        b'{"key": "b", "value": 1}',
        b'{"kind": ["render"], "key": "b", "value": 1}',
    ],
)
@pytest.mark.parametrize("writable", [True, False])
def test_a_broken_line_in_the_middle_is_named(path: Path, line: bytes, writable: bool) -> None:
    write(path, *ITEMS)
    lines = path.read_bytes().split(b"\n")
    broken = b"\n".join([lines[0], line, *lines[2:]])
    path.write_bytes(broken)
    with pytest.raises(StoreError, match=r"line 2 of .*samples\.jsonl is no journal item") as error:
        Journal(path, writable=writable)
    assert "restore the file or remove that line" in str(error.value)
    assert path.read_bytes() == broken


@pytest.mark.parametrize("writable", [True, False])
def test_a_file_that_cannot_be_opened_is_a_store_error(path: Path, writable: bool) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match=r"cannot open .*samples\.jsonl"):
        Journal(path, writable=writable)


# -- a full disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 1, 7, 40])
def test_on_a_full_disk_nothing_is_lost_and_the_next_put_works(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """The disk takes the first bytes of a line, and then none."""
    write(path, ITEMS[0])
    before = path.read_bytes()
    disk = FullDisk(monkeypatch, room)
    journal = Journal(path)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot write .*No space left on device"):
            journal.put(*ITEMS[1])
        assert journal.get(*ITEMS[1][:2]) is None
        assert path.read_bytes() == before
    assert disk.hits == 2
    disk.room = 10**6  # somebody tidied up
    journal.put(*ITEMS[1])
    journal.put(*ITEMS[2])
    journal.close()
    assert contents(path) == ITEMS


def test_room_that_comes_free_meanwhile_does_not_bring_back_half_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cutting off the half-written line frees room for its other half, if somebody kept that."""
    write(path, ITEMS[0])
    before = path.read_bytes()
    disk = FullDisk(monkeypatch, 60)
    journal = Journal(path)
    with pytest.raises(StoreError):
        journal.put(*ITEMS[1])
    disk.room = 10**6
    journal.close()
    assert path.read_bytes() == before
    assert contents(path) == ITEMS[:1]


def test_a_line_that_could_not_be_made_safe_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)
    journal.put(*ITEMS[0])
    before = path.read_bytes()

    def fsync(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(StoreError, match="Input/output error"):
            journal.put(*ITEMS[2])
    assert path.read_bytes() == before
    assert journal.get(*ITEMS[2][:2]) is None
    journal.put(*ITEMS[2])
    journal.close()
    assert contents(path) == [ITEMS[0], ITEMS[2]]


# -- the lines below ---------------------------------------------------------------------------


def test_lines_are_split_at_newlines_only(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert list(read_lines(path)) == []
    path.write_bytes(b"a\rb\r\n\nc\x0bd\x85\ntorn")
    assert list(read_lines(path)) == [b"a\rb\r", b"", b"c\x0bd\x85"]


def test_a_write_in_pieces_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operating system may take less than it is given."""
    FullDisk(monkeypatch, 10**6).write = lambda write, data: write(data[:3])  # type: ignore[method-assign]
    lines = LineFile(tmp_path / "lines")
    lines.append(b"a long line", sync=False)
    lines.append(b"", sync=True)
    lines.close()
    lines.close()
    assert (tmp_path / "lines").read_bytes() == b"a long line\n\n"


# -- a full journal ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "x" * 700, "ü" * 300], ids=["short", "long", "escaped"])
def test_what_can_be_written_can_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The writer counts as the readers do, in the next session too."""
    monkeypatch.setattr(journal_module, "MAX_JOURNAL", 9000)
    written = 0
    with suppress(StoreFullError):
        while written < 100:
            write(path, ("critique", str(written), value))
            written += 1
    assert 1 < written < 100
    assert len(contents(path)) == written
    before = path.read_bytes()
    journal = Journal(path)
    for _ in range(2):
        with pytest.raises(StoreFullError, match="9,000 are the most that is read"):
            journal.put("critique", "one more", value)
    assert journal.get("critique", "one more") is None
    journal.close()
    assert path.read_bytes() == before


def test_a_line_file_that_is_longer_than_its_limit_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\n" * 100)
    lines = LineFile(path, limit=99 * 1024)
    with pytest.raises(FullError, match="it is full"):
        lines.append(b"b", sync=False)
    lines.close()
    assert path.read_bytes() == b"a\n" * 100
