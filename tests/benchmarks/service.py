"""`examples/service.py` under load on loopback, killed in the middle: what it does in a second.

    python -m tests.benchmarks.service [runs]

Two users ask for runs, half of them with review, and accept whatever is proposed. Generator and
critic mostly sleep. When half of the runs are done the service is killed (SIGKILL) and started
again. Prints runs in a second, with that pause and without it, and the 95th percentiles of a run
and of a reply. Fails if a run that was accepted was not finished, or finished twice, or if an
answer did not count once. Takes no more than two minutes. Needs Postgres.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.examples.postgres import WHY_NOT, postgres
from tests.examples.served import TOKENS, Served, User, require_whole

AT_ONCE = 16  # runs at work
WAITING = 12  # runs that a user has at once
SECONDS = 0.05  # of a render, and of a judgement
LIMIT = 120  # seconds


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * (len(values) - 1))]


async def load(service: Served, count: int) -> tuple[list[User], float, float]:
    """So many runs; gives the users, the seconds of all, and those that the service was away."""
    clients = {name: service.client(name) for name in TOKENS}
    users = {name: User(client) for name, client in clients.items()}
    places = {name: asyncio.Semaphore(WAITING) for name in TOKENS}

    async def run(number: int) -> None:
        name = list(TOKENS)[number % len(TOKENS)]
        async with places[name]:
            await users[name].run(f"run-{number}", review=number % 4 < 2)

    start = time.perf_counter()
    runs = [asyncio.ensure_future(run(number)) for number in range(count)]
    while sum(task.done() for task in runs) < count // 2:
        await asyncio.sleep(0.02)
        assert not any(task.done() and task.exception() for task in runs)
    killed = time.perf_counter()
    service.end(signal.SIGKILL)
    await asyncio.to_thread(service.start)
    away = time.perf_counter() - killed
    await asyncio.gather(*runs)
    seconds = time.perf_counter() - start
    for client in clients.values():
        await client.aclose()
    return list(users.values()), seconds, away


async def main(count: int) -> None:
    """Load it, look at what is left, and print."""
    options = {
        "SERVICE_LIMIT": str(WAITING),
        "SERVICE_AT_ONCE": str(AT_ONCE),
        "SLOW_SECONDS": str(SECONDS),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres() as url,
        Served(Path(folder), url, options) as service,
    ):
        async with asyncio.timeout(LIMIT):
            users, seconds, away = await load(service, count)
        for owner, user in zip(TOKENS, users, strict=True):
            for name, answered in user.answered.items():
                require_whole(Path(folder) / "runs" / owner / name, len(answered))
    took = [value for user in users for value in user.seconds.values()]
    replies = [value for user in users for value in user.replies]
    answers = sum(len(answered) for user in users for answered in user.answered.values())
    lost = sum(user.lost for user in users)
    print(f"{count} runs, {answers} answers, {len(replies)} replies; {lost} requests without one")
    print(f"killed once, back after {away:.1f} s; every run done once, every answer counted once")
    print(
        f"{count / seconds:.1f} runs/s, {count / (seconds - away):.1f} while it was there; "
        f"a run: p95 {p95(took):.1f} s; a reply: p95 {1000 * p95(replies):.0f} ms"
    )


if __name__ == "__main__":
    if WHY_NOT is not None:
        print(f"skipped: {WHY_NOT}")
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 80))
