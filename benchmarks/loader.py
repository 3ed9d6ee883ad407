"""How a benchmark comes in: a class with its options and `load`, named by an entry point.

The group is `rr_refine.benchmarks`; the name of the entry point is that of the command,
`rr-refine bench NAME`. The class is a dataclass:

    @dataclass(frozen=True, kw_only=True)
    class GenEvalLoader(BenchmarkLoader):
        \"\"\"Make GenEval's pictures.    <- the first line is its line in the list of commands

Attributes:
            data: the option --data      <- the help of each option
        \"\"\"

        data: Path

        def load(self, *, limit, cache, sources=True) -> Benchmark: ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from rr_refine.benchmarks.arms import Models
from rr_refine.benchmarks.item import Benchmark
from rr_refine.errors import ConfigError
from rr_refine.plugins import available, did_you_mean, entry_point, imported
from rr_refine.terms import Record

__all__ = [
    "BenchmarkLoader",
    "ModelTest",
    "ModelTestResult",
    "benchmark_names",
    "find_loader",
    "part_of",
]

_GROUP = "benchmarks"


@dataclass(frozen=True, slots=True)
class ModelTestResult:
    """What a test of one model came to."""

    record: Record
    """Written as JSON."""
    table: str
    """The same for people, in markdown."""
    failed: int
    """Pictures and judgements that failed; they are tried again with --resume."""


class ModelTest(Protocol):
    """A test of one model by itself, in place of a comparison of arms."""

    @property
    def name(self) -> str:
        """Of the file of results: `generator` for generator.json."""
        ...

    @property
    def needs_critic(self) -> bool:
        """Or else the generator alone is connected."""
        ...

    async def run(
        self, models: Models, *, concurrency: int, on_step: Callable[[str, int, int], None]
    ) -> ModelTestResult:
        """Put the models to the test.

        Args:
            models: those that are needed are connected.
            on_step: called with what is being done, how many are done, and how many in all.

        Raises:
            ConfigError: the models do not take their parameters.
            CriticError: nothing could be judged.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class BenchmarkLoader(ABC):
    """The options of a benchmark. Class variables say how it is run by default."""

    arms: ClassVar[Sequence[str]] = ("one-shot", "refine")
    """Compared by default."""
    blind: ClassVar[str] = "rules"
    """Rewriter of the blind arms, by name or dotted path: the best that can be done for its
    requests without seeing a picture."""
    curve: ClassVar[bool] = False
    """Grade what an arm would have returned with fewer renders, too: where grading is cheap."""
    settings: ClassVar[Mapping[str, str]] = {"critic.use": "fake"}
    """Models where the user names none. The critic in the box knows only its own small world, which
    no published prompt asks for."""

    @abstractmethod
    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> Benchmark:
        """Read the benchmark that the options choose.

        Args:
            limit: prompts, in the order of the file; all by default.
            cache: a folder for source pictures that come inside of other files.
            sources: False only scores judgements that are there: source pictures may be missing.

        Raises:
            ConfigError: its files are missing or broken, or an option is wrong.
        """

    def model_test(self, limit: int | None) -> ModelTest | None:  # noqa: ARG002  most have none
        """The test of one model that the options ask for, in place of a comparison of arms.

        Raises:
            ConfigError: options that exclude each other.
        """
        return None

    def closed(self) -> str:
        """Why the arm `refine` must be as it is, and what to do to vary it; empty where it may be
        varied by settings.
        """
        return ""


def benchmark_names() -> list[str]:
    """The benchmarks that are installed, by name."""
    return available(_GROUP)


def find_loader(name: str) -> type[BenchmarkLoader]:
    """The benchmark of this name.

    Raises:
        ConfigError: there is none, it cannot be imported, or two packages declare it.
        RefineError: its own, when it is imported.
    """
    entry = entry_point(_GROUP, name)
    if entry is None:
        names = benchmark_names()
        raise ConfigError(
            f"unknown benchmark {name!r}{did_you_mean(name, names)}; there are {', '.join(names)}"
        )
    loader = imported(f"benchmark {name!r}", entry.load)
    if not (isinstance(loader, type) and issubclass(loader, BenchmarkLoader)):
        raise ConfigError(f"benchmark {name!r}: {entry.value} is no subclass of BenchmarkLoader")
    return loader


def part_of(benchmark: Benchmark, index: int, count: int) -> Benchmark:
    """One of `count` parts of equal size: every so many prompts, with all their samples.

    Args:
        index: 1 to `count`.

    Raises:
        ConfigError: there is nothing in it.
    """
    groups = list(dict.fromkeys(item.group or item.id for item in benchmark.items))
    mine = set(groups[index - 1 :: count])
    if not mine:
        raise ConfigError(f"part {index} of {count} is empty: there are {len(groups)} prompts")
    part = copy(benchmark)
    part.items = tuple(item for item in benchmark.items if (item.group or item.id) in mine)
    return part
