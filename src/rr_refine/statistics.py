"""Confidence intervals by resampling items: the percentile bootstrap, seeded and paired."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rr_refine.terms import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RESAMPLES", "Bootstrap", "Estimate", "Sums", "estimate", "estimate_by"]

RESAMPLES: Final = 10_000
_SEED: Final = 2604
_INTERVAL: Final = (2.5, 97.5)
_BLOCK: Final = 500_000
"""Counts that are worked on at once: 8 MB as floats, however many items there are."""
_KEPT: Final = 10_000_000
"""Counts that are kept for the next call with as many items, in 20 MB; more are drawn anew."""

Key = TypeVar("Key", bound="Hashable")


class Estimate(Record):
    """A mean over items with its 95 % interval."""

    value: float
    low: float
    high: float
    items: int
    """How many it is of."""


@dataclass(frozen=True, slots=True)
class Sums(Generic[Key]):
    """Sums over items of what was measured of them: over all, and over each resample of them."""

    places: Mapping[Key, int]
    """The column of each measure."""
    whole: NDArray[np.float64]
    """(1, measures): over all items."""
    drawn: NDArray[np.float64]
    """(resamples, measures)."""

    def estimate(
        self,
        statistic: Callable[[Callable[[Key], NDArray[np.float64]]], NDArray[np.float64]],
        items: int,
    ) -> Estimate:
        """A statistic of sums, with its interval.

        Args:
            statistic: given what tells the sums of a measure, elementwise:
                `lambda of: of("score") / of("items")`. Not a number where it is undefined; such
                resamples are left out, and the value is 0 where it is so over all items.
            items: how many it is of.
        """
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            (value,) = statistic(lambda key: self.whole[:, self.places[key]])
            resampled = statistic(lambda key: self.drawn[:, self.places[key]])
        if not np.isfinite(value):
            return Estimate(value=0.0, low=0.0, high=0.0, items=items)
        low, high = np.percentile(resampled[np.isfinite(resampled)], _INTERVAL)
        return Estimate(value=float(value), low=float(low), high=float(high), items=items)


class Bootstrap:
    """Resamples `items` items with replacement, the same draws every time.

    So two arms measured on the same items are resampled together: a difference of them is paired.
    Percentiles 2.5 and 97.5 of the resampled statistic (Efron and Tibshirani, 1993, chapter 13).
    Where all values are equal, so are all resamples, and the interval has no width. Memory does
    not grow with items times resamples.

    Args:
        groups: of every item; those of one group are drawn together, as clusters. Every item by
            itself where it is None.

    Raises:
        ValueError: there are no items, or not one group per item.
    """

    def __init__(
        self,
        items: int,
        *,
        groups: Sequence[str] | None = None,
        seed: int = _SEED,
        resamples: int = RESAMPLES,
    ) -> None:
        if items < 1:
            raise ValueError("nothing to resample")
        if groups is not None and len(groups) != items:
            raise ValueError(f"needs {items} groups, one per item")
        self._items = items
        self._groups = groups
        self._seed = seed
        self._resamples = resamples

    def mean(self, values: Sequence[float]) -> Estimate:
        """The mean of one value per item."""
        return self.ratio(values, [1.0] * len(values))

    def difference(self, values: Sequence[float], baseline: Sequence[float]) -> Estimate:
        """The mean of `values` less that of `baseline`, item by item."""
        return self.mean([a - b for a, b in zip(values, baseline, strict=True)])

    def ratio(self, numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
        """A sum over items divided by another: F1 as 2 TP / (2 TP + FP + FN), for example.

        Resamples whose denominator is 0 are left out; the value is 0 where it is 0 in all.

        Raises:
            ValueError: not one value per item.
        """
        values = {"above": numerators, "below": denominators}
        sums = self.sums(list(values), values.__getitem__)
        return sums.estimate(lambda of: of("above") / of("below"), self._items)

    def sums(self, measures: Sequence[Key], values: Callable[[Key], ArrayLike]) -> Sums[Key]:
        """Sums of any number of measures, all over the same resamples.

        Args:
            values: those of a measure, one per item; asked for one measure at a time.

        Raises:
            ValueError: not one value per item.
        """
        import numpy as np

        units, place = self._units()
        table = np.zeros((units, len(measures)))
        for column, measure in enumerate(measures):
            measured = np.asarray(values(measure), float)
            if measured.shape != (self._items,):
                raise ValueError(f"needs {self._items} values, one per item")
            table[:, column] = np.bincount(place, measured, units)
        drawn = np.empty((self._resamples, len(measures)))
        start = 0
        for counts in _counts(units, self._seed, self._resamples):
            np.matmul(counts.astype(float), table, out=drawn[start : start + len(counts)])
            start += len(counts)
        places = {key: column for column, key in enumerate(measures)}
        return Sums(places, table.sum(axis=0, keepdims=True), drawn)

    def _units(self) -> tuple[int, NDArray[np.intp]]:
        """How many are drawn, and which of them each item belongs to."""
        import numpy as np

        if self._groups is None:
            return self._items, np.arange(self._items)
        numbers = {group: number for number, group in enumerate(dict.fromkeys(self._groups))}
        return len(numbers), np.array([numbers[group] for group in self._groups])


def _counts(units: int, seed: int, resamples: int) -> Iterable[NDArray[np.integer]]:
    """How often each unit is in each resample, in blocks: (some resamples, units)."""
    few = units * resamples <= _KEPT
    return _kept_counts(units, seed, resamples) if few else _draw(units, seed, resamples)


@lru_cache(maxsize=1)
def _kept_counts(units: int, seed: int, resamples: int) -> tuple[NDArray[np.integer], ...]:
    import numpy as np

    narrow = np.min_scalar_type(units)
    return tuple(block.astype(narrow) for block in _draw(units, seed, resamples))


def _draw(units: int, seed: int, resamples: int) -> Iterator[NDArray[np.integer]]:
    import numpy as np

    random = np.random.default_rng(seed)
    equal = np.full(units, 1 / units)
    rows = max(1, _BLOCK // units)  # the draws are the same whatever the blocks
    for start in range(0, resamples, rows):
        yield random.multinomial(units, equal, size=min(rows, resamples - start))


def estimate(values: Iterable[float]) -> Estimate:
    """The mean of one value per item. Equally many items are resampled alike, call after call.

    Raises:
        ValueError: there are none.
    """
    measured = list(values)
    return Bootstrap(len(measured)).mean(measured)


def estimate_by(groups: Iterable[str], values: Iterable[float]) -> dict[str, Estimate]:
    """The mean in each group, given the group and the value of every item."""
    grouped: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        grouped.setdefault(group, []).append(value)
    return {group: estimate(own) for group, own in grouped.items()}
