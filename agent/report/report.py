"""The report of a run: one page, `report/index.html` in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from rr_refine.agent.lineage import parent_folder
from rr_refine.agent.report.boxes import boxes_of
from rr_refine.agent.report.page import PAGES
from rr_refine.agent.report.reader import read_summary
from rr_refine.agent.report.summary import RoundSummary, RunSummary, gain_of
from rr_refine.agent.run import REPORT
from rr_refine.agent.store.folder import RunFolder
from rr_refine.terms import SCORE_MAX, SCORE_MIN

__all__ = ["Curve", "Dot", "curve_of", "report_page", "try_report", "write_report"]


_WIDTH, _HEIGHT = 480, 190
"""Most width, and height, pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 28, 48, 12, 30
"""Margins, pixels; on the right is the last value."""
_STEP: Final = 180
"""Most pixels between two rounds."""
_ASIDE: Final = 24
"""Pixels between the ends of the plot and the rounds next to them."""


def report_page(summary: RunSummary) -> str:
    """The page, for a place one folder below that of the run."""
    best, lineage = summary.best, summary.run.lineage
    parent = None if lineage is None else parent_folder(summary.run.path, lineage)
    return PAGES.page(
        "report",
        summary=summary,
        base="../",
        parent=None if parent is None else f"../../{quote(parent.name)}/",
        boxes_of=boxes_of,
        gain=gain_of(summary.run),
        curve=curve_of(summary.rounds, None if best is None else best.candidate.id),
    )


def write_report(folder: RunFolder) -> RunSummary:
    """Write the report of the run in an open folder, which need not be locked.

    The same records always make the same page, but for the link to the run that it comes from.

    Returns:
        The summary that the page shows.

    Raises:
        StoreError: the records cannot be read, or the page cannot be written.
    """
    summary = read_summary(folder)
    folder.write_page(REPORT, report_page(summary))
    return summary


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
            folder.remove(REPORT)


@dataclass(frozen=True, slots=True)
class Dot:
    """A judged candidate."""

    x: float
    y: float
    id: str
    mean: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """What there is to draw, in pixels."""

    width: int
    height: int
    left: int
    right: int
    """Where the plot ends."""
    levels: tuple[tuple[float, int], ...]
    """y and score of the lines across."""
    columns: tuple[tuple[float, int], ...]
    """x and number of each round, from 1."""
    line: str
    """Points of the best so far, as SVG writes them."""
    dots: tuple[Dot, ...]
    last: Dot | None
    """The best of all."""


def curve_of(rounds: Sequence[RoundSummary], best: str | None) -> Curve:
    """The curve of a run.

    Args:
        best: id of the result.
    """
    gaps = max(1, len(rounds) - 1)
    step = min(_STEP, (_WIDTH - _LEFT - _RIGHT - 2 * _ASIDE) / gaps)
    right = round(_LEFT + 2 * _ASIDE + step * gaps)
    views = [view for each in rounds for view in each.candidates]
    revision = max((view.candidate.revision for view in views), default=1)
    # Scores of two revisions of the request stand on no common scale.
    means = {v.candidate.id: v.candidate.under(revision).mean for v in views}
    columns: list[tuple[float, int]] = []
    line: list[tuple[float, float]] = []
    dots: list[Dot] = []
    for each in rounds:
        x = round(_LEFT + _ASIDE + step * each.number, 1)
        columns.append((x, each.number + 1))
        for view in each.candidates:
            if (mean := means[view.candidate.id]) is not None:
                dots.append(Dot(x, _y(mean), view.candidate.id, mean, view.accepted))
        top = means.get(each.incumbent or "")
        if top is not None:
            line += [(x, line[-1][1])] if line else []  # in steps: nothing is between two rounds
            line.append((x, _y(top)))
    return Curve(
        width=right + _RIGHT,
        height=_HEIGHT,
        left=_LEFT,
        right=right,
        levels=tuple((_y(score), score) for score in range(int(SCORE_MIN), int(SCORE_MAX) + 1)),
        columns=tuple(columns),
        line=" ".join(f"{x},{y}" for x, y in line),
        dots=tuple(dots),
        last=next((dot for dot in dots if dot.id == best), None),
    )


def _y(score: float) -> float:
    share = (score - SCORE_MIN) / (SCORE_MAX - SCORE_MIN)
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)
