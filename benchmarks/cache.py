"""Work that several arms share is done once: a generator and a critic that remember.

What an arm is charged does not change: a picture from the cache counts as rendered and a judgement
from it as asked for. What failed is not kept.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypeVar
from weakref import WeakValueDictionary

from pydantic import JsonValue, ValidationError

from rr_refine.agent.keys import sources_key
from rr_refine.agent.store.folder import RunFolder, image_path
from rr_refine.agent.store.png import encode_png
from rr_refine.benchmarks.cache_file import open_items
from rr_refine.boundary import raised_as
from rr_refine.digest import digest, image_digest
from rr_refine.errors import NotRecordedError, StoreError
from rr_refine.files import holds_file, link_file, locked, parse_json, replace_file
from rr_refine.generators.generator import Generator, OnStep, RenderRequest
from rr_refine.invalid import told_invalid
from rr_refine.notices import add_notices, notices_of
from rr_refine.pictures import load_stored
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import (
    ComparisonRequest,
    Critic,
    CritiqueRequest,
    PairwiseCritic,
    can_compare,
)
from rr_refine.terms import Identity, Record, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "Cache",
    "CachedCritic",
    "CachedGenerator",
    "CachedPairwiseCritic",
    "Kind",
    "LinkingFolder",
]

RecordT = TypeVar("RecordT", bound="Record")
Kind = Literal["render", "critique", "comparison", "judgement", "unreadable"]
"""What is kept. A judgement is a judge's, of a result, and so are unreadable answers."""

_MADE_ONLINE: Final[tuple[Kind, ...]] = ("render", "critique", "comparison")
_FILE: Final = "cache.sqlite"


class Cache:
    """Finished work by content, in a folder. Memory does not grow with it.

    cache.sqlite     kind, key and value (JSON) of every item
    images/ab/…png   pictures by their digest, as in a run folder

    Items outlive a process that is killed as soon as they are kept; a power cut may take the last
    of them. Use it as a context manager, in one thread. The components that it wraps are connected
    and closed elsewhere.

    Args:
        path: the folder, in that of a benchmark; created when missing. It may be from somebody
            else, so it is no link, nor is anything in it.
        offline: what is not kept is not made, but a NotRecordedError. Judges are still asked.

    Raises:
        StoreLockedError: another process works with it.
        StoreError: it cannot be created or read, or holds another database than ours.
    """

    def __init__(self, path: Path, *, offline: bool = False) -> None:
        self._path = path
        self.offline = offline
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.made: Counter[Kind] = Counter()
        """What was not found and had to be made."""
        with ExitStack() as undo:
            undo.enter_context(locked(path, path / ".lock", within=path.parent))
            self._items = undo.enter_context(open_items(path / _FILE))
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def generator(self, generator: Generator, known: Identity | None = None) -> CachedGenerator:
        """`generator` with this memory.

        Args:
            known: who it is, where it is not connected.
        """
        return CachedGenerator(generator, self, known)

    def critic(self, critic: Critic, known: Identity | None = None) -> CachedCritic:
        """`critic` with this memory; it can compare if `critic` can. See `generator`."""
        if can_compare(critic):
            return CachedPairwiseCritic(critic, self, known)
        return CachedCritic(critic, self, known)

    def require_online(self, kind: Kind) -> None:
        """Before something is made that was not found.

        Raises:
            NotRecordedError: nothing of the kind is to be made.
        """
        if self.offline and kind in _MADE_ONLINE:
            raise NotRecordedError(f"{str(self._path)!r} holds no such {kind}")

    def lock(self, key: str) -> asyncio.Lock:
        """To be held over `find` and `keep`: who asks for the same meanwhile finds it done."""
        return self._locks.setdefault(key, asyncio.Lock())

    def find(self, kind: Kind, key: str) -> dict[str, JsonValue] | None:
        """What was kept under a key.

        Raises:
            StoreError: it cannot be read.
        """
        with self._errors():
            row = self._items.execute(
                "SELECT value FROM items WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        with raised_as(StoreError, f"{self._path / _FILE} cannot be read", ValueError):
            found = None if row is None else parse_json(str(row[0]))
        return found if isinstance(found, dict) else None

    def keep(self, kind: Kind, key: str, value: dict[str, JsonValue]) -> None:
        """Keep what was made.

        Raises:
            StoreError: it could not be written.
        """
        text = json.dumps(value, allow_nan=False)
        with self._errors():
            self._items.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (kind, key, text))
        self.made[kind] += 1

    async def once(
        self, kind: Kind, key: str, model: type[RecordT], make: Callable[[], Awaitable[RecordT]]
    ) -> RecordT:
        """What was kept under a key; else it is made now, and kept.

        Raises:
            StoreError: it could not be read or written, or is nothing of the kind.
            Exception: what `make` raises; it is not kept.
        """
        async with self.lock(key):
            if found := self.find(kind, key):
                try:
                    return model.model_validate(found.get("result"))
                except ValidationError as error:
                    file, why = self._path / _FILE, told_invalid(error)
                    raise StoreError(f"{file} holds a {kind} that is none: {why}") from error
            self.require_online(kind)
            made = await make()
            self.keep(kind, key, {"result": made.model_dump(mode="json")})
            return made

    def image_path(self, name: str) -> Path:
        """Where the picture with this digest is, or would be."""
        return image_path(self._path, name)

    async def find_image(self, key: str) -> Image.Image | None:
        """The picture that was kept under a key; None also where its file is gone.

        Raises:
            StoreError: its file is broken, or what was kept names none.
        """
        found = self.find("render", key)
        if found is None:
            return None
        path = self.image_path(str(found.get("image")))
        image = await asyncio.to_thread(_load, path, self._path)
        told = found.get("notices")
        if image is not None and isinstance(told, list):
            add_notices(image, *map(str, told))
        return image

    async def keep_image(self, key: str, image: Image.Image, request: RenderRequest) -> None:
        """Keep a picture.

        Raises:
            StoreError: it could not be written.
        """
        name = await asyncio.to_thread(self._put, image)
        told: dict[str, JsonValue] = {"notices": list(notices_of(image))}
        made: dict[str, JsonValue] = {"prompt": request.prompt, "seed": request.seed}
        self.keep("render", key, {"image": name, **made, **(told if notices_of(image) else {})})

    def _put(self, image: Image.Image) -> str:
        name = image_digest(image)
        path = self.image_path(name)
        with raised_as(StoreError, f"cannot write {path}"):
            if not holds_file(path, within=self._path):
                replace_file(path, encode_png(image), durable=True, within=self._path)
        return name

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with raised_as(StoreError, str(self._path / _FILE), sqlite3.Error):
            yield


