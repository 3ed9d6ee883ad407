"""A sweep as a plot: a panel for each thing that is varied, as SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rr_refine.benchmarks.plot import COLOURS, round_ticks, svg_page, svg_text
from rr_refine.benchmarks.sweep import Sweep, SweepValue

__all__ = ["draw_sweep"]

_COLUMNS: Final = 3
_WIDTH, _HEIGHT = 330, 250
"""Of a panel, pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 44, 52
_HEAD: Final = 36
"""Above the panels, pixels."""
_AS_IS, _VARIED, _QUIET = COLOURS[5], COLOURS[1], COLOURS[0]
_LETTERS: Final = 7
"""Pixels of a letter of 12, about."""


def draw_sweep(sweep: Sweep) -> str:
    """The measure by value, with 95 % intervals. A line shows the loop as it is set; below each
    value is how many renders it used.
    """
    times = 100.0 if sweep.share else 1.0
    measured = [one.measured for values in sweep.factors.values() for one in values]
    ends = [end for e in measured for end in (e.low, e.value, e.high) if end is not None]
    low, high = min(ends) * times, max(ends) * times
    if sweep.share and low == high:  # one item, of which there is no interval
        low, high = 0.0, times
    ticks = round_ticks(low, high)
    if sweep.share:
        ticks = [tick for tick in ticks if 0 <= tick <= times]
    panels = list(sweep.factors.items())
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    unit = ", %" if sweep.share else ""
    title = f"{sweep.provenance.benchmark}: {sweep.measure}{unit} ({sweep.items} items)"
    body = [svg_text(16, 24, title, size=15)]
    for number, (name, values) in enumerate(panels):
        x, y = number % columns * _WIDTH, _HEAD + number // columns * _HEIGHT
        body.append(f'<g transform="translate({x} {y})">')
        body += _panel(name, values, sweep.as_it_is.value, ticks, times)
        body.append("</g>")
    return svg_page(max(columns, 2) * _WIDTH, _HEAD + rows * _HEIGHT, "\n".join(body))


def _panel(
    name: str, values: Sequence[SweepValue], as_it_is: float, ticks: Sequence[float], times: float
) -> Iterator[str]:
    foot, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    step = (right - _LEFT) / len(values)

    def height(value: float) -> float:
        return foot - (foot - _TOP) * (value * times - ticks[0]) / (ticks[-1] - ticks[0])

    yield svg_text(_LEFT, _TOP - 18, name)
    for tick in ticks:
        y = height(tick / times)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#e6e6e6"/>'
        yield svg_text(_LEFT - 8, y + 4, f"{tick:g}", anchor="end", size=12)
    y = height(as_it_is)
    yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="{_AS_IS}" stroke-dasharray="4 3"/>'
    for number, one in enumerate(values):
        x = _LEFT + step * (number + 0.5)
        colour = _VARIED if one.over else _AS_IS
        low, high = one.measured.low, one.measured.high
        if low is not None and high is not None:
            yield (
                f'<path d="M{x:.1f} {height(high):.1f}V{height(low):.1f}" stroke="{colour}" '
                'stroke-width="2" opacity="0.5"/>'
            )
        yield f'<circle cx="{x:.1f}" cy="{height(one.measured.value):.1f}" r="4" fill="{colour}"/>'
        label = _cut(one.value, step)
        yield svg_text(x, foot + 18, label, anchor="middle", size=12)
        renders = f"{one.renders:.1f}" + (" renders" if number == len(values) // 2 else "")
        yield svg_text(x, foot + 34, renders, anchor="middle", size=11, colour=_QUIET)


def _cut(text: str, width: float) -> str:
    """Its first word, where there is no room for all."""
    most = max(3, int(width / _LETTERS))
    text = text if len(text) <= most else text.partition(" ")[0]
    return text if len(text) <= most else f"{text[: most - 1]}…"
