"""`rr-refine bench NAME`: arms of the loop on a benchmark. Benchmarks come in by entry points."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from rr_refine.benchmarks.loader import (
    BenchmarkLoader,
    ModelTest,
    benchmark_names,
    find_loader,
    part_of,
)
from rr_refine.boundary import boundary
from rr_refine.cli.bench_arms import Plan
from rr_refine.cli.bench_options import (
    BENCHMARK_FILES,
    BenchOptions,
    notes_on_earlier,
    parse_shard,
    say_failed,
    say_results,
)
from rr_refine.cli.broken import add_broken
from rr_refine.cli.exits import DONE, FAILED, INTERRUPTED
from rr_refine.cli.progress import Progress
from rr_refine.cli.settings import Settings, read_settings, split_assignment
from rr_refine.cli.text import plain, tell
from rr_refine.errors import ConfigError, MissingExtraError, RefineError, StoreError
from rr_refine.files import make_folder
from rr_refine.named import folder_here, require_ours

if TYPE_CHECKING:  # with langgraph, which the help can do without
    from rr_refine.benchmarks.arms import Arm, Models
    from rr_refine.benchmarks.item import Benchmark
    from rr_refine.benchmarks.source import Source
    from rr_refine.benchmarks.trial import Trial

__all__ = ["add_benchmarks", "bench", "run_benchmark"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOWN: Final = 5
"""Lines of a preflight's findings that are shown; the rest is counted."""
_SECTIONS: Final = (
    "generator.",
    "critic.",
    "judge.",
    "parameters.",
    "loop.",
    "rewriter.",
    "intent.",
    "evidence.",
)
"""Settings that have an effect here."""
_LIMIT: Final = "budget.usd"
"""Of the whole benchmark. Other limits are for runs by themselves."""
_CHAIN: Final = ("rewriter.use", "intent.use")

bench = App(name="bench", help="Measure how much refining helps.", help_format="plaintext")
bench.command(
    "rr_refine.cli.bench_preference:preference",
    name="preference",
    help="Compare a critic with human preferences.",
)
bench.command("rr_refine.cli.bench_score:score", name="score", help="Score a judgement file.")
bench.command(
    "rr_refine.cli.bench_score:preflight", name="preflight", help="Check pictures before judging."
)
bench.command(
    "rr_refine.cli.bench_score:report", name="report", help="Join the results of several folders."
)
bench.command(
    "rr_refine.cli.bench_folders:judge", name="judge", help="Judge pictures that are there again."
)
bench.command(
    "rr_refine.cli.bench_folders:compare", name="compare", help="Compare two results, paired."
)
bench.command(
    "rr_refine.cli.bench_folders:list_", name="list", help="List benchmarks and their results."
)


bench.command(
    "rr_refine.cli.bench_sweep:sweep", name="sweep", help="Vary the loop's settings on a benchmark."
)


def add_benchmarks(app: App, make: Callable[[str], Callable[..., int]]) -> None:
    """Add a command for every benchmark that is installed. One that is broken says so when it is
    called, not before.

    Args:
        make: makes a command by the benchmark's name. Its argument `own` are the benchmark's own
            options.
    """
    for name in benchmark_names():
        try:
            loader = find_loader(name)
            with boundary(ConfigError, f"benchmark {name!r}"):
                command = _with_own(make(name), loader)
        except RefineError as error:
            add_broken(app, name, error)
            continue
        words = (inspect.getdoc(loader) or "").partition("Attributes:")[0].strip().split("\n\n")
        help_ = "\n\n".join(" ".join(paragraph.split()) for paragraph in words)
        app.command(command, name=name, help=help_)


def _with_own(command: Callable[..., int], loader: type[BenchmarkLoader]) -> Callable[..., int]:
    # `negative`: a switch of a benchmark has no `--no-` twin, as those of all commands.
    command.__annotations__["own"] = Annotated[loader, Parameter(name="*", negative=())]
    given = inspect.signature(loader).parameters.values()
    if all(option.default is not option.empty for option in given):
        command.__kwdefaults__ = {"own": loader(), **(command.__kwdefaults__ or {})}
    return command


def _make(name: str) -> Callable[..., int]:
    def command(*, own: BenchmarkLoader, options: BenchOptions | None = None) -> int:
        return run_benchmark(name, own, options or BenchOptions())

    return command


