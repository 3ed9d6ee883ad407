"""The run folder: everything that is known about one run, readable without this program.

config.json      what was asked and set; can be passed back in
manifest.json    versions, models, hardware, status
samples.jsonl    one line per finished item, see `Journal`
events.jsonl     what happened, in order
images/ab/…png   by content
result.png       the best image so far
"""

from __future__ import annotations

import json
import re
import secrets
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from pydantic import JsonValue

from rr_refine.agent.events import Event, write_event
from rr_refine.agent.store.journal import MAX_JOURNAL, Journal
from rr_refine.agent.store.png import encode_png, is_whole, png_size, read_metadata, with_metadata
from rr_refine.boundary import raised_as
from rr_refine.digest import image_digest
from rr_refine.errors import ConfigError, NoFolderError, StoreError, StoreFullError
from rr_refine.files import (
    MAX_BYTES,
    MAX_PICTURE,
    locked,
    make_folder,
    open_file,
    parse_json,
    read_file,
    remove_file,
    replace_file,
)
from rr_refine.lines import FullError, LineFile
from rr_refine.named import require_path
from rr_refine.pictures import load_stored
from rr_refine.threads import Later

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "TRASH",
    "RunFolder",
    "image_path",
    "new_run_name",
    "require_run_id",
    "slug",
]

TRASH: Final = ".trash"
"""Beside run folders: where those are that were deleted."""


class RunFolder:
    """A run folder, open for work by this process alone.

    Use it as a context manager; leaving it closes the files and gives the folder back. It may come
    from somebody else: see `rr_refine.files` for what is read and written in it.

    Args:
        path: the folder; created when missing. It may be a link; nothing in it may.
        lock: False reads without locking and refuses to write.
        private: a folder that is created is for this user alone.

    Raises:
        StoreLockedError: another process works on it.
        StoreError: it cannot be created or read.
        ConfigError: nothing can be called so.
    """

    def __init__(self, path: Path | str, *, lock: bool = True, private: bool = True) -> None:
        self.path = require_path(path)
        self._lock = ExitStack()
        self._writable = lock
        if lock:
            self._make(private)
            self._lock.enter_context(locked(self.path, self.path / ".lock"))
        elif not self.path.is_dir():
            raise NoFolderError(f"run folder {str(path)!r} does not exist")
        self._events: LineFile | None = None
        self._later = Later()
        with ExitStack() as undo:
            undo.callback(self._lock.close)
            self.journal = Journal(self.path / "samples.jsonl", writable=lock)
            undo.callback(self.journal.close)
            if lock:
                self._events = _open_lines(self.path / "events.jsonl")
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and let others work on the folder. May be called twice.

        Raises:
            StoreError: an event could not be written.
        """
        try:
            self._later.finish()
        finally:
            self.journal.close()
            if self._events is not None:
                self._events.close()
                self._events = None
            self._lock.close()
            self._writable = False

    # -- images ------------------------------------------------------------------------------

    def put_image(
        self,
        image: Image.Image,
        metadata: dict[str, JsonValue] | None = None,
        *,
        durable: bool = True,
    ) -> str:
        """Store an image; returns its digest. The same pixels are stored once.

        Args:
            durable: see `rr_refine.files.replacing`; not needed where `write_metadata` follows.

        Raises:
            StoreFullError: its file would be larger than any that is read.
            StoreError: it could not be written.
        """
        name = image_digest(image)
        path = self.image_path(name)
        if not self.has_image(name):
            png = encode_png(image)
            png = with_metadata(png, metadata) if metadata else png
            self._write_picture(path, png, durable=durable)
        return name

    def image_path(self, name: str) -> Path:
        """Where the image with this digest is, or would be."""
        return image_path(self.path, name)

    def load_image(self, name: str) -> Image.Image:
        """See `stored_image`."""
        return stored_image(self.path, name)

    def has_image(self, name: str) -> bool:
        """Whether the image is stored, and not cut off; a link to one is no image."""
        try:
            with open_file(self.image_path(name), within=self.path) as file:
                return is_whole(file)
        except OSError:
            return False

    def image_size(self, name: str) -> tuple[int, int] | None:
        """Width and height of an image, pixels; None where its file is missing or broken."""
        try:
            with open_file(self.image_path(name), within=self.path) as file:
                return png_size(file.read(24))
        except (OSError, ValueError):
            return None

    def write_metadata(self, name: str, metadata: dict[str, JsonValue]) -> bytes:
        """Write what is now known about an image into its text chunks; pixels stay.

        Returns:
            The file as it is now.

        Raises:
            StoreError: the image is missing or broken, or could not be written.
        """
        path = self.image_path(name)
        with raised_as(StoreError, f"{path} cannot be read", OSError, ValueError):
            png = self._read(path, MAX_PICTURE)
            before = read_metadata(png) or {}
            # How it was drawn is known when it is drawn, and not told again.
            drawn = {k: v for k, v in before.items() if k in ("settings", "size")}
            told = with_metadata(png, {**drawn, **metadata})
        self._write_picture(path, told)
        return told

    def publish(self, name: str, png: bytes | None = None) -> Path:
        """Make an image the result of the run so far: a copy as `result.png`.

        Args:
            png: its file, if that was just written.

        Raises:
            StoreError: the image is missing, or the copy could not be written.
        """
        path, result = self.image_path(name), self.path / "result.png"
        with raised_as(StoreError, f"{path} cannot be read"):
            data = self._read(path, MAX_PICTURE) if png is None else png
        self._write(result, data, durable=False)
        return result

    # -- records -----------------------------------------------------------------------------

    def write_json(self, name: str, value: JsonValue) -> None:
        """Replace a JSON file of the folder, all or nothing.

        Raises:
            StoreError: it could not be written, or could not be read again: it is too large or too
                deep.
        """
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        data = text.encode("utf-8", "backslashreplace") + b"\n"
        with raised_as(StoreError, f"{name} would be of no use", ValueError):
            if len(data) > MAX_BYTES:
                raise ValueError(f"it has {len(data):,} bytes, and {MAX_BYTES:,} are the most")
            parse_json(data)
        self._write(self.path / name, data)

    def read_json(self, name: str) -> JsonValue | None:
        """A JSON file of the folder; None when it is not there.

        Raises:
            StoreError: it is there but cannot be read.
        """
        path = self.path / name
        try:
            return parse_json(self._read(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error

    def record_event(self, event: Event) -> None:
        """Append an event to `events.jsonl`.

        Raises:
            StoreFullError: with it, the file would be longer than any that is read.
            StoreError: it could not be written.
        """
        if self._events is None:
            raise StoreError(f"run folder {str(self.path)!r} is open for reading only")
        try:
            self._events.append(write_event(event).encode(), sync=False)
        except FullError as error:
            raise StoreFullError(f"{self.path / 'events.jsonl'}: {error}") from error
        except OSError as error:
            raise StoreError(f"cannot write events.jsonl: {error}") from error

    def tell(self, event: Event) -> None:
        """`record_event` in a thread, soon and in order: a running event loop need not wait.

        Raises:
            StoreError: an event before it could not be written.
        """
        self._later.do(partial(self.record_event, event))

    def flush(self) -> None:
        """Wait until all events are written.

        Raises:
            StoreError: one could not be written.
        """
        self._later.finish()

    async def flushed(self) -> None:
        """`flush`, for an event loop."""
        await self._later.finished()

    def write_page(self, name: str, page: str) -> None:
        """Replace a page of the folder, which can be made again; no lock is needed."""
        path = self.path / name
        with raised_as(StoreError, f"cannot write {path}"):
            replace_file(path, page.encode(), durable=False, within=self.path)

    def remove(self, name: str) -> None:
        """Remove a file of the folder if it is there.

        Raises:
            OSError: it could not be removed.
        """
        remove_file(self.path / name, within=self.path)

    # -- files -------------------------------------------------------------------------------

    def _read(self, path: Path, limit: int = MAX_BYTES) -> bytes:
        return read_file(path, within=self.path, limit=limit)

    def _write_picture(self, path: Path, png: bytes, *, durable: bool = True) -> None:
        if len(png) > MAX_PICTURE:
            raise StoreFullError(
                f"a picture's file of {len(png):,} bytes cannot be kept: {MAX_PICTURE:,} are the "
                "most that is read; draw a smaller one"
            )
        self._write(path, png, durable=durable)

    def _write(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Replace a file, see `replace_file`."""
        if not self._writable:
            raise StoreError(f"run folder {str(self.path)!r} is open for reading only")
        with raised_as(StoreError, f"cannot write {path}"):
            replace_file(path, data, durable=durable, within=self.path)

    def _make(self, private: bool) -> None:
        with raised_as(StoreError, f"cannot create run folder {str(self.path)!r}"):
            make_folder(self.path, private=private)


