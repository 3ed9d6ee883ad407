"""How judgements of UniGenBench are counted: the official table, and the mark of one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from rr_refine.benchmarks.item import Mark
from rr_refine.benchmarks.published.unigenbench.taxonomy import dimension, official_dimension

__all__ = ["official_scores", "to_mark"]


def official_scores(
    rows: Iterable[tuple[Sequence[str], Sequence[object]]],
) -> dict[str, JsonValue]:
    """What the official `calculate_score.py` writes for these rows, to the last digit.

    Only what equals 1 is correct: `1`, `1.0` and `True` are, `'1'` is not. Where a row has more
    testpoints than scores, or the reverse, the first are counted. Primary dimensions come in the
    order of their first appearance, with the space that the split at `-` leaves (`Attribute `);
    sub-dimensions are sorted, and labels without a second part, such as `Style`, are among them.

    Args:
        rows: testpoints and scores of every row that the script does not drop, in order.
    """
    primary: dict[str, list[int]] = {}
    sub: dict[str, list[int]] = {}
    for labels, scores in rows:
        for label, score in zip(labels, scores, strict=False):
            for table, key in ((primary, official_dimension(label)), (sub, label)):
                count = table.setdefault(key, [0, 0])
                count[0] += score == 1
                count[1] += 1
    return {
        "primary_dimensions": {key: _entry(*count) for key, count in primary.items()},
        "sub_dimensions": {key: _entry(*sub[key]) for key in sorted(sub)},
    }


def to_mark(
    testpoints: Sequence[str], descriptions: Sequence[str], scores: Sequence[object]
) -> Mark:
    """The mark that these scores make: the share of testpoints that are passed.

    Its parts are the primary dimensions, without the official space, and the labels that have a
    second part; each occurrence of a testpoint counts.

    Args:
        testpoints: at least one.
        descriptions: as many, empty where they are not known.
        scores: as many, as the judge gave them.
    """
    parts: dict[str, tuple[float, float]] = {}
    missed = []
    for label, description, score in zip(testpoints, descriptions, scores, strict=True):
        passed = score == 1
        for part in dict.fromkeys((dimension(label), label)):
            got, of = parts.get(part, (0.0, 0.0))
            parts[part] = (got + passed, of + 1)
        if not passed:
            missed.append(f"{label}: {description}".removesuffix(": ") + _remark(score))
    return Mark(
        exact=not missed,
        score=(len(testpoints) - len(missed)) / len(testpoints),
        missed=tuple(missed),
        parts=parts,
    )


def _remark(score: object) -> str:
    """A warning where the judge meant 1 and the official script counts 0."""
    return " (the judge wrote '1', a text, which officially counts as 0)" if score == "1" else ""


def _entry(correct: int, total: int) -> JsonValue:
    return {"correct": correct, "total": total, "accuracy": round(correct / total, 4)}
