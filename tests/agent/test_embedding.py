"""A program that embeds the graph: its runs are like ours, and it may end between questions."""

from __future__ import annotations

import asyncio
import json
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from PIL import Image

from rr_refine import (
    Run,
    build_graph,
    checkpoint_serializer,
    load_run,
    make_job,
    preset,
    run_context,
)
from rr_refine.agent.graph import RefineGraph
from rr_refine.agent.job import Job
from rr_refine.agent.replay import replay
from rr_refine.errors import ConfigError, StoreLockedError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Identity
from tests.agent.builders import CountingRewriter
from tests.agent.records import lines
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, policy, run
from tests.commands import Commands

EXAMPLE = Path(__file__).parents[2] / "examples" / "embed_graph.py"
CONFIG: RunnableConfig = {"configurable": {"thread_id": "mine"}}
ACCEPT = '{"action": "accept"}'


def a_job(prompt: str = "three red hats", **options: Any) -> Job:
    given: dict[str, Any] = {
        "generator": UnreliableGenerator(),
        "critic": UnreliableCritic(),
        "policy": policy(rewriters=("rules",)),
    }
    return make_job(prompt, **given | options)


def asked(job: Job) -> Any:
    return {"request": job.request, "policy": job.policy}


def a_graph() -> RefineGraph:
    return build_graph(InMemorySaver(serde=checkpoint_serializer()))


def statuses(path: Path) -> list[str]:
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    return [session.get("status", "running") for session in manifest["sessions"]]


def require_whole(run: Run) -> None:
    """All that can be done with a run of `arefine` can be done with this one."""
    assert run.outcome is not None
    assert run.status == "done"
    assert run.report_path is not None
    assert "img" in run.report_path.read_text("utf-8")
    assert run.result_path is not None
    assert len(run.to_dataframe()) == len(run.candidates)
    stop = replay(run, preset("paper")).stop
    assert stop is not None
    assert run.events()[-1].type == "run-finished"


async def test_a_run_of_ones_own_graph_is_a_run(tmp_path: Path) -> None:
    job = a_job()
    async with run_context(job, tmp_path) as context:
        assert load_run(context.folder.path).status == "running"
        final = await build_graph().ainvoke(asked(job), context=context)
    run = load_run(context.folder.path)
    require_whole(run)
    assert run.outcome == final["outcome"]
    assert run.id == context.run_id == context.folder.path.name
    assert statuses(run.path) == ["done"]


async def test_with_a_picture_to_edit(tmp_path: Path) -> None:
    job = a_job("make it blue", image=Image.new("RGB", (48, 32), "red"))
    async with run_context(job, tmp_path, private=False) as context:
        await build_graph().ainvoke(asked(job), context=context)
    run = load_run(context.folder.path)
    require_whole(run)
    assert run.request.source is not None


def test_the_example_goes_on_in_other_processes(commands: Commands) -> None:
    run = commands.folder / "runs" / "poster"
    answers = [(), (ACCEPT,), ('{"action": "pick", "candidate": "r9c9"}',), (ACCEPT,)]
    for number, answer in enumerate(answers):
        ended = commands.run(*answer, script=EXAMPLE)
        assert ended.code == 0, ended.stderr
        last = number == len(answers) - 1
        word = "best prompt: " if last else "asked about: "
        assert ended.stdout.splitlines()[-1].startswith(word)
        assert load_run(run).status == ("done" if last else "waiting")
    assert [p.name for p in (commands.folder / "runs").iterdir()] == ["poster"]
    require_whole(load_run(run))
    assert statuses(run) == ["waiting", "waiting", "waiting", "done"]
    events = [event["type"] for event in lines(run / "events.jsonl")]
    assert events.count("run-started") == 1
    assert events.count("review-requested") == 3
    assert events.count("reviewed") == 2
    assert events.count("rendered") == 3


