"""The gallery: one page over many runs, with filters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import quote

from rr_refine.agent.report.page import PAGES, cut
from rr_refine.agent.report.summary import Picture, State, Story, gain_of
from rr_refine.errors import StoreError
from rr_refine.files import replace_file

__all__ = ["Entry", "entry_of", "find_runs", "write_gallery"]

_PROMPT = 2000
"""Most characters of a prompt on its card: there may be thousands of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the gallery."""

    path: Path
    state: State
    gain: float | None
    """Mean score of the result less that of the first image, score points."""
    score: float | None
    """Mean score of the result, 1 to 4."""
    started: float
    """Seconds since the epoch; 0 where it is not known."""
    prompt: str
    generator: str
    critic: str
    preset: str
    first: Picture | None
    """The first image, or the picture to edit, where the result is another."""
    best: Picture | None


def entry_of(story: Story) -> Entry:
    """What the gallery keeps of a story."""
    run, first, best = story.run, story.first, story.best
    return Entry(
        path=run.path,
        state=story.state,
        gain=gain_of(run),
        score=None if run.best is None else run.best.mean,
        started=_started(story),
        prompt=cut(run.request.prompt, _PROMPT),
        generator=_model(story, "generator"),
        critic=_model(story, "critic"),
        preset=run.policy.preset,
        first=first.picture if first is not None and first is not best else story.source,
        best=None if best is None else best.picture,
    )


def find_runs(path: Path) -> Iterator[Path]:
    """The run folders in `path`, at any depth, in order of their names; or `path` itself.

    Raises:
        StoreError: a folder cannot be read.
    """
    if (path / "config.json").exists() and (path / "manifest.json").exists():
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as error:
        raise StoreError(f"cannot read folder {str(path)!r}: {error}") from error
    for child in children:
        if child.is_dir() and not child.is_symlink():
            yield from find_runs(child)


def write_gallery(path: Path, entries: Sequence[Entry]) -> None:
    """Write the gallery of runs that have their reports.

    Links are relative: it can be moved together with the runs.

    Raises:
        StoreError: it cannot be written.
    """
    improved = sum(entry.state == "improved" for entry in entries)
    page = PAGES.page(
        "gallery",
        title=f"{len(entries)} run{'' if len(entries) == 1 else 's'}, {improved} improved",
        states=[s for s in get_args(State) if any(e.state == s for e in entries)],
        entries=entries,
        base_of=lambda entry: _url(entry.path, path.parent),
    )
    try:
        replace_file(path, page.encode(), durable=False)
    except OSError as error:
        raise StoreError(f"cannot write {str(path)!r}: {error}") from error


def _url(path: Path, start: Path) -> str:
    """The relative URL of a folder, seen from the folder `start`."""
    return f"{quote(os.path.relpath(os.fsencode(path), os.fsencode(start)))}/"


def _started(story: Story) -> float:
    sessions = story.manifest.get("sessions")
    if isinstance(sessions, list) and sessions and isinstance(sessions[0], dict):
        started = sessions[0].get("started")
        if isinstance(started, int | float):
            return started
    return 0.0


def _model(story: Story, part: str) -> str:
    identity = story.run.config.get(part)
    return str(identity.get("name", "")) if isinstance(identity, dict) else ""
