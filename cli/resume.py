"""`rr-refine resume DIR`: go on where a run was left."""

from __future__ import annotations

from pathlib import Path

from rr_refine.cli.exits import guarded
from rr_refine.cli.flag import Flag
from rr_refine.cli.live.graphics import Graphics

__all__ = ["resume"]


def resume(
    directory: Path,
    /,
    *,
    json: Flag = False,
    plain: Flag = False,
    pictures: Graphics | None = None,
    auto: Flag = False,
) -> int:
    """Go on with an unfinished run; nothing that was finished is done again.

    A run that failed is tried again; of a finished one the result is told again.

    Components and settings are those of its config.json. Keys are read from the environment
    again: they are never written down.

    Args:
        directory: The run folder.
        json: Events as NDJSON on stdout.
        plain: Plain lines in place of the live view.
        pictures: How the live view shows pictures; found out by default.
        auto: Never pause for review: accept every new prompt.
    """
    return guarded(lambda: _resume(directory, json, plain, pictures, auto))


def _resume(
    directory: Path, as_json: bool, plain: bool, pictures: Graphics | None, auto: bool
) -> int:
    from rr_refine.agent.run import load_run
    from rr_refine.agent.store.folder import RunFolder
    from rr_refine.cli.display import open_display
    from rr_refine.cli.job import job_from
    from rr_refine.cli.refine import why_not_ask
    from rr_refine.cli.settings import read_settings
    from rr_refine.cli.work import tell_end, work
    from rr_refine.errors import ConfigError

    run = load_run(directory)
    display = open_display(run.policy, as_json=as_json, plain=plain, pictures=pictures)
    if run.status == "done":
        return tell_end(directory, display, as_json=as_json)
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
    ask = job.policy.review and why_not_ask(as_json, auto) is None
    return work(job, lambda: RunFolder(directory), display, ask=ask, as_json=as_json)
