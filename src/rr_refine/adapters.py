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
_CHOICE: Final = r"\(((?:[\w|-]|\\\.)*)\)"
_SIMPLE: Final = re.compile(rf"\^?(?:[\w-]|\\?\.(?!\*)|\.\*|{_CHOICE})*+\$?")
"""A pattern of names, choices of names, and `.*`."""
_FEW: Final = 2
"""How often `.*` and choices may stand in a pattern, since all ways to read them are tried."""
_LONGEST: Final = 1_000
"""Characters of a pattern: it is held against the name of each module, at each place of it."""
_MOST: Final = 1_000
"""Patterns with a number each, which are all held against each module; lists of names may have 20
times as many."""


def require_names(config: Mapping[str, Any], *, simple: bool = False) -> None:
    """Modules are named, not searched for: PEFT takes these texts for regular expressions, and
    some of them never come to an end.

    Args:
        simple: take patterns as well that do come to an end, such as those of our own trainings.

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
        if not key.endswith(("_pattern", "_modules", "modules_to_save")):
            continue
        texts = (
            [value] if isinstance(value, str) else value if isinstance(value, list | dict) else ()
        )
        if len(texts) > (most := _MOST if isinstance(value, dict) else 20 * _MOST):
            raise ValueError(f"names {len(texts):,} modules in {key}: {most:,} are the most")
        for text in map(str, texts):
            if _NAME.fullmatch(text) is None and not (simple and _is_simple(text)):
                raise ValueError(
                    f"names modules by the pattern {text[:80]!r} in {key}: only names are taken, "
                    "since a pattern of somebody else may run for ever"
                )


def _is_simple(text: str) -> bool:
    if len(text) > _LONGEST or _SIMPLE.fullmatch(text) is None:
        return False
    # Of different names few fit at one place; a name that stands there often is tried each time.
    choices = [choice.split("|") for choice in re.findall(_CHOICE, text)]
    distinct = all(len(set(names)) == len(names) for names in choices)
    return distinct and max(map(text.count, "(*")) <= _FEW
