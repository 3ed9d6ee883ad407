"""95 % confidence intervals of means, shares and paired differences, over items or clusters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rr_refine.terms import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SHARE",
    "Clusters",
    "Estimate",
    "Range",
    "Sums",
    "estimate",
    "estimate_by",
    "unpaired",
]

Range = tuple[float, float]
"""The lowest and the highest value that a measure can have."""
SHARE: Final[Range] = (0.0, 1.0)

_UPPER: Final = 0.975
_PRIOR: Final = 0.5
"""Clusters that count as all or nothing when the design effect is estimated: the few items that
fail near the edge say little about how alike those of a cluster are."""

Key = TypeVar("Key", bound="Hashable")
_Statistic = Callable[[Callable[[Key], "NDArray[np.float64]"]], "NDArray[np.float64]"]
"""Given what tells the sums of a measure, elementwise: `lambda of: of("score") / of("items")`. Not
a number where it is undefined."""


class Estimate(Record):
    """A value over items with its 95 % interval."""

    value: float
    low: float | None
    """None where no interval can be told: of a single cluster, or without any variation on a scale
    that has no known ends."""
    high: float | None
    items: int
    """How many it is of."""


@dataclass(frozen=True, slots=True)
class Sums(Generic[Key]):
    """Sums of what was measured of items, cluster by cluster, and intervals of statistics of them.

    Variances are the jackknife's, which leaves out one cluster after the other. They do not depend
    on chance, and but for rounding not on the order of items.
    """

    places: Mapping[Key, int]
    """The column of each measure."""
    rows: NDArray[np.float64]
    """(clusters, measures)."""

    def estimate(
        self, statistic: _Statistic[Key], items: int, scale: Range | None = SHARE
    ) -> Estimate:
        """A statistic of sums, with its interval.

        On a scale with ends it is Wilson's score interval (1927), with the effective number of
        clusters in place of that of items (Korn and Graubard, 1998), and quantiles of Student's t
        but where every cluster has all or nothing. Of independent items that have a thing or not,
        this is Wilson's own. Without ends it is Student's t.

        Args:
            items: how many it is of.
            scale: the ends; None where they are not known.
        """
        from scipy.special import ndtri, stdtrit

        value, clusters, spread = self._measure(statistic)
        if clusters < 2:
            return Estimate(value=value, low=None, high=None, items=items)
        quantile = float(stdtrit(clusters - 1, _UPPER))
        if scale is None or not scale[0] <= value <= scale[1]:
            return _student(value, clusters, spread, quantile, items)
        width = scale[1] - scale[0]
        share, spread = (value - scale[0]) / width, spread / width**2
        most = share * (1 - share)
        if abs(spread - most) < 1e-9:
            quantile = float(ndtri(_UPPER))
        effective = clusters * (clusters * most + _PRIOR) / (clusters * spread + _PRIOR)
        low, high = _wilson(share, effective, quantile)
        return Estimate(
            value=value,
            low=min(value, scale[0] + width * low),
            high=max(value, scale[0] + width * high),
            items=items,
        )

    def difference(
        self,
        one: _Statistic[Key],
        other: _Statistic[Key],
        items: int,
        scale: Range | None = SHARE,
    ) -> Estimate:
        """A statistic less another over the same items: paired.

        Of shares it is the adjusted interval of Bonett and Price (2012) for paired proportions,
        which adds one item that only the first has, and one that only the other has; of clusters,
        with their own variance. On any other scale it is Student's t.
        """
        from scipy.special import ndtri, stdtrit

        value, clusters, spread = self._measure(lambda of: one(of) - other(of))
        if clusters < 2:
            return Estimate(value=value, low=None, high=None, items=items)
        quantile = float(stdtrit(clusters - 1, _UPPER))
        if scale != SHARE:
            return _student(value, clusters, spread, quantile, items)
        if clusters >= items:
            quantile = float(ndtri(_UPPER))
        added = 2 * min(1.0, clusters / items)
        whole = clusters + added
        middle = clusters * value / whole
        squares = (clusters * (spread + value**2) + added) / whole
        half = quantile * ((squares - middle**2) / whole) ** 0.5
        return Estimate(
            value=value,
            low=min(value, max(-1.0, middle - half)),
            high=max(value, min(1.0, middle + half)),
            items=items,
        )

    def _measure(self, statistic: _Statistic[Key]) -> tuple[float, int, float]:
        """The value, how many clusters it is of, and their variance, of one (not of the mean).

        The value is 0 where it is undefined.
        """
        import numpy as np

        whole = self.rows.sum(axis=0, keepdims=True)

        def of(sums: NDArray[np.float64]) -> Callable[[Key], NDArray[np.float64]]:
            return lambda key: sums[:, self.places[key]]

        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(statistic(of(whole))[0])
            known = np.isfinite(statistic(of(self.rows)))
            rest = statistic(of(whole - self.rows))[known]
        clusters = int(known.sum())
        if not np.isfinite(value):
            return 0.0, 0, 0.0
        if clusters < 2:
            return value, clusters, 0.0
        return value, clusters, float(np.var(rest)) * (clusters - 1) ** 2


def _wilson(share: float, items: float, quantile: float) -> tuple[float, float]:
    """The ends of Wilson's score interval."""
    square = quantile**2 / items
    middle = (share + square / 2) / (1 + square)
    half = (share * (1 - share) * square + square**2 / 4) ** 0.5 / (1 + square)
    return middle - half, middle + half


