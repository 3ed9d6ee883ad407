"""Cases of the generator's own pictures: the request that they were made for, and others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Final

from pydantic import ValidationError

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.invalid import told_invalid
from rr_refine.pictures import load_picture
from rr_refine.sketch.checking import Asked, RequestedEdit
from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.oracle.grading import grade_picture, read_asked
from rr_refine.sketch.oracle.reading import read_picture
from rr_refine.sketch.training.critic.cases import SketchCase
from rr_refine.sketch.training.critic.requests import request_near
from rr_refine.sketch.training.critic.training_pictures import TrainingPicture, shifted
from rr_refine.sketch.training.generator.pictures import RenderedPicture
from rr_refine.sketch.world.phrasing import phrase, random_register
from rr_refine.sketch.world.scene import MAX_LETTERS, WORD_PLACES, Lettering

__all__ = ["rendered_cases", "rendered_pictures"]

_OTHERS: Final = 3
"""By how many more requests the pictures of a request are judged. Pictures of the generator
take time to make, requests for them take none."""
_SHIFTED: Final = 0.5
"""How often such a picture is moved by a few pixels, so that none is learnt by heart."""


def rendered_cases(manifest: Path, *, others: int = _OTHERS) -> Iterator[SketchCase]:
    """Cases for each prompt (and source) of a manifest, each with all its pictures.

    The lines of one prompt must follow each other. Prompts that mean nothing in the sketch world,
    and sources that the oracle cannot read, are left out. `others` more cases judge the same
    pictures by other requests, near what one of them shows; edits get none.

    Raises:
        ConfigError: the manifest or a picture cannot be read.
    """
    for _, renders in groupby(_read_manifest(manifest), lambda one: (one.prompt, one.source)):
        yield from _rendered(list(renders), manifest.parent, others)


def rendered_pictures(manifest: Path) -> Iterator[TrainingPicture]:
    """The pictures of a manifest to learn to read from: those with one line of letters, if the
    oracle can make out all of them.

    Raises:
        ConfigError: the manifest or a picture cannot be read.
    """
    for render in _read_manifest(manifest):
        image = load_picture(manifest.parent / render.file)
        reading = read_picture(image)
        if reading.background is None or reading.doubts or len(reading.letters_at) != 1:
            continue
        assert reading.letters
        yield TrainingPicture(
            image=image,
            observation=observation_of(reading),
            background=reading.background,
            damaged=None,
            words=(reading.lettering,) if reading.lettering else (),
            scribbled=None if reading.lettering else reading.letters_at[0],
            spelt=reading.letters if len(reading.letters) <= MAX_LETTERS else "",
        )


def _rendered(renders: list[RenderedPicture], folder: Path, others: int) -> Iterator[SketchCase]:
    first = renders[0]
    source = load_picture(folder / first.source) if first.source else None
    asked = read_asked(first.prompt, source)
    if asked is None:
        return
    images = tuple(load_picture(folder / render.file) for render in renders)
    case = SketchCase(
        key="|".join([first.prompt, first.source or "", *(f"{r.seed}" for r in renders)]),
        prompt=first.prompt,
        asked=asked,
        source=source,
        pictures=images,
        grades=tuple(grade_picture(asked, image) for image in images),
        made_by=tuple(render.model for render in renders),
    )
    yield case
    for number in range(0 if source else others):
        yield _by_another(case, f"{case.key}|other {number}")


def _by_another(case: SketchCase, key: str) -> SketchCase:
    """The same pictures, held against something else that may have been asked for."""
    random = Random(key)
    register = random_register(random)
    shown = observation_of(random.choice(case.grades).reading)
    asked = request_near(_with_asked_word(shown, case.asked, random), register, random)
    pictures = tuple(
        shifted(image, random) if random.random() < _SHIFTED else image for image in case.pictures
    )
    return SketchCase(
        key=key,
        prompt=phrase(asked, register, random),
        asked=asked,
        source=None,
        pictures=pictures,
        grades=tuple(grade_picture(asked, picture) for picture in pictures),
        made_by=case.made_by,
    )


def _with_asked_word(observed: Observation, asked: Asked, random: Random) -> Observation:
    """With the word that was asked for where letters cannot be read.

    It is asked for again then: whether letters are right is the hardest to see.
    """
    free = [p for p in WORD_PLACES if p not in {shape.place for shape in observed.shapes}]
    if isinstance(asked, RequestedEdit) or not (asked.word and observed.unclear_letters and free):
        return observed
    return replace(observed, lettering=Lettering(word=asked.word, place=random.choice(free)))


def _read_manifest(manifest: Path) -> Iterator[RenderedPicture]:
    with raised_as(
        ConfigError, f"manifest {str(manifest)!r} cannot be read", OSError, UnicodeDecodeError
    ):
        lines = manifest.read_text("utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield RenderedPicture.model_validate_json(line)
            except ValidationError as error:
                raise ConfigError(
                    f"line {number} of {str(manifest)!r} is no render: {told_invalid(error)}"
                ) from error
