"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter, Token

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rr_refine.cli.settings import Settings

__all__ = [
    "SETTINGS",
    "AtOnce",
    "Count",
    "DisplayOptions",
    "Flag",
    "Folder",
    "Graphics",
    "Out",
    "SettingsOptions",
    "SomeOut",
    "Within",
]

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""A switch: given or not, without a `--no-` form."""


@dataclass(frozen=True, slots=True)
class Within:
    """Checks that a number on the command line is in a range, ends included."""

    least: int
    most: int

    def __call__(self, _: object, value: int | None) -> None:
        """Raises:
        ValueError: it is not; the command line names the option and the value.
        """
        if value is not None and value < self.least:
            raise ValueError(f"must be at least {self.least:,}")
        if value is not None and value > self.most:
            raise ValueError(f"must be at most {self.most:,}")


Count = Annotated[int, Parameter(validator=Within(1, 10**9))]
"""How many of something, such as the items of a benchmark."""
AtOnce = Annotated[int, Parameter(validator=Within(1, 10_000))]
"""How many go on at the same time, or are made of each: every one takes memory at once."""


def _folder(_: object, tokens: Sequence[Token]) -> Path:
    from rr_refine.named import require_path

    return require_path(tokens[0].value)  # as it is said: a `Path` writes `s3://` with one slash


Folder = Annotated[Path, Parameter(converter=_folder)]
"""A folder that is made; the address of a store is refused."""

_OUT = Parameter(name=["--out", "-o"], converter=_folder)
Out = Annotated[Path, _OUT]
SomeOut = Annotated[Path | None, _OUT]
"""A folder that is made, as `--out`; `SomeOut` where none need be given."""

Graphics = Literal["kitty", "iterm2", "sixel", "blocks", "none"]
"""How a terminal shows pictures. `blocks`: two pixels to a character cell, everywhere."""

SETTINGS = Group("Settings", sort_key=1)

_PROFILES = ", ".join(sorted(p.stem for p in Path(__file__).with_name("profiles").glob("*.toml")))


@Parameter(name="*", group=SETTINGS)
@dataclass(frozen=True, kw_only=True)
class SettingsOptions:
    """Where the settings come from.

    Attributes:
        model: A diffusers pipeline: hub id, folder or .safetensors file.
        generator: Generator by name or dotted path; comfyui is your own ComfyUI server.
        critic: Critic by name or dotted path.
        critic_url: Endpoint of an OpenAI-compatible critic, such as http://localhost:6868/v1.
        evidence: What measures the pictures: ocr reads their lettering. By name or dotted path.
        config: A TOML file, or the config.json of a run.
        set_: Any other setting, as key=value. May be given more than once.
        trust: Let the settings file of this folder, or of --config, name code and where keys go;
            remembered until it changes.
    """

    profile: Annotated[str | None, Parameter(help=f"Settings for a machine: {_PROFILES}.")] = None
    model: str | None = None
    generator: str | None = None
    critic: str | None = None
    critic_url: str | None = None
    evidence: Annotated[list[str] | None, Parameter(negative=())] = None
    config: Path | None = None
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None
    trust: Flag = False

    def read(self, flags: Mapping[str, JsonValue], *, project: bool = True) -> Settings:
        """The settings with every layer applied.

        Args:
            flags: the command's own options, by dotted key; None is left out.
            project: whether the file of the folder that we are in is read.

        Raises:
            ConfigError: see `read_settings`.
        """
        from rr_refine.cli.settings import read_settings

        given = self.given(flags)
        return read_settings(self.config, given, trusted=self.trust, project=project)

    def given(self, flags: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """What the command line says, by dotted key.

        Args:
            flags: the command's own options, by dotted key; None is left out.

        Raises:
            ConfigError: a `--set` is no assignment.
        """
        from rr_refine.cli.settings import split_assignment

        given: dict[str, JsonValue] = {}
        if self.model is not None:
            given |= {"generator.use": "diffusers", "generator.model": self.model}
        if self.critic_url is not None:
            given |= {"critic.use": "openai", "critic.base_url": self.critic_url}
        named: dict[str, JsonValue] = {
            "profile": self.profile,
            "generator.use": self.generator,
            "critic.use": self.critic,
            "evidence.use": None if self.evidence is None else list(self.evidence),
            **flags,
        }
        given |= {key: value for key, value in named.items() if value is not None}
        return given | dict(split_assignment(text) for text in self.set_ or ())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DisplayOptions:
    """How a run is shown, and whether it asks.

    Attributes:
        auto: Never pause for review: accept every new prompt.
        json: Events as NDJSON on stdout.
        plain: Plain lines instead of the live view.
        pictures: How the live view shows pictures; detected by default.
    """

    auto: Flag = False
    json: Flag = False
    plain: Flag = False
    pictures: Graphics | None = None
