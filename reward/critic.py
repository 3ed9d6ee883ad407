"""What a critic is: a request and an image in, a reasoned judgement out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

from rr_refine.component import has_methods
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from PIL import Image

    from rr_refine.reward.assessment import Assessment

__all__ = ["ComparisonRequest", "Critic", "CritiqueRequest", "PairwiseCritic", "can_compare"]


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

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture, `t2i` otherwise."""
        return "t2i" if self.source is None else "edit"


@runtime_checkable
class Critic(Protocol):
    """Judges one image. Safe to call many times at once.

    One that must ask somewhere before it knows who it is has `async def connect()`, and one that
    holds connections `async def aclose()`: see `rr_refine.component`.

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


def can_compare(critic: Critic) -> TypeGuard[PairwiseCritic]:
    """Whether a critic is a `PairwiseCritic`."""
    return has_methods(critic, "compare")
