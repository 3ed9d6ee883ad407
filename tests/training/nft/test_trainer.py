"""The loop: faults of critics, going on after a kill, and two processes that are one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rr_refine.errors import ConfigError, CriticError, CriticUnavailable, CriticUnreadable
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.training.nft.evaluation import Best, Result
from rr_refine.training.nft.judging import TooManyFailures
from rr_refine.training.nft.trainer import NftTrainer
from tests.training.nft.toy import ColourCritic, recipe, rows, toy

SMALL: dict[str, Any] = {"groups": 6, "images": 4, "epochs": 4, "evaluate_every": 2, "average": 0.9}


def trainer(out: Path, critic: Any = None, judge: Any = None, **changes: Any) -> NftTrainer:
    return NftTrainer(
        toy(),
        recipe(**SMALL | changes),
        rows=rows(),
        held_out=rows(1),
        critic=critic or ColourCritic(),
        judge=judge,
        out=out,
    )


def weights(made: NftTrainer) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in made.adapters.trained])


def trained(out: Path, **changes: Any) -> torch.Tensor:
    made = trainer(out, **changes)
    made.run()
    return weights(made)


def log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "policy.jsonl").read_text().splitlines()]


def test_only_the_policy_is_trained_and_the_old_one_follows(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=1, old_decay=0.25, updates=1, kl_coef=0.1)
    before = {name: value.clone() for name, value in made.adapters.transformer.state_dict().items()}
    made.run()
    after = made.adapters.transformer.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed and all(".policy." in name or ".old." in name for name in changed)
    for name in [name for name in changed if ".policy." in name]:
        old = name.replace(".policy.", ".old.")  # stayed by a quarter after one update
        expected = 0.25 * before[old] + 0.75 * after[name]
        assert torch.allclose(after[old], expected, atol=1e-7)
    assert not any(weight.requires_grad for weight in made.adapters.old.values())


def test_a_tenth_of_failures_is_masked_whatever_they_are(tmp_path: Path) -> None:
    def learnt(name: str, error: Callable[[str], CriticError]) -> torch.Tensor:
        critic = ColourCritic(faults=0.1, error=error)
        result = trained(tmp_path / name, critic=critic, judge=ColourCritic(), max_failures=0.5)
        lines = log(tmp_path / name)
        assert critic.failed > 0
        counted = sum(line["failed"] * line["pictures"] for line in lines)
        assert counted == pytest.approx(critic.failed, abs=0.01)
        return result

    garbage = learnt("garbage", lambda words: CriticUnreadable(words, "???"))
    assert torch.equal(garbage, learnt("refused", CriticError))
    trained(tmp_path / "fine", epochs=1)
    mean, fine = log(tmp_path / "garbage")[0]["reward"], log(tmp_path / "fine")[0]["reward"]
    assert mean == pytest.approx(fine, abs=0.03)  # as zeros, a tenth would lower it by 0.05


class Outage(ColourCritic):
    """Cannot be reached for a while, or from then on for good."""

    def __init__(self, after: int, seconds: float) -> None:
        super().__init__()
        self.after, self.seconds, self.began = after, seconds, 0.0

    async def critique(self, request: CritiqueRequest) -> Assessment:
        if len(self.raw) >= self.after:
            self.began = self.began or time.monotonic()
            if time.monotonic() - self.began < self.seconds:
                await asyncio.sleep(0)
                raise CriticUnavailable("nobody is there")
        return await super().critique(request)


def test_an_outage_that_ends_in_time_changes_nothing(tmp_path: Path) -> None:
    """A minute in the small: half a second, of three that it is waited for."""
    critic = Outage(after=30, seconds=0.4)
    through = trained(tmp_path / "a", critic=critic, judge=ColourCritic(), patience=3.0)
    assert critic.began and torch.equal(through, trained(tmp_path / "b", judge=ColourCritic()))


def test_an_outage_for_good_saves_and_stops_and_can_be_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(TooManyFailures, match=r"100% of the critiques of epoch 3 failed .*saved"):
        trained(tmp_path / "a", critic=Outage(48, 1e9), judge=ColourCritic(), patience=0.1)
    assert (tmp_path / "a" / "last" / "lora.pt").exists()
    assert (
        json.loads((tmp_path / "a" / "stopped.json").read_text())["reason"] == "the critic failed"
    )
    again = trainer(tmp_path / "a", judge=ColourCritic())
    told: list[bool] = []
    again._say = lambda _: told.append((tmp_path / "a" / "stopped.json").exists())
    again.run()
    assert told and not any(told)  # while it goes on, nothing says that it stopped
    went_on = weights(again)
    assert torch.equal(went_on, trained(tmp_path / "b", judge=ColourCritic()))


@pytest.mark.parametrize("allowed", [0.2, 1.0])
def test_a_judge_that_fails_stops_nothing_and_calls_nothing_the_best(
    tmp_path: Path, allowed: float
) -> None:
    judge = ColourCritic(faults=1.1)
    stopped = trainer(tmp_path, judge=judge, falls=1, max_failures=allowed).run()
    assert "reward" in log(tmp_path)[0] and stopped.epoch == 4
    looks = [json.loads(line) for line in (tmp_path / "held-out.jsonl").read_text().splitlines()]
    assert [look["failed"] for look in looks] == [1.0] * 3 and "reward" not in looks[0]
    assert stopped.best is None and not (tmp_path / "best").exists()
    assert "best" not in (tmp_path / "index.html").read_text().partition("</style>")[2]


def test_a_guard_that_no_row_is_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="guard = 'dens': no held-out row"):
        trainer(tmp_path, guard="dens", held_out="toy")


def test_failures_that_are_told_are_those_of_their_epoch(tmp_path: Path) -> None:
    class Worse(ColourCritic):
        """Fails in 2 of the first 24 pictures, and from the 25th on always."""

        async def critique(self, request: CritiqueRequest) -> Assessment:
            self.faults = 0.0 if 2 <= len(self.raw) < 24 else 1.1
            return await super().critique(request)

    with pytest.raises(TooManyFailures, match=r"epoch 2 failed \(\{'CriticError': 24\}\)"):
        trained(tmp_path, critic=Worse(), judge=ColourCritic())


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"seconds": 1e-3}, "seconds are over"),
        ({"max_kl": 1e-9}, "above max_kl"),
        ({"falls": 1, "epochs": 9, "evaluate_every": 1}, "the judge preferred epoch 0 1 times"),
    ],
)
def test_rules_that_stop(tmp_path: Path, rule: dict[str, Any], reason: str) -> None:
    critic = ColourCritic("opposite")
    stopped = trainer(tmp_path, critic, ColourCritic(), **rule).run()
    assert reason in stopped.reason and stopped.epoch <= 4
    assert (tmp_path / "best" / "lora.pt").exists() and (tmp_path / "last" / "lora.pt").exists()


def test_the_guard_keeps_a_checkpoint_from_being_the_best() -> None:
    best = Best("dense", 0.02)
    assert best.take(Result(0.5, {}, {"dense": 0.8}, 0), 0)
    assert not best.take(Result(0.9, {}, {"dense": 0.77}, 0), 5)
    assert best.take(Result(0.6, {}, {"dense": 0.79}, 0), 10) and best.epoch == 10


PROGRAM = """
import sys
from pathlib import Path
from tests.training.nft.test_trainer import trainer, weights, ColourCritic
import torch
torch.set_num_threads(1)
made = trainer(Path(sys.argv[1]), **eval(sys.argv[2]))
made.run()
if made.loop._writes:
    torch.save(weights(made), Path(sys.argv[1]) / "weights.pt")
