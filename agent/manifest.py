"""The manifest and the config of a run folder: what was asked, with what, on what, how it went."""

from __future__ import annotations

import platform
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, Literal

from pydantic import JsonValue

from rr_refine.agent.store.folder import RunFolder
from rr_refine.digest import digest
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from rr_refine.agent.session import Job

__all__ = ["RunStatus", "check_config", "config_of", "identity_of", "versions", "write_manifest"]

RunStatus = Literal["running", "waiting", "done", "failed", "interrupted"]

_PACKAGES: Final = (
    "rr-refine",
    "langgraph",
    "pydantic",
    "pillow",
    "openai",
    "torch",
    "diffusers",
    "transformers",
)


def config_of(job: Job) -> dict[str, JsonValue]:
    """What determines the run, nulls kept."""
    return {
        "request": job.request.model_dump(mode="json"),
        "policy": job.policy.model_dump(mode="json"),
        "generator": job.generator.identity.model_dump(mode="json"),
        "critic": job.critic.identity.model_dump(mode="json"),
        "rewriters": [r.identity.model_dump(mode="json") for r in job.rewriters],
        "intent_check": (
            None if job.intent_check is None else job.intent_check.identity.model_dump(mode="json")
        ),
        "settings": job.settings,
    }


def identity_of(config: dict[str, JsonValue]) -> str:
    """Digest of a configuration: two runs with the same one do the same work."""
    return digest(config)


def check_config(folder: RunFolder, job: Job) -> None:
    """Write the config of a new folder; hold a used folder to the config it was made with.

    Raises:
        ConfigError: the folder belongs to another job; names what differs.
    """
    config = config_of(job)
    earlier = folder.read_json("config.json")
    if earlier is None:
        folder.write_json("config.json", config)
        return
    if earlier == config:
        return
    assert isinstance(earlier, dict)
    differs = [key for key in config if config[key] != earlier.get(key)]
    raise ConfigError(
        f"run folder {str(folder.path)!r} was made with another {', '.join(differs) or 'version'}; "
        "resume it as it was, or give another folder"
    )


def write_manifest(folder: RunFolder, job: Job, status: RunStatus) -> None:
    """Write what is known now; called at the start and at the end of every session."""
    earlier = folder.read_json("manifest.json")
    sessions = earlier.get("sessions", []) if isinstance(earlier, dict) else []
    assert isinstance(sessions, list)
    if status == "running":
        sessions = [*sessions, {"started": time.time()}]
    else:
        last = sessions[-1]
        assert isinstance(last, dict)
        sessions = [*sessions[:-1], {**last, "ended": time.time(), "status": status}]
    manifest: dict[str, JsonValue] = {
        "status": status,
        "identity": identity_of(config_of(job)),
        "sessions": sessions,
        "generator": job.generator.identity.model_dump(mode="json"),
        "critic": job.critic.identity.model_dump(mode="json"),
        "seed": job.request.seed,
        "versions": versions(),
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
    }
    folder.write_json("manifest.json", manifest)


@cache
def versions() -> dict[str, JsonValue]:
    """Those of the packages that pictures and judgements depend on; None where not installed."""
    found: dict[str, JsonValue] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
