"""Arms against renders: plots as SVG that need nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final
from xml.sax.saxutils import escape

from rr_refine.benchmarks.headline import (
    Scale,
    headline,
    is_published,
    overall_scale,
    score_scale,
)
from rr_refine.benchmarks.results import ArmResult, CurvePoint, Results
from rr_refine.statistics import Estimate

__all__ = ["COLOURS", "draw_plots", "round_ticks", "svg_page", "svg_text"]

_WIDTH, _HEIGHT = 860, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 306, 46, 52
"""Margins, pixels; on the right are the names of the curves."""
COLOURS: Final = ("#8a8f98", "#3b7dd8", "#b08a3e", "#c2571a", "#7b52ab", "#0a7f4f")
"""Muted but apart, on white."""
_STROKE: Final = 'fill="none" stroke-width="2"'
_ASIDE: Final = 5.0
"""Pixels between the points of two arms, so that intervals do not hide each other."""
_LINE: Final = 17
"""Least distance of two names, pixels."""
_USED: Final = "renders used, mean"


def draw_plots(results: Results) -> dict[str, str]:
    """The plots that there is something for, by name: `overall`, `exact`, `score`; as SVG. What
    arms are held against each other by comes first.

    Against renders allowed where all runs were graded for every number of them, else, and for the
    overall value, against the renders that an arm used.
    """
    measure = headline(results)
    if measure is None:
        return {}
    exact, score = Scale(share=True), score_scale(results)
    curved = bool(results.arms[0].curve)
    allowed = "renders allowed" if curved else _USED
    items = f"({results.arms[0].items} items)"
    plots: dict[str, str] = {}
    if any(arm.overall for arm in results.arms):
        lines = [_Line.point(arm, arm.overall) for arm in results.arms if arm.overall]
        plots["overall"] = _draw(results, "Overall", items, lines, overall_scale(results), _USED)
    for name, title, scale in (("exact", "Exact results", exact), ("score", "Mean score", score)):
        lines = [
            _Line.curve(arm, [_measured(name, point) for point in arm.curve])
            if curved
            else _Line.point(arm, _measured(name, arm))
            for arm in results.arms
        ]
        plots[name] = _draw(results, title, items, lines, scale, allowed)
    return {measure.name: plots.pop(measure.name), **plots}


def _measured(name: str, of: ArmResult | CurvePoint) -> Estimate:
    return of.exact if name == "exact" else of.score


@dataclass(frozen=True, slots=True)
class _Line:
    """An arm in a plot."""

    name: str
    renders: float
    """Used, mean."""
    points: tuple[tuple[float, Estimate], ...]
    """Renders, and what there is with so many."""
    used: int
    """How many of the points have more renders spent than the one before."""

    @classmethod
    def curve(cls, arm: ArmResult, estimates: Sequence[Estimate]) -> _Line:
        curve = arm.curve
        points = tuple((point.allowed, e) for point, e in zip(curve, estimates, strict=True))
        last = max(i for i in range(len(curve)) if not i or curve[i].spent > curve[i - 1].spent)
        return cls(arm.arm, arm.renders, points, last + 1)

    @classmethod
    def point(cls, arm: ArmResult, estimate: Estimate) -> _Line:
        return cls(arm.arm, arm.renders, ((arm.renders, estimate),), 1)


def _draw(
    results: Results, title: str, items: str, lines: Sequence[_Line], scale: Scale, axis: str
) -> str:
    plot = _Plot(results, lines, scale)
    body = "\n".join([*plot.axes(f"{title}{plot.unit} {items}", axis), *plot.curves()])
    return svg_page(_WIDTH, _HEIGHT, body)


def svg_page(width: int, height: int, body: str) -> str:
    """A picture on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="13" fill="#222">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{body}\n</svg>\n"
    )


