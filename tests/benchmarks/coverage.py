"""How often the 95 % intervals hold the true value.

    python -m tests.benchmarks.coverage [draws]

Shares of independent items are worked out, over all counts. Shares of four samples of each prompt
(beta-binomial, correlation 0.05 to 0.7), and paired differences of shares, are drawn. The goal is
93 % in each cell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rr_refine.statistics import Clusters, Estimate

__all__ = ["ITEMS", "KINDS", "SHARES", "coverage"]

ITEMS: Final = (25, 75, 300)
SHARES: Final = (0.5, 0.9, 0.97, 0.99)
_SAMPLES: Final = 4
_GAIN: Final = 0.05

Draw = Callable[[np.random.Generator, int, float], Estimate]


def holds(found: Estimate, truth: float) -> bool:
    """Is the true value in the interval?"""
    assert found.low is not None and found.high is not None
    return found.low - 1e-9 <= truth <= found.high + 1e-9


def independent(items: int, share: float) -> float:
    """The coverage of the share of independent items, exactly."""
    covered = 0.0
    for count in range(items + 1):
        if holds(Clusters(items).mean([1.0] * count + [0.0] * (items - count)), share):
            covered += comb(items, count) * share**count * (1 - share) ** (items - count)
    return covered


def _like(
    random: np.random.Generator, items: int, share: float, alike: float
) -> NDArray[np.float64]:
    """By prompt, the chance of its samples."""
    return random.beta(share * (1 / alike - 1), (1 - share) * (1 / alike - 1), size=items)


def _groups(items: int) -> list[str]:
    return [str(item) for item in range(items) for _ in range(_SAMPLES)]


def clustered(alike: float) -> Draw:
    """Shares of samples, several of each prompt."""

    def draw(random: np.random.Generator, items: int, share: float) -> Estimate:
        chances = np.repeat(_like(random, items, share, alike), _SAMPLES)
        values = (random.random(len(chances)) < chances).astype(float)
        return Clusters(len(values), groups=_groups(items)).mean(values.tolist())

    return draw


def paired(random: np.random.Generator, items: int, share: float) -> Estimate:
    """Two arms, equally good; half of the items come out the same in both."""
    chances = random.random((2, items))
    same = random.random(items) < 0.5
    one, other = chances[0] < share, np.where(same, chances[0], chances[1]) < share
    return Clusters(items).difference(one.astype(float).tolist(), other.astype(float).tolist())


def improved(random: np.random.Generator, items: int, share: float) -> Estimate:
    """Two arms on the same draws, of which the first is better by 5 points where there is room."""
    chances = random.random(items)
    better = chances < min(share + _GAIN, 1.0)
    return Clusters(items).difference(
        better.astype(float).tolist(), (chances < share).astype(float).tolist()
    )


def paired_clusters(random: np.random.Generator, items: int, share: float) -> Estimate:
    """Two arms, equally good on each prompt, with several samples."""
    chances = np.repeat(_like(random, items, share, 0.3), _SAMPLES)
    one, other = random.random((2, len(chances))) < chances
    clusters = Clusters(len(chances), groups=_groups(items))
    return clusters.difference(one.astype(float).tolist(), other.astype(float).tolist())


KINDS: Final[dict[str, tuple[Draw, float]]] = {
    "clusters of four, correlation 0.05": (clustered(0.05), 0.0),
    "clusters of four, correlation 0.3": (clustered(0.3), 0.0),
    "clusters of four, correlation 0.7": (clustered(0.7), 0.0),
    "paired, equally good": (paired, 0.0),
    "paired, better by 5 points": (improved, _GAIN),
    "paired, clusters of four": (paired_clusters, 0.0),
}
"""How an estimate is drawn, and the difference that there is in truth."""


def coverage(draws: int) -> Iterator[tuple[str, int, list[float]]]:
    """Kind, number of items or prompts, and the coverage at each of `SHARES`."""
    for items in ITEMS:
        yield "independent (exact)", items, [independent(items, share) for share in SHARES]
    for kind, (draw, gain) in KINDS.items():
        for items in ITEMS:
            random = np.random.default_rng(2604)
            found = []
            for share in SHARES:
                is_gap = kind.startswith("paired")
                truth = min(gain, 1 - share) if is_gap else share
                found.append(
                    float(np.mean([holds(draw(random, items, share), truth) for _ in range(draws)]))
                )
            yield kind, items, found


def main() -> None:
    """See the top of the file."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| kind | n | " + " | ".join(f"p = {share:g}" for share in SHARES) + " |")
    print("|---|---:|" + "---:|" * len(SHARES))
    for kind, items, found in coverage(draws):
        print(f"| {kind} | {items} | " + " | ".join(f"{100 * one:.1f} %" for one in found) + " |")


if __name__ == "__main__":
    main()