async def test_an_id_that_one_is_given_finds_the_run(tmp_path: Path) -> None:
    reviewed = policy(review=True, rewriters=("rules",))
    graph = a_graph()
    job = a_job(policy=reviewed)
    async with run_context(job, tmp_path) as first:
        await graph.ainvoke(asked(job), CONFIG, context=first)
    assert first.question is not None
    job = a_job(policy=reviewed, run_id=first.run_id)
    async with run_context(job, tmp_path) as second:
        assert second.folder.path == first.folder.path
        await graph.ainvoke(Command(resume={"action": "accept"}), CONFIG, context=second)
    assert second.question is None
    require_whole(load_run(first.folder.path))


async def test_another_runs_folder_is_refused(tmp_path: Path) -> None:
    """The pictures that a thread speaks of are in the folder of its own run."""
    reviewed = policy(review=True, rewriters=("rules",))
    graph = a_graph()
    job = a_job(policy=reviewed, run_id="first")
    async with run_context(job, tmp_path) as context:
        await graph.ainvoke(asked(job), CONFIG, context=context)
    job = a_job(policy=reviewed, run_id="second")
    async with run_context(job, tmp_path) as context:
        with pytest.raises(ConfigError, match=r"is in the run 'first'.*run_id='first'"):
            await graph.ainvoke(Command(resume={"action": "accept"}), CONFIG, context=context)


async def test_a_thread_may_have_one_run_after_the_other(tmp_path: Path) -> None:
    graph = a_graph()
    for run_id in ("first", "second"):
        job = a_job(run_id=run_id)
        async with run_context(job, tmp_path) as context:
            await graph.ainvoke(asked(job), CONFIG, context=context)
        require_whole(load_run(tmp_path / run_id))


class Waiting(UnreliableGenerator):
    """Draws when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.begun.set()
        await self.go_on.wait()
        return await super().generate(request, on_step=on_step)


async def test_a_second_call_on_a_run_is_refused(tmp_path: Path) -> None:
    drawing = Waiting()
    job = a_job(generator=drawing, run_id="mine")
    async with run_context(job, tmp_path) as context:
        first = asyncio.ensure_future(build_graph().ainvoke(asked(job), context=context))
        await drawing.begun.wait()
        with pytest.raises(StoreLockedError, match="another call of the graph"):
            await build_graph().ainvoke(asked(job), context=context)
        with pytest.raises(StoreLockedError, match="works on"):
            async with run_context(a_job(generator=drawing, run_id="mine"), tmp_path):
                raise AssertionError
        drawing.go_on.set()
        await first
    require_whole(load_run(tmp_path / "mine"))


@pytest.mark.parametrize(
    "other", [{"prompt": "a dog"}, {"seed": 7}, {"policy": policy(rounds=1)}, {"keep": "red"}]
)
async def test_another_request_on_a_run_is_refused(other: dict[str, Any], tmp_path: Path) -> None:
    job = a_job(run_id="mine")
    async with run_context(job, tmp_path) as context:
        await build_graph().ainvoke(asked(job), context=context)
        with pytest.raises(ConfigError, match="for another request or policy"):
            await build_graph().ainvoke(asked(a_job(**other)), context=context)
    with pytest.raises(ConfigError, match="was made with another"):
        async with run_context(a_job(run_id="mine", **other), tmp_path):
            raise AssertionError
    assert len(load_run(tmp_path / "mine").candidates) == 2


async def test_a_run_that_breaks_off_says_so_and_goes_on(tmp_path: Path) -> None:
    drawing = Waiting()
    job = a_job(generator=drawing, run_id="mine")

    async def embed(then: Exception | None = None) -> None:
        async with run_context(job, tmp_path) as context:
            await build_graph().ainvoke(asked(job), context=context)
            if then is not None:
                raise then

    task = asyncio.ensure_future(embed())
    await drawing.begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert load_run(tmp_path / "mine").status == "interrupted"
    drawing.go_on.set()
    with pytest.raises(ZeroDivisionError):
        async with run_context(job, tmp_path):
            raise ZeroDivisionError
    assert load_run(tmp_path / "mine").status == "failed"
    await embed()
    assert statuses(tmp_path / "mine") == ["interrupted", "failed", "done"]
    with pytest.raises(ZeroDivisionError):
        await embed(then=ZeroDivisionError())  # whatever comes after the run's own end
    require_whole(load_run(tmp_path / "mine"))


class WaitingCritic(UnreliableCritic):
    """Judges the first picture, and others when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def critique(self, request: CritiqueRequest) -> Assessment:
        if self.requests:
            self.begun.set()
            await self.go_on.wait()
        return await super().critique(request)


