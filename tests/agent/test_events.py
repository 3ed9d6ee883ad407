from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rr_refine.agent import events
from rr_refine.agent.budget import Spend
from rr_refine.agent.events import Event, read_event, write_event
from rr_refine.agent.history import Proposal, Rejection, Stop, Verdict
from rr_refine.agent.intent import find_spans
from rr_refine.agent.policy import preset
from rr_refine.agent.refine import arefine
from rr_refine.agent.review import Accept, Pick, ReviewRequest
from rr_refine.agent.revision import Revision
from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import CriticUnavailable, StoreError
from tests.agent.builders import (
    CountingRewriter,
    ScriptedCritic,
    ScriptedGenerator,
    candidate,
    critique,
    t2i,
)
from tests.agent.records import only_run
from tests.agent.whole import UnreliableCritic, run
from tests.commands import Commands

CAT = candidate("r0c0", t2i(2.0, 3.0), errors={"physical_quality": 0.1}, verdict="first")
PROPOSAL = Proposal(prompt="a „Katze“\n猫", origin="critic", why="because")

EVENTS: list[Event] = [
    events.RunStarted(
        run="runs/a",
        prompt='3 cats, "hi"',
        task="t2i",
        preset="refine",
        generator="g",
        critic="c",
        spans=find_spans('3 cats, "hi"', ["soft"]),
    ),
    events.Notice(text="the picture was converted from Display P3"),
    events.RoundStarted(round=0, rounds=4, prompt="a", origin="request", candidates=2),
    events.StepDone(candidate="r0c0", step=1, steps=4),
    events.Rendered(
        candidate="r0c0", seed=2**63 - 1, image="d", path="p", seconds=0.5, cached=True
    ),
    events.RenderFailed(candidate="r0c0", error="OutOfMemoryError", message="\x1b[31m\0"),
    events.Judged(
        candidate="r0c0",
        scores=t2i(2.0, 3.0),
        changes=t2i(-1.0, 0.0),
        reward=0.5,
        weakest="text_faithfulness",
        reason="a leg too many",
        samples=1,
        seconds=0.5,
        cached=False,
    ),
    events.CriticFailed(candidate="r0c0", error="CriticTimeout", message="late"),
    events.Compared(incumbent="r0c0", challenger="r1c0", winner="failed", message="late"),
    events.Decided(
        candidate="r1c0",
        verdict=Verdict(accepted=False, rule="guard", reason="it fell", against="r0c0"),
    ),
    events.RewriteRejected(
        round=1, rejection=Rejection(rewriter="critic", prompt=None, reason="it proposed nothing")
    ),
    events.Rewritten(round=1, proposal=PROPOSAL, previous="a cat"),
    events.ReviewRequested(
        request=ReviewRequest(
            round=1, original="a cat", proposal=PROPOSAL, incumbent=CAT, candidates=(CAT,)
        )
    ),
    events.Reviewed(round=1, decision=Pick(candidate="r0c0")),
    events.Revised(
        revision=Revision(
            number=2,
            prompt="a cat. Red",
            remark="red",
            origin="appended",
            round=1,
            incumbent="r0c0",
        ),
        previous="a cat",
    ),
    events.RunFinished(
        run="runs/a",
        stop=Stop(rule="target", reason="all well"),
        best=None,
        first=CAT,
        result=None,
        spend=Spend(images=1),
    ),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_one_line_and_comes_back(event: Event) -> None:
    line = write_event(event)
    assert "\n" not in line
    assert read_event(line) == event
    assert read_event(line.encode()) == event
    assert json.loads(line)["type"] == event.type


def test_that_is_all_of_them() -> None:
    kinds = get_args(get_args(Event)[0])
    assert {type(event) for event in EVENTS} == set(kinds)
    assert len({event.type for event in EVENTS}) == len(kinds)
    assert {kind.__name__ for kind in kinds} <= set(events.__all__)


@given(st.text())
def test_any_words_fit_in_a_line(words: str) -> None:
    event = events.RenderFailed(candidate="r0c0", error="GeneratorError", message=words)
    line = write_event(event)
    assert "\n" not in line
    assert read_event(line) == event


def test_half_characters_become_question_marks() -> None:
    event = events.RenderFailed(candidate="r0c0", error="E", message="file \udcff\ud800.png")
    read = read_event(write_event(event))
    assert isinstance(read, events.RenderFailed)
    assert read.message == "file ??.png"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        "{",
        '{"type": "step-done"}',
        '{"type": "unheard-of", "time": 1}',
        '{"type": "step-done", "time": 1, "candidate": "a", "step": 1, "steps": 1, "more": 1}',
    ],
)
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        read_event(line)


