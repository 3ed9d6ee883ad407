"""Code that settings name: a dotted path such as `my_pkg.mod:MyCritic` is imported and called.

Flags, the environment and the user's own file may name code. A file that came from elsewhere, such
as a project's settings or a run folder, may not, unless the user says that it is trusted: that it
lies in a folder does not mean that somebody has read it.

A Ray cluster is code too: its machines speak pickle, so whoever runs it runs code here. A ComfyUI
workflow runs none here, but on the user's server, whatever somebody wrote a node for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import JsonValue  # which `rr-refine --help` does not load

__all__ = ["all_settings", "named_code", "named_workflows"]

_CLUSTER: Final = "address"
"""The last part of the key that names a Ray cluster: `HOST:PORT` or `auto`, which is no URL."""
_WORKFLOW: Final = (
    *("workflow", "output_node", "size_node"),
    *("prompt_input", "negative_input", "seed_input", "source_input"),
)
"""Last parts of keys that say which nodes run in ComfyUI, and which of them are given what."""
_DOORS: Final = frozenset(
    (
        *("use", "generator", "critic", "judge", "teacher", "trainer", "reward", "rewards"),
        *("rewriters", "intent_check", "stop_rules", "acceptance", "families", "templates"),
    )
)
"""The last part of the keys that name parts, at any depth of a file."""


def all_settings(
    table: Mapping[str, JsonValue], prefix: str = ""
) -> Iterator[tuple[str, str, JsonValue]]:
    """Key, its last part, and value of every setting, those in tables and lists included.

    Args:
        table: settings as a file has them, keys with or without dots.
        prefix: goes before the keys that are given.
    """
    for name, value in table.items():
        key = f"{prefix}{name}"
        yield key, name.rpartition(".")[2], value
        yield from _nested(key, value)


def named_code(table: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Key and value of every dotted path and cluster in settings, nested or flat."""
    for key, last, value in all_settings(table):
        if last in _DOORS:
            yield from ((key, text) for text in _texts(value) if ":" in text)
        elif last == _CLUSTER:
            yield from ((key, text) for text in _texts(value) if "/" not in text)


def named_workflows(table: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    """Key and value of what settings say of ComfyUI workflows, nested or flat."""
    return ((key, value) for key, last, value in all_settings(table) if last in _WORKFLOW and value)


def _texts(value: JsonValue) -> Iterator[str]:
    """A text, those of a list, and the names in a table such as `{"my_pkg.mod:MyReward": 0.5}`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        yield from value


def _nested(key: str, value: JsonValue) -> Iterator[tuple[str, str, JsonValue]]:
    if isinstance(value, dict):
        yield from all_settings(value, f"{key}.")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _nested(f"{key}[{index}]", one)
