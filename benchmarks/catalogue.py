"""The published benchmarks that there are, by name; their modules are imported when asked for."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from rr_refine.benchmarks.published.protocol import Published
from rr_refine.errors import ConfigError
from rr_refine.plugins import did_you_mean

__all__ = ["BENCHMARKS", "load", "part_of"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known without importing anything."""

    suites: tuple[str, ...]
    """The first is the default."""
    samples: int
    """Pictures of a prompt, by default."""
    best: float
    """The highest score of an item; the lowest is 0, for what failed."""
    beside: bool = False
    """Source pictures are files of their own, which scoring can do without."""

    @property
    def worse_by(self) -> float:
        """Points by which a result must score lower to count as worse: a thirtieth of the scale,
        as the tenth of a point on the critic's own.
        """
        return self.best / 30


BENCHMARKS: Final[dict[str, _Entry]] = {
    "unigenbench": _Entry(("en", "en_long", "zh", "zh_long"), 4, 1),
    "imgedit": _Entry(("basic", "uge"), 1, 5, beside=True),
    "gedit": _Entry(("en", "cn"), 1, 10),
    "picabench": _Entry(("superficial", "intermediate", "explicit"), 1, 1),
    "geneval": _Entry(("geneval",), 4, 1),
}


def load(
    name: str,
    data: Path,
    suite: str | None = None,
    *,
    samples: int | None = None,
    limit: int | None = None,
    prompts: Path | None = None,
    cache: Path | None = None,
    sources: bool = True,
) -> Published:
    """Read a benchmark from the user's copy of its files.

    Args:
        name: a key of `BENCHMARKS`.
        data: file or folder, as its module says.
        suite: part of the benchmark; the first one by default.
        samples: pictures of each prompt; as many as the official protocol has by default.
        limit: prompts, in the order of the file.
        prompts: the user's copy of the official file with the judge's prompts; our own wording
            by default.
        cache: a folder for source pictures that come inside of other files.
        sources: False only scores judgements that are there: no source picture is looked for where
            those are files of their own.

    Raises:
        ConfigError: there is no such benchmark, or its files are missing or broken.
    """
    entry = BENCHMARKS.get(name)
    if entry is None:
        raise ConfigError(
            f"unknown benchmark {name!r}{did_you_mean(name, list(BENCHMARKS))}; there are "
            f"{', '.join(BENCHMARKS)}"
        )
    make = cast("Callable[..., Published]", import_module(f"rr_refine.benchmarks.{name}").load)
    return make(
        data,
        suite or entry.suites[0],
        samples=entry.samples if samples is None else samples,
        limit=limit,
        prompts=prompts,
        cache=cache,
        **({} if sources or not entry.beside else {"sources": False}),
    )


def part_of(published: Published, index: int, count: int) -> Published:
    """One of `count` parts of equal size: every so many prompts, with all their samples.

    Args:
        index: 1 to `count`.

    Raises:
        ConfigError: there is nothing in it.
    """
    groups = list(dict.fromkeys(item.group or item.id for item in published.items))
    mine = set(groups[index - 1 :: count])
    if not mine:
        raise ConfigError(f"part {index} of {count} is empty: there are {len(groups)} prompts")
    part = copy(published)
    part.items = tuple(item for item in published.items if (item.group or item.id) in mine)
    return part
