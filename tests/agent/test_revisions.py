"""A remark in review makes a new revision of the request: what is judged, compared, recorded."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rr_refine.agent.acceptance import floor_of
from rr_refine.agent.events import CriticFailed, Judged, Reviewed, Revised
from rr_refine.agent.history import Candidate, ImageJudgement
from rr_refine.agent.keys import critique_key
from rr_refine.agent.replay import replay
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
    require_possible,
)
from rr_refine.agent.revision import APPENDED, appended, merge_problems
from rr_refine.agent.rewriting.revising import Merged
from rr_refine.agent.rewriting.rewriter import RewriteContext, Rewrites
from rr_refine.agent.rewriting.rules import RulesRewriter
from rr_refine.agent.run import load_run
from rr_refine.agent.stopping import should_stop
from rr_refine.errors import ConfigError, CriticTimeout, CriticUnreadable, RewriteError
from rr_refine.request import MAX_PROMPT, Request
from rr_refine.terms import Identity, Usage
from tests.agent.builders import candidate, t2i
from tests.agent.records import items, lines, only_run, record
from tests.agent.test_review import REVIEWED, decided_run, reviewed
from tests.agent.test_stopping import history
from tests.agent.whole import PROMPT, UnreliableCritic, policy, run
from tests.commands import Commands

WHITE = Reject(reason="make the background white")
LATER = f"{PROMPT}. Make the background white"
RULES = policy(rounds=3, review=True, rewriters=("rules",))


async def test_a_remark_changes_what_is_asked_for_and_judged(tmp_path: Path) -> None:
    critic = UnreliableCritic()
    done, human = await reviewed(tmp_path, WHITE, policy=RULES, critic=critic)
    (revision,) = done.revisions
    assert (revision.number, revision.prompt, revision.remark) == (2, LATER, WHITE.reason)
    assert (revision.origin, revision.incumbent, revision.round) == (APPENDED, "r0c0", 1)
    assert "added to its end as it is" in revision.how
    assert [q.request for q in human.questions] == [PROMPT, LATER, LATER]
    assert {q.original for q in human.questions} == {PROMPT}
    assert all(prompt.startswith(LATER) for prompt in human.prompts[1:])
    # Each picture is judged by the request as it was then; the best one twice.
    assert [r.prompt for r in critic.requests] == [PROMPT, LATER, LATER, LATER]
    first, *others = done.candidates
    assert (first.revision, [one.revision for one in first.earlier]) == (2, [1])
    assert [(c.revision, c.earlier) for c in others] == [(2, ()), (2, ())]
    assert first.scores != first.earlier[0].scores
    assert done.outcome is not None
    assert done.outcome.spend.critic_calls == 4
    assert done.outcome.revisions == done.revisions
    assert done.request.prompt == PROMPT  # what the run began with
    told = [e for e in done.events() if isinstance(e, Judged)]
    assert [(e.candidate, e.revision) for e in told] == [
        ("r0c0", 1), ("r0c0", 2), ("r1c0", 2), ("r2c0", 2),
    ]  # fmt: skip
    assert set(told[1].changes.values()) == {None}  # nothing to compare it with
    (event,) = (e for e in done.events() if isinstance(e, Revised))
    assert (event.revision, event.previous) == (revision, PROMPT)
    assert load_run(done.path).candidates == done.candidates


async def test_what_was_said_under_another_revision_is_not_proposed(tmp_path: Path) -> None:
    """The critic's requests of before ask for what may no longer be asked for."""
    both = policy(rounds=2, review=True, rewriters=("critic", "rules"), candidates=2)
    _, human = await reviewed(tmp_path, *[WHITE] * 2, Reject(reason="no shadows"), policy=both)
    assert all("Make the background white" in prompt for prompt in human.prompts[1:])
    assert "No shadows" in human.prompts[3]


@pytest.mark.parametrize(
    ("decisions", "revisions"),
    [
        ([Accept()], 0),
        ([Keep(text="felt brim")], 0),
        ([Reseed(seed=7)], 0),
        ([EditPrompt(prompt="a cat")], 0),
        ([Reject(reason="  ")], 0),
        ([WHITE], 1),
        ([WHITE, WHITE], 1),  # said already
        ([WHITE, Reject(reason="make it night"), WHITE], 3),
    ],
)
async def test_which_decisions_revise(
    tmp_path: Path, decisions: list[Decision], revisions: int
) -> None:
    done, _ = await reviewed(tmp_path, *decisions, policy=RULES)
    assert [r.number for r in done.revisions] == list(range(2, 2 + revisions))


