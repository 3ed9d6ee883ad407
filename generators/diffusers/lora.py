"""LoRAs onto a pipeline: whole, or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rr_refine.adapters import require_names
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.files import MAX_BYTES, parse_json
from rr_refine.generators.diffusers.checkpoint import LoraFile
from rr_refine.named import read_named

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["add_loras", "require_file"]

_PEFT: Final = "base_model.model."
_PEFT_CONFIG: Final = "adapter_config.json"
_PART: Final = re.compile(
    r"[._](?:lora_(?:[AB]|embedding_[AB]|magnitude_vector|linear_layer|up|down|mid)|lora\.(?:up|down)"
    r"|alpha|dora_scale|diff(?:_b)?|hada_\w+|lokr_\w+)\b.*$"
)
"""Where the name of a module ends in that of one of its weights."""


def add_loras(pipeline: Any, loras: Sequence[LoraFile]) -> None:
    """Load LoRAs and make them active at their scales.

    Raises:
        ConfigError: one is not for this pipeline, in whole or in part, with the counts.
        MissingExtraError: peft is not installed.
    """
    if not loras:
        return
    name = type(pipeline).__name__
    if not hasattr(pipeline, "load_lora_weights"):
        raise ConfigError(f"{name} takes no LoRA")
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a LoRA", "local") from error
    for lora in loras:
        what = f"LoRA {str(lora.path)!r}"
        try:
            there = _add(pipeline, lora)
        except ConfigError:
            raise
        except Exception as error:
            text = " ".join(str(error).split()) or repr(error)
            raise ConfigError(f"{what} cannot be loaded into {name}: {text:.300}") from error
        found = _modules_in(pipeline, lora.name)
        # A file for another model, or in part for another, only makes diffusers warn.
        if not found:
            raise ConfigError(f"{what} has no weights for {name}")
        if lost := len(there) - found:
            odd = ", ".join(sorted(there)[:3])
            raise ConfigError(
                f"{what} has weights for {len(there)} modules, of which {name} has {found}: "
                f"{lost} would be left out; is it for another model? It holds {odd}, …"
            )
    pipeline.set_adapters([lora.name for lora in loras], [lora.scale for lora in loras])


def _add(pipeline: Any, lora: LoraFile) -> set[str]:
    """Load one; gives the modules that its file has weights for."""
    _require_names(lora.path, _metadata(lora.path))
    given = _of_peft(pipeline, lora.path)
    place = {} if given is not None else {"weight_name": lora.path.name}
    source = str(lora.path.parent) if given is None else given
    state = pipeline.lora_state_dict(
        source if given is None else dict(given), use_safetensors=True, **place
    )
    weights = state[0] if isinstance(state, tuple) else state
    pipeline.load_lora_weights(source, adapter_name=lora.name, use_safetensors=True, **place)
    return {_PART.sub("", key) for key in weights}


def _modules_in(pipeline: Any, adapter: str) -> int:
    """How many modules of the pipeline carry an adapter."""
    return sum(
        adapter in getattr(module, kind, ())
        for name in getattr(pipeline, "_lora_loadable_modules", ())
        if (component := getattr(pipeline, name, None)) is not None
        for module in component.modules()
        for kind in ("lora_A", "lora_embedding_A")
    )


def require_file(path: Path) -> None:
    """Refuse a LoRA of which its own file tells that it cannot be loaded, whatever the model.

    Raises:
        ConfigError: it cannot be read, names modules by patterns, or lacks the file beside it.
    """
    from safetensors import SafetensorError

    try:
        _require_names(path, _metadata(path))
        _peft_config(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"LoRA {str(path)!r} cannot be read: {error}") from error


def _peft_config(path: Path) -> dict[str, Any] | None:
    """What stands beside a file as PEFT saves a model; None for another file.

    Raises:
        ConfigError: it is not there, or cannot be read.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        if not all(key.startswith(_PEFT) for key in file.keys()):  # noqa: SIM118  no mapping
            return None
    beside = path.with_name(_PEFT_CONFIG)
    try:
        found: Any = parse_json(read_named(beside, MAX_BYTES))
        if not isinstance(found, dict):
            raise ValueError("it is no table")
        config: dict[str, Any] = found
        tables: list[Any] = [config, *map(config.get, ("alpha_pattern", "rank_pattern"))]
        for table in tables:
            for key, value in (table or {}).items():
                if table is not config or key in ("lora_alpha", "r"):
                    table[key] = _scale(value)
        if not {"lora_alpha", "r"} <= config.keys():
            raise ValueError("it lacks lora_alpha or r")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"LoRA {str(path)!r} is as PEFT saves it, and its scale stands in {_PEFT_CONFIG}, "
            f"which cannot be read beside it: {error}"
        ) from error
    _require_names(path, config)
    return config


def _of_peft(pipeline: Any, path: Path) -> Mapping[str, Tensor] | None:
    """The weights of a file as PEFT saves a model, under the names that diffusers reads.

    What scales them stands in a file beside it, and is multiplied in.

    Raises:
        ConfigError: that file is not there, or cannot be read.
    """
    from safetensors.torch import load_file

    config = _peft_config(path)
    if config is None:
        return None
    alphas, ranks = (_compiled(config.get(f"{kind}_pattern") or {}) for kind in ("alpha", "rank"))
    component = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"
    weights = {}
    for key, tensor in load_file(path).items():
        name = key.removeprefix(_PEFT).replace(".default.weight", ".weight")
        module = _PART.sub("", name)
        r = _pattern(ranks, module, config["r"])
        scale = _pattern(alphas, module, config["lora_alpha"])
        scale /= r**0.5 if config.get("use_rslora") else r
        scaled = tensor * scale if "lora_B" in name or "lora_embedding_B" in name else tensor
        weights[f"{component}.{name}"] = scaled.contiguous()
    return weights


def _metadata(path: Path) -> Mapping[str, Any]:
    """What a file says of its adapter, which diffusers hands on to PEFT."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get("lora_adapter_metadata", "{}")
    try:
        found = parse_json(text)
    except ValueError as error:
        raise ConfigError(f"LoRA {str(path)!r} has metadata that is no JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _require_names(path: Path, config: Mapping[str, Any]) -> None:
    try:
        require_names(config)
    except ValueError as error:
        raise ConfigError(f"LoRA {str(path)!r} {error}") from None


def _compiled(patterns: Mapping[str, float]) -> dict[re.Pattern[str], float]:
    return {re.compile(rf"(.*\.)?({key})$"): value for key, value in patterns.items()}


def _pattern(patterns: Mapping[re.Pattern[str], float], module: str, default: float) -> float:
    """PEFT's rule: the first pattern that the end of a module's name matches."""
    return next((value for key, value in patterns.items() if key.match(module)), default)


def _scale(value: object) -> float:
    """A rank, or what is divided by one."""
    number = float(str(value))
    if not 0 < number < 1e6:
        raise ValueError(f"{value!r} scales nothing")
    return number
