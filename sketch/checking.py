"""What was asked for, held against what is seen: what is missed, and what that scores.

The rules are those of `rr_refine.sketch.oracle.grading`, which looks at a picture; here they are
applied
to what somebody believes to see, right or wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rr_refine.sketch.oracle.grading import THE_CHANGE
from rr_refine.sketch.sight import Sight, describe_background, describe_letters
from rr_refine.sketch.world.edit import Edit, apply
from rr_refine.sketch.world.request import (
    NOTHING_ELSE,
    Group,
    Request,
    background_phrase,
    group_phrase,
    relation_phrase,
    requirements,
    violations,
    word_phrase,
)
from rr_refine.sketch.world.scene import BACKGROUNDS, PLACES, Place, Scene, Shape
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Dimension, Task

__all__ = [
    "COUNTS",
    "Asked",
    "Change",
    "Check",
    "Made",
    "check",
    "faithfulness",
    "how_far_made",
    "lost",
    "missed",
    "scores_of",
    "task_of",
]

COUNTS: Final = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""How many, in words: a picture has nine places."""


@dataclass(frozen=True, slots=True)
class Change:
    """An edit, and what the picture shows that it is asked of."""

    edit: Edit
    source: Scene

    @property
    def expected(self) -> Scene:
        """The source after the edit."""
        return apply(self.edit, self.source)


Asked: TypeAlias = "Request | Change"
"""What a critic judges by, as a value."""


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement of a request, held against a sight."""

    requirement: str
    """As `rr_refine.sketch.world.request.requirements` says it."""
    found: tuple[str, ...]
    """What there is of it: the places of shapes, the background, the word; or what is too much."""
    met: bool

    def __str__(self) -> str:
        """`two red circles (at the top, at the center: yes)`, `a white background (no)`.

        What is found is said before the verdict, so that whoever writes it has it side by side with
        what was asked for.
        """
        verdict = "yes" if self.met else "no"
        said = f"{', '.join(self.found)}: {verdict}" if self.found else verdict
        return f"{self.requirement} ({said})"


@dataclass(frozen=True, slots=True)
class Made:
    """How much of an edit was done. A move has two parts: an old place and a new one."""

    parts: int
    undone: int


def task_of(asked: Asked) -> Task:
    """The critic's name for the kind of request."""
    return "t2i" if isinstance(asked, Request) else "edit"


def check(request: Request, sight: Sight) -> tuple[Check, ...]:
    """Every requirement of `request` in its order, and whether `sight` meets it.

    What cannot be made out is too much only where nothing else is missed: it may be what was asked.
    """
    # Not every sight is a valid scene, and the rules of `violations` need none.
    bare = Scene.model_construct(
        background=BACKGROUNDS[0], shapes=sight.shapes, lettering=sight.lettering
    )
    seen = bare.model_copy(update={"background": sight.background})
    failed = violations(request, seen)
    if not failed and (_unsure(sight) or (sight.unclear_letters and request.word is None)):
        failed = (NOTHING_ELSE,)
    found = {group_phrase(group): _stand(group, sight) or ("none",) for group in request.groups}
    for relation in request.relations:
        pair = request.groups[relation.first], request.groups[relation.second]
        found[relation_phrase(request, relation)] = (
            *_stand(pair[0], sight),
            *_stand(pair[1], sight),
        )
    if request.background:
        found[background_phrase(request.background)] = (describe_background(sight),)
    if request.word:
        found[word_phrase(request)] = (describe_letters(sight) or "none",)
    if NOTHING_ELSE in failed:
        found[NOTHING_ELSE] = _too_much(request, sight)
    return tuple(
        Check(phrase, found.get(phrase, ()), phrase not in failed)
        for phrase in requirements(request)
    )


def _stand(group: Group, sight: Sight) -> tuple[str, ...]:
    """Where shapes stand that `group` admits."""
    return tuple(f"at the {shape.place}" for shape in sight.shapes if group.admits(shape))


