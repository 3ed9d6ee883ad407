"""`rr-refine bench judge`, `compare` and `list`: commands on benchmarks that were run."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.loader import BenchmarkLoader, benchmark_names, find_loader
from rr_refine.cli.bench_options import (
    BENCHMARK_FILES,
    BenchOptions,
    Noise,
    notes_on_earlier,
    say_failed,
    say_results,
)
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.options import AtOnce, Count, Flag, Out
from rr_refine.cli.progress import Progress
from rr_refine.cli.settings import read_settings, split_assignment
from rr_refine.cli.text import plain, say, tell
from rr_refine.errors import ConfigError, RefineError
from rr_refine.named import require_ours

__all__ = ["compare", "judge", "list_"]


def judge(
    folder: Path,
    /,
    *,
    out: Out,
    benchmark: str | None = None,
    data: Path | None = None,
    suite: str | None = None,
    samples: AtOnce | None = None,
    prompts: Path | None = None,
    limit: Count | None = None,
    judge: str | None = None,
    judge_url: str | None = None,
    judge_model: str | None = None,
    attempts: AtOnce = 4,
    noise: Noise = 0,
    budget_usd: float | None = None,
    concurrency: AtOnce = 32,
    config: Path | None = None,
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None,
    trust: Flag = False,
    json: Flag = False,
) -> int:
    """Judge pictures again, without rendering: by another judge, or pictures of somebody else.

    The new folder has trials, judgements and a report of its own. Repeat the command to try again
    what failed.

    Args:
        folder: A finished benchmark; or, with --benchmark, pictures in its official layout.
        out: The new folder.
        benchmark: Which benchmark's pictures these are.
        data: Its own files, of a benchmark that has some.
        suite: With --benchmark, the part of it; the first one by default.
        samples: With --benchmark, pictures of each prompt.
        prompts: The official words of the judge's questions.
        limit: With --benchmark, the number of prompts, from the first.
        judge: Judge by name or dotted path, such as openai or fake.
        judge_url: Endpoint of an OpenAI-compatible judge.
        judge_model: Its model; the one that it serves by default.
        attempts: Most times that the judge is asked about a picture until it can be read.
        noise: Pictures that are judged twice, to see how far the judge agrees with itself.
        budget_usd: US dollars that the judge may cost, in every session together.
        concurrency: Pictures at once.
        config: A TOML file.
        set_: judge.* as key=value.
        trust: Let the settings file name code and where keys go; remembered until it changes.
        json: The results as one JSON object on stdout.
    """
    options = BenchOptions(
        out=out,
        judge=judge,
        judge_url=judge_url,
        judge_model=judge_model,
        budget_usd=budget_usd,
        attempts=attempts,
        noise=noise,
        concurrency=concurrency,
        config=config,
        set_=set_,
        trust=trust,
        json=json,
    )
    options.check()
    if out.resolve() == folder.resolve():
        raise ConfigError("--out is the folder itself: give another one")
    require_ours(out, BENCHMARK_FILES, ("cache", "data"))
    if benchmark is None:
        for name, value in (("suite", suite), ("samples", samples), ("limit", limit)):
            if value is not None:
                raise ConfigError(f"--{name} has no effect without --benchmark")
    elif data is None:
        raise ConfigError("--benchmark needs its own files: give --data")
    given = {"data": data, "suite": suite, "samples": samples, "prompts": prompts}
    return asyncio.run(_judge(folder, out, benchmark, given, limit, options))


async def _judge(
    folder: Path,
    out: Path,
    name: str | None,
    given: dict[str, Any],
    limit: int | None,
    options: BenchOptions,
) -> int:
    from rr_refine.benchmarks.cache import Cache
    from rr_refine.benchmarks.rejudge import judge_again, pictures_of_folder, pictures_of_layout
    from rr_refine.benchmarks.report import read_results
    from rr_refine.benchmarks.source import load_again, load_benchmark
    from rr_refine.benchmarks.table import write_tables
    from rr_refine.benchmarks.trial import Trial, read_trials
    from rr_refine.cli.bench_costs import paying
    from rr_refine.cli.bench_models import make_judge
    from rr_refine.cli.notes import say_addresses, say_told
    from rr_refine.component import connected

    assigned = dict(split_assignment(text) for text in options.set_ or ())
    for key in assigned:
        if not key.startswith("judge."):
            raise ConfigError(f"--set {key} has no effect: nothing but the judge is asked")
    settings = read_settings(options.config, {**options.flags(), **assigned}, trusted=options.trust)
    own: Benchmark
    if name is None:
        results = read_results(folder)
        items = {trial.item for trial in read_trials(folder)}
        if not items:
            raise ConfigError(
                f"{str(folder)!r} has no trials: name the folders that it is joined of"
            )
        own = load_again(
            results.provenance.source,
            items,
            data=given["data"],
            prompts=given["prompts"],
            cache=out / "data",
        )
        pictures = pictures_of_folder(folder, results)
    else:
        own = load_benchmark(name, given, limit=limit, cache=out / "data")
        pictures = pictures_of_layout(folder, own)
    made = make_judge(options, settings)
    if made is None:
        raise ConfigError("there is no judge: give --judge-url")
    say_addresses(settings, "judge")
    earlier = notes_on_earlier(out, settings, [arm.name for arm in pictures.arms])
    own.notes = (*own.notes, *earlier)
    for note in own.notes:
        tell(f"note: {plain(note)}")
    total, failed = len(own.items) * len(pictures.arms), 0
    done, why, progress = 0, "", Progress()

    def show(trial: Trial) -> None:
        nonlocal done, failed, why
        done += 1
        if trial.result.mark is None:
            failed += 1
            why = trial.why_lacking or why
        progress("pictures", done, total, failed)

    with Cache(out / "cache") as cache:
        async with connected((made,)):
            progress.begin("pictures", 0)
            with paying(settings, [made], out) as ledger:
                found = await judge_again(
                    own,
                    pictures,
                    made,
                    cache,
                    out,
                    concurrency=options.concurrency,
                    attempts=options.attempts,
                    noise=options.noise,
                    settings={k: v for k, v in settings.public().items() if k.startswith("judge.")},
                    ledger=ledger,
                    on_trial=show,
                )
    say_told({"judge": made})
    say_results(found, write_tables(found), out, as_json=options.json)
    say_failed(f"{failed} have no mark; the same command tries them again", failed, why)
    return FAILED if failed else DONE


def compare(first: Path, second: Path, /, *, json: Flag = False) -> int:
    """Hold two finished benchmarks against each other, paired over the items that both have.

    Arms of the same name are compared, or the only one of each. What else differs, such as the
    judge, is said.

    Args:
        first: A finished benchmark.
        second: Another one.
        json: One JSON object on stdout.
    """
    from rr_refine.benchmarks.compare import compare as compare_folders
    from rr_refine.benchmarks.compare import write_comparison

    found = compare_folders(first, second)
    say_results(found, write_comparison(found), as_json=json)
    return DONE


def list_(folder: Path = Path("runs"), /) -> int:
    """List the benchmarks that are installed, and those that were run in a folder.

    Args:
        folder: Where to look for benchmarks that were run.
    """
    from rr_refine.benchmarks.headline import headline
    from rr_refine.benchmarks.report import read_results

    for name in benchmark_names():
        try:
            say(f"{name:<14} {_first_line(find_loader(name))}")
        except RefineError as error:
            say(f"{name:<14} broken: {plain(str(error))}")
    if not folder.is_dir():
        tell(f"note: {str(folder)!r} is no folder: there are no results to list")
    for path in sorted(folder.glob("*/results.json")):
        try:
            found = read_results(path.parent)
        except ConfigError as error:
            tell(f"note: {plain(str(error))}")
            continue
        measure, source = headline(found), found.provenance
        say("", f"{path.parent}  {source.benchmark}, {found.arms[0].items} items, {source.date}")
        for arm in found.arms:
            shown = measure.scale.show(measure.of(arm)) if measure else "not graded"
            say(f"  {arm.arm:<24} {measure.name if measure else ''} {shown}")
    return DONE


def _first_line(loader: type[BenchmarkLoader]) -> str:
    return (inspect.getdoc(loader) or "").partition("\n")[0]
