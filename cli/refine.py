"""The main command: settings in, a run out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from rr_refine.agent.job import Job
from rr_refine.agent.run_context import folder_for
from rr_refine.cli.config import settings_table
from rr_refine.cli.exits import DONE
from rr_refine.cli.job import job_from, out_folder, policy_from, require_own_keys
from rr_refine.cli.layers import COMMAND_LINE
from rr_refine.cli.notes import say_addresses
from rr_refine.cli.options import DisplayOptions
from rr_refine.cli.profile import load_profile, why_no_key, why_too_small
from rr_refine.cli.runner import run, why_not_ask
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import plain, say, tell
from rr_refine.component import ask_both, notice_of, outsiders, takes, told_by, unknown_to
from rr_refine.errors import ConfigError
from rr_refine.real_models import WAYS
from rr_refine.wanted_text import wanted_texts

_TAKEN: Final = {"width": "size", "height": "size", "negative_prompt": "negative prompt"}
"""Parameters with an option of their own."""

__all__ = ["begin", "refine_command", "say_models"]


def refine_command(
    settings: Settings,
    prompt: str | None,
    images: Sequence[Path],
    display: DisplayOptions,
    *,
    dry_run: bool,
) -> int:
    """Run, or with `dry_run` only check."""
    if settings.values.get("loop.review") is True and (why := why_not_ask(display)):
        settings.apply({"loop.review": False}, why)
    words = _prompt_from_pipe() if prompt is None else prompt
    if dry_run and settings.code:
        table = list(settings_table(settings))
        require_own_keys(settings, policy_from(settings))
        say(*table)
        key, code, file = settings.code[0]
        _note(
            f"the parts were not made, so their options and the prompt are not checked: a dry run "
            f"runs no code that a file names, such as {key} = {plain(repr(code))} of {plain(file)}"
        )
        return DONE
    out = out_folder(settings)
    job = job_from(settings, words, images)
    _require_taken(settings, job)
    if dry_run:
        say(*settings_table(settings))
        for text in told_by(job.generator):
            _note(f"generator: {plain(text)}")
        _say_machine(settings)
        return DONE
    return begin(settings, job, out, display)


def begin(settings: Settings, job: Job, out: Path, display: DisplayOptions) -> int:
    """Run a job in a folder of `out`; gives the exit code.

    Raises:
        ConfigError: a key that the profile needs is not there.
    """
    if settings.values["profile"] is not None:
        profile = load_profile(settings.text("profile"))
        if why := why_no_key(profile, settings):
            raise ConfigError(why)
    private = settings.flag("private")
    say_models(settings, job)
    return run(job, lambda: folder_for(job, out, private=private), display)


def _require_taken(settings: Settings, job: Job) -> None:
    """See that the generator takes the size or the negative prompt of the command line.

    One that does not say what it takes refuses what it does not take, in its own words.

    Raises:
        ConfigError: it does not.
    """
    for name, what in _TAKEN.items():
        given = settings.sources.get(f"parameters.{name}") == COMMAND_LINE
        if given and (known := takes(job.generator)) and name not in known:
            raise ConfigError(
                f"the generator {job.generator.identity.name!r} takes no {what}: leave out "
                f"--{name.partition('_')[0]}"
            )


def _say_machine(settings: Settings) -> None:
    """Say what this machine lacks for the profile, and what has to be started beside it."""
    if settings.values["profile"] is None:
        return
    profile = load_profile(settings.text("profile"))
    for why in filter(None, (why_too_small(profile), why_no_key(profile, settings))):
        _note(why)
    for command in profile.machine.start:
        _note(f"start first: {command}")


def _prompt_from_pipe() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError('give a prompt, such as rr-refine "a red fox in fresh snow"; see --help')
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError:
        known = sys.stdin.encoding.upper()
        raise ConfigError(f"standard input holds bytes that are no text: is it {known}?") from None


def say_models(settings: Settings, job: Job) -> None:
    """Say what everybody should know of the models in use, and which words they do not know."""
    say_addresses(settings)
    used = {part: settings.values[f"{part}.use"] for part in ("generator", "critic")}
    # A stand-in must never pass for a model.
    fakes = [part for part, name in used.items() if name == "fake"]
    if fakes:
        _note(
            f"the {' and the '.join(fakes)} in use "
            f"{'are stand-ins' if len(fakes) > 1 else 'is a stand-in'} without a model; for real "
            "ones give --model and --critic-url (rr-refine doctor tells what is there)"
        )
    for parts, notice in ask_both(notice_of, job.generator, job.critic):
        _note(f"{parts}: {plain(notice)}")
    if not job.evidence and any(one.sure for one in wanted_texts(job.request.prompt)):
        _note("the lettering is judged by the critic alone; --evidence ocr reads it as well")
    if outsiders(job.generator, job.critic, job.request, *job.sources[:1]):
        return  # the run tells it
    ask = partial(unknown_to, request=job.request)
    for parts, words in ask_both(ask, job.generator, job.critic):
        shown = ", ".join(map(repr, words[:5])) + (", …" if len(words) > 5 else "")
        know = "do not know" if " and " in parts else "does not know"
        _note(
            f"{parts} {know} {shown}, so no picture passes as all that was asked for; "
            "for pictures of anything:",
            *(f"  {way}" for way in WAYS),
        )


def _note(text: str, *more: str) -> None:
    tell(f"note: {text}", *more)
