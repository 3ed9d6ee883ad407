"""Checks what was asked for against what is seen: what is missed, and what that scores.

The oracle grades by these rules what it read in a picture, and a critic what it believes to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from rr_refine.sketch.observation import Observation, describe_background, describe_letters
from rr_refine.sketch.world.edit import SceneEdit, apply
from rr_refine.sketch.world.request import (
    NOTHING_ELSE,
    SceneRequest,
    background_phrase,
    group_phrase,
    relation_phrase,
    requirements,
    violations,
    word_phrase,
)
from rr_refine.sketch.world.scene import PLACES, Place, Scene, Shape
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Dimension

__all__ = [
    "THE_CHANGE",
    "Asked",
    "EditProgress",
    "RequestedEdit",
    "RequirementCheck",
    "check",
    "edit_progress",
    "exact_scores",
    "faithfulness",
    "missed",
    "not_kept",
    "scores_of",
]

THE_CHANGE: Final = "the change"
"""What an edit misses whose change was not made, or not fully."""


@dataclass(frozen=True, slots=True)
class RequestedEdit:
    """An edit, and what the picture shows that it is asked of."""

    edit: SceneEdit
    source: Scene

    @property
    def expected(self) -> Scene:
        """The source after the edit."""
        return apply(self.edit, self.source)


Asked: TypeAlias = "SceneRequest | RequestedEdit"
"""What a critic judges by, as a value."""


@dataclass(frozen=True, slots=True)
class RequirementCheck:
    """One requirement of a request, checked against an observation."""

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
class EditProgress:
    """How much of an edit was done. A move has two parts: an old place and a new one."""

    parts: int
    undone: int


def check(request: SceneRequest, observed: Observation) -> tuple[RequirementCheck, ...]:
    """Every requirement of `request` in its order, and whether `observed` meets it.

    Something unclear is too much only where nothing else is missed: it may be what was asked for.
    """
    failed = violations(request, observed)
    if not failed and (_unsure(observed) or (observed.unclear_letters and request.word is None)):
        failed = (NOTHING_ELSE,)
    stand = [
        tuple(f"at the {shape.place}" for shape in observed.shapes if group.admits(shape))
        for group in request.groups
    ]
    found = {group_phrase(g): s or ("none",) for g, s in zip(request.groups, stand, strict=True)}
    for relation in request.relations:
        found[relation_phrase(request, relation)] = stand[relation.first] + stand[relation.second]
    if request.background:
        found[background_phrase(request.background)] = (describe_background(observed),)
    if request.word:
        found[word_phrase(request)] = (describe_letters(observed) or "none",)
    if NOTHING_ELSE in failed:
        found[NOTHING_ELSE] = _too_much(request, observed)
    return tuple(
        RequirementCheck(phrase, found.get(phrase, ()), phrase not in failed)
        for phrase in requirements(request)
    )


def _too_much(request: SceneRequest, observed: Observation) -> tuple[str, ...]:
    """What looks like nothing of the request; nothing if there are only too many of something."""
    looks = {(group.colour, group.kind) for group in request.groups}
    others = {shape.place for shape in observed.shapes if (shape.colour, shape.kind) not in looks}
    letters = "" if request.word else describe_letters(observed)
    places = [f"at the {place}" for place in PLACES if place in others | {*observed.doubts}]
    return (*places, *([letters] if letters else []))


def edit_progress(change: RequestedEdit, observed: Observation) -> EditProgress:
    """How far `observed` shows what the edit asks for, wherever else it differs from the source."""
    expected, source = change.expected, change.source
    if change.edit.background:
        return EditProgress(1, int(observed.background != expected.background))
    places = [place for place in PLACES if expected.at(place) != source.at(place)]
    undone = sum(not _shows(observed, place, expected.at(place)) for place in places)
    return EditProgress(len(places), undone)


def not_kept(change: RequestedEdit, observed: Observation) -> tuple[str, ...]:
    """What should have stayed as it was and did not, in words: `the white background`.

    `NOTHING_ELSE` ends it where something came that nobody asked for.
    """
    expected, source = change.expected, change.source
    gone = [
        f"the {shape.look} at the {shape.place}"
        for shape in source.shapes
        if expected.at(shape.place) == shape and not _shows(observed, shape.place, shape)
    ]
    if expected.background == source.background != observed.background:
        gone.append(f"the {source.background} background")
    if source.lettering and observed.lettering != source.lettering:
        gone.append(f"the word {source.lettering.word}")
    free = [place for place in PLACES if not source.at(place) and not expected.at(place)]
    came = any(shape.place in free for shape in observed.shapes)
    written = observed.unclear_letters or observed.lettering is not None
    if came or (written and not source.lettering) or (_unsure(observed) and not gone):
        gone.append(NOTHING_ELSE)
    return tuple(gone)


def missed(asked: Asked, observed: Observation) -> tuple[str, ...]:
    """What `observed` misses.

    Of a request: those of `rr_refine.sketch.world.request.requirements` that are not met. Of an
    edit: `THE_CHANGE`, and what was not kept: `the large red circle at the top left`, `the white
    background`, `the word SUN`, and `NOTHING_ELSE` where something came that nobody asked for.
    """
    if isinstance(asked, SceneRequest):
        return tuple(one.requirement for one in check(asked, observed) if not one.met)
    undone = edit_progress(asked, observed).undone
    return (*([THE_CHANGE] if undone else []), *not_kept(asked, observed))


def scores_of(
    asked: Asked, observed: Observation, quality: float, letters: str = ""
) -> dict[Dimension, float | None]:
    """`exact_scores` with one decimal, as a critic writes them."""
    scores = exact_scores(asked, observed, quality, letters)
    return {name: None if score is None else round(score, 1) for name, score in scores.items()}


def exact_scores(
    asked: Asked, observed: Observation, quality: float, letters: str = ""
) -> dict[Dimension, float | None]:
    """What `observed` scores on the dimensions of the task, 1 to 4; None is N/A.

    Args:
        asked: what it is judged by.
        observed: what is seen.
        quality: the score of its physical quality, of which an observation says nothing.
        letters: what unclear letters spell.
    """
    if isinstance(asked, SceneRequest):
        scores: dict[Dimension, float | None] = {
            "text_faithfulness": faithfulness(len(missed(asked, observed)))
        }
        word = asked.word
    else:
        scores = {
            "text_faithfulness": faithfulness(edit_progress(asked, observed).undone),
            "image_faithfulness": faithfulness(len(not_kept(asked, observed))),
        }
        word = asked.source.lettering.word if asked.source.lettering else None
    written = observed.lettering.word if observed.lettering else letters * observed.unclear_letters
    rendering = None if word is None else _rendering(word, written)
    return scores | {"physical_quality": quality, "text_rendering": rendering}


def _unsure(observed: Observation) -> bool:
    """Is there anything that the oracle would have a doubt about?"""
    return bool(observed.doubts) or observed.background is None or not observed.shapes


def faithfulness(misses: int) -> float:
    """The score of so many misses; one is already under the trigger of 3.0."""
    return max(SCORE_MIN, 2.8 - 0.6 * (misses - 1)) if misses else SCORE_MAX


def _rendering(word: str, letters: str) -> float:
    """4.0 exact, 1.0 missing, between by wrong letters.

    One letter wrong in the longest word is 2.8: always under the trigger of 3.0.
    """
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


def _shows(observed: Observation, place: Place, shape: Shape | None) -> bool:
    """Does `observed` have `shape` at `place`, or nothing, and nothing beside it?"""
    return [seen for seen in observed.shapes if seen.place == place] == ([shape] if shape else [])
