"""The live view: finished things scroll up and stay, what is going on stays at the bottom.

It holds no raw mode, turns no echo off and never hides the cursor: a process that is killed has
nothing to put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, RLock, Thread
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rr_refine.agent.events import (
    Decided,
    Judged,
    Rendered,
    ReviewRequested,
    Rewritten,
    RoundStarted,
    RunFinished,
    StepDone,
)
from rr_refine.agent.events import Event as RunEvent
from rr_refine.agent.history import Proposal
from rr_refine.agent.policy import Policy
from rr_refine.cli.display import Display
from rr_refine.cli.lines import lines_of
from rr_refine.cli.live.blocks import beside, candidate_block, labelled, prompt_change
from rr_refine.cli.live.graphics import Graphics
from rr_refine.cli.live.status import Stage, Status
from rr_refine.cli.live.thumbnail import Thumbnail, read_thumbnail
from rr_refine.cli.text import short

__all__ = ["LiveView"]

_FRAMES: Final = 4  # per second
_SHOWN: Final = 4  # candidates at the bottom
_BAR: Final = 24  # cells


class LiveView(Display):
    """A display of events for a terminal of 60 columns or more.

    Args:
        policy: of the run, for what is left of its budget.
        graphics: how pictures are shown.
        console: where.
    """

    def __init__(self, policy: Policy, graphics: Graphics, console: Console) -> None:
        self._console = console
        self._graphics = graphics
        self._status = Status(policy)
        self._rendered: dict[str, Rendered] = {}
        self._judged: dict[str, Judged] = {}
        self._rewritten: Rewritten | None = None
        self._told = ""  # the prompt whose changes were shown last
        self._doing = "starting"
        # Rich's own thread draws between another's look at the cursor and its printing.
        self._lock = RLock()
        self._ended = Event()
        self._ticker = Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._go_on()
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._ticker.join()
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal is somebody else's for a while."""
        with self._lock:
            self._live.stop()
        try:
            yield
        finally:
            self._go_on()

    def show(self, event: RunEvent) -> None:
        """Take an event in; print what is finished."""
        with self._lock:
            self._show(event)

    def _show(self, event: RunEvent) -> None:
        self._status.follow(event)
        match event:
            case StepDone():
                return
            case Rendered():
                self._rendered[event.candidate] = event
            case Judged():
                self._judged[event.candidate] = event
            case Rewritten():
                self._rewritten = event
            case RoundStarted():
                self._show_round(event)
            case ReviewRequested(request=question):
                best = question.incumbent
                self._show_prompt(best.prompt if best else question.original, question.proposal)
            case Decided():
                self._print(self._candidate(event), Text())
                self._doing = "rewriting the prompt"
            case RunFinished():
                self._doing = ""
                self._live.refresh()  # nothing goes on any more
                self._print(self._result(event), Text())
            case _:
                self._say(*lines_of(event))

    def _go_on(self) -> None:
        with self._lock:
            # A new one, which knows nothing of the lines that the last one drew.
            self._live = Live(
                console=self._console,
                get_renderable=self._bottom,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
            )
            self._live.start()
            self._console.show_cursor(True)  # hidden by rich, and `kill -9` would leave it so

    def _tick(self) -> None:
        while not self._ended.wait(1 / _FRAMES):
            with self._lock:
                if self._live.is_started:
                    self._live.refresh()

    def _print(self, *blocks: RenderableType) -> None:
        self._console.print(Group(*blocks))

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._print(labelled(line))

    def _show_round(self, event: RoundStarted) -> None:
        (line,) = lines_of(event)
        self._print(Text(line, "bold"))
        rewritten, self._rewritten = self._rewritten, None
        if rewritten is None or event.prompt == self._told:
            return
        if event.prompt == rewritten.proposal.prompt:
            self._show_prompt(rewritten.previous, rewritten.proposal)
        else:  # edited in review
            self._print(prompt_change(rewritten.previous, event.prompt))

    def _show_prompt(self, previous: str, proposal: Proposal) -> None:
        self._print(prompt_change(previous, proposal.prompt))
        if proposal.why:
            self._say(f"  because  {short(proposal.why)}")
        self._told = proposal.prompt

    def _candidate(self, event: Decided) -> RenderableType:
        rendered = self._rendered.pop(event.candidate, None)
        judged = self._judged.pop(event.candidate, None)
        thumbnail = None if rendered is None else self._thumbnail(rendered.path)
        return candidate_block(event, rendered, judged, thumbnail)

    def _result(self, event: RunFinished) -> RenderableType:
        thumbnail = None if event.result is None else self._thumbnail(event.result)
        lines = [labelled(line) for line in lines_of(event)]
        if event.best is not None:
            lines.append(labelled(f"prompt     {short(event.best.prompt, 400)}"))
        return beside(thumbnail, lines)

    def _thumbnail(self, path: str) -> Thumbnail | None:
        width = self._console.width
        if width < 60:  # it was made narrower on the way
            return None
        columns, rows = (20, 10) if width >= 100 else (16, 8)
        return read_thumbnail(path, columns, rows, self._graphics)

    def _bottom(self) -> RenderableType:
        """What is going on, what is the best so far, and what is left."""
        status = self._status
        stages = list(status.stages.items())
        lines = [self._stage(name, stage) for name, stage in stages[:_SHOWN]]
        if len(stages) > _SHOWN:
            lines.append(Text(f"and {len(stages) - _SHOWN} more", "dim"))
        if not stages and self._doing:
            lines.append(Text(self._doing))
        if self._doing:
            lines.append(Text(" · ".join(self._left()), "dim"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)

    def _stage(self, name: str, stage: Stage) -> Text:
        text = Text(f"{name:<6} {stage.name:<9} ")
        if stage.name == "rendering" and stage.steps:
            full = round(_BAR * stage.step / stage.steps)
            text.append("━" * full, "cyan").append("─" * (_BAR - full), "dim")
            return text.append(f" {stage.step}/{stage.steps}")
        return text.append(_minutes(self._status.clock() - stage.since), "dim")

    def _left(self) -> Iterator[str]:
        status = self._status
        yield f"round {status.round + 1}/{status.policy.budget.rounds}"
        if status.best is not None and status.best in status.means:
            yield f"best {status.best} {status.means[status.best]:.2f}"
        yield from status.budget_left
        yield f"{_minutes(status.seconds)} so far"
        if (left := status.seconds_left) is not None:
            yield f"at most {_minutes(left)} left"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
