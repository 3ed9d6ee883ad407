"""The report of a run: one page, `report/index.html` in its folder."""

from __future__ import annotations

from contextlib import suppress

from rr_refine.agent.report.curve import curve_of
from rr_refine.agent.report.page import PAGES
from rr_refine.agent.report.story import Story
from rr_refine.agent.report.teller import read_story
from rr_refine.agent.run import REPORT
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import StoreError
from rr_refine.files import replace_file

__all__ = ["report_page", "try_report", "write_report"]


def report_page(story: Story) -> str:
    """The page, for a place one folder below that of the run."""
    best = story.best
    return PAGES.page(
        "report",
        story=story,
        base="../",
        curve=curve_of(story.chapters, None if best is None else best.candidate.id),
    )


def write_report(folder: RunFolder) -> Story:
    """Write the report of the run in an open folder, which need not be locked.

    The same records always make the same page.

    Returns:
        The story that it tells.

    Raises:
        StoreError: the records cannot be read, or the page cannot be written.
    """
    story, path = read_story(folder), folder.path / REPORT
    try:
        replace_file(path, report_page(story).encode(), durable=False)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    return story


def try_report(folder: RunFolder) -> None:
    """Write the report if that is possible.

    It is derived and can be made anew at any time, so nothing that goes wrong with it may reach
    the run. One of an earlier session that cannot be replaced is removed: it would tell of another
    course.
    """
    try:
        write_report(folder)
    except Exception:  # noqa: BLE001  whoever misses it asks `rr-refine report`, which says why
        with suppress(OSError):
            (folder.path / REPORT).unlink(missing_ok=True)
