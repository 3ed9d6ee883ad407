"""The pictures of a run on their way: each is read as seldom as can be, and in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

from rr_refine.agent.state import RunContext
from rr_refine.boundary import boundary
from rr_refine.errors import StoreError
from rr_refine.pictures import bare_copy
from rr_refine.request import Request
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["RunPictures", "Sources"]

_IN_FLIGHT: Final = 8
"""Most pictures that wait in memory for the critic: 24 MiB where they have 1024 x 1024 pixels."""


class Sources(TypedDict):
    """The pictures to edit, as requests of generators and critics have them."""

    source: Image.Image | None
    more_sources: tuple[Image.Image, ...]


class RunPictures:
    """The pictures of a run.

    Args:
        request: the run's request.
        context: its live objects.
    """

    def __init__(self, request: Request, context: RunContext) -> None:
        self._request = request
        self._context = context

    async def shown(self, most: int | None) -> Sources:
        """The pictures to edit for one that takes so many."""
        first, *more = await self.sources(most) or (None,)
        return Sources(source=first, more_sources=tuple(more))

    async def sources(self, most: int | None = None) -> tuple[Image.Image, ...]:
        """Copies of the pictures to edit, each of which is read once a run."""
        pictures, names = self._context.pictures, self._request.sources[:most]
        for name in names:
            if name not in pictures:
                pictures[name] = await self.read(name)
        return tuple([await in_thread(bare_copy, pictures[name]) for name in names])

    def keep(self, name: str, image: Image.Image) -> None:
        """Have a picture at hand for the critic, who sees it next."""
        pictures = self._context.pictures
        waiting = [kept for kept in pictures if kept not in self._request.sources]
        if len(waiting) >= _IN_FLIGHT:
            del pictures[waiting[0]]
        pictures[name] = image

    async def load(self, name: str) -> Image.Image:
        """A stored picture: the one at hand, which is then let go, or else from its file."""
        if name in self._request.sources or name not in self._context.pictures:
            return await self.read(name)
        return self._context.pictures.pop(name)

    async def read(self, name: str) -> Image.Image:
        """A stored picture, from its file."""
        with boundary(StoreError, f"reading the picture {name[:12]}…"):  # nobody else's fault
            return await in_thread(self._context.folder.load_image, name)
