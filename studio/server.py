"""The server: the application on a port, until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from rr_refine.errors import ConfigError
from rr_refine.studio.app import create_app
from rr_refine.studio.connection import Connection
from rr_refine.studio.studio import Studio

__all__ = ["MAX_CONNECTIONS", "listen", "serve"]

MAX_CONNECTIONS: Final = 200
"""Connections at once; a browser keeps six. Others are turned away with 503."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        ConfigError: the address cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host!r}, port {port}: {error}; --port 0 takes a free port"
        ) from error


async def serve(
    studio: Studio, listener: socket.socket, on_ready: Callable[[], None], *, token: str
) -> None:
    """Serve a studio until cancelled. Its runs are then broken off; they can go on later.

    Args:
        on_ready: called once requests are answered.
        token: what every request must bring, see `Guard`.

    Raises:
        ConfigError: the token can be guessed.
        RefineError: a model cannot be reached.
    """
    app = create_app(studio, host=listener.getsockname()[0], token=token)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",  # what strangers send is no news for the owner's terminal
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http=Connection,
        limit_concurrency=MAX_CONNECTIONS,
        loop="asyncio",
        timeout_graceful_shutdown=2,
    )
    server = _Server(config, on_ready)
    async with studio.open():
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(task)
        finally:
            server.should_exit = True
            # What it breaks off now is no fault, and its traces are nobody's business.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await studio.rest()  # the pages' streams end with the runs that they follow
            await task


class _Server(uvicorn.Server):
    """Says when it is ready, and leaves signals to the program."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
