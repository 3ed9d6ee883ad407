"""The one way to the files of our own folders: run folders, benchmarks, training data.

Such a folder may come from somebody else, so nothing in it is followed: only regular files are read
and written, links and pipes are refused, and what is read has limits. The folder itself is the
user's choice and may be a link. A hard link cannot be told from a file and is taken for one.

`within` is that folder, here and in `rr_refine.lines`: every folder between it and the file must be
a real one. Without it the file lies in the folder itself. A file gets the permissions that its
folder has, so a private folder holds private files; see `make_folder`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final, Literal, NoReturn, cast

from pydantic import JsonValue

from rr_refine.boundary import raised_as
from rr_refine.errors import StoreError, StoreLockedError
from rr_refine.local_path import require_local

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_PICTURE",
    "holds_file",
    "is_shared",
    "link_file",
    "locked",
    "make_folder",
    "make_inside",
    "open_file",
    "parse_json",
    "read_file",
    "remove_file",
    "replace_file",
    "replacing",
    "require_inside",
    "require_no_links",
]

MAX_BYTES: Final = 2**24
"""Most of a file that is read as a whole, such as JSON."""
MAX_PICTURE: Final = 2**28
"""The same of a stored picture."""
MAX_DEPTH: Final = 100
"""Most objects and lists inside of one another; ours have ten."""
_TOO_DEEP: Final = f"JSON that is nested deeper than {MAX_DEPTH} levels"

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODES: Final = {"rb": os.O_RDONLY, "rb+": os.O_RDWR | os.O_APPEND | os.O_CREAT}
_HELD: Final[set[tuple[int, int, int]]] = set()  # our locks: process, inode and device
_KINDS: Final = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


# -- reading -------------------------------------------------------------------------------------


def open_file(
    path: Path, mode: Literal["rb", "rb+"] = "rb", *, within: Path | None = None
) -> BinaryIO:
    """Open a regular file.

    Args:
        mode: `rb` reads; `rb+` adds to the end without a buffer, and creates what is missing.

    Raises:
        FileNotFoundError: it does not exist, nor is it created.
        OSError: it cannot be opened; a link, or something else that is no file.
    """
    fd = _open(path, within, _MODES[mode], make=mode == "rb+")
    return os.fdopen(fd, mode, buffering=-1 if mode == "rb" else 0)


def read_file(path: Path, *, within: Path | None = None, limit: int = MAX_BYTES) -> bytes:
    """The contents of a regular file.

    Raises:
        OSError: as `open_file`; it is larger than `limit` bytes.
    """
    with open_file(path, within=within) as file:
        # `read` has memory for as much as it may give, before it reads.
        size = min(os.fstat(file.fileno()).st_size, limit)
        data = file.read(size + 1)
        if len(data) > size:  # it is larger, or has grown
            data += file.read(limit + 1 - len(data))
    if len(data) > limit:
        raise OSError(f"{str(path)!r} is larger than {limit:,} bytes")
    return data


def holds_file(path: Path, *, within: Path | None = None) -> bool:
    """Whether there is such a file.

    Raises:
        OSError: there is something that is no regular file.
    """
    try:
        os.close(_open(path, within, os.O_RDONLY))
    except (FileNotFoundError, NotADirectoryError):  # a file in the place of its folder
        return False
    return True


def require_no_links(folder: Path) -> None:
    """A folder that may be from elsewhere, before a library writes in it: what it names is in it.

    Raises:
        StoreError: there is a link in it, or something that is neither file nor folder.
    """
    for path, folders, names in os.walk(folder):
        for name in (*folders, *names):
            mode = Path(path, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise StoreError(str(_no_file(Path(path, name), mode)))


def parse_json(data: bytes | str, *, nan: bool = False) -> JsonValue:
    """The value of a JSON text that somebody else may have written; with `nan`, NaN and Infinity
    are taken too, which are no JSON but what Python and pandas write.

    Raises:
        ValueError: it is no JSON, or nested deeper than `MAX_DEPTH`.
    """
    text = data if isinstance(data, str) else data.decode("utf-8-sig")
    try:
        value: JsonValue = (_LENIENT if nan else _DECODER).decode(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        level: list[Any] = [value]
        for _ in range(MAX_DEPTH):
            level = [
                inner
                for outer in level
                if isinstance(outer, dict | list)
                for inner in (outer.values() if isinstance(outer, dict) else outer)
            ]
        if any(isinstance(inner, dict | list) for inner in level):
            raise ValueError(_TOO_DEEP)
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)
_LENIENT: Final = json.JSONDecoder()


def require_inside(name: str) -> str:
    """The name of a file below a folder, as a record has it.

    Raises:
        ValueError: it leads out of the folder.
    """
    if not name or "\0" in name or PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise ValueError(f"{name!r} is no name of something inside of its folder")
    return name


# -- writing -------------------------------------------------------------------------------------


@contextmanager
def replacing(
    path: Path, *, durable: bool, within: Path | None = None, private: bool = False
) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` when the block ends: all or nothing.

    No reader ever sees half of it, and a crash leaves the old file or the new one. The folder is
    created when missing. What was there is replaced and never written through, be it a link.

    Args:
        durable: the contents are on disk (fsync) before `path` changes; not needed for what can be
            made again.
        private: for this user alone, also where the folder is open to others.

    Raises:
        OSError: it could not be written; `path` is as it was before.
    """
    with _parent(path, within, make=True) as (folder, mode):
        mode = mode & 0o600 if private else mode
        # A name of its own: two threads may write the same file at once.
        part = f".{path.name}.{secrets.token_hex(4)}.part"
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, mode, dir_fd=folder)
            with cast("BinaryIO", os.fdopen(fd, "wb")) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise


