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
_SENT: Final = {
    "generator": "prompts and the pictures to edit",
    "critic": "the request, every picture that is drawn and those to edit",
}
"""What leaves the machine, by section."""


def say_told(parts: Mapping[str, object]) -> None:
    """Say what the parts had to tell while they worked, such as a field that a server refused.

    Args:
        parts: by what they are: `judge`.
    """
    for name, part in parts.items():
        for text in told_by(part):
            tell(f"note: {name}: {plain(text)}")


def say_addresses(settings: Settings, *sections: str) -> None:
    """Say which other machines a profile names, or a file that nobody has to have read.

    Args:
        sections: of the parts in use: `critic`. By default those of a run.
    """
    for section in sections or PARTS:
        key = f"{section}.base_url"
        source, address = settings.sources.get(key, ""), str(settings.values.get(key))
        if source.startswith("profile ") and not _is_here(address):
            tell(f"note: {_SENT.get(section, 'prompts and pictures')} go to {address}, by {source}")
        for key, file in settings.addresses(f"{section}."):
            address = str(settings.values[key])
            if not _is_here(address):
                shown = plain(clean(address))
                tell(f"note: prompts and pictures may go to {shown}: {file.shown} says so in {key}")


def _is_here(address: str) -> bool:
    """Whether an address is on this machine."""
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False
