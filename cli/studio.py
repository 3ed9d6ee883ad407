"""`rr-refine studio`: the loop on a local page in the browser."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from rr_refine.cli.exits import INTERRUPTED, guarded
from rr_refine.cli.flag import Flag
from rr_refine.cli.settings import Settings

if TYPE_CHECKING:
    from rr_refine.studio.studio import Studio

__all__ = ["studio"]


def studio(
    *,
    port: int = 7870,
    host: str = "127.0.0.1",
    token: str | None = None,
    open_: Annotated[Flag, Parameter("--open")] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    preset: str | None = None,
    profile: str | None = None,
    model: str | None = None,
    generator: str | None = None,
    critic: str | None = None,
    critic_url: str | None = None,
    config: Path | None = None,
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None,
) -> int:
    """Open the studio: the same loop on a page in the browser, until Ctrl-C.

    The page is within reach of this machine alone. To share it, give another --host and a --token;
    whoever opens the page must bring it.

    Args:
        port: Port to listen on; 0 takes a free one.
        host: Address to listen on. Any but this machine's own wants a token.
        token: What every visitor must bring, 16 characters or more. In RR_REFINE_STUDIO__TOKEN,
            other users of this machine cannot see it.
        open_: Open the page in the browser, too.
        out: Folder that holds the run folders.
        preset: What the form starts with.
        profile: Settings for a machine: sketch, laptop, gpu-24, gpu-80 or gpu-2.
        model: A diffusers pipeline: hub id or folder.
        generator: Generator by name or dotted path.
        critic: Critic by name or dotted path.
        critic_url: Endpoint of an OpenAI-compatible critic, such as http://localhost:6868/v1.
        config: A TOML file, or the config.json of a run.
        set_: Any other setting, as key=value. May be given more than once.
    """
    from rr_refine.cli.settings import read_settings, split_assignment

    flags: dict[str, JsonValue] = {}
    if model is not None:
        flags |= {"generator.use": "diffusers", "generator.model": model}
    if critic_url is not None:
        flags |= {"critic.use": "openai", "critic.base_url": critic_url}
    given: Mapping[str, JsonValue] = {
        "generator.use": generator,
        "critic.use": critic,
        "out": None if out is None else str(out),
        "preset": preset,
        "profile": profile,
        "studio.token": token,
    }
    flags |= {key: value for key, value in given.items() if value is not None}

    def command() -> int:
        assigned = dict(split_assignment(text) for text in set_ or ())
        settings = read_settings(config, {**flags, **assigned})
        return _studio(settings, host, port, open_page=open_)

    return guarded(command)


def _studio(settings: Settings, host: str, port: int, *, open_page: bool) -> int:
    from rr_refine.errors import MissingExtraError

    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtraError("the studio", "studio")
    from rr_refine.cli.studio_jobs import SettingsJobMaker
    from rr_refine.studio.server import listen
    from rr_refine.studio.studio import Studio

    token = None if settings.values["studio.token"] is None else settings.text("studio.token")
    maker = SettingsJobMaker(settings)
    with listen(host, port, token) as listener:
        address, number = listener.getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        url = f"http://{name}:{number}/"

        def ready() -> None:
            _say_ready(opened, url, shared=token is not None)
            if open_page:
                import webbrowser

                webbrowser.open(url if token is None else f"{url}?token={token}")

        opened = Studio(Path(settings.text("out")), maker)
        return asyncio.run(_serve(opened, listener, ready, token))


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


def _say_ready(studio: Studio, url: str, *, shared: bool) -> None:
    """What is in use goes to stderr, the address to stdout."""
    models = studio.models
    print(f"with       {models.generator} and {models.critic}", file=sys.stderr)
    for note in models.notes:
        print(f"note: {note}", file=sys.stderr)
    if shared:
        print("note: shared; open it with ?token=… behind the address", file=sys.stderr)
    print("the studio is open; Ctrl-C closes it", file=sys.stderr)
    print(url, flush=True)
