"""Settings: flag > environment > --config FILE > project file > own file > default.

Each has its source. Between the user's own file and the default come the preset (how patient the
loop is) and the profile (what machine it runs on).

A setting has a dotted key (`critic.base_url`). Files are TOML with one table per section; the
environment writes dots as two underscores (`RR_REFINE_CRITIC__BASE_URL`).

Flags, the environment and the user's own file are the user's word. The other files are not: what
they may not set is refused here, see `rr_refine.cli.trust`.

The layers are resolved here, not by `cyclopts.config`: its `Toml` and `Env` fill the declared
parameters of one command, skip unknown variables silently, split keys at every `_`, and call any
variable's source "env". Open sections, presets, profiles and a run's config.json do not fit there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import JsonValue

from rr_refine import defaults
from rr_refine.agent.budget import Budget
from rr_refine.agent.policy import Policy
from rr_refine.cli.file_rules import BOUNDS, forbidden, is_address, tell_everywhere
from rr_refine.cli.intent import apply_intent
from rr_refine.cli.layers import (
    COMMAND_LINE,
    from_environment,
    is_project_file,
    own_layer,
    place_workflow,
    read_file,
    value_of,
    variable_of,
)
from rr_refine.cli.profile import apply_key, load_profile
from rr_refine.cli.text import plain, tell
from rr_refine.cli.trust import (
    CODE,
    CONFIG,
    PROJECT,
    RUN,
    NotTrustedError,
    SettingsFile,
    is_trusted,
    own_file,
    trust,
    trusted_folder,
)
from rr_refine.errors import ConfigError
from rr_refine.named import allow_pictures
from rr_refine.picture_file import limit_megapixels
from rr_refine.plugins import did_you_mean
from rr_refine.redaction import MASK, clean, hidden, is_secret
from rr_refine.trust import named_code

__all__ = ["DEFAULTS", "PROJECT_FILE", "Settings", "read_settings", "split_assignment"]

PROJECT_FILE: Final = "rr-refine.toml"

DEFAULTS: Final[dict[str, JsonValue]] = {
    "profile": None,
    "preset": "refine",
    "out": "runs",
    "private": True,
    "max_megapixels": 100,
    "picture_folders": [],
    "seed": 0,
    "keep": [],
    "avoid": [],
    "generator.use": defaults.GENERATOR,
    "critic.use": defaults.CRITIC,
    "rewriter.use": None,
    "intent.use": None,
    "evidence.use": None,
    "studio.token": None,
    "studio.max_runs": 16,
}
"""Top-level keys and components; `Policy`, `Budget` and a component's options have the others."""

_OPEN: Final = ("judge", "parameters", *(k[:-4] for k in DEFAULTS if k.endswith(".use")))
"""Sections whose keys only the component knows."""

_Refused: TypeAlias = tuple[SettingsFile, str, JsonValue, str]


