from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rr_refine.sketch.world.edit import (
    ACTIONS,
    KEEP_REST,
    Action,
    SceneEdit,
    apply,
    phrase_edit,
    random_edit,
    read_edit,
)
from rr_refine.sketch.world.scene import Scene
from rr_refine.sketch.world.understanding import not_understood
from tests.sketch.world.builders import fixed, scene, scenes, shape

SOURCE = scene(
    "small red circle at top", "small red circle at left", "large blue star at bottom right",
    word="CAT",
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "make the red circle at the top green",
            scene("small green circle at top", "small red circle at left",
                  "large blue star at bottom right", word="CAT"),
        ),
        (
            "Remove the blue star.",
            scene("small red circle at top", "small red circle at left", word="CAT"),
        ),
        (
            "add a large pink heart at the bottom; keep everything else the same",
            scene("small red circle at top", "small red circle at left",
                  "large pink heart at bottom", "large blue star at bottom right", word="CAT"),
        ),
        (
            "move the large blue star to the top left",
            scene("large blue star at top left", "small red circle at top",
                  "small red circle at left", word="CAT"),
        ),
        (
            "replace the small red circle at the left with a large green moon",
            scene("small red circle at top", "large green moon at left",
                  "large blue star at bottom right", word="CAT"),
        ),
        (
            "make the star pink",
            scene("small red circle at top", "small red circle at left",
                  "large pink star at bottom right", word="CAT"),
        ),
        (
            "remove the circle at the left",
            scene("small red circle at top", "large blue star at bottom right", word="CAT"),
        ),
        (
            "change the background to beige",
            scene("small red circle at top", "small red circle at left",
                  "large blue star at bottom right", word="CAT", on="beige"),
        ),
    ],
)  # fmt: skip
def test_edits_in_words(said: str, expected: Scene) -> None:
    edit = read_edit(said, SOURCE)
    assert edit
    assert apply(edit, SOURCE) == expected


@pytest.mark.parametrize(
    "said",
    [
        "",
        "remove the red circle",  # which one?
        "remove the green circle",
        "remove the circle",
        "remove the heart",
        "move the blue star to the left",  # there is something
        "move the blue star to the center",  # the word is there
        "add a small red ring at the top",
        "change the background to purple",
        "paint the blue star red",
    ],
)
def test_what_is_no_edit_of_the_scene(said: str) -> None:
    assert read_edit(said, SOURCE) is None


@fixed
@given(
    scenes(), st.sampled_from([*ACTIONS, None]), st.integers(0, 99), st.booleans(), st.booleans()
)
def test_what_is_said_is_understood(
    source: Scene, action: Action | None, seed: int, dense: bool, bare: bool
) -> None:
    edit = random_edit(source, Random(seed), action)
    after = apply(edit, source)
    assert after != source
    assert after.lettering == source.lettering
    said = phrase_edit(edit, source, dense=dense, bare=bare)
    assert said.endswith(KEEP_REST) is dense
    assert read_edit(said, source) == edit
    assert not_understood(said, "edit") == ()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "make the blue star pink"),
        ({"bare": True}, "make the star pink"),
        ({"dense": True, "bare": True},
         "make the large blue star at the bottom right pink; keep everything else the same"),
    ],
)  # fmt: skip
def test_how_far_a_target_is_named(how: dict[str, bool], said: str) -> None:
    edit = read_edit("make the blue star pink", SOURCE)
    assert edit
    assert phrase_edit(edit, SOURCE, **how) == said


def test_of_two_alike_the_kind_alone_is_not_enough() -> None:
    edit = read_edit("remove the circle at the left", SOURCE)
    assert edit
    assert phrase_edit(edit, SOURCE, bare=True) == "remove the red circle at the left"


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_is_possible_is_taken(action: Action) -> None:
    assert random_edit(SOURCE, Random(0), action).action == action


def test_an_action_that_is_impossible_is_not() -> None:
    alone = scene("small red circle at top")
    crowd = alone.with_shapes(
        *(
            shape(f"small red circle at {place}")
            for place in ("top", "left", "right", "center", "bottom")
        )
    )
    assert random_edit(alone, Random(0), "remove").action != "remove"
    assert random_edit(crowd, Random(0), "add").action != "add"


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "remove"},
        {"action": "recolour", "target": SOURCE.shapes[0]},
        {"action": "background", "background": "white", "shape": SOURCE.shapes[0]},
        {"action": "add", "target": SOURCE.shapes[0], "shape": SOURCE.shapes[0]},
    ],
)
def test_an_edit_is_complete(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="fields of another action"):
        SceneEdit.model_validate(fields)


def test_an_edit_that_does_not_fit_is_refused() -> None:
    other = scene("large green heart at top", "small red circle at left")
    with pytest.raises(ValueError, match="not in list"):
        apply(SceneEdit(action="remove", target=SOURCE.shapes[0]), other)
    with pytest.raises(ValueError, match="two things in one place"):
        apply(SceneEdit(action="add", shape=SOURCE.shapes[0]), other)
