"""What a file may say of its adapter, before PEFT reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["require_names"]

_WORK: Final = (
    *("init_lora_weights", "loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    *("layer_replication", "megatron_config", "arrow_config"),
)
"""What makes PEFT compute when an adapter is made, for as long as a file says."""
_NAME: Final = re.compile(r"\^?(?:[\w.-]|\\\.)*\$?")
"""A module's name, or the end of one."""


def require_names(config: Mapping[str, Any]) -> None:
    """Modules are named, not searched for: PEFT takes these texts for regular expressions, and
    some of them never come to an end.

    Raises:
        ValueError: one is more than a name, or PEFT would compute something first. The message is
            what the adapter does.
    """
    for key, value in config.items():
        last = key.rpartition(".")[2]
        if last in _WORK and value not in (None, {}, []):
            odd = isinstance(value, str) and value != "gaussian"
            if last != "init_lora_weights" or odd:
                raise ValueError(f"has {key} = {str(value)[:80]!r}, which is for training it")
        if not key.endswith(("_pattern", "_modules")):
            continue
        texts = (
            [value] if isinstance(value, str) else value if isinstance(value, list | dict) else ()
        )
        for text in map(str, texts):
            if _NAME.fullmatch(text) is None:
                raise ValueError(
                    f"names modules by the pattern {text[:80]!r} in {key}: only names are taken, "
                    "since a pattern of somebody else may run for ever"
                )
