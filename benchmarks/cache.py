"""Work that several arms have in common is done once: a generator and a critic with a memory.

What an arm is charged does not change: a picture from the cache counts as rendered and a judgement
from it as asked for. What failed is not kept.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from rr_refine.agent.store.folder import RunFolder
from rr_refine.digest import digest, image_digest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import can_compare

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from PIL import Image
    from pydantic import JsonValue

    from rr_refine.agent.store.journal import ItemKind
    from rr_refine.generators.generator import Generator, OnStep, RenderRequest
    from rr_refine.reward.critic import (
        ComparisonRequest,
        Critic,
        CritiqueRequest,
        PairwiseCritic,
    )
    from rr_refine.terms import Identity, Task

__all__ = ["Cache", "CachedCritic", "CachedGenerator", "CachedPairwiseCritic"]


class Cache:
    """Finished work by content, in a folder; laid out as a run folder's pictures and journal.

    Use it as a context manager. The components that it wraps are connected and closed elsewhere.

    Args:
        path: the folder; created when missing.

    Raises:
        StoreLockedError: another process works with it.
        StoreError: it cannot be created or read.
    """

    def __init__(self, path: Path) -> None:
        self._folder = RunFolder(path)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.made: Counter[ItemKind] = Counter()
        """What was not found and had to be made."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.close()

    def generator(self, generator: Generator) -> CachedGenerator:
        """`generator` with this memory."""
        return CachedGenerator(generator, self)

    def critic(self, critic: Critic) -> CachedCritic:
        """`critic` with this memory; it can compare if `critic` can."""
        if can_compare(critic):
            return CachedPairwiseCritic(critic, self)
        return CachedCritic(critic, self)

    def lock(self, key: str) -> asyncio.Lock:
        """To be held over `find` and `keep`: who asks for the same meanwhile finds it done."""
        return self._locks.setdefault(key, asyncio.Lock())

    def find(self, kind: ItemKind, key: str) -> dict[str, JsonValue] | None:
        """What was kept under a key."""
        found = self._folder.journal.get(kind, key)
        return found if isinstance(found, dict) else None

    def keep(self, kind: ItemKind, key: str, value: dict[str, JsonValue]) -> None:
        """Keep what was made.

        Raises:
            StoreError: it could not be written.
        """
        self._folder.journal.put(kind, key, value)
        self.made[kind] += 1

    async def find_image(self, key: str) -> Image.Image | None:
        """The picture that was kept under a key.

        Raises:
            StoreError: its file is broken.
        """
        found = self.find("render", key)
        if found is None or not self._folder.has_image(name := str(found["image"])):
            return None
        return await asyncio.to_thread(self._folder.load_image, name)

    async def keep_image(self, key: str, image: Image.Image, request: RenderRequest) -> None:
        """Keep a picture.

        Raises:
            StoreError: it could not be written.
        """
        name = await asyncio.to_thread(self._folder.put_image, image)
        self.keep("render", key, {"image": name, "prompt": request.prompt, "seed": request.seed})


class CachedGenerator:
    """A generator that renders a request once."""

    def __init__(self, inner: Generator, cache: Cache) -> None:
        self._inner = inner
        self._cache = cache

    @property
    def identity(self) -> Identity:
        """That of the generator: its pictures are the same."""
        return self._inner.identity

    @property
    def tasks(self) -> frozenset[Task]:
        """Those of the generator."""
        return self._inner.tasks

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """See `Generator.generate`.

        Raises:
            GeneratorError: as the generator does.
            StoreError: the picture could not be kept.
        """
        key = digest(
            {
                "by": self.identity.model_dump(mode="json"),
                "prompt": request.prompt,
                "seed": request.seed,
                "source": _name(request.source),
                "parameters": dict(request.parameters),
            }
        )
        async with self._cache.lock(key):
            image = await self._cache.find_image(key)
            if image is None:
                image = await self._inner.generate(request, on_step=on_step)
                await self._cache.keep_image(key, image, request)
            return image


class CachedCritic:
    """A critic that judges a picture of a request once."""

    def __init__(self, inner: Critic, cache: Cache) -> None:
        self._inner = inner
        self._cache = cache

    @property
    def identity(self) -> Identity:
        """That of the critic: its judgements are the same."""
        return self._inner.identity

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """See `Critic.critique`.

        Raises:
            CriticError: as the critic does.
            StoreError: the judgement could not be kept.
        """
        key = digest(
            {
                "by": self.identity.model_dump(mode="json"),
                "prompt": request.prompt,
                "image": _name(request.image),
                "source": _name(request.source),
            }
        )
        async with self._cache.lock(key):
            if found := self._cache.find("critique", key):
                return Assessment.model_validate(found["result"])
            assessment = await self._inner.critique(request)
            self._cache.keep("critique", key, {"result": assessment.model_dump(mode="json")})
            return assessment


class CachedPairwiseCritic(CachedCritic):
    """One that compares two pictures of a request once, too."""

    def __init__(self, inner: PairwiseCritic, cache: Cache) -> None:
        super().__init__(inner, cache)
        self._pairwise = inner

    async def compare(self, request: ComparisonRequest) -> Comparison:
        """See `PairwiseCritic.compare`.

        Raises:
            CriticError: as the critic does.
            StoreError: the comparison could not be kept.
        """
        key = digest(
            {
                "by": self.identity.model_dump(mode="json"),
                "prompt": request.prompt,
                "a": _name(request.image_a),
                "b": _name(request.image_b),
                "source": _name(request.source),
            }
        )
        async with self._cache.lock(key):
            if found := self._cache.find("comparison", key):
                return Comparison.model_validate(found["result"])
            comparison = await self._pairwise.compare(request)
            self._cache.keep("comparison", key, {"result": comparison.model_dump(mode="json")})
            return comparison


def _name(image: Image.Image | None) -> str | None:
    return None if image is None else image_digest(image)
