"""Work on a run: stream its events to the screen, and leave well whatever happens."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from rr_refine.agent.refine import require_image
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.session import Job, Reviewer, run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.display import Display
from rr_refine.cli.exits import DONE, FAILED, INTERRUPTED
from rr_refine.cli.reviewer import TerminalReviewer, accept_all
from rr_refine.component import connected
from rr_refine.errors import ConfigError, RefineError

__all__ = ["tell_end", "work"]


def work(
    job: Job, open_folder: Callable[[], RunFolder], display: Display, *, ask: bool, as_json: bool
) -> int:
    """Run the job in its folder; gives the exit code.

    Ctrl-C ends it at once, or where a model of this process is at work after its step; SIGTERM
    ends it after the node in progress. Either way the best image so far is the result, and the run
    can be resumed.

    Args:
        open_folder: called once the components are connected.
        ask: whether a policy with review asks at the terminal; else every proposal is accepted.
        as_json: whether standard output is all events.
    """
    opened: list[Path] = []
    reviewer = TerminalReviewer(display) if ask else accept_all
    try:
        # Outside of the event loop: whatever ends that, the terminal is left as it was.
        with display:
            asyncio.run(_work(job, open_folder, opened, display, reviewer))
    except (KeyboardInterrupt, RefineError) as error:
        if not (opened and (opened[0] / "config.json").exists()):
            raise
        _leave(opened[0], as_json)
        if isinstance(error, ConfigError) and (opened[0] / "result.png").exists():
            raise RefineError(str(error)) from error  # something ran, so it is no usage error
        raise
    return _leave(opened[0], as_json)


def tell_end(directory: Path, display: Display, *, as_json: bool) -> int:
    """Say again how a finished run ended; gives the exit code."""
    with display:
        for event in load_run(directory).events()[-1:]:
            display.show(event)
    return _leave(directory, as_json)


async def _work(
    job: Job,
    open_folder: Callable[[], RunFolder],
    opened: list[Path],
    display: Display,
    reviewer: Reviewer,
) -> None:
    from langgraph.runtime import RunControl

    control = RunControl()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, control.request_drain)
    async with connected(job.components):
        with open_folder() as folder:
            opened.append(folder.path)
            session = run_job(folder, job, reviewer=reviewer, control=control)
            async with aclosing(session) as events:
                async for event in events:
                    display.show(event)


def _leave(path: Path, as_json: bool) -> int:
    """Say where the result is; the paths are the last lines, on stdout."""
    run = load_run(path)
    outcome = run.outcome
    if not as_json:
        _tell_report(run)
    if outcome is None or not outcome.ok:
        how = f"rr-refine resume {shlex.quote(str(path))}"
        print(f"not finished; go on with: {how}", file=sys.stderr)
    if outcome is not None:
        require_image(run)
    if not as_json:
        _print_paths(run)
    if outcome is None:
        return INTERRUPTED
    return DONE if outcome.ok else FAILED


def _tell_report(run: Run) -> None:
    again = f"not written; to see why: rr-refine report {shlex.quote(str(run.path))}"
    print(f"report     {run.report_path or again}", file=sys.stderr)


def _print_paths(run: Run) -> None:
    if run.result_path is not None:
        print(run.result_path)
    print(run.path)
