"""Whole runs: every preset, any prompt, any picture, every budget."""

from __future__ import annotations

import asyncio
import re
import threading
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from PIL.Image import Image

from rr_refine.agent.events import Event, StepDone
from rr_refine.agent.policy import preset
from rr_refine.agent.refine import make_job
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.store.png import read_metadata
from rr_refine.errors import ConfigError, CriticUnavailable, GeneratorError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from tests.agent.records import only_run
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, generator, policy, run


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


@pytest.mark.parametrize(
    ("name", "renders", "accepted"),
    [
        ("one-shot", 1, ["r0c0"]),
        ("best-of-n", 4, ["r0c0", "r0c2"]),
        ("blind-rewrite", 1, ["r0c0"]),
        ("blind-rewrite-best-of-n", 4, ["r0c0", "r0c2"]),
        ("paper", 2, ["r0c0", "r1c0"]),
        ("refine", 2, ["r0c0", "r1c0"]),
        ("rewrite-first", 2, ["r0c0", "r1c0"]),
    ],
)
async def test_presets(tmp_path: Path, name: str, renders: int, accepted: list[str]) -> None:
    making, judging = UnreliableGenerator(), UnreliableCritic()
    done = await run(tmp_path, generator=making, critic=judging, policy=name)
    assert done.outcome is not None
    assert len(making.requests) == len(judging.requests) == renders
    assert done.outcome.spend.images == renders
    assert [c.id for c in done.candidates if c.verdict and c.verdict.accepted] == accepted
    assert done.best is not None
    means = {c.id: c.mean or 0.0 for c in done.candidates}
    assert done.best.id == accepted[-1] == max(accepted, key=lambda name: means[name])
    if "best-of-n" in name:
        assert means[done.best.id] == max(means.values())
        assert len({r.seed for r in making.requests}) == renders
    first = making.requests[0].prompt
    assert (first != "three red hats") == preset(name).rewrite_first
    assert first.startswith("three red hats")
    assert {r.prompt for r in judging.requests} == {"three red hats"}


async def test_the_paper_takes_the_refined_image_as_it_is(tmp_path: Path) -> None:
    """By the scores of this seed the refined image is worse: the paper ships it all the same."""
    done = await run(tmp_path, critic=UnreliableCritic(seed=5), policy="paper")
    first, second = done.candidates
    assert first.mean is not None
    assert second.mean is not None
    assert second.mean < first.mean
    assert (second.origin, second.seed) == ("critic", first.seed)
    assert done.best == second


async def test_the_paper_stops_where_nothing_is_wrong(tmp_path: Path) -> None:
    done = await run(tmp_path, critic=UnreliableCritic(seed=4), policy="paper")
    assert done.outcome is not None
    assert done.outcome.stop.rule == "target"
    assert len(done.candidates) == 1


async def test_events_are_streamed_as_they_are_recorded(tmp_path: Path) -> None:
    streamed: list[Event] = []
    done = await run(tmp_path, on_event=streamed.append, policy=policy(candidates=2))
    steps = [e for e in streamed if isinstance(e, StepDone)]
    assert {s.candidate for s in steps} == {"r0c0", "r0c1", "r1c0", "r1c1"}
    assert tuple(e for e in streamed if not isinstance(e, StepDone)) == done.events()
    assert [e.type for e in done.events()] == [
        "run-started",
        *("round-started", "rendered", "rendered", "judged", "judged"),
        *("compared", "decided", "decided", "rewritten"),
        *("round-started", "rendered", "rendered", "judged", "judged"),
        *("decided", "decided", "run-finished"),
    ]
    assert [e.time for e in done.events()] == sorted(e.time for e in done.events())


