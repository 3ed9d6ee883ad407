"""Run a job in the terminal: show its events, and end cleanly whatever happens."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from rr_refine.agent.feasible import require_feasible
from rr_refine.agent.job import Job
from rr_refine.agent.refine import require_image
from rr_refine.agent.run import Run, open_run
from rr_refine.agent.session import Reviewer, run_job
from rr_refine.agent.state import Outcome
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.display import TOLD, Display, open_display
from rr_refine.cli.exits import DONE, FAILED, INTERRUPTED
from rr_refine.cli.job import needs_trust
from rr_refine.cli.options import DisplayOptions
from rr_refine.cli.reviewer import TerminalReviewer, accept_all
from rr_refine.cli.terminal import is_attended
from rr_refine.cli.text import quoted, say, tell
from rr_refine.component import connected
from rr_refine.errors import ConfigError, GeneratorError, RefineError

__all__ = ["run", "show_end", "why_not_ask"]


def run(
    job: Job, open_folder: Callable[[], RunFolder], options: DisplayOptions, *, ask: bool = True
) -> int:
    """Run the job in its folder; gives the exit code.

    Ctrl-C ends it at once, or after the current step of a model of this process; SIGTERM ends it
    after the current node. Either way the best image so far is the result, and the run can be
    resumed.

    Args:
        open_folder: called once the components are connected.
        ask: whether a policy with review asks at the terminal; else every proposal is accepted.
    """
    opened: list[Path] = []
    display = open_display(job.policy, options)
    reviewer = TerminalReviewer(display, opened) if ask else accept_all
    try:
        # Outside of the event loop: whatever ends that, the terminal is left as it was.
        with display.open():
            asyncio.run(_run(job, open_folder, opened, display, reviewer))
    except (KeyboardInterrupt, RefineError) as error:
        if not (opened and (opened[0] / "config.json").exists()):
            raise
        has_result = (opened[0] / "result.png").exists()
        if isinstance(error, ConfigError) and not has_result:
            raise  # not what an earlier session failed with
        _show_result(open_run(opened[0]), options, display)
        if isinstance(error, ConfigError):
            raise RefineError(str(error)) from error  # something ran, so it is no usage error
        raise
    return _show_result(open_run(opened[0]), options, display)


def show_end(run: Run, options: DisplayOptions) -> int:
    """Show again how a finished run ended; gives the exit code."""
    display = open_display(run.policy, options)
    with display.open():
        for event in run.events()[-1:]:
            display.show(run.here(event))
    return _show_result(run, options, display)


def why_not_ask(options: DisplayOptions) -> str | None:
    """Why nobody can be asked for a decision; None if somebody can.

    Prints a note, unless --auto was given.
    """
    if options.auto:
        return "--auto"
    if not options.json and is_attended():
        return None
    why = "--json" if options.json else "no terminal"
    tell(f"note: no review ({why}): every new prompt is accepted as it comes")
    return why


async def _run(
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
        await require_feasible(
            job.request, job.generator, job.critic, job.sources, lineage=job.lineage
        )
        with open_folder() as folder:
            opened.append(folder.path)
            session = run_job(folder, job, reviewer=reviewer, control=control)
            async with aclosing(session) as events:
                async for event in events:
                    display.show(event)


def _advice(outcome: Outcome) -> str:
    """What to do where resuming cannot help."""
    failure = outcome.candidates[-1].failure
    if failure is not None and failure.error == "GeneratorRefused":
        return "the generator refuses this prompt; change the prompt"
    return "to resume would bring the same error; change what it names, and start anew"


def _show_result(run: Run, options: DisplayOptions, display: Display) -> int:
    """Print where the result is; the paths are the last lines, on stdout.

    Raises:
        GeneratorError: there is none.
    """
    outcome, folder = run.outcome, quoted(run.path)
    if not options.json:
        report = run.report_path or f"not written; to see why: rr-refine report {folder}"
        tell(f"report     {report}")
    trust = " --trust" if needs_trust(run) else ""
    if outcome is None or outcome.can_go_on:
        why = trust and "  (it names code, a log, or where a key goes)"
        tell(f"not finished; go on with: rr-refine resume {folder}{trust}{why}")
    elif not outcome.ok:
        tell(f"not finished: {_advice(outcome)}")
    elif not options.json and run.best is not None:
        tell(f"another    rr-refine more {folder}{trust} --again  (or --vary 4, --say …, --edit …)")
    if outcome is not None:
        failure = run.candidates[0].failure if run.candidates else None
        if run.best is None and failure is not None and display.has_told(failure):
            raise failure.as_error(GeneratorError, f"{TOLD} (run folder: {run.path})")
        require_image(run)
    if not options.json:
        if run.result_path is not None:
            say(run.result_path)
        say(run.path)
    if outcome is None:
        return INTERRUPTED
    return DONE if outcome.ok else FAILED
