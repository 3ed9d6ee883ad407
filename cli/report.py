"""`rr-refine report DIR…`: pages that explain runs, and a gallery of many."""

from __future__ import annotations

import os
from pathlib import Path

from rr_refine.agent.report.gallery import GalleryEntry, entry_of, find_runs, write_gallery
from rr_refine.agent.report.report import write_report
from rr_refine.agent.run import REPORT
from rr_refine.agent.store.folder import RunFolder
from rr_refine.boundary import boundary
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.options import SomeOut
from rr_refine.cli.text import plain, say, tell
from rr_refine.errors import ConfigError, StoreError

__all__ = ["report"]


def report(
    *directories: Path,
    out: SomeOut = None,
) -> int:
    """Write the report of a run again; for many runs, a gallery as well.

    Prints the path of the page: report/index.html of the run, or the gallery.

    Args:
        directories: Run folders, or folders that hold runs at any depth.
        out: The gallery's file; gallery.html in the folder that holds the runs by default.
    """
    if not directories:
        raise ConfigError("give a run folder, or a folder that holds runs")
    for directory in directories:
        if not directory.is_dir():
            raise ConfigError(f"{str(directory)!r} is no folder")
    found = list(dict.fromkeys(run for d in directories for run in find_runs(d)))
    runs = [run for run in found if isinstance(run, Path)]
    left_out = [str(error) for error in found if isinstance(error, StoreError)]
    if not found:
        raise ConfigError(f"there is no run in {', '.join(map(repr, map(str, directories)))}")
    if out is None and found == list(directories) and len(runs) == 1:
        _write(runs[0])
        say(runs[0] / REPORT)
        return DONE
    entries: list[GalleryEntry] = []
    for run in runs:
        try:
            entries.append(_write(run))
        except StoreError as error:  # the others are still worth a look
            left_out.append(str(error))
    for why in left_out:
        tell(f"left out: {plain(why)}")
    path = out or _common(directories) / "gallery.html"
    write_gallery(path, entries, left_out)
    say(path)
    return FAILED if left_out else DONE


def _write(run: Path) -> GalleryEntry:
    what = f"reading {str(run)!r}"  # a folder of somebody else may hold anything
    with boundary(StoreError, what), RunFolder(run, lock=False) as folder:
        return entry_of(write_report(folder))


def _common(directories: tuple[Path, ...]) -> Path:
    """The folder given, or the one that holds all that were given."""
    if len(directories) == 1:
        return directories[0]
    return Path(os.path.commonpath([d.absolute().parent for d in directories]))
