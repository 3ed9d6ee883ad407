"""What a critic is: a request and an image in, a reasoned judgement out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard, cast, runtime_checkable

from rr_refine.boundary import boundary
from rr_refine.component import has_methods, layers
from rr_refine.errors import ConfigError
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from PIL import Image

    from rr_refine.reward.assessment import Assessment

__all__ = [
    "ComparisonRequest",
    "Critic",
    "CritiqueRequest",
    "KnowsLimits",
    "PairwiseCritic",
    "can_compare",
    "why_not",
]


@dataclass(frozen=True, slots=True)
class CritiqueRequest:
    """One image to judge against what the user asked for."""

    prompt: str
    """The ORIGINAL request; never a rewritten prompt."""
    image: Image.Image
    """The image to judge, RGB."""
    source: Image.Image | None = None
    """The picture that was edited, RGB; None for text-to-image."""
    facts: tuple[str, ...] = ()
    """What was measured in the image, in clauses: see `rr_refine.reward.evidence`. A critic that
    takes words is told them beside the image; others leave them alone."""
    more_sources: tuple[Image.Image, ...] = ()
    """Further pictures that the edit may take from, in order, RGB. Only for a critic that has
    `most_sources` (`rr_refine.component`); of those that it does not get, nothing is judged."""

    @property
    def sources(self) -> tuple[Image.Image, ...]:
        """All source pictures, in order."""
        return () if self.source is None else (self.source, *self.more_sources)

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture, `t2i` otherwise."""
        return "t2i" if self.source is None else "edit"


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """Two images of one request to choose between."""

    prompt: str
    image_a: Image.Image
    image_b: Image.Image
    source: Image.Image | None = None
    more_sources: tuple[Image.Image, ...] = ()

    @property
    def sources(self) -> tuple[Image.Image, ...]:
        """All source pictures, in order."""
        return () if self.source is None else (self.source, *self.more_sources)

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture, `t2i` otherwise."""
        return "t2i" if self.source is None else "edit"


@runtime_checkable
class Critic(Protocol):
    """Judges one image. Safe to call many times at once.

    One that must ask somewhere before it knows who it is has `async def connect()`, which every
    run that has it calls first, also while others are at work with it. One that holds connections
    has `async def aclose()`: see `rr_refine.component`.

    Check your own with `rr_refine.reward.contract.CriticContract`.
    """

    @property
    def identity(self) -> Identity:
        """What the judgement depends on besides the request: model, template hash, sampling."""
        ...

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """Judge the image on every dimension of its task.

        Raises:
            CriticError: of the kind that fits; a failed critique is never a score.
        """
        ...


@runtime_checkable
class PairwiseCritic(Critic, Protocol):
    """A critic that can also choose between two images."""

    async def compare(self, request: ComparisonRequest) -> Comparison:
        """Judge A against B in both orders.

        Raises:
            CriticError: as for `critique`.
        """
        ...


class KnowsLimits(Protocol):
    """A critic, or a reward, that can tell before the first render what it can judge in no way."""

    async def cannot(self, request: CritiqueRequest) -> str | None:
        """Why it cannot judge this request, whatever the picture, in a clause with what to do.

        It is asked once it is connected, before anything is rendered: `request.image` is not the
        picture, and may be smaller.
        """
        ...


async def why_not(critic: object, request: CritiqueRequest) -> str | None:
    """Why a critic can judge no picture of this request; None where nothing is known against it.

    Raises:
        RefineError: it cannot even be asked.
    """
    for one in layers(critic):
        if has_methods(one, "cannot"):
            what = f"{type(one).__name__}.cannot"
            with boundary(ConfigError, what):
                said: object = await cast("KnowsLimits", one).cannot(request)
            if said is not None and not isinstance(said, str):
                raise ConfigError(f"{what}(request) = {said!r} must be a str or None")
            return said
    return None


def can_compare(critic: Critic) -> TypeGuard[PairwiseCritic]:
    """Whether a critic is a `PairwiseCritic`."""
    return has_methods(critic, "compare")
