"""What the small generator and the small critic have in common: a small world, and companions."""

from __future__ import annotations

from rr_refine.component import Companions
from rr_refine.request import Request
from rr_refine.sketch.world.phrasing import unknown_words

__all__ = ["ShapesOnly"]


class ShapesOnly:
    """The optional attributes of `rr_refine.component`, for both models."""

    notice = "the small models in the box, which know coloured shapes and nothing else"
    companions = Companions(rewriters=("sketch",), intent_check="sketch")

    def unknown(self, request: Request) -> tuple[str, ...]:
        """The words of the request that mean nothing in the small world."""
        return unknown_words(request.prompt)
