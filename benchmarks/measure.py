"""A whole benchmark: every item through every arm, laid out, judged, scored, and reported.

OUT/bench.json, OUT/trials.jsonl, OUT/runs/    see `rr_refine.benchmarks.engine`
OUT/cache/                  renders, critiques and the judge's raw answers
OUT/judge.json              whose marks these are, where a judge gives them
OUT/pictures/<arm>/…        the official layout where there is one, and nothing else
OUT/judgements/<arm>/       what the official scoring script ingests
OUT/results.json, …         see `rr_refine.benchmarks.report`
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Final

from pydantic import JsonValue

from rr_refine.agent.ledger import Ledger
from rr_refine.agent.manifest import versions
from rr_refine.agent.store.folder import image_path
from rr_refine.benchmarks.answers import write_answers
from rr_refine.benchmarks.arms import Arm, Models
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import read_trials, run_arms, run_many
from rr_refine.benchmarks.header import read_header
from rr_refine.benchmarks.item import Benchmark, Mark
from rr_refine.benchmarks.judging import ATTEMPTS, FakeJudge, JudgeFile, Judging
from rr_refine.benchmarks.protocol import AsksJudge, Layout
from rr_refine.benchmarks.question import GradingJudge, Judge, can_grade
from rr_refine.benchmarks.report import write_report
from rr_refine.benchmarks.results import Noise, Provenance, Results, summarise
from rr_refine.benchmarks.scoring import lay_out, pictures_of, score
from rr_refine.benchmarks.source import Source
from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import ConfigError, CriticError, OverBudgetError
from rr_refine.pictures import load_picture, load_stored

__all__ = ["AnyJudge", "Work", "measure", "preflight"]

AnyJudge = Judge | GradingJudge | FakeJudge

_AT_ONCE: Final = 32
"""Pictures that are judged again at once; the judge bounds it further."""


async def measure(
    benchmark: Benchmark,
    arms: Sequence[Arm],
    models: Models,
    cache: Cache,
    out: Path,
    *,
    renders: int,
    concurrency: int = 32,
    curve: bool = True,
    judge: AnyJudge | None = None,
    attempts: int = ATTEMPTS,
    noise: int = 0,
    settings: Mapping[str, JsonValue] | None = None,
    source: Source | None = None,
    ledger: Ledger | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    drain: asyncio.Event | None = None,
) -> Results | None:
    """Run `benchmark` in `out` and leave the report there; see `run_arms` and `write_report`.

    Args:
        models: connected, as the critics of `arms`.
        cache: of the same folder. If it is offline, models need not be connected, and arms that
            would take what was not kept are left out of the results, whole: a note names them.
        judge: connected; None leaves pictures that no program grades without marks, which a later
            session can add.
        attempts: see `Judging`.
        noise: how many pictures of the first arm are judged once more, to hold the judge against
            itself.
        source: how the benchmark was read; recorded only.
        settings: how all were configured; recorded only, so no keys and passwords.
        ledger: pays here, see `rr_refine.endpoint.bill.paid_by`; recorded.

    Returns:
        None where it was drained before all was done: the pictures are laid out.

    Raises:
        ConfigError: `out` holds runs of other models, policies, requests or judges; a wrong key; a
            judge that has nothing to do.
        StoreError: a file cannot be written or read, or another process works in `out`.
    """
    start = time.monotonic()
    work = Work(benchmark, arms, cache, out, judge, attempts, ledger)
    shared, remembering = _with_memory(models, arms, cache, out)
    whole = await run_arms(
        work.graded(),
        remembering,
        shared,
        out,
        renders=renders,
        concurrency=concurrency,
        curve=curve,
        pictures=cache.image_path,
        on_trial=on_trial,
        drain=drain,
    )
    if not whole:
        work.lay_out()
        return None
    work, notes = work.recorded()
    provenance = Provenance(
        benchmark=benchmark.name,
        renders=renders,
        generator=shared.generator.identity,
        critic=shared.critic.identity,
        notes=notes,
        source=source,
        versions=versions(),
        settings=dict(settings or {}),
        seconds=time.monotonic() - start,
    )
    return await work.report(provenance, noise)


def _with_memory(
    models: Models, arms: Sequence[Arm], cache: Cache, out: Path
) -> tuple[Models, list[Arm]]:
    """All models with the memory of `cache`: offline, as the folder knows them."""
    header = read_header(out) if cache.offline else None
    generator, critic = (header.generator, header.critic) if header else (None, None)
    own = {arm.name: header.critic_of(arm.name) if header else None for arm in arms}
    return (
        Models(
            cache.generator(models.generator, generator),
            cache.critic(models.critic, critic),
            models.parameters,
        ),
        [
            replace(arm, critic=arm.critic and cache.critic(arm.critic, own[arm.name]))
            for arm in arms
        ],
    )


def preflight(benchmark: Benchmark, arms: Sequence[Arm], out: Path) -> dict[str, list[str]]:
    """What the official script would stumble over, by arm; empty where there is no layout."""
    if not isinstance(benchmark, Layout):
        return {}
    return {arm.name: benchmark.preflight(pictures_of(out, arm.name)) for arm in arms}


@dataclass(slots=True)
class Work:
    """A folder with trials, and what becomes of it."""

    benchmark: Benchmark
    arms: Sequence[Arm]
    cache: Cache
    out: Path
    judge: AnyJudge | None
    attempts: int
    ledger: Ledger | None = None

    def graded(self) -> Benchmark:
        """The benchmark with the judge as its grader, where there is one."""
        benchmark, judge = self.benchmark, self.judge
        if judge is not None and (
            benchmark.grade or not (can_grade(judge) or isinstance(benchmark, AsksJudge))
        ):
            raise ConfigError(f"{benchmark.name} asks no judge: leave out the judge")
        file = JudgeFile(self.out, benchmark, judge)
        if judge is None:
            return benchmark
        own = copy(benchmark)
        if can_grade(judge):
            own.grade = file.before(judge.grade)
        elif (judging := self._judging()) is not None:
            own.grade = file.before(judging.mark)
        return own

    def trials(self) -> Iterator[Trial]:
        """Those of the benchmark's items and arms, one at a time."""
        arms, items = {arm.name for arm in self.arms}, {item.id for item in self.benchmark.items}
        return (t for t in read_trials(self.out) if t.arm in arms and t.item in items)

    def recorded(self) -> tuple[Work, tuple[str, ...]]:
        """The same without the arms that would take what was not kept, offline; and which they are.

        Raises:
            ConfigError: none is left, or not the one that the others are held against.
        """
        owed = Counter(trial.arm for trial in self.trials() if not trial.recorded)
        if not owed:
            return self, ()
        left = [arm for arm in self.arms if arm.name not in owed]
        shown = ", ".join(f"{name} ({count})" for name, count in owed.items())
        told = f"need new renders or judgements, and are left out (items that do): {shown}"
        if not left or self.arms[0].name in owed:
            raise ConfigError(f"offline, there is nothing to compare: these {told}")
        return replace(self, arms=left), (f"Arms that {told}.",)

    def lay_out(self) -> None:
        """Bring the pictures of all trials that are there into the official layout."""
        names = [arm.name for arm in self.arms]
        lay_out(self.benchmark, names, self.out, ((t, self.out) for t in self.trials()))

    async def report(self, provenance: Provenance, noise: int) -> Results:
        """Lay out, score and summarise the trials that are there, and write the report.

        Args:
            provenance: what made the pictures, how, and in which time; the rest is filled in.
            noise: see `measure`.
        """
        benchmark, judge = self.benchmark, self.judge
        start = time.monotonic()
        self.lay_out()
        again = await self.noise(noise)
        self.keep_answers()
        names = [arm.name for arm in self.arms]
        official, values, views = score(benchmark, names, self.out, self.trials)
        judged_by = None if judge is None else judge.identity
        results = summarise(
            self.trials,
            self.arms,
            provenance.model_copy(
                update={
                    "judge": judged_by,
                    "judge_is_critic": (
                        judged_by is not None and judged_by.name == provenance.critic.name
                    ),
                    "wording": benchmark.wording if isinstance(benchmark, AsksJudge) else "",
                    "files": dict(benchmark.files),
                    "notes": (*provenance.notes, *benchmark.notes),
                    "cost": None if self.ledger is None else self.ledger.total,
                    "date": datetime.now(UTC).isoformat(timespec="seconds"),
                    "seconds": provenance.seconds + time.monotonic() - start,
                    "made": {str(kind): number for kind, number in self.cache.made.items()},
                }
            ),
            dimensions=benchmark.dimensions if judge is not None or benchmark.grade else (),
            official=official,
            official_values=values,
            extra_views=views,
            noise=again,
            worse_by=benchmark.worse_by,
            # a judge that grades by itself has a scale of its own
            scale=None if judge is not None and can_grade(judge) else benchmark.scale,
        )
        write_report(self.out, results, self.trials)
        return results

    async def noise(self, pictures: int) -> Noise | None:
        """The judge against itself. Where a second answer cannot be had or read, the next picture
        is taken, as long as there are any.
        """
        judging = self._judging()
        if judging is None or not pictures:
            return None
        items = {item.id: item for item in self.benchmark.items}
        first = (t for t in self.trials() if t.arm == self.arms[0].name and t.result.mark)
        pairs: list[tuple[Mark, Mark]] = []

        async def again(trial: Trial) -> None:
            sample, mark = trial.result.sample, trial.result.mark
            assert sample is not None and mark is not None
            file = image_path(self.out / trial.run, sample.image)
            stored = await asyncio.to_thread(load_stored, file, within=self.out)
            image = load_picture(stored)
            with suppress(CriticError, OverBudgetError):
                pairs.append((mark, await judging.mark(items[trial.item], image, turn=1)))

        while owed := list(islice(first, pictures - len(pairs))):
            await run_many(map(again, owed), _AT_ONCE)
        if not pairs:
            return None
        return Noise(
            pictures=len(pairs),
            difference=fmean(abs(a.score - b.score) for a, b in pairs),
            flipped=fmean(a.exact != b.exact for a, b in pairs),
        )

    def keep_answers(self) -> None:
        """Write every answer of the judge, by arm."""
        if (judging := self._judging()) is None:
            return
        items = {item.id: item for item in self.benchmark.items}
        for arm in self.arms:
            said = (
                answer
                for trial in self.trials()
                if trial.arm == arm.name
                for image in trial.images
                for answer in judging.said(items[trial.item], image)
            )
            write_answers(self.out, arm.name, said)

    def _judging(self) -> Judging | None:
        """None where no questions are put."""
        judge, benchmark = self.judge, self.benchmark
        if judge is None or can_grade(judge) or not isinstance(benchmark, AsksJudge):
            return None
        return Judging(benchmark, judge, self.cache, self.attempts)