@dataclass(slots=True)
class Settings:
    """Resolved settings by dotted key. `text`, `number`, `flag` and `texts` raise ConfigError where
    a value is of another kind.
    """

    values: dict[str, JsonValue] = field(default_factory=lambda: dict(DEFAULTS))
    sources: dict[str, str] = field(default_factory=lambda: dict.fromkeys(DEFAULTS, "default"))
    files: dict[str, SettingsFile] = field(default_factory=dict)
    """By key: what comes from a file that is not trusted."""
    folders: dict[str, Path] = field(default_factory=lambda: {COMMAND_LINE: Path.cwd()})
    """By source: the folder in which what it names is looked for, if any."""
    code: tuple[tuple[str, str, str], ...] = ()
    """Key, dotted path and file of the code that files name, trusted ones included."""

    def apply(
        self, layer: Mapping[str, JsonValue], source: str, file: SettingsFile | None = None
    ) -> None:
        """Apply a layer over what is there.

        A layer that names another component drops the options of the one named below: they were
        not meant for it. Options for which no component was named yet wait for one that is.

        Args:
            file: where the layer comes from, unless that is trusted.

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
                self.files.pop(key, None)
        for key, value in layer.items():
            self.values[key] = value
            self.sources[key] = source
            self.files.pop(key, None)
            if file is not None:
                self.files[key] = file

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
        value, source = hidden(self.values[key], key), self.sources[key]
        return ConfigError(f"{key} = {value!r} from {source} must be {kind}")

    def public(self) -> dict[str, JsonValue]:
        """What a run depends on, without secrets; `--config` takes it back."""
        return {
            key: hidden(value, key)
            for key, value in self.values.items()
            if not is_secret(key, value) and not key.startswith(("studio.", "picture_folders"))
        }

    def require_own_keys(self, section: str, left_out: Iterable[str] = ()) -> None:
        """A secret of a section goes only where its own source, or a more trusted one, says.

        Args:
            section: with a dot at its end: `critic.`, `rewriter.llm.`.
            left_out: keys that are not used.

        Raises:
            NotTrustedError: a less trusted file says where it would be sent.
        """
        for _, key, _, why in self._misplaced(section, left_out):
            raise NotTrustedError(f"{key} {why}")

    def _misplaced(self, section: str = "", left_out: Iterable[str] = ()) -> Iterator[_Refused]:
        for secret in self._keys(section):
            value = self.values[secret]
            if value is None or secret in left_out or hidden(value, secret) == value:
                continue
            mine = self.files.get(secret)
            for key, file in self.addresses(f"{secret.rpartition('.')[0]}."):
                if key == secret or (mine and file.rank <= mine.rank):
                    continue
                shown = clean(str(self.values[key]))
                why = (
                    f"from {self.sources[secret]} is not sent to {shown!r}, which {file.shown} "
                    f"names in {key}: give the address by a flag, the environment or your own "
                    "settings file, or add --trust if you have read that file and trust it"
                )
                yield file, secret, None, why

    def addresses(self, section: str) -> Iterator[tuple[str, SettingsFile]]:
        """Keys of a section that say where something is sent, from files that are not trusted."""
        for key in self._keys(section):
            if (file := self.files.get(key)) and is_address(key, self.values[key]):
                yield key, file

    def _keys(self, section: str) -> list[str]:
        return [key for key in self.values if key.startswith(section)]

    def refused(self, own: Mapping[str, JsonValue], *, resuming: bool) -> Iterator[_Refused]:
        """What a file sets that only the user may: the file, the key, its value, and why.

        Args:
            own: the user's own file.
            resuming: a run goes on in its folder, which is neither made nor shared anew.
        """
        for key, file in self.files.items():
            word = own.get(key, DEFAULTS.get(key))
            for found in forbidden(file, key, self.values[key], word, resuming=resuming):
                yield file, *found


def read_settings(
    config: Path | None,
    flags: Mapping[str, JsonValue],
    *,
    resume: Mapping[str, JsonValue] | None = None,
    trusted: bool = False,
    project: bool = True,
) -> Settings:
    """Resolve all layers.

    Args:
        config: the file of `--config`: TOML, or the config.json of a run.
        flags: what the command line says, by dotted key.
        resume: the contents of `config`, for a run that goes on with the settings that it was made
            with. No other layer counts, but for secrets and bounds from the environment.
        trusted: whether the user said `--trust`.
        project: whether the file of the folder that we are in is read.

    Raises:
        ConfigError: a file cannot be read, or may not give a setting; a key is unknown.
    """
    own, environment = own_layer(), list(from_environment(os.environ))
    read = [(Path(PROJECT_FILE), PROJECT)] if project and resume is None else []
    files = [read_file(path, rank) for path, rank in read if is_project_file(path)]
    if config is not None:
        files.append(read_file(config, CONFIG))
    masked = {
        key
        for file, layer, _ in files
        for key, value in layer.items()
        if file.rank == RUN and MASK in json.dumps(value)
    }
    layers: list[tuple[Mapping[str, JsonValue], str, SettingsFile | None]] = []
    folders: dict[str, Path] = {}
    if own and resume is None:
        layers.append((own, str(own_file()), None))
    for file, layer, _ in files:
        kept = {key: value for key, value in layer.items() if key not in masked}
        folder = trusted_folder(file)
        if folder is None or (trusted and folder != Path.cwd()):  # it is trusted anew
            layers.append((kept, file.shown, file))
            continue
        folders[file.shown] = folder
        place_workflow(kept, folder)
        layers.append((kept, file.shown, None))
    for key, value, name in environment:
        if resume is None or is_secret(key, value) or key in masked or key in BOUNDS:
            layers.append(({key: value}, name, None))
    layers.append((flags, COMMAND_LINE, None))
    settings = Settings()
    settings.folders |= folders
    # Below all others, whichever of them names it.
    named = [layer["profile"] for layer, _, _ in layers if "profile" in layer]
    profile = load_profile(str(named[-1])) if named and named[-1] is not None else None
    if profile is not None:
        settings.apply(profile.settings, f"profile {profile.name}")
    for values, source, untrusted in layers:
        settings.apply(values, source, untrusted)
    apply_intent(settings)
    if profile is not None:
        for key in [key for key in profile.with_model if key not in settings.values]:
            part = key.partition(".")[0]
            about = (f"{part}.model", f"{part}.base_url")
            if all(settings.values.get(one) == profile.settings.get(one) for one in about):
                settings.apply({key: profile.with_model[key]}, f"profile {profile.name}")
    used = profile is not None and apply_key(profile, settings, os.environ)
    is_default = settings.values["generator.use"] == defaults.GENERATOR
    if settings.sources["critic.use"] == "default" and not is_default:
        settings.values["critic.use"] = "fake"  # the default critic is for the default generator
    for key in masked - settings.values.keys():
        raise ConfigError(
            f"{key} held a secret, which is not recorded: give it by {variable_of(key)}"
        )
    for own_words in (own, *({key: value} for key, value, _ in environment)):
        for key in [key for key in settings.files if own_words.get(key) == settings.values[key]]:
            del settings.files[key]  # the user says the same
    foreign = {file.shown for file, _, _ in files}
    settings.code = tuple(
        (name, code, settings.sources[key])
        for key, value in settings.values.items()
        if settings.sources[key] in foreign and value != own.get(key)
        for name, code in named_code({key: value})
    )
    refused = [*settings.refused(own, resuming=resume is not None)]
    if used and (chooser := settings.files.get("profile")) is not None:
        why = "it would use a key of yours"
        refused.append((chooser, "profile", settings.values["profile"], why))
    if resume is not None:
        refused += _policy_code(files[-1], resume)
    _settle(settings, refused, trusted=trusted, named=files[-1][0] if files else None)
    limit_megapixels(settings.number("max_megapixels"))
    allow_pictures(settings.texts("picture_folders"))
    tell_everywhere(settings.values, settings.sources, {*settings.folders, *foreign})
    return settings


def _settle(
    settings: Settings, refused: list[_Refused], *, trusted: bool, named: SettingsFile | None
) -> None:
    """Refuse what files may not set, or trust the one that does.

    Args:
        named: the file that `--trust` is for: that of `--config` where there is one. Nobody has
            spoken of the project's file then, which may have come into this folder since.
    """
    if not trusted:
        for file, key, value, why in refused:
            raise file.refusal(key, value, why)
        return
    found = {one[0].path: one[0] for one in (*refused, *settings._misplaced())}
    for file in found.values():
        if file != named:
            raise ConfigError(
                f"--trust is for the file of --config, and {file.shown} would need it, too: if you "
                "have read that, trust it by itself first: rr-refine config show --trust"
            )
    for file in found.values():
        trust(file)
        settings.folders[file.shown] = Path.cwd()
        tell(f"note: {plain(str(file.path))} is trusted until it changes")
        settings.files = {key: one for key, one in settings.files.items() if one != file}


def _policy_code(
    read: tuple[SettingsFile, dict[str, JsonValue], JsonValue], record: Mapping[str, JsonValue]
) -> list[_Refused]:
    """The code that the policy of a recorded run names; a run goes on with that policy."""
    file, _, table = read
    if table != record:
        raise ConfigError(f"{file.shown} changed while it was read: try again")
    if is_trusted(file):
        return []
    found = named_code({"policy": record.get("policy")})
    return [(file, key, value, CODE) for key, value in found]


def split_assignment(text: str) -> tuple[str, JsonValue]:
    """`key=value` of a `--set` option.

    Raises:
        ConfigError: there is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {clean(text)!r} must look like key=value, such as critic.samples=4"
        )
    return key.strip(), value_of(value)


def _require_known(key: str, source: str) -> None:
    section, dot, _ = key.partition(".")
    if dot and section in _OPEN:
        return
    loop = set(Policy.model_fields) - {"preset", "budget", "rewriters"}
    known = [*DEFAULTS, *(f"loop.{f}" for f in loop), *(f"budget.{f}" for f in Budget.model_fields)]
    if key not in known:
        raise ConfigError(f"unknown setting {key!r} from {source}{did_you_mean(key, known)}")