class _Plot:
    def __init__(self, results: Results, lines: Sequence[_Line], scale: Scale) -> None:
        self._lines = lines
        self._share = scale.share
        self._scale = 100.0 if scale.share else 1.0
        self._renders = results.provenance.renders
        self.unit = ", %" if scale.share else ""
        if scale.share:
            self._ticks: Sequence[float] = (0, 20, 40, 60, 80, 100)
        elif is_published(results):
            ends = [
                end for line in lines for _, e in line.points for end in (e.low, e.value, e.high)
            ]
            known = [end for end in ends if end is not None]
            self._ticks = round_ticks(min(known), max(known))
        else:
            self._ticks = (1, 1.5, 2, 2.5, 3, 3.5, 4)
            self.unit = ", 1 to 4"

    def axes(self, title: str, axis: str) -> Iterator[str]:
        """Title, grid and ticks."""
        yield svg_text(_LEFT, _TOP - 20, title, size=15)
        right = _WIDTH - _RIGHT
        for value in self._ticks:
            y = self._y(value)
            yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#e6e6e6"/>'
            yield svg_text(_LEFT - 10, y + 4, f"{value:g}", anchor="end")
        for renders in range(1, self._renders + 1):
            yield svg_text(self._x(renders), _HEIGHT - _BOTTOM + 20, str(renders), anchor="middle")
        yield svg_text((_LEFT + right) / 2, _HEIGHT - 12, axis, anchor="middle")

    def curves(self) -> Iterator[str]:
        """Every arm: line, intervals, name. Beyond its last render an arm stays where it is."""
        ends = []
        for index, line in enumerate(self._lines):
            colour = COLOURS[index % len(COLOURS)]
            aside = _ASIDE * (index - (len(self._lines) - 1) / 2)
            points = [(self._x(renders) + aside, estimate) for renders, estimate in line.points]
            heights = [self._y(estimate.value * self._scale) for _, estimate in points]
            where = [f"{x:.1f} {y:.1f}" for (x, _), y in zip(points, heights, strict=True)]
            yield f'<path d="M{" L".join(where[: line.used])}" {_STROKE} stroke="{colour}"/>'
            if line.used < len(where):
                yield (
                    f'<path d="M{" L".join(where[line.used - 1 :])}" {_STROKE} stroke="{colour}" '
                    'stroke-dasharray="2 4" opacity="0.7"/>'
                )
            for (x, estimate), y in zip(points[: line.used], heights, strict=False):
                if estimate.low is not None and estimate.high is not None:
                    top, foot = (self._y(v * self._scale) for v in (estimate.high, estimate.low))
                    yield (
                        f'<path d="M{x:.1f} {top:.1f}V{foot:.1f}" stroke="{colour}" '
                        'opacity="0.45"/>'
                    )
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            value = points[-1][1].value * self._scale
            shown = f"{value:.0f}" if self._share else f"{value:.2f}"
            name = f"{line.name} {shown} ({line.renders:.1f} renders)"
            ends.append(_End(points[-1][0], heights[-1], name, colour))
        yield from _names(ends)

    def _x(self, renders: float) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return _LEFT + width * (renders - 0.5) / self._renders

    def _y(self, value: float) -> float:
        low, high = self._ticks[0], self._ticks[-1]
        height = _HEIGHT - _TOP - _BOTTOM
        return _HEIGHT - _BOTTOM - height * (value - low) / (high - low)


def round_ticks(low: float, high: float) -> list[float]:
    """Four to ten round values, the first and the last around what is shown."""
    span = max(high - low, 0.05 * max(abs(low), abs(high)), 1e-6)
    power = 10.0 ** floor(log10(span / 5))
    step = next(power * round_ for round_ in (1, 2, 5, 10) if span / (power * round_) <= 5)
    first, last = floor(low / step), ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


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
        yield svg_text(left, height + 4, end.name, colour=end.colour)


def svg_text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, colour: str = "#222"
) -> str:
    """A line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(words)}</text>'
    )
