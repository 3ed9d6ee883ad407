"""A judge's answer to a yes-no question, as PICABench's scripts read it, quirks included."""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["FAILED", "is_right", "official_parse", "read_answer", "tolerant_parse"]

FAILED: Final = "Error: all attempts failed"
"""What the official script takes for the answer where the judge could not be asked."""

_FLAT: Final = re.compile(r"\{[^{}]*\}")
_YES: Final = ("yes", "y", "true")
_NO: Final = ("no", "n", "false")


def official_parse(text: str) -> str | None:
    """`Yes` or `No`; None for anything else, which the official script counts as wrong.

    Where there is no JSON object with texts as `answer` and `explanation`, the words decide: a text
    that begins with "no", such as "Not at all" or "Note: …", is a No, and a JSON boolean is read
    by whichever of the words "yes" and "no" its explanation has.
    """
    answer, _ = read_answer(text)
    return answer if answer in ("Yes", "No") else None


def read_answer(text: str) -> tuple[str, str]:
    """The answer and its explanation: what the official output has as `model_answer` and
    `model_explanation`. An answer that is neither yes nor no is given as it is.
    """
    return _from_json(text) or (_from_words(text), "")


def tolerant_parse(text: str) -> str | None:
    """`Yes` or `No` where that is the first word of the answer, or the whole of it a JSON boolean;
    None for anything else. Unlike `official_parse`, "Note: …" is no No and `true` is a Yes.
    """
    answer = text
    for candidate in _candidates(text):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if "answer" in found:
            answer = str(found["answer"])
            break
    plain = _plain(answer)
    word = re.match(r"\W*(\w+)", plain)
    if word is None or (len(word[1]) == 1 and plain != word[1]):  # "N/A"
        return None
    return "Yes" if word[1] in _YES else "No" if word[1] in _NO else None


def is_right(answer: str, expected: str) -> bool:
    """Are the two the same, but for case, blanks around them and a full stop?"""
    return _plain(answer) == _plain(expected)


def _plain(answer: str) -> str:
    return answer.lower().strip().rstrip(".")


def _from_json(text: str) -> tuple[str, str] | None:
    """The first object with an answer: the widest, else the first that holds no other."""
    for candidate in _candidates(text):
        try:
            found = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        except (ValueError, RecursionError):  # a number too long to convert, too many braces
            return None
        answer, explanation = found.get("answer", ""), found.get("explanation", "")
        if not isinstance(answer, str) or not isinstance(explanation, str):
            return None  # the official script gives up on JSON here, whatever else there is
        if answer.strip():
            return _named(answer.strip()), explanation.strip()
    return None


def _candidates(text: str) -> list[str]:
    start, end = text.find("{"), text.rfind("}") + 1
    widest = [text[start:end]] if start != -1 and end > start else []
    return widest + [flat for flat in _FLAT.findall(text) if _names_both(flat.lower())]


def _names_both(flat: str) -> bool:
    return '"explanation"' in flat.partition('"answer"')[2]


def _named(answer: str) -> str:
    plain = _plain(answer)
    return "Yes" if plain in _YES else "No" if plain in _NO else answer


def _from_words(text: str) -> str:
    lower = text.lower().strip()
    for word in ("yes", "no"):
        if lower.startswith(word):
            return word.capitalize()
    for word in ("yes", "no"):
        if re.search(rf"\b{word}\b", lower):
            return word.capitalize()
    return text.strip()[:10] or "Unknown"
