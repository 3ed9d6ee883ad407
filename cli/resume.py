"""`rr-refine resume DIR`: continue a run where it was left."""

from __future__ import annotations

from pathlib import Path

from rr_refine.agent.run import open_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.options import DisplayOptions, Flag

__all__ = ["resume"]


def resume(
    directory: Path, /, *, trust: Flag = False, display: DisplayOptions = DisplayOptions()
) -> int:
    """Continue an unfinished run; nothing that is finished is done again.

    A failed run is tried again; a finished one only shows its result again.

    Components and settings are those of its config.json. Keys are read from the environment
    again: they are never written down.

    Args:
        directory: The run folder.
        trust: Let its config.json name code, and where keys go; remembered until it changes.
    """
    from rr_refine.cli.job import job_again
    from rr_refine.cli.runner import run, show_end, why_not_ask

    record = open_run(directory)
    if record.status == "done":
        return show_end(record, display)
    job = job_again(record, trusted=trust)
    ask = job.policy.review and why_not_ask(display) is None
    return run(job, lambda: RunFolder(directory), display, ask=ask)
