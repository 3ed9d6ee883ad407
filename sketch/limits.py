"""What the small generator and the small critic have in common: a small world, and companions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rr_refine.component import Companions, Examples
from rr_refine.request import Request
from rr_refine.sketch.framing import frame
from rr_refine.sketch.world.understanding import means_nothing, not_understood

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ShapesOnly"]


class ShapesOnly:
    """The optional attributes of `rr_refine.component`, for both models."""

    notice = "the small models in the box, which know coloured shapes and nothing else"
    examples = Examples(
        t2i="a red circle left of two blue stars on a white background",
        edit="make the red circle blue",
    )
    companions = Companions(rewriters=("sketch",), intent_check="sketch")

    def unknown(self, request: Request) -> tuple[str, ...]:
        """What of the request means nothing in the small world."""
        return not_understood(request.prompt, request.task)

    def is_outside(self, request: Request, source: Image.Image | None) -> bool:
        """Whether the request names not one thing of the small world, or the picture to edit is
        none of flat colours.
        """
        if source is not None and not frame(source).is_flat:
            return True
        return means_nothing(request.prompt, request.task)
