"""A program that embeds the graph, with checkpointers of its own. Run with
LANGGRAPH_STRICT_MSGPACK=true, which LangGraph reads when it is imported.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command, Interrupt
from pydantic import BaseModel

from rr_refine import build_graph, checkpoint_serializer, make_job, run_context
from rr_refine.agent.graph import recursion_limit
from rr_refine.agent.state import Outcome
from tests.agent.whole import UnreliableCritic, generator, policy


class Loud(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, BaseModel):
        value = value.__dict__
    elif isinstance(value, Interrupt):
        value = value.value
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


async def require_no_pixels(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> None:
    count = 0
    async for kept in saver.alist(config):
        values = [kept.checkpoint["channel_values"], kept.pending_writes]
        for leaf in (leaf for value in values for leaf in leaves(value)):
            count += 1
            assert leaf is None or isinstance(leaf, str | int | float), type(leaf)
            assert not isinstance(leaf, str) or len(leaf) < 1000, leaf
    assert count > 100


async def embed(saver: BaseCheckpointSaver[Any], path: Path) -> None:
    job = make_job(
        "three red hats",
        generator=generator(),
        critic=UnreliableCritic(),
        policy=policy(review=True, rewriters=("rules",), candidates=2),
    )
    config: RunnableConfig = {
        "configurable": {"thread_id": "mine"},
        "recursion_limit": recursion_limit(2),
    }
    given: Any = {"request": job.request, "policy": job.policy}
    answers: list[object] = ["yes!", {"action": "pick", "candidate": "r9c9"}, {"action": "accept"}]
    problems: list[str] = []
    async with run_context(job, path) as context:
        while True:
            graph = build_graph(saver)  # a new one each time: nothing is kept but the checkpoints
            final = await graph.ainvoke(given, config, context=context, durability="sync")
            asked = (await graph.aget_state(config)).interrupts
            if not asked:
                break
            problems.append(asked[0].value["problem"])
            given = Command(resume=answers[len(problems) - 1])
        state = (await graph.aget_state(config)).values
    assert len(problems) == 3
    assert problems[0] == ""
    assert problems[1] == "the answer = 'yes!' is no table of fields"  # in words, not pydantic's
    assert "cannot be picked" in problems[2]
    outcome = final["outcome"]
    assert set(final) == {"outcome"}
    assert isinstance(outcome, Outcome)
    assert outcome == state["outcome"]
    assert outcome.stop.rule == "max-rounds"
    # A tuple comes back from a checkpoint as a list.
    assert tuple(state["candidates"]) == outcome.candidates
    assert (state["request"], state["policy"]) == (job.request, job.policy)
    await require_no_pixels(saver, config)


async def main(out: Path) -> None:
    logging.getLogger().addHandler(Loud(logging.WARNING))
    serializer = checkpoint_serializer()
    await embed(InMemorySaver(serde=serializer), out / "memory")
    async with aiosqlite.connect(out / "mine.sqlite") as connection:
        await embed(AsyncSqliteSaver(connection, serde=serializer), out / "sqlite")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
