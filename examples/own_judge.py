"""Bring your own judge of benchmarks, and check it with the contract tests.

python examples/own_judge.py
pytest examples/own_judge.py
rr-refine bench sketch --limit 4 --set judge.use=own_judge:LightJudge     (in this folder)
"""

from __future__ import annotations

import asyncio
from statistics import fmean
from typing import TYPE_CHECKING

from rr_refine import refine
from rr_refine.benchmarks.contract import JudgeContract
from rr_refine.benchmarks.item import Item, Mark
from rr_refine.terms import Identity

if TYPE_CHECKING:
    from PIL import Image


class LightJudge:
    """Grades how light a picture is, from 1 to 4."""

    # All that the marks depend on: two judges with equal identities are interchangeable.
    identity = Identity(kind="example", name="light")

    async def grade(self, item: Item, image: Image.Image) -> Mark:
        light = fmean(image.convert("L").resize((16, 16)).tobytes()) / 255
        return Mark(exact=light > 0.9, score=1.0 + 3.0 * light)


class TestLight(JudgeContract):
    """All promises of a judge, checked by pytest."""

    def make_judge(self) -> LightJudge:
        return LightJudge()


if __name__ == "__main__":
    run = refine("a white teapot", generator="fake", critic="fake")
    assert run.best is not None
    item = Item(id="teapot", prompt=run.request.prompt)
    mark = asyncio.run(LightJudge().grade(item, run.image(run.best)))
    print(f"grade of the result: {mark.score:.2f}")