class CachedGenerator:
    """A generator that renders a request once."""

    def __init__(self, inner: Generator, cache: Cache, known: Identity | None = None) -> None:
        self.wrapped = inner
        self._cache = cache
        self._known = known

    @property
    def identity(self) -> Identity:
        """That of the generator: its pictures are the same."""
        return self._known or self.wrapped.identity

    @property
    def tasks(self) -> frozenset[Task]:
        """Those of the generator."""
        return self.wrapped.tasks

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
                **_sources(request.sources),
                "parameters": dict(request.parameters),
            }
        )
        async with self._cache.lock(key):
            image = await self._cache.find_image(key)
            if image is None:
                self._cache.require_online("render")
                image = await self.wrapped.generate(request, on_step=on_step)
                await self._cache.keep_image(key, image, request)
            return image


class CachedCritic:
    """A critic that judges a picture of a request once."""

    def __init__(self, inner: Critic, cache: Cache, known: Identity | None = None) -> None:
        self.wrapped = inner
        self._cache = cache
        self._known = known

    @property
    def identity(self) -> Identity:
        """That of the critic: its judgements are the same."""
        return self._known or self.wrapped.identity

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
                "image": image_digest(request.image),
                **_sources(request.sources),
                **({"facts": list(request.facts)} if request.facts else {}),
            }
        )
        make = partial(self.wrapped.critique, request)
        return await self._cache.once("critique", key, Assessment, make)


class CachedPairwiseCritic(CachedCritic):
    """One that compares two pictures of a request once, too."""

    def __init__(self, inner: PairwiseCritic, cache: Cache, known: Identity | None = None) -> None:
        super().__init__(inner, cache, known)
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
                "a": image_digest(request.image_a),
                "b": image_digest(request.image_b),
                **_sources(request.sources),
            }
        )
        make = partial(self._pairwise.compare, request)
        return await self._cache.once("comparison", key, Comparison, make)


def _sources(sources: Sequence[Image.Image]) -> dict[str, JsonValue]:
    return sources_key([*map(image_digest, sources)])


class LinkingFolder(RunFolder):
    """A run folder that takes over pictures which are encoded already.

    Args:
        path: see `RunFolder`.
        pictures: where a picture may be, by its digest: `Cache.image_path`.
    """

    def __init__(self, path: Path, pictures: Callable[[str], Path] | None) -> None:
        super().__init__(path)
        self._pictures = pictures

    def put_image(
        self,
        image: Image.Image,
        metadata: dict[str, JsonValue] | None = None,
        *,
        durable: bool = True,
    ) -> str:
        """See `RunFolder.put_image`. The file that is linked stays as it is: the run folder
        replaces its pictures when it writes their metadata.
        """
        name = image_digest(image)
        if self._pictures is not None and not self.has_image(name):
            with suppress(OSError):  # there is none, or there are no links: it is encoded
                source = self._pictures(name)
                link_file(
                    source,
                    self.image_path(name),
                    source_within=source.parents[2],  # CACHE/images/ab/….png
                    within=self.path,
                )
        return super().put_image(image, metadata, durable=durable)


def _load(path: Path, within: Path) -> Image.Image | None:
    try:
        return load_stored(path, within=within)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