async def test_an_edit_is_judged_by_the_remark_as_well(tmp_path: Path) -> None:
    critic = UnreliableCritic()
    done, _ = await reviewed(
        tmp_path, WHITE, image=Image.new("RGB", (48, 32), "red"), critic=critic
    )
    assert {r.source is None for r in critic.requests} == {False}
    assert critic.requests[-1].prompt == LATER
    assert done.candidates[0].revision == 2


async def test_a_pick_from_before_the_remark_is_judged_again(tmp_path: Path) -> None:
    two = policy(review=True, rewriters=("rules",), candidates=2)
    _, human = await reviewed(tmp_path / "plain", policy=two)
    best = human.questions[0].incumbent
    assert best is not None
    other = {"r0c0": "r0c1", "r0c1": "r0c0"}[best.id]
    done, human = await reviewed(tmp_path, WHITE, Pick(candidate=other), Quit(), policy=two)
    picked = human.questions[2].incumbent
    assert picked is not None
    assert (picked.id, picked.revision) == (other, 2)
    assert done.best is not None
    assert done.best.id == other
    assert {c.revision for c in done.candidates} == {2}


async def test_words_of_a_remark_are_protected(tmp_path: Path) -> None:
    done, _ = await reviewed(
        tmp_path,
        Reject(reason='a sign with "OPEN 24h", four of them, by Rosa Klein'),
        policy=REVIEWED,
        rewriters=[Forgetful(), RulesRewriter()],
    )
    (attempt,) = (
        e.rejection for e in done.events() if e.type == "rewrite-rejected" and e.round == 1
    )
    for lost in ("the quoted 'OPEN 24h'", "the number 'four'", "the name 'Rosa Klein'"):
        assert lost in attempt.reason


class Forgetful:
    """A rewriter that knows nothing of remarks."""

    identity = Identity(kind="forgetful", name="forgetful")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        number = len(context.tried) + ("OPEN" in context.request.prompt)
        return Rewrites.model_validate({"proposals": [{"prompt": f"{PROMPT}{'!' * number}"}]})


class Merger(Forgetful):
    """A rewriter that merges as planned."""

    identity = Identity(kind="merger", name="merger")

    def __init__(self, answer: object, tokens: int = 7_000) -> None:
        self._answer, self._tokens = answer, tokens

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        return Rewrites.model_validate({"proposals": [{"prompt": f"{context.request.prompt}!"}]})

    async def merge(self, request: Request, remark: str) -> Merged:
        assert (request.prompt, remark) == (PROMPT, WHITE.reason)
        if isinstance(self._answer, Exception):
            raise self._answer
        assert self._answer is None or isinstance(self._answer, str)
        return Merged(prompt=self._answer, usage=Usage(prompt_tokens=self._tokens))


@pytest.mark.parametrize(
    ("answer", "text", "origin", "why"),
    [
        ("three red hats on white", "three red hats on white", "merger", None),
        ("red hats on white", LATER, APPENDED, "it lost the number 'three'"),
        (PROMPT, LATER, APPENDED, "it says no more than the request did before"),
        (" ", LATER, APPENDED, "it is empty"),
        ("three red hats " * 20_000, LATER, APPENDED, "200,000 are the most"),
        (RewriteError("the server is down"), LATER, APPENDED, "the server is down"),
        (ValueError("oh"), LATER, APPENDED, "the rewriter 'merger' raised ValueError: oh"),
        (None, LATER, APPENDED, "it cannot read the remark"),
    ],
)
async def test_a_rewriter_may_merge(
    tmp_path: Path, answer: object, text: str, origin: str, why: str | None
) -> None:
    done, _ = await reviewed(tmp_path, WHITE, rewriters=[Merger(answer)])
    (revision,) = done.revisions
    assert (revision.prompt, revision.origin) == (text, origin)
    assert [why is None] == [not revision.rejections]
    assert (why or "") in "".join(one.reason for one in revision.rejections)
    assert revision.unread == (answer is None)
    # What nobody could read was not judged.
    assert done.candidates[1].unjudged == ((WHITE.reason,) if answer is None else ())
    assert done.outcome is not None
    costs = not isinstance(answer, Exception)
    assert (done.outcome.spend.prompt_tokens >= 7_000) == costs


