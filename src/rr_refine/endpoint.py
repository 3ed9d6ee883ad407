"""An OpenAI-compatible endpoint, as every room that talks to one needs it.

It keeps one client per event loop (a connection belongs to the loop that opened it), bounds how
many requests are under way, finds out which model is served, and turns the client library's
exceptions into the calling room's own error types. Retries are the client library's, and nobody
else's.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rr_refine.errors import ConfigError, RefineError

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["Endpoint", "EndpointErrors"]

_REFUSAL_WORDS: Final = ("moderation", "contentpolicy", "contentfilter", "responsibleai", "safety")
"""Parts of the error codes by which servers say that they will not, rather than cannot."""

_WORDS_MAX: Final = 400
"""Characters of a server's own words that go into a message."""


@dataclass(frozen=True, slots=True)
class EndpointErrors:
    """What a room raises for each fault of an endpoint. Every value makes an error of a message."""

    unavailable: Callable[[str], RefineError]
    """No connection, 429 or a server error, after all retries."""
    timeout: Callable[[str], RefineError]
    """No answer in time, after all retries."""
    refused: Callable[[str], RefineError]
    """The server declined the content: moderation, a safety system."""
    rejected: Callable[[str], RefineError]
    """The server does not accept the request: 400, 413, 422 and their like."""
    unreadable: Callable[[str], RefineError]
    """The server answered, but with something else than was asked for."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one event loop."""

    client: openai.AsyncOpenAI
    http: httpx2.AsyncClient
    slots: asyncio.Semaphore
    discovery: asyncio.Lock


