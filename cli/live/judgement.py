"""What a judgement of a picture looks like in the live view: scores as bars, and the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from rr_refine.agent.events import Judged
from rr_refine.cli.lines import measured, reason
from rr_refine.cli.words import term
from rr_refine.terms import DIMENSION_WORDS, SCORE_MAX, SCORE_MIN

__all__ = ["NEEDED", "is_open", "judgement_lines"]

NEEDED: Final = 57
"""Columns of a line of scores, its bar left out."""
_NUMBERS: Final = len("not asked for")
_BAR: Final = range(5, 16)  # cells; of 15, each is a fifth of a point
_GOOD: Final = 3.0
"""The paper's trigger: a dimension below it needs work."""


def judgement_lines(judged: Judged, columns: int) -> Iterator[Text]:
    """The scores, and what was said about them, for so many columns."""
    yield from _scores(judged, columns)
    about, said = reason(judged)
    yield Text.assemble((f"{about}: ", "dim"), said)
    for line in measured(judged):
        yield Text(line.strip(), "yellow")


def is_open(judged: Judged) -> bool:
    """Whether nothing of it may be green: not all that was asked for was judged, or is there."""
    return bool(judged.unjudged) or any(one.is_miss for one in judged.findings)


def _scores(judged: Judged, columns: int) -> Iterator[Text]:
    """`what you asked for    ━━━━━━━━━━──────  2.50 +0.40     text faithfulness`; the bar is left
    out where there is no room for it.
    """
    words = {dimension: DIMENSION_WORDS[dimension] for dimension in judged.scores}
    width = max(map(len, words.values()))
    left = columns - width - _NUMBERS - max(len(term(d)) for d in words) - 6
    bar = min(left, _BAR[-1]) if left in _BAR or left > _BAR[-1] else 0
    good = "yellow" if is_open(judged) else "green"
    for dimension, score in judged.scores.items():
        line = Text(f"{words[dimension]:<{width}}  ")
        if score is None:
            line.append(f"{'not asked for':<{bar + 2 * (bar > 0) + _NUMBERS}}", "dim")
        else:
            style = good if score >= _GOOD else "yellow" if score >= 2.0 else "red"
            if bar:
                full = round(bar * (score - SCORE_MIN) / (SCORE_MAX - SCORE_MIN))
                line.append("━" * full, style).append("─" * (bar - full), "dim").append("  ")
            change = judged.changes.get(dimension)
            shown = "" if change is None else f" {change:+.2f}"
            risen = "green" if change and change > 0 else "red" if change and change < 0 else "dim"
            line.append(f"{score:.2f}", "" if bar else style).append(shown, risen)
            line.append(" " * (_NUMBERS - len(f"{score:.2f}{shown}")))
        yield line.append(f"  {term(dimension)}", "dim")