"""


def start(out: Path, changes: dict[str, Any], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out), repr(changes)],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stderr=subprocess.DEVNULL,
    )


def test_killed_at_any_time_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    changes = {"epochs": 6, "kl_coef": 0.1, "updates": 2, "old_decay": 0.05, "keep": 2, "rest": 2}
    straight = start(tmp_path / "straight", changes)
    random = np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    out = tmp_path / "killed"
    for _ in range(2):
        process = start(out, changes)
        seen = len(log(out)) if (out / "policy.jsonl").exists() else 0
        while not (out / "policy.jsonl").exists() or len(log(out)) < min(seen + 2, 6):
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(out, changes).wait() == 0 and straight.wait() == 0
    both = [torch.load(folder / "weights.pt") for folder in (tmp_path / "straight", out)]
    assert torch.equal(*both)
    last = {line["step"]: line["reward"] for line in log(out)}
    assert last == {line["step"]: line["reward"] for line in log(tmp_path / "straight")}


def test_two_processes_are_one(tmp_path: Path) -> None:
    changes = {"epochs": 2, "updates": 2, "kl_coef": 0.1, "keep": 2, "learning_rate": 1e-3}
    port = str(20_000 + os.getpid() % 20_000)
    ranks = [
        start(
            tmp_path / "two",
            changes,
            WORLD_SIZE="2",
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
        )
        for rank in range(2)
    ]
    one = start(tmp_path / "one", changes)
    assert [rank.wait() for rank in ranks] == [0, 0] and one.wait() == 0
    alone, together = (torch.load(tmp_path / name / "weights.pt") for name in ("one", "two"))
    assert (alone - together).abs().max() < 1e-6
    values = [log(tmp_path / name)[-1]["reward"] for name in ("one", "two")]
    assert values[0] == pytest.approx(values[1], abs=1e-6)
