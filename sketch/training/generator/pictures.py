"""Pictures for the critic to learn from, in manifests that say what they were made for.

Renders are the generator's own pictures, with its own faults. Decoded drawings went through its
autoencoder alone: what the decoder makes of letters is what the generator's letters look like,
sharp ones and ghosts. Such a picture costs a tenth of a render, and can be misspelt on purpose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import torch
from diffusers import AutoencoderTiny
from PIL import Image

from rr_refine.generators.generator import Generator, RenderRequest
from rr_refine.lines import LineFile, read_lines
from rr_refine.sketch.training.generator.autoencoder import to_pixels
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, phrase, request_for
from rr_refine.sketch.world.sampling import misspelt, random_scene
from rr_refine.sketch.world.scene import Scene
from rr_refine.terms import Record

__all__ = ["RenderedPicture", "decode_cases", "render_cases"]

_RENDERED_AT_ONCE: Final = 8
_DECODED_AT_ONCE: Final = 16
"""Cases in one call, each with two pictures."""
_WORDED: Final = 0.8
"""How often a render has a word: letters are what the generator is worst at, and no drawing is
wrong in its way."""
_RIGHT: Final = 0.4
"""How often a decoded word is spelt right."""
_GHOST: Final = 0.45
"""How often one that is not has some of the right letters in it, as between two minds."""
_NOISE: Final = 0.3
"""Standard deviation, at most, of what is added to the latents, which lie within 3 of 0."""


class RenderedPicture(Record):
    """One line of a manifest, a file of JSON lines beside its pictures."""

    prompt: str
    seed: int
    file: str
    """Relative to the manifest."""
    source: str | None = None
    """The picture that was edited, relative to the manifest; None for text-to-image."""
    model: str | None = None


def render_cases(
    folder: Path, generator: Generator, count: int, *, seed: int = 11, edits: float = 0.3
) -> Path:
    """Render two pictures each for `count` requests and edits, or go on; returns the manifest.

    The same seed asks for the same; held-out requests have another. The generator must need no
    connecting, and is faster in batches. `edits` is the share of edits, of drawn pictures.
    """

    async def render(keys: list[str]) -> Iterable[RenderedPicture]:
        cases = await asyncio.gather(*(_render(folder, generator, key, edits) for key in keys))
        return [one for case in cases for one in case]

    return _write_manifest(
        folder, count, seed, _RENDERED_AT_ONCE, lambda keys: asyncio.run(render(keys))
    )


def decode_cases(folder: Path, autoencoder: AutoencoderTiny, count: int, *, seed: int = 12) -> Path:
    """Make two pictures each for `count` requests with a word, or go on; returns the manifest.

    The same seed asks for the same; held-out requests have another.
    """
    with torch.inference_mode():
        return _write_manifest(
            folder, count, seed, _DECODED_AT_ONCE, lambda keys: _decode(folder, autoencoder, keys)
        )


def _write_manifest(
    folder: Path,
    count: int,
    seed: int,
    at_once: int,
    make: Callable[[list[str]], Iterable[RenderedPicture]],
) -> Path:
    """Add the cases that are not in the manifest of `folder` yet; each has a key and two lines."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.jsonl"
    done = sum(1 for _ in read_lines(manifest)) // 2
    with closing(LineFile(manifest)) as lines:
        for start in range(done, count, at_once):
            numbers = range(start, min(start + at_once, count))
            for render in make([f"{seed}:{number}" for number in numbers]):
                lines.append(render.model_dump_json().encode(), sync=False)
    return manifest


async def _render(
    folder: Path, generator: Generator, key: str, edits: float
) -> list[RenderedPicture]:
    random = Random(key)
    scene = random_scene(random, worded=random.random() < _WORDED)
    source: Image.Image | None = None
    name = key.replace(":", "-")
    if random.random() < edits:
        source = draw(scene, random)
        source.save(folder / f"{name}-source.png")
        prompt = phrase_edit(random_edit(scene, random), scene, dense=random.random() < 0.5)
    else:
        prompt = _prompt(scene, random)
    seeds = [random.getrandbits(32) for _ in range(2)]
    requests = [RenderRequest(prompt, seed, source) for seed in seeds]
    pictures = await asyncio.gather(*map(generator.generate, requests))
    renders = []
    for number, (seed, picture) in enumerate(zip(seeds, pictures, strict=True)):
        file = f"{name}-{number}.png"
        picture.save(folder / file)
        renders.append(
            RenderedPicture(
                prompt=prompt,
                seed=seed,
                file=file,
                source=f"{name}-source.png" if source else None,
                model=generator.identity.name,
            )
        )
    return renders


def _decode(folder: Path, autoencoder: AutoencoderTiny, keys: list[str]) -> list[RenderedPicture]:
    renders: list[RenderedPicture] = []
    drawings: list[_Drawing] = []
    for key in keys:
        random = Random(key)
        scene = random_scene(random, worded=True)
        prompt = _prompt(scene, random)
        for number in range(2):
            file = f"{key.replace(':', '-')}-{number}.png"
            renders.append(
                RenderedPicture(prompt=prompt, seed=number, file=file, model="decoded drawing")
            )
            drawings.append(_drawing(scene, random))
    weight = next(autoencoder.parameters())

    def encode(pictures: list[Image.Image]) -> torch.Tensor:
        latents: torch.Tensor = autoencoder.encode(to_pixels(pictures).to(weight)).latents
        return latents

    def each(values: list[float]) -> torch.Tensor:
        return torch.tensor(values).to(weight).view(-1, 1, 1, 1)

    latents = encode([drawing.picture for drawing in drawings])
    ghosts = encode([drawing.ghost for drawing in drawings])
    latents = latents.lerp(ghosts, each([drawing.share for drawing in drawings]))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(drawings[0].seed))
    latents += noise.to(weight) * each([drawing.noise for drawing in drawings])
    pixels = autoencoder.decode(latents).sample.float().cpu()
    levels = pixels.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for render, picture in zip(renders, levels, strict=True):
        Image.fromarray(picture).save(folder / render.file)
    return renders


def _prompt(scene: Scene, random: Random) -> str:
    register = random.choice(REGISTERS)
    return phrase(request_for(scene, register, random), register, random)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """A picture before it is encoded."""

    picture: Image.Image
    ghost: Image.Image
    """The same with other letters, or the very same."""
    share: float
    """How much of the ghost is mixed in, 0 to 1."""
    noise: float
    seed: int


def _drawing(scene: Scene, random: Random) -> _Drawing:
    assert scene.lettering
    seed = random.getrandbits(32)
    right = picture = ghost = draw(scene, Random(seed))
    share = 0.0
    if random.random() >= _RIGHT:
        false = scene.lettering.model_copy(update={"word": misspelt(scene.lettering.word, random)})
        picture = ghost = draw(scene.model_copy(update={"lettering": false}), Random(seed))
        if random.random() < _GHOST:
            ghost, share = right, random.uniform(0.2, 0.8)
    return _Drawing(picture, ghost, share, random.uniform(0, _NOISE), seed)
