"""`rr-refine bench sketch`: how much refining helps, measured on held-out requests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter
from pydantic import JsonValue

from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.trial import Trial
from rr_refine.cli.exits import DONE, FAILED, guarded
from rr_refine.cli.flag import Flag
from rr_refine.cli.progress import Progress
from rr_refine.cli.settings import Settings
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.terms import Record

if TYPE_CHECKING:
    from rr_refine.sketch.bench.tasks import Split

__all__ = ["sketch"]

_BATCH: Final = 16
"""Renders and judgements at once by the models in the box, unless said otherwise."""
_CRITIC_REQUESTS: Final = 500
"""Of two pictures each."""
_CRITIC_EDITS: Final = 150
"""At most; of two pictures each."""
_MEASURED: Final = ("generator.", "critic.", "parameters.", "loop.", "rewriter.use")
"""Settings that have an effect here."""


def sketch(
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("runs/bench-sketch"),
    limit: int | None = None,
    arm: Annotated[list[str] | None, Parameter(negative=())] = None,
    renders: int = 4,
    split: Literal["test", "dev"] = "test",
    register: Literal["mixed", "dense"] = "mixed",
    edits: Flag = False,
    generator_only: Flag = False,
    critic_only: Flag = False,
    concurrency: int = 32,
    resume: Flag = False,
    generator: str | None = None,
    critic: str | None = None,
    config: Path | None = None,
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None,
    json: Flag = False,
) -> int:
    """Run arms of the loop on held-out requests of the sketch world, graded by its oracle.

    Writes results.json, index.html, table.md, plots and spreadsheets beside the runs. Exit code 1
    if some runs failed: they are counted, and owed again with --resume.

    Args:
        out: Folder of the runs and the report.
        limit: Requests, 300 by default; with --critic-only 500, of two pictures each, and edits,
            150 at most.
        arm: A preset of the loop; all six by default. May be given more than once.
        renders: Pictures per request that no arm may exceed.
        split: The requests that are reported, or others to choose between variants on.
        register: dense names everything in each request, which leaves only the generator to fail.
        edits: Edits of drawn pictures in place of requests.
        generator_only: Grade the generator alone, on dense requests and edits.
        critic_only: Hold the critic alone against the oracle.
        concurrency: Runs at once.
        resume: Go on in a folder that has runs already.
        generator: Generator by name or dotted path; sketch by default.
        critic: Critic by name or dotted path; sketch by default.
        config: A TOML file.
        set_: generator.*, critic.*, parameters.*, with --split dev loop.* for refine, as key=value.
        json: The results as one JSON object on stdout.
    """

    def command() -> int:
        from rr_refine.cli.settings import read_settings, split_assignment

        if generator_only and critic_only:
            raise ConfigError("--generator-only and --critic-only exclude each other")
        alone = generator_only or critic_only
        if alone and (arm or edits or register != "mixed"):
            raise ConfigError("--arm, --register and --edits are for comparing arms only")
        if edits and register != "mixed":
            raise ConfigError("--register has no effect with --edits")
        if (limit is not None and limit < 1) or renders < 1 or concurrency < 1:
            raise ConfigError("--limit, --renders and --concurrency must be at least 1")
        flags: dict[str, JsonValue] = {}
        if generator is not None:
            flags["generator.use"] = generator
        if critic is not None:
            flags["critic.use"] = critic
        assigned = dict(split_assignment(text) for text in set_ or ())
        settings = read_settings(config, {**flags, **assigned})
        _require_measured(settings, assigned, split)
        _require_new(out, resume)
        bench = _Bench(settings, out, split, limit, concurrency, as_json=json)
        if generator_only:
            return asyncio.run(bench.generator_only())
        if critic_only:
            return asyncio.run(bench.critic_only())
        return asyncio.run(bench.arms(arm, renders, dense=register == "dense", edits=edits))

    return guarded(command)


class _Bench:
    """One command's work.

    Raises:
        ConfigError: a setting that is wrong or has no effect.
    """

    def __init__(
        self,
        settings: Settings,
        out: Path,
        split: Split,
        limit: int | None,
        concurrency: int,
        *,
        as_json: bool,
    ) -> None:
        if find_spec("numpy") is None:
            raise MissingExtraError("rr-refine bench", "local")
        for part in ("generator", "critic"):
            if settings.sources[f"{part}.use"] == "default":
                settings.lay({f"{part}.use": "sketch"}, "rr-refine bench sketch")
            if settings.values[f"{part}.use"] == "sketch":
                settings.values.setdefault(f"{part}.batch", _BATCH)
        self._settings = settings
        self._out = out
        self._split: Split = split
        self._limit = limit
        self._concurrency = concurrency
        self._as_json = as_json
        self._ticker = Progress()

    async def arms(self, names: list[str] | None, renders: int, *, dense: bool, edits: bool) -> int:
        """Compare arms."""
        from rr_refine.benchmarks.arms import ARMS, make_arms
        from rr_refine.benchmarks.engine import Models
        from rr_refine.benchmarks.measure import measure
        from rr_refine.benchmarks.table import write_tables
        from rr_refine.cli.job import make_critic, make_generator
        from rr_refine.sketch.bench import tasks
        from rr_refine.sketch.bench.rewriter import NAME

        changes = self._changes()
        arms = make_arms(renders, names=names or ARMS, blind=NAME, changes=changes)
        limit = self._limit or tasks.SIZE
        if edits:
            chosen, kind = tasks.edits(self._split, limit), "sketch edits"
        else:
            chosen = tasks.requests(self._split, limit, in_full=dense)
            kind = "sketch, dense" if dense else "sketch"
        models = Models(
            make_generator(self._settings),
            make_critic(self._settings),
            self._settings.section("parameters"),
        )
        done = failed = 0

        def told(trial: Trial) -> None:
            nonlocal done, failed
            done += 1
            failed += trial.error is not None
            self._ticker("runs", done, len(arms) * limit, failed)

        async with self._connected(models.generator, models.critic) as cache:
            results = await measure(
                tasks.as_benchmark(f"{kind}, {self._split} split", chosen),
                arms,
                models,
                cache,
                self._out,
                renders=renders,
                concurrency=self._concurrency,
                settings=self._public(),
                on_trial=told,
            )
        return self._leave(results, write_tables(results), failed)

    async def generator_only(self) -> int:
        """Grade the generator."""
        from rr_refine.benchmarks.report import write_json
        from rr_refine.cli.job import make_generator
        from rr_refine.sketch.bench.generator import evaluate_generator
        from rr_refine.sketch.bench.tables import generator_table
        from rr_refine.sketch.bench.tasks import SIZE

        generator = make_generator(self._settings)
        async with self._connected(generator) as cache:
            result = await evaluate_generator(
                cache.generator(generator),
                self._split,
                self._limit or SIZE,
                parameters=self._settings.section("parameters"),
                concurrency=self._concurrency,
                on_picture=lambda done, owed: self._ticker("pictures", done, owed),
            )
        write_json(self._out, "generator.json", result)
        return self._leave(result, generator_table(result), sum(result.failures.values()))

    async def critic_only(self) -> int:
        """Hold the critic against the oracle."""
        from rr_refine.benchmarks.engine import Models
        from rr_refine.benchmarks.report import write_json
        from rr_refine.cli.job import make_critic, make_generator
        from rr_refine.sketch.bench.critic import evaluate_critic
        from rr_refine.sketch.bench.tables import critic_table

        generator, critic = make_generator(self._settings), make_critic(self._settings)
        async with self._connected(generator, critic) as cache:
            result = await evaluate_critic(
                Models(
                    cache.generator(generator),
                    cache.critic(critic),
                    self._settings.section("parameters"),
                ),
                self._split,
                self._limit or _CRITIC_REQUESTS,
                edit_limit=min(self._limit or _CRITIC_EDITS, _CRITIC_EDITS),
                concurrency=self._concurrency,
                on_step=self._ticker,
            )
        write_json(self._out, "critic.json", result)
        return self._leave(result, critic_table(result), sum(result.failures.values()))

    @asynccontextmanager
    async def _connected(self, *components: object) -> AsyncIterator[Cache]:
        """The shared work of the folder, with the components ready."""
        from rr_refine.benchmarks.cache import Cache
        from rr_refine.component import connected

        with Cache(self._out / "cache") as cache:
            async with connected(components):
                yield cache

    def _changes(self) -> dict[str, JsonValue]:
        """What is different in the arm `refine`."""
        changes = self._settings.section("loop")
        if self._settings.values["rewriter.use"] is not None:
            changes["rewriters"] = list(self._settings.texts("rewriter.use"))
        return changes

    def _public(self) -> dict[str, JsonValue]:
        """The settings that were in effect."""
        public = self._settings.public()
        return {key: value for key, value in public.items() if key.startswith(_MEASURED)}

    def _leave(self, result: Record, table: str, failed: int) -> int:
        """Show the result; gives the exit code."""
        if self._as_json:
            print(result.model_dump_json())
        else:
            print(table)
            print(self._out)
        if failed:
            print(f"{failed} failed; --resume tries them again", file=sys.stderr)
        return FAILED if failed else DONE


def _require_measured(settings: Settings, assigned: Mapping[str, JsonValue], split: Split) -> None:
    """Settings that would have no effect, or change what is reported under one name."""
    for key in assigned:
        if not key.startswith(_MEASURED):
            hint = "; give --renders" if key.startswith("budget.") else ""
            raise ConfigError(f"--set {key} has no effect on the benchmark{hint}")
    if settings.values.get("loop.review"):
        raise ConfigError("loop.review has no place in a benchmark: nobody is there to decide")
    if split == "dev":
        return
    for key, source in settings.sources.items():
        if key.startswith("loop.") or (key == "rewriter.use" and source != "default"):
            raise ConfigError(
                f"{key} from {source} would make `refine` another method than the one that is "
                "reported: compare variants with --split dev"
            )


def _require_new(out: Path, resume: bool) -> None:
    if not resume and (out / "cache").exists():
        raise ConfigError(
            f"{str(out)!r} holds an earlier benchmark: go on with --resume, or give another --out"
        )
