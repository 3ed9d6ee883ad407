"""`rr-refine doctor`: what is installed, what is reachable, what would run."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, TypeAlias

from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.policy import Policy
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.options import SettingsOptions
from rr_refine.cli.profile import load_profile, why_no_key, why_too_small
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import say, short
from rr_refine.component import connected, layers, prices_of, told_by
from rr_refine.errors import ConfigError, RefineError
from rr_refine.generators.generator import Generator
from rr_refine.hub import is_hub_id
from rr_refine.retries import without_retries
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence
from rr_refine.reward.model_hub import is_cached
from rr_refine.reward.vllm_command import find_vllm
from rr_refine.torch_build import is_cpu_build

__all__ = ["doctor"]

_BASE: Final = ("langgraph", "pydantic", "pillow", "openai")
_LOCAL: Final = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors")


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was checked."""

    mark: Literal["ok", "no", "--"]
    """`ok`, `no` (a run with these settings would fail), or `--` (not there, not needed)."""
    what: str
    found: str


def doctor(*, options: SettingsOptions = SettingsOptions()) -> int:
    """Check what is installed, what can be reached, and what would run with these settings.

    Exit code 1 if a run with these settings would fail.
    """
    from rr_refine.cli.job import policy_from, require_own_keys

    settings = options.read({})
    try:
        policy = policy_from(settings)
    except ConfigError:  # told below
        policy = Policy()
    require_own_keys(settings, policy)
    failed = False
    with without_retries():
        for finding in _findings(settings):
            failed |= finding.mark == "no"
            say(f"{finding.mark:<3} {finding.what:<14} {short(finding.found, 1000)}")
    return FAILED if failed else DONE


def _findings(settings: Settings) -> Iterator[Checked]:
    yield Checked("ok", "python", f"{platform.python_version()} on {platform.system()}")
    yield from _packages(_BASE, needed=True)
    yield from _packages(_LOCAL, needed=False)  # a part that needs them says so below
    yield _device()
    yield from _machine(settings)
    yield _vllm()
    yield from _parts(settings)
    yield _out(settings)


def _packages(names: tuple[str, ...], *, needed: bool) -> Iterator[Checked]:
    for name in names:
        try:
            yield Checked("ok", name, version(name))
        except PackageNotFoundError:
            extra = "[local]" if name in _LOCAL else ""
            how = f"not installed: pip install 'rr-refine{extra}'"
            yield Checked("no" if needed else "--", name, how)


def _device() -> Checked:
    if is_cpu_build():
        return Checked("--", "device", f"torch for the CPU alone; {os.cpu_count()} cores")
    try:
        import torch
    except ImportError:
        return Checked("--", "device", "no torch")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Checked("ok", "device", ", ".join(names))
    if torch.accelerator.is_available():
        return Checked("ok", "device", str(torch.accelerator.current_accelerator()))
    return Checked("--", "device", f"no GPU; CPU with {os.cpu_count()} cores")


def _machine(settings: Settings) -> Iterator[Checked]:
    """Whether the machine fits the profile, and what has to be started on it."""
    if settings.values["profile"] is None:
        return
    profile = load_profile(settings.text("profile"))
    why = why_too_small(profile)
    yield Checked("no" if why else "ok", "machine", why or f"fit for profile {profile.name}")
    if lacking := why_no_key(profile, settings):
        yield Checked("no", "key", lacking)
    for command in profile.machine.start:
        yield Checked("--", "start first", command)


def _vllm() -> Checked:
    try:
        command = find_vllm()
    except ConfigError as error:
        return Checked("--", "vllm", str(error))
    return Checked("ok", "vllm", f"{command.version or ''} {' '.join(command.prefix)}".strip())


def _parts(settings: Settings) -> Iterator[Checked]:
    """Generator, critic and the rest of the loop: each is made and connected."""
    from rr_refine.cli.job import (
        import_rules,
        make_critic,
        make_evidence,
        make_generator,
        make_intent_check,
        make_rewriters,
        policy_from,
    )

    generator: Generator | None = None
    critic: Critic | None = None
    try:
        generator = make_generator(settings)
        yield from _prices(settings, "generator", generator)
        asyncio.run(_reach(generator))
        tasks = " and ".join(sorted(generator.tasks, reverse=True))
        yield from _found("generator", generator, f": {tasks}")
    except RefineError as error:
        yield Checked("no", "generator", str(error))
    try:
        critic = make_critic(settings)
        yield from _prices(settings, "critic", critic)
        asyncio.run(_reach(critic))
        yield from _found("critic", critic)
    except RefineError as error:
        yield Checked("no", "critic", str(error))
    try:
        for part in make_evidence(settings):
            asyncio.run(_reach(part))
            yield from _found("evidence", part)
    except RefineError as error:
        yield Checked("no", "evidence", str(error))
    if generator is None or critic is None:
        return
    try:
        policy = policy_from(settings)
        import_rules(settings, policy)
        rewriters = make_rewriters(settings, policy, generator, critic)
        for rewriter in rewriters:
            yield from _prices(settings, "rewriters", rewriter)
        check = make_intent_check(settings, generator, critic)
        asyncio.run(_reach(*rewriters, check))
    except RefineError as error:
        yield Checked("no", "rewriters", str(error))
        return
    yield Checked("ok", "rewriters", ", ".join(map(_named, rewriters)))
    for rewriter in rewriters:
        for text in told_by(rewriter):
            yield Checked("ok", "rewriters", text)
    if check is not None:
        yield from _found("intent check", check)
    yield Checked("ok", "policy", f"preset {policy.preset}, {policy.budget.rounds} rounds at most")


def _prices(settings: Settings, what: str, part: object) -> Iterator[Checked]:
    """What a part's services take; without a price no budget can be kept."""
    limited = settings.values.get("budget.usd") is not None
    unknown: Literal["no", "--"] = "no" if limited else "--"
    for price in prices_of(part, own=limited):
        yield Checked("ok" if price.bounded else unknown, what, price.words)


async def _reach(*components: object) -> None:
    async with connected(components):
        pass


_Part: TypeAlias = Generator | Critic | Evidence | Rewriter | IntentCheck


def _found(what: str, part: _Part, more: str = "") -> Iterator[Checked]:
    """A part, and what it has to tell once it is connected."""
    yield Checked("ok", what, _named(part) + more)
    name = part.identity.name
    is_there = "/" not in name or not is_hub_id(name) or is_cached(name, os.environ)
    *_, innermost = layers(part)
    if not (is_there or hasattr(innermost, "connect")):  # one that connects has been asked
        yield Checked("--", what, f"{name} is not on this machine: it is fetched when it is used")
    for text in told_by(part):
        yield Checked("ok", what, text)


def _named(part: _Part) -> str:
    return f"{part.identity.kind} ({part.identity.name})"


def _out(settings: Settings) -> Checked:
    from rr_refine.cli.job import out_folder

    try:
        out = out_folder(settings)
    except ConfigError as error:
        return Checked("no", "runs", str(error))
    there = next(p for p in (out, *out.resolve().parents) if p.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return Checked("no", "runs", f"{out} cannot be written")
    free = shutil.disk_usage(there).free / 2**30
    return Checked("ok", "runs", f"{out}, {free:.0f} GiB free")
