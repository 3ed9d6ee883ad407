"""Pictures to train vision on: as drawn, shifted, degraded, damaged, and with what is no scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from string import ascii_uppercase
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.world.degrading import degrade
from rr_refine.sketch.world.drawing import COLOUR_RGB, SIDE, centre_of, draw, ink_of, write
from rr_refine.sketch.world.sampling import misspelt, random_scene, random_shape
from rr_refine.sketch.world.scene import (
    COLOURS,
    WORD_PLACES,
    WORDS,
    Background,
    Lettering,
    Place,
    Scene,
    in_order,
)

__all__ = [
    "TrainingPicture",
    "lettered_picture",
    "picture_of",
    "plain_picture",
    "random_picture",
    "shifted",
]

_CROWDED: Final = 0.12
"""How often there are six or seven shapes, which nobody asks for and a bad generator may draw."""
_SMUDGED: Final = 0.12
"""How often something stands in a free place that is no shape."""
_SCRIBBLED: Final = 0.45
"""How often a word is none: misspelt, half of another, or there twice. Of 80 words that the small
generator was asked for, 44 were missed by the oracle."""
_ANY_LETTERS: Final = 0.5
"""How often letters to learn from are any, and not a word with a wrong one."""
_LENGTHS: Final = (2, 3, 3, 4, 4)
"""How many there are then: as many as words have."""
_SHIFTED: Final = 0.5
"""How often the whole picture is off, and by how many pixels at most."""
_SHIFT: Final = 4
_DEGRADED: Final = 0.4
"""How often a picture is lightly degraded."""
_DAMAGED: Final = 0.15
"""How often heavily."""


@dataclass(frozen=True, slots=True)
class TrainingPicture:
    """A picture and its labels: what it really shows."""

    image: Image.Image
    observation: Observation
    background: Background
    damaged: bool | None = False
    """Does anyone see at once that it is damaged? None where nobody was asked."""
    words: tuple[Lettering, ...] = ()
    """Every word that can be read: none, one, or the same one twice."""
    scribbled: Place | None = None
    """Where letters stand that are no word of the world."""
    spelt: str = ""
    """Those letters, or those of the words; empty where there are none or they are smeared."""


def random_picture(random: Random) -> TrainingPicture:
    """A picture as generators make them, good and bad."""
    return picture_of(
        _crowded(random) if random.random() < _CROWDED else random_scene(random), random
    )


def plain_picture(random: Random) -> TrainingPicture:
    """A scene as it is drawn, with nothing done to it."""
    scene = random_scene(random)
    words = (scene.lettering,) if scene.lettering else ()
    return TrainingPicture(
        draw(scene, random),
        observation_of(scene),
        scene.background,
        words=words,
        spelt=words[0].word if words else "",
    )


def lettered_picture(random: Random) -> TrainingPicture:
    """A picture to learn to read from: letters that are mostly no word of the world.

    Whoever has to name each of them learns what tells a C from an O, which sixteen words do not ask
    for.
    """
    scene = random_scene(random, worded=True)
    assert scene.lettering
    if random.random() < _ANY_LETTERS:
        spelt = "".join(random.choices(ascii_uppercase, k=random.choice(_LENGTHS)))
    else:
        spelt = misspelt(scene.lettering.word, random)
    lettering = scene.lettering.model_copy(update={"word": spelt})
    scene = scene.model_copy(update={"lettering": lettering})
    return _picture(
        draw(scene, random), scene, (lettering,) if spelt in WORDS else (), spelt, random
    )


def picture_of(scene: Scene, random: Random) -> TrainingPicture:
    """A picture of `scene`, more or less."""
    if scene.lettering and random.random() < _SCRIBBLED:
        image, words, spelt = _misspelt(scene, scene.lettering, random)
    else:
        image = draw(scene, random)
        words = (scene.lettering,) if scene.lettering else ()
        spelt = scene.lettering.word if scene.lettering else ""
    doubts: tuple[Place, ...] = ()
    if random.random() < _SMUDGED:
        written = {word.place for word in words}
        if free := [place for place in scene.free_places() if place not in written]:
            doubts = (random.choice(free),)
            _smudge(image, doubts[0], random)
    return _picture(image, scene, words, spelt, random, doubts)


def _picture(
    image: Image.Image,
    scene: Scene,
    words: tuple[Lettering, ...],
    spelt: str,
    random: Random,
    doubts: tuple[Place, ...] = (),
) -> TrainingPicture:
    """A drawing of `scene` as it comes to a critic: maybe shifted, degraded or damaged."""
    if random.random() < _SHIFTED:
        image = shifted(image, random)
    fate = random.random()
    if fate < _DAMAGED + _DEGRADED:
        image = degrade(image, random, "heavy" if fate < _DAMAGED else "light")
    return TrainingPicture(
        image=image,
        observation=Observation(
            background=scene.background,
            shapes=scene.shapes,
            lettering=words[0] if len(words) == 1 else None,
            unclear_letters=scene.lettering is not None and len(words) != 1,
            doubts=doubts,
        ),
        background=scene.background,
        damaged=fate < _DAMAGED,
        words=words,
        scribbled=scene.lettering.place if scene.lettering and not words else None,
        spelt=spelt,
    )


def shifted(image: Image.Image, random: Random) -> Image.Image:
    """All of it moved by up to four pixels; the background fills the rest."""
    right, down = random.randint(-_SHIFT, _SHIFT), random.randint(-_SHIFT, _SHIFT)
    moved = (1, 0, right, 0, 1, down)
    background = image.getpixel((0, 0))
    return image.transform(image.size, Image.Transform.AFFINE, moved, fillcolor=background)


def _crowded(random: Random) -> Scene:
    scene = random_scene(random, shapes=5, worded=False)
    places = random.sample(scene.free_places(), random.randint(1, 2))
    shapes = in_order((*scene.shapes, *(random_shape(random, place) for place in places)))
    # Not validated: a scene may have no more than five.
    return Scene.model_construct(background=scene.background, shapes=shapes, lettering=None)


def _misspelt(
    scene: Scene, written: Lettering, random: Random
) -> tuple[Image.Image, tuple[Lettering, ...], str]:
    """A drawing of `scene` with its word spoilt, what can be read (nothing, or it twice), and
    what is spelt.
    """
    draft = random.getrandbits(32)
    way = random.choice(("misspelt", "smeared", "twice"))
    free = [place for place in WORD_PLACES if place in scene.free_places()]
    if way == "twice" and free:
        image, again = draw(scene, Random(draft)), random.choice(free)
        write(image, written.word, centre_of(again), ink_of(scene.background))
        return image, (written, written.model_copy(update={"place": again})), written.word
    false = written.model_copy(update={"word": misspelt(written.word, random)})
    # Equal drafts: the two pictures differ in their letters only.
    image = draw(scene.model_copy(update={"lettering": false}), Random(draft))
    if way == "smeared":
        image = Image.blend(image, draw(scene, Random(draft)), random.uniform(0.2, 0.6))
        return image, (), ""
    return image, (), false.word


def _smudge(image: Image.Image, place: Place, random: Random) -> None:
    """Paint a soft lump of mixed colours into `image`."""
    x, y = centre_of(place)
    corners = random.randint(5, 10)
    size = random.uniform(8, 18)
    outline = []
    for corner in range(corners):
        angle = 2 * math.pi * (corner + random.uniform(-0.4, 0.4)) / corners
        radius = size * random.uniform(0.25, 1.1)
        outline.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).polygon(outline, fill=random.randint(120, 255))
    mask = mask.filter(ImageFilter.GaussianBlur(random.uniform(0.7, 3.0)))
    one, other = (COLOUR_RGB[colour] for colour in random.sample(COLOURS, 2))
    share = random.random()
    mixed = tuple(round(share * a + (1 - share) * b) for a, b in zip(one, other, strict=True))
    image.paste(mixed, mask=mask)
