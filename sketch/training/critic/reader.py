"""A reader of rationales: which picture is better, by what the text says and nothing else."""

from __future__ import annotations

import math
import re
from random import Random
from statistics import fmean
from typing import Final

from rr_refine.reward.preferences.pair import Order
from rr_refine.sketch.checking import faithfulness
from rr_refine.sketch.observation import Observation, read_observation

__all__ = ["lean", "predict", "shown"]

_CLAUSE: Final = re.compile(r"(?P<name>Image [AB]) (?P<said>.*?)(?=\s*Image [AB] |$)")
_STATED: Final = re.compile(r"^## Score (?P<side>[AB]): (?P<score>\d\.\d)", re.MULTILINE)
_SHOWN: Final = re.compile(r" shows: (?P<shown>[^.]*)\.")
_WORDS: Final = {
    "is clean": 3.8,
    "is slightly rough": 3.0,
    "is rough": 2.0,
    "is broken": 1.2,
    "reads ": 4.0,
    "has unclear letters": 2.0,
    "has no word": 1.0,
    "change was made in part": 2.8,
    "change was not made": 2.5,
    "change was made.": 4.0,
    "keeps everything else": 4.0,
    "Nothing is missed": 4.0,
}
"""What is said, and what score it is taken for."""
_LACKS: Final = re.compile(r"(?:Missed|lost): (?P<things>[^.]*)\.")
_TOO_MUCH: Final = re.compile(r"There is more than asked\.|gained something\.")

_SHARPNESS: Final = 0.25
"""Difference of worth at which a reader is 73 % sure."""
_NOISE: Final = 0.1
"""Spread of what a difference is taken for."""
_FIRST: Final = 0.1
"""What being named first is worth: readers have such a bias, so both orders are asked."""


def shown(rationale: str, name: str) -> Observation | None:
    """What a rationale says that `Image A` (or B) shows; None if it says nothing definite."""
    for found in re.finditer(re.escape(name) + _SHOWN.pattern, rationale):
        if observed := read_observation(found["shown"]):
            return observed
    return None


def lean(rationale: str) -> float:
    """How far a text speaks for Image A: the difference of what it says of both, -3 to 3.

    Scores that it states decide alone, as for every reader, and then what it describes counts for
    nothing: the reason why they have to be taken out.
    """
    scores = _STATED.findall(rationale)
    if scores:
        sides = [[float(score) for side, score in scores if side == name] for name in "AB"]
    else:
        sides = [_worths(rationale, name) for name in ("Image A", "Image B")]
    if not all(sides):
        return 0.0
    return fmean(sides[0]) - fmean(sides[1])


def predict(rationale: str, order: Order, random: Random) -> float:
    """The probability that Image A is better by a rationale, in (0, 1).

    It looks at no picture, so that no invention can be found out that agrees with itself: what a
    reader of text can filter is what does not support its own verdict.
    `order` says which picture is named first; readers differ at random.
    """
    first = _FIRST if order == "AB" else -_FIRST
    felt = lean(rationale) + first + random.gauss(0, _NOISE)
    return 1 / (1 + math.exp(-felt / _SHARPNESS))


def _worths(rationale: str, name: str) -> list[float]:
    """What is said of one picture, as scores: one for each line that says something of it."""
    worths = []
    for line in rationale.splitlines():
        said = [found["said"] for found in _CLAUSE.finditer(line) if found["name"] == name]
        text = " ".join(said)
        lacks = [thing for found in _LACKS.finditer(text) for thing in found["things"].split("; ")]
        if misses := len(lacks) + bool(_TOO_MUCH.search(text)):
            worths.append(faithfulness(misses))
        else:
            worths += [worth for words, worth in _WORDS.items() if any(words in s for s in said)]
    return worths
