"""From scores to advantages: how much better a picture is than the others of its group.

A group is all pictures of one row of the data, told by the row's number: two rows may have the same
words and different source pictures. Scores are (N, D) in [0, 1], with NaN for what does not apply;
a row of NaN is a sample whose critique failed. It is in no mean and no spread, and is not trained
on; it is never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Advantages", "Aggregate", "Bools", "Floats", "Rows", "advantages", "group_rewards"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.int64]
Aggregate = Literal["mean", "gdpo", "min"]
"""How dimensions become one advantage.

- `mean`: the reward is the mean of the dimensions that apply, as in the paper.
- `min`: the reward is the worst of them.
- `gdpo`: each dimension is normalised within its group, then they are added and scaled by the
  epoch (GDPO, arXiv 2601.05242), so that one of small spread counts as much as one of large.
"""

_EPSILON: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Advantages:
    """What an epoch's scores come to."""

    groups: Rows
    """(N,) row numbers."""
    scores: Floats
    """(N, D) as they were given."""
    rewards: Floats
    """(N,) in [0, 1]: the mean (or least) of the dimensions that apply; NaN for failures."""
    values: Floats
    """(N,); 0 where not valid."""
    valid: Bools
    """(N,). Not: failed critiques, those of flat groups, lone survivors."""
    flat: tuple[int, ...]
    """Groups in which all are as good as equal."""
    solved: tuple[int, ...]
    """Those of them that are good: see `solved_above`."""

    @property
    def failed(self) -> float:
        """The share without any score."""
        return float(np.isnan(self.scores).all(axis=1).mean())

    def kept(self, keep: int | None) -> Bools:
        """Whether to train on each of (N,): all that are valid, or the `keep` of each group that
        differ most, half of them the best and half the worst.
        """
        chosen = self.valid.copy()
        if keep is None:
            return chosen
        for number in np.unique(self.groups[self.valid]):
            own = np.flatnonzero((self.groups == number) & self.valid)
            order = own[np.argsort(self.values[own], kind="stable")]
            worst = keep // 2
            chosen[order[worst : max(worst, len(order) - (keep - worst))]] = False
        return chosen


def advantages(
    scores: Floats,
    groups: Rows,
    *,
    aggregate: Aggregate = "mean",
    weights: Floats | None = None,
    spread: Literal["epoch", "group"] = "epoch",
    flat_below: float = 0.05,
    solved_above: float = 0.9,
) -> Advantages:
    """Advantages of the pictures of an epoch.

    Whether a dimension applies is decided once for a group, by half of the critiques that it has;
    else one that comes and goes within a group would look like a difference of the pictures. A
    sample without a score on a dimension that applies is taken to be average in it.

    Args:
        scores: (N, D) in [0, 1].
        groups: (N,) row numbers.
        weights: (D,); of the dimensions, equal by default. 0 leaves one out.
        spread: what residuals are divided by: the standard deviation of all of the epoch's (as the
            authors do), or of the group's own. `gdpo` always normalises in groups first.
        flat_below: groups whose rewards (under `gdpo`: whose every dimension) deviate by less are
            masked. Under `gdpo` a group whose dimensions trade places has a flat sum and is not
            flat.
        solved_above: flat groups with a higher mean reward are solved.
    """
    count, dimensions = scores.shape
    weights = np.ones(dimensions) if weights is None else weights
    failed = np.isnan(scores).all(axis=1)
    filled = np.full_like(scores, np.nan)
    numbers = np.unique(groups)
    members = {int(number): np.flatnonzero((groups == number) & ~failed) for number in numbers}
    for own in members.values():
        filled[own] = _applicable(scores[own]) if len(own) else scores[own]
    filled[:, weights == 0] = np.nan
    rewards = group_rewards(filled, weights, aggregate)
    failed = np.isnan(rewards)
    members = {number: own[~failed[own]] for number, own in members.items()}

    parts = filled * 1.0 if aggregate == "gdpo" else rewards[:, None]
    factors = weights if aggregate == "gdpo" else np.ones(1)
    values, valid = np.zeros(count), np.zeros(count, dtype=bool)
    flat, solved = [], []
    for number, own in members.items():
        if len(own) == 0:
            continue
        deviations = parts[own].std(axis=0)
        lively = np.nan_to_num(deviations) >= flat_below
        if len(own) < 2 or not lively.any():
            flat.append(number)
            if len(own) > 1 and rewards[own].mean() > solved_above:
                solved.append(number)
            continue
        residuals = parts[own] - parts[own].mean(axis=0)
        if aggregate == "gdpo" or spread == "group":
            residuals = residuals / (deviations + _EPSILON)
        values[own] = np.nansum(np.where(lively, residuals * factors, 0.0), axis=1)
        valid[own] = True
    if valid.any() and (aggregate == "gdpo" or spread == "epoch"):
        everyone = valid if aggregate == "gdpo" else ~failed
        centred = values if aggregate == "gdpo" else _centred(rewards, members)
        values = values / (centred[everyone].std() + _EPSILON)
    return Advantages(groups, scores, rewards, values, valid, tuple(flat), tuple(solved))


def group_rewards(scores: Floats, weights: Floats, aggregate: Aggregate) -> Floats:
    """One reward for each row, over the dimensions that apply; NaN where none does."""
    present = ~np.isnan(scores) & (weights > 0)
    if aggregate == "min":
        lowest = np.where(present, scores, np.inf).min(axis=1)
        return np.where(present.any(axis=1), lowest, np.nan)
    total = (np.where(present, scores, 0.0) * weights).sum(axis=1)
    weight: Floats = (present * weights).sum(axis=1)
    means: Floats = np.full(len(scores), np.nan)
    np.divide(total, weight, out=means, where=weight > 0)
    return means


def _applicable(scores: Floats) -> Floats:
    """Scores of one group: dimensions that half of it have, holes filled with their mean."""
    present = ~np.isnan(scores)
    applies = 2 * present.sum(axis=0) >= len(scores)
    means = np.divide(
        np.where(present, scores, 0.0).sum(axis=0),
        present.sum(axis=0),
        out=np.full(scores.shape[1], np.nan),
        where=present.any(axis=0),
    )
    return np.where(applies, np.where(present, scores, means), np.nan)


def _centred(rewards: Floats, members: dict[int, Rows]) -> Floats:
    """Each reward without its group's mean; 0 for failures."""
    result = np.zeros_like(rewards)
    for own in members.values():
        if len(own):
            result[own] = rewards[own] - rewards[own].mean()
    return result
