from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from rr_refine.sketch.oracle.reading import read_picture
from rr_refine.sketch.world.degrading import degrade
from rr_refine.sketch.world.drawing import (
    COLOUR_RGB,
    RADIUS,
    SIDE,
    centre_of,
    draw,
    silhouette,
    write,
)
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    SIZES,
    WORD_PLACES,
    WORDS,
    Background,
    Place,
    Size,
)
from tests.sketch.world.builders import scene, shape

RED, BLUE = COLOUR_RGB["red"], COLOUR_RGB["blue"]
STAR = scene("large blue star at right")


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_kind_and_colour_in_every_size(background: Background) -> None:
    for kind in KINDS:
        for index in range(0, len(COLOURS), 2):
            made = scene(
                f"small {COLOURS[index]} {kind} at top left",
                f"large {COLOURS[index + 1]} {kind} at center",
                on=background,
            )
            reading = read_picture(draw(made, Random(index)))
            assert reading.scene == made
            assert reading.doubts == ()
            assert reading.residual < 0.03


@pytest.mark.parametrize("place", WORD_PLACES)
def test_every_word(place: Place) -> None:
    for index, word in enumerate(WORDS):
        made = scene(
            "small green ring at right" if place != "center" else "small green ring at top left",
            on=BACKGROUNDS[index % 4], word=word, at=place,
        )  # fmt: skip
        reading = read_picture(draw(made, Random(index)))
        assert (reading.scene, reading.letters) == (made, word)


@pytest.mark.parametrize("strength", ["clean", "light"])
def test_random_scenes(strength: str) -> None:
    random = Random(f"test {strength}")
    for _ in range(60):
        made = random_scene(random)
        image = draw(made, random)
        reading = read_picture(degrade(image, random, "light") if strength == "light" else image)
        assert reading.scene == made or (strength == "light" and reading.scene is None)
        assert reading.shapes == made.shapes or reading.doubts


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stretch", [0.88, 1.12])
def test_imperfect_shapes_are_known(size: Size, stretch: float) -> None:
    random = Random(f"{size} {stretch}")
    for kind in KINDS:
        colour = random.choice(COLOURS)
        image = Image.new("RGB", (SIDE, SIDE), (140, 152, 146))
        x, y = (along + random.uniform(-6.0, 6.0) for along in centre_of("right"))
        ink = tuple(min(255, max(0, n + random.randint(-20, 20))) for n in COLOUR_RGB[colour])
        image.paste(ink, mask=silhouette(kind, (x, y), stretch * RADIUS[size]))
        reading = read_picture(image.filter(ImageFilter.GaussianBlur(0.6)))
        assert reading.scene == scene(f"{size} {colour} {kind} at right", on="gray")


def test_shapes_that_touch_are_told_apart() -> None:
    image = Image.new("RGB", (SIDE, SIDE), (250, 250, 250))
    image.paste(RED, mask=silhouette("square", (34.0, 64.0), 17.0))
    image.paste(RED, mask=silhouette("circle", (64.5, 64.0), 17.0))
    image.paste(BLUE, mask=silhouette("star", (95.0, 64.0), 17.0))
    assert read_picture(image).scene == scene(
        "large red square at left", "large red circle at center", "large blue star at right"
    )


def test_a_word_that_covers_part_of_a_shape() -> None:
    made = scene("large yellow square at left", "large red star at right", word="STOP")
    assert [read_picture(draw(made, Random(seed))).scene for seed in range(8)] == [made] * 8


@pytest.mark.parametrize(
    ("size", "mode"),
    [((128, 128), "RGBA"), ((256, 256), "RGB"), ((512, 512), "P"), ((96, 96), "RGB")],
)
def test_any_size_and_mode(size: tuple[int, int], mode: str) -> None:
    made = scene("large orange heart at top", "small cyan cross at bottom right", on="gray")
    assert read_picture(draw(made).resize(size).convert(mode)).scene == made


