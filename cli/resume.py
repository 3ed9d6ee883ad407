"""`rr-refine resume DIR`: go on where a run was left."""

from __future__ import annotations

from pathlib import Path

from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.options import DisplayOptions
from rr_refine.cli.settings import read_settings
from rr_refine.errors import ConfigError

__all__ = ["resume"]


def resume(directory: Path, /, *, display: DisplayOptions = DisplayOptions()) -> int:
    """Go on with an unfinished run; nothing that was finished is done again.

    A run that failed is tried again; of a finished one the result is shown again.

    Components and settings are those of its config.json. Keys are read from the environment
    again: they are never written down.

    Args:
        directory: The run folder.
    """
    from rr_refine.cli.job import job_from
    from rr_refine.cli.runner import run, show_end, why_not_ask

    record = load_run(directory)
    if record.status == "done":
        return show_end(record, display)
    if not record.config.get("settings"):
        raise ConfigError(
            f"run {str(directory)!r} was made by a program, with components of its own; "
            "only that program can resume it (the same call of arefine() does)"
        )
    settings = read_settings(directory / "config.json", {}, resume=True)
    source = None
    if record.request.source is not None:
        with RunFolder(directory, lock=False) as folder:
            source = folder.load_image(record.request.source)
    job = job_from(settings, record.request.prompt, source)
    ask = job.policy.review and why_not_ask(display) is None
    return run(job, lambda: RunFolder(directory), display, ask=ask)
