"""Files that are replaced as a whole, and the lock."""

from __future__ import annotations

import errno
import fcntl
import os
import tracemalloc
from pathlib import Path

import pytest

from rr_refine.errors import StoreError, StoreLockedError
from rr_refine.files import (
    MAX_PICTURE,
    locked,
    read_file,
    replace_file,
    replacing,
    require_no_links,
)


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_and_its_folder_made(durable: bool, tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for data in (b"old", b"new"):
        replace_file(path, data, durable=durable)
        assert path.read_bytes() == data
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_what_fails_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path, durable=True) as file:  # noqa: PT012
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_second_one_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    lock = tmp_path / "made" / ".lock"
    for _ in range(2):
        with (
            locked(tmp_path, lock),
            pytest.raises(StoreLockedError, match="this program already works on"),
        ):
            locked(tmp_path, lock).__enter__()
    with lock.open() as another:
        fcntl.flock(another, fcntl.LOCK_EX)  # as another process would
        with pytest.raises(StoreLockedError, match="another process works on"):
            locked(tmp_path, lock).__enter__()


def test_where_no_lock_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot lock"):
        locked(tmp_path, tmp_path / "file" / ".lock").__enter__()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(StoreError, match=r"No locks available; a file system without locks"):
        locked(tmp_path, tmp_path / ".lock").__enter__()


def test_reading_takes_the_memory_of_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"small")
    tracemalloc.start()
    try:
        assert read_file(path, limit=MAX_PICTURE) == b"small"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("limit", [4, 5, 6])
def test_what_is_read_has_a_limit(limit: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    if limit < 5:
        with pytest.raises(OSError, match="larger than 4 bytes"):
            read_file(path, limit=limit)
    else:
        assert read_file(path, limit=limit) == b"12345"


@pytest.mark.parametrize("kind", ["link", "folder link", "fifo", "dangling link"])
def test_a_folder_for_a_library_holds_no_links(tmp_path: Path, kind: str) -> None:
    inner = tmp_path / "out" / "checkpoints"
    inner.mkdir(parents=True)
    (inner / "model.safetensors").write_bytes(b"")
    require_no_links(tmp_path / "out")
    require_no_links(tmp_path / "missing")
    if kind == "fifo":
        os.mkfifo(inner / "last")
    else:
        target = {"link": inner / "model.safetensors", "folder link": tmp_path}.get(kind)
        (inner / "last").symlink_to(target or tmp_path / "nowhere")
    with pytest.raises(StoreError, match="last"):
        require_no_links(tmp_path / "out")
