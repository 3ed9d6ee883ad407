"""Does it learn what it is rewarded for, and nothing where there is nothing to learn?"""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.training.nft.trainer import NftTrainer
from tests.training.nft.toy import ColourCritic, gain_of, recipe, rows, toy


def gain(folder: Path, liking: str) -> float:
    critic = ColourCritic(liking)
    chosen = recipe()
    trainer = NftTrainer(toy(), chosen, rows=rows(), critic=critic, out=folder)
    trainer.run()
    return gain_of(critic.raw, chosen.groups * chosen.images)


@pytest.mark.parametrize(
    ("liking", "low", "high"),
    [("own", 1.0, 9.0), ("random", -0.3, 0.3), ("opposite", -9.0, -0.5)],
)
def test_the_policy_learns_what_it_is_rewarded_for(
    tmp_path: Path, liking: str, low: float, high: float
) -> None:
    assert low < gain(tmp_path, liking) < high
