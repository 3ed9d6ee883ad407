"""The graph itself: its picture, its state, and programs that embed it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from rr_refine.agent import graph as graph_module
from rr_refine.agent.graph import build_graph, recursion_limit
from rr_refine.agent.refine import make_job
from rr_refine.agent.review import Accept, Decision, Pick, Reject, ReviewRequest
from rr_refine.agent.run import load_run
from rr_refine.agent.run_context import run_context
from rr_refine.agent.state import RefineState, checkpoint_serializer
from rr_refine.errors import ConfigError
from tests.agent.builders import CountingRewriter
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, policy, run
from tests.command_server import NODES

ROOT = Path(__file__).parents[2]


def test_the_drawing_in_the_docs() -> None:
    drawing = build_graph().get_graph().draw_mermaid()
    page = (ROOT / "docs" / "loop.md").read_text()
    assert f"```mermaid\n{drawing}```" in page


def test_no_decision_waits_for_a_thread() -> None:
    """LangGraph runs plain functions in threads, which takes longer than most of our nodes."""
    branches = [each for of in build_graph().builder.branches.values() for each in of.items()]
    assert len(branches) == 5
    for name, branch in branches:
        assert getattr(branch.path, "func", name) is None, name


async def test_nodes_return_only_what_is_in_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangGraph drops a key that it does not know, without a word."""
    returned: dict[str, set[str]] = {}
    for name in NODES:
        node = getattr(graph_module, name)

        @functools.wraps(node)
        async def watched(*args: Any, node: Any = node, **kwargs: Any) -> Mapping[str, Any]:
            change: Mapping[str, Any] = await node(*args, **kwargs)
            returned.setdefault(node.__name__, set()).update(change)
            return change

        monkeypatch.setattr(graph_module, name, watched)
    monkeypatch.setattr("rr_refine.agent.session._graph", build_graph)
    decisions: list[Decision] = [Reject(reason="darker"), Pick(candidate="r0c1"), Accept()]

    async def decide(_: ReviewRequest) -> Decision:
        return decisions.pop(0)

    looked_at = policy(review=True, candidates=2, rewriters=("rules",))
    await run(tmp_path, policy=looked_at, reviewer=decide)
    assert set(returned) == set(NODES)
    known = set(RefineState.__annotations__)
    assert {name: keys - known for name, keys in returned.items() if keys - known} == {}


async def test_without_its_context_it_says_so() -> None:
    job = make_job("a cat")
    with pytest.raises(ConfigError, match="without context=RunContext"):
        await build_graph().ainvoke({"request": job.request, "policy": job.policy})


async def test_a_run_that_is_only_opened_stays_as_it_was(tmp_path: Path) -> None:
    job = make_job("a cat", generator="fake", critic="fake", run_id="x")
    saver = InMemorySaver(serde=checkpoint_serializer())
    thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
    async with run_context(job, tmp_path) as context:
        given: Any = {"request": job.request, "policy": job.policy}
        await build_graph(saver).ainvoke(given, thread, context=context)
    assert load_run(tmp_path / "x").status == "done"
    async with run_context(job, tmp_path):
        pass
    assert load_run(tmp_path / "x").status == "done"
    async with run_context(job, tmp_path) as context:
        late: Any = Command(resume={"action": "accept"})
        await build_graph(saver).ainvoke(late, thread, context=context)
    assert load_run(tmp_path / "x").status == "done"


@pytest.mark.parametrize("resumes", [True, False])
async def test_without_its_state_it_says_so(tmp_path: Path, resumes: bool) -> None:
    job = make_job("a cat", generator="fake", critic="fake")
    given: Any = Command(resume={"action": "accept"}) if resumes else {"request": job.request}
    saver = InMemorySaver(serde=checkpoint_serializer())
    async with run_context(job, tmp_path) as context:
        with pytest.raises(ConfigError, match="policy to work by: its input is a dict of both"):
            await build_graph(saver).ainvoke(
                given, {"configurable": {"thread_id": "lost"}}, context=context
            )


async def test_fifty_rounds(tmp_path: Path) -> None:
    making = UnreliableGenerator()
    rounds = policy(rounds=50)
    done = await run(tmp_path, generator=making, policy=rounds, rewriters=[CountingRewriter()])
    assert done.outcome is not None
    assert done.outcome.stop.rule == "max-rounds"
    assert len(making.requests) == 50


async def test_many_rejections_within_the_recursion_limit(tmp_path: Path) -> None:
    seen: list[str] = []

    async def never_content(question: ReviewRequest) -> Decision:
        seen.append(question.proposal.prompt)
        return Reject(reason="no") if len(seen) < 60 else Accept()

    reviewed = policy(review=True)
    done = await run(
        tmp_path, policy=reviewed, rewriters=[CountingRewriter()], reviewer=never_content
    )
    assert len(set(seen)) == 60
    assert len(done.candidates) == 2


async def test_a_checkpointer_of_the_callers(tmp_path: Path) -> None:
    job = make_job(
        "three red hats",
        generator=UnreliableGenerator(),
        critic=UnreliableCritic(),
        policy=policy(),
    )
    saver = InMemorySaver(serde=checkpoint_serializer())
    async with run_context(job, tmp_path) as context:
        final = await build_graph(saver).ainvoke(
            {"request": job.request, "policy": job.policy},
            {"configurable": {"thread_id": "1"}, "recursion_limit": recursion_limit(2)},
            context=context,
        )
    assert final["outcome"].stop.rule == "max-rounds"


def test_embedded_with_strict_checkpoints(tmp_path: Path) -> None:
    """No type of ours is unknown to the serializer, no pixel is in the state, nothing warns."""
    subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.agent.embedded", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"LANGGRAPH_STRICT_MSGPACK": "true"},
        check=True,
        timeout=120,
    )