async def test_a_prompt_that_comes_again_gets_the_next_seeds(tmp_path: Path) -> None:
    class Stubborn(UnreliableCritic):
        """It has one idea, and nothing is ever good enough for it."""

        async def critique(self, request: CritiqueRequest) -> Assessment:
            told = await super().critique(request)
            only = [
                c.model_copy(update={"refined_request": "three red hats on a shelf"})
                for c in told.critiques
            ]
            return told.model_copy(update={"critiques": tuple(only)})

    def seeds(done: Run) -> list[tuple[str, int]]:
        return [(c.prompt, c.seed) for c in done.candidates]

    fixed = {"target": None, "patience": None, "rewriters": ("critic",), "candidates": 2}
    again = preset("refine", budget={"rounds": 3}, seeds="on-repeat", **fixed)
    same = preset("refine", budget={"rounds": 3}, seeds="same", **fixed)
    one, new = "three red hats", "three red hats on a shelf"
    done = await run(tmp_path / "again", prompt=one, seed=7, critic=Stubborn(), policy=again)
    assert seeds(done) == [(one, 7), (one, 8), (new, 7), (new, 8), (new, 9), (new, 10)]
    done = await run(tmp_path / "same", prompt=one, seed=7, critic=Stubborn(), policy=same)
    assert seeds(done) == [(one, 7), (one, 8), (new, 7), (new, 8)]


class Elsewhere(UnreliableGenerator):
    """Tells its steps from a thread, and from a task of its own, as batching generators do."""

    async def generate(self, request: RenderRequest, *, on_step: OnStep | None = None) -> Image:
        assert on_step is not None
        thread = threading.Thread(target=on_step, args=(1, 2))
        thread.start()
        thread.join()
        told = asyncio.Event()

        def tell() -> None:
            on_step(2, 2)
            told.set()

        asyncio.get_running_loop().call_soon(tell, context=Context())
        await told.wait()
        return await super().generate(request)


async def test_steps_may_be_told_from_anywhere(tmp_path: Path) -> None:
    streamed: list[Event] = []
    await run(tmp_path, on_event=streamed.append, generator=Elsewhere(), policy="one-shot")
    assert [e.step for e in streamed if isinstance(e, StepDone)] == [1, 2]


async def test_what_the_picture_says_of_itself(tmp_path: Path) -> None:
    done = await run(tmp_path)
    assert done.best is not None
    assert done.best.image is not None
    assert done.result_path is not None
    story = read_metadata(done.result_path.read_bytes())
    assert story == read_metadata(
        (done.path / f"images/{done.best.image[:2]}/{done.best.image}.png").read_bytes()
    )
    assert story is not None
    assert story["prompt"] == done.best.prompt
    assert story["request"] == "three red hats"
    assert story["scores"] == done.best.scores
    assert story["run"] == done.path.name
    assert story["accepted"] is True


async def test_every_number_can_be_traced_to_the_critics_words(tmp_path: Path) -> None:
    done = await run(tmp_path, policy=policy(candidates=2))
    for candidate in done.candidates:
        said = done.assessment(candidate)
        assert said is not None
        assert said.mean == candidate.scores
        for critique in said.critiques:
            for score in critique.scores.values():
                assert score is None or f"Score: {score}" in critique.raw


