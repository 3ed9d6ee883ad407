"""`rr-refine studio`: the loop on a local page in the browser."""

from __future__ import annotations

import asyncio
import signal
import sys
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rr_refine.cli.exits import INTERRUPTED
from rr_refine.cli.options import Flag, SettingsOptions
from rr_refine.errors import MissingExtraError

if TYPE_CHECKING:
    from rr_refine.studio.studio import Studio

__all__ = ["studio"]

_TOKEN = (
    "Secret that every visitor needs, 16 characters or more. In RR_REFINE_STUDIO__TOKEN, other "
    "users of this machine cannot see it."
)


def studio(
    *,
    port: int = 7870,
    host: str = "127.0.0.1",
    token: Annotated[str | None, Parameter(help=_TOKEN)] = None,
    open_: Annotated[Flag, Parameter("--open")] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    preset: str | None = None,
    options: SettingsOptions = SettingsOptions(),
) -> int:
    """Open the studio: the same loop on a page in the browser, until Ctrl-C.

    Only this machine can reach the page. To share it, give another --host and a --token, which
    every visitor then needs.

    Args:
        port: Port to listen on; 0 takes a free one.
        host: Address to listen on. One that others can reach needs a token.
        open_: Also open the page in the browser.
        out: Folder that holds the run folders.
        preset: The preset that the form starts with.
    """
    settings = options.read(
        {"out": None if out is None else str(out), "preset": preset, "studio.token": token}
    )
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtraError("the studio", "studio")
    from rr_refine.cli.studio_jobs import SettingsJobMaker
    from rr_refine.studio.server import listen
    from rr_refine.studio.studio import Studio

    secret = None if settings.values["studio.token"] is None else settings.text("studio.token")
    maker = SettingsJobMaker(settings)
    with listen(host, port, secret) as listener:
        address, number = listener.getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        url = f"http://{name}:{number}/"

        def ready() -> None:
            _show_address(opened, url, shared=secret is not None)
            if open_:
                webbrowser.open(url if secret is None else f"{url}?token={secret}")

        out = Path(settings.text("out"))
        opened = Studio(out, maker, private=settings.flag("private"))
        return asyncio.run(_serve(opened, listener, ready, secret))


async def _serve(
    studio: Studio, listener: socket, ready: Callable[[], None], token: str | None
) -> int:
    from rr_refine.studio.server import serve

    task = asyncio.current_task()
    assert task is not None
    for sign in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel)
    try:
        await serve(studio, listener, ready, token=token)
    except asyncio.CancelledError:
        print("stopped; unfinished runs can go on the next time", file=sys.stderr)
    return INTERRUPTED


def _show_address(studio: Studio, url: str, *, shared: bool) -> None:
    """What is in use goes to stderr, the address to stdout."""
    models = studio.models
    print(f"with       {models.generator} and {models.critic}", file=sys.stderr)
    for note in models.notes:
        print(f"note: {note}", file=sys.stderr)
    if shared:
        print("note: shared; open it with ?token=… behind the address", file=sys.stderr)
    print("the studio is open; Ctrl-C closes it", file=sys.stderr)
    print(url, flush=True)