@pytest.mark.parametrize(
    ("before", "remark", "merged", "lost"),
    [
        ('a sign "OPEN"', 'it should say "SHUT"', 'a sign "SHUT"', None),
        ('a sign "OPEN"', 'it should say "SHUT"', "a shut sign", "'SHUT'"),
        ('a sign "OPEN"', "make it blue", "a blue sign", "'OPEN'"),
        ('a sign "OPEN"', 'drop the "OPEN"', "a sign", None),
        ("three hats by Rosa", "four, not three", "four hats by Rosa", None),
        ("three hats by Rosa", "four, not three", "four hats", "'Rosa'"),
        ("three hats by Rosa", "without Rosa", "three hats", None),
        ("a hat <lora:felt:0.8>", "make it red", "a red hat", "<lora:felt:0.8>"),
    ],
)
def test_what_a_merge_may_lose(before: str, remark: str, merged: str, lost: str | None) -> None:
    found = merge_problems(before, remark, merged)
    assert bool(found) == (lost is not None)
    assert lost is None or lost in found[0]


@pytest.mark.parametrize(
    ("request_", "remark", "text"),
    [
        ("a hat", "make it red", "a hat. Make it red"),
        ("a hat. ", " make it red. ", "a hat. Make it red."),
        ("a hat!", "RED", "a hat! RED"),
        ("一顶帽子。", "改成红色", "一顶帽子。 改成红色"),
        ("a bored cat", "red", "a bored cat. Red"),
    ],
)
def test_a_remark_behind_the_request(request_: str, remark: str, text: str) -> None:
    assert appended(request_, remark) == text


# -- rules of a revision ---------------------------------------------------------------------------


def after_a_remark(text: float, *, revision: int = 2) -> Candidate:
    first = candidate("r0c0", t2i(text, text), verdict="first")
    before = ImageJudgement(revision=1, scores=t2i(1.0, 1.0))
    return first.model_copy(update={"revision": revision, "earlier": (before,)})


def worse(name: str) -> Candidate:
    return candidate(name, t2i(1.0, 1.0), verdict="worse").model_copy(update={"revision": 2})


def rule_after(*candidates: Candidate, **changes: Any) -> str | None:
    given = history(*candidates, best="r0c0", **changes)
    stop = should_stop(replace(given, revision=2))
    return None if stop is None else stop.rule


def test_patience_counts_within_a_revision() -> None:
    old = candidate("r1c0", t2i(1.0, 1.0), verdict="worse")
    patient = policy(rounds=9, patience=2)
    best = after_a_remark(2.0)
    assert rule_after(best, old, worse("r2c0"), policy=patient) is None
    assert rule_after(best, old, worse("r2c0"), worse("r3c0"), policy=patient) == "plateau"


def test_the_target_counts_within_a_revision_and_after_another_picture() -> None:
    keen = policy(rounds=9, target=3.0)
    assert rule_after(after_a_remark(4.0), policy=keen) is None
    assert rule_after(after_a_remark(4.0), worse("r1c0"), policy=keen) == "target"
    assert rule_after(after_a_remark(2.0), worse("r1c0"), policy=keen) is None


def test_what_a_dimension_may_not_fall_below_counts_within_a_revision() -> None:
    first = candidate("r0c0", t2i(4.0, 4.0), verdict="first")
    won = candidate("r1c0", t2i(2.0, 3.0), verdict="win", against="r0c0")
    assert floor_of(won, [first, won])["text_faithfulness"] == 4.0
    again = won.model_copy(update={"revision": 2})
    assert floor_of(again, [first, again]) == {"text_faithfulness": 2.0, "physical_quality": 3.0}


def test_under_is_what_was_judged_then() -> None:
    twice = after_a_remark(4.0)
    assert twice.first_revision == 1
    assert twice.under(1).mean == 1.0
    assert twice.under(1).earlier == ()
    assert twice.under(2) is twice
    later = twice.under(3)
    assert later.mean is None
    assert [one.revision for one in later.earlier] == [1, 2]
    assert later.under(2) == twice


# -- budgets and faults ----------------------------------------------------------------------------


