"""Pictures for the critic to learn from: the generator's own, with its own faults."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from rr_refine.generators.generator import Generator, RenderRequest
from rr_refine.lines import LineFile, read_lines
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, phrase, request_for
from rr_refine.sketch.world.render import Render
from rr_refine.sketch.world.sampling import random_scene

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["render_cases"]

_GROUP: Final = 8
"""Cases under way at once, each with two pictures."""
_WORDED: Final = 0.8
"""How often a word is asked for: letters are what the generator is worst at, and no drawing is
wrong in its way."""


def render_cases(
    folder: Path, generator: Generator, count: int, *, seed: int = 11, edits: float = 0.3
) -> Path:
    """Render two pictures each for `count` requests and edits, or go on; gives the manifest.

    Args:
        folder: for `manifest.jsonl` and the pictures.
        generator: one that needs no connecting; batches make it faster.
        count: of requests and edits together.
        seed: the same seed asks the same; held-out requests have another.
        edits: the share of edits, of drawn pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.jsonl"
    done = len(read_lines(manifest)) // 2
    with closing(LineFile(manifest)) as lines:
        asyncio.run(_render(folder, generator, seed, range(done, count), edits, lines))
    return manifest


async def _render(
    folder: Path, generator: Generator, seed: int, cases: range, edits: float, lines: LineFile
) -> None:
    for start in range(0, len(cases), _GROUP):
        group = [
            _case(folder, generator, f"{seed}:{number}", edits)
            for number in cases[start : start + _GROUP]
        ]
        for case in await asyncio.gather(*group):
            for render in case:
                lines.append(render.model_dump_json().encode(), sync=False)


async def _case(folder: Path, generator: Generator, key: str, edits: float) -> list[Render]:
    random = Random(key)
    scene = random_scene(random, worded=random.random() < _WORDED)
    source: Image.Image | None = None
    name = key.replace(":", "-")
    if random.random() < edits:
        source = draw(scene, random)
        source.save(folder / f"{name}-source.png")
        prompt = phrase_edit(random_edit(scene, random), scene, dense=random.random() < 0.5)
    else:
        register = random.choice(REGISTERS)
        prompt = phrase(request_for(scene, register, random), register, random)
    seeds = [random.getrandbits(32) for _ in range(2)]
    requests = [RenderRequest(prompt, seed, source) for seed in seeds]
    pictures = await asyncio.gather(*map(generator.generate, requests))
    renders = []
    for number, (seed, picture) in enumerate(zip(seeds, pictures, strict=True)):
        file = f"{name}-{number}.png"
        picture.save(folder / file)
        renders.append(
            Render(
                prompt=prompt,
                seed=seed,
                file=file,
                source=f"{name}-source.png" if source else None,
                model=generator.identity.name,
            )
        )
    return renders
