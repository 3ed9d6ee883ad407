"""`rr-refine doctor`: what is installed, what is reachable, what would run."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

from rr_refine import defaults
from rr_refine.cli.exits import DONE, FAILED, guarded
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import short
from rr_refine.component import connected
from rr_refine.errors import ConfigError, RefineError

__all__ = ["doctor"]

_BASE: Final = ("langgraph", "pydantic", "pillow", "openai")
_LOCAL: Final = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    mark: Literal["ok", "no", "--"]
    """`ok`, `no` (a run with these settings would fail), or `--` (not there, not needed)."""
    what: str
    found: str


def doctor(*, profile: str | None = None, config: Path | None = None) -> int:
    """Look at what is installed, what is reachable, and what would run with these settings.

    Exit code 1 if a run with these settings would fail.

    Args:
        profile: Settings for a machine: sketch, laptop, gpu-24, gpu-80 or gpu-2.
        config: A TOML file, or the config.json of a run.
    """
    return guarded(lambda: _doctor(profile, config))


def _doctor(profile: str | None, config: Path | None) -> int:
    from rr_refine.cli.settings import read_settings

    settings = read_settings(config, {} if profile is None else {"profile": profile})
    failed = False
    for finding in _findings(settings):
        failed |= finding.mark == "no"
        print(f"{finding.mark:<3} {finding.what:<14} {short(finding.found, 300)}", flush=True)
    return FAILED if failed else DONE


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.system()}")
    yield from _packages(_BASE, needed=True)
    local = settings.values["generator.use"] in ("diffusers", defaults.GENERATOR)
    local |= settings.values["critic.use"] in ("transformers", defaults.CRITIC)
    yield from _packages(_LOCAL, needed=local)
    yield _device()
    yield from _machine(settings)
    yield _vllm()
    yield _generator(settings)
    yield _critic(settings)
    yield from _rewriters(settings)
    yield _out(settings)


def _packages(names: tuple[str, ...], *, needed: bool) -> Iterator[Finding]:
    for name in names:
        try:
            yield Finding("ok", name, version(name))
        except PackageNotFoundError:
            extra = "[local]" if name in _LOCAL else ""
            how = f"not installed: pip install 'rr-refine{extra}'"
            yield Finding("no" if needed else "--", name, how)


def _device() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("--", "device", "no torch")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("ok", "device", ", ".join(names))
    if torch.accelerator.is_available():
        return Finding("ok", "device", str(torch.accelerator.current_accelerator()))
    return Finding("--", "device", f"no GPU; CPU with {os.cpu_count()} cores")


def _machine(settings: Settings) -> Iterator[Finding]:
    """Whether it is what the profile was made for, and what has to run on it."""
    from rr_refine.cli.profile import load_profile, why_too_small

    if settings.values["profile"] is None:
        return
    profile = load_profile(settings.text("profile"))
    why = why_too_small(profile)
    yield Finding("no" if why else "ok", "machine", why or f"fit for profile {profile.name}")
    if profile.machine.start:
        yield Finding("--", "start first", profile.machine.start)


def _vllm() -> Finding:
    from rr_refine.reward.vllm_command import find_vllm

    try:
        command = find_vllm()
    except ConfigError as error:
        return Finding("--", "vllm", str(error))
    return Finding("ok", "vllm", f"{command.version or ''} {' '.join(command.prefix)}".strip())


def _generator(settings: Settings) -> Finding:
    from rr_refine.cli.job import make_generator

    try:
        generator = make_generator(settings)
        asyncio.run(_reach([generator]))
        tasks = " and ".join(sorted(generator.tasks, reverse=True))
        found = f"{generator.identity.kind} {generator.identity.name}: {tasks}"
    except RefineError as error:
        return Finding("no", "generator", str(error))
    return Finding("ok", "generator", found)


def _critic(settings: Settings) -> Finding:
    from rr_refine.cli.job import make_critic

    try:
        critic = make_critic(settings)
        asyncio.run(_reach([critic]))
        found = f"{critic.identity.kind} {critic.identity.name}"
    except RefineError as error:
        return Finding("no", "critic", str(error))
    return Finding("ok", "critic", found)


async def _reach(components: Iterable[object]) -> None:
    async with connected(components):
        pass


def _rewriters(settings: Settings) -> Iterator[Finding]:
    from rr_refine.cli.job import (
        make_critic,
        make_generator,
        make_intent_check,
        make_rewriters,
        policy_from,
    )

    try:
        policy = policy_from(settings)
        generator, critic = make_generator(settings), make_critic(settings)
        rewriters = make_rewriters(settings, policy, generator, critic)
        check = make_intent_check(settings, generator, critic)
        asyncio.run(_reach((*rewriters, check)))
    except RefineError as error:
        yield Finding("no", "rewriters", str(error))
        return
    names = ", ".join(f"{r.identity.kind} ({r.identity.name})" for r in rewriters)
    yield Finding("ok", "rewriters", names)
    if check is not None:
        yield Finding("ok", "intent check", f"{check.identity.kind} ({check.identity.name})")
    yield Finding("ok", "policy", f"preset {policy.preset}, {policy.budget.rounds} rounds at most")


def _out(settings: Settings) -> Finding:
    out = Path(settings.text("out"))
    there = next(p for p in (out, *out.resolve().parents) if p.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return Finding("no", "runs", f"{out} cannot be written")
    free = shutil.disk_usage(there).free / 2**30
    return Finding("ok", "runs", f"{out}, {free:.0f} GiB free")
