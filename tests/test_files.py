"""Files that are replaced as a whole, and the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.errors import StoreError, StoreLockedError
from rr_refine.files import locked, replace_file, replacing


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
    refused = pytest.raises(StoreLockedError, match="another process works on")
    with locked(tmp_path, lock), refused:
        locked(tmp_path, lock).__enter__()
    with locked(tmp_path, lock):
        pass


def test_where_no_lock_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot lock"):
        locked(tmp_path, tmp_path / "file" / ".lock").__enter__()
