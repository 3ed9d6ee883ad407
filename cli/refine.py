"""The main command: settings in, a run out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.cli.exits import DONE
from rr_refine.cli.live.graphics import Graphics
from rr_refine.cli.settings import Settings, read_settings
from rr_refine.cli.table import settings_table
from rr_refine.cli.terminal import is_attended
from rr_refine.cli.text import plain
from rr_refine.component import ask_both, notice_of, unknown_to
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from rr_refine.agent.session import Job  # langgraph

__all__ = ["refine_command", "say_models", "why_not_ask"]


def refine_command(
    prompt: str | None,
    image: Path | None,
    config: Path | None,
    flags: Mapping[str, JsonValue],
    *,
    dry_run: bool,
    as_json: bool,
    auto: bool,
    plain: bool,
    pictures: Graphics | None,
) -> int:
    """Run, or with `dry_run` only check.

    Args:
        auto: no review, whatever the settings say.
        plain: no live view.
        pictures: how the live view shows them; None finds out.
    """
    settings = read_settings(config, flags)
    if settings.values.get("loop.review") is True and (why := why_not_ask(as_json, auto)):
        settings.lay({"loop.review": False}, why)
    words = _prompt_from_pipe() if prompt is None else prompt

    from rr_refine.agent.refine import folder_for
    from rr_refine.cli.job import job_from

    job = job_from(settings, words, image)
    if dry_run:
        print("\n".join(settings_table(settings)))
        _say_machine(settings)
        return DONE
    say_models(settings, job)

    from rr_refine.cli.display import open_display
    from rr_refine.cli.work import work

    out = Path(settings.text("out"))
    display = open_display(job.policy, as_json=as_json, plain=plain, pictures=pictures)
    return work(job, lambda: folder_for(job, out), display, ask=True, as_json=as_json)


def _say_machine(settings: Settings) -> None:
    """Say what this machine lacks for the profile, and what has to be started beside it."""
    from rr_refine.cli.profile import load_profile, why_too_small

    if settings.values["profile"] is None:
        return
    profile = load_profile(settings.text("profile"))
    if why := why_too_small(profile):
        _note(why)
    if profile.machine.start:
        _note(f"start first: {profile.machine.start}")


def why_not_ask(as_json: bool, auto: bool) -> str | None:
    """Why a review cannot be put to anybody; None where it can. Says so unless it was asked for."""
    if auto:
        return "--auto"
    if not as_json and is_attended():
        return None
    why = "--json" if as_json else "no terminal"
    _note(f"no review ({why}): every new prompt is accepted as it comes")
    return why


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
    ask = partial(unknown_to, request=job.request)
    for parts, words in ask_both(ask, job.generator, job.critic):
        shown = ", ".join(map(repr, words[:5])) + (", …" if len(words) > 5 else "")
        know = "do not know" if " and " in parts else "does not know"
        _note(f"{parts} {know} {shown}; for pictures of anything, use models such as\n{_REAL}")


_REAL: Final = """\
  rr-refine serve TIGER-Lab/RationalRewards-8B-T2I        # on a machine with a GPU
  rr-refine "…" --model black-forest-labs/FLUX.1-dev --critic-url http://localhost:6868/v1"""


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
