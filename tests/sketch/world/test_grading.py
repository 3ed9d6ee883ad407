from __future__ import annotations

from random import Random

import pytest
from PIL import Image

from rr_refine.sketch.checking import THE_CHANGE, RequestedEdit
from rr_refine.sketch.oracle.grading import Grade, grade_picture
from rr_refine.sketch.world.degrading import degrade
from rr_refine.sketch.world.drawing import COLOUR_RGB, centre_of, draw, silhouette, write
from rr_refine.sketch.world.edit import apply, random_edit, read_edit
from rr_refine.sketch.world.phrasing import REGISTERS, dense, read_request, request_for
from rr_refine.sketch.world.request import NOTHING_ELSE
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene
from rr_refine.terms import dimensions_of
from tests.sketch.world.builders import scene

SOURCE = scene(
    "small red circle at top", "large green heart at left", "large blue star at bottom right",
    word="CAT",
)  # fmt: skip


def graded(asked: str, image: Image.Image) -> Grade:
    request = read_request(asked)
    assert request
    return grade_picture(request, image)


def edited(asked: str, image: Image.Image) -> Grade:
    edit = read_edit(asked, SOURCE)
    assert edit
    return grade_picture(RequestedEdit(edit, SOURCE), image)


def test_what_was_asked_for_is_exact() -> None:
    random = Random(0)
    for index in range(20):
        made = random_scene(random)
        register = REGISTERS[index % len(REGISTERS)]
        grade = grade_picture(request_for(made, register, random), draw(made, random))
        assert (grade.missed, grade.exact) == ((), True)
        assert tuple(grade.scores) == dimensions_of("t2i")
        assert grade.scores["text_rendering"] == (4.0 if made.lettering else None)
        assert grade.scores["text_faithfulness"] == grade.scores["physical_quality"] == 4.0


@pytest.mark.parametrize(
    ("asked", "score", "missed"),
    [
        ("a red circle, a green heart, a blue star and the word CAT", 4.0, ()),
        ("a red circle, a pink heart, a blue star and the word CAT", 2.2,
         ("a pink heart", NOTHING_ELSE)),
        ("a red circle, a green heart and the word CAT", 2.8, (NOTHING_ELSE,)),
        ("a red circle, a green heart and a blue star", 2.8, (NOTHING_ELSE,)),
        (
            "black background; two cyan moons; a red circle at the center; the word DOG",
            1.0,
            ("two cyan moons", "a red circle at the center", "a black background", "the word DOG",
             NOTHING_ELSE),
        ),
    ],
)  # fmt: skip
def test_text_faithfulness(asked: str, score: float, missed: tuple[str, ...]) -> None:
    grade = graded(asked, draw(SOURCE))
    assert grade.scores["text_faithfulness"] == pytest.approx(score)
    assert grade.missed == missed
    assert grade.exact is (not missed)


@pytest.mark.parametrize(
    ("written", "score"),
    [("LOVE", 4.0), ("LOVF", 2.8), ("DOVF", 2.2), ("LO", 2.2), ("HI", 1.0), ("", 1.0)],
)
def test_text_rendering(written: str, score: float) -> None:
    image = draw(scene("small red circle at top left"))
    if written:
        write(image, written, centre_of("bottom"), (16, 16, 16))
    grade = graded("a red circle and the word LOVE", image)
    assert grade.scores["text_rendering"] == pytest.approx(score)
    assert grade.missed == (() if written == "LOVE" else ("the word LOVE",))


def test_physical_quality_falls_with_the_faults() -> None:
    random = Random(2)
    mean = dict.fromkeys(("clean", "light", "heavy"), 0.0)
    for _ in range(12):
        made = random_scene(random)
        clean = draw(made, random)
        worse = {
            "clean": clean,
            "light": degrade(clean, random, "light"),
            "heavy": degrade(clean, random, "heavy"),
        }
        for name, image in worse.items():
            mean[name] += (grade_picture(dense(made), image).scores["physical_quality"] or 0.0) / 12
    assert mean["clean"] == 4.0
    assert 3.2 < mean["light"] < 3.9
    assert 1.0 < mean["heavy"] < 2.6


def test_a_blob_caps_quality_and_is_something_else() -> None:
    image = draw(SOURCE)
    image.paste(COLOUR_RGB["purple"], (80, 8, 122, 20))
    grade = graded("a red circle, a green heart, a blue star and the word CAT", image)
    assert grade.reading.doubts == ("a purple blob at the top right",)
    assert grade.scores["physical_quality"] is not None
    assert grade.scores["physical_quality"] <= 2.5
    assert (grade.missed, grade.exact) == ((NOTHING_ELSE,), False)


def test_without_a_scene_what_was_read_is_judged() -> None:
    image = Image.new("RGB", (128, 128), (250, 250, 250))
    for x in (55.0, 73.0):
        image.paste(COLOUR_RGB["red"], mask=silhouette("moon", (x, 64.0), 10.5))
    met, unmet = graded("two red moons", image), graded("a red moon and a red ring", image)
    assert met.reading.scene is None
    assert (met.missed, met.exact, met.scores["text_faithfulness"]) == ((), False, 4.0)
    assert unmet.missed == ("a red moon", "a red ring")


def test_a_made_edit_is_exact() -> None:
    random = Random(1)
    for _ in range(20):
        source = random_scene(random)
        edit = random_edit(source, random)
        grade = grade_picture(RequestedEdit(edit, source), draw(apply(edit, source), random))
        assert (grade.missed, grade.exact) == ((), True)
        assert tuple(grade.scores) == dimensions_of("edit")
        assert grade.scores["text_faithfulness"] == grade.scores["image_faithfulness"] == 4.0


HEART, STAR = "large green heart at left", "large blue star at bottom right"
UNTOUCHED = ("small red circle at top", HEART, STAR)


@pytest.mark.parametrize(
    ("asked", "after", "text", "image", "missed"),
    [
        ("remove the red circle", SOURCE, 2.8, 4.0, (THE_CHANGE,)),
        ("make the red circle pink", scene("small cyan circle at top", HEART, STAR, word="CAT"),
         2.8, 4.0, (THE_CHANGE,)),
        ("move the red circle to the top left", SOURCE, 2.2, 4.0, (THE_CHANGE,)),
        ("move the red circle to the top left",
         scene("small red circle at top left", *UNTOUCHED, word="CAT"), 2.8, 4.0, (THE_CHANGE,)),
        ("remove the red circle", scene(HEART, STAR), 4.0, 2.8, ("the word CAT",)),
        ("remove the red circle", scene(HEART, "large blue star at bottom", word="CAT"),
         4.0, 2.2, ("the large blue star at the bottom right", NOTHING_ELSE)),
        ("change the background to beige", scene(*UNTOUCHED, on="gray", word="CAT"),
         2.8, 4.0, (THE_CHANGE,)),
        ("change the background to beige", scene(HEART, STAR, on="beige", word="CAT"),
         4.0, 2.8, ("the small red circle at the top",)),
        ("add a small pink ring at the bottom", scene(HEART, STAR, on="black", word="DOG"),
         2.8, 1.6, (THE_CHANGE, "the small red circle at the top", "the white background",
                    "the word CAT")),
    ],
)  # fmt: skip
def test_edits_that_went_wrong(
    asked: str, after: Scene, text: float, image: float, missed: tuple[str, ...]
) -> None:
    grade = edited(asked, draw(after))
    assert grade.missed == missed
    assert grade.scores["text_faithfulness"] == pytest.approx(text)
    assert grade.scores["image_faithfulness"] == pytest.approx(image)
    assert not grade.exact
