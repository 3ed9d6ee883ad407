"""Pictures for the critic to learn letters from: drawn, then through the generator's autoencoder.

What the decoder makes of letters is what the generator's letters look like, sharp ones and ghosts.
A drawing that takes this way costs a tenth of a render, and can be misspelt on purpose.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from rr_refine.lines import LineFile, read_lines
from rr_refine.sketch.training.generator.autoencoder import to_pixels
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.misspelling import misspelt
from rr_refine.sketch.world.phrasing import REGISTERS, phrase, request_for
from rr_refine.sketch.world.render import Render
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderTiny
    from PIL import Image

__all__ = ["decode_cases"]

_GROUP: Final = 16
"""Cases in one call, each with two pictures."""
_RIGHT: Final = 0.4
"""How often a word is spelt right."""
_GHOST: Final = 0.45
"""How often one that is not has some of the right letters in it, as between two minds."""
_NOISE: Final = 0.3
"""Standard deviation, at most, of what is added to the latents, which lie within 3 of 0."""


def decode_cases(folder: Path, autoencoder: AutoencoderTiny, count: int, *, seed: int = 12) -> Path:
    """Make two pictures each for `count` requests with a word, or go on; gives the manifest.

    Args:
        folder: for `manifest.jsonl` and the pictures.
        autoencoder: of the generator, on any device.
        count: of requests.
        seed: the same seed asks the same; held-out requests have another.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.jsonl"
    done = len(read_lines(manifest)) // 2
    with closing(LineFile(manifest)) as lines, torch.inference_mode():
        for start in range(done, count, _GROUP):
            numbers = range(start, min(start + _GROUP, count))
            for render in _decode(folder, autoencoder, [f"{seed}:{n}" for n in numbers]):
                lines.append(render.model_dump_json().encode(), sync=False)
    return manifest


def _decode(folder: Path, autoencoder: AutoencoderTiny, keys: list[str]) -> list[Render]:
    import torch
    from PIL import Image

    renders: list[Render] = []
    drafts: list[_Draft] = []
    for key in keys:
        random = Random(key)
        scene = random_scene(random, worded=True)
        register = random.choice(REGISTERS)
        prompt = phrase(request_for(scene, register, random), register, random)
        for number in range(2):
            file = f"{key.replace(':', '-')}-{number}.png"
            renders.append(Render(prompt=prompt, seed=number, file=file, model="decoded drawing"))
            drafts.append(_draft(scene, random))
    weight = next(autoencoder.parameters())

    def encode(pictures: list[Image.Image]) -> torch.Tensor:
        latents: torch.Tensor = autoencoder.encode(to_pixels(pictures).to(weight)).latents
        return latents

    def each(values: list[float]) -> torch.Tensor:
        return torch.tensor(values).to(weight).view(-1, 1, 1, 1)

    latents = encode([draft.picture for draft in drafts])
    ghosts = encode([draft.ghost for draft in drafts])
    latents = latents.lerp(ghosts, each([draft.haunted for draft in drafts]))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(drafts[0].seed))
    latents += noise.to(weight) * each([draft.noise for draft in drafts])
    pixels = autoencoder.decode(latents).sample.float().cpu()
    levels = pixels.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for render, picture in zip(renders, levels, strict=True):
        Image.fromarray(picture).save(folder / render.file)
    return renders


@dataclass(frozen=True, slots=True)
class _Draft:
    """A picture before it is encoded."""

    picture: Image.Image
    ghost: Image.Image
    """The same with other letters, or the very same."""
    haunted: float
    """How much of the ghost is in it, 0 to 1."""
    noise: float
    seed: int


def _draft(scene: Scene, random: Random) -> _Draft:
    assert scene.lettering
    seed = random.getrandbits(32)
    right = picture = ghost = draw(scene, Random(seed))
    haunted = 0.0
    if random.random() >= _RIGHT:
        false = scene.lettering.model_copy(update={"word": misspelt(scene.lettering.word, random)})
        picture = ghost = draw(scene.model_copy(update={"lettering": false}), Random(seed))
        if random.random() < _GHOST:
            ghost, haunted = right, random.uniform(0.2, 0.8)
    return _Draft(picture, ghost, haunted, random.uniform(0, _NOISE), seed)
