"""The client of an OpenAI-compatible endpoint, below chat and images.

It keeps one client per event loop (a connection belongs to the loop that opened it), bounds how
many requests are under way, finds out which model is served, and reads the answers. What goes
wrong becomes an error of the calling room. Retries are the client library's, and nobody else's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from rr_refine.endpoint.bill import Bill, RequestCost
from rr_refine.endpoint.completion import json_of
from rr_refine.endpoint.environment import open_http
from rr_refine.endpoint.faults import EndpointErrors, EndpointFaults
from rr_refine.endpoint.models import ModelList, is_same_model, only_model, shown_models
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.endpoint.per_loop import PerLoop
from rr_refine.endpoint.prices import Prices
from rr_refine.endpoint.spares import Spare, Spared
from rr_refine.endpoint.words import Said
from rr_refine.errors import ConfigError, RefineError
from rr_refine.retries import retries_allowed
from rr_refine.telemetry import waited

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["EndpointClient", "FilePart"]

FilePart: TypeAlias = tuple[str, tuple[str, bytes, str]]
"""Of a form: its field, and name, contents and media type of the file."""

_CONNECT: Final = 10.0
"""Seconds for a connection when the models are asked for: a dead server is told soon."""

_ELSEWHERE: Final = (401, 402, 403, 404, 408, 429)
"""Statuses that are never about a field of the body."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class EndpointClient:
    """One OpenAI-compatible endpoint. Use it from any number of event loops, one after another or
    at once; call `aclose` in each loop when it is done there.

    Args:
        options: which endpoint, and how to ask it.
        section: the config section of the options, which messages name: `critic`.
        errors: the error types of the calling room.
        http_client: makes the HTTP client of a loop, which `aclose` closes; the client library's
            own by default.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    answer_max: ClassVar[int] = 2 * 2**20
    """Most bytes of an answer: no judgement has so many, and whatever comes is kept."""

    def __init__(
        self,
        options: EndpointOptions,
        *,
        section: str,
        errors: EndpointErrors,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self.url = options.checked_url(section)
        """The root of the API."""
        options.require_sendable_key(section)
        if not retries_allowed():
            timeout = min(options.timeout, 5.0)
            options = options.model_copy(update={"max_retries": 0, "timeout": timeout})
        self._options = options
        given: object = options
        self.prices = given if isinstance(given, Prices) else None
        """What answers cost, where there are options for it."""
        self._section = section
        self.errors = errors
        self._http_client = http_client
        self._faults = EndpointFaults(errors, self.url, section, options)
        self._model = options.model
        self._spared = Spared()
        self._listing: tuple[str, ...] = ()
        self._contexts: dict[str, int] = {}
        self._sessions = PerLoop(self._open)

    @property
    def model(self) -> str:
        """The model's name.

        Raises:
            ConfigError: it was not given, and nothing was asked yet.
        """
        if self._model is None:
            raise ConfigError(
                f"which model {self.url} serves is not known before the first answer; "
                f"set {self._section}.model, or await connect()"
            )
        return self._model

    @property
    def context(self) -> int | None:
        """How many tokens question and answer may have together, where the server lists that."""
        same = (n for name, n in self._contexts.items() if is_same_model(self.model, name))
        return next(same, None)

    @property
    def listing_notices(self) -> tuple[str, ...]:
        """What the server's list of models tells, once connected; as the notices of a `Usage`."""
        return self._listing

    @property
    def notices(self) -> tuple[str, ...]:
        """What is done otherwise than asked since the server refused it; as above."""
        return tuple(self._spared.notices)

    async def connect(self) -> None:
        """Ask which models there are, once an event loop: so a dead server is told early.

        A server that has no list of models is fine if a model was given; one that is not in the
        list is a notice (Azure lists no deployments).

        Raises:
            ConfigError: the endpoint serves several models, or does not know the key.
            RefineError: of the kind given as `errors`: it cannot be asked, or serves none.
        """
        session = self._sessions.get()
        async with session.connecting:
            if session.listed:
                return
            served = await self._listed(session.client)
            session.listed = True
            if self._model is not None:
                if served is not None and not any(is_same_model(self._model, m) for m in served):
                    self._listing = (
                        f"the endpoint does not list the model {self._model!r}, only "
                        f"{shown_models(served)}; it is asked for all the same",
                    )
                return
            if not served:
                raise self.errors.unavailable(
                    f"{self.url} lists no model; is it still loading? "
                    f"If it never lists them, set {self._section}.model"
                )
            self._model = only_model(served, self.url, self._section)

    async def post(
        self,
        path: str,
        body: Mapping[str, JsonValue],
        answer: type[AnswerT],
        files: Sequence[FilePart] = (),
        *,
        spares: Mapping[str, Spare] | None = None,
        cost: RequestCost[AnswerT] | None = None,
    ) -> AnswerT:
        """Send one request as soon as there is a free place, and read what comes back.

        Args:
            path: below the root of the API, or an address of the same server.
            body: its fields, without the model.
            answer: the form of the answer. What it does not name is ignored.
            files: with any, the body is a form.
            spares: fields that the server need not take. When it refuses one, the request is sent
                again without, and so are all later ones; `notices` says so.
            cost: what it costs; None for nothing.

        Raises:
            ConfigError: the key, the model or the URL is wrong (401, 403, 404).
            OverBudgetError: it could cost more than the run may still spend.
            RefineError: of the kinds given as `errors`.
        """
        import openai

        if self._model is None:
            await self.connect()
        session, queued, bill = self._sessions.get(), time.monotonic(), Bill(cost)
        with bill.running():
            async with session.slots:
                waited(time.monotonic() - queued)
                with self._faults.caught(body):
                    try:
                        response = await self._send(session.client, path, body, files, spares or {})
                    except openai.NotFoundError:
                        await self._require_served(session.client)
                        raise
            read = self._read(answer, response)
            if cost is not None:
                usd, assumed = cost.told(read)
                bill.settle(usd, assumed=assumed)
        return read

    def _cost(
        self, most: float | None, told: Callable[[AnswerT], tuple[float | None, bool]]
    ) -> RequestCost[AnswerT]:
        """What a request costs by the prices of the options."""
        own = not (self._options.key or (self.prices and self.prices.has_price))
        return RequestCost(most, told, own)

    async def _send(
        self,
        client: openai.AsyncOpenAI,
        path: str,
        body: Mapping[str, JsonValue],
        files: Sequence[FilePart],
        spares: Mapping[str, Spare],
    ) -> httpx2.Response:
        """Send a request, and again without what the server does not take."""
        import httpx2
        import openai

        while True:
            sent = self._spared.applied(body)
            try:
                return await client.post(
                    path,
                    cast_to=httpx2.Response,  # read here: the library itself checks no types
                    body={"model": self.model, **sent},
                    files=files or None,
                    options={"headers": {"Content-Type": "multipart/form-data"}} if files else {},
                )
            except openai.APIStatusError as error:
                said = Said.read(json_of(error.response.content))
                shown, elsewhere = self._faults.clean(said.shown), error.status_code in _ELSEWHERE
                if elsewhere or not self._spared.learn(said, sent, spares, shown):
                    raise

    async def tell(self, path: str) -> None:
        """POST to the server itself, beside its API: vLLM's `/sleep`, say. The answer is ignored.

        Args:
            path: from the server's root, which is the API's without `/v1`; with its query.

        Raises:
            ConfigError: the key is wrong, or there is no such path.
            RefineError: of the kinds given as `errors`.
        """
        import httpx2

        with self._faults.caught():
            await self._sessions.get().client.post(self._beside(path), cast_to=httpx2.Response)

    def _beside(self, path: str) -> str:
        """The address of a path from the server's root, which is the API's without `/v1`."""
        return f"{self.url.removesuffix('/v1')}/{path.lstrip('/')}"

    async def download(self, url: str, *, limit: int) -> bytes:
        """Fetch what an answer points at, such as an image by URL.

        It comes from the endpoint's own origin, to which alone the key goes along, or from a
        public address; see `rr_refine.endpoint.download`.

        Args:
            url: http(s), absolute or relative to the base URL.
            limit: bytes; a longer body is an error.

        Raises:
            RefineError: of the kinds given as `errors`.
        """
        import httpx2

        from rr_refine.endpoint.download import fetch

        options, clean = self._options, self._faults.clean
        try:
            return await fetch(
                self._sessions.get().http,
                url,
                base=self.url,
                key=options.key,
                limit=limit,
                timeout=options.timeout,
            )
        except ValueError as error:
            raise self.errors.unreadable(f"{self.url} points at {clean(str(error))}") from None
        except (TimeoutError, httpx2.TimeoutException):
            raise self.errors.timeout(
                f"{self.url} points at a file that did not come within {options.timeout:g} s"
            ) from None
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self.errors.unavailable(
                f"{self.url} points at a file that cannot be fetched: {clean(str(error))}"
            ) from None

    async def aclose(self) -> None:
        """Close what the running event loop has opened. A later call opens it again."""
        if (session := self._sessions.take()) is not None:
            await session.client.close()

    def _open(self) -> _Session:
        import httpx2
        import openai

        from rr_refine.endpoint.answers import BoundedAnswers

        options = self._options
        own = self._http_client
        http = own() if own else open_http(self.url, options.key, self._section)
        client = openai.AsyncOpenAI(
            base_url=self.url,
            # None would make the client look for a key in the environment and send it here.
            api_key=options.key or "none",
            timeout=options.timeout,
            max_retries=options.max_retries,
            http_client=httpx2.AsyncClient(
                transport=BoundedAnswers(
                    http, self.answer_max, 2 * options.timeout + 60, options.key, self._too_long
                ),
                follow_redirects=False,  # a request goes where the settings say, and nowhere else
            ),
        )
        # The client took these from the environment; they are meant for one vendor only.
        client.organization = client.project = None
        client._custom_headers = {}
        return _Session(client, http, asyncio.Semaphore(options.concurrency), asyncio.Lock())

    def _too_long(self) -> RefineError:
        return self.errors.unreadable(
            f"{self.url} sent an answer of more than {self.answer_max / 2**20:g} MiB, or of more "
            f"parts than any has; is {self._section}.base_url right?"
        )

    async def _listed(self, client: openai.AsyncOpenAI) -> list[str] | None:
        """The models that the server lists; None if it has no list, and one was given."""
        import openai

        with self._faults.caught():
            try:
                return await self._served(client)
            except openai.APIStatusError as error:
                # A key may be good for answers and not for the list.
                bad_key = error.status_code == 401 and "scope" not in error.message.lower()
                if self._model is None or bad_key or error.status_code in (502, 503, 504):
                    raise
            except RefineError:
                if self._model is None:
                    raise
        return None

    async def _served(self, client: openai.AsyncOpenAI) -> list[str]:
        import httpx2

        seconds = self._options.timeout
        patience = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT))
        response = await client.get(
            "/models", cast_to=httpx2.Response, options={"timeout": patience}
        )
        listed = self._read(ModelList, response)
        self._contexts = listed.contexts
        return listed.names

    async def _require_served(self, client: openai.AsyncOpenAI) -> None:
        """After a 404: say which models there are, if ours is none of them."""
        import openai

        try:
            served = await self._served(client)
        except (openai.APIError, RefineError):
            return  # The 404 itself says more.
        if self.model not in served:
            # Not from the 404, whose text may repeat the key.
            raise ConfigError(
                f"{self.url} does not serve {self.model!r}; it serves {shown_models(served)}: "
                f"set {self._section}.model to what is there"
            ) from None

    def _read(self, answer: type[AnswerT], response: httpx2.Response) -> AnswerT:
        body = response.content
        try:
            return answer.model_validate_json(json_of(body))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            why = f"{place}: {first['msg']}" if place else first["msg"]
            # Not `from error`, which repeats the body.
            raise self._faults.unreadable(body, why) from None


@dataclass(slots=True)
class _Session:
    """What belongs to one event loop."""

    client: openai.AsyncOpenAI
    http: httpx2.AsyncClient
    slots: asyncio.Semaphore
    connecting: asyncio.Lock
    listed: bool = False
    """The models were asked for."""
