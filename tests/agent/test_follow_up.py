"""What follows a picture: the same run goes on, or a new one begins with it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rr_refine
from rr_refine.agent.budget import Budget
from rr_refine.agent.ending import ending_key, rounds_of
from rr_refine.agent.events import Reviewed, RunFinished, RunStarted
from rr_refine.agent.follow_up import FollowUp, again, edit, go_on, use_prompt, vary
from rr_refine.agent.lineage import Lineage, parent_folder
from rr_refine.agent.policy import preset
from rr_refine.agent.refine import arefine, make_job, refine
from rr_refine.agent.review import Accept, Decision, GoOn, Keep, Pick, Quit, Reject, ReviewRequest
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.store.journal import Journal
from rr_refine.errors import ConfigError, StoreError
from rr_refine.generators.fake import FakeGenerator
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Task
from tests.agent.records import items, only_run
from tests.agent.whole import (
    UnreliableCritic,
    UnreliableGenerator,
    generator,
    policy,
    run,
)

PLAIN = policy(rewriters=("rules",))


class Content(UnreliableCritic):
    """Sees nothing to mend in any picture."""

    async def critique(self, request: CritiqueRequest) -> Assessment:
        found = await super().critique(request)
        return found.model_copy(
            update={
                "critiques": tuple(
                    one.model_copy(
                        update={
                            "scores": {d: s and 4.0 for d, s in one.scores.items()},
                            "refined_request": None,
                        }
                    )
                    for one in found.critiques
                )
            }
        )


class WordsOnly(UnreliableGenerator):
    """Edits nothing."""

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset({"t2i"})


def ids(run: Run) -> list[str]:
    return [c.id for c in run.candidates]


def parts() -> dict[str, Any]:
    return {"generator": generator(), "critic": UnreliableCritic()}


async def follow(step: FollowUp, **options: Any) -> Run:
    return await arefine(step, on_failure="return", **parts() | options)


async def test_go_on_with_more_rounds(tmp_path: Path) -> None:
    before = await run(tmp_path)
    drawn, critic = UnreliableGenerator(), UnreliableCritic()
    after = await follow(go_on(before), generator=drawn, critic=critic)
    assert after.path == before.path
    assert ids(after) == ["r0c0", "r1c0", "r2c0", "r3c0"]
    assert after.candidates[:2] == before.candidates
    assert (len(drawn.requests), len(critic.requests)) == (2, 2)  # nothing is done again
    assert after.outcome is not None
    assert after.outcome.stop.reason == "4 of 4 rounds done"
    assert after.config == before.config
    assert (await follow(go_on(after, rounds=1))).candidates[:4] == after.candidates


async def test_its_events_are_told_behind_its_end(tmp_path: Path) -> None:
    before = await run(tmp_path)
    told: list[str] = []
    after = await follow(go_on(before, rounds=1), on_event=lambda e: told.append(e.type))
    assert told[:2] == ["reviewed", "rewritten"]
    assert after.events()[: len(before.events())] == before.events()
    assert sum(isinstance(e, RunStarted) for e in after.events()) == 1
    assert sum(isinstance(e, RunFinished) for e in after.events()) == 2
    more = await follow(go_on(after, rounds=1))
    assert more.events()[: len(after.events())] == after.events()


async def test_go_on_with_words(tmp_path: Path) -> None:
    before = await run(tmp_path, policy=PLAIN)
    after = await follow(go_on(before, "make it night", rounds=1), rewriters="rules")
    (revision,) = after.revisions
    assert (revision.remark, revision.prompt) == ("make it night", "three red hats. Make it night")
    assert before.best is not None
    judged_again = next(c for c in after.candidates if c.id == before.best.id)
    assert judged_again.revision == 2  # the best is judged again by it
    assert "Make it night" in after.candidates[-1].prompt
    assert load_run(after.path).revisions == after.revisions


async def test_go_on_from_another_picture(tmp_path: Path) -> None:
    before = await run(tmp_path)
    assert before.best is not None
    other = next(c for c in before.candidates if c.id != before.best.id)
    after = await follow(go_on(before, rounds=1, picture=other.id))
    assert [c.verdict.rule for c in after.candidates if c.verdict][int(other.round)] == "picked"


async def test_where_the_critic_is_content_another_seed_is_tried(tmp_path: Path) -> None:
    alone = policy(target=3.0, rounds=3, pairwise=False, rewriters=("critic",))
    before = await run(tmp_path, policy=alone, critic=Content())
    assert before.outcome is not None
    assert before.outcome.stop.rule == "target"
    after = await follow(go_on(before, rounds=2), critic=Content())
    first, *others = after.candidates
    assert len(others) == 2
    assert {c.prompt for c in others} == {first.prompt}
    assert len({c.seed for c in after.candidates}) == 3
    assert after.outcome is not None
    assert after.outcome.stop.rule == "max-rounds"  # the old picture's score is no reason to end


@pytest.mark.parametrize("cut", ["reviewed", "rewritten", "rendered", "judged"])
async def test_what_goes_on_can_be_killed_and_resumed(tmp_path: Path, cut: str) -> None:
    before = await run(tmp_path, run_id="mine")
    whole = await follow(go_on(await run(tmp_path / "whole", run_id="mine"), "make it night"))

    def kill(event: Any) -> None:
        if event.type == cut and getattr(event, "candidate", "r2c0") == "r2c0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await follow(go_on(before, "make it night"), on_event=kill)
    assert load_run(before.path).outcome is None or cut in ("reviewed", "rewritten")
    done = await run(tmp_path, run_id="mine")
    assert done.candidates == whole.candidates
    assert [e.type for e in done.events()].count("run-finished") == 2


@pytest.mark.parametrize("limit", ["images", "critic_calls", "tokens"])
async def test_its_other_limits_count_anew(tmp_path: Path, limit: str) -> None:
    before = await run(tmp_path, policy=policy(rounds=9, budget={limit: 1}))
    assert before.outcome is not None
    assert before.outcome.stop.rule == "budget"
    after = await follow(go_on(before, rounds=1))
    assert len(after.candidates) == len(before.candidates) + 1


def test_the_net_below_the_rules_counts_what_each_end_got(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "samples.jsonl")) as journal:
        for number, rounds in enumerate((None, 9, None)):
            key = ending_key(2, [2] * number)
            journal.put("review", key, GoOn(rounds=rounds).model_dump(mode="json"))
        assert rounds_of(policy(rounds=2), journal) == 2 + 2 + 9 + 9


async def test_a_run_that_has_not_ended_is_resumed_first(tmp_path: Path) -> None:
    def stop(event: Any) -> None:
        if event.type == "rewritten":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await run(tmp_path, on_event=stop)
    path = only_run(tmp_path)
    with pytest.raises(ConfigError, match="resume it first"):
        go_on(path)
    assert vary(path).prompt == "three red hats"  # a picture that is there is enough


async def test_of_two_the_second_goes_on_behind_the_first(tmp_path: Path) -> None:
    before = await run(tmp_path)
    one, two = go_on(before, rounds=1), go_on(before, rounds=1)
    await follow(one)
    after = await follow(two)  # behind what the other one did
    assert len(after.candidates) == 4


@pytest.mark.parametrize(
    "options",
    [{"out": "elsewhere"}, {"run_id": "x"}, {"policy": "paper"}, {"seed": 3}, {"keep": "hats"}],
)
async def test_what_a_run_that_goes_on_cannot_be_given(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    before = await run(tmp_path)
    with pytest.raises(ConfigError):
        await follow(go_on(before), **options)
    assert load_run(before.path).outcome == before.outcome
    assert "go-on" not in str(items(before.path))  # nothing is written down either


async def test_vary(tmp_path: Path) -> None:
    parent = await run(tmp_path)
    done = await follow(vary(parent, 3, picture="r1c0", seed=7))
    assert [(c.prompt, c.seed, c.origin) for c in done.candidates] == [
        (parent.candidates[1].prompt, seed, "parent") for seed in (7, 8, 9)
    ]
    assert done.request.prompt == parent.request.prompt  # they are judged by what was asked for
    assert done.path.parent == parent.path.parent
    assert done.lineage == Lineage(
        kind="vary",
        run=parent.id,
        folder=parent.path.name,
        candidate="r1c0",
        image=str(parent.candidates[1].image),
    )
    assert done.parent == parent.id
    again_seed = vary(parent).options["seed"]
    assert again_seed != vary(parent).options["seed"]  # other pictures each time


async def test_vary_after_a_remark_is_judged_by_it(tmp_path: Path) -> None:
    parent = await follow(go_on(await run(tmp_path, policy=PLAIN), "make it night", rounds=1))
    assert vary(parent, picture="r2c0").prompt == "three red hats. Make it night"
    assert vary(parent, picture="r1c0").prompt == "three red hats"
    assert again(parent).prompt == "three red hats. Make it night"


async def test_edit(tmp_path: Path) -> None:
    parent = await run(tmp_path, keep=["hats"], parameters={"width": 48, "height": 32})
    done = await follow(edit(parent, "make them blue", picture="r1c0"))
    assert (done.request.task, done.request.prompt) == ("edit", "make them blue")
    assert done.request.source == parent.candidates[1].image
    assert (done.request.keep, done.request.parameters) == ((), {})
    assert done.lineage is not None
    assert done.lineage.kind == "edit"


async def test_an_edit_needs_a_generator_that_edits(tmp_path: Path) -> None:
    parent = await run(tmp_path, generator=WordsOnly())
    with pytest.raises(ConfigError, match="cannot edit"):
        await follow(edit(parent, "make them blue"), generator=WordsOnly())
    only_run(tmp_path)  # it is said before there is a folder


async def test_again(tmp_path: Path) -> None:
    parent = await run(tmp_path, keep=["hats"])
    done = await follow(again(parent))
    assert done.request.model_copy(update={"seed": 0}) == parent.request
    assert done.request.seed != parent.request.seed
    assert (await follow(again(parent, seed=5))).request.seed == 5


async def test_an_edit_is_varied_from_its_own_source(tmp_path: Path) -> None:
    parent = await follow(edit(await run(tmp_path), "make them blue"))
    for step in (vary(parent, 2), again(parent), use_prompt(parent)):
        assert (await follow(step)).request.source == parent.request.source


async def test_use_the_prompt(tmp_path: Path) -> None:
    parent = await run(tmp_path)
    done = await follow(use_prompt(parent, picture="r1c0"))
    assert done.request.prompt == parent.candidates[1].prompt
    assert done.candidates[0].origin == "request"


async def test_what_follows_seeds_refines_again(tmp_path: Path) -> None:
    four = await follow(vary(await run(tmp_path), 4))
    assert four.policy.preset == "best-of-n"
    assert (edit(four, "x").policy.preset, edit(four, "x").policy.candidates) == ("refine", 1)


@pytest.mark.parametrize("step", [go_on, vary, again, use_prompt])
@pytest.mark.parametrize("picture", ["r7c0", "", "r0c0.png", "the left one"])
async def test_a_picture_that_is_not_there(tmp_path: Path, step: Any, picture: str) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match=r"no picture .* it has r0c0, r1c0"):
        step(parent, picture=picture)


@pytest.mark.parametrize("n", [0, -1, 65, None, "four", "3", True, 2.0])
async def test_how_many_cannot_be_drawn(tmp_path: Path, n: Any) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match=r"pictures: give a whole number, 1 to 64"):
        vary(parent, n)


async def test_limits_beside_a_follow_up_change_its_policy(tmp_path: Path) -> None:
    parent = await run(tmp_path)
    step = again(parent)
    for given in ({"rounds": 7}, {"budget": {"rounds": 7}}, {"budget": Budget(rounds=7)}):
        changed = make_job(step, **parts(), **given).policy
        assert changed == step.policy.model_copy(update={"budget": changed.budget})
        assert changed.budget == step.policy.budget.model_copy(update={"rounds": 7})
    assert make_job(step, **parts(), candidates=3).policy.candidates == 3
    assert make_job(step, **parts(), policy="one-shot").policy == preset("one-shot")
    assert make_job(step, **parts()).policy == step.policy


@pytest.mark.parametrize(
    "given", [{"rounds": 2}, {"candidates": 2}, {"budget": {"images": 9}}, {"budget_usd": 1.0}]
)
async def test_limits_beside_going_on(tmp_path: Path, given: Any) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match=r"has no effect: .* go_on\(run, rounds=…\)"):
        make_job(go_on(parent), **parts(), **given)


async def test_pictures_beside_vary(tmp_path: Path) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match=r"candidates has no effect: vary\(run, n\)"):
        make_job(vary(parent, 2), **parts(), candidates=3)


@pytest.mark.parametrize("rounds", [0, -1, True, 1.5, "2"])
async def test_rounds_that_are_none(tmp_path: Path, rounds: Any) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match="rounds"):
        go_on(parent, rounds=rounds)


@pytest.mark.parametrize("words", ["", "  \n"])
async def test_an_edit_without_words(tmp_path: Path, words: str) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match="say what should change"):
        edit(parent, words)


async def test_the_default_is_not_taken_for_the_parts_of_the_run(tmp_path: Path) -> None:
    parent = await run(tmp_path)
    with pytest.raises(ConfigError, match="made with the generator"):
        await arefine(vary(parent))
    with pytest.raises(ConfigError, match="critic"):
        await arefine(vary(parent), generator="fake")


async def test_a_parent_is_found_beside_its_run(tmp_path: Path) -> None:
    parent = await run(tmp_path)
    child = await follow(again(parent))
    assert child.lineage is not None
    assert parent_folder(child.path, child.lineage) == parent.path
    moved = parent.path.rename(tmp_path / "moved")
    assert parent_folder(child.path, child.lineage) is None
    parent.path.symlink_to(moved)
    assert parent_folder(child.path, child.lineage) is None
    parent.path.unlink()
    other = await run(tmp_path, "two hats")
    other.path.rename(parent.path)
    assert parent_folder(child.path, child.lineage) is None  # another run has its name


@pytest.mark.parametrize("folder", ["..", "../x", "/etc", "a\\b", "", "a\nb", "x" * 300])
async def test_a_lineage_names_no_other_place(tmp_path: Path, folder: str) -> None:
    child = await follow(again(await run(tmp_path)))
    config = json.loads((child.path / "config.json").read_text())
    config["lineage"]["folder"] = folder
    (child.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(StoreError):
        load_run(child.path)


async def test_an_older_folder_has_no_lineage(tmp_path: Path) -> None:
    old = await run(tmp_path)
    config = json.loads((old.path / "config.json").read_text())
    del config["lineage"]
    (old.path / "config.json").write_text(json.dumps(config))
    assert load_run(old.path).lineage is None
    assert len((await follow(go_on(old.path, rounds=1))).candidates) == 3


def test_they_are_public() -> None:
    for name in ("go_on", "vary", "edit", "again", "use_prompt", "FollowUp"):
        assert name in rr_refine.__all__
        assert getattr(rr_refine, name)


def test_without_an_event_loop(tmp_path: Path) -> None:
    given: dict[str, Any] = {"generator": FakeGenerator(), "critic": "fake", "rewriters": "rules"}
    first = refine("three red hats", out=tmp_path, **given)
    assert refine(vary(first, 2), **given).lineage is not None


class Human:
    """Answers as planned, then accepts."""

    def __init__(self, *answers: Decision) -> None:
        self._answers = iter(answers)
        self.questions: list[ReviewRequest] = []

    async def __call__(self, question: ReviewRequest) -> Decision:
        self.questions.append(question)
        return next(self._answers, Accept())


CONTENT = policy(target=3.0, rounds=3, review=True, rewriters=("rules",))


@pytest.mark.parametrize("answer", [Accept(), Quit()])
async def test_a_content_critic_does_not_end_a_run_under_review(
    tmp_path: Path, answer: Decision
) -> None:
    human = Human(answer)
    done = await run(tmp_path, policy=CONTENT, critic=Content(), reviewer=human)
    (question,) = human.questions
    assert question.stop is not None
    assert question.stop.rule == "target"
    assert question.proposal.prompt == "three red hats"
    assert done.outcome is not None
    assert done.outcome.stop == question.stop
    assert [e.decision for e in done.events() if isinstance(e, Reviewed)] == [answer]


@pytest.mark.parametrize(
    ("answer", "prompts"),
    [
        (GoOn(), ["three red hats", "three red hats"]),
        (Reject(reason="make it night"), ["three red hats", "three red hats. Make it night"]),
        (GoOn(remark="make it night"), ["three red hats", "three red hats. Make it night"]),
        (Keep(text="felt brim"), ["three red hats", "three red hats. Felt brim"]),
    ],
)
async def test_an_answer_that_goes_on(tmp_path: Path, answer: Decision, prompts: list[str]) -> None:
    human = Human(answer)
    done = await run(tmp_path, policy=CONTENT, critic=Content(), reviewer=human)
    assert len(done.candidates) > 1
    for asked, candidate in zip(prompts, done.candidates, strict=False):
        assert candidate.prompt.startswith(asked)
    assert len(human.questions) >= 2


async def test_another_picture_is_taken_at_the_end(tmp_path: Path) -> None:
    human = Human(Pick(candidate="r0c2"))
    three = policy(target=3.0, rounds=3, candidates=3, review=True)
    done = await run(tmp_path, policy=three, critic=Content(), reviewer=human)
    assert done.best is not None
    assert done.best.id == "r0c2"
    assert done.outcome is not None
    assert done.outcome.stop.reason == "the user took r0c2"
    assert load_run(done.path).best == done.best


async def test_what_was_taken_can_be_gone_on_with(tmp_path: Path) -> None:
    done = await run(tmp_path, policy=CONTENT, critic=Content(), reviewer=Human())
    after = await follow(
        go_on(done, rounds=1), critic=Content(), reviewer=Human(), rewriters="rules"
    )
    assert len(after.candidates) == 2


async def test_nobody_is_asked_at_a_limit_or_a_fault(tmp_path: Path) -> None:
    human = Human()
    await run(tmp_path, policy=policy(review=True, rewriters=("rules",)), reviewer=human)
    assert [q.stop for q in human.questions] == [None]


async def test_to_go_on_is_no_answer_about_a_prompt(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="goes on in any case"):
        await run(
            tmp_path,
            policy=policy(review=True, rewriters=("rules",)),
            reviewer=Human(GoOn(remark="more")),
        )


@pytest.mark.parametrize("follow", [go_on, vary, again, use_prompt, lambda run: edit(run, "dark")])
async def test_a_folder_that_names_code_is_followed_where_it_is_trusted(
    tmp_path: Path, follow: Any
) -> None:
    done = await run(tmp_path, policy=PLAIN)
    config = json.loads((done.path / "config.json").read_text())
    config["policy"]["acceptance"] = "somebodys.module:create"
    (done.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="names code"):
        follow(done.path)
    assert follow(load_run(done.path, trust=True)).run.path == done.path
