"""Several pictures to edit: a critic sees those that it takes, and the others are left unjudged."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine import Run, arefine
from rr_refine.agent.events import Event, Notice
from rr_refine.agent.policy import preset
from rr_refine.component import most_sources
from rr_refine.plugins import create
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from rr_refine.reward.openai import create as openai
from rr_refine.reward.template import Template, builtin_template, save_template
from rr_refine.reward.weighted import WeightedReward

PICTURES = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
BEST = {"text_faithfulness": 4.0, "image_faithfulness": 4.0, "physical_quality": 4.0}
GOOD = BEST | {"text_faithfulness": 2.0}


class Sees(FakeCritic):
    """Takes so many pictures at once, and notes what it got."""

    def __init__(self, most: int | None, *script: object) -> None:
        super().__init__(FakeCriticOptions.model_validate({"script": script or (BEST,)}))
        self.most_sources = most
        self.seen: list[list[object]] = []

    def note(self, request: CritiqueRequest | ComparisonRequest) -> None:
        self.seen.append([picture.getpixel((0, 0)) for picture in request.sources])

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.note(request)
        return await super().critique(request)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        self.note(request)
        return await super().compare(request)


async def run_with(critic: FakeCritic, out: Path, rounds: int = 1) -> tuple[Run, list[str]]:
    events: list[Event] = []
    run = await arefine(
        "put 2 into 1",
        image=PICTURES,
        generator="fake",
        critic=critic,
        policy=preset("refine", budget={"rounds": rounds}),
        out=out,
        on_event=events.append,
    )
    return run, [
        e.text for e in events if isinstance(e, Notice) and e.text.startswith("the critic")
    ]


@pytest.mark.parametrize(
    ("most", "unseen", "stop"),
    [
        (1, ("picture 2", "picture 3"), "unjudged"),
        (2, ("picture 3",), "unjudged"),
        (3, (), "target"),
        (None, (), "target"),
    ],
)
async def test_what_it_does_not_see_is_unjudged(
    most: int | None, unseen: tuple[str, ...], stop: str, tmp_path: Path
) -> None:
    critic = Sees(most)
    run, told = await run_with(critic, tmp_path)
    colours = [picture.getpixel((0, 0)) for picture in PICTURES]
    assert critic.seen == [colours[:most]]
    assert run.outcome is not None and run.outcome.stop.rule == stop
    assert run.candidates[0].unjudged == unseen
    assert bool(told) == bool(unseen)
    assert all("so the target cannot be reached" in text for text in told)


async def test_a_comparison_sees_them_too(tmp_path: Path) -> None:
    critic = Sees(None, GOOD, GOOD)
    await run_with(critic, tmp_path, rounds=2)
    assert [len(pictures) for pictures in critic.seen] == [3, 3, 3]


async def test_a_critic_that_says_nothing_sees_the_first(tmp_path: Path) -> None:
    run, _ = await run_with(
        FakeCritic(FakeCriticOptions.model_validate({"script": [BEST]})), tmp_path
    )
    assert run.candidates[0].unjudged == ("picture 2", "picture 3")


def test_who_takes_how_many(tmp_path: Path) -> None:
    taught = Template(name="taught", rubrics=builtin_template().rubrics)
    imported = str(save_template(taught, tmp_path))
    assert most_sources(openai(base_url="http://localhost:1", model="m")) is None
    assert most_sources(openai(base_url="http://localhost:1", model="m", template=imported)) == 1
    assert most_sources(create("critics", "sketch", {})) == 1
    several: JsonValue = {"use": "openai", "base_url": "http://localhost:1", "model": "m"}
    fake: JsonValue = {"use": "fake"}
    for parts, most in (([several, fake], None), ([fake], 1)):
        mixed = create("critics", "weighted", {"rewards": parts})
        assert isinstance(mixed, WeightedReward)
        assert most_sources(mixed) == most
