"""Notes on standard error: what everybody should know of the parts in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from rr_refine.cli.settings import DEFAULTS, Settings
from rr_refine.cli.text import plain, tell
from rr_refine.component import told_by
from rr_refine.endpoint.environment import is_loopback
from rr_refine.redaction import clean

__all__ = ["PARTS", "say_addresses", "say_told"]

PARTS: Final = tuple(key[:-4] for key in DEFAULTS if key.endswith(".use"))
"""Sections of the parts of a run."""


def say_told(parts: Mapping[str, object]) -> None:
    """Say what the parts had to tell while they worked, such as a field that a server refused.

    Args:
        parts: by what they are: `judge`.
    """
    for name, part in parts.items():
        for text in told_by(part):
            tell(f"note: {name}: {plain(text)}")


def say_addresses(settings: Settings, *sections: str) -> None:
    """Say which other machines a file names that nobody has to have read.

    Args:
        sections: of the parts in use: `critic`. By default those of a run.
    """
    for section in sections or PARTS:
        for key, file in settings.addresses(f"{section}."):
            address = str(settings.values[key])
            try:
                host = urlsplit(address).hostname or ""
            except ValueError:
                host = ""
            if not is_loopback(host):
                shown = plain(clean(address))
                tell(f"note: prompts and pictures may go to {shown}: {file.shown} says so in {key}")
