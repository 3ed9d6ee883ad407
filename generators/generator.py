"""What a generator is: one prompt, one seed, maybe a source picture; one image out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import JsonValue

from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Generator", "OnStep", "RenderRequest", "preview_of"]

OnStep = Callable[[int, int], None]
"""Called with (steps done, steps in all), from any thread; must return at once. It may have a
method `preview(picture)`, for a small PNG or JPEG of what there is so far: see `preview_of`."""


def preview_of(on_step: OnStep | None) -> Callable[[bytes], None] | None:
    """What takes previews, if anybody does; called as `on_step` is."""
    preview: Callable[[bytes], None] | None = getattr(on_step, "preview", None)
    return preview


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One image to render."""

    prompt: str
    """The text, any length; may hold anything a user can type."""
    seed: int
    """0 to 2**63 - 1. The same request gives the same image, batched or alone."""
    source: Image.Image | None = None
    """The picture to edit, RGB; None for text-to-image."""
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """Per-request overrides (`width`, `guidance_scale`, …). One without effect is an error."""
    more_sources: tuple[Image.Image, ...] = ()
    """Further pictures that an edit may take from, in order, RGB; see
    `rr_refine.generators.sources`."""

    @property
    def sources(self) -> tuple[Image.Image, ...]:
        """All pictures to edit, in order."""
        return () if self.source is None else (self.source, *self.more_sources)

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture, `t2i` otherwise."""
        return "t2i" if self.source is None else "edit"


@runtime_checkable
class Generator(Protocol):
    """Turns a request into an image.

    Call it many times at once: an implementation that can render in batches gathers concurrent
    calls itself, and a batched image equals its single run. Cancelling the call stops the work.

    One that must ask somewhere before it knows who it is has `async def connect()`, which every
    run that has it calls first, also while others are at work with it. One that holds connections
    or threads has `async def aclose()`: see `rr_refine.component`.

    Check your own with `rr_refine.generators.contract.GeneratorContract`.
    """

    @property
    def identity(self) -> Identity:
        """What the images depend on besides the request."""
        ...

    @property
    def tasks(self) -> frozenset[Task]:
        """The tasks it can do."""
        ...

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """Render one RGB image.

        Raises:
            GeneratorError: of the kind that fits; never another exception for a failed render.
        """
        ...