PROMPTS = {
    "image tag": "<image> <|vision_start|> <image>",
    "markup": "<script>alert('&amp;')</script> & <b>bold</b>",
    "escapes": "a cat \x1b[31mred\x1b]0;title\x07 \x9b2J and \r overwritten",
    "path": "../../etc/passwd /../.. C:\\con\\nul ~root $HOME",
    "huge": "very " * 20_000 + "big cat",
    "nul": "a cat\0and a dog",
    "emoji": "👩‍👩‍👧‍👦 on 🏖️ with 🏳️‍🌈",
    "right to left": "قطة حمراء \u202e evil \u2066 שלום",
    "quotes": "\"''\"“”«»",
    "lines": "\n\n a cat \n\t on a mat\u2028 here \n",
    "braces": "{prompt} %s {0} ${HOME} `id`",
    "lora": "a cat <lora:style:0.8> (red hat:1.3)",
    "dots": ". . .",
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
async def test_any_prompt_is_judged_as_it_was_typed(tmp_path: Path, prompt: str) -> None:
    critic = UnreliableCritic()
    generator = UnreliableGenerator()
    done = await run(tmp_path, prompt, critic=critic, generator=generator)
    assert {request.prompt for request in critic.requests} == {prompt}
    assert generator.requests[0].prompt == prompt
    assert load_run(done.path).request.prompt == prompt
    assert done.path.parent == tmp_path
    assert re.fullmatch(r"[a-z0-9-]{1,80}", done.path.name)
    story = read_metadata(done.path.joinpath("result.png").read_bytes())
    assert story is not None
    assert story["request"] == prompt
    assert done.events()[0].type == "run-started"


@pytest.mark.parametrize("prompt", ["", " ", "\n\t", "\u3000"])
async def test_a_blank_prompt_is_a_mistake(tmp_path: Path, prompt: str) -> None:
    with pytest.raises(ConfigError, match="blank"):
        await run(tmp_path, prompt)
    assert is_empty(tmp_path)


async def test_half_a_character_is_a_mistake(tmp_path: Path) -> None:
    for options in ({"prompt": "a cat \ud800"}, {"keep": ["\udcff"]}, {"avoid": ["\udcff"]}):
        with pytest.raises(ConfigError, match="no text"):
            await run(tmp_path, **options)
    assert is_empty(tmp_path)


BUDGETS: list[tuple[dict[str, object], dict[str, object], int]] = [
    ({"images": 3}, {"candidates": 2}, 3),
    ({"images": 1}, {"candidates": 4}, 1),
    ({"critic_calls": 2}, {}, 2),
    ({"critic_calls": 3}, {"candidates": 2}, 4),
    ({"tokens": 150}, {}, 2),
    ({"seconds": 0.001}, {}, 0),
]


@pytest.mark.parametrize(("budget", "changes", "images"), BUDGETS)
async def test_a_budget_ends_the_run_with_the_best_so_far(
    tmp_path: Path, budget: dict[str, object], changes: dict[str, object], images: int
) -> None:
    limits = policy(rounds=9, budget=budget, pairwise=False, **changes)
    going = run(tmp_path, policy=limits)
    if images == 0:
        with pytest.raises(GeneratorError, match="the seconds of the budget ended"):
            await going
        failed = load_run(only_run(tmp_path)).outcome
        assert failed is not None
        assert failed.stop.rule == "budget"
        return
    done = await going
    assert done.outcome is not None
    assert done.outcome.stop.rule == "budget"
    assert done.outcome.ok
    assert done.outcome.spend.images == images
    means = [c.mean for c in done.candidates if c.mean is not None]
    assert means
    assert done.best is not None
    assert done.best.mean in means
    if "critic_calls" in budget:
        assert done.outcome.spend.critic_calls == budget["critic_calls"]
    for candidate in done.candidates:  # what could not be judged says so, and is no fault
        assert candidate.scores or (candidate.failure and candidate.failure.error == "OutOfBudget")


async def test_seconds_end_a_render_in_the_middle(tmp_path: Path) -> None:
    class Slower(UnreliableGenerator):
        async def generate(self, request: RenderRequest, *, on_step: OnStep | None = None) -> Image:
            picture = await super().generate(request, on_step=on_step)
            if len(self.requests) > 1:
                await asyncio.sleep(60)
            return picture

    limits = policy(rounds=9, budget={"seconds": 1.0})
    done = await run(tmp_path, generator=Slower(), policy=limits)
    assert done.outcome is not None
    assert done.outcome.stop.rule == "budget"
    assert 1.0 <= done.outcome.spend.seconds < 30
    assert done.best == done.candidates[0]
    assert done.candidates[1].failure is not None
    assert done.candidates[1].failure.error == "OutOfBudget"


async def test_a_resumed_run_has_no_new_budget(tmp_path: Path) -> None:
    """Seconds that were spent before a crash count, though the checkpoints are lost."""
    limits = policy(rounds=9, budget={"seconds": 1.0})
    dying = UnreliableCritic([CriticUnavailable("gone")])
    slow = generator(seconds=0.8)
    first = await run(tmp_path, generator=slow, critic=dying, policy=limits)
    done = await run(tmp_path, generator=slow, policy=limits)
    assert done.path == first.path
    assert done.outcome is not None
    assert done.outcome.stop.rule == "budget"
    assert len([c for c in done.candidates if c.image]) == 1


def photo(colour: str = "red") -> Picture.Image:
    picture = Picture.new("RGB", (40, 30), colour)
    picture.paste((0, 0, 0), (0, 0, 20, 15))
    return picture


async def test_every_round_of_an_edit_starts_from_the_users_picture(tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.png")
    making, judging = UnreliableGenerator(), UnreliableCritic()
    edited: dict[str, Any] = {
        "image": tmp_path / "photo.png",
        "generator": making,
        "critic": judging,
    }
    done = await run(tmp_path / "runs", "make it night", **edited, policy=policy(rounds=3))
    assert done.request.task == "edit"
    assert len(making.requests) == 3
    for source in [r.source for r in making.requests] + [r.source for r in judging.requests]:
        assert source is not None
        assert source.tobytes() == photo().tobytes()
    assert all("image_faithfulness" in (c.scores or {}) for c in done.candidates)

    again = await run(tmp_path / "runs", "make it night", **edited, policy=policy(rounds=3))
    assert again.request == done.request
    photo("blue").save(tmp_path / "photo.png")
    other = await run(tmp_path / "runs", "make it night", **edited, policy=policy(rounds=3))
    assert other.request.source != done.request.source


async def test_an_interrupted_edit_of_a_changed_picture_is_another_run(tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.png")
    dying = UnreliableCritic([None, CriticUnavailable("gone")])
    runs = tmp_path / "runs"
    first = await run(runs, image=tmp_path / "photo.png", critic=dying)
    photo("blue").save(tmp_path / "photo.png")
    second = await run(runs, image=tmp_path / "photo.png")
    assert second.path != first.path
    photo().save(tmp_path / "copy of the first.bmp")
    third = await run(runs, image=tmp_path / "copy of the first.bmp")
    assert third.path == first.path


def test_pictures_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    whole = tmp_path / "whole.png"
    Picture.effect_noise((400, 400), 90).save(whole)
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:5000])
    for name, words in {
        "missing.png": "does not exist",
        "text.png": "cannot be read",
        "half.png": "cannot be read",
        ".": "cannot be read",
    }.items():
        with pytest.raises(ConfigError, match=words):
            make_job("brighter", image=tmp_path / name)


ODD: dict[str, tuple[Picture.Image, dict[str, Any]]] = {
    "grey16.png": (Picture.new("I;16", (40, 30), 30_000), {}),
    "cmyk.tif": (Picture.new("CMYK", (40, 30), (0, 99, 99, 0)), {}),
    "cmyk.jpg": (Picture.new("CMYK", (40, 30), (0, 99, 99, 0)), {}),
    "moving.gif": (photo(), {"save_all": True, "append_images": [photo("blue")]}),
    "palette.png": (photo().convert("P"), {"transparency": 0}),
    "alpha.webp": (photo().convert("RGBA"), {}),
    "float.tif": (Picture.new("F", (40, 30), 120.0), {}),
    "one bit.png": (Picture.new("1", (40, 30), 1), {}),
}


@pytest.mark.parametrize("name", ODD)
async def test_pictures_of_any_kind_can_be_edited(tmp_path: Path, name: str) -> None:
    picture, how = ODD[name]
    picture.save(tmp_path / name, **how)
    generator = UnreliableGenerator()
    done = await run(tmp_path / "runs", image=tmp_path / name, generator=generator)
    source = generator.requests[0].source
    assert source is not None
    assert (source.mode, source.size) == ("RGB", (40, 30))
    assert done.result_path is not None
