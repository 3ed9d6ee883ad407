"""What made a run, as its report shows it: parts, sessions, versions.

The records may be of an older version or of somebody else: what they lack is left out or unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

__all__ = ["Maker", "RunProvenance", "Session", "provenance_of"]

_UNKNOWN: Final = "unknown"
_LATEST: Final = 253_402_300_799.0
"""The end of the year 9999, seconds since the epoch: later times have no date."""


@dataclass(frozen=True, slots=True)
class Maker:
    """A generator or a critic."""

    kind: str
    name: str
    details: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Session:
    """A time in which the run was at work, seconds since the epoch."""

    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class RunProvenance:
    """Everything that could have changed the outcome."""

    generator: Maker
    critic: Maker
    sessions: tuple[Session, ...]
    versions: tuple[tuple[str, str], ...]
    hardware: tuple[tuple[str, str], ...]
    identity: str
    """Digest of the configuration."""


def provenance_of(
    config: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]
) -> RunProvenance:
    """What config and manifest of a run tell about it."""
    sessions = manifest.get("sessions")
    return RunProvenance(
        generator=_maker(config.get("generator")),
        critic=_maker(config.get("critic")),
        sessions=tuple(
            Session(started, _time(one.get("ended")))
            for one in (sessions if isinstance(sessions, list) else ())
            if isinstance(one, dict) and (started := _time(one.get("started"))) is not None
        ),
        versions=_pairs(manifest.get("versions")),
        hardware=_pairs(manifest.get("hardware")),
        identity=_text(manifest.get("identity")),
    )


def _maker(identity: JsonValue) -> Maker:
    found = identity if isinstance(identity, dict) else {}
    details = found.get("details")
    return Maker(
        kind=_text(found.get("kind")),
        name=_text(found.get("name")),
        details=details if isinstance(details, dict) else {},
    )


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else _UNKNOWN


def _time(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LATEST else None


def _pairs(table: JsonValue) -> tuple[tuple[str, str], ...]:
    found = table if isinstance(table, dict) else {}
    return tuple((name, str(value)) for name, value in found.items() if value is not None)
