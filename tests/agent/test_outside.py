"""Requests of which generator or critic understand nothing at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.events import Event, Notice, RunStarted
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.refine import arefine
from rr_refine.agent.replay import replay
from rr_refine.agent.run import Run, load_run
from rr_refine.component import Examples, examples_of, is_outside, outsiders
from rr_refine.errors import ConfigError, CriticUnavailable, CriticUnreadable
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.real_models import WAYS
from rr_refine.request import Request
from rr_refine.reward.fake import FakeCritic
from tests.agent.whole import UnreliableCritic

RED = "a red hat"
CAT = "a cat"


class KnowsRed:
    """Knows red things only."""

    examples = Examples(t2i="a red hat")

    def is_outside(self, request: Request, source: Image.Image | None) -> bool:
        if source is not None and source.getpixel((0, 0)) != (255, 0, 0):
            return True
        return "red" not in request.prompt


class Generator(KnowsRed, FakeGenerator):
    def __init__(self) -> None:
        super().__init__(FakeOptions(width=48, height=32))


class Critic(KnowsRed, UnreliableCritic): ...


async def run(
    out: Path, prompt: str = CAT, *, policy: Policy | None = None, **parts: Any
) -> tuple[Run, list[Event]]:
    events: list[Event] = []
    given: dict[str, Any] = {"generator": Generator(), "critic": Critic()} | parts
    done = await arefine(
        prompt, out=out, policy=policy or preset("refine"), on_event=events.append, **given
    )
    return done, events


@pytest.mark.parametrize("name", ["refine", "best-of-n", "one-shot", "blind-rewrite-best-of-n"])
async def test_one_picture_is_made_of_it(tmp_path: Path, name: str) -> None:
    done, events = await run(tmp_path, policy=preset(name, target=None))
    assert len(done.candidates) == 1
    assert done.outcome is not None and done.outcome.ok
    assert done.outcome.stop.rule == "unjudged"
    assert "the generator and critic know no such thing" in done.outcome.stop.reason
    started = next(event for event in events if isinstance(event, RunStarted))
    assert (started.outside, started.ways) == ("generator and critic", WAYS)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert any("so that one picture is made of it" in text for text in told)
    assert any(text.endswith("understands: a red hat") for text in told)
    assert any("rr-refine doctor" in text for text in told)


async def test_it_is_in_the_record_and_in_the_report(tmp_path: Path) -> None:
    done, _ = await run(tmp_path)
    lines = (done.path / "events.jsonl").read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    assert first["outside"] == "generator and critic"
    assert first["ways"] == list(WAYS)
    assert load_run(done.path).candidates[0].outside == "generator and critic"
    assert done.report_path is not None
    report = done.report_path.read_text("utf-8")
    for words in ("one picture is made of it", "rr-refine doctor", "hf auth login", "Apache-2.0"):
        assert words in report


@pytest.mark.parametrize(("colour", "pictures"), [("blue", 1), ("red", 4)])
async def test_the_picture_to_edit_counts_as_well(
    tmp_path: Path, colour: str, pictures: int
) -> None:
    source = Image.new("RGB", (48, 32), colour)
    done, events = await run(
        tmp_path, RED, image=source, policy=preset("refine", target=None, patience=None)
    )
    assert len(done.candidates) == pictures
    told = [event.text for event in events if isinstance(event, Notice)]
    assert any("no such picture or thing" in text for text in told) is (pictures == 1)


@pytest.mark.parametrize(
    ("parts", "who"),
    [({"generator": FakeGenerator()}, "critic"), ({"critic": FakeCritic()}, "generator")],
)
async def test_one_of_both_is_enough(tmp_path: Path, parts: dict[str, Any], who: str) -> None:
    done, _ = await run(tmp_path, policy=preset("refine", target=4.0), **parts)
    assert [one.outside for one in done.candidates] == [who]


async def test_an_answer_that_is_no_critique_is_no_failure(tmp_path: Path) -> None:
    critic = Critic([CriticUnreadable("no critique", "a poem about cats")])
    done, _ = await run(tmp_path, critic=critic)
    assert done.outcome is not None and done.outcome.ok
    assert done.outcome.stop.rule == "unjudged"
    assert done.result_path is not None


@pytest.mark.parametrize(
    ("changes", "pictures"),
    [({"budget": {"rounds": 2}}, 2), ({"candidates": 3, "budget": {"rounds": 1}}, 3)],
)
async def test_what_was_set_on_purpose_is_done_and_told(
    tmp_path: Path, changes: dict[str, Any], pictures: int
) -> None:
    policy = preset("refine", target=None, **changes)
    assert policy.outside == "go-on"
    done, events = await run(tmp_path, policy=policy)
    assert len(done.candidates) == pictures
    told = [event.text for event in events if isinstance(event, Notice)]
    assert any("more pictures are made of it all the same" in text for text in told)


def test_what_was_set_on_purpose_can_be_overruled() -> None:
    assert preset("refine", candidates=3, outside="one-picture").outside == "one-picture"
    assert preset("refine").outside == "one-picture"
    assert preset("paper").outside == "go-on"
    with pytest.raises(ConfigError, match="outside = 'one-picture' has no place in the preset"):
        preset("paper", outside="one-picture")


async def test_others_are_as_before(tmp_path: Path) -> None:
    done, events = await run(tmp_path, RED, policy=preset("refine", target=None))
    assert len(done.candidates) > 1
    started = next(event for event in events if isinstance(event, RunStarted))
    assert "outside" not in started.model_dump(mode="json")
    assert "outside" not in done.candidates[0].model_dump(mode="json")


async def test_a_replay_stops_where_its_policy_does(tmp_path: Path) -> None:
    done, _ = await run(tmp_path, policy=preset("refine", target=None, budget={"rounds": 2}))
    stop = replay(done, preset("refine", target=None)).stop
    assert stop is not None and stop.rule == "unjudged"


def test_a_part_that_answers_wrongly_is_told() -> None:
    class OneWord:
        examples = "a red hat"

        def is_outside(self, request: Request, source: Image.Image | None) -> str:
            return "yes"

    with pytest.raises(ConfigError, match=r"is_outside\(request, source\) = 'yes' must be"):
        is_outside(OneWord(), Request(prompt=CAT))
    with pytest.raises(ConfigError, match=r"OneWord\.examples = 'a red hat' must be a "):
        examples_of(OneWord())
    assert outsiders(object(), object(), Request(prompt=CAT)) == ""


async def test_a_run_of_an_older_version_goes_on(tmp_path: Path) -> None:
    given: dict[str, Any] = {"run_id": "mine", "policy": preset("refine", budget={"rounds": 1})}
    done, _ = await run(tmp_path, RED, **given)
    path = done.path / "config.json"
    config = json.loads(path.read_text("utf-8"))
    assert config["policy"].pop("outside") == "go-on"
    path.write_text(json.dumps(config), "utf-8")
    again, _ = await run(tmp_path, RED, **given)
    assert again.candidates == done.candidates
    config["policy"]["outside"] = "one-picture"
    path.write_text(json.dumps(config), "utf-8")
    with pytest.raises(ConfigError, match="made with another policy"):
        await run(tmp_path, RED, **given)


async def test_what_is_to_be_done_otherwise_is_another_run(tmp_path: Path) -> None:
    gone = Critic([CriticUnavailable("it sleeps")])
    given: dict[str, Any] = {"policy": preset("refine", target=None), "critic": gone}
    with pytest.raises(CriticUnavailable):
        await run(tmp_path, **given)
    done, _ = await run(tmp_path, policy=preset("refine", target=None, outside="go-on"))
    assert len(done.candidates) > 1
    again, _ = await run(tmp_path, policy=preset("refine", target=None))
    assert len(again.candidates) == 1
    assert again.path != done.path
