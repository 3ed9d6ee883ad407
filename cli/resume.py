"""`rr-refine resume DIR`: go on where a run was left."""

from __future__ import annotations

from pathlib import Path

from rr_refine.cli.exits import guarded
from rr_refine.cli.flag import Flag

__all__ = ["resume"]


def resume(directory: Path, /, *, json: Flag = False) -> int:
    """Go on with an unfinished run; nothing that was finished is done again.

    A run that failed is tried again; of a finished one the result is told again.

    Components and settings are those of its config.json. Keys are read from the environment
    again: they are never written down.

    Args:
        directory: The run folder.
        json: Events as NDJSON on stdout.
    """
    return guarded(lambda: _resume(directory, as_json=json))


def _resume(directory: Path, *, as_json: bool) -> int:
    from rr_refine.agent.run import load_run
    from rr_refine.agent.store.folder import RunFolder
    from rr_refine.cli.job import job_from
    from rr_refine.cli.settings import read_settings
    from rr_refine.cli.work import tell_end, work
    from rr_refine.errors import ConfigError

    run = load_run(directory)
    if run.status == "done":
        return tell_end(directory, as_json=as_json)
    if not run.config.get("settings"):
        raise ConfigError(
            f"run {str(directory)!r} was made by a program, with components of its own; "
            "only that program can resume it (the same call of arefine() does)"
        )
    settings = read_settings(directory / "config.json", {}, resume=True)
    source = None
    if run.request.source is not None:
        with RunFolder(directory, lock=False) as folder:
            source = folder.load_image(run.request.source)
    job = job_from(settings, run.request.prompt, source)
    return work(job, lambda: RunFolder(directory), as_json=as_json)
