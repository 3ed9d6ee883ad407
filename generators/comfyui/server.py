"""A ComfyUI server at the one address of the settings: questions, uploads, pictures, bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from rr_refine.endpoint.environment import open_http
from rr_refine.endpoint.faults import clean_words
from rr_refine.endpoint.per_loop import PerLoop
from rr_refine.errors import (
    ConfigError,
    GeneratorError,
    GeneratorTimeout,
    GeneratorUnavailable,
    RefineError,
    UnsupportedRequestError,
)
from rr_refine.files import parse_json
from rr_refine.generators.comfyui.options import ComfyUIOptions
from rr_refine.generators.comfyui.stream import BoundedStream
from rr_refine.retries import retries_allowed

if TYPE_CHECKING:
    import httpx2

__all__ = ["ComfyUIServer", "ServerAnswer"]

_ANSWER_MAX: Final = 32 * 2**20
"""Bytes of an answer in JSON: the queue holds the whole graph of every job."""
_PICTURE_MAX: Final = 128 * 2**20
_MESSAGE_MAX: Final = 8 * 2**20
"""Bytes of a message of the socket: previews come along, as PNGs of the full size at most."""
_WORDS_MAX: Final = 2**20
"""Bytes of a message that is read; ordinary previews have a tenth of that."""
_CONNECT: Final = 10.0
"""Seconds for a connection: a dead server is told soon."""
_QUICK: Final = 5.0
"""Seconds in all where it is only looked whether the server is there."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What the server said."""

    status: int
    body: JsonValue
    """None where it was no JSON."""
    words: str
    """The beginning of it, for a message."""


@dataclass(slots=True)
class _Session:
    """What belongs to one event loop."""

    api: httpx2.AsyncClient
    """For JSON: whole answers, bounded."""
    http: httpx2.AsyncClient
    """Below it, for pictures and the socket."""
    slots: asyncio.Semaphore


async def _bound(response: httpx2.Response) -> None:
    if response.status_code == 101:
        opened = response.extensions["network_stream"]
        response.extensions["network_stream"] = BoundedStream(opened, _MESSAGE_MAX)