def test_an_unknown_word_is_spelled() -> None:
    image = draw(STAR)
    write(image, "SUM", centre_of("top"), (16, 16, 16))
    reading = read_picture(image)
    assert (reading.letters, reading.lettering, reading.scene) == ("SUM", None, None)
    assert (reading.shapes, reading.doubts) == (STAR.shapes, ())


def test_a_word_where_none_can_stand_is_no_scene() -> None:
    image = draw(STAR)
    write(image, "HI", centre_of("left"), (16, 16, 16))
    reading = read_picture(image)
    assert (reading.letters, reading.lettering, reading.scene) == ("HI", None, None)


def test_two_things_in_one_place_are_both_read() -> None:
    image = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    for x, colour in ((55.0, RED), (73.0, BLUE)):
        image.paste(colour, mask=silhouette("moon", (x, 64.0), 10.5))
    reading = read_picture(image)
    assert reading.shapes == (shape("small red moon at center"), shape("small blue moon at center"))
    assert (reading.scene, reading.doubts) == (None, ())


def test_a_blob_is_admitted() -> None:
    image = draw(scene("small red star at right", "small green heart at bottom"))
    pen = ImageDraw.Draw(image)
    pen.polygon([(8, 50), (30, 56), (34, 76), (22, 66), (10, 80)], fill=COLOUR_RGB["purple"])
    reading = read_picture(image)
    assert reading.scene is None
    assert reading.doubts == ("a purple blob at the left",)
    assert reading.shapes == (
        shape("small red star at right"),
        shape("small green heart at bottom"),
    )
    assert reading.residual > 0.1


@pytest.mark.parametrize("gray", [150, 110, 60])
def test_a_shape_of_no_colour_is_not_overlooked(gray: int) -> None:
    image = draw(scene("small red star at right"))
    image.paste((gray, gray, gray), mask=silhouette("circle", centre_of("left"), RADIUS["large"]))
    reading = read_picture(image)
    assert (reading.scene, reading.shapes) == (None, (shape("small red star at right"),))
    assert len(reading.doubts) == 1
    assert reading.doubts[0].endswith("at the left")


def noise(colours: int) -> Image.Image:
    numbers = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, colours), np.uint8)
    return Image.fromarray(np.broadcast_to(numbers, (SIDE, SIDE, 3)).copy())


def gradient() -> Image.Image:
    """Like a photograph: light from one side, darker patches, no paper."""
    image = Image.linear_gradient("L").resize((SIDE, SIDE))
    sky = Image.merge("RGB", (image.rotate(90), image, image.point(lambda level: 255 - level // 2)))
    ImageDraw.Draw(sky).rectangle((0, 90, 128, 128), fill=(60, 90, 50))
    return sky


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (Image.new("RGB", (SIDE, SIDE), (250, 250, 250)), "any shape"),
        (Image.new("RGB", (SIDE, SIDE), (24, 24, 24)), "any shape"),
        (Image.new("RGB", (SIDE, SIDE), (90, 20, 160)), "the colour of the background"),
        (noise(1), "any background"),
        (noise(3), "any background"),
        (gradient(), "any background"),
    ],
    ids=["white", "black", "purple", "gray noise", "noise", "gradient"],
)
def test_hopeless_pictures_are_admitted(image: Image.Image, doubt: str) -> None:
    reading = read_picture(image)
    assert (reading.scene, reading.shapes, reading.letters) == (None, (), None)
    assert doubt in reading.doubts


def test_the_residual_grows_with_the_faults() -> None:
    made = scene("large green cross at top", "small pink square at left", word="GO", at="bottom")
    image = draw(made)
    random = Random(4)
    light = read_picture(degrade(image, random, "light")).residual
    heavy = min(read_picture(degrade(image, Random(seed), "heavy")).residual for seed in range(10))
    assert read_picture(image).residual < 0.02 < light < heavy
