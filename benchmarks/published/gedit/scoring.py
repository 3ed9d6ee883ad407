"""How answers of GEdit-Bench's judge are read, and what the official statistics make of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from rr_refine.benchmarks.published.benchmark import number_at
from rr_refine.benchmarks.published.gedit.edits import GROUPS
from rr_refine.errors import MissingExtraError

__all__ = ["BEST", "Score", "official_parse", "official_score", "statistics"]

_DELIMITER: Final = "||V^=^V||"
_FIELD_END: Final = re.compile("[,}]")
_LITERALS: Final = ("true", "false", "null")
BEST: Final = 10
"""The scale begins with 0."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a picture got."""

    semantics: float
    """SC, the lesser of two: edit success, and how little was changed besides."""
    quality: float
    """PQ, the lesser of two: naturalness, and absence of artifacts."""

    @property
    def overall(self) -> float:
        """O, the root of their product.

        Raises:
            ValueError: one of them is below 0.
        """
        return math.sqrt(self.semantics * self.quality)

    @property
    def is_on_scale(self) -> bool:
        """Are both from 0 to 10? The official script does not look."""
        return 0 <= self.semantics <= BEST and 0 <= self.quality <= BEST


def official_parse(text: str) -> list[float] | None:
    """The official reading of one answer, when it is the first one to that question.

    From the first `{` to the last `}`, without its line ends, as JSON: the list `score`, or a
    number there as a list of one. Without braces, `[8, 9]` within the answer counts, and an answer
    that is nothing but a whole number from 0 to 10. How many scores there are and whether they are
    from 0 to 10 is not looked at.

    JSON that is broken, or has no `score`, is read once more as `_repair` makes it.

    None where the official script would make up a score by chance (nothing that can be read, the
    second time also `[8, 9]` and a number), ask again without an end (broken JSON, no `score`), or
    die again and again (scores that are no numbers, none at all).
    """
    try:
        found = _json_of(text)
    except ValueError:
        return None
    scores = _scores(found)
    if scores is None:
        scores = _scores(_repair(found))
        if not isinstance(scores, list):  # officially it would stay so, and the script dies of it
            return None
    scores = scores if isinstance(scores, list) else [scores]
    numbers = all(isinstance(s, int | float) and -1e9 < s < 1e9 for s in scores)
    return scores if scores and numbers else None


def _scores(text: str) -> Any:
    """What `score` is in JSON; None where there is none, or it is no JSON."""
    try:
        return json.loads(text)["score"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _json_of(text: str) -> str:
    """Raises:
    ValueError: there is nothing like it.
    """
    if text.count(_DELIMITER) == 2:
        return text.split(_DELIMITER)[1].strip().replace("\n", "")
    if "{" in text and "}" in text:
        return text[text.find("{") : text.rfind("}") + 1].replace("\n", "")
    pair = text[text.find("[") : text.rfind("]") + 1]
    if re.fullmatch(r"\[\d+, ?\d+\]", pair):
        return f'{{"score": {pair}}}'
    if 0 <= int(text) <= BEST:
        return f'{{"score": {int(text)}}}'
    raise ValueError(text)


def _repair(text: str) -> str:
    """JSON in which words before a colon have got quotes, and so have values up to the next comma
    or brace, but that numbers are put into a list, and true, false and null stay. This is all that
    the official script mends, and so `{score: 8, reasoning: good}` counts, `{score: [8, 9]}` not.

    Officially the second step is `(".*?"):(.*?)([,}])`; this finds the same, in time in proportion
    to the text.
    """
    lines = re.sub(r"\b(\w++):", r'"\1":', text).split("\n")
    return "\n".join("".join(_fields(line)) for line in lines)


def _fields(line: str) -> Iterator[str]:
    at = 0
    while (
        (start := line.find('"', at)) >= 0
        and (colon := line.find('":', start + 1) + 1)
        and (end := _FIELD_END.search(line, colon + 1))
    ):
        value = line[colon + 1 : end.start()].strip()
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = f"[{value}]"
        elif value.lower() not in _LITERALS:
            value = f'"{value}"'
        yield f"{line[at:colon]}: {value}{end[0]}"
        at = end.end()
    yield line[at:]


def official_score(answers: Sequence[str]) -> Score | None:
    """The score of a picture by both answers; None where the official script would not have one."""
    semantics, quality = map(official_parse, answers)
    if semantics is None or quality is None:
        return None
    score = Score(min(semantics), min(quality))
    return score if score.semantics * score.quality >= 0 else None


def statistics(scores: Iterable[tuple[str, bool, Score]]) -> dict[str, JsonValue]:
    """What the official `calculate_statistics.py` prints.

    Args:
        scores: of a group, in the intersection or not; in the order of the files.

    Returns:
        `full` and `intersection`: for each of the 11 groups, and for `average`, their plain mean:
        `semantics`, `quality` and `overall`, with the three decimals that are printed. None where
        it prints `nan`: for a group without scores, and so for the average.

    Raises:
        MissingExtraError: numpy is not installed; its means differ from others' in the last bits.
    """
    rows = list(scores)
    return {
        "full": _table([(group, score) for group, _, score in rows]),
        "intersection": _table([(group, score) for group, within, score in rows if within]),
    }


def printed_values(official: Mapping[str, JsonValue]) -> dict[str, float | None]:
    """The full set of `statistics` by our names: `overall`, groups, `G_SC`, `G_PQ`."""
    groups = {group: number_at(official, "full", group, "overall") for group in GROUPS}
    return {
        "overall": number_at(official, "full", "average", "overall"),
        **{group: found for group, found in groups.items() if found is not None},
        "G_SC": number_at(official, "full", "average", "semantics"),
        "G_PQ": number_at(official, "full", "average", "quality"),
    }


def _table(rows: Sequence[tuple[str, Score]]) -> JsonValue:
    table: dict[str, dict[str, float]] = {}
    for group in GROUPS:
        own = [score for name, score in rows if name == group]
        table[group] = {
            "semantics": _mean([score.semantics for score in own]),
            "quality": _mean([score.quality for score in own]),
            "overall": _mean([score.overall for score in own]),
        }
    measures = table[GROUPS[0]]
    table["average"] = {name: _mean([table[g][name] for g in GROUPS]) for name in measures}
    return {group: {n: _printed(value) for n, value in own.items()} for group, own in table.items()}


def _mean(values: Sequence[float]) -> float:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("scoring GEdit-Bench", "data") from error
    return float(np.mean(values)) if values else math.nan


def _printed(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.3f}")
