"""The loop of a small training: steps, learning rate, averaged weights, a log, and a checkpoint."""

from __future__ import annotations

import json
import pickle
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch.nn.utils import clip_grad_norm_

from rr_refine.errors import ConfigError
from rr_refine.files import make_folder, open_file, replacing, require_no_links

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

__all__ = ["Log", "Stateful", "TrainingLoop", "muon_and_adamw", "pick_device"]

_DECAY: Final = 0.4
"""Share of the steps in which the learning rate falls."""
_FLOOR: Final = 0.02
"""Share of the peak at which it begins and ends."""


class Log:
    """A file to which each call appends one line of JSON."""

    def __init__(self, file: Path) -> None:
        self._file = file
        make_folder(file.parent)

    def __call__(self, **values: float | int | str) -> None:
        """Append one line."""
        shown = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        with open_file(self._file, "rb+") as file:
            file.write(json.dumps(shown).encode() + b"\n")


class Stateful(Protocol):
    """What remembers more than weights: plain values, which a checkpoint can hold."""

    def state_dict(self) -> dict[str, Any]:
        """What it remembers."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Remember it again."""
        ...


class TrainingLoop:
    """`for step in loop:`, with one `update` in its body; goes on where the last run stopped.

    The learning rate of each parameter group rises to what the optimiser was made with, stays
    there, and falls linearly over the last 40 % of the steps (warm-up, stable, decay: MiniCPM,
    arXiv 2404.06395), so that a finished run can be given more steps.

    Args:
        file: the checkpoint; the log stands beside it, with the suffix `.jsonl`.
        model: everything that is trained, on its device.
        optimizers: one or more, over parameters of `model`.
        steps: to train in all, those of earlier runs counted in.
        random: what the data is drawn from; it continues from where the checkpoint was written.
        warmup: steps until the peak of the learning rate.
        decay: of the exponential moving average of the weights; None keeps none.
        clip: the largest norm of all gradients together.
        log_every: steps between two lines of the log, each with the means since the last.
        save_every: steps between two checkpoints.
        updates: calls of `update` or `apply` in each step.
        state: what else goes into the checkpoint, beside weights and random states.
        writes: False in all but one of several processes that train together.

    Raises:
        ConfigError: the checkpoint cannot be read, or is of another model or version.
    """

    def __init__(
        self,
        file: Path,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        *,
        steps: int,
        random: Random,
        warmup: int = 100,
        decay: float | None = None,
        clip: float = 1.0,
        log_every: int = 50,
        save_every: int = 500,
        updates: int = 1,
        state: Stateful | None = None,
        writes: bool = True,
    ) -> None:
        from diffusers.training_utils import EMAModel
        from transformers import get_wsd_schedule

        require_no_links(file.parent)
        self._file = file
        self._model = model
        self._optimizers = optimizers
        self._steps = steps
        self._random = random
        self._clip = clip
        self._log_every, self._save_every = log_every, save_every
        self._state, self._writes = state, writes
        self._average = None if decay is None else EMAModel(model.parameters(), decay, foreach=True)
        self._measured: dict[str, list[float]] = defaultdict(list)
        self.step = 0
        self._earlier = 0.0
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        peaks = [group["lr"] for group in groups]
        if file.exists():
            self._restore()
            groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = group["initial_lr"] = peak
        self._schedules = [
            get_wsd_schedule(
                optimizer,
                warmup,
                round(_DECAY * steps * updates),
                num_training_steps=steps * updates,
                decay_type="linear",
                min_lr_ratio=_FLOOR,
                last_epoch=self.step * updates - 1,
            )
            for optimizer in optimizers
        ]
        self._start = time.monotonic()
        self.log = Log(file.with_suffix(".jsonl"))

    @property
    def seconds(self) -> float:
        """Training time so far, that of earlier runs counted in."""
        return self._earlier + time.monotonic() - self._start

    def __iter__(self) -> Iterator[int]:
        """The steps that are left, numbered from 1."""
        while self.step < self._steps:
            self.step += 1
            yield self.step
            last = self.step == self._steps
            if self._writes and (self.step % self._log_every == 0 or last):
                means = {name: sum(v) / len(v) for name, v in self._measured.items()}
                self.log(step=self.step, seconds=self.seconds, **means)
                self._measured.clear()
            if self.step % self._save_every == 0 or last:
                self.save()

    def update(self, loss: Tensor, /, **measured: float) -> None:
        """One step of all optimisers against `loss`; `measured` goes into the log."""
        loss.backward()  # type: ignore[no-untyped-call]
        self.apply(**measured)

    def apply(self, /, **measured: float) -> None:
        """One step of all optimisers with the gradients that there are; see `update`."""
        clip_grad_norm_(self._model.parameters(), self._clip)
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        if self._average is not None:
            self._average.step(self._model.parameters())
        self.measure(**measured)

    def measure(self, /, **measured: float) -> None:
        """Values for the log, which has their means."""
        for name, value in measured.items():
            self._measured[name].append(value)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside of it the model has the averaged weights, if there are any."""
        if self._average is None:
            yield
            return
        weights = list(self._model.parameters())
        self._average.store(weights)
        self._average.copy_to(weights)
        try:
            yield
        finally:
            self._average.restore(weights)

    def finish(self) -> None:
        """Put the averaged weights, if there are any, into the model, and set it to evaluate."""
        if self._average is not None:
            self._average.copy_to(self._model.parameters())
        self._model.eval()

    def save(self) -> None:
        """Write the checkpoint now, as of the end of this step."""
        if not self._writes:
            return
        state = {
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "average": None if self._average is None else self._average.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "random": self._random.getstate(),
            "torch_random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all(),
            "state": None if self._state is None else self._state.state_dict(),
        }
        with replacing(self._file, durable=True) as file:
            torch.save(state, file)

    def _restore(self) -> None:
        try:
            with open_file(self._file) as file:
                _require_unpacked(file)
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
            random = state["random"]  # missing from checkpoints of earlier versions
            self._model.load_state_dict(state["model"])
            for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            if self._average is not None:
                self._average.load_state_dict(state["average"])
                self._average.to(next(self._model.parameters()).device)
            self._random.setstate(random)
            torch.set_rng_state(state["torch_random"])
            torch.cuda.set_rng_state_all(state["cuda_random"])
            if self._state is not None:
                self._state.load_state_dict(state["state"])
            self.step, self._earlier = state["step"], state["seconds"]
        except (
            *(AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError),
            pickle.UnpicklingError,
            BadZipFile,
        ) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(
                f"the training cannot go on from {str(self._file)!r}, which is broken, or of "
                f"another model or version ({reason}): move it away, or name another folder"
            ) from error


def _require_unpacked(file: BinaryIO) -> None:
    """Refuse a checkpoint that is packed, which torch makes none of: a small one may unpack to
    gigabytes.

    Raises:
        ValueError: it is.
        BadZipFile: it is no checkpoint.
    """
    with ZipFile(file) as parts:
        if any(part.compress_type != ZIP_STORED for part in parts.infolist()):
            raise ValueError("it is compressed")
    file.seek(0)


def muon_and_adamw(
    model: nn.Module, hidden: Callable[[str], bool], *, muon: float, adamw: float
) -> tuple[Optimizer, Optimizer]:
    """Muon for the matrices of hidden layers, AdamW for all else in `model` that is trained.

    Muon's steps are made as large as AdamW's (Moonlight, arXiv 2502.16982). It computes in
    bfloat16, which CPUs without such instructions emulate slowly.

    Args:
        model: whose weights are trained, unless they need no gradient.
        hidden: whether a weight of this name belongs to a hidden layer.
        muon: learning rate of the former.
        adamw: learning rate of the latter.
    """
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (matrices if weight.ndim == 2 and hidden(name) else rest).append(weight)
    return (
        torch.optim.Muon(matrices, lr=muon, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=adamw, betas=(0.9, 0.98), weight_decay=0.0),
    )


def pick_device(name: str = "auto") -> str:
    """`auto` is an accelerator if there is one, else the CPU."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"
