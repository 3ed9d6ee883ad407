"""Options that every `rr-refine bench NAME` has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter
from pydantic import JsonValue

from rr_refine.cli.options import AtOnce, Count, Flag, SomeOut, Within
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import say, say_json, short, tell
from rr_refine.errors import ConfigError
from rr_refine.plain_text import whole_number
from rr_refine.terms import Record

__all__ = [
    "BENCHMARK_FILES",
    "CACHE",
    "BenchOptions",
    "Noise",
    "notes_on_earlier",
    "parse_shard",
    "say_failed",
    "say_results",
]

CACHE: Final = "cache/cache.sqlite"
BENCHMARK_FILES: Final = ("bench.json", "trials.jsonl", "results.json", ".lock", CACHE)
"""By which the folder of a benchmark is known."""

Noise = Annotated[int, Parameter(validator=Within(0, 10**9))]
"""Pictures that are judged twice."""

_ADDRESSES: Final = ("generator.base_url", "critic.base_url", "judge.base_url")

_JUDGE = Group("Judge", sort_key=1)
_MODELS = Group("Models", sort_key=2)
_MACHINES = Group("Machines", sort_key=3)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Options that all benchmarks share.

    Attributes:
        out: Folder of runs, pictures, judgements and report; by default runs/bench-NAME, or
            runs/sweep-NAME.
        arm: A preset of the loop; each benchmark has its default. May be given more than once.
        renders: Most pictures per item, for every arm.
        blind: Rewriter of the blind arms, which see no picture; by default the benchmark's own.
        curve: Also judge what each arm would have returned with fewer renders.
        limit: Number of prompts, from the first; all by default.
        shard: i/n takes the i-th of n parts; give each of the n commands its own --out.
        budget_usd: US dollars that all of it may cost, the judge included, in every session; by
            the prices in the settings of those that are asked.
        concurrency: Runs at once.
        resume: Continue in a folder that already has runs.
        fail_on_error: Exit code 1 if failed runs are more than this share of all runs.
        json: The results as one JSON object on stdout.
        judge: Judge by name or dotted path, such as openai or fake; none for no judge.
        judge_url: Endpoint of an OpenAI-compatible judge.
        judge_model: Its model; the one that it serves by default.
        attempts: Most times that the judge is asked about a picture until it can be read.
        noise: Pictures that are judged twice, to see how far the judge agrees with itself.
        generator: Generator by name or dotted path.
        model: A diffusers pipeline: hub id or folder.
        critic: Critic by name or dotted path.
        critic_url: Endpoint of the critic; several share the work.
        config: A TOML file.
        set_: generator.*, critic.*, judge.*, parameters.*, or loop.* for refine, as key=value.
        trust: Let the settings file of this folder, or of --config, name code and where keys go;
            remembered until it changes.
        engine: ray runs generators in processes of their own, one per GPU.
        workers: Generators of --engine ray; as many as there are GPUs by default.
        gpus: GPUs of each worker, or a share of one; 0 for the CPU.
        ray_address: A Ray cluster; this machine by default.
    """

    out: SomeOut = None
    arm: Annotated[list[str] | None, Parameter(negative=())] = None
    renders: AtOnce = 4
    blind: str | None = None
    curve: Flag = False
    limit: Count | None = None
    shard: str | None = None
    budget_usd: float | None = None
    concurrency: AtOnce = 32
    resume: Flag = False
    fail_on_error: float = 0.0
    json: Flag = False
    judge: Annotated[str | None, Parameter(group=_JUDGE)] = None
    judge_url: Annotated[str | None, Parameter(group=_JUDGE)] = None
    judge_model: Annotated[str | None, Parameter(group=_JUDGE)] = None
    attempts: Annotated[AtOnce, Parameter(group=_JUDGE)] = 4
    noise: Annotated[Noise, Parameter(group=_JUDGE)] = 0
    generator: Annotated[str | None, Parameter(group=_MODELS)] = None
    model: Annotated[str | None, Parameter(group=_MODELS)] = None
    critic: Annotated[str | None, Parameter(group=_MODELS)] = None
    critic_url: Annotated[list[str] | None, Parameter(group=_MODELS, negative=())] = None
    config: Annotated[Path | None, Parameter(group=_MODELS)] = None
    set_: Annotated[list[str] | None, Parameter("--set", negative=(), group=_MODELS)] = None
    trust: Annotated[Flag, Parameter(group=_MODELS)] = False
    engine: Annotated[Literal["local", "ray"], Parameter(group=_MACHINES)] = "local"
    workers: Annotated[AtOnce | None, Parameter(group=_MACHINES)] = None
    gpus: Annotated[float | None, Parameter(group=_MACHINES)] = None
    ray_address: Annotated[str | None, Parameter(group=_MACHINES)] = None

    def check(self) -> None:
        """Raises:
        ConfigError: a value that is out of range or has no effect.
        """
        if not 0 <= self.fail_on_error <= 1:
            raise ConfigError(f"--fail-on-error {self.fail_on_error:g} is a share of 0 to 1")
        if self.engine == "local":
            for name in ("workers", "gpus", "ray_address"):
                if getattr(self, name) is not None:
                    flag = name.replace("_", "-")
                    raise ConfigError(f"--{flag} has no effect without --engine ray")
        if self.judge == "none" and (self.judge_url or self.judge_model or self.noise):
            raise ConfigError("--judge none leaves --judge-url, --judge-model and --noise no use")

    def flags(self) -> dict[str, JsonValue]:
        """The settings that these options stand for, by dotted key."""
        flags: dict[str, JsonValue] = {}
        if self.model is not None:
            flags |= {"generator.use": "diffusers", "generator.model": self.model}
        if self.critic_url:
            flags |= {"critic.use": "openai", "critic.base_url": self.critic_url[0]}
        if self.judge_url is not None:
            flags |= {"judge.use": "openai", "judge.base_url": self.judge_url}
        if self.judge_model is not None:
            flags |= {"judge.use": "openai"}
        given = {
            "generator.use": self.generator,
            "critic.use": self.critic,
            "judge.use": self.judge,
            "judge.model": self.judge_model,
            "budget.usd": self.budget_usd,
        }
        return flags | {key: value for key, value in given.items() if value is not None}