# -- as a run tells them -----------------------------------------------------------------------


async def test_a_run_streams_its_events_and_keeps_all_but_the_steps(tmp_path: Path) -> None:
    told: list[Event] = []

    async def reviewer(question: ReviewRequest) -> Accept:
        return Accept()

    run = await arefine(
        "a cat",
        out=tmp_path,
        generator=ScriptedGenerator(),
        critic=ScriptedCritic({(0, 0): critique(t2i(2.0, 2.0)), (1, 0): critique(t2i(4.0, 4.0))}),
        rewriters=[CountingRewriter()],
        policy=preset("refine", review=True),
        reviewer=reviewer,
        on_event=told.append,
    )
    assert [event.type for event in told] == [
        "run-started",
        "round-started",
        "step-done",
        "rendered",
        "judged",
        "decided",
        "rewritten",
        "review-requested",
        "reviewed",
        "round-started",
        "step-done",
        "rendered",
        "judged",
        "decided",
        "review-requested",
        "reviewed",
        "run-finished",
    ]
    assert list(run.events()) == [event for event in told if event.type != "step-done"]
    assert [event.time for event in told] == sorted(event.time for event in told)


async def test_a_broken_event_is_a_store_error_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    run = await arefine(
        "a cat",
        out=tmp_path,
        generator=ScriptedGenerator(),
        critic=ScriptedCritic({(0, 0): critique(t2i(4.0, 4.0))}),
        policy="one-shot",
    )
    whole = run.events()
    path = run.path / "events.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert run.events() == whole[:-1]
    with RunFolder(run.path) as folder:
        folder.record_event(whole[-1])
    assert run.events() == whole
    path.write_bytes(b"{}\n" + data)
    with pytest.raises(StoreError, match=r"events\.jsonl cannot be read"):
        run.events()
    path.unlink()
    assert run.events() == ()


async def test_a_run_that_goes_on_tells_what_is_new(tmp_path: Path) -> None:
    class Leaves(Exception):
        pass

    def leave_at(kind: str) -> Callable[[Event], None]:
        def on_event(event: Event) -> None:
            told.append(event)
            if event.type == kind:
                raise Leaves

        return on_event

    told: list[Event] = []
    for kind in ("rendered", "rewritten", "judged"):
        with pytest.raises(Leaves):
            await run(tmp_path, on_event=leave_at(kind))
    done = await run(tmp_path, on_event=told.append)
    kinds = [event.type for event in told if event.type != "step-done"]
    once = ["round-started", "rendered", "judged", "decided"]
    assert kinds == ["run-started", *once, "rewritten", *once, "run-finished"]
    assert [event.type for event in done.events()] == kinds


LEAVES = """
import asyncio
from contextlib import aclosing
from rr_refine import Rendered, run_stream

async def main():
    async with aclosing(run_stream("a cat", generator="fake", critic="fake", out="runs")) as stream:
        async for item in stream:
            if isinstance(item, Rendered):
                break

asyncio.run(main())
"""


def test_who_leaves_at_the_end_of_a_program_closes_the_run(commands: Commands) -> None:
    program = commands.folder / "leaves.py"
    program.write_text(LEAVES)
    ended = commands.run(script=program)
    assert (ended.code, ended.stderr) == (0, "")
    assert load_run(only_run(commands.folder / "runs")).status == "interrupted"


async def test_another_course_is_told_from_its_beginning(tmp_path: Path) -> None:
    told: list[Event] = []
    gone = CriticUnavailable("gone")
    await run(tmp_path, critic=UnreliableCritic([None, gone]), on_event=told.append)
    await run(tmp_path, on_event=told.append)
    kinds = [event.type for event in told if event.type != "step-done"]
    once = ["round-started", "rendered", "judged", "decided"]
    failed = ["round-started", "rendered", "critic-failed", "decided"]
    assert kinds == [
        *("run-started", *once, "rewritten", *failed, "run-finished"),
        *("run-started", *once, "rewritten", *once, "run-finished"),
    ]
    again = [event for event in told if isinstance(event, events.Rendered)]
    assert [event.cached for event in again] == [False, False, True, True]


async def test_events_that_cannot_be_read_are_told_again(tmp_path: Path) -> None:
    gone = CriticUnavailable("gone")
    left = await run(tmp_path, critic=UnreliableCritic([gone]))
    (left.path / "events.jsonl").write_bytes(b"nonsense\n")
    told: list[Event] = []
    await run(tmp_path, on_event=told.append)
    assert told[0].type == "run-started"
    assert told[-1].type == "run-finished"
