"""`rr-refine bench unigenbench` and its like: arms of the loop on a published benchmark."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from rr_refine.benchmarks.arms import Arm
from rr_refine.benchmarks.engine import Models
from rr_refine.benchmarks.evaluate import Evaluation
from rr_refine.benchmarks.judging import StandIn
from rr_refine.benchmarks.published.protocol import Published
from rr_refine.benchmarks.question import Judge
from rr_refine.benchmarks.results import Results
from rr_refine.benchmarks.trial import Trial
from rr_refine.cli.bench_models import make_judge, make_models
from rr_refine.cli.bench_options import BenchOptions, parse_shard
from rr_refine.cli.exits import DONE, FAILED, INTERRUPTED, guarded
from rr_refine.cli.job import make_rewriters
from rr_refine.cli.progress import Progress
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import plain
from rr_refine.errors import ConfigError

__all__ = ["gedit", "geneval", "imgedit", "picabench", "unigenbench"]

_ARMS: Final = ("one-shot", "refine")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOWN: Final = 5
"""Lines of a preflight's findings that are shown; the rest is counted."""
_SECTIONS: Final = ("generator.", "critic.", "judge.", "parameters.", "loop.", "rewriter.")
"""Settings that have an effect here."""


def unigenbench(
    *,
    data: Path,
    suite: Literal["en", "en_long", "zh", "zh_long"] = "en",
    samples: int = 4,
    prompts: Path | None = None,
    options: BenchOptions | None = None,
) -> int:
    """Run arms of the loop on UniGenBench.

    Leaves pictures in the official layout, judgements that the official scripts ingest, and a
    report. Ctrl-C and SIGTERM end it after the steps under way; --resume goes on.

    Args:
        data: Folder with test_prompts_en.csv and its like, or one such file.
        suite: Language and length of the prompts.
        samples: Pictures of each prompt; the official protocol has 4.
        prompts: Official eval_common.py, for the judge's exact prompts; else our own wording.
    """
    return _bench("unigenbench", data, suite, samples, prompts, options)


def imgedit(
    *,
    data: Path,
    suite: Literal["basic", "uge"] = "basic",
    prompts: Path | None = None,
    options: BenchOptions | None = None,
) -> int:
    """Run arms of the loop on ImgEdit-Bench.

    See rr-refine bench unigenbench --help for what is left behind.

    Args:
        data: The Benchmark folder: JSON files and pictures.
        suite: basic has 737 edits of 9 types, uge 47 hard ones.
        prompts: Official prompts.json, for the judge's exact prompts; else our own wording.
    """
    return _bench("imgedit", data, suite, None, prompts, options)


def gedit(
    *,
    data: Path,
    suite: Literal["en", "cn", "zh"] = "en",
    prompts: Path | None = None,
    options: BenchOptions | None = None,
) -> int:
    """Run arms of the loop on GEdit-Bench.

    See rr-refine bench unigenbench --help for what is left behind.

    Args:
        data: The data set's folder or parquet files.
        suite: Language of the instructions; zh is another name of cn.
        prompts: Official vie_prompts.py, for the judge's exact prompts; else our own wording.
    """
    return _bench("gedit", data, suite, None, prompts, options)


def picabench(
    *,
    data: Path,
    suite: Literal["superficial", "intermediate", "explicit"] = "superficial",
    options: BenchOptions | None = None,
) -> int:
    """Run arms of the loop on PICABench.

    See rr-refine bench unigenbench --help for what is left behind.

    Args:
        data: The parquet file or its folder, or a meta_info.json.
        suite: How much the instruction says of the physics.
    """
    return _bench("picabench", data, suite, None, None, options)


def geneval(*, data: Path, samples: int = 4, options: BenchOptions | None = None) -> int:
    """Make GenEval's pictures with arms of the loop.

    GenEval is judged by a detector, in its own repository: pictures are made and laid out for it.

    Args:
        data: evaluation_metadata.jsonl or its folder.
        samples: Pictures of each prompt; the official protocol has 4.
    """
    return _bench("geneval", data, None, samples, None, options)


