"""Presets by intent: files of settings, as a user could write them, in `cli/intents/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rr_refine.agent.policy import PRESETS
from rr_refine.cli.layers import read_file
from rr_refine.errors import ConfigError
from rr_refine.plugins import did_you_mean

if TYPE_CHECKING:  # which applies them
    from rr_refine.cli.settings import Settings

__all__ = ["INTENT", "apply_intent", "intents", "preset_name"]

_FILES: Final = {
    path.stem: path for path in sorted(Path(__file__).with_name("intents").glob("*.toml"))
}
INTENT: Final = "preset "
"""What the source of a setting begins with that an intent set."""


def apply_intent(settings: Settings) -> None:
    """Where the preset is an intent, apply its file under what was set, in place of an earlier one.

    The method that the intent is based on takes its place, so that the record does not depend
    on the file.

    Raises:
        ConfigError: there is neither an intent nor a method of that name.
    """
    name, sources = settings.values["preset"], settings.sources
    for key in [key for key, source in sources.items() if source.startswith(INTENT)]:
        if key != "preset":
            del sources[key], settings.values[key]
    if name in PRESETS or not isinstance(name, str):
        return
    if name not in _FILES:
        raise ConfigError(f"unknown preset {name!r}{did_you_mean(name, [*_FILES, *PRESETS])}")
    del sources["preset"]
    settings.files.pop("preset", None)
    for key, value in read_file(_FILES[name], 0)[1].items():
        if sources.get(key, "default") == "default":
            settings.values[key] = value
            sources[key] = f"{INTENT}{name}"


def preset_name(settings: Settings) -> str:
    """The preset as it was named: an intent, or a method."""
    source = settings.sources.get("preset", "default")
    return source.removeprefix(INTENT) if source.startswith(INTENT) else settings.text("preset")


def intents() -> dict[str, str]:
    """Names of the intents, and what each is for, as its file says in its first line."""
    lines = {name: path.read_text("utf-8").partition("\n")[0] for name, path in _FILES.items()}
    return {name: line.partition(": ")[2] for name, line in lines.items()}
