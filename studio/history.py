"""The runs in a folder: found by name, and listed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from rr_refine.agent.lineage import LineageKind
from rr_refine.agent.run import RESULT, Run, open_run
from rr_refine.agent.store.png import png_size
from rr_refine.boundary import boundary
from rr_refine.errors import StoreError
from rr_refine.files import MAX_PICTURE, holds_file, open_file, parse_json, read_file
from rr_refine.picture_file import require_few_pixels
from rr_refine.studio.state import StudioStatus
from rr_refine.terms import Record

__all__ = [
    "MAX_TILES",
    "RunList",
    "Tile",
    "find_run",
    "has_result",
    "image_file",
    "open_picture",
    "result_file",
    "status_of",
    "version_of",
]

MAX_TILES: Final = 100
"""Runs in a listing: those at work, and the newest."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
"""Names that stand in addresses; ours are of this kind."""
_OURS: Final = re.compile(r"\d{8}-\d{6}-")
"""How the names of our runs begin: with the time."""
_READ_WITHIN: Final = 2.0
"""Seconds that reading runs for a listing may take; it goes on the next time."""
_KNOWN: Final = 1000
"""Runs whose tiles are remembered."""
_TEXTS: Final = 5000
"""Runs whose requests are remembered for the next search."""
_SEARCHED: Final = 2000
"""Characters of a request that are searched."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Tile(Record):
    """A run in the list of runs."""

    name: str
    prompt: str
    """Its first 300 characters."""
    status: StudioStatus
    image: str | None = None
    """Digest of the best picture so far."""
    mean: float | None = None
    """Of that picture, 1 to 4."""
    open_points: tuple[str, ...] = ()
    """Of that picture, see `Candidate`."""
    lineage: LineageKind | None = None
    """What was done with the picture that it comes from, if it comes from one."""
    problem: str = ""
    """Why the folder, or the beginning of its events, cannot be read, if it cannot."""


def find_run(out: Path, name: str) -> Path:
    """The folder of a run, by its name alone.

    Raises:
        LookupError: there is no such run in `out`; nothing outside of `out` is ever looked at.
    """
    path = out / name
    if not _NAME.fullmatch(name) or not _is_run(path):
        raise LookupError(f"there is no run {name[:200]!r} here")
    return path


def image_file(run: Path, digest: str) -> Path:
    """A picture of a run, by its digest.

    Raises:
        LookupError: the run has no such picture.
    """
    path = run / "images" / digest[:2] / f"{digest}.png"
    if _DIGEST.fullmatch(digest):
        with suppress(OSError):
            if holds_file(path, within=run):
                return path
    raise LookupError("this run has no such picture")


def result_file(run: Path) -> Path:
    """Where the result of a run is."""
    return run / RESULT


def open_picture(path: Path, run: Path) -> BinaryIO:
    """A picture file of a run that a browser can show. Nothing is decoded.

    Raises:
        LookupError: there is none.
        StoreError: it is no PNG, too large, or something else that is no file.
    """
    try:
        file = open_file(path, within=run)
        try:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_PICTURE:
                raise ValueError(f"it has {size:,} bytes, and {MAX_PICTURE:,} are the most")
            require_few_pixels(*png_size(file.read(24)))
            file.seek(0)
        except BaseException:
            file.close()
            raise
    except FileNotFoundError:
        raise LookupError("this run has no such picture, or none yet") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path.name} cannot be shown: {error}") from error
    return file


def has_result(run: Path) -> bool:
    """Whether there is a result that can be shown."""
    with suppress(LookupError, StoreError):
        open_picture(result_file(run), run).close()
        return True
    return False


def status_of(run: Run) -> StudioStatus:
    """The status of a run that is not running here."""
    return run.status if run.status in ("done", "failed") else "unfinished"


class RunList:
    """The runs of a folder as a list, which remembers what it read."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[Path, tuple[tuple[int, ...], Tile]] = {}
        self._texts: dict[Path, tuple[tuple[int, ...], str]] = {}

    def tiles(self, at_work: Collection[str] = (), search: str = "") -> list[Tile]:
        """The newest runs, or of all runs those with all words of `search` in their request or
        name. Slow for runs that changed since the last call: use a thread.

        Args:
            at_work: names of runs that stand at the top.

        What looks like a run and cannot be shown is among them, with the reason. So is what there
        was no time to read.
        """
        if not self._out.is_dir():
            return []
        with boundary(StoreError, f"reading {str(self._out)!r}"):
            found = [path for path in self._out.iterdir() if path.name[0] != "."]
            # What others have put here comes behind our own runs, and keeps none of them out.
            found.sort(key=lambda p: (p.name in at_work, bool(_OURS.match(p.name)), p.name))
            found.reverse()
            runs = [path for path in found if _is_run(path) or _is_closed(path)]
        end = time.monotonic() + _READ_WITHIN
        words = search.casefold().split()
        if len(self._known) > _KNOWN:
            self._known.clear()
        tiles = []
        for path in islice((path for path in runs if self._has(path, words, end)), MAX_TILES):
            now = version_of(path)
            read = self._known.get(path)
            if (read is None or read[0] != now) and time.monotonic() < end:
                read = self._known[path] = now, _tile(path)
            tiles.append(read[1] if read else _broken(path, "not yet: there is much to read here"))
        return tiles

    def _has(self, path: Path, words: list[str], end: float) -> bool:
        """Whether a run has all these words; one that there is no time to read may have them."""
        if not words:
            return True
        now = version_of(path)
        read = self._texts.get(path)
        if read is None or read[0] != now:
            if time.monotonic() > end:
                return True
            if len(self._texts) >= _TEXTS:
                self._texts.clear()
            read = self._texts[path] = now, f"{_request_of(path)} {path.name}".casefold()
        return all(word in read[1] for word in words)