def run_benchmark(
    name: str, own: BenchmarkLoader, options: BenchOptions, plan: Plan | None = None
) -> int:
    """One command's work; gives the exit code.

    Args:
        plan: what is compared; arms by name if it is None.
    """
    plan = plan or Plan()
    options.check()
    test = own.model_test(options.limit)
    assigned = dict(split_assignment(text) for text in options.set_ or ())
    settings = read_settings(options.config, {**options.flags(), **assigned}, trusted=options.trust)
    for key, use in own.settings.items():
        if settings.sources[key] == "default":
            settings.apply({key: use}, f"rr-refine bench {name}")
    _require_effect(settings, assigned, own.closed())
    if find_spec("numpy") is None or find_spec("scipy") is None:
        raise MissingExtraError("rr-refine bench", "data")
    out = options.out or folder_here(Path("runs", f"{plan.folder}-{name}"))
    if (
        not (options.resume or plan.offline)
        and (out / ("cache" if test else "bench.json")).exists()
    ):
        raise ConfigError(
            f"{str(out)!r} holds an earlier benchmark: go on with --resume, or give another --out"
        )
    require_ours(out, BENCHMARK_FILES, ("cache", "data"))
    from rr_refine.benchmarks.source import source_of
    from rr_refine.cli.bench_models import make_models

    with boundary(StoreError, f"making {str(out)!r}"):
        made = make_folder(out, private=settings.flag("private"))
    try:
        if test is not None:
            for option in ("arm", "shard", "judge", "judge_url"):
                if getattr(options, option) is not None:
                    flag = option.replace("_", "-")
                    raise ConfigError(f"--{flag} is for comparing arms only")
            return asyncio.run(_test(test, options, settings, out))
        benchmark = own.load(limit=options.limit, cache=out / "data")
        shard = (1, 1) if options.shard is None else parse_shard(options.shard)
        if shard[1] > 1:
            benchmark = part_of(benchmark, *shard)
        models = make_models(options, settings)
        arms = plan.arms(own, options, settings, models)
        earlier = notes_on_earlier(out, settings, [arm.name for arm in arms])
        benchmark.notes = (*benchmark.notes, *plan.notes, *earlier)
        curve = options.curve or own.curve
        source = source_of(name, own, options.limit, shard)
        work = _Comparison(benchmark, arms, models, options, settings, out, curve, source, plan)
        return asyncio.run(work.run())
    except ConfigError:
        with contextlib.suppress(OSError):  # one that holds something already stays
            for folder in made:
                folder.rmdir()
        raise
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _require_effect(settings: Settings, assigned: Iterable[str], closed: str) -> None:
    """Refuse settings without effect, and those that change what is reported under one name."""
    for key in assigned:
        if not key.startswith(_SECTIONS) and key != _LIMIT:
            hint = "; give --renders or --budget-usd" if key.startswith("budget.") else ""
            raise ConfigError(f"--set {key} has no effect on a benchmark{hint}")
    for key, source in settings.sources.items():
        if key.startswith("budget.") and key != _LIMIT:
            tell(
                f"note: {key} from {source} has no effect on a benchmark: --renders limits its runs"
            )
    if settings.values.get("loop.review"):
        raise ConfigError("loop.review has no place in a benchmark: nobody is there to decide")
    for key, source in settings.sources.items() if closed else ():
        if key.startswith("loop.") or (key in _CHAIN and source != "default"):
            raise ConfigError(
                f"{key} from {source} would make `refine` another method than the one that is "
                f"reported: {closed}"
            )


async def _test(test: ModelTest, options: BenchOptions, settings: Settings, out: Path) -> int:
    """Test one model by itself; gives the exit code."""
    from rr_refine.benchmarks.arms import Models
    from rr_refine.benchmarks.cache import Cache
    from rr_refine.benchmarks.report import write_json
    from rr_refine.cli.bench_costs import paying
    from rr_refine.cli.bench_models import make_models
    from rr_refine.component import connected

    models = make_models(options, settings)
    needed = (models.generator, models.critic) if test.needs_critic else (models.generator,)
    with Cache(out / "cache") as cache:
        async with connected(needed):
            shared = Models(
                cache.generator(models.generator), cache.critic(models.critic), models.parameters
            )
            with paying(settings, needed, out):
                result = await test.run(shared, concurrency=options.concurrency, on_step=Progress())
    write_json(out, f"{test.name}.json", result.record)
    say_results(result.record, result.table, out, as_json=options.json)
    say_failed(f"{result.failed} failed; --resume tries them again", result.failed)
    return FAILED if result.failed else DONE


