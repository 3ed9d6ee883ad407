"""The form of an answer: what a model is held to while it writes, and what then stands where.

An answer of this form can be read whatever its texts say: they are bounded and have one line each,
the analysis up to three, of which none begins as the heading behind it does; scores have one
decimal, text faithfulness applies, and no winner contradicts its scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from pydantic import JsonValue

from rr_refine.reward.answer_format import NOT_APPLICABLE, WINNERS, compared, lay_out, scored
from rr_refine.terms import Dimension, Task, dimensions_of

__all__ = ["AnswerForm", "Filled", "answer_form"]

_LONG: Final = 1600
"""Most characters of a justification."""
_SHORT: Final = 800
"""Most of any other text. All texts of an answer, in English, fit into 2048 tokens."""

_FURTHER: Final = 200
"""Most of each of the two further lines that the analysis may have. Small models write headings
there, and go on rightly: who keeps them from it changes an answer that could be read."""

_SCORES: Final = range(10, 41)
"""In tenths."""

_LEAST: Final = {"analysis": "-\n-\n-"}
"""Lines that a model may not get around, once it has begun them."""

_VERDICT: Final = "verdict_"

_SLOT: Final = re.compile(r"\x00(\w+)\x00")


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands where in an answer."""

    texts: Mapping[str, str]
    """`analysis`, `summary`, `comments`, `request`, and the justifications by dimension."""
    verdicts: Mapping[Dimension, tuple[str, ...]]
    """The score, or in a comparison score A, score B and the winner."""
    cut: tuple[str, ...]
    """The texts that are as long as they may be, and may be cut."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form of one kind of answer; make it with `answer_form`."""

    task: Task
    regex: str
    """For any engine of regular expressions, Rust's and those of servers."""
    schema: Mapping[str, JsonValue]
    """The same texts and values as a JSON object, for servers that know no regular expressions. Its
    texts are not bounded, and a winner may contradict its scores."""
    plain: str
    """An answer with next to nothing in its texts: how much it needs besides."""
    _slots: tuple[str, ...]

    def read(self, text: str) -> Filled | None:
        """What stands where in `text`; None where it has another form."""
        match = re.fullmatch(self.regex, text)
        if match is None:
            return None
        found = dict(zip(self._slots, match.groups(), strict=True))
        verdicts = {
            d: tuple(line.partition(": ")[2] for line in found.pop(_VERDICT + d).split("\n"))
            for d in dimensions_of(self.task)
        }
        cut = tuple(name for name, words in found.items() if _is_cut(name, words))
        return Filled(found, verdicts, cut)


@cache
def answer_form(task: Task, *, pairwise: bool = False) -> AnswerForm:
    """The form of the answers about one picture of a task, or about two."""
    dimensions = dimensions_of(task)
    laid_out = lay_out(
        _slot("analysis"),
        {d: _slot(d) for d in dimensions},
        {d: _slot(_VERDICT + d) for d in dimensions},
        _slot("summary"),
        None if pairwise else (_slot("comments"), _slot("request")),
    )
    # Odd pieces are slots. What is not special to every engine is not escaped.
    pieces = _SLOT.split(laid_out)
    verdict = compared("1.0", "1.0", WINNERS["tie"]) if pairwise else scored("1.0")
    pattern = "".join(
        f"({_pattern(piece, pairwise=pairwise)})" if i % 2 else piece.replace(".", r"\.")
        for i, piece in enumerate(pieces)
    )
    return AnswerForm(
        task=task,
        regex=pattern.replace("\n", r"\n") + r"\n?",
        schema=_schema(task, pairwise=pairwise),
        plain=_SLOT.sub(
            lambda slot: verdict if slot[1].startswith(_VERDICT) else _LEAST.get(slot[1], "-"),
            laid_out,
        ),
        _slots=tuple(pieces[1::2]),
    )


def _slot(name: str) -> str:
    return f"\x00{name}\x00"


def _most(name: str) -> int:
    return _SHORT if name in ("analysis", "summary", "comments", "request") else _LONG


def _is_cut(name: str, words: str) -> bool:
    first, *more = words.split("\n")
    return len(first) >= _most(name) or any(len(line) > _FURTHER - 3 for line in more)


def _pattern(slot: str, *, pairwise: bool) -> str:
    if not slot.startswith(_VERDICT):
        line = rf"[^\r\n]{{1,{_most(slot)}}}"
        if slot != "analysis":
            return line
        # Not as "# Detailed Judgement", so that it is clear where the analysis ends.
        begins = r"(?:[^#\r\n]|#[^ \r\n]|# [^D\r\n])"
        return rf"{line}(?:\n{begins}[^\r\n]{{0,{_FURTHER - 3}}}){{0,2}}"
    if pairwise:
        allowed = [*_verdicts(), compared(*[NOT_APPLICABLE] * 3)]
    else:
        allowed = [scored(f"(?:{_between(10, 40)})"), scored(NOT_APPLICABLE)]
    return "|".join(allowed[:-1] if slot == f"{_VERDICT}text_faithfulness" else allowed)


def _verdicts() -> Iterator[str]:
    """Score A, with the scores B and the winners that it allows."""
    a, b, tie = WINNERS["a"], WINNERS["b"], WINNERS["tie"]
    for score in _SCORES:
        first, lower, higher = _between(score, score), _between(10, score), _between(score, 40)
        yield compared(first, f"(?:{lower})", f"(?:{a}|{tie})")
        yield compared(first, f"(?:{higher})", f"(?:{b}|{tie})")


def _between(low: int, high: int) -> str:
    """The scores from `low` to `high` tenths."""
    parts = []
    for whole in range(low // 10, high // 10 + 1):
        first, last = max(low - 10 * whole, 0), min(high - 10 * whole, 9)
        parts.append(rf"{whole}\.[{first}-{last}]" if first < last else rf"{whole}\.{first}")
    return "|".join(parts)


def _schema(task: Task, *, pairwise: bool) -> dict[str, JsonValue]:
    text: JsonValue = {"type": "string"}
    parts: dict[str, JsonValue] = {"user_request_analysis": text}
    for dimension in dimensions_of(task):
        none = [] if dimension == "text_faithfulness" else [NOT_APPLICABLE]
        scores = [*(f"{tenths / 10}" for tenths in _SCORES), *none]
        fields = {"score_a": scores, "score_b": scores, "winner": [*WINNERS.values(), *none]}
        chosen = fields if pairwise else {"score": scores}
        values: dict[str, JsonValue] = {
            field: {"type": "string", "enum": [*allowed]} for field, allowed in chosen.items()
        }
        parts[dimension] = _object({"justification": text, **values})
    parts["summary"] = text
    if not pairwise:
        parts |= {"refinement_comments": text, "refined_request": text}
    return _object(parts)


def _object(parts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": parts,
        "required": [*parts],
        "additionalProperties": False,
    }
