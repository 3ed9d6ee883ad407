"""Held-out prompts, drawn again and again with the same seeds, and what an independent judge says.

The training reward is what the policy learns to please. Where the judge's curve parts from it, the
policy pleases the critic and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from accelerate.utils import gather_object

from rr_refine.errors import ConfigError
from rr_refine.terms import DIMENSIONS, to_reward
from rr_refine.training.loop import Log
from rr_refine.training.nft.advantage import Advantages, group_rewards
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.data import TrainingPrompt
from rr_refine.training.nft.judging import Scorer
from rr_refine.training.nft.rollout import Rollout, Sampler, Wanted, seed_of, variety

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL import Image

__all__ = [
    "Best",
    "HeldOut",
    "Result",
    "Stopped",
    "good_rows",
    "reason_to_stop",
    "result_of",
    "values_of",
]

_SHOWN: Final = 12
"""Pictures in the grid of an epoch."""
_AT_ONCE: Final = 256
"""Rows whose latents are in memory."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the judge said of the held-out pictures."""

    reward: float
    """Mean of those that could be judged; NaN if none could."""
    rewards: dict[str, float]
    """By kind."""
    full: dict[str, float]
    """By kind: the share without a miss, which is text faithfulness at its best."""
    failed: float
    """The share that could not be judged."""

    def flat(self) -> dict[str, float]:
        """For a line of a log."""
        rewards = {f"reward {kind}": value for kind, value in self.rewards.items()}
        full = {f"full {kind}": value for kind, value in self.full.items()}
        return {"reward": self.reward, **rewards, **full}


def result_of(judged: Sequence[tuple[Wanted, Sequence[float]]]) -> Result:
    """What came of these pictures and their scores."""
    scores = np.array([row for _, row in judged], dtype=np.float64)
    rewards = group_rewards(scores, np.ones(len(DIMENSIONS)), "mean")
    kinds = np.array([one.row.kind for one, _ in judged])
    there = ~np.isnan(rewards)
    full = scores[:, DIMENSIONS.index("text_faithfulness")] >= 1 - 1e-6
    by_kind = {str(kind): there & (kinds == kind) for kind in np.unique(kinds[there])}
    return Result(
        float(rewards[there].mean()) if there.any() else float("nan"),
        {kind: float(rewards[own].mean()) for kind, own in by_kind.items()},
        {kind: float(full[own].mean()) for kind, own in by_kind.items()},
        float((~there).mean()),
    )


