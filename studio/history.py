"""The runs in a folder: found by name, and listed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from rr_refine.agent.run import Run, open_run
from rr_refine.boundary import boundary
from rr_refine.errors import StoreError
from rr_refine.files import holds_file
from rr_refine.studio.state import StudioStatus
from rr_refine.terms import Record

__all__ = ["MAX_TILES", "Tile", "find_run", "image_file", "list_tiles", "status_of"]

MAX_TILES: Final = 100
"""Runs in a listing, newest first."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
"""Names that stand in addresses; ours are of this kind."""
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
    problem: str = ""
    """Why the folder cannot be read, if it cannot."""


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


def status_of(run: Run) -> StudioStatus:
    """The status of a run that is not running here."""
    return run.status if run.status in ("done", "failed") else "unfinished"


def list_tiles(out: Path) -> list[Tile]:
    """The newest runs. Slow for runs that changed since the last call: use a thread.

    What looks like a run and cannot be shown is among them, with the reason.
    """
    if not out.is_dir():
        return []
    with boundary(StoreError, f"reading {str(out)!r}"):
        # Names begin with the time.
        folders = sorted((p for p in out.iterdir() if not p.name.startswith(".")), reverse=True)
    runs = [path for path in folders if _is_run(path) or _is_closed(path)]
    return [_tile(path, _version(path)) for path in runs[:MAX_TILES]]


def _is_run(path: Path) -> bool:
    """Whether it looks like a run folder; links are none."""
    return not path.is_symlink() and os.path.lexists(path / "config.json")


def _is_closed(path: Path) -> bool:
    """Whether it is a folder that cannot be looked into, or a link to one that is not in here."""
    if path.is_symlink():
        return path.is_dir() and path.resolve().parent != path.parent.resolve()
    return path.is_dir() and not os.access(path, os.X_OK)


def _version(run: Path) -> tuple[int, ...]:
    if run.is_symlink():
        return ()
    files = (run / "config.json", run / "manifest.json", run / "samples.jsonl")
    return tuple(f.lstat().st_mtime_ns if os.path.lexists(f) else 0 for f in files)


@lru_cache(maxsize=4 * MAX_TILES)
def _tile(path: Path, version: tuple[int, ...]) -> Tile:
    """A run's tile; `version` changes with its files."""
    del version
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
    best = run.best
    return Tile(
        name=path.name,
        prompt=run.request.prompt[:300],
        status=status_of(run),
        image=None if best is None else best.image,
        mean=None if best is None else best.mean,
        open_points=() if best is None else best.open_points,
    )


def _broken(path: Path, problem: str) -> Tile:
    # Names of files are bytes: not all are text.
    name, why = (os.fsencode(t).decode("utf-8", "backslashreplace") for t in (path.name, problem))
    return Tile(name=name, prompt=name[:300], status="failed", problem=why)
