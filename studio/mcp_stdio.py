"""Messages of MCP over standard input and output.

The SDK's own transport reads standard input in a thread that nothing can end but the client: a
server that is told to end, or that cannot begin, would wait for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final, cast

import anyio
from mcp.server.stdio import stdio_server

from rr_refine.studio.mcp_server import RefineServer

__all__ = ["serve_messages"]

logger = logging.getLogger(__name__)

_LONGEST: Final = 2**24
"""Bytes of a message; the longest prompts have 200,000 characters. A longer one ends the server."""


async def serve_messages(server: RefineServer, reading: int, writing: int) -> None:
    """Serve a client until it hangs up, or until cancelled."""
    given = cast("anyio.AsyncFile[str]", _lines(reading))
    with os.fdopen(writing, "w", encoding="utf-8", newline="\n", closefd=False) as file:
        async with server.open():
            try:
                async with stdio_server(given, anyio.wrap_file(file)) as (asked, answered):
                    options = server.server.create_initialization_options()
                    await server.server.run(asked, answered, options)
            except* OSError:  # it is gone while it is written to
                pass


async def _lines(file: int) -> AsyncIterator[str]:
    """The lines of a file, each as soon as it is there."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended
            with suppress(OSError), os.fdopen(file, "rb", closefd=False) as given:
                while (line := given.readline(_LONGEST)).endswith(b"\n"):
                    loop.call_soon_threadsafe(lines.put_nowait, _readable(line))
                if len(line) == _LONGEST:
                    logger.error("a message of more than %s bytes: the server ends", _LONGEST)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _readable(line: bytes) -> str:
    """A message without halves of characters: the SDK answers one that has some in no way."""
    text = line.decode("utf-8", "replace")
    if "\\ud" in text.lower():
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
