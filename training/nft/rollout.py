"""Pictures of an epoch: drawn by the old policy, judged while the next are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import DIMENSIONS
from rr_refine.training.nft.advantage import Floats
from rr_refine.training.nft.data import TrainingPrompt
from rr_refine.training.nft.families import Condition, draw
from rr_refine.training.nft.judging import Scorer

if TYPE_CHECKING:
    from concurrent.futures import Future

    from PIL import Image

__all__ = ["Rollout", "Sampler", "Wanted", "seed_of", "variety"]


def seed_of(*words: object) -> int:
    """A seed that depends on these words alone, so that nothing need be remembered."""
    text = " ".join(map(str, words)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One picture to draw."""

    row: TrainingPrompt
    number: int
    """The row's; its group."""
    seed: int


@dataclass(slots=True)
class Rollout:
    """What was drawn, in the order it was asked for."""

    wanted: list[Wanted]
    scores: Floats
    """(N, D), see `Scorer.ask`."""
    latents: list[Tensor] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    pictures: list[Image.Image] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def groups(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(N,) row numbers."""
        return np.array([one.number for one in self.wanted], dtype=np.int64)


class Sampler:
    """Draws with a pipeline, and has a critic judge.

    Args:
        pipeline: with the policy that is to draw already active at each call.
        call: arguments of every call.
        batch: most pictures in one.
    """

    def __init__(self, pipeline: Any, call: Mapping[str, object], batch: int) -> None:
        self._pipeline, self._call, self._batch = pipeline, call, batch

    def roll_out(
        self,
        wanted: Sequence[Wanted],
        scorer: Scorer,
        *,
        overlap: bool = True,
        on_pictures: Callable[[int, int], None] | None = None,
    ) -> Rollout:
        """Draw and judge these.

        Args:
            wanted: the pictures of a row stand together.
            overlap: judge while the next are drawn; else all at the end, at once.
            on_pictures: called with (drawn, wanted) after each call of the pipeline.
        """
        result = Rollout(list(wanted), np.empty((0, 0)))
        asked: list[Future[Floats]] = []
        requests: list[CritiqueRequest] = []
        began = monotonic()
        for part in self._calls(wanted):
            sources = [one.row.picture(self._size) for one in part]
            drawn = draw(
                self._pipeline,
                [one.row.prompt for one in part],
                None if sources[0] is None else [one for one in sources if one is not None],
                [one.seed for one in part],
                self._call,
            )
            result.latents += list(drawn.latents)
            result.conditions += drawn.conditions
            result.pictures += drawn.pictures
            requests += [
                CritiqueRequest(one.row.prompt, picture, source)
                for one, picture, source in zip(part, drawn.pictures, sources, strict=True)
            ]
            if overlap:
                asked.append(scorer.ask(requests))
                requests = []
            if on_pictures is not None:
                on_pictures(len(result.pictures), len(wanted))
        result.seconds["draw"] = monotonic() - began
        if requests:
            asked.append(scorer.ask(requests))
        none = np.empty((0, len(DIMENSIONS)))
        result.scores = np.concatenate([none, *(one.result() for one in asked)])
        result.seconds["judge"] = monotonic() - began - result.seconds["draw"]
        return result

    @property
    def _size(self) -> tuple[int, int] | None:
        width, height = self._call.get("width"), self._call.get("height")
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    def _calls(self, wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
        """Parts of one call each. Edits of different pictures do not go together, whose sizes, and
        so numbers of tokens, may differ.
        """
        part: list[Wanted] = []
        for one in wanted:
            mixed = part and one.row.source is not None and one.number != part[0].number
            if part and (mixed or len(part) == self._batch):
                yield part
                part = []
            part.append(one)
        if part:
            yield part


def variety(rollout: Rollout) -> float:
    """How far the pictures of a group are from each other: the mean distance of two of them, as
    8 x 8 thumbnails with values in [0, 1]. It falls when all turn out alike.
    """
    small = np.stack(
        [
            np.asarray(picture.convert("RGB").resize((8, 8)), dtype=np.float64).ravel() / 255
            for picture in rollout.pictures
        ]
    )
    distances = []
    for number in np.unique(rollout.groups):
        own = small[rollout.groups == number]
        if len(own) > 1:
            pairs = np.abs(own[:, None] - own[None]).mean(axis=2)
            distances.append(pairs.sum() / (len(own) * (len(own) - 1)))
    return float(np.mean(distances)) if distances else 0.0
