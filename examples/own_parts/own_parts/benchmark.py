"""A benchmark: requests for pictures in one tone, graded by their mean colour."""

from __future__ import annotations

from dataclasses import dataclass
from math import dist
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from own_parts.critic import TONES
from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["TonesLoader"]

_SCENES = ("a still sea", "a street at night", "a field of flowers")


@dataclass(frozen=True, kw_only=True)
class TonesLoader(BenchmarkLoader):
    """Pictures in one tone, graded by their mean colour.

    The first line is what `rr-refine bench --help` shows; each option needs a line below.

    Attributes:
        tones: Which colour words are asked for.
    """

    tones: Literal["all", "red"] = "all"

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> Benchmark:
        """See `BenchmarkLoader.load`."""
        del cache, sources  # there are no files and no source pictures
        wanted = TONES if self.tones == "all" else ("red",)
        items = [
            Item(id=f"{tone}-{number}", prompt=f"{scene} in {tone}", labels={"tone": tone})
            for number, scene in enumerate(_SCENES)
            for tone in wanted
        ]
        return Benchmark("own-tones", items[:limit], grade)


async def grade(item: Item, image: Image.Image) -> Mark:
    """How near the mean colour is to the tone, 1 to 4; exact from 3.0."""
    mean = image.convert("RGB").resize((1, 1)).tobytes()
    # 442 is the distance of black and white.
    score = 4.0 - 3.0 * dist(mean, TONES[item.labels["tone"]]) / 442
    return Mark(exact=score >= 3.0, score=score)
