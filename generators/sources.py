"""How many pictures to edit a generator takes at once: one, if it does not say.

One that takes several has an attribute `most_sources`: the most, or None where there is no fixed
number. The first picture is the one to edit, whose proportions the result has; the others come
after it, in order, and a prompt calls them "picture 2" and so on.
"""

from __future__ import annotations

from typing import Final

from rr_refine.component import most_sources
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator

__all__ = ["SEVERAL", "require_sources", "too_many_sources"]

SEVERAL: Final = (
    "Flux2Pipeline",
    "Flux2KleinPipeline",
    "Flux2KleinKVPipeline",
    "QwenImageEditPlusPipeline",
)
"""The pipelines of diffusers that take several, for messages; see their `Family`."""


def require_sources(generator: Generator, number: int) -> None:
    """Refuse more pictures to edit than a generator takes; it must be connected.

    Raises:
        ConfigError: there are more.
    """
    if why := too_many_sources(most_sources(generator), number):
        raise ConfigError(f"{generator.identity.name!r} {why}")


def too_many_sources(most: int | None, number: int) -> str | None:
    """Why there are too many pictures to edit, and who takes more; None where there are not."""
    if most is None or number <= most:
        return None
    taken = "one picture" if most == 1 else f"{most} pictures"
    return (
        f"takes {taken} to edit at a time, and {number} were given; several go to diffusers' "
        f"{', '.join(SEVERAL)}, and to an images API (the generator 'images-api'). Or put what "
        "you need of the others into one picture"
    )
