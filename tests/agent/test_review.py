"""A human in the loop: every decision, and a kill before and after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.events import ReviewRequested
from rr_refine.agent.job import Job
from rr_refine.agent.policy import Policy
from rr_refine.agent.refine import make_job
from rr_refine.agent.review import (
    Accept,
    Decision,
    EditPrompt,
    Keep,
    Pick,
    Quit,
    Reject,
    Reseed,
    ReviewRequest,
    read_decision,
)
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.run_context import folder_for
from rr_refine.agent.session import Reviewer, run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import ConfigError
from rr_refine.terms import Identity
from tests.agent.records import items, lines, only_run, record
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, generator, policy, run
from tests.commands import Commands

REVIEWED = policy(review=True, rewriters=("rules",))


class Human:
    """Decides as planned, and remembers the questions; accepts what comes after the plan."""

    def __init__(self, *decisions: Decision) -> None:
        self._decisions: Iterator[Decision] = iter(decisions)
        self.questions: list[ReviewRequest] = []

    async def __call__(self, question: ReviewRequest) -> Decision:
        self.questions.append(question)
        return next(self._decisions, Accept())

    @property
    def prompts(self) -> list[str]:
        return [q.proposal.prompt for q in self.questions]


async def reviewed(out: Path, *decisions: Decision, **options: Any) -> tuple[Run, Human]:
    human = Human(*decisions)
    return await run(out, reviewer=human, **{"policy": REVIEWED} | options), human


async def test_accept(tmp_path: Path) -> None:
    done, human = await reviewed(tmp_path)
    (question,) = human.questions
    assert (question.round, question.original) == (1, "three red hats")
    assert question.incumbent == question.candidates[0] == done.candidates[0]
    assert done.candidates[1].prompt == question.proposal.prompt
    assert done.candidates[1].origin == "rules"
    assert [e.type for e in done.events() if e.type.startswith("review")] == [
        "review-requested",
        "reviewed",
    ]


async def test_edit(tmp_path: Path) -> None:
    done, _ = await reviewed(tmp_path, EditPrompt(prompt="a blue cat instead"))
    assert done.candidates[1].prompt == "a blue cat instead"  # the human may break any rule
    assert done.candidates[1].origin == "human"
    assert done.request.prompt == "three red hats"


async def test_reject_with_a_reason(tmp_path: Path) -> None:
    done, human = await reviewed(
        tmp_path, Reject(reason="make it night"), Reject(reason="no moon, though")
    )
    first, second, third = human.prompts
    assert len({first, second, third}) == 3
    assert "Make it night." in second
    assert "Make it night." in third
    assert "No moon, though." in third
    assert done.candidates[1].prompt == third
    assert len(done.candidates) == 2  # a rejected proposal is never rendered


class Stuck:
    """A rewriter with one idea, whatever anybody says."""

    identity = Identity(kind="stuck", name="stuck")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        return Rewrites(proposals=(Rewrite(prompt="three red hats on a table"),))


async def test_reject_until_there_is_nothing_left(tmp_path: Path) -> None:
    done, human = await reviewed(tmp_path, Reject(reason="no table"), rewriters=[Stuck()])
    assert human.prompts == ["three red hats on a table"]
    assert done.outcome is not None
    assert done.outcome.stop.rule == "repeated-prompt"
    assert len(done.candidates) == 1


async def test_keep(tmp_path: Path) -> None:
    done, human = await reviewed(
        tmp_path, Keep(text="felt brim"), policy=policy(rounds=3, review=True, rewriters=("rules",))
    )
    first, second, third = human.prompts
    assert "felt brim" not in first
    assert "Felt brim." in second
    assert "Felt brim." in third  # in every round from now on
    assert [c.prompt for c in done.candidates] == ["three red hats", second, third]


async def test_keep_what_no_rewriter_takes_up(tmp_path: Path) -> None:
    done, human = await reviewed(tmp_path, Keep(text="felt brim"), rewriters=[Stuck()])
    assert len(human.prompts) == 1
    assert done.outcome is not None
    assert done.outcome.stop.rule == "repeated-prompt"
    assert "it lost the kept 'felt brim'" in done.outcome.stop.reason


async def test_a_reason_is_honoured_by_what_the_critic_wrote_before(tmp_path: Path) -> None:
    both = policy(review=True, rewriters=("critic", "rules"))
    _, human = await reviewed(tmp_path, Reject(reason="make it night"), policy=both)
    # The best picture is judged again, so that the critic, too, asks for what was remarked.
    assert human.questions[1].proposal.origin == "critic"
    assert human.prompts[1].startswith("three red hats. Make it night")


async def test_keep_what_is_there(tmp_path: Path) -> None:
    # The proposal held the words, so the same one is asked about again: only a reject refuses it.
    done, human = await reviewed(tmp_path, Keep(text="red hats"))
    assert len(human.prompts) == 2
    assert len(set(human.prompts)) == 1
    assert all("red hats" in prompt for prompt in human.prompts)
    assert done.candidates[1].prompt == human.prompts[1]


async def test_pick(tmp_path: Path) -> None:
    twice = policy(review=True, rewriters=("rules",), candidates=2)
    plain, before = await reviewed(tmp_path / "plain", policy=twice)
    best = before.questions[0].incumbent
    assert best is not None
    other = {"r0c0": "r0c1", "r0c1": "r0c0"}[best.id]
    done, human = await reviewed(tmp_path, Pick(candidate=other), Quit(), policy=twice)
    assert human.questions[1].incumbent is not None
    assert human.questions[1].incumbent.id == other
    assert done.outcome is not None
    assert done.best is not None
    assert done.best == done.outcome.best
    assert done.best.id == other
    assert done.best.verdict is not None
    assert done.best.verdict.rule == "picked"
    assert done.result_path is not None
    with RunFolder(done.path, lock=False) as folder:
        assert done.best.image is not None
        stored = folder.image_path(done.best.image).read_bytes()
    assert done.result_path.read_bytes() == stored
    assert plain.candidates[0].image == done.candidates[0].image


async def test_a_pick_is_the_result_at_once(tmp_path: Path) -> None:
    """Also where the run is left before its next round."""
    twice = policy(review=True, rewriters=("rules",), candidates=2)
    asked: list[str] = []

    async def pick_and_leave(question: ReviewRequest) -> Decision:
        if asked:
            raise asyncio.CancelledError
        assert question.incumbent is not None
        asked.append(question.incumbent.id)
        return Pick(candidate={"r0c0": "r0c1", "r0c1": "r0c0"}[question.incumbent.id])

    with pytest.raises(asyncio.CancelledError):
        await run(tmp_path, policy=twice, reviewer=pick_and_leave)
    left = load_run(only_run(tmp_path))
    assert left.outcome is None
    assert left.best is not None
    assert left.best.id != asked[0]
    assert left.best.image is not None
    assert left.result_path is not None
    with RunFolder(left.path, lock=False) as folder:
        stored = folder.image_path(left.best.image)
    assert left.result_path.read_bytes() == stored.read_bytes()
    done = await run(tmp_path, policy=twice, reviewer=Human(Quit()))
    assert done.path == left.path
    assert done.best is not None
    assert done.best.id == left.best.id


async def test_pick_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidate 'r7c7' cannot be picked; there are r0c0"):
        await reviewed(tmp_path, Pick(candidate="r7c7"))
    left = load_run(only_run(tmp_path))
    assert left.status == "failed"
    done, human = await reviewed(tmp_path)  # it was not written down, so it is asked again
    assert done.path == left.path
    assert len(human.questions) == 1


async def test_reseed(tmp_path: Path) -> None:
    making = UnreliableGenerator()
    done, human = await reviewed(tmp_path, Reseed(seed=77), generator=making)
    assert [r.seed for r in making.requests] == [0, 77]
    assert done.candidates[1].prompt == human.prompts[0]
    assert done.request.seed == 0


async def test_stop(tmp_path: Path) -> None:
    done, _ = await reviewed(tmp_path, Quit(reason="good enough"))
    assert done.outcome is not None
    assert (done.outcome.stop.rule, done.outcome.stop.reason) == ("user", "good enough")
    assert done.best == done.candidates[0]
    assert done.outcome.ok


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "dance"},
        {"action": "edit"},
        {"action": "edit", "prompt": ""},
        {"action": "reject"},
        {"action": "reseed", "seed": -1},
        {"action": "accept", "prompt": "and more"},
        "accept",
        None,
    ],
)
def test_what_is_no_decision(wrong: object) -> None:
    with pytest.raises(ConfigError) as told:
        read_decision(wrong)
    assert "\n" not in str(told.value)
    assert "pydantic" not in str(told.value)


async def test_review_needs_a_reviewer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reviewer"):
        await run(tmp_path, policy=REVIEWED)


def job() -> Job:
    return make_job(
        "three red hats", generator=generator(), critic=UnreliableCritic(), policy=REVIEWED
    )


async def session(folder: RunFolder, reviewer: Reviewer | None = None) -> list[str]:
    async with aclosing(run_job(folder, job(), reviewer=reviewer)) as events:
        return [event.type async for event in events if not isinstance(event, ReviewRequested)]


async def test_without_a_reviewer_a_run_waits_and_goes_on_later(tmp_path: Path) -> None:
    with folder_for(job(), tmp_path) as folder:
        assert (await session(folder))[-1] == "rewritten"
        path = folder.path
    assert load_run(path).status == "waiting"
    kept = items(path)
    for _ in range(2):  # nobody has decided yet
        with folder_for(job(), tmp_path) as folder:
            assert folder.path == path
            assert await session(folder) == []
    assert load_run(path).status == "waiting"
    assert items(path) == kept
    human = Human(EditPrompt(prompt="three tall red hats"))
    with RunFolder(path) as folder:
        assert (await session(folder, human))[-1] == "run-finished"
    done = load_run(path)
    assert done.status == "done"
    assert done.candidates[1].prompt == "three tall red hats"
    assert len(human.questions) == 1


# -- killed: the child calls `reviewed_run`, see tests.command_server ----------------------------

DECISIONS: list[Decision] = [Reject(reason="make it night"), Pick(candidate="r0c0"), Accept()]


def reviewed_run(arguments: list[str]) -> None:
    decided_run(arguments, REVIEWED, DECISIONS)


def decided_run(arguments: list[str], policy: Policy, decisions: Sequence[Decision]) -> None:
    """A program's run whose reviewer decides as planned, by the number of questions so far."""
    out, log = map(Path, arguments)

    async def decide(question: ReviewRequest) -> Decision:
        with log.open("a") as file:
            print(json.dumps(question.model_dump(mode="json")), file=file)
        # A question that was asked before the kill is asked in the same words after it.
        return decisions[len({json.dumps(asked) for asked in lines(log)}) - 1]

    asyncio.run(run(out, policy=policy, reviewer=decide))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    folder = tmp_path_factory.mktemp("reviewed")
    reviewed_run([str(folder / "runs"), str(folder / "log")])
    assert len(lines(folder / "log")) == 3
    return record(only_run(folder / "runs"))


