"""Connected parts of a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blob", "core", "find_blobs", "grown"]


@dataclass(frozen=True, slots=True)
class Blob:
    """Pixels that touch each other by their sides: equally long arrays of rows and columns."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @property
    def size(self) -> int:
        """How many pixels."""
        return len(self.rows)

    def part(self, chosen: NDArray[np.bool_]) -> Blob:
        """Some of its pixels."""
        return Blob(rows=self.rows[chosen], columns=self.columns[chosen])


def find_blobs(mask: NDArray[np.bool_], smallest: int = 1) -> list[Blob]:
    """The connected parts of `mask` with at least `smallest` pixels, topmost first.

    Runs of each row are joined with those that they touch in the row above (union-find).
    """
    height = len(mask)
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    run_rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parents = list(range(len(starts)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    first = np.searchsorted(run_rows, np.arange(height + 1)).tolist()
    begins, stops = starts.tolist(), ends.tolist()
    for row in range(1, height):
        above, run = first[row - 1], first[row]
        while above < first[row] and run < first[row + 1]:
            if begins[above] < stops[run] and begins[run] < stops[above]:
                one, other = sorted((root(above), root(run)))
                parents[other] = one
            if stops[above] < stops[run]:
                above += 1
            else:
                run += 1
    roots = np.array([root(run) for run in range(len(parents))], np.intp)
    rows, columns = np.nonzero(mask)
    owners = np.repeat(roots, ends - starts)
    order = np.argsort(owners, kind="stable")
    _, counts = np.unique(owners, return_counts=True)
    parts = np.split(order, np.cumsum(counts)[:-1]) if len(counts) else []
    return [Blob(rows[part], columns[part]) for part in parts if len(part) >= smallest]


def core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of `mask` whose eight neighbours are in it too."""
    return ~grown(~mask)


def grown(mask: NDArray[np.bool_], by: int = 1) -> NDArray[np.bool_]:
    """`mask` and all pixels up to `by` rows and columns away."""
    for _ in range(by):
        mask = mask.copy()
        mask[1:] |= mask[:-1].copy()
        mask[:-1] |= mask[1:].copy()
        mask[:, 1:] |= mask[:, :-1].copy()
        mask[:, :-1] |= mask[:, 1:].copy()
    return mask
