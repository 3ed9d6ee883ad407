"""What generator and critic bring along, and an intent check of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.components import (
    as_critic,
    as_generator,
    as_intent_check,
    as_rewriter,
    make_chain,
)
from rr_refine.agent.events import RewriteRejected
from rr_refine.agent.history import Rejection
from rr_refine.agent.intent import IntentCheck, NoIntentCheck
from rr_refine.agent.policy import preset
from rr_refine.agent.refine import make_job
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.rewriting.rules import RulesRewriter
from rr_refine.agent.run import Run
from rr_refine.component import Companions
from rr_refine.errors import ConfigError
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.request import Request
from rr_refine.reward.fake import FakeCritic
from rr_refine.sketch.world.phrasing import read_scene
from rr_refine.terms import Identity
from tests.agent.whole import policy, run

HERE = __name__


class Planner:
    """Knows what its pair needs to hear."""

    identity = Identity(kind="planner", name="planner")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        prompt = context.request.prompt
        return Rewrites(proposals=(Rewrite(prompt=f"{prompt}, planned"), Rewrite(prompt="a wolf")))


class NoWolves:
    identity = Identity(kind="no-wolves", name="no-wolves")

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        return ("it asks for a wolf",) if "wolf" in prompt and "wolf" not in request.prompt else ()


class NotPlanned(NoWolves):
    identity = Identity(kind="not-planned", name="not-planned")

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        return ("it is planned",) if "planned" in prompt else ()


class Broken(NoWolves):
    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        raise KeyError("wolves")


COMPANIONS = Companions((f"{HERE}:Planner",), f"{HERE}:NoWolves")


class PairedGenerator(FakeGenerator):
    companions = COMPANIONS

    def __init__(self) -> None:
        super().__init__(FakeOptions(width=48, height=32))


class PairedCritic(FakeCritic):
    companions = COMPANIONS


def kinds(**parts: Any) -> list[str]:
    job = make_job("a cat", **parts)
    chain = [rewriter.identity.kind for rewriter in job.rewriters]
    check = job.intent_check
    return [*chain, *([f"check by {check.identity.kind}"] if check else [])]


@pytest.mark.parametrize(
    ("generator", "critic", "used"),
    [
        (PairedGenerator(), PairedCritic(), ["critic", "planner", "rules", "check by no-wolves"]),
        (PairedGenerator(), "fake", ["critic", "rules"]),
        ("fake", PairedCritic(), ["critic", "rules"]),
        ("fake", "fake", ["critic", "rules"]),
        # The models in the box are such a pair, and one of them with another is none.
        ("sketch", "sketch", ["critic", "sketch", "rules", "check by sketch"]),
        ("sketch", "fake", ["critic", "rules"]),
        ("fake", "sketch", ["critic", "rules"]),
        ("sketch", PairedCritic(), ["critic", "rules"]),
    ],
)
def test_only_a_pair_brings_companions(generator: Any, critic: Any, used: list[str]) -> None:
    assert kinds(generator=generator, critic=critic) == used


PAIR: dict[str, Any] = {"generator": PairedGenerator(), "critic": PairedCritic()}


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("paper", ["critic"]),
        ("blind-rewrite", ["planner", "rules"]),
        ("blind-rewrite-best-of-n", ["planner", "rules"]),
        ("one-shot", ["critic", "planner", "rules"]),
        ("rewrite-first", ["critic", "planner", "rules"]),
    ],
)
def test_in_the_other_presets(name: str, chain: list[str]) -> None:
    assert kinds(**PAIR, policy=name)[:-1] == chain


@pytest.mark.parametrize(
    ("given", "chain"),
    [
        (["rules"], ["rules"]),
        (["rules", "companions"], ["rules", "planner"]),
        (["companions", f"{HERE}:Planner"], ["planner"]),  # named by hand as well: once
        ([RulesRewriter(), "companions", "critic"], ["rules", "planner", "critic"]),
        ([], []),
    ],
)
def test_a_list_of_ones_own_is_taken_as_it_is(given: list[Any], chain: list[str]) -> None:
    made = make_chain(given, PAIR["generator"], PAIR["critic"])
    assert [rewriter.identity.kind for rewriter in made] == chain


def test_companions_alone_that_are_none_are_told() -> None:
    with pytest.raises(ConfigError, match="leaves none: this generator and this critic bring no"):
        make_job("a cat", generator="fake", critic="fake", rewriters=["companions"])


def test_the_intent_check_is_by_object_or_name_or_none() -> None:
    assert kinds(**PAIR, intent_check=NotPlanned())[-1] == "check by not-planned"
    assert kinds(**PAIR, intent_check=f"{HERE}:NotPlanned")[-1] == "check by not-planned"
    assert kinds(**PAIR, intent_check="none")[-1] == "check by none"
    assert isinstance(NoIntentCheck(), IntentCheck)
    with pytest.raises(ConfigError, match="unknown intent check 'nobody'"):
        make_job("a cat", **PAIR, intent_check="nobody")
    with pytest.raises(ConfigError, match=r"is no intent check: see the protocol rr_refine\.agent"):
        kinds(**PAIR, intent_check=RulesRewriter())


def rejected(done: Run) -> list[Rejection]:
    return [event.rejection for event in done.events() if isinstance(event, RewriteRejected)]


ROUNDS = policy(rounds=3, rewriters=("companions", "rules"))


async def test_a_pair_is_refined_with_its_companions(tmp_path: Path) -> None:
    done = await run(tmp_path, "a cat", policy=ROUNDS, **PAIR)
    said = [(c.prompt, c.round) for c in done.candidates]
    assert said[:2] == [("a cat", 0), ("a cat, planned", 1)]
    assert "a wolf" not in [c.prompt for c in done.candidates]
    rejections = [(r.rewriter, r.prompt, r.reason) for r in rejected(done)]
    assert ("planner", "a wolf", "it asks for a wolf") in rejections
    planner = Planner.identity.model_dump(mode="json")
    assert done.config["rewriters"] == [planner, RulesRewriter.identity.model_dump(mode="json")]
    assert done.config["intent_check"] == NoWolves.identity.model_dump(mode="json")


async def test_without_a_check_nothing_is_in_the_way(tmp_path: Path) -> None:
    done = await run(tmp_path, "a cat", policy=ROUNDS, **PAIR, intent_check="none")
    assert [c.prompt for c in done.candidates] == ["a cat", "a cat, planned", "a wolf"]


async def test_a_check_that_fails_lets_nothing_through(tmp_path: Path) -> None:
    done = await run(tmp_path, "a cat", policy=ROUNDS, **PAIR, intent_check=Broken())
    assert [c.prompt for c in done.candidates] == ["a cat"]
    assert {r.reason for r in rejected(done)} == {
        "the intent check 'no-wolves' raised KeyError: 'wolves'"
    }


class OneText(NoWolves):
    def problems(self, request: Request, prompt: str) -> str:  # type: ignore[override]
        return "it asks for a wolf"


class WrongKey(NoWolves):
    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        raise ConfigError("401: check the key")


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (
            OneText(),
            "the intent check 'no-wolves': problems(request, prompt) = 'it asks for a wolf' must "
            "be a tuple of str",
        ),
        (WrongKey(), "401: check the key"),
    ],
)
async def test_a_check_that_answers_wrongly_is_told(
    tmp_path: Path, check: IntentCheck, reason: str
) -> None:
    done = await run(tmp_path, "a cat", policy=ROUNDS, **PAIR, intent_check=check)
    assert [c.prompt for c in done.candidates] == ["a cat"]
    assert {r.reason for r in rejected(done)} == {reason}


class Nobody:
    """Has the method of every part, and no identity."""

    tasks = frozenset({"t2i"})

    async def generate(self, request: object, *, on_step: object = None) -> None: ...

    async def critique(self, request: object) -> None: ...

    async def rewrite(self, context: object) -> None: ...

    def problems(self, request: object, prompt: str) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(
    ("make", "noun"),
    [
        (as_generator, "generator"),
        (as_critic, "critic"),
        (as_rewriter, "rewriter"),
        (as_intent_check, "intent check"),
    ],
)
def test_a_part_without_identity_is_told(make: Callable[[object], object], noun: str) -> None:
    with pytest.raises(ConfigError, match=rf"^the {noun} .* has no attribute 'identity': see the"):
        make(Nobody())


def test_a_generator_without_tasks_is_told() -> None:
    class Taskless:
        identity = Identity(kind="taskless", name="taskless")
        generate = Nobody.generate

    with pytest.raises(ConfigError, match="has no attribute 'tasks'"):
        as_generator(Taskless())


def test_an_identity_that_is_not_known_yet_is_not_asked_for() -> None:
    class Later(Nobody):
        @property
        def identity(self) -> Identity:
            raise ConfigError("connect first")

    class OfItsOwn(Nobody):
        def __init__(self) -> None:
            self.identity = None

    class WhenConnected(Nobody):
        async def connect(self) -> None:
            self.identity = Identity(kind="later", name="later")

    class InFront:
        critique = Nobody.critique

        def __getattr__(self, name: str) -> object:
            return getattr(Planner, name)

    parts: list[object] = [Later(), OfItsOwn(), WhenConnected(), InFront()]
    for part in parts:
        assert as_critic(part) is part


@pytest.mark.parametrize("name", ["refine", "blind-rewrite"])
@pytest.mark.parametrize("prompt", ["a red heart", "three red circles left of a blue star"])
@pytest.mark.parametrize("rewriters", [None, ["rules"]])
async def test_others_never_meet_the_small_world(
    tmp_path: Path, name: str, prompt: str, rewriters: list[str] | None
) -> None:
    """The planner of the models in the box would say such a request as a whole scene."""
    own = preset(name, **({"target": 4.0, "patience": None} if name == "refine" else {}))
    chosen = {} if rewriters is None else {"rewriters": rewriters}
    done = await run(tmp_path, prompt, generator="fake", critic="fake", policy=own, **chosen)
    prompts = [candidate.prompt for candidate in done.candidates]
    assert len(prompts) > 1 or name != "refine"
    assert not any(map(read_scene, prompts))
    assert read_scene("white background; a large red heart at the center") is not None
