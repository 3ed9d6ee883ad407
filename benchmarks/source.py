"""Where the items of a folder came from, so that they can be read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field, JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.loader import BenchmarkLoader, find_loader
from rr_refine.errors import ConfigError
from rr_refine.invalid import told_invalid
from rr_refine.terms import Record

__all__ = ["MAX_PARTS", "Source", "load_again", "load_benchmark", "source_of"]

MAX_PARTS: Final = 10_000
"""Shards of a benchmark."""


class Source(Record):
    """The command's benchmark and its options."""

    name: str
    """Of the entry point: `unigenbench`."""
    options: dict[str, JsonValue]
    limit: int | None = None
    part: int = Field(default=1, ge=1)
    """Of `parts`, see `--shard`."""
    parts: int = Field(default=1, ge=1, le=MAX_PARTS)


def source_of(
    name: str, own: BenchmarkLoader, limit: int | None, shard: tuple[int, int] = (1, 1)
) -> Source | None:
    """The source that a command read; None where its options are no JSON."""
    try:
        options = TypeAdapter(type(own)).dump_python(own, mode="json")
    except PydanticSerializationError:
        return None
    return Source(name=name, options=options, limit=limit, part=shard[0], parts=shard[1])


def load_benchmark(
    name: str,
    options: Mapping[str, object],
    *,
    limit: int | None,
    cache: Path,
    sources: bool = True,
) -> Benchmark:
    """A benchmark with those of its options that are not None.

    Raises:
        ConfigError: it has no such option, or cannot be read.
    """
    loader = find_loader(name)
    given = {key: value for key, value in options.items() if value is not None}
    if unknown := given.keys() - {option.name for option in fields(loader)}:
        raise ConfigError(f"benchmark {name!r} has no option --{min(unknown)}")
    try:
        own = TypeAdapter(loader).validate_python(given)
    except ValidationError as error:
        raise ConfigError(f"options of benchmark {name!r}: {told_invalid(error)}") from error
    return own.load(limit=limit, cache=cache, sources=sources)


def load_again(
    source: Source | None,
    items: Collection[str],
    *,
    data: Path | None,
    cache: Path,
    prompts: Path | None = None,
    ignored: Collection[str] = (),
) -> Benchmark:
    """The benchmark, with these of its items in their order.

    Args:
        data: its files, of a benchmark that has some.
        prompts: the official words of its judge's questions, if these are wanted.
        cache: for source pictures that come inside of other files.
        ignored: options that change nothing here, and are left out where they name files.

    Raises:
        ConfigError: its files are missing or broken, it does not have the items or takes no words,
            or an older version did not record where it is from. A path that the source names
            is not read: its folder may be somebody else's.
    """
    if source is None:
        raise ConfigError("it is not recorded which benchmark was read, and how")
    given = {"data": data, "prompts": prompts}
    changed = {name: path for name, path in given.items() if path is not None}
    options = _chosen(source, changed, ignored)
    whole = load_benchmark(source.name, options, limit=source.limit, cache=cache)
    chosen = set(items)
    part = copy(whole)
    part.items = tuple(item for item in whole.items if item.id in chosen)
    if missing := chosen - {item.id for item in part.items}:
        raise ConfigError(f"{whole.name} has no item {min(missing)!r}: are these other files?")
    return part


def _chosen(
    source: Source, given: Mapping[str, Path], ignored: Collection[str]
) -> dict[str, object]:
    """The options, without what somebody's file alone says: where files are.

    Raises:
        ConfigError: there is no such benchmark, or a path is needed and not given.
    """
    kinds = get_type_hints(find_loader(source.name))
    named = {
        name: value
        for name, value in source.options.items()
        if value is not None and not _is_choice(kinds.get(name)) and name not in given
    }
    if needed := sorted(named.keys() - set(ignored)):
        raise ConfigError(
            f"results.json names {', '.join(f'{name} {named[name]!r:.100}' for name in needed)}, "
            f"which is not read because a file says so: give --{needed[0]}"
        )
    kept = {name: value for name, value in source.options.items() if name not in named}
    return {**kept, **given}


def _is_choice(kind: object) -> bool:
    """Whether an option is a number, a switch, or one of some names: never a path."""
    if get_origin(kind) in (Union, UnionType):
        return all(map(_is_choice, get_args(kind)))
    return kind in (int, float, bool, type(None)) or get_origin(kind) is Literal
