"""Write the tables of docs/capacity.md: a benchmark on 1 to 1,000 workers, event by event.

python docs/capacity.py [--check]

An item goes round: rendered by a worker, filed by the driver, judged by a critic, filed, and again.
Every station serves in order of arrival. How long a render or a judgement takes is left to chance,
a seeded one.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import ceil
from pathlib import Path
from random import Random

PAGE = Path(__file__).with_name("capacity.md")

COSTS = ((600, 1, 8), (2400, 1, 8), (2400, 3, 8), (2400, 3, 64), (10_000, 3, 64), (10_000, 3, 512))
TOKENS = 2600
"""A judgement's: 1,000 of the picture, 1,000 of the question, 600 of the answer."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A benchmark and its machines. Times are in seconds."""

    workers: int
    items: int
    rounds: int = 3
    render: float = 5.0
    critique: float = 4.0
    slots: int = 16
    """Judgements that a critic's endpoint makes at once."""
    loop: float = 0.020
    """Of the driver's event loop, for a render and its judgement."""
    pixels: float = 0.35
    """Of one of the driver's cores, for a picture: packed for its file and for the critic."""
    cores: int = 8
    spread: float = 0.2
    """Renders and judgements take up to this share more or less."""

    @property
    def endpoints(self) -> int:
        """Of critics: a quarter more than the workers need."""
        return max(1, ceil(1.25 * self.workers / self.render * self.critique / self.slots))

    @property
    def concurrency(self) -> int:
        """Items under way: half as many again as keep the workers busy."""
        way = self.render + self.critique + self.pixels + self.loop
        return ceil(1.5 * self.workers / self.render * way)


class Station:
    """Servers alike, with one queue."""

    def __init__(self, clock: Clock, servers: int) -> None:
        self._clock = clock
        self._free = self._servers = servers
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()
        self._worked = 0.0

    def serve(self, seconds: float, then: Callable[[], None]) -> None:
        """Do something that takes `seconds` as soon as a server is free, and go on."""
        self._queue.append((seconds, then))
        self._start()

    def utilisation(self) -> float:
        """The share of its time that the station has worked."""
        return self._worked / (self._clock.now * self._servers)

    def _start(self) -> None:
        while self._free and self._queue:
            seconds, then = self._queue.popleft()
            self._free -= 1
            self._worked += seconds
            self._clock.after(seconds, partial(self._end, then))

    def _end(self, then: Callable[[], None]) -> None:
        self._free += 1
        then()
        self._start()


class Clock:
    """What happens next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let something happen later."""
        heappush(self._events, (self.now + seconds, next(self._order), event))

    def run(self) -> None:
        """Until nothing happens any more."""
        while self._events:
            self.now, _, event = heappop(self._events)
            event()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    wall: float
    """Seconds."""
    rate: float
    """Renders a second while all is going: between a quarter and three quarters of them."""
    busy: dict[str, float]
    """Utilisation of each station."""


def simulate(setup: Setup) -> Result:
    """Run a benchmark."""
    clock, random = Clock(), Random(0)
    stations = {
        "workers": Station(clock, setup.workers),
        "critics": Station(clock, setup.slots * setup.endpoints),
        "event loop": Station(clock, 1),
        "cores": Station(clock, setup.cores),
    }

    def shaken(seconds: float) -> float:
        return seconds * random.uniform(1 - setup.spread, 1 + setup.spread)

    def step(at: list[tuple[str, float]], then: Callable[[], None]) -> None:
        if not at:
            then()
            return
        (station, seconds), *rest = at
        stations[station].serve(seconds, lambda: step(rest, then))

    waiting = iter(range(setup.items))
    ends: list[float] = []

    def begin() -> None:
        if next(waiting, None) is not None:
            a_round(setup.rounds)

    def a_round(left: int) -> None:
        if not left:
            begin()
            return
        way = [
            ("event loop", setup.loop / 2),
            ("workers", shaken(setup.render)),
            ("cores", setup.pixels),
            ("critics", shaken(setup.critique)),
            ("event loop", setup.loop / 2),
        ]

        def end() -> None:
            ends.append(clock.now)
            a_round(left - 1)

        step(way, end)

    for _ in range(setup.concurrency):
        begin()
    clock.run()
    return Result(
        wall=clock.now,
        rate=(len(ends) // 2) / (ends[len(ends) * 3 // 4 - 1] - ends[len(ends) // 4 - 1]),
        busy={name: station.utilisation() for name, station in stations.items()},
    )


def scaling(setup: Setup, *sizes: int) -> str:
    """Renders a second by number of workers, of a benchmark that is large enough for them."""
    lines = ["| workers | can | do | efficiency | busiest |", "|---|---|---|---|---|"]
    for workers in sizes:
        setup = replace(setup, workers=workers)
        setup = replace(setup, items=max(800, 2 * setup.concurrency))
        result, can = simulate(setup), workers / setup.render
        busiest = max(result.busy, key=lambda name: result.busy[name])
        lines.append(
            f"| {workers:,} | {can:.1f}/s | {result.rate:.1f}/s | {result.rate / can:.0%} "
            f"| {busiest}, {result.busy[busiest]:.0%} |"
        )
    return "\n".join(lines)


def costs() -> str:
    """What benchmarks cost."""
    lines = [
        "| items | rounds | workers | renders = judgements | worker hours | critic hours "
        "| critic tokens | wall |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for items, rounds, workers in COSTS:
        setup = Setup(workers, items, rounds)
        renders = items * rounds
        lines.append(
            f"| {items:,} | {rounds} | {workers} | {renders:,} "
            f"| {renders * setup.render / 3600:.1f} "
            f"| {renders * setup.critique / setup.slots / 3600:.1f} "
            f"| {renders * TOKENS / 1e6:.1f} M | {simulate(setup).wall / 60:.0f} min |"
        )
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables as they should be."""
    tables = {
        "costs": costs(),
        "8 cores": scaling(Setup(1, 1, cores=8), 1, 8, 64, 128, 256, 1000),
        "64 cores": scaling(Setup(1, 1, cores=64), 128, 256, 512, 1000),
        "few steps": scaling(Setup(1, 1, cores=64, render=0.5), 1, 8, 32, 128),
    }
    for name, table in tables.items():
        start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}{table}\n{end}{after}"
    return page


def main() -> int:
    """Write, or check."""
    page = PAGE.read_text(encoding="utf-8")
    new = written(page)
    if "--check" in sys.argv:
        if page != new:
            print(f"{PAGE.name} is not current: run python docs/capacity.py", file=sys.stderr)
        return int(page != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
