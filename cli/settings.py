"""Settings: flag > environment > --config FILE > project file > default, each with its source.

Between project file and default come the preset (how patient the loop is) and the profile (what
machine it runs on).

A setting has a dotted key (`critic.base_url`). Files are TOML with one table per section; the
environment writes dots as two underscores (`RR_REFINE_CRITIC__BASE_URL`).

The layers are resolved here, not by `cyclopts.config`: its `Toml` and `Env` fill the declared
parameters of one command, skip unknown variables silently, split keys at every `_`, and call any
variable's source "env". Open sections, presets, profiles and a run's config.json do not fit there.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine import defaults
from rr_refine.agent.budget import Budget
from rr_refine.agent.policy import PRESETS, Policy
from rr_refine.cli.profile import load_profile
from rr_refine.errors import ConfigError
from rr_refine.plugins import did_you_mean

__all__ = [
    "DEFAULTS",
    "ENVIRONMENT_PREFIX",
    "PROJECT_FILE",
    "Settings",
    "is_secret",
    "read_settings",
    "split_assignment",
]

PROJECT_FILE: Final = "rr-refine.toml"
ENVIRONMENT_PREFIX: Final = "RR_REFINE_"

DEFAULTS: Final[dict[str, JsonValue]] = {
    "profile": None,
    "preset": "refine",
    "out": "runs",
    "private": True,
    "seed": 0,
    "keep": [],
    "avoid": [],
    "generator.use": defaults.GENERATOR,
    "critic.use": defaults.CRITIC,
    "rewriter.use": None,
    "intent.use": None,
    "studio.token": None,
    "studio.max_runs": 16,
}
"""Top-level keys and components. The rest has its defaults in `Policy`, `Budget` and the options of
each component."""

_INTENTS: Final = Path(__file__).with_name("intents")
"""Presets by intent: files of settings, as a user could write them."""

_OPEN_SECTIONS: Final = ("generator", "critic", "judge", "rewriter", "intent", "parameters")
"""Sections whose keys only the component knows."""


@dataclass(slots=True)
class Settings:
    """Resolved settings by dotted key. `text`, `number`, `flag` and `texts` raise ConfigError where
    a value is of another kind.
    """

    values: dict[str, JsonValue] = field(default_factory=lambda: dict(DEFAULTS))
    sources: dict[str, str] = field(default_factory=lambda: dict.fromkeys(DEFAULTS, "default"))

    def apply(self, layer: Mapping[str, JsonValue], source: str) -> None:
        """Apply a layer over what is there.

        A layer that names another component drops the options of the one named below: they were
        not meant for it. Options for which no component was named yet wait for one that is.

        Raises:
            ConfigError: an unknown key.
        """
        for key in layer:
            _require_known(key, source)
        for section in ("generator", "critic", "judge", "intent"):
            name = f"{section}.use"
            if self.sources.get(name, "default") == "default":
                continue
            if layer.get(name) in (None, self.values[name]):
                continue
            for key in [k for k in self.values if k.startswith(f"{section}.")]:
                del self.values[key], self.sources[key]
        for key, value in layer.items():
            self.values[key] = value
            self.sources[key] = source

    def apply_intent(self) -> None:
        """Where the preset is an intent, apply its file under what was set.

        The method that the intent is based on takes its place, so that the record does not depend
        on the file.

        Raises:
            ConfigError: there is neither an intent nor a method of that name.
        """
        name = self.values["preset"]
        intents = {path.stem: path for path in sorted(_INTENTS.glob("*.toml"))}
        if name in PRESETS or not isinstance(name, str):
            return
        if name not in intents:
            raise ConfigError(f"unknown preset {name!r}{did_you_mean(name, [*intents, *PRESETS])}")
        del self.sources["preset"]
        for key, value in _read_file(intents[name]).items():
            if self.sources.get(key, "default") == "default":
                self.values[key] = value
                self.sources[key] = f"preset {name}"

    def section(self, name: str) -> dict[str, JsonValue]:
        """The options of a section, without its `use`."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): value
            for key, value in self.values.items()
            if key.startswith(prefix) and key != f"{prefix}use"
        }

    def text(self, key: str) -> str:
        """A setting that must be a string."""
        value = self.values[key]
        if isinstance(value, str):
            return value
        raise self._wrong(key, "text")

    def number(self, key: str) -> int:
        """A setting that must be a whole number."""
        value = self.values[key]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong(key, "a whole number")

    def flag(self, key: str) -> bool:
        """A setting that must be true or false."""
        value = self.values[key]
        if isinstance(value, bool):
            return value
        raise self._wrong(key, "true or false")

    def texts(self, key: str) -> list[str]:
        """A setting that must be a list of strings; one string is a list of one."""
        value = self.values[key]
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) for item in items):
            return [str(item) for item in items]
        raise self._wrong(key, "a list of texts")

    def _wrong(self, key: str, kind: str) -> ConfigError:
        value, source = self.values[key], self.sources[key]
        return ConfigError(f"{key} = {value!r} from {source} must be {kind}")

    def public(self) -> dict[str, JsonValue]:
        """What a run depends on, keys and passwords left out; `--config` takes it back."""
        return {
            key: value
            for key, value in self.values.items()
            if not is_secret(key) and not key.startswith("studio.")
        }


