"""`rr-refine bench sketch`: how much refining helps, measured on held-out requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from rr_refine.benchmarks.arms import ARMS, Models
from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.loader import BenchmarkLoader, ModelTest, ModelTestResult
from rr_refine.cli.options import Flag
from rr_refine.errors import ConfigError
from rr_refine.sketch.bench.rewriter import NAME

__all__ = ["SketchLoader"]

Split = Literal["test", "dev"]

_CRITIC_REQUESTS = 500
"""Of two pictures each."""
_CRITIC_EDITS = 150
"""At most; of two pictures each."""


@dataclass(frozen=True, kw_only=True)
class SketchLoader(BenchmarkLoader):
    """Compare arms on held-out sketch requests, graded by an oracle.

    300 requests and all six arms by default; with --critic-only 500 requests, of two pictures each,
    and 150 edits at most. Writes results.json, index.html, table.md, plots and spreadsheets beside
    the runs. Exit code 1 if some runs failed: they are counted, and --resume tries them again.

    Attributes:
        split: test has the requests that are reported, dev others to compare loop.* settings on.
        register: dense describes everything in each request: only the generator can fail.
        edits: Ask for edits of drawn pictures instead.
        generator_only: Grade the generator alone, on dense requests and edits.
        critic_only: Compare the critic alone with the oracle.
    """

    arms: ClassVar[Sequence[str]] = ARMS
    blind: ClassVar[str] = NAME
    curve: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, str]] = {"generator.use": "sketch", "critic.use": "sketch"}

    split: Split = "test"
    register: Literal["mixed", "dense"] = "mixed"
    edits: Flag = False
    generator_only: Flag = False
    critic_only: Flag = False

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> Benchmark:
        """See `BenchmarkLoader.load`."""
        from rr_refine.sketch.bench import tasks

        del cache, sources  # its pictures are drawn
        if self.edits and self.register != "mixed":
            raise ConfigError("--register has no effect with --edits")
        if self.edits:
            chosen, kind = tasks.edits(self.split, limit or tasks.SIZE), "sketch edits"
        else:
            dense = self.register == "dense"
            chosen = tasks.requests(self.split, limit or tasks.SIZE, in_full=dense)
            kind = "sketch, dense" if dense else "sketch"
        return tasks.as_benchmark(f"{kind}, {self.split} split", chosen)

    def model_test(self, limit: int | None) -> ModelTest | None:
        """See `BenchmarkLoader.model_test`."""
        if self.generator_only and self.critic_only:
            raise ConfigError("--generator-only and --critic-only exclude each other")
        if not (self.generator_only or self.critic_only):
            return None
        if self.edits or self.register != "mixed":
            raise ConfigError("--register and --edits are for comparing arms only")
        return (_GeneratorTest if self.generator_only else _CriticTest)(self.split, limit)

    def closed(self) -> str:
        """See `BenchmarkLoader.closed`."""
        return "" if self.split == "dev" else "compare variants with --split dev"


@dataclass(frozen=True, slots=True)
class _GeneratorTest:
    """The generator by itself."""

    split: Split
    limit: int | None
    name: str = "generator"
    needs_critic: bool = False

    async def run(
        self, models: Models, *, concurrency: int, on_step: Callable[[str, int, int], None]
    ) -> ModelTestResult:
        """See `ModelTest.run`."""
        from rr_refine.sketch.bench.generator import evaluate_generator
        from rr_refine.sketch.bench.tables import generator_table
        from rr_refine.sketch.bench.tasks import SIZE

        result = await evaluate_generator(
            models.generator,
            self.split,
            self.limit or SIZE,
            parameters=models.parameters,
            concurrency=concurrency,
            on_picture=lambda done, wanted: on_step("pictures", done, wanted),
        )
        return ModelTestResult(result, generator_table(result), sum(result.failures.values()))


@dataclass(frozen=True, slots=True)
class _CriticTest:
    """The critic against the oracle."""

    split: Split
    limit: int | None
    name: str = "critic"
    needs_critic: bool = True

    async def run(
        self, models: Models, *, concurrency: int, on_step: Callable[[str, int, int], None]
    ) -> ModelTestResult:
        """See `ModelTest.run`."""
        from rr_refine.sketch.bench.critic import evaluate_critic
        from rr_refine.sketch.bench.tables import critic_table

        result = await evaluate_critic(
            models,
            self.split,
            self.limit or _CRITIC_REQUESTS,
            edit_limit=min(self.limit or _CRITIC_EDITS, _CRITIC_EDITS),
            concurrency=concurrency,
            on_step=on_step,
        )
        return ModelTestResult(result, critic_table(result), sum(result.failures.values()))
