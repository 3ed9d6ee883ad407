"""`rr-refine mcp`: the loop as tools for an MCP client, over standard input and output."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rr_refine.agent.events import Event
from rr_refine.cli.cut import cut_off_later
from rr_refine.cli.exits import DONE, INTERRUPTED
from rr_refine.cli.lines import lines_of
from rr_refine.cli.options import SettingsOptions, SomeOut
from rr_refine.cli.settings import PROJECT_FILE
from rr_refine.cli.text import plain, tell
from rr_refine.errors import MissingExtraError

if TYPE_CHECKING:
    from rr_refine.studio.studio import Studio

__all__ = ["mcp"]


def mcp(
    *,
    out: SomeOut = None,
    preset: str | None = None,
    options: SettingsOptions = SettingsOptions(),
) -> int:
    """Serve an MCP client over standard input and output, until it hangs up.

    Its tools make and edit pictures. It reaches one folder only. Settings are your own, the
    environment's and flags: the file of the folder that you are in is left out.

    Args:
        out: The folder: runs are made in it, and pictures to edit are read from below it.
        preset: The preset of runs for which the client names none.
    """
    given = {"out": None if out is None else str(out), "preset": preset}
    settings = options.read(given, project=False)
    if find_spec("mcp") is None or find_spec("starlette") is None:
        raise MissingExtraError("rr-refine mcp", "mcp")
    from rr_refine.cli.job import out_folder
    from rr_refine.cli.notes import say_addresses
    from rr_refine.cli.studio_jobs import SettingsJobMaker
    from rr_refine.studio.studio import Studio

    with _streams() as streams:
        maker = SettingsJobMaker(settings, asks=False)
        studio = Studio(
            out_folder(settings).absolute(),
            maker,
            max_runs=settings.number("studio.max_runs"),
            private=settings.flag("private"),
        )
        if Path(PROJECT_FILE).is_file():
            tell(
                f"note: {PROJECT_FILE} of this folder is left out; --config {PROJECT_FILE} reads it"
            )
        say_addresses(settings)
        tell(f"serving MCP; runs and pictures are in {plain(str(studio.out))}")
        return asyncio.run(_serve(studio, *streams))


@contextmanager
def _streams() -> Iterator[tuple[int, int]]:
    """The descriptors of standard input and output. Meanwhile what reads or prints, be it a module
    or another process, gets an empty input and standard error.
    """
    reading, writing = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    os.dup2(empty, 0)
    os.dup2(2, 1)
    os.close(empty)
    try:
        yield reading, writing
    finally:
        sys.stdout.flush()
        os.dup2(writing, 1)
        os.close(writing)  # a thread may still wait for the other one


async def _serve(studio: Studio, reading: int, writing: int) -> int:
    from rr_refine.studio.mcp_server import RefineServer
    from rr_refine.studio.mcp_stdio import serve_messages

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end() -> None:
        task.cancel()
        cut_off_later()  # its client may take no answer any more

    for sign in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(sign, end)
    server = RefineServer(studio, _words, version("rr-refine"))
    try:
        await serve_messages(server, reading, writing, tell)
    except asyncio.CancelledError:
        tell("stopped; unfinished runs can go on by rr-refine resume")
        return INTERRUPTED
    return DONE


def _words(event: Event) -> Iterator[str]:
    return (" ".join(line.split()) for line in lines_of(event))
