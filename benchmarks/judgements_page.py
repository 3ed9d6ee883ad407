"""The page of a judge's answers, to look through: it is loaded only by who opens it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from markupsafe import Markup
from pydantic import JsonValue

from rr_refine.agent.report.page import Pages, cut, script_json, visible
from rr_refine.benchmarks.answers import has_answers, read_answers
from rr_refine.benchmarks.results import Results
from rr_refine.plain_text import error_words

__all__ = ["judgements_parts"]

_TEXT: Final = 20_000
"""Most characters of a question or an answer; the whole is in the file."""
_PAGES: Final = Pages("rr_refine.benchmarks", "page")


def judgements_parts(results: Results, out: Path) -> Iterator[str] | None:
    """The page, piece by piece; None where no answers are kept.

    Args:
        out: the benchmark's folder.
    """
    arms = [arm.arm for arm in results.arms]
    if results.provenance.judge is None or not any(has_answers(out, arm) for arm in arms):
        return None
    return _PAGES.stream(
        "judgements",
        source=results.provenance,
        arms=script_json(list(arms)),
        lines=_lines(arms, out),
    )


def _lines(arms: Sequence[str], out: Path) -> Iterator[Markup]:
    """`0 1 {…}`: arm, state (0 unreadable, 1 read, 2 asked once more), the answer; and each
    question once, before the first answer to it: `q "…"`.
    """
    asked: dict[str, int] = {}
    for number, arm in enumerate(arms):
        for answer in read_answers(out, arm):
            if answer.asked is not None and answer.asked not in asked:
                asked[answer.asked] = len(asked)
                yield Markup("q ") + script_json(_shown(answer.asked)) + "\n"
            state = 2 if answer.turn else int(answer.readable)
            line: dict[str, JsonValue] = {
                "item": _shown(answer.item),
                "attempt": answer.attempt,
                "question": answer.question,
                "asked": None if answer.asked is None else asked[answer.asked],
                "answer": _shown(answer.answer),
                "readable": answer.readable,
                "error": _shown(error_words(answer.error)),
            }
            yield Markup(f"{number} {state} ") + script_json(line) + "\n"


def _shown(text: str) -> str:
    return str(visible(cut(text, _TEXT)))
