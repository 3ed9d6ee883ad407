"""Profiles: files of settings for common machines, and what such a machine must have."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from rr_refine.errors import ConfigError
from rr_refine.plugins import did_you_mean
from rr_refine.terms import Record

if TYPE_CHECKING:  # which loads profiles
    from rr_refine.cli.settings import Settings

__all__ = [
    "Machine",
    "Profile",
    "apply_key",
    "load_profile",
    "profile_names",
    "why_no_key",
    "why_too_small",
]

_FOLDER: Final = Path(__file__).with_name("profiles")
_NOMINAL: Final = 0.93
"""A card of 24 GB has 22.5 to 24 GiB for programs: the rest is the driver's, or for error
correction."""


class Machine(Record):
    """What a profile is made for."""

    gpus: int = Field(ge=0)
    gpu_gb: float = Field(0.0, ge=0)
    """Memory of each of them, as it is sold."""
    key: str | None = None
    """The environment variable with the key for generator and critic, where neither has its own."""
    start: tuple[str, ...] = ()
    """The commands that start what has to run beside rr-refine."""


class Profile(Record):
    """A file of `cli/profiles`."""

    name: str
    settings: dict[str, JsonValue]
    """By dotted key."""
    with_model: dict[str, JsonValue]
    """Options that are right for the profile's own model, at its own address, only."""
    machine: Machine


def profile_names() -> list[str]:
    """All there are, in alphabetical order."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in (known := profile_names()):
        hint = did_you_mean(name, known)
        raise ConfigError(f"unknown profile {name!r}{hint}; there are {', '.join(known)}")
    table = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    machine = Machine.model_validate(table.pop("machine"))
    with_model = {
        f"{part}.{key}": value
        for part in table
        for key, value in table[part].pop("with_model", {}).items()
    }
    return Profile(
        name=name,
        settings={f"{part}.{key}": table[part][key] for part in table for key in table[part]},
        with_model=with_model,
        machine=machine,
    )


def apply_key(profile: Profile, settings: Settings, environment: Mapping[str, str]) -> bool:
    """Give generator and critic the profile's key, where they are at the profile's own address.

    Returns:
        Whether one of them got it.
    """
    variable = profile.machine.key
    key = environment.get(variable, "") if variable else ""
    sections = _hosted(profile, settings) if key and variable else []
    for section in sections:
        settings.apply({f"{section}.api_key": key}, str(variable))
    return bool(sections)


def why_no_key(profile: Profile, settings: Settings) -> str | None:
    """Which key is missing; None where none is."""
    if profile.machine.key and (without := _hosted(profile, settings)):
        address = settings.values[f"{without[0]}.base_url"]
        return (
            f"profile {profile.name} needs a key for {address} ({' and '.join(without)}): set the "
            f"environment variable {profile.machine.key} to it"
        )
    return None


def _hosted(profile: Profile, settings: Settings) -> list[str]:
    """The sections at the profile's own address that have no key."""
    return [
        section
        for section in ("generator", "critic")
        if settings.values.get(key := f"{section}.base_url") is not None
        and settings.values[key] == profile.settings.get(key)
        and settings.values.get(f"{section}.api_key") is None
    ]


def why_too_small(profile: Profile) -> str | None:
    """Why this machine's GPUs are not enough; None where they are."""
    wanted = profile.machine
    if not wanted.gpus:
        return None
    needs = f"profile {profile.name} is made for {wanted.gpus} GPU" + "s" * (wanted.gpus > 1)
    needs += f" of {wanted.gpu_gb:g} GB"
    try:
        import torch
    except ImportError:
        return f"{needs}; without torch there is none: pip install 'rr-refine[local]'"
    sizes = [
        torch.cuda.get_device_properties(number).total_memory / 2**30
        for number in range(torch.cuda.device_count())
    ]
    if sum(size >= wanted.gpu_gb * _NOMINAL for size in sizes) >= wanted.gpus:
        return None
    there = ", ".join(f"{size:.0f} GiB" for size in sizes) or "none"
    return f"{needs}; this machine has {there}"