def _bench(
    name: str,
    data: Path,
    suite: str | None,
    samples: int | None,
    prompts: Path | None,
    options: BenchOptions | None,
) -> int:
    chosen = options or BenchOptions()

    def command() -> int:
        from rr_refine.benchmarks.arms import make_arms
        from rr_refine.benchmarks.catalogue import BENCHMARKS, load, part_of
        from rr_refine.cli.settings import read_settings, split_assignment

        chosen.check()
        assigned = dict(split_assignment(text) for text in chosen.set_ or ())
        for key in assigned:
            if not key.startswith(_SECTIONS):
                hint = "; give --renders" if key.startswith("budget.") else ""
                raise ConfigError(f"--set {key} has no effect on a benchmark{hint}")
        settings = read_settings(chosen.config, {**chosen.flags(), **assigned})
        if name == "geneval":
            if chosen.judge not in (None, "none") or chosen.judge_url or chosen.judge_model:
                raise ConfigError("GenEval is judged by its own detector: leave out the judge")
            settings.lay({"judge.use": "none"}, "rr-refine bench geneval")
        if settings.values.get("loop.review"):
            raise ConfigError("loop.review has no place in a benchmark: nobody is there to decide")
        out = chosen.out or Path("runs", f"bench-{name}")
        if not chosen.resume and (out / "bench.json").exists():
            raise ConfigError(
                f"{str(out)!r} holds an earlier benchmark: go on with --resume, or give another "
                "--out"
            )
        published = load(
            name,
            data,
            suite,
            samples=samples,
            limit=chosen.limit,
            prompts=prompts,
            cache=out / "data",
        )
        if chosen.shard is not None:
            published = part_of(published, *parse_shard(chosen.shard))
        names = tuple(chosen.arm) if chosen.arm else _ARMS
        changes = settings.section("loop")
        if settings.values["rewriter.use"] is not None:
            changes["rewriters"] = list(settings.texts("rewriter.use"))
        arms = make_arms(chosen.renders, names=names, blind=chosen.blind, changes=changes)
        policies = [arm.policy for arm in arms]
        arms = tuple(
            replace(arm, rewriters=make_rewriters(settings, arm.policy, *policies)) for arm in arms
        )
        try:
            work = _Work(chosen, settings, published, arms, out, BENCHMARKS[name].worse_by)
            return asyncio.run(work.run())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    return guarded(command)


