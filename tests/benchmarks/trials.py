"""Trials to summarise, in short."""

from __future__ import annotations

from collections.abc import Mapping

from rr_refine.benchmarks.item import Mark
from rr_refine.benchmarks.results import Provenance
from rr_refine.benchmarks.trial import Point, Sample, Trial
from rr_refine.terms import Identity

__all__ = ["JUDGED", "PROGRAM", "marked", "of_parts", "point", "trial"]

PROGRAM = Provenance(
    benchmark="hats",
    renders=2,
    generator=Identity(kind="test", name="painter"),
    critic=Identity(kind="test", name="eye"),
    versions={"rr-refine": "0"},
    settings={"generator.use": "painter"},
    seconds=1.0,
    made={"render": 3},
)
"""Graded by a program."""
JUDGED = PROGRAM.model_copy(
    update={
        "judge": Identity(kind="openai", name="judge-7"),
        "wording": "ours",
        "files": {"prompts.csv": "5" * 64},
        "notes": ("row 9 was mended",),
    }
)


def marked(score: float) -> Mark:
    """Exact at 4."""
    return Mark(exact=score == 4.0, score=score)


def of_parts(**parts: tuple[float, float]) -> Mark:
    """The score is what it got of all that there was to get; exact where that is all."""
    got, of = (sum(pair[i] for pair in parts.values()) for i in (0, 1))
    missed = tuple(name for name, pair in parts.items() if pair[0] < pair[1])
    return Mark(exact=got == of, score=got / of, missed=missed, parts=parts)


def point(
    mark: Mark | str | None,
    spent: int = 1,
    image: str = "0" * 64,
    *,
    text_right: float | None = None,
    text_said: float | None = None,
) -> Point:
    """A picture with its mark, or with why there is none; None is no picture."""
    if mark is None:
        return Point(spent=spent, sample=None)
    known = mark if isinstance(mark, Mark) else None
    fault = mark if isinstance(mark, str) else None
    return Point(
        spent=spent,
        sample=Sample(
            candidate="r0c0",
            image=image,
            reward=0.5,
            mark=known,
            fault=fault,
            text_right=text_right,
            text_said=text_said,
        ),
    )


def trial(
    arm: str,
    item: str,
    *points: Point,
    first: Point | None = None,
    worst: Mark | None = None,
    group: str = "",
    labels: Mapping[str, str] | None = None,
    tokens: int = 0,
    seconds: float | None = None,
    triggered: bool = False,
    error: str | None = None,
) -> Trial:
    """A trial; its first picture is that of the first point."""
    return Trial(
        arm=arm,
        item=item,
        group=group or item,
        labels=dict(labels or {}),
        run=f"runs/{arm}/{item}",
        worst=worst or Mark(exact=False, score=1.0),
        first=points[0] if first is None else first,
        points=points,
        critic_calls=len(points),
        critic_tokens=tokens,
        seconds=seconds,
        triggered=triggered,
        stop=None if error else "target",
        faults=(),
        error=error,
    )
