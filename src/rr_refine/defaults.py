"""The default generator and critic: data only, and no code depends on the values.

They are the small models in the box, for a new user without a GPU. They come in by entry points, as
anybody's parts do.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CRITIC", "GENERATOR"]

GENERATOR: Final = "sketch"
CRITIC: Final = "sketch"
"""The default of the default generator only: it judges nothing but that generator's pictures."""
