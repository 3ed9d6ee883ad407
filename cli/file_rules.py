"""What a file of settings may not set unless it is trusted: one list for all such files.

Beside code (`rr_refine.trust`), it is what protects this machine and its user: who may see runs,
how much memory a picture may take, what is written where. Where keys go is another matter, since
that depends on where the key comes from: see `Settings.require_own_keys`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from rr_refine.cli.trust import SettingsFile, harmful
from rr_refine.hub import mean_hub
from rr_refine.redaction import hidden
from rr_refine.trust import all_settings

__all__ = ["BOUNDS", "forbidden", "is_address", "tell_everywhere"]

BOUNDS: Final = ("max_megapixels",)
"""Bounds of memory: a file may lower one."""
_OWNERS: Final = ("studio.", "private", "picture_folders")
"""Beginnings of keys that say who may do what here."""
_OF_FOLDER: Final = ("out", "private")
"""Keys about a folder that is made: without effect where a run goes on."""
_ADDRESS: Final = re.compile(
    r"(?:^|_)(?:url|uri|host|endpoint|address|server|proxy|origin|base)s?$"
)
"""Options that say where something is sent, by the last part of their keys."""


def forbidden(
    file: SettingsFile, key: str, value: JsonValue, own: JsonValue, *, resuming: bool
) -> Iterator[tuple[str, JsonValue, str]]:
    """What a file may not set: the key, or one that is nested in it, its value, and why.

    Args:
        own: what the user's own file says, or the default.
        resuming: a run goes on in its folder, which is neither made nor shared anew.
    """
    if key in BOUNDS and _is_more(value, own):
        yield key, value, "it raises what protects the memory of this machine"
    if resuming and key in _OF_FOLDER:
        return
    yield from harmful(file, {key: value})
    if key.startswith(_OWNERS) and value != own:
        yield key, hidden(value, key), "it says who may do what here"


def is_address(key: str, value: JsonValue) -> bool:
    """Whether a setting, or one that is nested in it, says where something is sent."""
    named = (last for _, last, one in all_settings({key: value}) if one)
    return any(map(_ADDRESS.search, named)) or "://" in json.dumps(value)


def tell_everywhere(
    values: Mapping[str, JsonValue], sources: Mapping[str, str], here: Collection[str]
) -> None:
    """Tell the hub's side which names hold in every folder: only sources such as the environment
    say them, and none of those in `here`.
    """
    texts: dict[bool, set[str]] = {True: set(), False: set()}
    for key, value in values.items():
        said = (one for _, _, one in all_settings({key: value}) if isinstance(one, str))
        texts[sources[key] == "default" or sources[key] in here].update(said)
    mean_hub(texts[False] - texts[True])


def _is_more(value: JsonValue, most: JsonValue) -> bool:
    return isinstance(value, int | float) and isinstance(most, int | float) and value > most
