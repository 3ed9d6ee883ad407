"""Embed the graph in your own program, with your own checkpointer.

python examples/embed_graph.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver

from rr_refine import build_graph, preset
from rr_refine.agent.refine import folder_for, make_job
from rr_refine.agent.state import RunContext, checkpoint_serializer


async def main() -> None:
    job = make_job(
        'a poster that says "OPEN"', generator="fake", critic="fake", policy=preset("refine")
    )
    # To keep the state on disk: pip install langgraph-checkpoint-sqlite aiosqlite
    graph = build_graph(InMemorySaver(serde=checkpoint_serializer()))
    with folder_for(job, Path("runs")) as folder:
        final = await graph.ainvoke(
            {"request": job.request, "policy": job.policy},
            {"configurable": {"thread_id": "poster"}},
            # Live objects are not saved in checkpoints: hand them in again to resume.
            context=RunContext(job.generator, job.critic, job.rewriters, folder, job.intent_check),
            durability="sync",
        )
    outcome = final["outcome"]
    print(f"stopped by {outcome.stop.rule}: {outcome.stop.reason}")
    print(f"best prompt: {outcome.best.prompt}")


if __name__ == "__main__":
    asyncio.run(main())
