"""The oracle as a judge: of anybody's sketch requests, and of nothing else."""

from __future__ import annotations

import json
from random import Random

import pytest
from PIL import Image

from rr_refine.benchmarks.item import Item
from rr_refine.benchmarks.question import can_grade
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.plugins import create
from rr_refine.sketch.bench.judge import SketchJudge
from rr_refine.sketch.bench.tasks import edits, requests
from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import apply
from rr_refine.sketch.world.phrasing import read_scene
from tests.benchmarks.world import spoilt
from tests.cli.test_bench_published import FAKES
from tests.commands import Commands


def judge() -> SketchJudge:
    made = create("judges", "sketch", {})
    assert isinstance(made, SketchJudge)
    assert can_grade(made)
    return made


async def test_requests() -> None:
    for task in requests("test", 4, in_full=True):
        scene = read_scene(task.item.prompt)
        assert scene
        good = await judge().grade(task.item, draw(scene, Random(1)))
        bad = await judge().grade(task.item, draw(spoilt(scene), Random(1)))
        assert (good.exact, good.missed, bad.exact) == (True, (), False)
        assert bad.score < good.score


async def test_edits() -> None:
    for task in edits("test", 6):
        assert isinstance(task.asked, RequestedEdit)
        assert task.source
        done = draw(apply(task.asked.edit, task.asked.source))
        assert (await judge().grade(task.item, done)).exact
        assert not (await judge().grade(task.item, task.source)).exact


async def test_what_is_no_sketch_gets_no_mark() -> None:
    blank = Image.new("RGB", (128, 128), "white")
    with pytest.raises(CriticUnreadable, match="knows only sketches, not 'a harbour in fog'"):
        await judge().grade(Item("a", "a harbour in fog"), blank)
    with pytest.raises(CriticUnreadable, match="knows only sketches"):
        await judge().grade(Item("a", "make the circle red", source=blank), blank)
    with pytest.raises(ConfigError, match="unknown option"):
        create("judges", "sketch", {"colour": "red"})


def test_it_is_named_where_a_judge_is_asked_for(commands: Commands) -> None:
    line = '{"tag": "counting", "include": [], "prompt": "a red circle"}\n'
    (commands.folder / "evaluation_metadata.jsonl").write_text(line)
    ended = commands.run(
        *("bench", "geneval", "--data", ".", "--samples", "1", *FAKES, "--arm", "one-shot"),
        *("--out", "there", "--judge", "sketch"),
    )
    assert ended.code == 0, ended.stderr
    whole = json.loads((commands.folder / "there" / "results.json").read_text())
    assert whole["provenance"]["judge"]["kind"] == "oracle"
    assert whole["arms"][0]["coverage"]["marked"] == 1
    assert json.loads((commands.folder / "there" / "judge.json").read_text())["judge"]
