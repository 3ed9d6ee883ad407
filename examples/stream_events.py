"""Follow a run as it goes: typed events, as they come.

python examples/stream_events.py
"""

from __future__ import annotations

import asyncio

from rr_refine import Event, Judged, Rendered, Rewritten, Run, RunFinished, run_stream


def show(event: Event | Run) -> None:
    match event:
        case Run():
            print(event.result_path)
        case Rendered():
            print(f"image {event.candidate} in {event.seconds:.1f} s")
        case Judged():
            print(f"reward {event.reward:.2f}, weakest: {event.weakest}")
        case Rewritten():
            print(f"next: {event.proposal.prompt}")
        case RunFinished():
            print(f"done: {event.stop.reason}")


async def main() -> None:
    async for event in run_stream("three red circles left of a blue star"):
        show(event)


if __name__ == "__main__":
    asyncio.run(main())
