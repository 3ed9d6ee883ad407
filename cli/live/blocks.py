"""What the live view prints: candidates with pictures and bars, prompts with their changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rr_refine.agent.events import Decided, Judged, Rendered
from rr_refine.cli.live.thumbnail import Thumbnail
from rr_refine.cli.live.words import changes
from rr_refine.cli.text import short
from rr_refine.terms import SCORE_MAX, SCORE_MIN

__all__ = ["beside", "candidate_block", "labelled", "prompt_change"]

_BAR: Final = 15  # cells: a fifth of a point each
_GOOD: Final = 3.0
"""The paper's trigger: a dimension below it needs work."""
_CHANGE: Final = {"same": "", "gone": "red strike", "new": "bold green underline"}
_LABEL: Final = 11  # columns of the labels of the plain display


def labelled(line: str) -> Text:
    """A line of the plain display, its label set back."""
    text = Text(line, overflow="fold")
    text.stylize("dim", 0, _LABEL)
    return text


def prompt_change(old: str, new: str) -> Text:
    """The new prompt, with what went and what came."""
    text = labelled("  prompt   ")
    for kind, words in changes(old, new):
        text.append(words, _CHANGE[kind]).append(" ")
    return text


def candidate_block(
    decided: Decided,
    rendered: Rendered | None,
    judged: Judged | None,
    thumbnail: Thumbnail | None,
) -> RenderableType:
    """A candidate that was weighed: picture, scores, the weakest dimension's reason, verdict."""
    verdict, lines = decided.verdict, [Text(decided.candidate, "bold")]
    if rendered is not None:
        took = "found done" if rendered.cached else f"{rendered.seconds:.1f} s"
        lines[0].append(f"  seed {rendered.seed}, {took}", "not bold dim")
    if judged is not None:
        lines += [*_bars(judged), _reason(judged)]
    mark, style = ("✔ better", "bold green") if verdict.accepted else ("✘ refused", "bold red")
    lines.append(Text.assemble((mark, style), "  ", short(verdict.reason, 240)))
    return beside(thumbnail, lines)


def beside(thumbnail: Thumbnail | None, lines: Iterable[Text]) -> RenderableType:
    """Lines, right of a picture if there is one."""
    table = Table.grid(padding=(0, 2, 0, 0))
    if thumbnail is None:
        table.add_row(Text(), Group(*lines))
        return table
    table.add_column(width=thumbnail.columns)
    table.add_row(thumbnail, Group(*lines))
    if thumbnail.overlay is None:
        return table
    return Group(table, thumbnail.overlay)


def _bars(judged: Judged) -> list[Text]:
    """A line per dimension: `text faithfulness  ━━━━━━━━━━──────  2.50 +0.40`."""
    width = max(len(dimension) for dimension in judged.scores)
    lines: list[Text] = []
    for dimension, score in judged.scores.items():
        line = Text(f"{dimension.replace('_', ' '):<{width}}  ", no_wrap=True)
        if score is None:
            lines.append(line.append("not asked for", "dim"))
            continue
        style = "green" if score >= _GOOD else "yellow" if score >= 2.0 else "red"
        full = round(_BAR * (score - SCORE_MIN) / (SCORE_MAX - SCORE_MIN))
        line.append("━" * full, style).append("─" * (_BAR - full), "dim").append(f"  {score:.2f}")
        change = judged.changes.get(dimension)
        if change is not None:
            risen = "green" if change > 0 else "red" if change < 0 else "dim"
            line.append(f" {change:+.2f}", risen)
        lines.append(line)
    return lines


def _reason(judged: Judged) -> Text:
    weakest = judged.weakest.replace("_", " ")
    return Text.assemble((f"{weakest}: ", "dim"), short(judged.reason))