class Endpoint:
    """One OpenAI-compatible endpoint. Use it from any number of event loops, one after another or
    at once; call `aclose` in each loop when it is done there.

    Args:
        base_url: up to and including the version, such as `http://localhost:8000/v1`.
        errors: the error types of the calling room.
        model: the model to ask for; None to use the one model that the endpoint serves.
        api_key: sent as a bearer token to this endpoint only; never part of a message.
        timeout: seconds that one attempt may take to answer.
        max_retries: further attempts after a lost connection, a timeout, 429 or a server error,
            with the client library's back-off.
        concurrency: requests under way at once, per event loop; further ones wait.
        http_client: makes the HTTP client of a loop; the client library's own by default.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        errors: EndpointErrors,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 120.0,
        max_retries: int = 2,
        concurrency: int = 8,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self.url = _checked_url(base_url)
        """The base URL as messages show it."""
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError("api_key holds characters that cannot be sent: is it the key itself?")
        self._base_url = base_url
        self._api_key = api_key
        self._errors = errors
        self._model = model
        self._timeout = timeout
        self._max_retries = max_retries
        self._concurrency = concurrency
        self._http_client = http_client
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._lock = threading.Lock()

    @property
    def known_model(self) -> str | None:
        """The model, or None as long as it has to be discovered."""
        return self._model

    async def model(self) -> str:
        """The model's name; asks the endpoint once if none was given.

        Do not call it inside `slot`: it makes a request of its own, outside the bound.

        Raises:
            ConfigError: the endpoint serves several models, or none.
            RefineError: of the kind given in `errors`, if it cannot be asked.
        """
        session = self._session()
        async with session.discovery:
            if self._model is None:
                with self._boundary():
                    # `models.list()` fails with an AttributeError on an answer that is no JSON.
                    listing = await session.client.get("/models", cast_to=object)
                self._model = self._only(listing)
        return self._model

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[openai.AsyncOpenAI]:
        """Wait for a free place, and lend the running loop's client.

        Exceptions of the client library that leave the block become the room's own.
        """
        session = self._session()
        async with session.slots:
            with self._boundary():
                yield session.client

    async def download(self, url: str, *, limit: int) -> bytes:
        """Fetch what an answer points at, such as an image by URL.

        The key goes along only to the endpoint's own origin: storage elsewhere has no business
        with it.

        Args:
            url: http(s), absolute or relative to the base URL.
            limit: bytes; a longer body is an error.

        Raises:
            RefineError: of the kind given in `errors`.
        """
        import httpx2

        session = self._session()
        try:
            base = httpx2.URL(self._base_url)
            target = base.join(url)
            if target.scheme not in ("http", "https") or not target.host:
                raise self._errors.unreadable(f"{self.url} points at {self._clean(url)!r}")
            headers = {"Accept": "*/*"}
            if self._api_key and _origin(target) == _origin(base):
                headers["Authorization"] = f"Bearer {self._api_key}"
            body = bytearray()
            async with session.http.stream(
                "GET", target, headers=headers, timeout=self._timeout, follow_redirects=True
            ) as response:
                response.raise_for_status()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise self._errors.unreadable(
                            f"{self.url} points at a file of more than {limit} bytes"
                        )
        except httpx2.TimeoutException as error:
            raise self._errors.timeout(
                f"{self.url} points at a file that did not come within {self._timeout:g} s"
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._errors.unavailable(
                f"{self.url} points at a file that cannot be fetched: {self._clean(str(error))}"
            ) from error
        return bytes(body)

    async def aclose(self) -> None:
        """Close what the running event loop has opened. A later call opens it again."""
        with self._lock:
            session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.client.close()

    def _session(self) -> _Session:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._sessions:
                # Loops that ended without `aclose` can no longer close anything.
                for ended in [known for known in self._sessions if known.is_closed()]:
                    del self._sessions[ended]
                self._sessions[loop] = self._open()
            return self._sessions[loop]

    def _open(self) -> _Session:
        import openai

        http = self._http_client() if self._http_client else openai.DefaultAsyncHttpxClient()
        client = openai.AsyncOpenAI(
            base_url=self._base_url,
            # None would make the client look for a key in the environment and send it here.
            api_key=self._api_key or "none",
            timeout=self._timeout,
            max_retries=self._max_retries,
            http_client=http,
        )
        # The client took these from the environment; they are meant for one vendor only.
        client.organization = client.project = None
        return _Session(client, http, asyncio.Semaphore(self._concurrency), asyncio.Lock())

    def _only(self, listing: object) -> str:
        served = listing.get("data") if isinstance(listing, Mapping) else None
        if not isinstance(served, list):
            raise self._errors.unreadable(f"{self.url}/models is no list of models; set `model`")
        entries = (entry for entry in served if isinstance(entry, Mapping))
        names = [name for entry in entries if isinstance(name := entry.get("id"), str)]
        if len(names) == 1:
            return names[0]
        if not names:
            raise ConfigError(f"{self.url} serves no model; set `model`")
        shown = ", ".join(repr(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
        raise ConfigError(f"{self.url} serves {len(names)} models; set `model` to one of {shown}")

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        import openai

        try:
            yield
        except openai.APIError as error:
            raise self._translate(error) from error
        except UnicodeEncodeError as error:
            raise self._errors.rejected(
                f"the text cannot be sent to {self.url}: "
                f"{error.object[error.start : error.end]!r} is no Unicode character"
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._errors.unreadable(f"{self.url} answered with no JSON: {error}") from error

    def _translate(self, error: openai.APIError) -> RefineError:
        import httpx2
        import openai

        if isinstance(error, openai.APIStatusError):
            return self._translate_status(error)
        cause = error.__cause__
        if isinstance(error, openai.APITimeoutError) and not isinstance(
            cause, httpx2.ConnectTimeout
        ):
            return self._errors.timeout(f"{self.url} did not answer within {self._timeout:g} s")
        if isinstance(error, openai.APIConnectionError):
            why = self._clean(str(cause or error)) or type(cause).__name__
            return self._errors.unavailable(
                f"{self.url} cannot be reached ({why}); is the server up?"
            )
        return self._errors.unreadable(f"{self.url}: {self._clean(error.message)}")

    def _translate_status(self, error: openai.APIStatusError) -> RefineError:
        status = error.status_code
        said = f"{self.url} answered {status}: {self._clean(_words(error))}"
        marks = f"{error.code} {error.type}".lower().replace("_", "").replace("-", "")
        declined = status in (400, 403, 422) and any(word in marks for word in _REFUSAL_WORDS)
        if declined or status == 451:
            return self._errors.refused(said)
        if status in (401, 402, 403):
            return ConfigError(f"{said}; check `api_key`")
        if status in (404, 405):
            return ConfigError(f"{said}; check `model`, and `base_url` (it often ends in /v1)")
        if status == 408:
            return self._errors.timeout(said)
        if status in (409, 425, 429) or status >= 500:
            return self._errors.unavailable(said)
        return self._errors.rejected(said)

    def _clean(self, words: str) -> str:
        """Foreign words, fit for one line of a terminal, without the key that they may echo."""
        if self._api_key:
            words = words.replace(self._api_key, "***")
        words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
        return words if len(words) <= _WORDS_MAX else words[: _WORDS_MAX - 1] + "…"


def _checked_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"base_url = {base_url!r} is no URL: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise ConfigError("base_url holds a user name or password; give the key as `api_key`")
    if parts.query or parts.fragment:
        raise ConfigError("base_url ends in a query or fragment; paths are appended to it")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"base_url = {base_url!r} is no http(s) URL such as 'http://localhost:8000/v1'"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _words(error: openai.APIStatusError) -> str:
    """What the server said: OpenAI's `message`, FastAPI's `detail`, or the body as it is."""
    body = error.body
    if isinstance(body, Mapping):
        for key in ("message", "detail", "error"):
            if body.get(key):
                return str(body[key])
    return str(body) if body else error.message
