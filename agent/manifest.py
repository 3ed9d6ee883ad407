"""The manifest and the config of a run folder: request, parts, machine, and how the run went."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import JsonValue, TypeAdapter

from rr_refine.agent.lineage import Lineage
from rr_refine.agent.store.folder import RunFolder
from rr_refine.digest import digest
from rr_refine.errors import ConfigError, StoreError
from rr_refine.revision import commit
from rr_refine.reward.messages import FACTS_DIGEST
from rr_refine.terms import Identity

if TYPE_CHECKING:
    from rr_refine.agent.job import Job

__all__ = [
    "RunStatus",
    "check_config",
    "config_of",
    "differences",
    "identity_of",
    "lineage_of",
    "run_id_of",
    "versions",
    "write_manifest",
]

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

_ADDED: Final[dict[str, dict[str, JsonValue]]] = {
    "policy": {"stop_rules": [], "evidence": True, "route": "auto"},
    "settings": {"intent.use": None, "evidence.use": None, "private": True, "max_megapixels": 100},
}
"""What older versions did not write, by section of the config: keys, with their values if unset."""

_ORIGIN: Final = ("run_id", "parent", "lineage")
"""Keys that say what a run is called and where it comes from, not what it does."""

_CHAIN: Final = TypeAdapter(list[Identity])


def config_of(job: Job) -> dict[str, JsonValue]:
    """What determines the run, nulls kept; and what it is called, if the caller chose that."""
    return {
        "run_id": job.run_id,
        "parent": job.parent,
        "lineage": None if job.lineage is None else job.lineage.model_dump(mode="json"),
        "request": job.request.model_dump(mode="json"),
        "policy": job.policy.model_dump(mode="json"),
        "generator": job.generator.identity.model_dump(mode="json"),
        "critic": job.critic.identity.model_dump(mode="json"),
        "rewriters": [r.identity.model_dump(mode="json") for r in job.rewriters],
        "intent_check": (
            None if job.intent_check is None else job.intent_check.identity.model_dump(mode="json")
        ),
        "evidence": (
            {
                "parts": [one.identity.model_dump(mode="json") for one in job.evidence],
                "told_to_the_critic": FACTS_DIGEST,
            }
            if job.evidence
            else None
        ),
        "settings": job.settings,
    }


def identity_of(config: Mapping[str, JsonValue]) -> str:
    """Digest of a configuration: runs that do the same work for the same parent have the same one.

    What the run is called has no part in it; nor has `outside`, which older versions did not write.
    """
    parent = config.get("parent")
    work = _without_outside(_work_of(config))
    return digest(work | ({} if parent is None else {"parent": parent}))


def run_id_of(config: Mapping[str, JsonValue], path: Path) -> str:
    """The id of the run in the folder `path`; without one it is called after the folder."""
    return str(config.get("run_id") or path.resolve().name)


def lineage_of(config: Mapping[str, JsonValue]) -> Lineage | None:
    """Which picture of which run it comes from, if that is known.

    Raises:
        pydantic.ValidationError: it is told in another form.
    """
    lineage = config.get("lineage")
    return None if lineage is None else Lineage.model_validate(lineage)


def check_config(folder: RunFolder, job: Job) -> None:
    """Write the config of a new folder; hold a used folder to the config it was made with.

    Raises:
        ConfigError: the folder belongs to another job; names what differs.
        StoreError: its config cannot be read.
    """
    config = config_of(job)
    earlier = folder.read_json("config.json")
    if earlier is None:
        folder.write_json("config.json", config | {"run_id": run_id_of(config, folder.path)})
        return
    if not isinstance(earlier, dict):
        raise StoreError(f"{str(folder.path / 'config.json')!r} is no configuration of a run")
    known = earlier | {"run_id": run_id_of(earlier, folder.path)}
    differs = differences(config, earlier)
    differs += [k for k in _ORIGIN if config[k] not in (None, known.get(k))]
    if differs:
        raise ConfigError(
            f"run folder {str(folder.path)!r} was made with another {', '.join(differs)}; resume "
            "it as it was, or give another folder"
        )


def differences(config: Mapping[str, JsonValue], earlier: Mapping[str, JsonValue]) -> list[str]:
    """What makes the work of one configuration other than that of an earlier one, by section."""
    work, before = (
        _work_of(c) | {"rewriters": _chain_of(c), "intent_check": _unversioned(c)}
        for c in (config, earlier)
    )
    if "intent_check" not in earlier:  # an older version, which had its check built in
        del work["intent_check"], before["intent_check"]
    if isinstance(asked := earlier.get("policy"), dict) and "outside" not in asked:
        work = _without_outside(work)
    differs = [key for key in config if work.get(key) != before.get(key)]
    return differs or ([] if work == before else ["version"])


def _work_of(config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What the work depends on, without what older versions did not write and is not set."""
    work: dict[str, JsonValue] = {
        k: v for k, v in config.items() if v is not None and k not in _ORIGIN
    }
    if isinstance(settings := work.get("settings"), dict):  # prices change nothing that is done
        work["settings"] = {k: v for k, v in settings.items() if ".price_" not in k}
    for section, unset in _ADDED.items():
        table = work.get(section)
        if isinstance(table, dict):
            work[section] = {k: v for k, v in table.items() if k not in unset or v != unset[k]}
    return work


def _without_outside(work: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """As older versions wrote it: what `outside` is unless set depends on the rest."""
    policy = work.get("policy")
    if not isinstance(policy, dict):
        return work
    return work | {"policy": {k: v for k, v in policy.items() if k != "outside"}}


def _chain_of(config: Mapping[str, JsonValue]) -> JsonValue:
    """The rewriters without their versions: they only propose prompts, so any version may go on."""
    return [_plain(one) for one in _CHAIN.validate_python(config.get("rewriters") or [])]


def _unversioned(config: Mapping[str, JsonValue]) -> JsonValue:
    """The intent check without its version, likewise: it only rejects prompts."""
    check = config.get("intent_check")
    return None if check is None else _plain(Identity.model_validate(check))


def _plain(part: Identity) -> dict[str, JsonValue]:
    details = {k: v for k, v in part.details.items() if k != "version"}
    return part.model_dump(mode="json") | {"details": details}


def write_manifest(folder: RunFolder, job: Job, status: RunStatus) -> None:
    """Write what is known now; called at the start and at the end of every session."""
    config = folder.read_json("config.json")
    if not isinstance(config, dict):
        raise StoreError(f"{str(folder.path / 'config.json')!r} is no configuration of a run")
    earlier = folder.read_json("manifest.json")
    sessions = earlier.get("sessions") if isinstance(earlier, dict) else None
    if not isinstance(sessions, list):
        sessions = []
    last = sessions[-1] if sessions else None
    if status == "running" or not isinstance(last, dict):
        sessions = [*sessions, {"started": time.time()}]
    else:
        sessions = [*sessions[:-1], {**last, "ended": time.time(), "status": status}]
    manifest: dict[str, JsonValue] = {
        "status": status,
        "run_id": run_id_of(config, folder.path),
        "parent": config.get("parent"),
        "lineage": config.get("lineage"),
        "identity": identity_of(config),
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
    """Those of the packages that pictures and judgements depend on, and the commit of this one.
    None where one is not installed, or not known.
    """
    found: dict[str, JsonValue] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    found["commit"] = commit()
    return found
