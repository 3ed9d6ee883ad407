"""Answers of an endpoint before the client library sees them: bounded, and with an honest status.

The library decides by the status whether it tries again and what it raises. So an error that comes
with 200 gets the status that it means, and one that no second attempt can change says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import httpx2

from rr_refine.endpoint.completion import json_of
from rr_refine.endpoint.words import Said, status_within
from rr_refine.errors import RefineError

__all__ = ["BoundedAnswers"]

_RESULTS: Final = ("choices", "data", "object", "models", "id")
"""Keys of which an answer that is none has at least one filled."""

_ERRORS: Final = ("error", "errors", "detail", "message", "base_resp")
"""Keys of which an error has at least one filled."""

_CODED: Final = frozenset(("content-encoding", "content-length", "transfer-encoding"))


class BoundedAnswers(httpx2.AsyncBaseTransport):
    """Passes requests on to a client, and reads the answers.

    Args:
        client: sends the requests; closed with this.
        limit: most bytes of an answer.
        too_long: the error for a longer one.
    """

    def __init__(
        self, client: httpx2.AsyncClient, limit: int, too_long: Callable[[], RefineError]
    ) -> None:
        self._client = client
        self._limit = limit
        self._too_long = too_long

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it; the whole answer is there when this returns."""
        response = await self._client.send(request, stream=True, follow_redirects=False)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes(2**16):
                body += chunk
                if len(body) > self._limit:
                    raise self._too_long()
        finally:
            await response.aclose()
        status, headers = response.status_code, response.headers.copy()
        for name in _CODED & set(headers):
            del headers[name]
        extensions: dict[str, object] = {}
        if status == 200 and (meant := _status_of_error(bytes(body))) is not None:
            status, extensions["sent_as"] = meant, 200
        if status >= 400 and Said.read(json_of(bytes(body))).topic() in ("billing", "refused"):
            headers["x-should-retry"] = "false"
        return httpx2.Response(
            status, headers=headers, content=bytes(body), request=request, extensions=extensions
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()


def _status_of_error(body: bytes) -> int | None:
    """What an error that came with 200 should have come with; None where there is no error.

    One that does not tell is a 400: the request was not done.
    """
    start = body.lstrip()[:1]
    if len(body) > 2**20 or start == b"":
        return None
    try:
        found = json.loads(json_of(body))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or any(found.get(key) for key in _RESULTS[:2]):
        return None
    if not found.get("error") and any(key in found for key in _RESULTS):
        return None
    if not any(found.get(key) for key in _ERRORS):
        return None
    return status_within(found) or 400
