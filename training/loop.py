"""What every training script here needs: when to stop, where to go on, and averaged weights."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rr_refine.files import replacing

if TYPE_CHECKING:
    import torch

__all__ = ["Average", "Budget", "Log", "load_checkpoint", "pick_device", "save_checkpoint"]


@dataclass(slots=True)
class Budget:
    """When a training run ends: after so many steps, or after so many minutes, earlier runs
    counted in.
    """

    steps: int
    minutes: float = float("inf")
    step: int = 0
    """Steps done."""
    spent: float = 0.0
    """Seconds that earlier runs took."""
    _start: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self.spent + time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """From 0 at the start to 1 at the end, by what runs out first."""
        return min(1.0, max(self.step / self.steps, self.seconds / 60 / self.minutes))

    def __iter__(self) -> Iterator[int]:
        """The steps that are left, numbered from 1."""
        while self.progress < 1.0:
            self.step += 1
            yield self.step

    def learning_rate(self, peak: float, *, warmup: int = 100, floor: float = 0.02) -> float:
        """Linear warm-up, a plateau, then linear decay to `floor * peak` over the last 40 %.

        Warm-up, stable, decay (MiniCPM, arXiv 2404.06395): the plateau can be lengthened later.
        """
        decay = 1.0 if self.progress < 0.6 else max(floor, (1.0 - self.progress) / 0.4)
        return peak * min(1.0, self.step / max(1, warmup)) * decay


class Average:
    """An exponential moving average of a module's weights (EMA)."""

    def __init__(self, module: torch.nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in _floats(module)}
        self._updates = 0

    def update(self, module: torch.nn.Module) -> None:
        """Move the average towards the module; the first updates count more."""
        import torch

        self._updates += 1
        share = max(1.0 - self.decay, 1.0 - (self._updates + 1) / (self._updates + 10))
        names = list(self.weights)
        new = dict(_floats(module))
        torch._foreach_lerp_([self.weights[n] for n in names], [new[n] for n in names], share)

    def copy_to(self, module: torch.nn.Module) -> None:
        """Put the averaged weights into `module`."""
        module.load_state_dict(self.weights, strict=False)

    def state_dict(self) -> dict[str, object]:
        """Weights and the number of updates."""
        return {"weights": self.weights, "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """The inverse of `state_dict`."""
        self.weights = cast("dict[str, torch.Tensor]", state["weights"])
        self._updates = cast("int", state["updates"])


class Log:
    """One JSON line per report, appended to a file and handed to `say`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, **values: float | int | str) -> None:
        """Append one line."""
        shown = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(shown) + "\n")


def save_checkpoint(file: Path, state: Mapping[str, object]) -> None:
    """Write `state` so that a crash leaves the old checkpoint or the new one, never half of one."""
    import torch

    with replacing(file, durable=False) as part:
        torch.save(dict(state), part)


def load_checkpoint(file: Path) -> dict[str, object] | None:
    """What `save_checkpoint` wrote, on the CPU; None where there is nothing."""
    import torch

    if not file.exists():
        return None
    return cast("dict[str, object]", torch.load(file, map_location="cpu", weights_only=True))


def pick_device(name: str = "auto") -> str:
    """`auto` is an accelerator if there is one, else the CPU."""
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _floats(module: torch.nn.Module) -> Iterable[tuple[str, torch.Tensor]]:
    return ((n, v) for n, v in module.state_dict().items() if v.is_floating_point())
