"""Where the items of a folder came from, so that they can be read again."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.loader import BenchmarkLoader, find_loader
from rr_refine.errors import ConfigError
from rr_refine.terms import Record

__all__ = ["Source", "load_again", "source_of"]


class Source(Record):
    """The command's benchmark and its options."""

    name: str
    """Of the entry point: `unigenbench`."""
    options: dict[str, JsonValue]
    limit: int | None = None
    part: int = 1
    """Of `parts`, see `--shard`."""
    parts: int = 1


def source_of(
    name: str, own: BenchmarkLoader, limit: int | None, shard: tuple[int, int] = (1, 1)
) -> Source | None:
    """The source that a command read; None where its options are no JSON."""
    try:
        options = TypeAdapter(type(own)).dump_python(own, mode="json")
    except PydanticSerializationError:
        return None
    return Source(name=name, options=options, limit=limit, part=shard[0], parts=shard[1])


def load_again(
    source: Source | None,
    items: Collection[str] | None,
    *,
    data: Path | None,
    cache: Path,
    prompts: Path | None = None,
) -> Benchmark:
    """The benchmark, with these of its items in their order.

    Args:
        items: all of it where it is None.
        data: its files, where they have moved.
        prompts: the official words of its judge's questions, if others than then.
        cache: for source pictures that come inside of other files.

    Raises:
        ConfigError: its files are missing or broken, it does not have the items, or an older
            version did not record where they are from.
    """
    if source is None:
        raise ConfigError("it is not recorded which benchmark was read, and how")
    loader = find_loader(source.name)
    given = {"data": data, "prompts": prompts}
    changed = {name: str(path) for name, path in given.items() if path is not None}
    options = {**source.options, **changed}
    try:
        own = TypeAdapter(loader).validate_python(options)
    except ValidationError as error:
        raise ConfigError(
            f"the options {options!r} are none of benchmark {source.name!r}"
        ) from error
    whole = own.load(limit=source.limit, cache=cache)
    if items is None:
        return whole
    chosen = set(items)
    part = copy(whole)
    part.items = tuple(item for item in whole.items if item.id in chosen)
    if missing := chosen - {item.id for item in part.items}:
        raise ConfigError(f"{whole.name} has no item {min(missing)!r}: are these other files?")
    return part
