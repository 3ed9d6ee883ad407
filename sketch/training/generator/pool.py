"""Scenes that the flow model learns from: drawn, encoded once, kept, and renewed as it trains."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

import torch
from diffusers import AutoencoderTiny

from rr_refine.sketch.training.generator.autoencoder import to_pixels
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import SceneEdit, apply, phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import Register, phrase, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, WORDS, Scene

__all__ = ["GRID", "LABELS", "FlowBatch", "Pool", "pack", "things_of", "unpack"]

GRID: Final = 8
"""The transformer sees 8 x 8 tokens, each 2 x 2 latents, each 8 x 8 pixels."""
LABELS: Final = {
    "thing": len(KINDS) + len(WORDS) + 1,
    "colour": len(COLOURS) + 1,
    "size": len(SIZES) + 1,
    "background": len(BACKGROUNDS),
}
"""What is known of every token, and how many values it can have; 0 is nothing there."""

_REGISTERS: Final[tuple[tuple[Register, float], ...]] = (
    ("dense", 0.8),
    ("terse", 0.1),
    ("relational", 0.05),
    ("casual", 0.05),
)
"""Captions are mostly dense, as those of the big models are: a terse request has headroom."""
_DENSE_EDITS: Final = 0.5


@dataclass(slots=True)
class FlowBatch:
    """What one training step needs. B samples."""

    captions: list[str]
    latents: torch.Tensor
    """(B, 64, 32), packed and normalised."""
    labels: dict[str, torch.Tensor]
    """(B, 64) integers each, by the names of `LABELS`."""
    sources: torch.Tensor | None = None
    """(B, 64, 32): what is edited; None where nothing is."""


@dataclass(frozen=True, slots=True)
class _Entry:
    scene: Scene
    source: int | None = None
    """Index of the entry that this one is an edit of."""
    edit: SceneEdit | None = None


class Pool:
    """Drawn scenes with their latents. Every second one is an edit of the one before it."""

    def __init__(
        self, autoencoder: AutoencoderTiny, random: Random, *, size: int, batch: int = 32
    ) -> None:
        self._autoencoder = autoencoder
        self._random = random
        self._size = size
        self._entries: list[_Entry] = []
        self._packed: list[torch.Tensor] = []
        self._next = 0
        self._batch = batch

    def __len__(self) -> int:
        return len(self._entries)

    def renew(self, count: int) -> None:
        """Add `count` scenes; beyond the pool's size they take the place of the oldest."""
        for _ in range(0, count, self._batch):
            self._add_batch()

    def draw_batch(self, count: int, *, edits: bool, caption_dropout: float) -> FlowBatch:
        """`count` samples; some with an empty caption, for classifier-free guidance."""
        import torch

        odd = [self._random.randrange(len(self._entries)) for _ in range(count)]
        chosen = [index | 1 for index in odd] if edits else odd
        captions = [
            "" if self._random.random() < caption_dropout else self._caption(index, edits)
            for index in chosen
        ]
        labels = [_labels(self._entries[index].scene) for index in chosen]
        return FlowBatch(
            captions=captions,
            latents=torch.stack([self._packed[index] for index in chosen]),
            labels={name: torch.tensor([one[name] for one in labels]) for name in LABELS},
            sources=torch.stack([self._packed[index - 1] for index in chosen]) if edits else None,
        )

    def _add_batch(self) -> None:
        import torch

        entries, pictures = [], []
        for _ in range(self._batch // 2):
            scene = random_scene(self._random)
            edit = random_edit(scene, self._random)
            edited = apply(edit, scene)
            draft = self._random.getrandbits(32)
            pictures += [draw(scene, Random(draft)), draw(edited, Random(draft))]
            entries += [_Entry(scene), _Entry(edited, source=0, edit=edit)]
        parameter = next(self._autoencoder.parameters())
        with torch.no_grad():
            latents = self._autoencoder.encode(to_pixels(pictures).to(parameter.device)).latents
        packed = pack(latents).cpu()
        for entry, tokens in zip(entries, packed, strict=True):
            if len(self._entries) < self._size:
                self._entries.append(entry)
                self._packed.append(tokens)
            else:
                self._entries[self._next], self._packed[self._next] = entry, tokens
                self._next = (self._next + 1) % self._size

    def _caption(self, index: int, edits: bool) -> str:
        entry = self._entries[index]
        if edits:
            assert entry.edit
            source = self._entries[index - 1].scene
            return phrase_edit(entry.edit, source, dense=self._random.random() < _DENSE_EDITS)
        names, weights = zip(*_REGISTERS, strict=True)
        register: Register = self._random.choices(names, weights)[0]
        return phrase(request_for(entry.scene, register, self._random), register, self._random)


def pack(latents: torch.Tensor) -> torch.Tensor:
    """(N, C, 16, 16) latents as (N, 64, 4 C) tokens, in the order of `FluxPipeline`."""
    n, c, h, w = latents.shape
    tiles = latents.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(n, h * w // 4, c * 4)


def unpack(tokens: torch.Tensor) -> torch.Tensor:
    """The inverse of `pack`."""
    n, _, c = tokens.shape
    tiles = tokens.view(n, GRID, GRID, c // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return tiles.reshape(n, c // 4, GRID * 2, GRID * 2)


def things_of(scene: Scene) -> list[tuple[int, int, int]]:
    """What each of the nine places holds: thing, colour and size as numbers of `LABELS`."""
    things: list[tuple[int, int, int]] = []
    for place in PLACES:
        shape = scene.at(place)
        if shape:
            kind, colour = KINDS.index(shape.kind) + 1, COLOURS.index(shape.colour) + 1
            things.append((kind, colour, SIZES.index(shape.size) + 1))
        elif scene.lettering and scene.lettering.place == place:
            things.append((len(KINDS) + WORDS.index(scene.lettering.word) + 1, 0, 0))
        else:
            things.append((0, 0, 0))
    return things


def _labels(scene: Scene) -> dict[str, list[int]]:
    """What the place of each token holds."""
    things = things_of(scene)
    cells = [min(2, int((n + 0.5) * 3 / GRID)) for n in range(GRID)]
    tokens = [things[row * 3 + column] for row in cells for column in cells]
    background = BACKGROUNDS.index(scene.background)
    return {
        "thing": [token[0] for token in tokens],
        "colour": [token[1] for token in tokens],
        "size": [token[2] for token in tokens],
        "background": [background] * len(tokens),
    }
