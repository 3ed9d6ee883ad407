"""The numbers of one arm's trials, without the trials: a column per measure, a row per item."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import ConfigError
from rr_refine.plain_text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TrialColumns"]

_SAID_RIGHT: Final = 3.0
"""Score of text rendering from which the critic takes it for right: the paper's target."""


class TrialColumns:
    """What the statistics need of one arm: about 100 bytes and 8 per part for each item.

    Measures are one number per item, by name. Those of the result: `exact`, `score`, `marked`,
    `pictures`, `renders`; where there is no mark, the lowest one counts; `texts`, whether lettering
    was measured in it, and of these `text right` and `text said`. Of the run: `calls`, `tokens`,
    `triggered`, `failed`, `faults`, `timed`, and of these `seconds`. Against the arm's
    first picture: `lost`, `worse`, `regressed`. For every dimension that its marks
    have parts of: `got` and `of`. With so many renders allowed, as the second half of the name:
    `exact at`, `score at`, `spent at`.

    Args:
        renders: how many points a trial has with a curve.
        worse_by: score points that make a result worse than the first picture.
    """

    def __init__(self, renders: int, worse_by: float) -> None:
        self._renders = renders
        self._worse_by = worse_by
        self._columns: dict[tuple[str, str], array[float]] = {}
        self._known: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self.rows: dict[str, int] = {}
        """By item."""
        self.groups: list[str] = []
        """By row; an item that is in none is its own."""
        self.labels: list[dict[str, str]] = []
        """By row; rows with the same labels share one object."""
        self.stops: list[str | None] = []
        """By row."""
        self.missing: list[str | None] = []
        """By row: why there is no mark, in a word or two."""
        self.points = renders
        """How many points all trials have; 0 where one has its result alone."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The dimensions, finer ones too, in the order in which they came."""
        return tuple(part for name, part in self._columns if name == "of")

    def add(self, trial: Trial) -> None:
        """Take in a trial.

        Raises:
            ConfigError: there is one of this item already.
        """
        row, item = len(self.rows), sys.intern(trial.item)
        if self.rows.setdefault(item, row) != row:
            raise ConfigError(
                f"two trials of arm {quoted(trial.arm)} are of the same item, {quoted(item)}: "
                "give folders of different items"
            )
        self.groups.append(sys.intern(trial.group or item))
        self.labels.append(self._known.setdefault(tuple(trial.labels.items()), trial.labels))
        self.stops.append(trial.stop and sys.intern(trial.stop))
        self.missing.append(_missing(trial))
        if len(trial.points) < self._renders:
            self.points = 0
        for key, value in self._measure(trial):
            column = self._columns.setdefault(key, array("d"))
            column.extend(array("d", bytes(8 * (row - len(column)))))
            column.append(value)

    def column(self, rows: NDArray[np.intp], name: str, part: str = "") -> NDArray[np.float64]:
        """A measure of the items in these rows; 0 where a trial does not have it."""
        import numpy as np

        column = np.zeros(len(self.rows))
        known = self._columns.get((name, part), array("d"))
        column[: len(known)] = known
        return column[rows]

    def _measure(self, trial: Trial) -> Iterator[tuple[tuple[str, str], float]]:
        result = trial.result
        mark, first = result.mark or trial.worst, trial.first.mark or trial.worst
        lost = first.exact and not mark.exact
        worse = first.score - mark.score > self._worse_by + 1e-9
        measured: dict[str, float] = {
            "exact": mark.exact,
            "score": mark.score,
            "marked": result.mark is not None,
            "pictures": result.sample is not None,
            "renders": result.spent,
            "calls": trial.critic_calls,
            "tokens": trial.critic_tokens,
            "triggered": trial.triggered,
            "failed": trial.error is not None,
            "faults": len(trial.faults),
            "lost": lost,
            "worse": worse,
            "regressed": lost or worse,
        }
        sample = result.sample
        if sample is not None and sample.text_right is not None:
            measured["texts"] = True
            measured["text right"] = sample.text_right == 1
            measured["text said"] = (sample.text_said or 0) >= _SAID_RIGHT
        if trial.seconds is not None:
            measured |= {"timed": True, "seconds": trial.seconds}
        for name, value in measured.items():
            yield (name, ""), value
        for part, (got, of) in mark.parts.items():
            yield ("got", sys.intern(part)), got
            yield ("of", sys.intern(part)), of
        if self.points:
            for allowed, point in enumerate(trial.points, 1):
                held = point.mark or trial.worst
                yield ("exact at", str(allowed)), held.exact
                yield ("score at", str(allowed)), held.score
                yield ("spent at", str(allowed)), point.spent


def _missing(trial: Trial) -> str | None:
    sample = trial.result.sample
    if sample is None:
        return sys.intern(f"no picture ({_kind(trial.error or 'unknown')})")
    return sys.intern(_kind(sample.fault or "not judged")) if sample.mark is None else None


def _kind(error: str) -> str:
    """`CriticTimeout` of `CriticTimeout: no answer in 60 s`."""
    return error.partition(":")[0]
