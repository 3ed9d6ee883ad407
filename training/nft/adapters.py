"""Policy, old policy and reference on one transformer: two LoRA adapters, and neither of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from torch import nn

from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ATTENTION", "Adapters", "Role"]

Role = Literal["policy", "old", "reference"]

ATTENTION: Final = (
    "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
)  # fmt: skip
"""The attention projections of diffusers' transformers: what all public configurations train."""


class Adapters(nn.Module):
    """The trained weights of a transformer, as a module: policy and old policy alone.

    Args:
        transformer: of diffusers; its own weights are frozen.
        rank: of the adapters.
        alpha: they count alpha / rank times.
        targets: ends of the names of the layers that get one.
        seed: of the first values; B is zero, so that all three are one model at first.

    Raises:
        ConfigError: no layer has such a name.
    """

    def __init__(
        self,
        transformer: nn.Module,
        *,
        rank: int = 32,
        alpha: float = 64,
        targets: Sequence[str] = ATTENTION,
        seed: int = 0,
    ) -> None:
        from peft import LoraConfig

        super().__init__()
        self._held = [transformer]  # in a list: its weights are no weights of this module
        config = LoraConfig(
            r=rank, lora_alpha=alpha, init_lora_weights="gaussian", target_modules=list(targets)
        )
        transformer.requires_grad_(False)
        model: Any = transformer
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            torch.manual_seed(seed)
            try:
                for role in ("policy", "old"):
                    model.add_adapter(config, role)
            except ValueError as error:
                raise ConfigError(
                    f"{type(transformer).__name__} has no layers {list(targets)!r} to put an "
                    f"adapter on: {error}"
                ) from error
        self.policy, self.old = (
            nn.ParameterDict(
                {
                    name.replace(f".{role}.", ".").replace(".", "/"): weight
                    for name, weight in transformer.named_parameters()
                    if "lora_" in name and f".{role}." in name
                }
            )
            for role in ("policy", "old")
        )
        for weight in self.parameters():
            weight.data = weight.data.float()
        self.move_old(0.0)
        self._role: Role = "policy"
        self._activate("policy")

    @property
    def transformer(self) -> nn.Module:
        """What they are put on."""
        return self._held[0]

    @property
    def trained(self) -> list[nn.Parameter]:
        """The policy's weights."""
        return list(self.policy.values())

    @contextmanager
    def use(self, role: Role) -> Iterator[None]:
        """Inside of it the transformer is that model."""
        before = self._role
        self._activate(role)
        try:
            yield
        finally:
            self._activate(before)

    @torch.no_grad()
    def move_old(self, eta: float) -> None:
        """The old policy stays by the share `eta`, and becomes the policy by the rest."""
        for name, weight in self.old.items():
            weight.copy_(weight * eta + self.policy[name] * (1 - eta))

    def _activate(self, role: Role) -> None:
        model: Any = self.transformer
        if role == "reference":
            model.disable_adapters()
        else:
            if self._role == "reference":
                model.enable_adapters()
            model.set_adapter(role)
        # `set_adapter` makes the active one trainable and the others not, whichever that is.
        for parameter in self.policy.values():
            parameter.requires_grad_(True)
        for parameter in self.old.values():
            parameter.requires_grad_(False)
        self._role = role

    def save(self, pipeline: object, folder: Path, dtype: torch.dtype = torch.float16) -> Path:
        """Write the policy as a LoRA that `pipe.load_lora_weights` and ComfyUI load alike.

        alpha / rank is multiplied into B, and no metadata is written: ComfyUI reads none, and a
        file without it counts once wherever it is loaded.

        Returns:
            the file.
        """
        from peft.utils import get_peft_model_state_dict

        model: Any = self.transformer
        config = model.peft_config["policy"]
        scale = config.lora_alpha / config.r
        layers = {
            name: (weight * scale if "lora_B" in name else weight).detach().to("cpu", dtype)
            for name, weight in get_peft_model_state_dict(model, adapter_name="policy").items()
        }
        made_by: Any = type(pipeline)
        folder.mkdir(parents=True, exist_ok=True)
        made_by.save_lora_weights(folder, transformer_lora_layers=layers)
        return folder / "pytorch_lora_weights.safetensors"
