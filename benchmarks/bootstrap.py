"""Confidence intervals by resampling items: the percentile bootstrap, seeded and paired."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

from rr_refine.terms import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RESAMPLES", "Bootstrap", "Estimate", "estimate", "estimate_by"]

RESAMPLES: Final = 10_000
_SEED: Final = 2604
_INTERVAL: Final = (2.5, 97.5)


class Estimate(Record):
    """A mean over items with its 95 % interval."""

    value: float
    low: float
    high: float
    items: int
    """How many it is of."""


class Bootstrap:
    """Resamples `items` items with replacement, the same draws every time.

    So two arms measured on the same items are resampled together: a difference of them is paired.
    Percentiles 2.5 and 97.5 of the resampled statistic (Efron and Tibshirani, 1993, chapter 13).
    Where all values are equal, so are all resamples, and the interval has no width.

    Raises:
        ValueError: there are no items.
    """

    def __init__(self, items: int, *, seed: int = _SEED, resamples: int = RESAMPLES) -> None:
        if items < 1:
            raise ValueError("nothing to resample")
        self._items = items
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
        import numpy as np

        above, below = np.asarray(numerators, float), np.asarray(denominators, float)
        if above.shape != (self._items,) or below.shape != (self._items,):
            raise ValueError(f"needs {self._items} values, one per item")
        if not below.sum():
            return Estimate(value=0.0, low=0.0, high=0.0, items=self._items)
        sums, weights = self._counts @ above, self._counts @ below
        resampled = sums[weights > 0] / weights[weights > 0]
        low, high = np.percentile(resampled, _INTERVAL)
        return Estimate(
            value=float(above.sum() / below.sum()),
            low=float(low),
            high=float(high),
            items=self._items,
        )

    @cached_property
    def _counts(self) -> NDArray[np.float64]:
        """How often each item is in each resample: (resamples, items)."""
        import numpy as np

        random = np.random.default_rng(self._seed)
        equal = np.full(self._items, 1 / self._items)
        return random.multinomial(self._items, equal, size=self._resamples).astype(float)


def estimate(values: Iterable[float]) -> Estimate:
    """The mean of one value per item. Equally many items are resampled alike, call after call.

    Raises:
        ValueError: there are none.
    """
    measured = list(values)
    return _bootstrap(len(measured)).mean(measured)


def estimate_by(groups: Iterable[str], values: Iterable[float]) -> dict[str, Estimate]:
    """The mean in each group, given the group and the value of every item."""
    grouped: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        grouped.setdefault(group, []).append(value)
    return {group: estimate(own) for group, own in grouped.items()}


@cache
def _bootstrap(items: int) -> Bootstrap:
    return Bootstrap(items)
