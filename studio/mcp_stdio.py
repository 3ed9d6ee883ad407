"""Messages of MCP over standard input and output.

The SDK's own transport reads standard input in a thread that nothing can end but the client: a
server that is told to end, or that cannot begin, would wait for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import from_json

from rr_refine.studio.form import has_many_parts
from rr_refine.studio.mcp_server import RefineServer

__all__ = ["serve_messages"]

_LONGEST: Final = 2**22
"""Bytes of a message; the longest prompts have 200,000 characters, of 12 bytes at most."""
_TEXTS: Final = 2
"""Of such a length in a message."""
_TOO_LONG: Final = f"a message of more than {_LONGEST:,} bytes, or of too many parts, was not read"
_NO_MESSAGE: Final = (
    'a line is no message of JSON-RPC 2.0: an object with jsonrpc = "2.0", an id (text or a whole '
    "number), a method (text) and params (an object)"
)


async def serve_messages(
    server: RefineServer, reading: int, writing: int, tell: Callable[[str], None]
) -> None:
    """Serve a client until it hangs up, or until cancelled.

    Args:
        tell: takes what the user should know.
    """

    async def messages() -> AsyncIterator[str]:
        async for line in _lines(reading):
            if line is None:
                tell(_TOO_LONG)
            if (refusal := _refusal(line)) is None:
                yield cast("str", line)
            else:  # the SDK would answer nothing
                await answered.send(SessionMessage(refusal))

    given = cast("anyio.AsyncFile[str]", messages())
    with os.fdopen(writing, "w", encoding="utf-8", newline="\n", closefd=False) as file:
        async with server.open():
            try:
                async with stdio_server(given, anyio.wrap_file(file)) as (asked, answered):
                    options = server.server.create_initialization_options()
                    await server.server.run(asked, answered, options)
            except* OSError:  # it is gone while it is written to
                pass


async def _lines(file: int) -> AsyncIterator[str | None]:
    """The lines of a file, each as soon as it is there; None for one that is too long."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended
            with suppress(OSError), os.fdopen(file, "rb", closefd=False) as given:
                while (line := given.readline(_LONGEST)).endswith(b"\n") or len(line) == _LONGEST:
                    long = not line.endswith(b"\n") or has_many_parts(line, _TEXTS)
                    loop.call_soon_threadsafe(lines.put_nowait, None if long else _readable(line))
                    while line and not line.endswith(b"\n"):
                        line = given.readline(_LONGEST)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    while (text := await lines.get()) != "":
        yield text


def _refusal(line: str | None) -> JSONRPCError | None:
    """What is answered to a line that is no message, with the id of the request if there is one."""
    if line is None:
        return _refused(INVALID_REQUEST, _TOO_LONG)
    try:
        given = from_json(line)
    except ValueError as error:
        return _refused(PARSE_ERROR, f"a line is no JSON: {error}")
    fields = given if isinstance(given, dict) else {}
    number = fields.get("id")
    with suppress(ValidationError):
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        if number is None or not isinstance(message, JSONRPCNotification):
            return None  # else it is a request, whose id the SDK left out: it is of a wrong kind
    is_id = "method" in fields and type(number) in (int, str)
    return _refused(INVALID_REQUEST, _NO_MESSAGE, number if is_id else None)


def _refused(code: int, why: str, number: int | str | None = None) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=why))


def _readable(line: bytes) -> str:
    """A message without halves of characters: the SDK answers one that has some in no way."""
    text = line.decode("utf-8", "replace")
    if "\\ud" in text.lower():
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
