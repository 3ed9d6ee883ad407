"""Curves of arms over renders, as an SVG that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rr_refine.benchmarks.bootstrap import Estimate
    from rr_refine.benchmarks.results import ArmResult, CurvePoint, Results

__all__ = ["draw_exact", "draw_score"]

_WIDTH, _HEIGHT = 860, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 306, 46, 52
"""Margins, pixels; on the right are the names of the curves."""
_COLOURS: Final = ("#8a8f98", "#3b7dd8", "#b08a3e", "#c2571a", "#7b52ab", "#0a7f4f")
"""Muted but apart, on white."""
_STROKE: Final = 'fill="none" stroke-width="2"'
_ASIDE: Final = 5.0
"""Pixels between the points of two arms, so that intervals do not hide each other."""
_LINE: Final = 17
"""Least distance of two names, pixels."""


def draw_exact(results: Results) -> str:
    """Share of exact results against renders allowed, in percent."""
    return _draw(
        results,
        f"Exact results, % ({results.arms[0].items} items)",
        lambda point: point.exact,
        100.0,
        (0, 20, 40, 60, 80, 100),
    )


def draw_score(results: Results) -> str:
    """Mean score against renders allowed, 1 to 4."""
    return _draw(
        results,
        f"Mean score, 1 to 4 ({results.arms[0].items} items)",
        lambda point: point.score,
        1.0,
        (1, 1.5, 2, 2.5, 3, 3.5, 4),
    )


def _draw(
    results: Results,
    title: str,
    measure: Callable[[CurvePoint], Estimate],
    scale: float,
    ticks: Sequence[float],
) -> str:
    plot = _Plot(results, measure, scale, ticks)
    body = "\n".join([*plot.axes(title), *plot.curves()])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="13" fill="#222">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{body}\n</svg>\n"
    )


class _Plot:
    def __init__(
        self,
        results: Results,
        measure: Callable[[CurvePoint], Estimate],
        scale: float,
        ticks: Sequence[float],
    ) -> None:
        self._results = results
        self._measure = measure
        self._scale = scale
        self._ticks = ticks
        self._renders = results.provenance.renders

    def axes(self, title: str) -> Iterator[str]:
        """Title, grid and ticks."""
        yield _text(_LEFT, _TOP - 20, title, size=15)
        right = _WIDTH - _RIGHT
        for value in self._ticks:
            y = self._y(value)
            yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#e6e6e6"/>'
            yield _text(_LEFT - 10, y + 4, f"{value:g}", anchor="end")
        for allowed in range(1, self._renders + 1):
            yield _text(self._x(allowed), _HEIGHT - _BOTTOM + 20, str(allowed), anchor="middle")
        middle = (_LEFT + right) / 2
        yield _text(middle, _HEIGHT - 12, "renders allowed", anchor="middle")

    def curves(self) -> Iterator[str]:
        """Every arm: line, intervals, name. Beyond its last render an arm stays where it is."""
        ends = []
        for index, result in enumerate(self._results.arms):
            colour = _COLOURS[index % len(_COLOURS)]
            aside = _ASIDE * (index - (len(self._results.arms) - 1) / 2)
            points = [
                (self._x(point.allowed) + aside, self._measure(point)) for point in result.curve
            ]
            heights = [self._y(estimate.value * self._scale) for _, estimate in points]
            used = _used(result)
            where = [f"{x:.1f} {y:.1f}" for (x, _), y in zip(points, heights, strict=True)]
            yield f'<path d="M{" L".join(where[:used])}" {_STROKE} stroke="{colour}"/>'
            if used < len(where):
                yield (
                    f'<path d="M{" L".join(where[used - 1 :])}" {_STROKE} stroke="{colour}" '
                    'stroke-dasharray="2 4" opacity="0.7"/>'
                )
            for (x, estimate), y in zip(points[:used], heights, strict=False):
                top, foot = (self._y(v * self._scale) for v in (estimate.high, estimate.low))
                yield f'<path d="M{x:.1f} {top:.1f}V{foot:.1f}" stroke="{colour}" opacity="0.45"/>'
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            value = points[-1][1].value * self._scale
            shown = f"{value:.0f}" if self._scale > 1 else f"{value:.2f}"
            name = f"{result.arm} {shown} ({result.renders:.1f} renders)"
            ends.append(_End(points[-1][0], heights[-1], name, colour))
        yield from _names(ends)

    def _x(self, allowed: int) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return _LEFT + width * (allowed - 0.5) / self._renders

    def _y(self, value: float) -> float:
        low, high = self._ticks[0], self._ticks[-1]
        height = _HEIGHT - _TOP - _BOTTOM
        return _HEIGHT - _BOTTOM - height * (value - low) / (high - low)


def _used(result: ArmResult) -> int:
    """How many points of the curve have more renders spent than the one before."""
    curve = result.curve
    return max(i for i in range(len(curve)) if not i or curve[i].spent > curve[i - 1].spent) + 1


@dataclass(frozen=True, slots=True)
class _End:
    """Where a curve ends, and what is written beside it."""

    x: float
    y: float
    name: str
    colour: str


def _names(ends: Sequence[_End]) -> Iterator[str]:
    """Names to the right of the plot, apart from each other, each tied to its curve's end."""
    left = _WIDTH - _RIGHT + 26
    ordered = sorted(ends, key=lambda end: end.y)
    heights: list[float] = []
    for end in ordered:
        heights.append(max(end.y, heights[-1] + _LINE if heights else 0.0))
    lowest = float(_HEIGHT - _BOTTOM)
    for index in reversed(range(len(heights))):  # up again, what would be under the plot
        heights[index] = lowest = min(heights[index], lowest)
        lowest -= _LINE
    for end, height in zip(ordered, heights, strict=True):
        yield (
            f'<path d="M{end.x + 6:.1f} {end.y:.1f}L{left - 5} {height:.1f}" '
            f'stroke="{end.colour}" stroke-width="0.8" opacity="0.5"/>'
        )
        yield _text(left, height + 4, end.name, colour=end.colour)


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, colour: str = "#222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(words)}</text>'
    )
