"""An item at work: what its trials have in common is done once, and forgotten with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.benchmarks.sources import load_source
from rr_refine.benchmarks.trial import Origin
from rr_refine.digest import digest, file_digest, image_digest
from rr_refine.errors import ConfigError, RefineError, StoreError
from rr_refine.pictures import load_picture
from rr_refine.redaction import told

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BenchmarkEntry"]


class BenchmarkEntry:
    """An item at work.

    Args:
        number: its place in the benchmark.
    """

    def __init__(self, benchmark: Benchmark, item: Item, number: int) -> None:
        self.item = item
        self._benchmark = benchmark
        self._number = number
        self._source: asyncio.Task[Image.Image] | None = None
        self._marks: dict[str, asyncio.Task[Mark | str]] = {}

    @cached_property
    def request(self) -> str:
        """The digest of all that a trial takes from the item."""
        source, name = self.item.source, None
        with suppress(OSError):  # its trial fails, and is tried again when the file is there
            if isinstance(source, Path):
                name = file_digest(source)
            elif source is not None:
                name = image_digest(source)
        return digest(
            {
                "prompt": self.item.prompt,
                "seed": self.item.seed,
                "source": name,
                "labels": dict(self.item.labels),
                "group": self.item.group,
            }
        )

    def origin(self, arm: str) -> Origin:
        """What a trial of this item is of."""
        item = self.item
        return Origin(
            arm=arm,
            item=item.id,
            number=self._number,
            group=item.group or item.id,
            labels=dict(item.labels),
            request=self.request,
            run=f"runs/{arm}/{item.id}",
            worst=self._benchmark.worst(item),
        )

    async def source(self) -> Image.Image | None:
        """The picture to edit.

        Raises:
            ConfigError: it cannot be read.
        """
        if self.item.source is None:
            return None
        if self._source is None:
            self._source = asyncio.create_task(asyncio.to_thread(load_source, self.item.source))
        return await self._source

    async def mark(self, name: str, load: Callable[[str], Image.Image]) -> Mark | str:
        """The mark of a picture, or why there is none.

        Args:
            name: its digest.
            load: gives the picture; an OSError or ValueError of it is why there is no mark.

        Raises:
            ConfigError: of the grader.
            StoreError: of the grader, or of `load`.
        """
        if name not in self._marks:
            self._marks[name] = asyncio.create_task(self._grade(name, load))
        return await self._marks[name]

    async def _grade(self, name: str, load: Callable[[str], Image.Image]) -> Mark | str:
        if self._benchmark.grade is None:
            return "CriticUnavailable: there is no judge; give one with --judge-url, and --resume"
        try:
            image = await asyncio.to_thread(lambda: load_picture(load(name)))
            item = replace(self.item, source=await self.source())  # it is not decoded again
        except (ConfigError, OSError, ValueError) as lost:
            return told(lost)
        try:
            return await self._benchmark.grade(item, image)
        except (ConfigError, StoreError):
            raise
        except RefineError as error:
            return told(error)