async def test_the_budget_ends_before_the_second_judgement(tmp_path: Path) -> None:
    limited = policy(review=True, rewriters=("rules",), budget={"tokens": 5000})
    done, human = await reviewed(
        tmp_path, WHITE, policy=limited, rewriters=[Merger("three red hats on white", tokens=5000)]
    )
    assert len(human.questions) == 1
    assert done.outcome is not None
    assert done.outcome.stop.rule == "budget"
    best = done.outcome.best
    assert best is not None
    assert (best.id, best.revision, best.mean) == ("r0c0", 2, None)
    assert best.failure is not None
    assert best.failure.message.endswith("of 5,000 tokens used")
    assert best.open_points == ("not judged under revision 2 of the request",)
    assert best.earlier[0].scores  # those of the request before are still told


async def test_a_critic_that_is_gone_is_asked_again_later(tmp_path: Path) -> None:
    critic = UnreliableCritic([None, CriticTimeout("too late")])
    failed, _ = await reviewed(tmp_path, WHITE, critic=critic)
    assert failed.outcome is not None
    assert failed.outcome.stop.rule == "critic-failed"
    assert [e.revision for e in failed.events() if isinstance(e, CriticFailed)] == [2]
    done, human = await reviewed(tmp_path)
    assert done.path == failed.path
    assert [q.request for q in human.questions] == [LATER]  # the remark was not asked for again
    assert done.candidates[0].revision == 2
    assert done.candidates[0].mean is not None
    assert done.revisions == failed.revisions


async def test_an_answer_that_is_none_leaves_the_best_unjudged(tmp_path: Path) -> None:
    critic = UnreliableCritic([None, CriticUnreadable("what?", raw="What?")])
    done, _ = await reviewed(tmp_path, WHITE, critic=critic)
    assert done.outcome is not None
    assert done.outcome.stop.rule == "max-rounds"
    assert done.best == done.candidates[1]
    assert done.best.verdict is not None
    assert done.best.verdict.reason == "the first judged image under revision 2"


def test_what_cannot_be_a_remark() -> None:
    question = ReviewRequest.model_validate(
        {
            **{"round": 1, "original": "a" * (MAX_PROMPT - 7), "incumbent": None},
            **{"proposal": {"prompt": "p", "origin": "rules"}, "candidates": ()},
        }
    )
    require_possible(question, Reject(reason="short"))
    with pytest.raises(ConfigError, match="are the most"):
        require_possible(question, Reject(reason="too long"))


# -- the record ------------------------------------------------------------------------------------


async def test_the_record_names_the_revision_of_each_score(tmp_path: Path) -> None:
    done, _ = await reviewed(
        tmp_path, Accept(), WHITE, Reject(reason="make it night"), policy=RULES
    )
    assert [r.remark for r in done.revisions] == ["make the background white", "make it night"]
    for one in done.candidates:
        assert one.image is not None
        for judged in (*one.earlier, one):
            key = critique_key(done.request_at(judged.revision), one.image)
            assert judged.critique == key
    # The same picture, judged anew under each revision.
    best = done.revisions[-1].incumbent
    twice = next(c for c in done.candidates if c.id == best)
    assert [one.revision for one in (*twice.earlier, twice)] == [twice.first_revision, 2, 3][-3:]
    kinds = [kind for kind, _, _ in items(done.path)]
    assert kinds.count("render") == 3
    assert kinds.count("critique") == 5
    assert kinds.count("revision") == 2
    table = [done._row(c)["revision"] for c in done.candidates]
    assert table == [c.revision for c in done.candidates]


async def test_a_replay_gives_the_same(tmp_path: Path) -> None:
    longer = policy(rounds=4, review=True, rewriters=("rules",), candidates=2)
    done, _ = await reviewed(tmp_path, Accept(), WHITE, Accept(), WHITE, policy=longer)
    again = replay(done, longer)
    assert again.candidates == done.candidates
    assert again.incumbent == done.incumbent
    assert again.unsettled == ()
    other = replay(done, longer.model_copy(update={"acceptance": "always", "candidates": 1}))
    assert other.candidates  # another best one may not have been judged again: that is told
    assert set(other.unsettled) <= {c.id for c in done.candidates}


# -- killed ----------------------------------------------------------------------------------------

DECISIONS: list[Decision] = [WHITE, Accept(), Reject(reason="no shadows"), Accept()]


