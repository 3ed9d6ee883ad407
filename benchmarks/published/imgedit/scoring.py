"""How ImgEdit's judgements are read and averaged: as the official scripts do, and with goodwill."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

__all__ = [
    "average_scores",
    "official_parse",
    "official_scores",
    "overall_score",
    "tolerant_parse",
    "type_scores",
]


def official_parse(text: str) -> float | None:
    """The official reading of one judge answer, of either suite: the mean of its scores.

    Rounded to two digits; None where not one line counts.
    """
    scores = official_scores(text)
    return round(sum(scores) / len(scores), 2) if scores else None


def official_scores(text: str) -> list[int]:
    """The scores that the official scripts find in an answer.

    A line counts if splitting it at `: ` gives two parts, of which the second has digits only:
    `**Label:** 4`, `Label: 4/5`, `Label: 4.`, `Label:4` do not count, while `Brief reasoning: 5`
    does, and `Label: 100`. How many lines count is not looked at. None count where one has a digit
    that is no number, such as `²`: the official script dies of it.
    """
    found = (line.strip().split(": ") for line in text.splitlines())
    texts = [parts[1] for parts in found if len(parts) == 2 and parts[1].isdigit()]
    try:
        return [int(text) for text in texts]
    except ValueError:  # of so many digits, too
        return []


def tolerant_parse(text: str, labels: Sequence[str]) -> float | None:
    """The mean of the scores after these labels, however they are written; rounded as officially.

    Reads `**Label:** 4`, `Label: 4/5`, `Label: 4 (Good)`, `Label:4`, `label: 4.`, in a line or
    within a sentence; the last score after a label counts. None where a label has no whole number
    from 1 to 5, or one out of something else than 5.
    """
    scores = []
    for label in labels:
        words = re.escape(label).replace(re.escape("&"), "(?:&|and)")
        score = r"([1-5])(?![\d.,]*\d|\s*/\s*(?!5\b))"
        found = re.findall(rf"\b{words}\W{{0,40}}?:\W{{0,40}}?{score}", text, re.IGNORECASE)
        if not found:
            return None
        scores.append(int(found[-1]))
    return round(fmean(scores), 2)


def average_scores(texts: Mapping[str, str]) -> dict[str, float]:
    """What the official `step1_get_avgscore.py` writes: the score of each answer that counts."""
    scores = {key: official_parse(text) for key, text in texts.items()}
    return {key: score for key, score in scores.items() if score is not None}


def type_scores(averages: Mapping[str, float], types: Mapping[str, str]) -> dict[str, float]:
    """What the official `step2_typescore.py` writes: the mean of each edit type.

    The types come as they appear in `averages`; keys that have no type are left out.
    """
    by_type: dict[str, list[float]] = {}
    for key, score in averages.items():
        if key in types:
            by_type.setdefault(types[key], []).append(score)
    return {name: round(sum(scores) / len(scores), 2) for name, scores in by_type.items()}


def overall_score(averages: Iterable[float]) -> float | None:
    """What UGE's `get_average_score.py` prints; None for its `No valid scores found.`"""
    scores = list(averages)
    return round(sum(scores) / len(scores), 2) if scores else None