def _too_much(request: Request, sight: Sight) -> tuple[str, ...]:
    """What looks like nothing of the request; nothing if there are only too many of something."""
    looks = {(group.colour, group.kind) for group in request.groups}
    others = {shape.place for shape in sight.shapes if (shape.colour, shape.kind) not in looks}
    letters = "" if request.word else describe_letters(sight)
    places = [f"at the {place}" for place in PLACES if place in others | {*sight.doubts}]
    return (*places, *([letters] if letters else []))


def how_far_made(change: Change, sight: Sight) -> Made:
    """How far `sight` shows what the edit asks for, wherever else it differs from the source."""
    expected, source = change.expected, change.source
    if change.edit.background:
        return Made(1, int(sight.background != expected.background))
    places = [place for place in PLACES if expected.at(place) != source.at(place)]
    undone = sum(_at(sight, place) != _one(expected.at(place)) for place in places)
    return Made(len(places), undone)


def lost(change: Change, sight: Sight) -> tuple[str, ...]:
    """What should have stayed as it was and did not, in words: `the white background`.

    `NOTHING_ELSE` ends it where something came that nobody asked for.
    """
    expected, source = change.expected, change.source
    gone = [
        f"the {shape.size} {shape.colour} {shape.kind} at the {shape.place}"
        for shape in source.shapes
        if expected.at(shape.place) == shape and _at(sight, shape.place) != (shape,)
    ]
    if expected.background == source.background != sight.background:
        gone.append(f"the {source.background} background")
    if source.lettering and sight.lettering != source.lettering:
        gone.append(f"the word {source.lettering.word}")
    free = [place for place in PLACES if not source.at(place) and not expected.at(place)]
    came = any(shape.place in free for shape in sight.shapes)
    written = sight.unclear_letters or sight.lettering is not None
    if came or (written and not source.lettering) or (_unsure(sight) and not gone):
        gone.append(NOTHING_ELSE)
    return tuple(gone)


def missed(asked: Asked, sight: Sight) -> tuple[str, ...]:
    """What `sight` misses, in the words of the oracle's `Grade.missed`."""
    if isinstance(asked, Request):
        return tuple(one.requirement for one in check(asked, sight) if not one.met)
    undone = how_far_made(asked, sight).undone
    return (*([THE_CHANGE] if undone else []), *lost(asked, sight))


def scores_of(
    asked: Asked, sight: Sight, quality: float, letters: str = ""
) -> dict[Dimension, float | None]:
    """What `sight` scores, one decimal each.

    Args:
        asked: what it is judged by.
        sight: what is seen.
        quality: the score of its physical quality, of which a sight says nothing.
        letters: what unclear letters spell.
    """
    if isinstance(asked, Request):
        scores: dict[Dimension, float | None] = {
            "text_faithfulness": faithfulness(len(missed(asked, sight)))
        }
        word = asked.word
    else:
        scores = {
            "text_faithfulness": faithfulness(how_far_made(asked, sight).undone),
            "image_faithfulness": faithfulness(len(lost(asked, sight))),
        }
        word = asked.source.lettering.word if asked.source.lettering else None
    written = sight.lettering.word if sight.lettering else letters * sight.unclear_letters
    rendering = None if word is None else _rendering(word, written)
    scores |= {"physical_quality": quality, "text_rendering": rendering}
    return {name: None if score is None else round(score, 1) for name, score in scores.items()}


def _unsure(sight: Sight) -> bool:
    """Is there anything that the oracle would have a doubt about?"""
    return bool(sight.doubts) or sight.background is None or not sight.shapes


def faithfulness(misses: int) -> float:
    """The score of so many misses; one is already under the trigger of 3.0."""
    return max(SCORE_MIN, 2.8 - 0.6 * (misses - 1)) if misses else SCORE_MAX


def _rendering(word: str, letters: str) -> float:
    if word == letters:
        return SCORE_MAX
    return SCORE_MIN + 2.4 * (1 - min(1.0, _distance(word, letters) / len(word)))


def _distance(one: str, other: str) -> int:
    """Levenshtein: insertions, deletions and substitutions."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above, row = row, [i]
        for j, another in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != another)))
    return row[-1]


def _at(sight: Sight, place: Place) -> Sequence[Shape]:
    return tuple(shape for shape in sight.shapes if shape.place == place)


def _one(shape: Shape | None) -> Sequence[Shape]:
    return (shape,) if shape else ()
