"""The oracle as a judge: pictures of anybody's sketch requests, graded by what it reads in them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.errors import CriticUnreadable
from rr_refine.pictures import load_picture
from rr_refine.plugins import parse_options
from rr_refine.sketch.bench.answers import in_world
from rr_refine.sketch.bench.tasks import to_mark
from rr_refine.sketch.oracle.grading import Grade, grade_picture, read_asked
from rr_refine.terms import Given, Identity

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SketchJudge", "create"]


class SketchJudge:
    """Grades by the item's own prompt, as the sketch benchmark does by what it knows of an item."""

    identity = Identity(kind="oracle", name="sketch", details={"version": 1})

    async def grade(self, item: Item, image: Image.Image) -> Mark:
        """See `GradingJudge.grade`.

        Raises:
            CriticUnreadable: the prompt asks for nothing of the sketch world, or the picture to
                edit shows nothing of it.
        """
        return to_mark(await asyncio.to_thread(_grade, item, image))


def _grade(item: Item, image: Image.Image) -> Grade:
    source = None if item.source is None else load_picture(item.source)
    asked = read_asked(item.prompt, source)
    if asked is not None and (source is not None or in_world(item.prompt)):
        return grade_picture(asked, image)
    raise CriticUnreadable(f"the oracle knows only sketches, not {item.prompt!r}", item.prompt)


class _Options(Given):
    """There are none."""


def create(**options: JsonValue) -> SketchJudge:
    """For `plugins.create`.

    Raises:
        ConfigError: any option.
    """
    parse_options(_Options, options, "judge")
    return SketchJudge()
