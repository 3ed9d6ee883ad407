"""Grades a picture against a request or an edit, by what the oracle reads in it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from PIL import Image

from rr_refine.sketch.oracle.oracle import Reading, read_picture
from rr_refine.sketch.world.edit import Edit, apply
from rr_refine.sketch.world.request import NOTHING_ELSE, Request, violations
from rr_refine.sketch.world.scene import PLACES, Scene, Shape
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Dimension, Record

__all__ = ["THE_CHANGE", "Grade", "grade_edit", "grade_request"]

THE_CHANGE: Final = "the change"
"""What an edit misses whose change was not made, or not fully."""


class Grade(Record):
    """The oracle's judgement of one picture."""

    scores: dict[Dimension, float | None]
    """One for each dimension of the task, 1 to 4 as the critic's; None is N/A."""
    missed: tuple[str, ...]
    """Text to image: those of `rr_refine.sketch.world.request.requirements` that are not met.
    Edits: `THE_CHANGE`, and what was not kept: `the large red circle at the top left`, `the white
    background`, `the word SUN`, and `NOTHING_ELSE` where something came that nobody asked for."""
    exact: bool
    """Text to image: nothing is missed and the picture can be read as a scene. Edits: the scene
    is the source after the edit, in everything."""
    reading: Reading


def grade_request(request: Request, image: Image.Image) -> Grade:
    """Grade a picture that was drawn for `request`.

    Where there is no scene, the requirements are judged by what was read.
    """
    reading = read_picture(image)
    missed = violations(request, _seen(reading))
    more = bool(reading.doubts) or (reading.letters is not None and request.word is None)
    if more and not missed:  # else the unreadable thing may be one that was asked for
        missed = (NOTHING_ELSE,)
    return Grade(
        scores={
            "text_faithfulness": _faithfulness(len(missed)),
            "physical_quality": _physical_quality(reading),
            "text_rendering": _text_rendering(request.word, reading),
        },
        missed=missed,
        exact=not missed and reading.scene is not None,
        reading=reading,
    )


def grade_edit(edit: Edit, source: Scene, image: Image.Image) -> Grade:
    """Grade a picture that should show `source` after `edit`.

    Raises:
        ValueError: the edit does not fit the source (see `rr_refine.sketch.world.edit.apply`).
    """
    reading = read_picture(image)
    expected = apply(edit, source)
    undone, lost = _not_made(expected, source, reading), _not_kept(expected, source, reading)
    return Grade(
        scores={
            "text_faithfulness": _faithfulness(undone),
            "image_faithfulness": _faithfulness(len(lost)),
            "physical_quality": _physical_quality(reading),
            "text_rendering": _text_rendering(
                source.lettering.word if source.lettering else None, reading
            ),
        },
        missed=(*([THE_CHANGE] if undone else []), *lost),
        exact=reading.scene == expected,
        reading=reading,
    )


def _seen(reading: Reading) -> Scene:
    """What was read, as a scene, whether or not it may be one."""
    fields: dict[str, Any] = reading.model_dump(include={"background"})
    return reading.scene or Scene.model_construct(
        **fields, shapes=reading.shapes, lettering=reading.lettering
    )


def _not_made(expected: Scene, source: Scene, reading: Reading) -> int:
    """How many of the changes are not there; a move is two, an old place and a new one."""
    changed = [place for place in PLACES if expected.at(place) != source.at(place)]
    return sum(_at(reading, place) != _one(expected.at(place)) for place in changed) + (
        expected.background not in (source.background, reading.background)
    )


def _not_kept(expected: Scene, source: Scene, reading: Reading) -> tuple[str, ...]:
    """What should have stayed as it was and did not, as phrases."""
    kept = [shape for shape in source.shapes if expected.at(shape.place) == shape]
    lost = [
        f"the {shape.size} {shape.colour} {shape.kind} at the {shape.place}"
        for shape in kept
        if _at(reading, shape.place) != (shape,)
    ]
    if expected.background == source.background != reading.background:
        lost.append(f"the {source.background} background")
    if source.lettering and reading.lettering != source.lettering:
        lost.append(f"the word {source.lettering.word}")
    free = [place for place in PLACES if not source.at(place) and not expected.at(place)]
    added = [shape for shape in reading.shapes if shape.place in free]
    if added or (reading.letters and not source.lettering) or (reading.doubts and not lost):
        lost.append(NOTHING_ELSE)
    return tuple(lost)


def _at(reading: Reading, place: str) -> tuple[Shape, ...]:
    return tuple(shape for shape in reading.shapes if shape.place == place)


def _one(shape: Shape | None) -> tuple[Shape, ...]:
    return (shape,) if shape else ()


def _faithfulness(missed: int) -> float:
    """4.0 where nothing is missed; one miss is already under the trigger of 3.0."""
    return max(SCORE_MIN, 2.8 - 0.6 * (missed - 1)) if missed else SCORE_MAX


_QUALITY: Final = ((0.0, 4.0), (0.018, 4.0), (0.04, 3.5), (0.08, 2.9), (0.3, 1.0))
"""Residuals and what they score, with straight lines between. Nearly all clean drawings have at
most 0.015, lightly degraded ones 0.02 to 0.055, heavily degraded ones 0.06 to 0.5."""


def _physical_quality(reading: Reading) -> float:
    score = SCORE_MIN
    for (left, high), (right, low) in pairwise(_QUALITY):
        if left <= reading.residual < right:
            score = high + (low - high) * (reading.residual - left) / (right - left)
    return min(score, 2.5) if reading.doubts else score


def _text_rendering(word: str | None, reading: Reading) -> float | None:
    """None where no word was asked for; 4.0 exact, 1.0 missing, between by wrong letters.

    One letter wrong in the longest word is 2.8: always under the trigger of 3.0.
    """
    if word is None:
        return None
    wrong = min(1.0, _edit_distance(word, reading.letters or "") / len(word))
    return SCORE_MIN + 2.4 * (1 - wrong) if wrong else SCORE_MAX


def _edit_distance(one: str, other: str) -> int:
    """Levenshtein: insertions, deletions and substitutions."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above = row
        row = [i]
        for j, another in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != another)))
    return row[-1]
