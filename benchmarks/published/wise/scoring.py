"""How WISE (Verified) counts: answers read as 0 or 1, and their means by category.

Results are lines of `*_scores_results.jsonl`, `{"prompt_id": 7, "Subcategory": "Art", "score": 1}`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import JsonValue

from rr_refine.benchmarks.published.files import read_file
from rr_refine.tags import without_tags

__all__ = [
    "CATEGORIES",
    "FILES",
    "SUITES",
    "Suite",
    "WiseLines",
    "category_of",
    "clean_answer",
    "ids_of",
    "official_parse",
    "official_score",
    "plain_score",
    "read_lines",
    "tolerant_parse",
]

Suite = Literal["all", "culture", "space-time", "science"]
SUITES: Final[tuple[Suite, ...]] = get_args(Suite)

FILES: Final[Mapping[str, range]] = {
    "cultural_common_sense": range(1, 401),
    "spatio-temporal_reasoning": range(401, 641),
    "natural_science": range(641, 1001),
}
"""How the names of a part's files begin, and its ids."""

CATEGORIES: Final[Mapping[str, range]] = {
    "CULTURE": range(1, 401),
    "TIME": range(401, 521),
    "SPACE": range(521, 641),
    "BIOLOGY": range(641, 761),
    "PHYSICS": range(761, 881),
    "CHEMISTRY": range(881, 1001),
}
"""By the ids alone, whatever the data call a prompt's category."""

_WEIGHTS: Final = (0.4, *[0.12] * 5)
_NAMED: Final = 5
"""Ids that a message names."""


def ids_of(suite: Suite) -> range:
    """The ids of a suite."""
    names = dict(zip(SUITES[1:], FILES.values(), strict=True))
    return range(1, 1001) if suite == "all" else names[suite]


def category_of(prompt_id: int) -> str | None:
    """The category of an id; None of one that is in none."""
    return next((name for name, ids in CATEGORIES.items() if prompt_id in ids), None)


def clean_answer(text: str) -> str:
    """An answer without what a model thought aloud; of a thought without a beginning, only its end
    mark is taken out.
    """
    head, *rest = without_tags(text, "think")
    text = "".join((head, *(part.lstrip() for part in rest)))
    return re.sub(r"</think>\s*", "", text).strip()


def official_parse(text: str) -> int | None:
    """The official reading of an answer that `clean_answer` gave: 0, 1, or None.

    The first place with the word Score, up to two asterisks, a colon that may be missing, and then
    0 or 1 as a number of its own; else the only line that is nothing but 0 or 1. A decimal point
    ends a number: `Score: 0.9` is 0.
    """
    if found := re.search(r"score\*{0,2}\s*+(?::\s*+)?([01])\b", text, re.IGNORECASE):
        return int(found.group(1))
    lines = re.findall(r"^[^\S\n]*+([01])[^\S\n]*+$", text, re.MULTILINE)
    return int(lines[0]) if len(lines) == 1 else None


def tolerant_parse(text: str) -> int | None:
    """Also `**Score:** 1`, a full-width colon, and a verdict that stands at the end."""
    found = official_parse(text)
    if found is None:
        said = re.findall(r"(?:score|verdict)[\s*_:\uff1a]*([01])(?![\d.])", text, re.IGNORECASE)
        found = int(said[-1]) if said else None
    return found


@dataclass(frozen=True, slots=True)
class WiseLines:
    """What the official script finds in a file of results."""

    present: frozenset[int]
    """Ids that have a line, whatever its score."""
    scores: tuple[tuple[int, float | None], ...]
    """In the order of the lines; None where the script does not count one."""


def read_lines(file: Path) -> WiseLines | None:
    """Read a file as the official script does: what is no such line is skipped. None where it gives
    up the whole file: a line that is JSON, but no object.

    Raises:
        ConfigError: it cannot be read.
    """
    scores: list[tuple[int, float | None]] = []
    try:
        # Lines end as in a file that is opened as text.
        for line in io.StringIO(read_file(file).decode(), newline=None):
            try:
                found = json.loads(line)
            except json.JSONDecodeError:
                continue
            number, score = found.get("prompt_id"), found.get("score")
            if isinstance(number, int):
                good = isinstance(score, int | float) and score in (0, 1)
                scores.append((number, float(score) if good else None))
    except (ValueError, AttributeError, RecursionError):
        return None
    return WiseLines(frozenset(number for number, _ in scores), tuple(scores))


def official_score(files: Sequence[WiseLines], suite: Suite) -> dict[str, JsonValue]:
    """What `calculate_verified.py` prints of these files, in its two digits: the mean of each
    category, and `overall`, weighted, of the suite `all` alone.

    An id without a line costs all of it: nothing is printed then but an error, here in `notes`.
    """
    present = frozenset[int]().union(*(own.present for own in files))
    wanted = ids_of(suite)
    if missing := [number for number in wanted if number not in present]:
        names = ", ".join(map(str, missing[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
        return {
            "overall": None,
            "notes": [
                f"calculate_verified.py gives no number: {len(missing)} of {len(wanted)} ids "
                f"have no line ({names})"
            ],
        }
    found = _means([pair for own in files for pair in own.scores])
    rounded: dict[str, JsonValue] = {name: float(f"{mean:.2f}") for name, mean in found.items()}
    overall = _overall(found) if suite == "all" else None
    return {"overall": None if overall is None else float(f"{overall:.2f}"), **rounded}


def plain_score(scores: Sequence[tuple[int, float | None]]) -> dict[str, JsonValue]:
    """The numbers of the lines that there are, in the four digits of the leaderboard."""
    found = _means(scores)
    overall = _overall(found)
    return {
        "overall": None if overall is None else float(f"{overall:.4f}"),
        **{name: float(f"{mean:.4f}") for name, mean in found.items()},
        "samples": sum(score is not None for _, score in scores),
    }


def _means(scores: Sequence[tuple[int, float | None]]) -> dict[str, float]:
    """By category, of those that have scores; a line counts as often as it is there."""
    by_category: dict[str, list[float]] = {name: [] for name in CATEGORIES}
    for number, score in scores:
        if score is not None and (name := category_of(number)) is not None:
            by_category[name].append(score)
    return {name: sum(own) / len(own) for name, own in by_category.items() if own}


def _overall(means: Mapping[str, float]) -> float | None:
    """None where a category has nothing."""
    if len(means) < len(CATEGORIES):
        return None
    overall = 0.0
    for weight, name in zip(_WEIGHTS, CATEGORIES, strict=True):
        overall += weight * means[name]
    return overall
