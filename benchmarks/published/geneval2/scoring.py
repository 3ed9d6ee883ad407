"""How GenEval 2 counts: the answers that are right, the scores of a question, and their means."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

__all__ = [
    "ATOMS",
    "SKILLS",
    "SUITES",
    "Method",
    "first_token",
    "first_tokens",
    "geometric_mean",
    "hard_score",
    "official_analysis",
    "official_score",
    "probabilities",
    "soft_score",
    "tolerant_score",
]

Method = Literal["soft_tifa_gm", "tifa"]
SUITES: Final[tuple[Method, ...]] = get_args(Method)

SKILLS: Final = ("object", "attribute", "count", "position", "verb")
"""In the order of the official analysis."""
ATOMS: Final = range(3, 11)
"""Numbers of atoms that a prompt may have."""

_DIGITS: Final = {
    word: str(digit)
    for digit, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1
    )
}
_TOKENS: Final = TypeAdapter(dict[str, Annotated[float, Field(le=1, allow_inf_nan=False)]])
"""Log-probabilities, which rounding may bring above 0."""


def _accepted(question: str, answer: str) -> tuple[str, ...]:
    """The answers that are right. Of a question that is not after a number it is `Yes`, whatever
    the data say.
    """
    if not question.startswith("How many"):
        return ("Yes", "yes", " yes", " Yes")
    digit = _DIGITS.get(answer, "other")
    forms = (answer, answer.capitalize())
    return (*forms, *(f" {form}" for form in forms), digit, f" {digit}")


def first_tokens(question: str, answer: str) -> tuple[str, ...]:
    """The tokens whose probabilities are summed, each as often as it occurs here.

    They are the accepted texts. Of those that the vocabulary of the official judge parts, digits
    from each other and from a blank before them, it is the first token too: so for every number a
    bare blank counts. (Another judge's vocabulary may have them whole.)
    """
    accepted = _accepted(question, answer)
    parted = [text for text in accepted if len(text) > 1 and text.strip().isdecimal()]
    return (*accepted, *(text[0] for text in parted))


def soft_score(question: str, answer: str, probabilities: Mapping[str, float]) -> float:
    """The probability of a right answer.

    Args:
        probabilities: of tokens that could be the judge's first. Of a served model these are the
            most probable alone: what is beyond them is lost, and the sum is a lower bound.
    """
    score = 0.0
    for token in first_tokens(question, answer):
        score += probabilities.get(token, 0.0)
    return score


def hard_score(question: str, answer: str, token: str) -> int:
    """1 if the most probable first token, in lower case, is a right answer; a bare blank is not."""
    return int(token.lower() in _accepted(question, answer))


def tolerant_score(question: str, answer: str, said: str) -> int:
    """The same of the first word of an answer that may be longer."""
    words = re.findall(r"\w+", said)[:1]
    return int(any(word.lower() in _accepted(question, answer) for word in words))


def probabilities(answer: str) -> dict[str, float] | None:
    """Of the tokens of a kept answer, see `Reply.answer`; None where it is words."""
    try:
        found = _TOKENS.validate_json(answer)
    except ValidationError:
        return None
    return {token: math.exp(value) for token, value in found.items()} or None


def first_token(answer: str) -> str:
    """The most probable one, or all that was said where no probabilities are told."""
    found = probabilities(answer)
    return answer if found is None else max(found, key=found.__getitem__)


def geometric_mean(scores: Sequence[float]) -> float:
    """As officially, with scipy: 0 as soon as one is."""
    from scipy.stats import gmean

    mean: float = gmean(scores)
    return mean


def official_score(scores: Sequence[Sequence[float]], method: str) -> float | None:
    """The number after `Score: `, not rounded: 100 times the mean over prompts of the geometric
    mean (`soft_tifa_gm`) or the plain mean of their scores. None without prompts.
    """
    if not scores:
        return None
    geometric = method == "soft_tifa_gm"
    means = [geometric_mean(own) if geometric else sum(own) / len(own) for own in scores]
    return float(100 * sum(means) / len(means))


def official_analysis(
    scores: Sequence[Sequence[float]], skills: Sequence[Sequence[str]], atoms: Sequence[int]
) -> dict[str, JsonValue]:
    """What `soft_tifa_analysis.py` prints, in its digits: `skills`, over all questions, and
    `atomicity`, the mean of the prompts' geometric means.

    A table is None where the script divides by zero, for want of a question or prompt of one kind;
    it comes to the second after the first alone.

    Args:
        skills: of each prompt, as many as it has scores.
        atoms: of each prompt.
    """
    pairs = [pair for own in zip(scores, skills, strict=True) for pair in zip(*own, strict=True)]
    by_skill = {name: [score for score, own in pairs if own == name] for name in SKILLS}
    by_atoms = {
        count: [own for own, atom in zip(scores, atoms, strict=True) if atom == count]
        for count in ATOMS
    }
    found: dict[str, JsonValue] = {"skills": None, "atomicity": None}
    if all(by_skill.values()):
        found["skills"] = {
            name: round(100 * sum(own) / len(own), 2) for name, own in by_skill.items()
        }
        if all(by_atoms.values()):
            found["atomicity"] = {
                # numpy's numbers, which round otherwise than Python's
                str(count): float(round(sum(map(geometric_mean, own)) * 100 / len(own), 2))
                for count, own in by_atoms.items()
            }
    return found
