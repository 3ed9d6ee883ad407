"""The gallery: one page over many runs, with filters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args
from urllib.parse import quote

from rr_refine.agent.lineage import Lineage, parent_folder
from rr_refine.agent.report.page import PAGES, cut
from rr_refine.agent.report.summary import ImageFile, RunSummary, State, gain_of
from rr_refine.agent.revision import number_of
from rr_refine.agent.run import REPORT, Run
from rr_refine.agent.store.folder import TRASH
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import open_file, replacing

__all__ = ["GalleryEntry", "entry_of", "find_runs", "write_gallery"]

_DEPTH: Final = 16
_MARK: Final = b" \xe2\x80\x93 rr-refine</title>"
_HEAD: Final = 4096
"""Bytes of a page in which its title stands."""
_PROMPT: Final = 2000
"""Most characters of a prompt on its card: there may be thousands of them."""


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """The card of a run in the gallery."""

    path: Path
    state: State
    gain: float | None
    """Mean score of the result less that of the first image, score points."""
    score: float | None
    """Mean score of the result, 1 to 4."""
    open_points: tuple[str, ...]
    """Of the result, see `Candidate`."""
    started: float
    """Seconds since the epoch; 0 where it is not known."""
    prompt: str
    """The request, as the last remark made it."""
    lineage: Lineage | None
    """Where the run comes from."""
    parent: Path | None
    """The folder of the run that it comes from, where that is here and has a report."""
    revision: int
    generator: str
    critic: str
    preset: str
    first: ImageFile | None
    """The first image, or the picture to edit, where the result is another."""
    best: ImageFile | None


def entry_of(summary: RunSummary) -> GalleryEntry:
    """The card of a run."""
    run, first, best, made = summary.run, summary.first, summary.best, summary.provenance
    return GalleryEntry(
        path=run.path,
        state=summary.state,
        gain=gain_of(run),
        score=None if run.best is None else run.best.mean,
        open_points=() if run.best is None else run.best.open_points,
        started=made.sessions[0].started if made.sessions else 0.0,
        prompt=cut(run.request_at(number_of(run.revisions)).prompt, _PROMPT),
        generator=made.generator.name,
        critic=made.critic.name,
        preset=run.policy.preset,
        revision=number_of(run.revisions),
        lineage=run.lineage,
        parent=_parent(run),
        first=first.image if first is not None and first is not best else summary.source,
        best=None if best is None else best.image,
    )


def find_runs(path: Path) -> Iterator[Path | StoreError]:
    """The run folders in `path`, 16 levels deep, in order of their names; or `path` itself.

    Links are not followed, and what was deleted is left out. In place of a folder that
    cannot be read there is the reason.
    """
    waiting = [(path, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            if os.path.lexists(folder / "config.json") and os.path.lexists(
                folder / "manifest.json"
            ):
                yield folder
                continue
            with os.scandir(folder) as entries:
                inner = sorted(
                    e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name != TRASH
                )
        except OSError as error:
            yield StoreError(f"cannot read folder {str(folder)!r}: {error}")
            continue
        if inner and depth == _DEPTH:
            yield StoreError(f"{str(folder)!r} holds folders that were not looked into: too deep")
            continue
        waiting += [(folder / name, depth + 1) for name in reversed(inner)]


def write_gallery(
    path: Path, entries: Sequence[GalleryEntry], left_out: Sequence[str] = ()
) -> None:
    """Write the gallery of runs that have their reports.

    Args:
        left_out: why others are missing, in words.

    Links are relative: it can be moved together with the runs.

    Raises:
        ConfigError: there is a page of somebody else.
        StoreError: it cannot be written.
    """
    with suppress(OSError), open_file(path) as file:  # a link, or nothing, is replaced
        if _MARK not in file.read(_HEAD) and path.stat().st_size:
            raise ConfigError(
                f"{str(path)!r} is no gallery of ours and stays as it is: give another --out"
            )
    improved = sum(entry.state == "improved" for entry in entries)
    page = PAGES.page(
        "gallery",
        title=f"{len(entries)} run{'' if len(entries) == 1 else 's'}, {improved} improved",
        states=[s for s in get_args(State) if any(e.state == s for e in entries)],
        entries=entries,
        left_out=left_out,
        base_of=lambda entry: _url(entry.path, path.parent),
        parent_of=lambda entry: _url(entry.parent, path.parent.resolve()),
    )
    with (
        raised_as(StoreError, f"cannot write {str(path)!r}"),
        replacing(path, durable=False, private=True) as file,  # it holds prompts
    ):
        file.write(page.encode())


def _parent(run: Run) -> Path | None:
    parent = None if run.lineage is None else parent_folder(run.path, run.lineage)
    return parent if parent is not None and (parent / REPORT).is_file() else None


def _url(path: Path, start: Path) -> str:
    """The relative URL of a folder, seen from the folder `start`."""
    return f"{quote(os.path.relpath(os.fsencode(path), os.fsencode(start)))}/"