@pytest.mark.parametrize(
    ("point", "asked_again"),
    [
        ("before:put-review:1", 1),
        ("torn:put-review:2", 1),
        ("after:put-review:1", 0),
        ("after:put-review:2", 0),
        ("after:put-review:3", 0),
        ("after:review:2", 0),
        ("before:rewrite:2", 0),
        ("before:generate:2", 0),
    ],
)
def test_a_decision_is_asked_for_once(
    commands: Commands,
    point: str,
    asked_again: int,
    uninterrupted: dict[tuple[str, str], Any],
) -> None:
    out, log = commands.folder / "runs", commands.folder / "log"
    program = "tests.agent.test_review:reviewed_run"
    killed = commands.run(str(out), str(log), program=program, kill=point)
    assert killed.code == -9, killed.stderr
    ended = commands.run(str(out), str(log), program=program)
    assert ended.code == 0, ended.stderr
    assert len(lines(log)) == 3 + asked_again
    assert record(only_run(out)) == uninterrupted
    kinds = [kind for kind, _, _ in items(only_run(out))]
    assert kinds.count("render") == 2
    assert kinds.count("critique") == 3  # the first picture once more, by what the remark asks for


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("accept", "reviewer= gave 'accept', which is no decision"),
        ({"action": "nope"}, "which is no decision"),
        (None, "reviewer= gave None"),
    ],
)
async def test_what_is_no_decision_is_told(tmp_path: Path, answer: object, words: str) -> None:
    async def reviewer(question: ReviewRequest) -> Any:
        return answer

    with pytest.raises(ConfigError, match=words):
        await run(tmp_path, policy=REVIEWED, reviewer=reviewer)


async def test_a_decision_may_be_given_as_json(tmp_path: Path) -> None:
    async def reviewer(question: ReviewRequest) -> Any:
        return {"action": "accept"}

    done = await run(tmp_path, policy=REVIEWED, reviewer=reviewer)
    assert len(done.candidates) > 1


async def test_a_reviewer_is_asynchronous(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be an async function"):
        await run(tmp_path, policy=REVIEWED, reviewer=lambda _: Accept())