class _Work:
    """One command's work."""

    def __init__(
        self,
        options: BenchOptions,
        settings: Settings,
        published: Published,
        arms: Sequence[Arm],
        out: Path,
        worse_by: float,
    ) -> None:
        self._worse_by = worse_by
        self._options = options
        self._settings = settings
        self._published = published
        self._arms = arms
        self._out = out
        self._judged = settings.values.get("judge.use") not in (None, "none")
        self._progress = Progress()
        self._owed = len(published.items) * len(arms)
        self._done = self._failed = 0
        self._sum = 0.0

    async def run(self) -> int:
        """Run, score, report; gives the exit code."""
        from rr_refine.benchmarks.cache import Cache
        from rr_refine.benchmarks.engine import Models, run_arms
        from rr_refine.benchmarks.evaluate import Evaluation
        from rr_refine.component import connected

        start = time.monotonic()
        models = make_models(self._options, self._settings)
        judge = make_judge(self._options, self._settings)
        for note in self._published.notes:
            print(f"note: {plain(note)}", file=sys.stderr)
        with Cache(self._out / "cache") as cache:
            async with connected((models.generator, models.critic, judge)):
                shared = Models(
                    cache.generator(models.generator),
                    cache.critic(models.critic),
                    models.parameters,
                )
                evaluation = Evaluation(
                    self._published,
                    self._arms,
                    self._out,
                    cache,
                    judge,
                    self._options.attempts,
                    self._worse_by,
                )
                evaluation.require_same_judge()
                drain = asyncio.Event()
                earlier = sum(trial.settled for trial in evaluation.trials())
                self._progress.begin("runs", earlier)
                with _draining(drain):
                    whole = await run_arms(
                        evaluation.benchmark,
                        self._arms,
                        shared,
                        self._out,
                        renders=self._options.renders,
                        concurrency=self._options.concurrency,
                        curve=self._options.curve,
                        pictures=cache.image_path,
                        on_trial=self._told,
                        drain=drain,
                    )
                    if not whole:
                        evaluation.lay_out()
                        print(
                            f"stopped after {self._done} of {self._owed} runs; --resume goes on",
                            file=sys.stderr,
                        )
                        return INTERRUPTED
                    return await self._finish(evaluation, models, judge, start)

    async def _finish(
        self, evaluation: Evaluation, models: Models, judge: Judge | StandIn | None, start: float
    ) -> int:
        """Lay out, score, report, show; gives the exit code."""
        from rr_refine.agent.manifest import versions
        from rr_refine.benchmarks.report import write_report
        from rr_refine.benchmarks.results import Provenance

        evaluation.lay_out()
        noise = await evaluation.noise(self._options.noise)
        results = evaluation.results(
            Provenance(
                benchmark=self._published.name,
                renders=self._options.renders,
                generator=models.generator.identity,
                critic=models.critic.identity,
                judge=None if judge is None else judge.identity,
                settings=self._public(),
                versions=versions(),
                made={str(kind): number for kind, number in evaluation.cache.made.items()},
                date=datetime.now(UTC).isoformat(timespec="seconds"),
                seconds=time.monotonic() - start,
            ),
            noise,
        )
        write_report(self._out, results, evaluation.trials)
        for arm, problems in evaluation.preflight().items():
            _tell_preflight(arm, problems)
        return self._leave(results)

    def _told(self, trial: Trial) -> None:
        """Show how far it is."""
        self._done += 1
        self._failed += self._has_failed(trial)
        self._sum += (trial.result.mark or trial.worst).score
        score = self._sum / self._done if self._judged else None
        self._progress("runs", self._done, self._owed, self._failed, score)

    def _has_failed(self, trial: Trial) -> bool:
        return (
            trial.error is not None
            or trial.result.shot is None
            or (self._judged and not trial.settled)
        )

    def _public(self) -> dict[str, JsonValue]:
        """The settings that were in effect."""
        public = self._settings.public()
        return {key: value for key, value in public.items() if key.startswith(_SECTIONS)}

    def _leave(self, results: Results) -> int:
        """Show the results; gives the exit code."""
        from rr_refine.benchmarks.table import write_tables

        if self._options.json:
            print(results.model_dump_json())
        else:
            print(write_tables(results))
            print(self._out)
        if self._failed:
            print(f"{self._failed} failed; --resume tries them again", file=sys.stderr)
        # The one comparison that --fail-on-error stands for.
        too_many = self._failed > self._options.fail_on_error * self._owed
        return FAILED if too_many else DONE


@contextmanager
def _draining(drain: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets the steps under way come to their end, another ends all."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if drain.is_set():
            task.cancel()
            return
        drain.set()
        print("\nstopping after the steps under way; once more stops at once", file=sys.stderr)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _tell_preflight(arm: str, problems: Sequence[str]) -> None:
    if not problems:
        print(f"preflight  {arm}: ready for the official script", file=sys.stderr)
    for problem in problems[:_SHOWN]:
        print(f"preflight  {arm}: {plain(problem)}", file=sys.stderr)
    if len(problems) > _SHOWN:
        print(f"preflight  {arm}: and {len(problems) - _SHOWN} more", file=sys.stderr)
