"""The live view: finished things scroll up and stay, what is going on stays at the bottom.

It holds no raw mode, turns no echo off and never hides the cursor: a process that is killed has
nothing to put back.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, RLock, Thread
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
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
from rr_refine.cli.lines import changes, lines_of, measured, weakest
from rr_refine.cli.live.status import Stage, Status
from rr_refine.cli.live.thumbnail import Thumbnail, read_thumbnail
from rr_refine.cli.options import Graphics
from rr_refine.cli.text import clean, short
from rr_refine.terms import SCORE_MAX, SCORE_MIN

__all__ = ["LiveView"]

_FRAMES: Final = 4  # per second
_ROWS: Final = 4  # candidates at the bottom
_STEPS: Final = 24  # cells of the bar of a render's steps
_SCORE: Final = 15  # cells of the bar of a score: a fifth of a point each
_GOOD: Final = 3.0
"""The paper's trigger: a dimension below it needs work."""
_CHANGE: Final = {"same": "", "dropped": "red strike", "added": "bold green underline"}
_LABEL: Final = 11  # columns of the labels of the plain display


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
        self._shown = ""  # the prompt whose changes were shown last
        self._doing = "starting"
        # Rich's own thread draws between another's look at the cursor and its printing.
        self._lock = RLock()
        self._ended = Event()
        self._ticker = Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._start()
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
        """Leave the terminal to somebody else for a while."""
        with self._lock:
            self._live.stop()
        try:
            yield
        finally:
            self._start()

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
            case Judged() if event.again:
                again = f"{event.candidate}  judged again, by revision {event.revision}"
                self._print(Group(Text(again, "bold"), *_judged_lines(event)), Text())
            case Judged():
                self._judged[event.candidate] = event
            case Rewritten():
                self._rewritten = event
            case RoundStarted():
                self._show_round(event)
            case ReviewRequested(request=question):
                best = question.incumbent
                self._show_prompt(best.prompt if best else question.request, question.proposal)
            case Decided():
                self._print(self._candidate(event), Text())
                self._doing = "rewriting the prompt"
            case RunFinished():
                self._doing = ""
                self._live.refresh()  # nothing goes on any more
                self._print(self._result(event), Text())
            case _:
                self._say(*lines_of(event))

    def _start(self) -> None:
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
            sys.stderr = clean(sys.stderr)  # what rich put there prints as it comes
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
            self._print(_labelled(line))

    def _show_round(self, event: RoundStarted) -> None:
        (line,) = lines_of(event)
        self._print(Text(line, "bold"))
        rewritten, self._rewritten = self._rewritten, None
        if rewritten is None or event.prompt == self._shown:
            return
        if event.prompt == rewritten.proposal.prompt:
            self._show_prompt(rewritten.previous, rewritten.proposal)
        else:  # edited in review
            self._print(_prompt_change(rewritten.previous, event.prompt))

    def _show_prompt(self, previous: str, proposal: Proposal) -> None:
        self._print(_prompt_change(previous, proposal.prompt))
        if proposal.why:
            self._say(f"  because  {short(proposal.why)}")
        self._shown = proposal.prompt

    def _candidate(self, event: Decided) -> RenderableType:
        """A candidate after its verdict: picture, scores, and the reasons."""
        rendered = self._rendered.pop(event.candidate, None)
        judged = self._judged.pop(event.candidate, None)
        verdict, lines = event.verdict, [Text(event.candidate, "bold")]
        if rendered is not None:
            took = "found done" if rendered.cached else f"{rendered.seconds:.1f} s"
            lines[0].append(f"  seed {rendered.seed}, {took}", "not bold dim")
        if judged is not None:
            lines += _judged_lines(judged)
        mark, style = ("✔ better", "bold green") if verdict.accepted else ("✘ refused", "bold red")
        if verdict.accepted and judged is not None and _is_open(judged):
            style = "bold yellow"
        lines.append(Text.assemble((mark, style), "  ", short(verdict.reason, 240)))
        return _beside(None if rendered is None else self._thumbnail(rendered.path), lines)

    def _result(self, event: RunFinished) -> RenderableType:
        thumbnail = None if event.result is None else self._thumbnail(event.result)
        lines = [_labelled(line) for line in lines_of(event)]
        if event.best is not None:
            lines.append(_labelled(f"prompt     {short(event.best.prompt, 400)}"))
        return _beside(thumbnail, lines)

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
        lines = [self._stage(name, stage) for name, stage in stages[:_ROWS]]
        if len(stages) > _ROWS:
            lines.append(Text(f"and {len(stages) - _ROWS} more", "dim"))
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
            full = round(_STEPS * stage.step / stage.steps)
            text.append("━" * full, "cyan").append("─" * (_STEPS - full), "dim")
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


def _labelled(line: str) -> Text:
    """A line of the plain display, its label set back."""
    text = Text(line, overflow="fold")
    text.stylize("dim", 0, _LABEL)
    return text


def _prompt_change(old: str, new: str) -> Text:
    """The new prompt, with what went and what came."""
    text = _labelled("  prompt   ")
    for kind, words, space in changes(old, new):
        text.append(words, _CHANGE[kind]).append(space)
    return text


def _beside(thumbnail: Thumbnail | None, lines: Iterable[Text]) -> RenderableType:
    """Lines, right of a picture if there is one."""
    table = Table.grid(padding=(0, 2, 0, 0))
    if thumbnail is None:
        table.add_row(Text(), Group(*lines))
        return table
    table.add_column(width=thumbnail.columns)
    table.add_row(thumbnail, Group(*lines))
    if thumbnail.overlay is None:
        return table
    return Group(table, thumbnail.overlay)


def _judged_lines(judged: Judged) -> Iterator[Text]:
    """The scores, and what was said about them."""
    yield from _score_bars(judged)
    yield Text.assemble((f"{weakest(judged)}: ", "dim"), short(judged.reason))
    for line in measured(judged):
        yield Text(line.strip(), "yellow")


def _score_bars(judged: Judged) -> list[Text]:
    """A line per dimension: `text faithfulness  ━━━━━━━━━━──────  2.50 +0.40`."""
    width = max(len(dimension) for dimension in judged.scores)
    good = "yellow" if _is_open(judged) else "green"
    lines: list[Text] = []
    for dimension, score in judged.scores.items():
        line = Text(f"{dimension.replace('_', ' '):<{width}}  ", no_wrap=True)
        if score is None:
            lines.append(line.append("not asked for", "dim"))
            continue
        style = good if score >= _GOOD else "yellow" if score >= 2.0 else "red"
        full = round(_SCORE * (score - SCORE_MIN) / (SCORE_MAX - SCORE_MIN))
        line.append("━" * full, style).append("─" * (_SCORE - full), "dim").append(f"  {score:.2f}")
        change = judged.changes.get(dimension)
        if change is not None:
            risen = "green" if change > 0 else "red" if change < 0 else "dim"
            line.append(f" {change:+.2f}", risen)
        lines.append(line)
    return lines


def _is_open(judged: Judged) -> bool:
    """Whether nothing of it may be green: not all that was asked for was judged, or is there."""
    return bool(judged.unjudged) or any(one.is_miss for one in judged.findings)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
