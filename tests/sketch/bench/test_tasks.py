from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from rr_refine.digest import image_digest
from rr_refine.sketch.bench.tasks import SIZE, SketchTask, as_benchmark, edits, requests
from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import ACTIONS, apply, read_edit
from rr_refine.sketch.world.phrasing import read_request, read_scene
from rr_refine.sketch.world.request import SceneRequest, requirements
from rr_refine.sketch.world.scene import SIZES
from rr_refine.sketch.world.understanding import not_understood
from tests.benchmarks.world import spoilt

TEST = requests("test")


def test_difficulties_and_registers_are_spread() -> None:
    found = Counter((t.item.labels["difficulty"], t.item.labels["register"]) for t in TEST)
    turns = {
        (d, r): 25
        for d in ("count", "attribute", "word")
        for r in ("terse", "relational", "casual")
    }
    assert found == {**turns, ("relation", "relational"): 75}
    assert len(TEST) == SIZE
    assert len({t.item.id for t in TEST}) == SIZE
    assert len({t.item.prompt for t in TEST}) == SIZE
    assert len({t.item.seed for t in TEST}) == SIZE


@pytest.mark.parametrize("task", TEST[:60], ids=lambda task: task.item.id)
def test_requests_are_of_their_difficulty(task: SketchTask) -> None:
    item, asked = task.item, task.asked
    assert isinstance(asked, SceneRequest)
    counts = [group.count for group in asked.groups]
    match item.labels["difficulty"]:
        case "count":
            assert 2 <= max(counts) <= 5
        case "relation":
            assert asked.relations
        case "attribute":
            assert counts in ([1, 1, 1], [1, 1, 1, 1])
        case "word":
            assert asked.word
            assert len(counts) <= 3
    assert bool(asked.relations) == (item.labels["register"] == "relational")
    assert not any(size in item.prompt.split() for size in SIZES), "sizes are left open"
    read = read_request(item.prompt)
    assert read
    assert set(requirements(read)) == set(requirements(asked)), "it says what it is graded by"
    assert not not_understood(item.prompt)


def test_every_count_is_asked_for() -> None:
    most = Counter(
        max(group.count for group in t.asked.groups)
        for t in TEST
        if isinstance(t.asked, SceneRequest) and t.item.labels["difficulty"] == "count"
    )
    assert set(most) == {2, 3, 4, 5}
    assert min(most.values()) >= 10


def test_fewer_are_the_first_of_more() -> None:
    assert requests("test", 10) == TEST[:10]
    assert requests("test", SIZE + 4)[:SIZE] == TEST


def test_splits_have_nothing_in_common() -> None:
    dev = requests("dev", 100)
    assert not {t.item.prompt for t in dev} & {t.item.prompt for t in TEST}


def test_in_full_everything_is_named() -> None:
    for short, full in zip(TEST[:12], requests("test", 12, in_full=True), strict=True):
        assert full.item.id == short.item.id
        assert full.item.labels == {**short.item.labels, "register": "dense"}
        assert isinstance(full.asked, SceneRequest)
        assert all(group.size and group.place for group in full.asked.groups)
        assert full.asked.background


@pytest.mark.parametrize("in_full", [False, True])
def test_edits(in_full: bool) -> None:
    tasks = edits("test", 24, in_full=in_full)
    assert Counter(t.item.labels["action"] for t in tasks) == dict.fromkeys(ACTIONS, 4)
    for task in tasks:
        assert isinstance(task.asked, RequestedEdit)
        assert read_edit(task.item.prompt, task.asked.source) == task.asked.edit
        assert ("everything else" in task.item.prompt) == in_full
    again = edits("test", 24, in_full=in_full)
    pictures = [[image_digest(t.source) for t in ts if t.source] for ts in (tasks, again)]
    assert pictures[0] == pictures[1]


async def test_marks_are_the_oracles() -> None:
    full = requests("test", 4, in_full=True)
    bench = as_benchmark("sketch", full)
    assert bench.grade
    for task in full:
        scene = read_scene(task.item.prompt)
        assert scene
        good = await bench.grade(task.item, draw(scene, Random(1)))
        bad = await bench.grade(task.item, draw(spoilt(scene), Random(1)))
        assert (good.exact, good.missed) == (True, ())
        assert good.score > 3.9
        assert not bad.exact
        assert bad.missed
        assert bad.score < good.score


async def test_marks_of_edits() -> None:
    tasks = edits("test", 6)
    bench = as_benchmark("sketch edits", tasks)
    assert bench.grade
    for task in tasks:
        assert isinstance(task.asked, RequestedEdit)
        assert task.source
        done = draw(apply(task.asked.edit, task.asked.source))
        assert (await bench.grade(task.item, done)).exact
        undone = await bench.grade(task.item, task.source)
        assert not undone.exact
        assert undone.missed == ("the change",)
