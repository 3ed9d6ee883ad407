"""Embed the graph in your own program: with review, and with a checkpointer on disk.

pip install langgraph-checkpoint-sqlite aiosqlite
python examples/embed_graph.py                          begins, and asks about a prompt
python examples/embed_graph.py '{"action": "accept"}'   answers, in a process of its own
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from rr_refine import (
    build_graph,
    checkpoint_serializer,
    load_run,
    make_job,
    preset,
    run_context,
)

RUN_ID = "poster"  # the run's folder is runs/poster; LangGraph's thread may be called otherwise


async def main(answer: str | None) -> None:
    job = make_job(
        'a poster that says "OPEN"',
        generator="fake",
        critic="fake",
        policy=preset("refine", review=True, target=None, budget={"rounds": 3}),
        run_id=RUN_ID,
    )
    given: Any = {"request": job.request, "policy": job.policy}
    if answer is not None:
        given = Command(resume=json.loads(answer))
    async with (
        aiosqlite.connect("checkpoints.sqlite") as connection,
        # Live objects are in no checkpoint: to resume is to open the run again, by its id.
        run_context(job, "runs") as context,
    ):
        graph = build_graph(AsyncSqliteSaver(connection, serde=checkpoint_serializer()))
        await graph.ainvoke(
            given,
            {"configurable": {"thread_id": RUN_ID}},
            context=context,
            durability="sync",
        )
    if context.question is not None:
        print(f"asked about: {context.question.proposal.prompt}")
        return
    run = load_run(context.folder.path)
    assert run.outcome is not None and run.best is not None
    print(f"stopped by {run.outcome.stop.rule}: {run.outcome.stop.reason}")
    print(f"best prompt: {run.best.prompt}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
