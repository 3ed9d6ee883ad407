"""The main command: settings in, a run out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rr_refine.cli.exits import DONE
from rr_refine.cli.settings import Settings, read_settings
from rr_refine.cli.table import settings_table
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

__all__ = ["refine_command"]


def refine_command(
    prompt: str | None,
    image: Path | None,
    config: Path | None,
    flags: Mapping[str, JsonValue],
    *,
    dry_run: bool,
    as_json: bool,
    auto: bool,
) -> int:
    """Run, or with `dry_run` only check.

    Args:
        auto: has no effect yet beyond saying so in scripts: this command line never pauses.
    """
    del auto
    settings = read_settings(config, flags)
    words = _prompt_from_pipe() if prompt is None else prompt

    from rr_refine.agent.refine import folder_for
    from rr_refine.cli.job import job_from

    job = job_from(settings, words, image)
    if dry_run:
        print("\n".join(settings_table(settings)))
        return DONE
    _say_fakes(settings)

    from rr_refine.cli.work import work

    out = Path(settings.text("out"))
    return work(job, lambda: folder_for(job, out), as_json=as_json)


def _prompt_from_pipe() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError('give a prompt, such as rr-refine "a red fox in fresh snow"; see --help')
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError:
        known = sys.stdin.encoding.upper()
        raise ConfigError(f"standard input holds bytes that are no text: is it {known}?") from None


def _say_fakes(settings: Settings) -> None:
    """A stand-in must never pass for a model."""
    fakes = [part for part in ("generator", "critic") if settings.values[f"{part}.use"] == "fake"]
    if fakes:
        print(
            f"note: the {' and the '.join(fakes)} in use "
            f"{'are stand-ins' if len(fakes) > 1 else 'is a stand-in'} without a model; for real "
            "ones give --model and --critic-url (rr-refine doctor tells what is there)",
            file=sys.stderr,
        )
