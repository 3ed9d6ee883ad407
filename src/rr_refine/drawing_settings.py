"""How a picture was drawn, told along with it, by the names that other tools know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["add_settings", "settings_in"]

_KEY: Final = "rr-refine.settings"


def add_settings(image: Image.Image, settings: Mapping[str, JsonValue]) -> None:
    """Tell how a picture was drawn: `Steps`, `Sampler`, `CFG scale`, `Negative prompt`, …"""
    image.info[_KEY] = (settings_in(image) | dict(settings),)


def settings_in(image: Image.Image) -> dict[str, JsonValue]:
    """What was told of how a picture was drawn."""
    found = image.info.get(_KEY)
    # A file may have a text of that name: only what `add_settings` wrote is a tuple.
    return dict(found[0]) if isinstance(found, tuple) else {}
