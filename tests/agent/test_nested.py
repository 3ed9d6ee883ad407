"""A run inside of a node of somebody's own graph: `config=`, and questions as interrupts of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from rr_refine import arefine, build_graph, checkpoint_serializer, load_run, refine, run_stream
from rr_refine.agent.events import Event
from rr_refine.agent.review import Decision, ReviewRequest, read_decision
from rr_refine.agent.server import graph as served
from rr_refine.errors import ConfigError
from tests.agent.builders import CountingRewriter
from tests.agent.records import only_run
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, policy

CONFIG: RunnableConfig = {"configurable": {"thread_id": "mine"}}
REVIEWED = policy(rounds=3, review=True)


def folders(out: Path) -> list[Path]:
    return list(out.iterdir())


class State(TypedDict, total=False):
    prompt: str
    best: str
    answer: str


class Surrounding:
    """A graph with a node that asks something of its own and then makes a run."""

    def __init__(self, out: Path, **options: Any) -> None:
        self.out, self.options = out, options
        self.drawing = UnreliableGenerator()
        self.saver: BaseCheckpointSaver[Any] = InMemorySaver(serde=checkpoint_serializer())

    def graph(self, *, saved: bool = True) -> CompiledStateGraph[Any, Any, Any, Any]:
        graph = StateGraph(State)
        graph.add_node("draw", self.draw)
        graph.add_edge(START, "draw")
        return graph.compile(checkpointer=self.saver if saved else None)

    async def draw(self, state: State, config: RunnableConfig) -> State:
        answer = interrupt("go on?") if self.options.get("ask") else ""
        given: dict[str, Any] = {
            "generator": self.drawing,
            "critic": UnreliableCritic(),
            "policy": REVIEWED,
            "config": config,
        }
        options = {k: v for k, v in self.options.items() if k != "ask"}
        run = await arefine(state["prompt"], out=self.out, **given | options)
        assert run.best is not None
        return {"best": run.best.id, "answer": answer}


async def answered(around: Surrounding, *answers: object) -> list[str]:
    """The prompts that were asked about; each process has a graph of its own."""
    seen: list[str] = []
    given: Any = {"prompt": "a red hat"}
    for answer in (*answers, None):
        await around.graph().ainvoke(given, CONFIG)
        state = await around.graph().aget_state(CONFIG)
        if answer is None:
            assert not state.interrupts
            assert "best" in state.values
            return seen
        (question,) = state.interrupts
        if isinstance(question.value, dict):
            seen.append(question.value["proposal"]["prompt"])
        given = Command(resume=answer)
    raise AssertionError


@pytest.mark.parametrize("ask", [False, True])
async def test_questions_are_interrupts_of_the_surrounding_graph(ask: bool, tmp_path: Path) -> None:
    around = Surrounding(tmp_path, ask=ask, rewriters=[CountingRewriter()])
    first: list[object] = ["yes"] if ask else []
    edited = {"action": "edit", "prompt": "a red hat on a table"}
    seen = await answered(around, *first, edited, {"action": "accept"})
    assert len(set(seen)) == 2
    run = load_run(only_run(tmp_path))
    prompts = [request.prompt for request in around.drawing.requests]
    assert prompts == ["a red hat", "a red hat on a table", seen[1]]  # and nothing twice
    assert [c.prompt for c in run.candidates] == prompts
    assert run.status == "done"
    types = [event.type for event in run.events()]
    assert types.count("review-requested") == types.count("reviewed") == 2
    assert types.count("rendered") == 3


async def test_the_same_request_of_two_threads_is_two_runs(tmp_path: Path) -> None:
    around = Surrounding(tmp_path)
    threads: list[RunnableConfig] = [{"configurable": {"thread_id": name}} for name in "ab"]
    for thread in threads:
        await around.graph().ainvoke({"prompt": "a red hat"}, thread)
    for thread in threads:
        await around.graph().ainvoke(Command(resume={"action": "stop"}), thread)
    runs = [load_run(path) for path in folders(tmp_path)]
    assert [run.status for run in runs] == ["done", "done"]


async def test_a_reviewer_that_interrupts_is_refused(tmp_path: Path) -> None:
    """The second question would get the answer to the first."""

    async def ask(question: ReviewRequest) -> Decision:
        return read_decision(interrupt(question.proposal.prompt))

    around = Surrounding(tmp_path, reviewer=ask)
    with pytest.raises(ConfigError, match=r"interrupt\(\) in reviewer=.*leave reviewer out"):
        await around.graph().ainvoke({"prompt": "a red hat"}, CONFIG)
    assert load_run(only_run(tmp_path)).status == "failed"


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_handler_that_interrupts_is_refused(awaited: bool, tmp_path: Path) -> None:
    async def later(event: Event) -> None:
        interrupt(event.type)

    def now(event: Event) -> None:
        interrupt(event.type)

    around = Surrounding(tmp_path, policy=policy(), on_event=later if awaited else now)
    with pytest.raises(ConfigError, match=r"interrupt\(\) in on_event="):
        await around.graph().ainvoke({"prompt": "a red hat"}, CONFIG)


@pytest.mark.parametrize("saved", [False, True])
async def test_a_reviewer_that_decides_is_asked(saved: bool, tmp_path: Path) -> None:
    seen: list[str] = []

    async def decide(question: ReviewRequest) -> Decision:
        seen.append(question.proposal.prompt)
        return read_decision({"action": "accept"})

    around = Surrounding(tmp_path, reviewer=decide)
    await around.graph(saved=saved).ainvoke({"prompt": "a red hat"}, CONFIG)
    assert len(set(seen)) == 2
    assert load_run(only_run(tmp_path)).status == "done"


async def test_without_anybody_to_ask_it_says_so(tmp_path: Path) -> None:
    around = Surrounding(tmp_path)
    with pytest.raises(ConfigError, match=r"reviewer=…, or config=… of a node whose graph has a"):
        await around.graph(saved=False).ainvoke({"prompt": "a red hat"})
    assert not folders(tmp_path)


class Watching(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[str, ...], dict[str, Any]]] = []
        self.runs: set[UUID] = set()

    async def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, **told: Any
    ) -> None:
        self.seen.append((told["name"], tuple(told["tags"]), told["metadata"]))
        self.runs.add(run_id)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("review", [False, True])
async def test_callbacks_tags_and_thread_are_the_callers(
    inside: bool, review: bool, tmp_path: Path
) -> None:
    async def accept(_: ReviewRequest) -> Decision:
        return read_decision({"action": "accept"})

    watching = Watching()
    config: RunnableConfig = {
        "callbacks": [watching],
        "tags": ["shop"],
        "metadata": {"order": 17},
        "run_id": UUID(int=1),
        "configurable": {"thread_id": "mine"},
    }
    options: dict[str, Any] = {"policy": REVIEWED if review else policy(rewriters=("rules",))}
    if review:
        options["reviewer"] = accept
    around = Surrounding(tmp_path, **options)
    if inside:
        await around.graph().ainvoke({"prompt": "a red hat"}, config)
    else:
        await around.draw({"prompt": "a red hat"}, config)
    ours = [each for each in watching.seen if each[0] in ("rr-refine", "generate", "critique")]
    assert len(ours) >= 5
    for name, tags, metadata in ours:
        assert "shop" in tags, name
        assert metadata["order"] == 17
        assert metadata["thread_id"] == "mine"
    assert len(watching.runs) == len(watching.seen)


async def test_the_surrounding_checkpointer_holds_the_state(tmp_path: Path) -> None:
    around = Surrounding(tmp_path)
    await around.graph().ainvoke({"prompt": "a red hat"}, CONFIG)
    held = [kept.config["configurable"]["checkpoint_ns"] async for kept in around.saver.alist(None)]
    assert any(ns.startswith("draw:") for ns in held)


async def test_events_reach_a_surrounding_stream(tmp_path: Path) -> None:
    around = Surrounding(tmp_path, policy=policy(), on_event=lambda e: get_stream_writer()(e))
    stream: Any = around.graph().astream({"prompt": "a red hat"}, CONFIG, stream_mode="custom")
    types = [event.type async for event in stream]
    assert [types[0], types[-1]] == ["run-started", "run-finished"]


async def test_a_run_stream_may_be_given_a_config(tmp_path: Path) -> None:
    stream = run_stream(
        "a red hat",
        generator=UnreliableGenerator(),
        critic=UnreliableCritic(),
        policy=policy(),
        out=tmp_path,
        config={"tags": ["shop"]},
    )
    items = [item async for item in stream]
    assert items[-1] == load_run(only_run(tmp_path))


@pytest.mark.parametrize("make", [build_graph, served])
def test_a_call_that_is_not_awaited_says_what_to_do(make: Any) -> None:
    for graph in (make(), make().with_config({"tags": ["shop"]})):
        for call in (graph.invoke, graph.stream, graph.batch):
            with pytest.raises(ConfigError, match=r"await graph\.ainvoke\(\.\.\.\)"):
                list(call([{"prompt": "a cat"}]) or ())


def test_nor_is_one_in_a_graph_that_is_not_awaited() -> None:
    around = StateGraph(State)
    around.add_node("draw", served())
    around.add_edge(START, "draw")
    with pytest.raises(ConfigError, match="are coroutines"):
        around.compile().invoke({"prompt": "a cat"})


def test_a_plain_function_of_a_graph_may_make_a_run(tmp_path: Path) -> None:
    """`refine` in a node that is not awaited, in a graph that is not either."""

    def draw(state: State, config: RunnableConfig) -> State:
        run = refine(
            state["prompt"],
            generator=UnreliableGenerator(),
            critic=UnreliableCritic(),
            policy=policy(),
            out=tmp_path,
            config=config,
        )
        assert run.best is not None
        return {"best": run.best.id}

    graph = StateGraph(State)
    graph.add_node("draw", draw)
    graph.add_edge(START, "draw")
    assert graph.compile().invoke({"prompt": "a red hat"})["best"]
    asyncio.run(graph.compile().ainvoke({"prompt": "a blue hat"}))
    assert len(list(tmp_path.iterdir())) == 2
