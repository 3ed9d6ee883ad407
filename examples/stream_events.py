"""Follow a run as it goes: typed events, as they come.

python examples/stream_events.py
"""

from __future__ import annotations

import asyncio

from rr_refine import arefine
from rr_refine.agent.events import Event, Judged, Rendered, Rewritten, RunFinished


def show(event: Event) -> None:
    match event:
        case Rendered():
            print(f"image {event.candidate} in {event.seconds:.1f} s")
        case Judged():
            print(f"reward {event.reward:.2f}, weakest: {event.weakest}")
        case Rewritten():
            print(f"next: {event.proposal.prompt}")
        case RunFinished():
            print(f"done: {event.stop.reason}")


async def main() -> None:
    run = await arefine("three red circles left of a blue star", on_event=show)
    print(run.result_path)


if __name__ == "__main__":
    asyncio.run(main())
