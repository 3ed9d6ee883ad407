"""Answers of an endpoint before the client library sees them: bounded, and with an honest status.

The library decides by the status whether it tries again and what it raises. So an error that comes
with 200 gets the status that it means, and one that no second attempt can change says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Final

import httpx2

from rr_refine.endpoint.bill import Bill, current_bill
from rr_refine.endpoint.bodies import ACCEPTED, BodyTooLongError, read_body
from rr_refine.endpoint.completion import json_of
from rr_refine.endpoint.key_mask import KeyMask, TooMuchTextError
from rr_refine.endpoint.words import Said, status_within
from rr_refine.errors import RefineError
from rr_refine.retries import patience_within
from rr_refine.telemetry import retried

__all__ = ["BoundedAnswers", "SlowAnswerError"]

_RESULTS: Final = ("choices", "data", "object", "models", "id")
"""Keys of which an answer that is none has at least one filled."""

_HOPS: Final = 5
"""Most redirects of a look-up."""

_ERRORS: Final = ("error", "errors", "detail", "message", "base_resp")
"""Keys of which an error has at least one filled."""

_SETTLED: Final = ("billing", "refused", "long")
"""What an error is about that another attempt brings about again."""

_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Faults of requests that came to no server."""

_PARTS: Final = 200_000
"""Most lists, objects and commas of an answer: a few megabytes of `[],` become gigabytes, and
minutes, when they are parsed. A list of a thousand models has some 50,000; base64 has none."""

_CODED: Final = frozenset(("content-encoding", "content-length", "transfer-encoding"))


class SlowAnswerError(httpx2.ReadTimeout):
    """The server sent something now and then, but no whole answer in all the time that it had."""

    def __init__(self, seconds: float, request: httpx2.Request) -> None:
        super().__init__(f"the answer was not whole after {seconds:.3g} s", request=request)


class BoundedAnswers(httpx2.AsyncBaseTransport):
    """Passes requests on to a client, and reads the answers.

    Args:
        client: sends the requests; closed with this.
        limit: most bytes of an answer.
        patience: most seconds from the question to the end of its answer, however often a byte
            arrives.
        key: what is sent as the key; it is taken out of every answer.
        too_long: the error for a longer one.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        limit: int,
        patience: float,
        key: str | None,
        too_long: Callable[[], RefineError],
    ) -> None:
        self._client = client
        self._limit = limit
        self._patience = patience
        self._mask = KeyMask(key)
        self._too_long = too_long

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it; the whole answer is there when this returns."""
        if request.headers.get("x-stainless-retry-count", "0") != "0":  # openai's client says so
            retried()
        patience = patience_within(self._patience)
        bill = current_bill() if request.method == "POST" else None
        if bill is not None:
            await bill.send()
        try:
            async with asyncio.timeout(patience):
                return await self._answer(request, bill)
        except _UNSENT:
            if bill is not None:
                bill.settle(0.0)
            raise
        except TimeoutError:
            raise SlowAnswerError(patience, request) from None

    async def _answer(self, request: httpx2.Request, bill: Bill | None) -> httpx2.Response:
        request.headers["Accept-Encoding"] = ACCEPTED
        response = await self._client.send(request, stream=True, follow_redirects=False)
        for _ in range(_HOPS):
            # What is only looked up may have moved on the same server; nothing is sent elsewhere.
            following = response.next_request
            if request.method != "GET" or following is None or not _same(request, following):
                break
            await response.aclose()
            response = await self._client.send(following, stream=True, follow_redirects=False)
        try:
            body = await read_body(response, self._limit)
        except BodyTooLongError:
            raise self._too_long() from None
        except ValueError as error:
            raise httpx2.DecodingError(str(error), request=request) from None
        finally:
            await response.aclose()
        if b"\0" in body[:4]:  # UTF-16 or 32
            body = json_of(body)
        try:
            body = self._mask.answer(body)
        except TooMuchTextError:
            raise self._too_long() from None
        if sum(map(body.count, (b"{", b"[", b","))) > _PARTS:
            raise self._too_long()
        status, headers = response.status_code, response.headers.copy()
        for name in _CODED & set(headers):
            del headers[name]
        extensions: dict[str, object] = {}
        if status == 200 and (meant := _status_of_error(body)) is not None:
            status, extensions["sent_as"] = meant, 200
        if status >= 400:
            topic = Said.read(json_of(body)).topic()
            if topic in _SETTLED:
                headers["x-should-retry"] = "false"
            if bill is not None:
                bill.refused(status, filtered=topic == "refused")
        return httpx2.Response(
            status, headers=headers, content=body, request=request, extensions=extensions
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()


def _same(one: httpx2.Request, other: httpx2.Request) -> bool:
    """Whether two requests go to one origin."""
    places = [(r.url.scheme, r.url.host, r.url.port) for r in (one, other)]
    return places[0] == places[1]


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
    if not found.get("error") and any(found.get(key, "error") != "error" for key in _RESULTS):
        return None
    if not any(found.get(key) for key in _ERRORS):
        return None
    return status_within(found) or 400