def _is_run(path: Path) -> bool:
    """Whether it looks like a run folder; links are none."""
    return not path.is_symlink() and os.path.lexists(path / "config.json")


def _is_closed(path: Path) -> bool:
    """Whether it is a folder that cannot be looked into, or a link to one that is not in here."""
    if path.is_symlink():
        return path.is_dir() and path.resolve().parent != path.parent.resolve()
    return path.is_dir() and not os.access(path, os.X_OK)


def version_of(run: Path) -> tuple[int, ...]:
    """It changes with the files of a run."""
    if run.is_symlink():
        return (0,)
    names = ("config.json", "manifest.json", "samples.jsonl", "events.jsonl")
    files = [run / name for name in names]
    return tuple(f.lstat().st_mtime_ns if os.path.lexists(f) else 0 for f in files)


def _request_of(path: Path) -> str:
    """The words of a run's request, as many as are looked through; none if they cannot be read."""
    if path.is_symlink():
        return ""
    with suppress(OSError, ValueError):
        match parse_json(read_file(path / "config.json", within=path)):
            case {"request": {"prompt": str(prompt)}}:
                return prompt[:_SEARCHED]
    return ""


def _tile(path: Path) -> Tile:
    if not _NAME.fullmatch(path.name):
        why = "rename it: a run has letters a to z, digits, '.', '_' and '-', 200 at most"
        return _broken(path, why)
    if path.is_symlink():
        return _broken(path, "it is a link; links in here are not followed")
    try:
        with boundary(StoreError, f"reading {str(path)!r}"):  # it may be somebody else's
            run = open_run(path)
    except StoreError as error:  # one broken folder must not hide the others
        return _broken(path, str(error))
    problem = ""
    try:
        run.events(1)
    except StoreError as error:
        problem = str(error)
    best = run.best
    return Tile(
        name=path.name,
        prompt=run.request.prompt[:300],
        status=status_of(run),
        image=None if best is None else best.image,
        mean=None if best is None else best.mean,
        open_points=() if best is None else best.open_points,
        lineage=None if run.lineage is None else run.lineage.kind,
        problem=problem,
    )


def _broken(path: Path, problem: str) -> Tile:
    # Names of files are bytes: not all are text.
    name, why = (os.fsencode(t).decode("utf-8", "backslashreplace") for t in (path.name, problem))
    return Tile(name=name, prompt=name[:300], status="failed", problem=why)
