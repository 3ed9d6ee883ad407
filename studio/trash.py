"""Deleted runs: moved to a folder beside the others, from where they can be put back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from rr_refine.agent.store.folder import TRASH
from rr_refine.boundary import raised_as
from rr_refine.errors import StoreError
from rr_refine.files import locked, make_inside
from rr_refine.studio.history import find_run

__all__ = ["put_back", "throw_away"]

_LOCK: Final = ".lock"


def throw_away(out: Path, name: str) -> None:
    """Move a run to the trash of its folder. Nothing in it is changed.

    Raises:
        LookupError: there is no such run; links are none.
        StoreLockedError: another process works on it.
        StoreError: it cannot be moved.
    """
    _move(find_run(out, name), out / TRASH / name, out)


def put_back(out: Path, name: str) -> None:
    """Move a run back from the trash.

    Raises:
        LookupError: it is not there.
        StoreError: it cannot be moved; there is another of its name.
    """
    trash = out / TRASH
    if trash.is_symlink():
        raise LookupError(f"{str(trash)!r} is a link; links in here are not followed")
    _move(find_run(trash, name), out / name, out)


def _move(run: Path, place: Path, out: Path) -> None:
    with locked(run, run / _LOCK), raised_as(StoreError, f"{run.name!r} cannot be moved"):
        make_inside(place.parent, within=out)
        if os.path.lexists(place):
            raise FileExistsError(f"there is something called {str(place)!r} already")
        run.rename(place)