def revised_run(arguments: list[str]) -> None:
    decided_run(arguments, RULES, DECISIONS)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    folder = tmp_path_factory.mktemp("revised")
    revised_run([str(folder / "runs"), str(folder / "log")])
    assert len(lines(folder / "log")) == 4
    return record(only_run(folder / "runs"))


@pytest.mark.parametrize(
    "point",
    [
        *("before:revise:1", "after:put-review:1", "torn:put-revision:1", "after:put-revision:1"),
        *("torn:put-critique:2", "after:put-critique:2", "after:revise:1", "before:rewrite:2"),
        *("after:put-revision:2", "after:revise:2"),
    ],
)
def test_killed_between_remark_and_judgement(
    commands: Commands, point: str, uninterrupted: dict[tuple[str, str], Any]
) -> None:
    out, log = commands.folder / "runs", commands.folder / "log"
    program = "tests.agent.test_revisions:revised_run"
    killed = commands.run(str(out), str(log), program=program, kill=point)
    assert killed.code == -9, killed.stderr
    asked = len(lines(log))
    ended = commands.run(str(out), str(log), program=program)
    assert ended.code == 0, ended.stderr
    assert len(lines(log)) == 4, f"{asked} were asked before"
    assert record(only_run(out)) == uninterrupted
    kinds = [kind for kind, _, _ in items(only_run(out))]
    assert kinds.count("revision") == 2
    assert kinds.count("critique") == 5


# -- whatever the person decides -------------------------------------------------------------------

ANY: st.SearchStrategy[Decision] = st.sampled_from(
    [
        *(Accept(), Accept(), WHITE, WHITE, Reject(reason="make it night"), Reject(reason=" ")),
        *(Keep(text="felt"), Reseed(seed=5), EditPrompt(prompt="a cat"), Pick(candidate="r0c0")),
        *(Pick(candidate="r0c1"), Quit()),
    ]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANY, max_size=9), st.integers(0, 3), st.sampled_from([None, 4, 7]))
def test_whatever_is_decided(decisions: Sequence[Decision], seed: int, calls: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_check(Path(folder), decisions, seed, calls))


async def _check(out: Path, decisions: Sequence[Decision], seed: int, calls: int | None) -> None:
    chosen = policy(
        rounds=3, review=True, rewriters=("rules",), candidates=2, budget={"critic_calls": calls}
    )
    critic = UnreliableCritic(seed=seed)
    done, _ = await reviewed(out, *decisions, policy=chosen, critic=critic, run_id="again")
    assert done.outcome is not None
    # The request changes by remarks alone, each of which is in it.
    text = PROMPT
    for number, revision in enumerate(done.revisions, 2):
        assert (revision.number, revision.prompt) == (number, appended(text, revision.remark))
        text = revision.prompt
    expected: list[str] = []
    for event in done.events():
        if isinstance(event, Reviewed) and isinstance(event.decision, Reject):
            reason = event.decision.reason
            expected += [reason] if reason.strip() and [reason] != expected[-1:] else []
    assert [revision.remark for revision in done.revisions] == expected
    # Each score is by the request of its revision, and no picture was judged twice by one.
    judged = [(one, judgement) for one in done.candidates for judgement in (*one.earlier, one)]
    for one, judgement in judged:
        if judgement.critique is not None:
            assert one.image is not None
            request = done.request_at(judgement.revision)
            assert judgement.critique == critique_key(request, one.image)
    # Never worse, within a revision and unless a person picks.
    for one in (c for c in done.candidates if c.verdict is not None and c.verdict.accepted):
        assert one.verdict is not None
        here = one.under(one.first_revision)
        if one.verdict.rule == "win" and here.mean is not None:
            rival = next(c for c in done.candidates if c.id == one.verdict.against)
            before = rival.under(here.revision).mean
            assert before is not None
            assert here.mean >= before
    # What the user gets was judged by what they asked for last, or it is said that it was not.
    result = done.outcome.best
    assert result is not None
    assert result.revision == len(done.revisions) + 1
    assert result.mean is not None or result.open_points
    # Nothing is done again, and nothing is asked again.
    kept = items(done.path)
    again = await run(out, policy=chosen, critic=critic, reviewer=nobody, run_id="again")
    assert again.candidates == done.candidates
    assert again.revisions == done.revisions
    assert {item[:2] for item in items(done.path)} == {item[:2] for item in kept}


async def nobody(question: ReviewRequest) -> Decision:
    raise AssertionError(question)