def say_results(record: Record, table: str, *folder: Path, as_json: bool) -> None:
    """Results as JSON, or for people, with where more is."""
    if as_json:
        say_json(record.model_dump_json())
    else:
        say(*table.split("\n"), *folder)


def say_failed(words: str, failed: int, why: str = "") -> None:
    """That something failed, and why the last of it did; nothing where nothing failed."""
    if failed:
        tell(f"{words}; the last: {short(why, 300)}" if why else words)


def notes_on_earlier(out: Path, settings: Settings, arms: Collection[str]) -> Iterator[str]:
    """What an earlier report in the folder had otherwise, in words for the user.

    Args:
        arms: those of the report to come.
    """
    from rr_refine.benchmarks.report import read_results

    try:
        earlier = read_results(out)
    except ConfigError:  # there is none
        return
    if gone := [arm.arm for arm in earlier.arms if arm.arm not in arms]:
        yield (
            "An earlier report in this folder, which this one replaces, also had "
            f"{', '.join(gone)}: their runs are kept; name them again to report on them."
        )
    known = earlier.provenance.settings
    for key, now in settings.public().items():
        if key in _ADDRESSES and known.get(key, now) != now:
            yield (
                f"What was done in this folder before is kept, and was asked at {known[key]}; "
                f"{key} is {now} now. The models call themselves the same; if they are not, give "
                "another --out."
            )


def parse_shard(text: str, option: str = "--shard") -> tuple[int, int]:
    """`2/8` as (2, 8); `option` is named in messages.

    Raises:
        ConfigError: it is nothing like that.
    """
    from rr_refine.benchmarks.source import MAX_PARTS

    index, count = map(whole_number, text.partition("/")[::2])
    if index is None or count is None:
        raise ConfigError(f"{option} {text!r} must look like 1/4: the first of four parts")
    if not count:
        raise ConfigError(f"{option} {text!r} has no parts: 1/1 is the whole")
    if count > MAX_PARTS:
        raise ConfigError(f"{option} {text!r}: {MAX_PARTS:,} parts are the most")
    if not 1 <= index <= count:
        raise ConfigError(f"{option} {text!r} is out of range: parts are 1 to {count}")
    return index, count