class ComfyUIServer:
    """One server. Use it from any number of event loops; call `aclose` in each when done there.

    Args:
        options: where it is.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(self, options: ComfyUIOptions) -> None:
        self.url = options.checked_url("generator")
        options.require_sendable_key("generator")
        self.patience = options.timeout if retries_allowed() else min(options.timeout, _QUICK)
        """Seconds without an answer before it counts as gone."""
        self._options = options
        self._sessions = PerLoop(self._open)

    @property
    def slots(self) -> asyncio.Semaphore:
        """Places for pictures that may be in the queue at once."""
        return self._sessions.get().slots

    async def look(self, *path: str) -> JsonValue:
        """Ask for something that must be there.

        Raises:
            ConfigError: the key is wrong, or this is no ComfyUI.
            GeneratorError: of the kind that fits.
        """
        answer = await self._ask("GET", path)
        if answer.status != 200 or answer.body is None:
            raise self._refused(answer, "/".join(path))
        return answer.body

    async def tell(self, path: str, body: Mapping[str, JsonValue]) -> ServerAnswer:
        """Send something; what a refusal means is for the caller to say.

        Raises:
            ConfigError: the key is wrong.
            GeneratorError: of the kind that fits, for no answer, a redirect, or 500 and above.
        """
        # In ASCII, since a prompt may hold half a character, which is no UTF-8.
        content = json.dumps(body, allow_nan=False).encode("ascii")
        answer = await self._ask(
            "POST", (path,), content=content, headers={"Content-Type": "application/json"}
        )
        if answer.status not in (200, 400):
            raise self._refused(answer, path)
        return answer

    async def upload(self, name: str, png: bytes) -> str:
        """Store a picture on the server; what a LoadImage node calls it.

        Raises:
            UnsupportedRequestError: it is too large for the server.
            RefineError: as `tell`.
        """
        answer = await self._ask(
            "POST",
            ("upload", "image"),
            files={"image": (name, png, "image/png")},
            data={"subfolder": "rr-refine", "overwrite": "true"},
        )
        stored = answer.body if isinstance(answer.body, dict) else {}
        if answer.status != 200 or not isinstance(stored.get("name"), str):
            raise self._refused(answer, "upload/image")
        folder = stored.get("subfolder")
        return f"{folder}/{stored['name']}" if folder else str(stored["name"])

    async def picture(self, place: Mapping[str, JsonValue]) -> bytes | None:
        """A picture that a job has made; None if it is no longer there.

        Args:
            place: `filename`, `subfolder` and `type`, as the history has them.

        Raises:
            GeneratorError: of the kind that fits.
        """
        import httpx2

        from rr_refine.endpoint.download import fetch

        query = {key: str(place.get(key, "")) for key in ("filename", "subfolder", "type")}
        options = self._options
        try:
            return await fetch(
                self._sessions.get().http,
                f"{self.url}/view?{urlencode(query)}",
                base=self.url,
                key=options.key,
                limit=_PICTURE_MAX,
                timeout=options.timeout,
            )
        except ValueError as error:
            raise GeneratorError(
                f"{self.url} has the picture at {self.clean(str(error))}"
            ) from None
        except httpx2.HTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise GeneratorUnavailable(
                f"{self.url} answered {error.response.status_code} when asked for the picture"
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._gone(error) from None

    @asynccontextmanager
    async def messages(self, client: str) -> AsyncIterator[AsyncIterator[JsonValue | bytes]]:
        """What the server tells a client as it works.

        Raises:
            OSError: the socket cannot be opened.
        """
        from httpx2 import HTTPError
        from httpx2.websockets import HTTPXWSException

        try:
            async with self._sessions.get().http.websocket(
                f"{self.url}/ws?{urlencode({'clientId': client})}",
                headers=self._headers,
                max_message_size_bytes=_MESSAGE_MAX,
                # A node may hold the whole server for a minute, and its job ends well.
                keepalive_ping_interval_seconds=None,
                follow_redirects=False,
            ) as socket:
                stream = cast("BoundedStream", socket.stream)

                async def each() -> AsyncIterator[JsonValue | bytes]:
                    with suppress(HTTPXWSException):  # it broke, or was closed
                        while True:
                            data = getattr(await socket.receive(), "data", None)
                            stream.heard()
                            if not isinstance(data, str | bytes) or len(data) > _WORDS_MAX:
                                continue
                            with suppress(ValueError):
                                yield parse_json(data) if isinstance(data, str) else data

                try:
                    yield each()
                finally:
                    # Or the client library waits to say goodbye to a server that does not read.
                    await stream.aclose()
        except (HTTPXWSException, HTTPError) as error:
            raise OSError(type(error).__name__) from None

    async def aclose(self) -> None:
        """Close what the running event loop has opened. A later call opens it again."""
        if (session := self._sessions.take()) is not None:
            await session.api.aclose()

    @property
    def _headers(self) -> dict[str, str]:
        key = self._options.key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _open(self) -> _Session:
        import httpx2

        from rr_refine.endpoint.answers import BoundedAnswers

        options = self._options
        http = open_http(self.url, options.key, "generator")
        http.event_hooks = {"response": [_bound]}
        bounded = BoundedAnswers(http, _ANSWER_MAX, self.patience, options.key, self._too_long)
        api = httpx2.AsyncClient(
            transport=bounded,
            headers=self._headers,
            follow_redirects=False,  # a request goes where the settings say, and nowhere else
            timeout=httpx2.Timeout(self.patience, connect=min(self.patience, _CONNECT)),
        )
        return _Session(api, http, asyncio.Semaphore(options.concurrency))

    async def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> ServerAnswer:
        import httpx2

        url = "/".join((self.url, *(quote(part, safe="") for part in path)))
        api = self._sessions.get().api
        try:
            response = await api.request(
                method, url, content=content, headers=headers, files=files, data=data
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._gone(error) from None
        try:
            body = parse_json(response.content)
        except ValueError:
            body = None
        place = response.headers.get("location", "") if response.has_redirect_location else ""
        words = place.partition("?")[0] or response.content[:2000].decode(errors="replace")
        # An error may come with 200, which `BoundedAnswers` has turned into its own status.
        status = 200 if response.extensions.get("sent_as") else response.status_code
        return ServerAnswer(status, body, self.clean(words))

    def _gone(self, error: Exception) -> RefineError:
        import httpx2

        if isinstance(error, TimeoutError | httpx2.TimeoutException) and not isinstance(
            error, httpx2.ConnectTimeout
        ):
            return GeneratorTimeout(
                f"{self.url} gave no answer for {self.patience:g} s: raise "
                "generator.timeout if it needs longer"
            )
        why = self.clean(str(error)) or type(error).__name__
        if isinstance(error, httpx2.InvalidURL):  # names that it gave, or the workflow
            return GeneratorError(f"{self.url} has a name that cannot be asked for: {why}")
        return GeneratorUnavailable(
            f"{self.url} cannot be reached ({why}): is ComfyUI running, and is "
            "generator.base_url right?"
        )

    def _refused(self, answer: ServerAnswer, path: str) -> RefineError:
        said = f"{self.url} answered {answer.status} to {path}: {answer.words}"
        status = answer.status
        if 300 <= status < 400:
            return ConfigError(
                f"{self.url} answered {status} and sends the request on to {answer.words!r}; "
                "nothing was sent there: if that is right, set generator.base_url to it"
            )
        if status in (401, 403):
            return ConfigError(
                f"{said}; check generator.api_key (ComfyUI itself has none: a proxy or a "
                "login node before it asks for one)"
            )
        if status == 413:
            return UnsupportedRequestError(f"{said}; make the picture to edit smaller")
        if status in (502, 503, 504):  # of a proxy, while the server holds still
            return GeneratorTimeout(said)
        if status >= 500:
            return GeneratorUnavailable(said)
        if status in (200, 404, 405):
            return ConfigError(
                f"{said}; generator.base_url must be the root of a ComfyUI server, such as "
                "http://127.0.0.1:8188"
            )
        return GeneratorError(said)

    def clean(self, words: str, most: int | None = None) -> str:
        """Words of the server, or with such in them, fit for one line of a terminal."""
        return clean_words(words, self._options.key, most)

    def _too_long(self) -> RefineError:
        return GeneratorError(
            f"{self.url} sent an answer of more than {_ANSWER_MAX >> 20} MiB, or of more parts "
            "than any has; is generator.base_url right?"
        )