def _student(value: float, clusters: int, spread: float, quantile: float, items: int) -> Estimate:
    """None where nothing varies: there may be more to see in other items."""
    if spread < 1e-18:
        return Estimate(value=value, low=None, high=None, items=items)
    half = quantile * (spread / (clusters - 1)) ** 0.5
    return Estimate(value=value, low=value - half, high=value + half, items=items)


class Clusters:
    """Items, and which of them belong together.

    Args:
        groups: of every item; those of one group are not independent of each other, such as samples
            of one prompt. Every item by itself where it is None.

    Raises:
        ValueError: there are no items, or not one group per item.
    """

    def __init__(self, items: int, *, groups: Sequence[str] | None = None) -> None:
        if items < 1:
            raise ValueError("no items to measure")
        if groups is not None and len(groups) != items:
            raise ValueError(f"needs {items} groups, one per item")
        self._items = items
        self._groups = groups

    def mean(self, values: Sequence[float], scale: Range | None = SHARE) -> Estimate:
        """The mean of one value per item; see `Sums.estimate`."""
        return self.ratio(values, [1.0] * len(values), scale)

    def difference(
        self, values: Sequence[float], baseline: Sequence[float], scale: Range | None = SHARE
    ) -> Estimate:
        """The mean of `values` less that of `baseline`; see `Sums.difference`."""
        measured = {"one": values, "other": baseline, "items": [1.0] * self._items}
        sums = self.sums(list(measured), measured.__getitem__)
        return sums.difference(
            lambda of: of("one") / of("items"),
            lambda of: of("other") / of("items"),
            self._items,
            scale,
        )

    def ratio(
        self,
        numerators: Sequence[float],
        denominators: Sequence[float],
        scale: Range | None = SHARE,
    ) -> Estimate:
        """A sum over items divided by another: F1 as 2 TP / (2 TP + FP + FN), for example.

        Clusters whose denominator is 0 do not count; the value is 0 where it is 0 in all.

        Raises:
            ValueError: not one value per item.
        """
        values = {"above": numerators, "below": denominators}
        sums = self.sums(list(values), values.__getitem__)
        return sums.estimate(lambda of: of("above") / of("below"), self._items, scale)

    def sums(self, measures: Sequence[Key], values: Callable[[Key], ArrayLike]) -> Sums[Key]:
        """Sums of any number of measures over the items of each cluster.

        Args:
            values: those of a measure, one per item; asked for one measure at a time.

        Raises:
            ValueError: not one value per item.
        """
        import numpy as np

        own = range(self._items) if self._groups is None else self._groups
        numbers = {group: number for number, group in enumerate(dict.fromkeys(own))}
        place = np.array([numbers[group] for group in own])
        rows = np.zeros((len(numbers), len(measures)))
        for column, measure in enumerate(measures):
            measured = np.asarray(values(measure), float)
            if measured.shape != (self._items,):
                raise ValueError(f"needs {self._items} values, one per item")
            rows[:, column] = np.bincount(place, measured, len(numbers))
        return Sums({key: column for column, key in enumerate(measures)}, rows)


def unpaired(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two estimates of other items: Newcombe's interval (1998, method 10) for
    shares, for other measures the same from their intervals (Zou and Donner, 2008).
    """
    value = one.value - other.value
    items = min(one.items, other.items)
    ends = (one.low, one.high, other.low, other.high)
    if None in ends:
        return Estimate(value=value, low=None, high=None, items=items)
    low, high, under, over = (end for end in ends if end is not None)
    return Estimate(
        value=value,
        low=value - hypot(one.value - low, over - other.value),
        high=value + hypot(high - one.value, other.value - under),
        items=items,
    )


def estimate(values: Iterable[float], scale: Range | None = SHARE) -> Estimate:
    """The mean of one value per item.

    Raises:
        ValueError: there are none.
    """
    measured = list(values)
    return Clusters(len(measured)).mean(measured, scale)


def estimate_by(groups: Iterable[str], values: Iterable[float]) -> dict[str, Estimate]:
    """The share in each group, given the group and the value of every item."""
    grouped: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        grouped.setdefault(group, []).append(value)
    return {group: estimate(own) for group, own in grouped.items()}
