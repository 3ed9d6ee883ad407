"""What a stock pipeline gives for training: clean latents, pictures, and a way to ask again.

No pipeline is copied. A rollout is a call of the stock pipeline; the latents of its last step are
the clean ones, and what it gave its transformer at the first step (text embeddings, positions,
source latents, embedded guidance) is kept. To predict a velocity at another time is to call the
transformer with the same again, but for noisy latents and time: so sampling and training cannot
differ in their conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from rr_refine.errors import ConfigError
from rr_refine.terms import Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FAMILIES", "Condition", "Drawn", "NftFamily", "draw", "family_for", "join", "predict"]

_SHARED: Final = ("txt_ids", "img_ids")
"""Arguments of transformers that have no axis for the samples."""


@dataclass(frozen=True, slots=True)
class NftFamily:
    """A pipeline class that can be trained: one whose transformer predicts e - x0."""

    task: Task
    guidance: Mapping[str, float]
    """Arguments that turn guidance off. A second pass could not be trained (facts: CFG-free)."""
    embedded: bool = False
    """It may take an embedded `guidance_scale`, which is the same in all passes."""


_FLUX: Final = {"true_cfg_scale": 1.0}
FAMILIES: Final[Mapping[str, NftFamily]] = {
    "StableDiffusion3Pipeline": NftFamily("t2i", {"guidance_scale": 1.0}),
    "FluxPipeline": NftFamily("t2i", _FLUX, embedded=True),
    "FluxKontextPipeline": NftFamily("edit", _FLUX, embedded=True),
    "QwenImagePipeline": NftFamily("t2i", _FLUX),
    "QwenImageEditPipeline": NftFamily("edit", _FLUX),
}
"""Those that were tried: a batch of two equals two singles, and a training step was taken."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a transformer is told of one sample besides noisy latents and time."""

    each: Mapping[str, Tensor | list[Any]]
    """What has an axis for the samples, of length 1."""
    shared: Mapping[str, Any]
    """What has none."""
    beside: Tensor | None
    """Clean tokens of a source picture that follow the noisy ones, (1, S, C)."""
    time_scale: float
    """1 or 1000: what the transformer takes for t = 1."""
    dtype: torch.dtype
    """What the pipeline gives latents in."""

    def signature(self) -> tuple[object, ...]:
        """Conditions with equal ones can be joined into a batch."""
        shapes = [(k, tuple(v.shape)) for k, v in self.each.items() if isinstance(v, Tensor)]
        return (*shapes, None if self.beside is None else tuple(self.beside.shape))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures of one pipeline call."""

    latents: Tensor
    """(B, …), clean, float32, on the CPU, as the transformer sees them."""
    pictures: list[Image.Image]
    conditions: list[Condition]
    """One for each sample."""


def family_for(pipeline: object) -> NftFamily:
    """The family of a pipeline.

    Raises:
        ConfigError: it is none that was tried.
    """
    name = type(pipeline).__name__
    if name not in FAMILIES:
        raise ConfigError(
            f"{name} cannot be trained: known are {', '.join(FAMILIES)}. Others are refused, since "
            "one whose velocity has another sign or scale would be trained to get worse"
        )
    return FAMILIES[name]


@torch.no_grad()
def draw(
    pipeline: Any,
    prompts: Sequence[str],
    sources: Sequence[Image.Image] | None,
    seeds: Sequence[int],
    call: Mapping[str, object],
) -> Drawn:
    """One call of the stock pipeline.

    Args:
        pipeline: one of `FAMILIES`.
        prompts: one for each picture.
        sources: the pictures to edit, likewise; None for text-to-image.
        seeds: one for each picture; its noise depends on nothing else.
        call: further arguments: steps, width, height, …

    Raises:
        ConfigError: the pipeline made several passes for a step, or gave no latents.
    """
    kept: list[dict[str, Any]] = []
    last: list[Tensor] = []

    def keep(_module: nn.Module, _args: object, kwargs: dict[str, Any]) -> None:
        kept.append(kwargs if not kept else {})

    def at_step_end(_pipe: object, _step: int, _t: object, tensors: dict[str, Any]) -> Any:
        last[:] = [tensors["latents"]]
        return tensors

    hook = pipeline.transformer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        output = pipeline(
            prompt=list(prompts),
            **({} if sources is None else {"image": list(sources)}),
            **call,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            callback_on_step_end=at_step_end,
            callback_on_step_end_tensor_inputs=["latents"],
        )
    finally:
        hook.remove()
    if not last or not kept or len(kept) != len(pipeline.scheduler.timesteps):
        raise ConfigError(
            f"{type(pipeline).__name__} made {len(kept)} passes for "
            f"{len(pipeline.scheduler.timesteps)} steps: train without guidance"
        )
    latents = last[0].float().cpu()
    return Drawn(latents, output.images, _split(kept[0], latents))


def predict(
    transformer: Callable[..., Any], noisy: Tensor, t: Tensor, condition: Condition
) -> Tensor:
    """The velocity e - x0 at noisy latents (B, …) and times (B,) in [0, 1], float32.

    Args:
        condition: of B samples, from `join`, or of one, which is repeated.
    """
    count, tokens = len(noisy), noisy.shape[1]
    latents = noisy
    if condition.beside is not None:
        beside = condition.beside.to(noisy.device)
        latents = torch.cat([noisy, beside.expand(count, *beside.shape[1:])], dim=1)
    output = transformer(
        hidden_states=latents.to(condition.dtype),
        timestep=t * condition.time_scale,
        **send_to_device({**condition.each, **condition.shared}, noisy.device),
    )[0]
    return torch.as_tensor(output)[:, :tokens].float()


def join(conditions: Sequence[Condition]) -> Condition:
    """Conditions of equal signature as one."""
    first = conditions[0]
    each: dict[str, Tensor | list[Any]] = {}
    for name, value in first.each.items():
        parts = [condition.each[name] for condition in conditions]
        if isinstance(value, Tensor):
            each[name] = torch.cat([torch.as_tensor(part) for part in parts])
        else:
            each[name] = [one for part in parts for one in part]
    beside = [c.beside for c in conditions if c.beside is not None]
    joined = torch.cat(beside) if beside else None
    return replace(first, each=each, beside=joined)


def _split(kwargs: Mapping[str, Any], latents: Tensor) -> list[Condition]:
    """The conditions of the samples of one call, on the CPU."""
    count, tokens = len(latents), latents.shape[1]
    given: Tensor = kwargs["hidden_states"]
    beside = given[:, tokens:].cpu() if given.ndim == 3 and given.shape[1] > tokens else None
    first_time = float(kwargs["timestep"].flatten()[0])
    rest: dict[str, Any] = send_to_device(
        {k: v for k, v in kwargs.items() if k not in ("hidden_states", "timestep")}, "cpu"
    )
    batched = {
        name: value
        for name, value in rest.items()
        if name not in _SHARED and isinstance(value, Tensor | list) and len(value) == count
    }
    shared = {name: value for name, value in rest.items() if name not in batched}
    return [
        Condition(
            {name: value[i : i + 1] for name, value in batched.items()},
            shared,
            None if beside is None else beside[i : i + 1],
            1000.0 if first_time > 1.5 else 1.0,
            given.dtype,
        )
        for i in range(count)
    ]