def image_path(folder: Path, name: str) -> Path:
    """Where the image with this digest is in a run folder, or would be; opens nothing.

    Raises:
        StoreError: it is no digest.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", name):
        raise StoreError(f"{name!r} is no image digest")
    return folder.joinpath("images", name[:2], f"{name}.png")


def stored_image(folder: Path, name: str) -> Image.Image:
    """The image with this digest in a run folder, without what its file says about it.

    Raises:
        StoreError: it is missing or broken.
    """
    with raised_as(
        StoreError, f"image {name[:12]}… of {folder} cannot be read", OSError, ValueError
    ):
        return load_stored(image_path(folder, name), within=folder)


def new_run_name(prompt: str, identity: str) -> str:
    """A folder name for a new run: UTC time, words of the prompt, 8 digits of `identity`.

    `identity` is a digest of the run's configuration: the same command has the same digits. Four
    random digits keep two runs started in one second apart.
    """
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{now}-{slug(prompt)}-{identity[:8]}-{secrets.token_hex(2)}"


def require_run_id(name: str, run_id: object) -> None:
    """Refuse an id that a caller chose if it cannot name a folder.

    Args:
        name: what it is called in the message: `run_id`, `parent`.

    Raises:
        ConfigError: it cannot.
    """
    pattern = r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
    if not isinstance(run_id, str) or not re.fullmatch(pattern, run_id):
        raise ConfigError(
            f"{name} = {run_id!r} cannot name a run: use 1 to 100 letters (a to z), digits, '_', "
            "'-' and '.'; the first may be neither '-' nor '.', the last no '.'"
        )


def slug(text: str, length: int = 32) -> str:
    """Letters, digits and dashes only, safe as a file name everywhere."""
    words = re.sub(r"[^a-z0-9]+", "-", text[:400].lower()).strip("-")
    return words[:length].strip("-") or "run"


def _open_lines(path: Path) -> LineFile:
    with raised_as(StoreError, f"cannot open {path}"):
        return LineFile(path, limit=MAX_JOURNAL)