def is_secret(key: str) -> bool:
    """Whether a setting must never be shown or recorded."""
    return key.rpartition(".")[2] in ("api_key", "token", "password")


def read_settings(
    config: Path | None,
    flags: Mapping[str, JsonValue],
    *,
    resume: bool = False,
) -> Settings:
    """Resolve all layers.

    Args:
        config: the file of `--config`: TOML, or the config.json of a run.
        flags: what the command line says, by dotted key.
        resume: take only `config`, and keys and passwords from the environment: a run goes on
            with the settings that it was made with.

    Raises:
        ConfigError: a file that cannot be read, an unknown key.
    """
    layers: list[tuple[Mapping[str, JsonValue], str]] = []
    if not resume and (file := Path(PROJECT_FILE)).is_file():
        layers.append((_read_file(file), PROJECT_FILE))
    if config is not None:
        layers.append((_read_file(config), str(config)))
    for key, value, name in _from_environment(os.environ):
        if is_secret(key) or not resume:
            layers.append(({key: value}, name))
    layers.append((flags, "command line"))
    settings = Settings()
    # Below all others, whichever of them names it.
    named = [layer["profile"] for layer, _ in layers if "profile" in layer]
    profile = load_profile(str(named[-1])) if named and named[-1] is not None else None
    if profile is not None:
        settings.apply(profile.settings, f"profile {profile.name}")
    for layer, source in layers:
        settings.apply(layer, source)
    settings.apply_intent()
    model = "generator.model"
    if profile is not None and settings.values.get(model) == profile.settings.get(model):
        for key in profile.with_model.keys() - settings.values.keys():
            settings.apply({key: profile.with_model[key]}, f"profile {profile.name}")
    is_default = settings.values["generator.use"] == defaults.GENERATOR
    if settings.sources["critic.use"] == "default" and not is_default:
        settings.values["critic.use"] = "fake"  # the default critic is for the default generator
    return settings


def split_assignment(text: str) -> tuple[str, JsonValue]:
    """`key=value` of a `--set` option.

    Raises:
        ConfigError: there is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r} must look like key=value, such as critic.samples=4")
    return key.strip(), _value(value)


def _value(text: str) -> JsonValue:
    """A number, true, false, null or JSON; anything else is text as it is."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, JsonValue, str]]:
    # `…__USE` first: it drops the options of another component.
    for name in sorted(environment, key=lambda n: (not n.endswith("__USE"), n)):
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            yield key, _value(environment[name]), name


def _read_file(path: Path) -> dict[str, JsonValue]:
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            table = json.loads(text)
            if isinstance(table, dict) and isinstance(table.get("settings"), dict):
                return dict(table["settings"])  # a run's, flat already
        else:
            table = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"config file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise ConfigError(f"config file {str(path)!r} holds no table of settings")
    return dict(_flat(table))


def _flat(table: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for key, value in table.items():
        # Tables of tables only for rewriters: [rewriter.llm]. Others are values of an option.
        if isinstance(value, dict) and (not prefix or prefix == "rewriter."):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _require_known(key: str, source: str) -> None:
    section, dot, _ = key.partition(".")
    if dot and section in _OPEN_SECTIONS:
        return
    loop = set(Policy.model_fields) - {"preset", "budget", "rewriters"}
    known = [*DEFAULTS, *(f"loop.{f}" for f in loop), *(f"budget.{f}" for f in Budget.model_fields)]
    if key not in known:
        raise ConfigError(f"unknown setting {key!r} from {source}{did_you_mean(key, known)}")
