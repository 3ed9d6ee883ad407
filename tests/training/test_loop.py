from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from torch import nn

from rr_refine.errors import ConfigError
from rr_refine.training.loop import TrainingLoop, muon_and_adamw

STEPS = 10


def make(folder: Path, steps: int = STEPS, width: int = 4) -> tuple[TrainingLoop, nn.Module]:
    """A model with dropout, so that both random generators matter, trained on what one draws."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.5), nn.Linear(width, 1))
    optimizers = muon_and_adamw(model, lambda name: name.startswith("0."), muon=0.02, adamw=0.01)
    loop = TrainingLoop(
        folder / "model.pt",
        model,
        optimizers,
        steps=steps,
        random=Random(1),
        warmup=2,
        decay=0.9,
        log_every=2,
        save_every=4,
    )
    return loop, model


def train(
    folder: Path, steps: int = STEPS, after: Callable[[int], None] = lambda _: None
) -> nn.Module:
    loop, model = make(folder, steps)
    for step in loop:
        after(step)
        rows = torch.tensor([[loop._random.random() for _ in range(4)] for _ in range(8)])
        error = model(rows) - rows.sum(dim=1, keepdim=True)
        loss = error.square().mean()
        loop.update(loss, loss=loss.item())
    loop.finish()
    return model


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "model.jsonl").read_text().splitlines()]


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_killed_training_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")

    def kill(step: int) -> None:
        if step == 7:  # the checkpoint is that of step 4
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", after=kill)
    resumed = train(tmp_path / "killed")
    assert same(whole, resumed)
    ends = [lines(tmp_path / name)[-1] for name in ("whole", "killed")]
    assert ends[0]["loss"] == ends[1]["loss"]
    assert same(resumed, train(tmp_path / "killed"))  # nothing is left to do


def test_a_finished_training_can_be_given_more_steps(tmp_path: Path) -> None:
    train(tmp_path, 4)
    steps: list[int] = []
    train(tmp_path, 6, after=steps.append)
    assert steps == [5, 6]
    assert torch.load(tmp_path / "model.pt", weights_only=True)["step"] == 6
    logged = lines(tmp_path)
    assert [line["step"] for line in logged] == [2, 4, 6]
    assert logged[-1]["seconds"] > logged[-2]["seconds"]


def test_the_rate_rises_stays_and_falls(tmp_path: Path) -> None:
    loop, model = make(tmp_path)
    rates = []
    for _ in loop:
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in loop._optimizers])
        loop.update(model(torch.ones(1, 4)).sum())
    muon, adamw = zip(*rates, strict=True)
    assert muon == pytest.approx([2 * rate for rate in adamw])
    shares = [0.02, 0.51, 1, 1, 1, 1, 1, 0.755, 0.51, 0.265]
    assert adamw == pytest.approx([0.01 * share for share in shares])


def test_the_weights_at_the_end_are_averages(tmp_path: Path) -> None:
    model = train(tmp_path)
    assert not model.training
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    for weight, averaged, last in zip(
        model.parameters(), saved["average"]["shadow_params"], saved["model"].values(), strict=True
    ):
        assert torch.equal(weight, averaged)
        assert not torch.equal(weight, last)


def test_a_crash_while_saving_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path, 4)
    before = (tmp_path / "model.pt").read_bytes()

    def full(_: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        train(tmp_path, 8)
    assert (tmp_path / "model.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"model": {}, "optimizer": {}, "step": 3, "seconds": 1.0}, "'random'"),
        (None, ""),
    ],
)
def test_a_file_that_is_no_checkpoint_of_ours(
    tmp_path: Path, state: dict[str, object] | None, reason: str
) -> None:
    file = tmp_path / "model.pt"
    if state is None:
        file.write_bytes(b"half of one")
    else:
        torch.save(state, file)
    with pytest.raises(ConfigError, match=rf"cannot go on from .*model\.pt.*{reason}.*move it"):
        make(tmp_path)


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    train(tmp_path / "narrow", 4)
    (tmp_path / "wide").mkdir()
    shutil.copy(tmp_path / "narrow" / "model.pt", tmp_path / "wide")
    with pytest.raises(ConfigError, match="cannot go on from"):
        make(tmp_path / "wide", width=6)


def test_a_checkpoint_that_is_packed(tmp_path: Path) -> None:
    """As nobody makes one, but to have it unpack to gigabytes."""
    train(tmp_path, 4)
    file = tmp_path / "model.pt"
    with ZipFile(file) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    torch.load(file, weights_only=True)  # torch takes it
    with pytest.raises(ConfigError, match=r"cannot go on from .*\(it is compressed\)"):
        make(tmp_path)
