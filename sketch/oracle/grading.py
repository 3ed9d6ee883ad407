"""Grades a picture against a request or an edit, by what the oracle reads in it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from PIL import Image

from rr_refine.sketch.checking import Asked, RequestedEdit, exact_scores, missed
from rr_refine.sketch.observation import observation_of
from rr_refine.sketch.oracle.reading import SceneReading, read_picture
from rr_refine.sketch.world.edit import read_edit
from rr_refine.sketch.world.phrasing import read_request
from rr_refine.terms import SCORE_MIN, Dimension, Record

__all__ = ["Grade", "grade_picture", "read_asked"]


class Grade(Record):
    """The oracle's judgement of one picture."""

    scores: dict[Dimension, float | None]
    """One for each dimension of the task, 1 to 4 as the critic's; None is N/A."""
    missed: tuple[str, ...]
    """See `rr_refine.sketch.checking.missed`."""
    exact: bool
    """Text to image: nothing is missed and the picture can be read as a scene. Edits: the scene
    is the source after the edit, in everything."""
    reading: SceneReading


def grade_picture(asked: Asked, image: Image.Image) -> Grade:
    """Grade a picture that was made for a request or an edit.

    Where there is no scene, the requirements are judged by what was read.

    Raises:
        ValueError: the edit does not fit its source (see `rr_refine.sketch.world.edit.apply`).
    """
    reading = read_picture(image)
    seen = observation_of(reading)
    misses = missed(asked, seen)
    if isinstance(asked, RequestedEdit):
        exact = reading.scene == asked.expected
    else:
        exact = not misses and reading.scene is not None
    return Grade(
        scores=exact_scores(asked, seen, _physical_quality(reading), reading.letters or ""),
        missed=misses,
        exact=exact,
        reading=reading,
    )


def read_asked(prompt: str, source: Image.Image | None) -> Asked | None:
    """What a prompt asks for; None where it means nothing, or its source cannot be read."""
    if source is None:
        return read_request(prompt)
    scene = read_picture(source).scene
    edit = read_edit(prompt, scene) if scene else None
    return RequestedEdit(edit, scene) if scene and edit else None


_QUALITY: Final = ((0.0, 4.0), (0.018, 4.0), (0.04, 3.5), (0.08, 2.9), (0.3, 1.0))
"""Residuals and what they score, with straight lines between. Nearly all clean drawings have at
most 0.015, lightly degraded ones 0.02 to 0.055, heavily degraded ones 0.06 to 0.5."""


def _physical_quality(reading: SceneReading) -> float:
    score = SCORE_MIN
    for (left, high), (right, low) in pairwise(_QUALITY):
        if left <= reading.residual < right:
            score = high + (low - high) * (reading.residual - left) / (right - left)
    return min(score, 2.5) if reading.doubts else score