@pytest.mark.parametrize("part", ["generator", "critic"])
@pytest.mark.parametrize("durability", ["sync", "exit"])
async def test_a_step_that_was_broken_off_is_not_told_twice(
    part: str, durability: Any, tmp_path: Path
) -> None:
    """Neither from a checkpoint in the middle of the run, nor from its beginning."""
    drawing, judging = Waiting(), WaitingCritic()
    waiting: Waiting | WaitingCritic = drawing if part == "generator" else judging
    (judging if waiting is drawing else drawing).go_on.set()
    graph = a_graph()
    job = a_job(
        generator=drawing,
        critic=judging,
        policy=policy(rewriters=("rules",), candidates=2),
        run_id="mine",
    )

    async def embed() -> None:
        async with run_context(job, tmp_path) as context:
            known = (await graph.aget_state(CONFIG)).created_at is not None
            given = None if known else asked(job)
            await graph.ainvoke(given, CONFIG, context=context, durability=durability)

    task = asyncio.ensure_future(embed())
    await waiting.begun.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    waiting.go_on.set()
    await embed()
    run = load_run(tmp_path / "mine")
    require_whole(run)
    told = [event.model_dump_json(exclude={"time"}) for event in run.events()]
    assert len(told) == len(set(told))
    types = [event.type for event in run.events()]
    assert types.count("run-started") == 1
    assert types.count("round-started") == 2
    assert types.count("rendered") == types.count("judged") == 4


async def test_the_same_answer_to_two_questions_is_told_twice(tmp_path: Path) -> None:
    reviewed = policy(review=True)
    job = a_job(policy=reviewed, run_id="mine", rewriters=[CountingRewriter()])
    graph = a_graph()
    reject: Any = Command(resume={"action": "reject", "reason": "make it blue"})
    steps: list[Any] = [asked(job), reject, reject, Command(resume={"action": "stop"})]
    for given in steps:
        async with run_context(job, tmp_path) as context:
            await graph.ainvoke(given, CONFIG, context=context, durability="sync")
    types = [event.type for event in load_run(tmp_path / "mine").events()]
    assert types.count("reviewed") == 3
    assert types.count("rendered") == 1


async def test_three_at_once_with_ids_of_their_own(tmp_path: Path) -> None:
    async def embed(run_id: str) -> None:
        job = a_job(run_id=run_id)
        async with run_context(job, tmp_path) as context:
            await build_graph().ainvoke(asked(job), context=context)

    await asyncio.gather(*map(embed, ("a", "b", "c")))
    for run_id in ("a", "b", "c"):
        require_whole(load_run(tmp_path / run_id))


async def test_the_same_request_at_work_is_refused_with_the_way(tmp_path: Path) -> None:
    drawing = Waiting()
    first = asyncio.ensure_future(run(tmp_path, generator=drawing))
    await drawing.begun.wait()
    with pytest.raises(StoreLockedError, match=r"at work in .* give a run_id of your own"):
        await run(tmp_path, generator=drawing)
    drawing.go_on.set()
    await asyncio.gather(first, *(run(tmp_path, generator=drawing, run_id=i) for i in "abc"))
    for run_id in "abc":
        require_whole(load_run(tmp_path / run_id))


async def test_an_identity_is_not_read_on_the_event_loop(tmp_path: Path) -> None:
    """That of a model is read from all of its files."""

    class FromFiles(UnreliableGenerator):
        def __init__(self) -> None:
            super().__init__()
            self.threads: list[threading.Thread] = []

        @cached_property
        def identity(self) -> Identity:
            self.threads.append(threading.current_thread())
            return Identity(kind="files", name="files")

    generator = FromFiles()
    await run(tmp_path, generator=generator)
    assert len(generator.threads) == 1
    assert generator.threads[0] is not threading.current_thread()
