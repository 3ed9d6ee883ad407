"""The live view: finished things scroll up and stay, what is going on stays at the bottom.

It holds no raw mode, turns no echo off and never hides the cursor: a process that is killed has
nothing to put back.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Final

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
from rr_refine.agent.history import Proposal, Verdict
from rr_refine.agent.picture_name import picture_name
from rr_refine.agent.policy import Policy
from rr_refine.cli.display import Display
from rr_refine.cli.lines import LONGEST, changes, lines_of, shares_nothing
from rr_refine.cli.live.judgement import NEEDED, is_open, judgement_lines
from rr_refine.cli.live.status import Stage, Status
from rr_refine.cli.live.thumbnail import Overlay, Thumbnail, read_preview, read_thumbnail
from rr_refine.cli.options import Graphics
from rr_refine.cli.text import clean, short
from rr_refine.cli.words import verdict_word

__all__ = ["LiveView"]

_FRAMES: Final = 4  # per second
_ROWS: Final = 4  # candidates at the bottom
_STEPS: Final = 24  # cells of the bar of a render's steps
_BESIDE: Final = 20  # columns that a picture must have to stand beside its text
_GAP: Final = 2  # columns between the two
_CHOICE: Final = 26  # columns of a picture among others that can be chosen
_MARKS: Final = {"better": ("✔", "bold green"), "refused": ("✘", "bold red")}
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
        self._previewed: tuple[str, Thumbnail | None] = "", None
        self._shown = ""  # the prompt whose changes were shown last
        self._doing = "starting"
        # Rich's own thread draws between another's look at the cursor and its printing.
        self._lock = RLock()
        self._ended = Event()
        self._ticker = Thread(target=self._tick, daemon=True)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the bottom of the terminal up to date."""
        self._start()
        self._ticker.start()
        try:
            yield
        finally:
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

    def show_choices(self, pictures: Sequence[tuple[str, Path]]) -> None:
        """Show pictures side by side, as many in a row as there is room for."""
        width, height = self._console.size
        across = max(1, min(len(pictures), width // _CHOICE))
        room = width // across - _GAP
        rows = max(6, height // (1 + -(-len(pictures) // across)))
        for start in range(0, len(pictures), across):
            part = pictures[start : start + across]
            table, drawn = Table.grid(padding=(0, _GAP, 0, 0)), list[Overlay]()
            thumbnails = [read_thumbnail(str(p), room, rows, self._graphics) for _, p in part]
            highest = max((t.rows for t in thumbnails if t is not None), default=0)
            for column, thumbnail in enumerate(thumbnails):
                table.add_column(width=room)
                if thumbnail is not None and thumbnail.overlay is not None:
                    drawn.append(thumbnail.overlay.moved(highest, column * (room + _GAP)))
            if highest:
                table.add_row(*(thumbnail or "" for thumbnail in thumbnails))
            captions = Table.grid(padding=(0, _GAP, 0, 0))
            for _ in part:
                captions.add_column(width=room)
            captions.add_row(*(Text(line) for line, _ in part))
            self._print(Group(table, *drawn, captions), Text())

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
                name = picture_name(event.candidate)
                again = Text(f"{name}  judged again, by revision {event.revision}", "bold")
                lines = judgement_lines(event, self._console.width)
                self._print(Group(again, *lines), Text())
            case Judged():
                self._judged[event.candidate] = event
            case Rewritten():
                self._rewritten = event
            case RoundStarted():
                self._show_round(event)
            case ReviewRequested(request=question) if question.stop is None:
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
            self._print(*_prompt_change(rewritten.previous, event.prompt))

    def _show_prompt(self, previous: str, proposal: Proposal) -> None:
        self._print(*_prompt_change(previous, proposal.prompt))
        if proposal.why:
            self._say(f"  because  {short(proposal.why, LONGEST)}")
        self._shown = proposal.prompt

    def _candidate(self, event: Decided) -> RenderableType:
        """A candidate after its verdict: picture, scores, and the reasons."""
        rendered = self._rendered.pop(event.candidate, None)
        judged = self._judged.pop(event.candidate, None)
        thumbnail = None if rendered is None else self._thumbnail(rendered.path)
        head = Text(picture_name(event.candidate), "bold")
        if rendered is not None:
            took = "found done" if rendered.cached else f"{rendered.seconds:.1f} s"
            head.append(f"  seed {rendered.seed}, {took}", "not bold dim")
        lines = [head]
        if judged is not None:
            lines += judgement_lines(judged, self._beside(thumbnail))
        lines.append(_verdict(event.verdict, judged))
        return self._with(thumbnail, lines)

    def _result(self, event: RunFinished) -> RenderableType:
        thumbnail = None if event.result is None else self._thumbnail(event.result)
        lines = [_labelled(line) for line in lines_of(event)]
        if event.best is not None:
            lines.append(_labelled(f"prompt     {short(event.best.prompt, 400)}"))
        return self._with(thumbnail, lines)

    def _thumbnail(self, path: str) -> Thumbnail | None:
        """A picture as large as there is room for beside its scores, or above them."""
        columns, height = self._console.size
        if columns < 60:  # it was made narrower on the way
            return None
        beside = columns - NEEDED - _GAP
        room = beside if beside >= _BESIDE else columns
        return read_thumbnail(path, room, max(8, height // 2), self._graphics)

    def _beside(self, thumbnail: Thumbnail | None) -> int:
        """Columns that are left for text beside a picture; all where it stands above."""
        columns = self._console.width
        if thumbnail is None or columns - NEEDED - _GAP < _BESIDE:
            return columns
        return columns - thumbnail.columns - _GAP

    def _with(self, thumbnail: Thumbnail | None, lines: Sequence[Text]) -> RenderableType:
        """Lines, right of a picture or below it, if there is one."""
        if thumbnail is None:
            return Group(*lines)
        drawn = [] if thumbnail.overlay is None else [thumbnail.overlay]
        if self._beside(thumbnail) == self._console.width:
            return Group(thumbnail, *drawn, *lines)
        table = Table.grid(padding=(0, _GAP, 0, 0))
        table.add_column(width=thumbnail.columns)
        table.add_row(thumbnail, Group(*lines))
        return Group(table, *drawn)

    def _bottom(self) -> RenderableType:
        """What is going on, what is the best so far, and what is left."""
        status = self._status
        stages = list(status.stages.items())
        lines = [self._stage(name, stage) for name, stage in stages[:_ROWS]]
        if len(stages) > _ROWS:
            lines.append(Text(f"and {len(stages) - _ROWS} more", "dim"))
        if not stages and self._doing:
            lines.append(Text(self._doing))
        preview = self._preview(stage for _, stage in stages)
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        if self._doing:  # in full, on two lines if need be
            lines.append(Text(" · ".join(self._left()), "dim"))
        return Group(*([] if preview is None else [preview]), *lines)

    def _preview(self, stages: Iterable[Stage]) -> Thumbnail | None:
        """What there is of the first picture that is shown on its way."""
        width, height = self._console.size
        shown = (one.preview for one in stages if one.name == "rendering" and one.preview)
        if self._graphics == "none" or (url := next(shown, None)) is None:
            return None
        if url != self._previewed[0]:
            rows = max(4, height // 3)
            self._previewed = url, read_preview(url, min(width, 2 * rows), rows)
        return self._previewed[1]

    def _stage(self, name: str, stage: Stage) -> Text:
        text = Text(f"{picture_name(name):<8} {stage.name:<9} ")
        if stage.name == "rendering" and stage.steps:
            full = round(_STEPS * stage.step / stage.steps)
            text.append("━" * full, "cyan").append("─" * (_STEPS - full), "dim")
            return text.append(f" {stage.step}/{stage.steps}")
        return text.append(_minutes(self._status.clock() - stage.since), "dim")

    def _left(self) -> Iterator[str]:
        status = self._status
        if not status.rounds:
            yield f"starting, {_minutes(status.seconds)}"
            return
        yield f"round {status.round + 1}/{status.rounds}"
        if status.best is not None and status.best in status.means:
            yield f"best: {picture_name(status.best)}, {status.means[status.best]:.2f}"
        yield from status.budget_left
        yield f"{_minutes(status.seconds)} so far"
        if (left := status.seconds_left) is not None:
            yield f"at most {_minutes(left)} left"


def _labelled(line: str) -> Text:
    """A line of the plain display, its label set back."""
    text = Text(line, overflow="fold")
    text.stylize("dim", 0, _LABEL)
    return text


def _prompt_change(old: str, new: str) -> Iterator[Text]:
    """The new prompt, with what went and what came; after the old one where they share little."""
    pieces = list(changes(old, new))
    if shares_nothing(pieces):
        yield _labelled(f"  was      {pieces[0][1]}")
        yield _labelled(f"  prompt   {pieces[1][1]}")
        return
    text = _labelled("  prompt   ")
    for kind, words, space in pieces:
        text.append(words, _CHANGE[kind]).append(space)
    yield text


def _verdict(verdict: Verdict, judged: Judged | None) -> Text:
    word = verdict_word(verdict)
    mark, style = _MARKS.get(word, ("·", "bold"))
    if word == "better" and judged is not None and is_open(judged):
        style = "bold yellow"
    return Text.assemble((f"{mark} {word}", style), "  ", short(verdict.reason, 240))


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
