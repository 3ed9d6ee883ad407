"""The page of a training: one file, `index.html`, that loads nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from pydantic import JsonValue

from rr_refine.boundary import raised_as
from rr_refine.errors import StoreError
from rr_refine.files import parse_json, read_file, replace_file
from rr_refine.lines import read_lines
from rr_refine.plain_text import quoted, whole_number
from rr_refine.terms import DIMENSIONS

__all__ = ["Chart", "Line", "chart_of", "write_page"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 372, 8, 178
_COLOURS: Final = ("#3b82f6", "#ef4444", "#10b981", "#f59e0b", "#a855f7", "#64748b")
_ROWS: Final = 14
"""Most epochs in the grid."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve."""

    name: str
    colour: str
    points: str
    value: str
    """The last."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over epochs."""

    title: str
    note: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    first: int
    last: int


def chart_of(
    title: str, note: str, curves: Mapping[str, Sequence[tuple[int, float]]]
) -> Chart | None:
    """A chart of these curves, each of (epoch, value); None if they are all empty."""
    curves = {name: curve for name, curve in curves.items() if curve}
    if not curves:
        return None
    epochs = [epoch for curve in curves.values() for epoch, _ in curve]
    values = [value for curve in curves.values() for _, value in curve]
    first, last, low, high = min(epochs), max(epochs), min(values), max(values)
    if high == low:
        high = low + (abs(low) or 1.0)

    def place(epoch: int, value: float) -> str:
        x = _LEFT + (_RIGHT - _LEFT) * (epoch - first) / max(1, last - first)
        y = _BOTTOM - (_BOTTOM - _TOP) * (value - low) / (high - low)
        return f"{x:.1f},{y:.1f}"

    lines = tuple(
        Line(
            name=name,
            colour=_COLOURS[number % len(_COLOURS)],
            points=" ".join(place(*point) for point in curve),
            value=f"{curve[-1][1]:.3g}",
        )
        for number, (name, curve) in enumerate(curves.items())
    )
    ticks = ((_TOP, f"{high:.3g}"), ((_TOP + _BOTTOM) / 2, f"{(low + high) / 2:.3g}"))
    return Chart(title, note, lines, (*ticks, (_BOTTOM, f"{low:.3g}")), first, last)


def write_page(out: Path, best: int | None = None, stopped: str | None = None) -> Path:
    """Write the page of the training in `out` from its logs.

    Args:
        best: the epoch of the best checkpoint; None if nothing was held out to tell it by.
        stopped: why it ended; None while it goes on.

    Raises:
        StoreError: a log cannot be read.
    """
    training = _read(out / "policy.jsonl", "step")
    held_out = _read(out / "held-out.jsonl", "epoch")
    recipe = _json(out / "recipe.json")
    last = max(training, default=0)
    state = f"Epoch {last} of {recipe.get('epochs', '?')}."
    if stopped is not None:
        known = "" if best is None else f"; the best is {best}"
        state = f"Stopped after epoch {last}: {stopped}{known}."
    page = _template().render(
        name=out.absolute().name,
        state=state,
        charts=_charts(
            training, held_out, judged=recipe.get("judge") not in (None, recipe.get("critic"))
        ),
        grid=_grid(out, best),
        best=best,
        recipe=json.dumps(recipe, indent=1, ensure_ascii=False),
    )
    replace_file(out / "index.html", page.encode(), durable=False)
    return out / "index.html"


Records = Mapping[int, Mapping[str, Any]]


def _charts(training: Records, held_out: Records, *, judged: bool) -> list[Chart]:
    def train(*names: str) -> dict[str, list[tuple[int, float]]]:
        return {n: [(e, v[n]) for e, v in training.items() if v.get(n) is not None] for n in names}

    def kinds(prefix: str, lines: Records = held_out) -> dict[str, list[tuple[int, float]]]:
        names = sorted({n for v in lines.values() for n in v if n.startswith(f"{prefix} ")})
        return {
            n.removeprefix(f"{prefix} "): [(e, v[n]) for e, v in lines.items() if n in v]
            for n in names
        }

    who = (
        "an independent judge"
        if judged
        else "the critic itself, as the recipe names no judge beside it"
    )
    both = {
        "training": train("reward")["reward"],
        "held out": [(e, v["reward"]) for e, v in held_out.items() if "reward" in v],
    }
    seconds = train("draw_seconds", "judge_seconds", "train_seconds")
    charts = (
        chart_of(
            "Reward",
            f"Training: the critic, of other prompts in each epoch. Held out: {who}, of the same. "
            "Where the first rises and the second falls, the critic is being pleased, no more.",
            both,
        ),
        chart_of("Held-out reward by kind", "", kinds("reward")),
        chart_of("Held out: share without a miss", "", kinds("full")),
        chart_of("Training reward by dimension", "", train(*DIMENSIONS)),
        chart_of("Training reward by part", "Of a weighted reward.", kinds("part", training)),
        chart_of("Spread of rewards", "Over all pictures of an epoch.", train("spread")),
        chart_of(
            "Flat groups and failed critiques", "Shares; not trained on.", train("flat", "failed")
        ),
        chart_of(
            "Distance to the untrained model",
            "KL: mean squared distance of velocities; moved: to the old policy.",
            train("kl", "moved"),
        ),
        chart_of(
            "Length of velocities",
            "Against the untrained model's; growth goes with visible damage.",
            train("norm"),
        ),
        chart_of(
            "Variety within a group", "It falls when pictures turn out alike.", train("variety")
        ),
        chart_of(
            "Seconds in an epoch",
            "",
            {name.removesuffix("_seconds"): curve for name, curve in seconds.items()},
        ),
    )
    return [chart for chart in charts if chart is not None]


def _grid(out: Path, best: int | None) -> list[tuple[int, str]]:
    there = (out / "grid").glob("*.png")
    files = sorted(f for f in there if whole_number(f.stem) is not None)
    step = -(-len(files) // _ROWS)
    shown = [f for n, f in enumerate(files) if n % max(1, step) == 0 or f is files[-1]]
    shown += [f for f in files if f not in shown and int(f.stem) == best]
    return [(int(f.stem), base64.b64encode(f.read_bytes()).decode()) for f in sorted(shown)]


def _read(file: Path, key: str) -> dict[int, dict[str, Any]]:
    """Lines by epoch; of an epoch that was done again after a kill, the last."""
    lines: dict[int, dict[str, Any]] = {}
    with raised_as(StoreError, f"{file} cannot be read", OSError, ValueError):
        for number, text in enumerate(read_lines(file), 1):
            line = parse_json(text, nan=True)
            epoch = line.get(key) if isinstance(line, dict) else None
            if not isinstance(line, dict) or type(epoch) is not int:
                raise ValueError(f"line {number} is no object with a whole number {key!r}")
            wrong = [n for n, value in line.items() if n != key and not _is_shown(value)]
            if wrong:
                raise ValueError(f"line {number}: {quoted(wrong[0])} is no number")
            lines[epoch] = line
    return lines


def _is_shown(value: JsonValue) -> bool:
    return value is None or isinstance(value, int | float)


def _json(file: Path) -> dict[str, Any]:
    with raised_as(StoreError, f"{file} cannot be read", OSError, ValueError):
        try:
            found = parse_json(read_file(file))
        except FileNotFoundError:
            return {}
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        return found


@cache
def _template() -> Template:
    loader = PackageLoader("rr_refine.training.nft", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template("nft.html")
