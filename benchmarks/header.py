"""What a benchmark's folder is of: OUT/bench.json."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue, ValidationError, field_validator

from rr_refine.benchmarks.arms import read_policy
from rr_refine.benchmarks.item import MAX_RENDERS
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import read_file, replace_file
from rr_refine.terms import Identity, Record

__all__ = ["Header", "read_header", "require_same"]


class Header(Record):
    """What bench.json holds."""

    benchmark: str
    renders: int = Field(ge=1, le=MAX_RENDERS)
    curve: bool
    parameters: dict[str, JsonValue]
    generator: Identity
    critic: Identity
    arms: dict[str, dict[str, JsonValue]]
    """Their policies, who rewrites for them, what measures, and a critic of their own."""

    def critic_of(self, arm: str) -> Identity | None:
        """The arm's own critic, if it has one."""
        own = self.arms.get(arm, {}).get("critic")
        return None if own is None else Identity.model_validate(own)

    @field_validator("arms")
    @classmethod
    def _complete(cls, arms: dict[str, dict[str, JsonValue]]) -> dict[str, dict[str, JsonValue]]:
        """What older versions did not know of a policy has its default."""
        return {
            name: {**arm, "policy": read_policy(policy).model_dump(mode="json")}
            for name, arm in arms.items()
            if isinstance(policy := arm.get("policy"), dict)
        }


def read_header(out: Path) -> Header:
    """What bench.json says.

    Raises:
        ConfigError: there is none.
        StoreError: it cannot be read.
    """
    path = out / "bench.json"
    try:
        return Header.model_validate_json(read_file(path))
    except FileNotFoundError:
        raise ConfigError(f"{str(out)!r} holds no benchmark: there is no bench.json") from None
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


def require_same(out: Path, header: Header) -> None:
    """Write bench.json, or hold the folder to it; arms may join."""
    path = out / "bench.json"
    with raised_as(StoreError, f"{path} cannot be written"):
        earlier = read_header(out) if path.exists() else header
        arms = {**earlier.arms, **header.arms}
        differs = [
            name
            for name in Header.model_fields
            if name != "arms" and getattr(earlier, name) != getattr(header, name)
        ]
        differs += [f"arm {name!r}" for name, arm in earlier.arms.items() if arms[name] != arm]
        if differs:
            raise ConfigError(
                f"benchmark folder {str(out)!r} was made with another {', '.join(differs)}; "
                "go on as it was, or give another folder"
            )
        text = header.model_copy(update={"arms": arms}).model_dump_json(indent=1)
        replace_file(path, text.encode() + b"\n", durable=True)