def replace_file(path: Path, data: bytes, *, durable: bool, within: Path | None = None) -> None:
    """Write `data` to `path`; see `replacing`."""
    with replacing(path, durable=durable, within=within) as file:
        file.write(data)


def link_file(source: Path, path: Path, *, source_within: Path, within: Path) -> None:
    """Give a regular file a second place, a hard link; its folder is created when missing.

    Raises:
        FileExistsError: there is something at `path`.
        OSError: there can be no link.
    """
    with (
        _parent(source, source_within, make=False) as (origin, _),
        _parent(path, within, make=True) as (folder, _),
    ):
        os.link(source.name, path.name, src_dir_fd=origin, dst_dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(os.lstat(path.name, dir_fd=folder).st_mode):
            os.unlink(path.name, dir_fd=folder)
            raise OSError(f"{str(source)!r} is no regular file")


def remove_file(path: Path, *, within: Path | None = None) -> None:
    """Remove a file if it is there; of a link, the link.

    Raises:
        OSError: it could not be removed.
    """
    with suppress(FileNotFoundError), _parent(path, within, make=False) as (folder, _):
        os.unlink(path.name, dir_fd=folder)


def make_folder(path: Path, *, private: bool = True) -> list[Path]:
    """Create a folder and what is missing above it; one that is there stays as it is.

    Args:
        private: for this user alone (0700); else as the umask says.

    Returns:
        What was created, the innermost folder first.

    Raises:
        OSError: it cannot be created.
        ConfigError: one of them would be called as an address begins: `s3:`.
    """
    mode = 0o700 if private else 0o777
    missing = []
    while not path.is_dir():
        require_local(path.name)
        missing.append(path)
        if path == path.parent:
            break
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode, exist_ok=True)
    return missing


def make_inside(path: Path, *, within: Path) -> None:
    """Create a folder inside of ours, with its permissions; what is there must be no link.

    Raises:
        OSError: it cannot be created, or a link is on the way.
    """
    with _parent(path / "x", within, make=True):
        pass


def is_shared(folder: Path) -> bool:
    """Whether anybody else may look into a folder, as its permissions say."""
    return bool(folder.stat().st_mode & 0o077)


@contextmanager
def locked(path: Path, lock: Path, *, within: Path | None = None) -> Iterator[None]:
    """Keep other processes, and other threads of this one, away from `path` during the block.

    Args:
        path: what is worked on, for the messages.
        lock: the file that is locked; it and its folder are created when missing, and it stays.

    Raises:
        StoreLockedError: somebody has it, be it this process; this is said at once.
        StoreError: it cannot be created or locked.
    """
    with raised_as(StoreError, f"cannot lock {str(path)!r}"):
        file = open_file(lock, "rb+", within=within)
    with file:
        own = (os.getpid(), *os.fstat(file.fileno())[1:3])
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = "this program already" if own in _HELD else "another process"
            told = f"{who} works on {path}; wait for it, or work on a copy"
            raise StoreLockedError(told) from None
        except OSError as error:
            raise StoreError(
                f"cannot lock {str(path)!r}: {error}; a file system without locks holds no folder "
                "of ours (see docs/storage.md)"
            ) from error
        _HELD.add(own)
        try:
            yield
        finally:
            _HELD.discard(own)
            fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked meanwhile has a copy of it


# -- the way to a file ---------------------------------------------------------------------------


@contextmanager
def _parent(path: Path, within: Path | None, *, make: bool) -> Iterator[tuple[int, int]]:
    """The folder of a file, open, and the permissions that a new file in it gets."""
    root = path.parent if within is None else within
    depth = len(root.parts)
    if path.parts[:depth] != root.parts:
        raise OSError(f"{str(path)!r} lies outside of {str(root)!r}")
    names = path.parts[depth:-1]
    if ".." in (*names, path.name):
        raise OSError(f"{str(path)!r} leads out of its folder")
    try:
        folder = os.open(root, _FOLDER)
    except FileNotFoundError:
        if not make:
            raise
        make_folder(root)
        folder = os.open(root, _FOLDER)
    try:
        mode = os.fstat(folder).st_mode & 0o777
        for number, name in enumerate(names, 1):
            try:
                inner = _enter(name, folder, mode if make else None)
            except OSError as error:
                raise _refusal(root.joinpath(*names[:number]), name, folder, error) from None
            os.close(folder)
            folder = inner
        yield folder, mode & 0o666
    finally:
        os.close(folder)


def _enter(name: str, folder: int, mode: int | None) -> int:
    """Open a folder in a folder; with a `mode`, one that is missing is made."""
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        if mode is None:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=folder)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)


def _open(path: Path, within: Path | None, flags: int, *, make: bool = False) -> int:
    with _parent(path, within, make=make) as (folder, mode):
        try:
            fd = os.open(path.name, flags | _FILE, mode, dir_fd=folder)
        except OSError as error:
            raise _refusal(path, path.name, folder, error) from None
    found = os.fstat(fd).st_mode
    if not stat.S_ISREG(found):
        os.close(fd)
        raise _no_file(path, found)
    return fd


def _refusal(path: Path, name: str, folder: int, error: OSError) -> OSError:
    """The error for what could not be opened; says what it is where that is the reason."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR, errno.ENODEV):
        with suppress(OSError):
            return _no_file(path, os.lstat(name, dir_fd=folder).st_mode)
    error.filename = str(path)
    return error


def _no_file(path: Path, mode: int) -> OSError:
    if stat.S_ISREG(mode):
        return NotADirectoryError(f"{str(path)!r} is no folder")
    kind = _KINDS.get(stat.S_IFMT(mode), "no folder")
    reason = "; links in here are not followed" if stat.S_ISLNK(mode) else ""
    return OSError(f"{str(path)!r} is {kind}, not a file of its folder{reason}")