@dataclass(slots=True)
class _Comparison:
    """Arms of the loop on a benchmark."""

    benchmark: Benchmark
    arms: Sequence[Arm]
    models: Models
    options: BenchOptions
    settings: Settings
    out: Path
    curve: bool
    source: Source | None
    plan: Plan
    progress: Progress = field(default_factory=Progress)
    done: int = 0
    failed: int = 0
    why: str = ""
    """What the last of them failed by."""
    sum: float = 0.0
    graded: bool = False

    @property
    def runs(self) -> int:
        """How many there are to do."""
        return len(self.benchmark.items) * len(self.arms)

    async def run(self) -> int:
        """Run, score, report; gives the exit code."""
        from rr_refine.benchmarks.cache import Cache
        from rr_refine.benchmarks.measure import measure, preflight
        from rr_refine.benchmarks.protocol import AsksJudge
        from rr_refine.benchmarks.trial import read_trials
        from rr_refine.cli.bench_costs import paying
        from rr_refine.cli.bench_models import make_judge
        from rr_refine.cli.notes import PARTS, say_addresses, say_told
        from rr_refine.component import connected

        options, settings, benchmark = self.options, self.settings, self.benchmark
        models = self.models
        online = (models.generator, models.critic, *(arm.critic for arm in self.arms))
        judge = make_judge(options, settings)
        if judge is None and isinstance(benchmark, AsksJudge):
            tell(
                "note: nothing is judged: pictures are made and laid out; give --judge-url, now "
                "or later with --resume"
            )
        self.graded = benchmark.grade is not None or judge is not None
        public = settings.public()
        say_addresses(settings, *PARTS, *(["judge"] if judge else []))
        for note in benchmark.notes:
            tell(f"note: {plain(note)}")
        with Cache(self.out / "cache", offline=self.plan.offline) as cache:
            async with connected((*(() if self.plan.offline else online), judge)):
                self.progress.begin("runs", sum(t.settled for t in read_trials(self.out)))
                asked = () if self.plan.offline else (*online, *self._rewriters())
                with (
                    _draining() as drain,
                    paying(settings, (*asked, judge), self.out, drain.set) as ledger,
                ):
                    results = await measure(
                        benchmark,
                        self.arms,
                        models,
                        cache,
                        self.out,
                        renders=options.renders,
                        concurrency=options.concurrency,
                        curve=self.curve,
                        judge=judge,
                        attempts=options.attempts,
                        noise=options.noise,
                        source=self.source,
                        settings={
                            k: v for k, v in public.items() if k.startswith((*_SECTIONS, _LIMIT))
                        },
                        ledger=ledger,
                        on_trial=self._show,
                        drain=drain,
                    )
        say_told({"generator": models.generator, "critic": models.critic, "judge": judge})
        if results is None:
            done = f"{self.done} of {self.runs}"
            tell(f"stopped after {done} runs; --resume goes on")
            return FAILED if ledger is not None and ledger.refused_usd else INTERRUPTED
        for arm, problems in preflight(benchmark, self.arms, self.out).items():
            _show_preflight(arm, problems)
        record, table = self.plan.show(results, self.out)
        say_results(record, table, self.out, as_json=options.json)
        say_failed(f"{self.failed} failed; --resume tries them again", self.failed, self.why)
        # The one comparison that --fail-on-error stands for.
        too_many = self.failed > options.fail_on_error * self.runs
        return FAILED if too_many else DONE

    def _rewriters(self) -> Iterator[object]:
        for arm in self.arms:
            yield from arm.chain(self.models.generator, arm.critic or self.models.critic)

    def _show(self, trial: Trial) -> None:
        """Show how far it is."""
        self.done += 1
        lacking = trial.result.sample is None or (self.graded and not trial.settled)
        if trial.recorded and (trial.error is not None or lacking):
            self.failed += 1
            self.why = trial.why_lacking or self.why
        self.sum += (trial.result.mark or trial.worst).score
        score = self.sum / self.done if self.graded else None
        self.progress("runs", self.done, self.runs, self.failed, score)


@contextmanager
def _draining() -> Iterator[asyncio.Event]:
    """The first Ctrl-C or SIGTERM lets the steps under way come to their end, another ends all."""
    loop, task, drain = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    assert task is not None

    def stop() -> None:
        if drain.is_set():
            task.cancel()
            return
        drain.set()
        tell("", "stopping after the steps under way; once more stops at once")

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield drain
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _show_preflight(arm: str, problems: Sequence[str]) -> None:
    if not problems:
        tell(f"preflight  {arm}: ready for the official script")
    for problem in problems[:_SHOWN]:
        tell(f"preflight  {arm}: {plain(problem)}")
    if len(problems) > _SHOWN:
        tell(f"preflight  {arm}: and {len(problems) - _SHOWN} more")


add_benchmarks(bench, _make)