@dataclass(slots=True)
class Best:
    """The best checkpoint so far, and how long ago it was. Part of the checkpoint.

    Args:
        guard: the kind whose share without a miss may not fall.
        drop: by how much it may all the same.
    """

    guard: str | None
    drop: float
    reward: float = float("-inf")
    epoch: int | None = None
    falls: int = 0
    """Results in a row that were worse than the best."""
    base: float | None = None
    """What the guard was before training."""

    def take(self, result: Result, epoch: int) -> bool:
        """Whether this is the best so far."""
        guarded = 0.0 if self.guard is None else result.full.get(self.guard, 0.0)
        if self.base is None:
            self.base = guarded
        if guarded >= self.base - self.drop and result.reward > self.reward:
            self.reward, self.epoch, self.falls = result.reward, epoch, 0
            return True
        self.falls += 1
        return False

    def state_dict(self) -> dict[str, Any]:
        """See `rr_refine.training.loop.Stateful`."""
        return {name: getattr(self, name) for name in ("reward", "epoch", "falls", "base")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `rr_refine.training.loop.Stateful`."""
        for name, value in state.items():
            setattr(self, name, value)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why the training ended."""

    reason: str
    epoch: int
    """The last that was trained in."""
    best: int | None
    """The epoch of the best checkpoint; 0 is the untrained model. None: nothing was judged."""


def reason_to_stop(recipe: NftRecipe, best: Best, kl: float, seconds: float) -> str | None:
    """Which rule ends the training after an epoch, in words; None if none does."""
    if recipe.seconds is not None and seconds > recipe.seconds:
        return f"{recipe.seconds:.0f} seconds are over"
    if recipe.max_kl is not None and kl > recipe.max_kl:
        return f"the KL to the untrained model is {kl:.2g}, above max_kl = {recipe.max_kl:.2g}"
    if recipe.falls is not None and best.falls >= recipe.falls:
        return f"the judge preferred epoch {best.epoch} {best.falls} times in a row"
    return None


class HeldOut:
    """The held-out prompts, and the log and pictures of what came of them.

    Args:
        rows: none, and nothing is ever drawn.
        out: the folder of the training.
        best: is told each result.
        max_failures: a result with a larger share of failures is of other rows, and not counted.

    Raises:
        ConfigError: no row is of the kind that guards.
    """

    def __init__(
        self, rows: Sequence[TrainingPrompt], out: Path, best: Best, max_failures: float
    ) -> None:
        if rows and best.guard not in (None, *(row.kind for row in rows)):
            raise ConfigError(f"guard = {best.guard!r}: no held-out row is of this kind")
        self._wanted = [Wanted(row, n, seed_of("held-out", n)) for n, row in enumerate(rows)]
        self._out, self._log = out, Log(out / "held-out.jsonl")
        self.best, self._max_failures = best, max_failures

    def look(self, epoch: int, sampler: Sampler, judge: Scorer, processes: Accelerator) -> str:
        """Draw them all, by all processes; returns what came of it, in words."""
        own = self._wanted[processes.process_index :: processes.num_processes]
        rollout = sampler.roll_out(own, judge, overlap=False)
        result = result_of(gather_object([*zip(own, rollout.scores.tolist(), strict=True)]))
        counts = result.failed <= self._max_failures and result.failed < 1
        is_best = counts and self.best.take(result, epoch)
        if processes.is_main_process:
            grid = self._out / "grid" / f"{epoch:05}.png"
            grid.parent.mkdir(exist_ok=True)
            _in_a_row(rollout.pictures[:: max(1, len(own) // _SHOWN)][:_SHOWN]).save(grid)
            self._log(epoch=epoch, failed=result.failed, **(result.flat() if counts else {}))
        if not counts:
            return f"held-out: {result.failed:.0%} of the critiques failed, so it does not count"
        return f"held-out {result.reward:.3f}{' (best)' if is_best else ''}"

    def __bool__(self) -> bool:
        return bool(self._wanted)


def _in_a_row(pictures: Sequence[Image.Image], side: int = 96) -> Image.Image:
    from PIL import Image

    row = Image.new("RGB", (side * len(pictures), side))
    for index, picture in enumerate(pictures):
        row.paste(picture.convert("RGB").resize((side, side)), (index * side, 0))
    return row


def good_rows(
    rows: Sequence[TrainingPrompt],
    below: float,
    sampler: Sampler,
    critic: Scorer,
    processes: Accelerator,
) -> list[int]:
    """Numbers of the rows whose first picture has a mean score, 1 to 4, of `below` or more.

    Raises:
        ConfigError: all have, so that there is nothing to train on.
    """
    wanted = [Wanted(row, n, seed_of("initial", n)) for n, row in enumerate(rows)]
    own = wanted[processes.process_index :: processes.num_processes]
    good: list[int] = []
    for start in range(0, len(own), _AT_ONCE):
        part = own[start : start + _AT_ONCE]
        scores = sampler.roll_out(part, critic).scores
        rewards = group_rewards(scores, np.ones(len(DIMENSIONS)), "mean")
        good += [one.number for one, r in zip(part, rewards, strict=True) if r >= to_reward(below)]
    everybody: list[int] = sorted(gather_object(good))
    if len(everybody) == len(rows):
        raise ConfigError(f"initial_below = {below}: all {len(rows)} rows are as good at once")
    return everybody


def values_of(
    rollout: Rollout, gained: Advantages, parts: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """What an epoch's line of the log says of its pictures.

    Args:
        parts: of the reward, by name; of this process's pictures.
    """
    scored = {
        name: float(np.nanmean(gained.scores[:, column]))
        for column, name in enumerate(DIMENSIONS)
        if not np.isnan(gained.scores[:, column]).all()
    }
    return {
        "reward": float(np.nanmean(gained.rewards)),
        "spread": float(np.nanstd(gained.rewards)),
        **scored,
        **{f"part {name}": float(np.mean(values)) for name, values in parts.items()},
        "variety": variety(rollout),
        "flat": len(gained.flat) / len(np.unique(gained.groups)),
        "failed": gained.failed,
        "pictures": len(gained.groups),
        **{f"{name}_seconds": seconds for name, seconds in rollout.seconds.items()},
    }
