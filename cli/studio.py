"""`rr-refine studio`: the loop on a local page in the browser."""

from __future__ import annotations

import asyncio
import signal
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack, suppress
from html import escape
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from cyclopts import Parameter

from rr_refine.boundary import raised_as
from rr_refine.cli.cut import cut_off_later
from rr_refine.cli.exits import INTERRUPTED
from rr_refine.cli.layers import COMMAND_LINE
from rr_refine.cli.options import Flag, SettingsOptions, SomeOut
from rr_refine.cli.text import plain, say, tell
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.files import is_shared
from rr_refine.named import read_named

if TYPE_CHECKING:
    from rr_refine.cli.settings import Settings
    from rr_refine.studio.studio import Studio

__all__ = ["studio"]

_MAX_TOKEN = 10_000
"""Bytes of a file with a token."""
_TOKEN_ON_THE_COMMAND_LINE = (
    "a token on the command line is seen by everybody who uses this machine: put it into a file "
    "and give --token-file FILE, or into the environment variable RR_REFINE_STUDIO__TOKEN"
)


def studio(
    *,
    port: int = 7870,
    host: str = "127.0.0.1",
    token_file: Path | None = None,
    token: Annotated[str | None, Parameter(show=False)] = None,
    open_: Annotated[Flag, Parameter("--open")] = False,
    out: SomeOut = None,
    preset: str | None = None,
    options: SettingsOptions = SettingsOptions(),
) -> int:
    """Open the studio: the same loop on a page in the browser, until Ctrl-C.

    The address that is printed has a token in it, a new one each time: only who has it gets in.
    Only this machine can reach the page; --host lets others try.

    Args:
        port: Port to listen on; 0 takes a free one.
        host: Address to listen on.
        token_file: File with a token of your own, 16 characters or more, in place of a new one;
            RR_REFINE_STUDIO__TOKEN does the same.
        open_: Also open the page in the browser.
        out: Folder that holds the run folders.
        preset: The preset that the form starts with.
    """
    if token is not None:
        raise ConfigError(_TOKEN_ON_THE_COMMAND_LINE)
    settings = options.read({"out": None if out is None else str(out), "preset": preset})
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtraError("the studio", "studio")
    from rr_refine.cli.job import out_folder
    from rr_refine.cli.notes import say_addresses
    from rr_refine.cli.studio_jobs import SettingsJobMaker
    from rr_refine.studio.server import listen
    from rr_refine.studio.studio import Studio
    from rr_refine.studio.token import Token, new_token

    own = _own_token(settings, token_file)
    secret = new_token() if own is None else own
    Token(secret)  # one that can be guessed is refused before anything is loaded
    opened = Studio(
        out_folder(settings),
        SettingsJobMaker(settings),
        max_runs=settings.number("studio.max_runs"),
        private=settings.flag("private"),
    )
    with listen(host, port) as listener, ExitStack() as at_exit:
        address, number = listener.getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        url = f"http://{name}:{number}/"
        entrance = f"{url}?token={quote(secret, safe='')}"

        say_addresses(settings)

        def ready() -> None:
            _show_address(opened, url if own else entrance, own=own is not None)
            if open_:
                _open(entrance, Path(at_exit.enter_context(TemporaryDirectory())))

        return asyncio.run(_serve(opened, listener, ready, secret))


def _own_token(settings: Settings, file: Path | None) -> str | None:
    """The token that the owner chose, if any.

    Raises:
        ConfigError: others can see it, or its file cannot be read.
    """
    if file is not None:
        with raised_as(
            ConfigError, f"token file {str(file)!r} cannot be read", OSError, ValueError
        ):
            if is_shared(file):
                tell(f"note: others can read {plain(str(file))}: chmod go-r makes it yours alone")
            return read_named(file, _MAX_TOKEN).decode().strip()
    if settings.values["studio.token"] is None:
        return None
    if settings.sources["studio.token"] == COMMAND_LINE:
        raise ConfigError(_TOKEN_ON_THE_COMMAND_LINE)
    return settings.text("studio.token")


def _open(entrance: str, folder: Path) -> None:
    """Open the browser at a file that nobody else can read: a process list shows its path only."""
    page = folder / "studio.html"
    target = escape(entrance)
    page.write_text(
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0;url={target}">'
        f'<a href="{target}">Open the studio</a>'
    )
    if not webbrowser.open(page.as_uri()):
        tell("note: no browser could be opened; open the address yourself")


async def _serve(studio: Studio, listener: socket, ready: Callable[[], None], token: str) -> int:
    from rr_refine.studio.server import serve

    task = asyncio.current_task()
    assert task is not None
    for sign in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel)
    serving = asyncio.create_task(serve(studio, listener, ready, token=token))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        cut_off_later()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        tell("stopped; unfinished runs can go on the next time")
    return INTERRUPTED


def _show_address(studio: Studio, url: str, *, own: bool) -> None:
    """What is in use goes to stderr, the address to stdout."""
    models = studio.models
    tell(f"with       {models.generator} and {models.critic}")
    for note in models.notes:
        tell(f"note: {note}")
    if own:
        tell("note: open it with ?token=… behind the address, and your token")
    tell("the studio is open; Ctrl-C closes it")
    say(url)
