"""Arms side by side over the same items, and statistics of them with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rr_refine.benchmarks.trial_columns import TrialColumns
from rr_refine.errors import ConfigError
from rr_refine.statistics import SHARE, Clusters, Estimate, Range, Sums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ItemSums", "Leaderboard", "Statistic", "macro", "mean", "ratio"]


class _Of(Protocol):
    """Gives the sums of a measure of one arm."""

    def __call__(self, name: str, part: str = "") -> NDArray[np.float64]: ...


class Statistic(Protocol):
    """Made of one arm's sums of measures: those of `TrialColumns`, `items`, which is 1 for each,
    and `score counted`, `got counted` and `of counted`: of results that have a mark.
    """

    def __call__(self, of: _Of) -> NDArray[np.float64]:
        """One value for each sum that `of` tells."""
        ...


def mean(name: str, part: str = "") -> Statistic:
    """The mean of a measure over items."""
    return lambda of: of(name, part) / of("items")


def ratio(above: str, below: str, part: str = "") -> Statistic:
    """The sum of a measure over that of another."""
    return lambda of: of(above, part) / of(below, part)


def macro(above: str, below: str, parts: Sequence[str]) -> Statistic:
    """The plain mean of a ratio over parts; one without a denominator is left out of it."""

    def statistic(of: _Of) -> NDArray[np.float64]:
        import numpy as np

        ratios = np.stack([of(above, part) / of(below, part) for part in parts])
        known = np.isfinite(ratios)
        averages: NDArray[np.float64] = np.where(known, ratios, 0.0).sum(axis=0) / known.sum(axis=0)
        return averages

    return statistic


@dataclass(frozen=True, slots=True)
class ItemSums:
    """Statistics of arms over some items."""

    items: int
    sums: Sums[tuple[str, str, str]]
    """By arm, measure and part."""

    def estimate(
        self,
        statistic: Statistic,
        arm: str,
        items: int | None = None,
        scale: Range | None = SHARE,
    ) -> Estimate:
        """A statistic of an arm.

        Args:
            items: how many it is of; all by default.
            scale: see `Sums.estimate`.
        """
        count = self.items if items is None else items
        return self.sums.estimate(_statistic(statistic, arm), count, scale)

    def gap(
        self,
        statistic: Statistic,
        arm: str,
        baseline: str,
        items: int | None = None,
        scale: Range | None = SHARE,
    ) -> Estimate:
        """A statistic of an arm less that of another; see `Sums.difference`."""
        one, other = _statistic(statistic, arm), _statistic(statistic, baseline)
        return self.sums.difference(one, other, self.items if items is None else items, scale)


def _statistic(
    statistic: Statistic, arm: str
) -> Callable[[Callable[[tuple[str, str, str]], NDArray[np.float64]]], NDArray[np.float64]]:
    return lambda of: statistic(lambda name, part="": of((arm, name, part)))


class Leaderboard:
    """What was measured of the items that all arms have trials of.

    Args:
        by_arm: by arm, one at least.
        dimensions: the parts whose mean is the overall value.

    Raises:
        ConfigError: there is no such item.
    """

    def __init__(self, by_arm: Mapping[str, TrialColumns], dimensions: Sequence[str]) -> None:
        import numpy as np

        first, *others = by_arm.values()
        items = [item for item in first.rows if all(item in other.rows for other in others)]
        if not items:
            raise ConfigError(
                f"no item has been through all of the arms {', '.join(by_arm)}; go on with --resume"
            )
        seen = dict.fromkeys(part for columns in by_arm.values() for part in columns.parts)
        self.arms = tuple(by_arm)
        self.items = len(items)
        self.unfinished = len({i for columns in by_arm.values() for i in columns.rows}) - len(items)
        self.dimensions = tuple(part for part in dimensions if part in seen)
        """Those that there are parts of."""
        self.parts = tuple(dict.fromkeys([*self.dimensions, *seen]))
        """All of them: the dimensions, then the finer ones."""
        self._columns = by_arm
        self._rows = {
            arm: np.array([columns.rows[item] for item in items]) for arm, columns in by_arm.items()
        }
        own = [first.rows[item] for item in items]
        self._groups = [first.groups[row] for row in own]
        self._labels = [first.labels[row] for row in own]

    @property
    def allowed(self) -> range:
        """The numbers of renders that all trials have points for: 1, 2, …, or none."""
        return range(1, 1 + min(columns.points for columns in self._columns.values()))

    def column(self, arm: str, name: str, part: str = "") -> NDArray[np.float64]:
        """A measure of `Statistic`, item by item."""
        import numpy as np

        if name == "items":
            return np.ones(self.items)
        if name.endswith(" counted"):
            whole = self.column(arm, name.removesuffix(" counted"), part)
            return whole * self.column(arm, "marked")
        return self._columns[arm].column(self._rows[arm], name, part)

    def words(self, arm: str, name: str) -> Iterable[str | None]:
        """`stops` or `missing` of every item."""
        columns = self._columns[arm]
        said = {"stops": columns.stops, "missing": columns.missing}[name]
        return (said[row] for row in self._rows[arm])

    def view(self) -> ItemSums:
        """All items."""
        keys = [key for arm in self._columns for key in self._keys(arm)]
        return self._view(range(self.items), keys)

    def slices(self) -> Iterator[tuple[str, str, ItemSums]]:
        """Label, its value, and the items that have it, of which `exact` alone is known.

        For each label that all items have.
        """
        for label in self._labels[0]:
            if not all(label in own for own in self._labels):
                continue
            values: dict[str, list[int]] = {}
            for item, own in enumerate(self._labels):
                values.setdefault(own[label], []).append(item)
            for value, chosen in values.items():
                keys = [(arm, name, "") for arm in self._columns for name in ("items", "exact")]
                yield label, value, self._view(chosen, keys)

    def _view(self, chosen: Sequence[int], keys: Sequence[tuple[str, str, str]]) -> ItemSums:
        import numpy as np

        rows = np.array(chosen)
        clusters = Clusters(len(rows), groups=[self._groups[row] for row in rows])
        return ItemSums(len(rows), clusters.sums(keys, lambda key: self.column(*key)[rows]))

    def _keys(self, arm: str) -> Iterator[tuple[str, str, str]]:
        for name in ("items", "exact", "score", "marked", "score counted", "triggered"):
            yield arm, name, ""
        for name in ("lost", "worse", "regressed", "texts", "text right", "text said"):
            yield arm, name, ""
        for part in self.parts:
            yield from ((arm, name, part) for name in ("got", "of"))
        for part in self.dimensions:
            yield from ((arm, name, part) for name in ("got counted", "of counted"))
        for allowed in map(str, self.allowed):
            yield from ((arm, name, allowed) for name in ("exact at", "score at"))
