"""What goes wrong at an endpoint, in one line and in the calling room's own error types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import ConfigError, RefineError

if TYPE_CHECKING:
    import openai

__all__ = ["EndpointErrors", "EndpointFaults"]

_Kind: TypeAlias = Literal["key", "address", "unavailable", "timeout", "refused", "rejected"]
_BY_STATUS: Final[Mapping[int, _Kind]] = {
    401: "key",
    402: "key",
    403: "key",
    404: "address",
    405: "address",
    408: "timeout",
    409: "unavailable",
    425: "unavailable",
    429: "unavailable",
    451: "refused",
}
"""What a status means, unless the words say that the content was declined. From 500 on, others are
`unavailable`; the rest is `rejected`."""

_REFUSAL_WORDS: Final = ("moderation", "contentpolicy", "contentfilter", "responsibleai", "safety")
"""Parts of the error codes by which servers say that they will not, rather than cannot."""

_WORDS_MAX: Final = 400
"""Characters of a server's own words that go into a message."""

_BODY_MAX: Final = 10_000
"""Bytes of a body that are looked at for a message; it may be an image of many megabytes."""


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
    unanswered: Callable[[str], RefineError]
    """The server answered as it should, but without an answer or an image in it."""

    @classmethod
    def all(cls, error: Callable[[str], RefineError]) -> EndpointErrors:
        """One error for every fault."""
        return cls(*[error] * len(fields(cls)))


@dataclass(frozen=True, slots=True)
class EndpointFaults:
    """Says what went wrong at one endpoint."""

    errors: EndpointErrors
    url: str
    """The endpoint, as messages show it."""
    section: str
    """The config section of its options, which messages name: `critic`, `rewriter.llm`."""
    options: EndpointOptions

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Turn what the client library raises inside into the room's errors."""
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            # Not `from error`, whose text may repeat the key.
            raise self._status(error) from None
        except openai.APIConnectionError as error:
            raise self._connection(error) from error
        except openai.APIError as error:
            raise self.errors.unreadable(f"{self.url}: {self.clean(error.message)}") from None
        except UnicodeEncodeError as error:
            raise self.errors.rejected(
                f"the text cannot be sent to {self.url}: "
                f"{error.object[error.start : error.end]!r} is no Unicode character"
            ) from error

    def unreadable(self, body: bytes, why: str) -> RefineError:
        """For a body that is not what was asked for."""
        said = self.clean(body[:_BODY_MAX].decode(errors="replace")) or "nothing"
        return self.errors.unreadable(
            f"{self.url} sent something else than an OpenAI-compatible API does ({why}); "
            f"is {self.section}.base_url right? It sent: {said}"
        )

    def clean(self, words: str) -> str:
        """Foreign words, fit for one line of a terminal, without the key that they may echo."""
        if self.options.key:
            words = words.replace(self.options.key, "***")
        words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
        return words if len(words) <= _WORDS_MAX else words[: _WORDS_MAX - 1] + "…"

    @property
    def _attempts(self) -> str:
        retries = self.options.max_retries
        return f", in up to {retries + 1} attempts" if retries else ""

    def _connection(self, error: openai.APIConnectionError) -> RefineError:
        import httpx2
        import openai

        cause = error.__cause__
        if isinstance(error, openai.APITimeoutError) and not isinstance(
            cause, httpx2.ConnectTimeout
        ):
            return self.errors.timeout(
                f"{self.url} gave no sign of life for {self.options.timeout:g} s{self._attempts}: "
                f"raise {self.section}.timeout, or ask for less at once if it is overloaded"
            )
        why = self.clean(str(cause or error)) or type(cause).__name__
        return self.errors.unavailable(
            f"{self.url} cannot be reached ({why}){self._attempts}: "
            f"is the server running, and is {self.section}.base_url right?"
        )

    def _status(self, error: openai.APIStatusError) -> RefineError:
        status = error.status_code
        words = self.clean(_words(error))
        said = f"{self.url} answered {status}: {words}"
        retried = f"{self.url} answered {status}{self._attempts}: {words}"
        marks = f"{error.code} {error.type}".lower().replace("_", "").replace("-", "")
        declined = status in (400, 403, 422) and any(word in marks for word in _REFUSAL_WORDS)
        kind = _BY_STATUS.get(status, "unavailable" if status >= 500 else "rejected")
        match "refused" if declined else kind:
            case "key":
                return ConfigError(f"{said}; check {self.section}.api_key")
            case "address":
                return ConfigError(
                    f"{said}; check {self.section}.model, and {self.section}.base_url: it must be "
                    "the root of an OpenAI-compatible API, which mostly ends in /v1"
                )
            case "unavailable":
                return self.errors.unavailable(retried)
            case "timeout":
                return self.errors.timeout(retried)
            case "refused":
                return self.errors.refused(said)
        return self.errors.rejected(said)


def _words(error: openai.APIStatusError) -> str:
    """What the server said: OpenAI's `message`, FastAPI's `detail`, or the body as it is."""
    body = error.body
    if isinstance(body, Mapping):
        for key in ("message", "detail", "error"):
            if body.get(key):
                return str(body[key])
    return str(body) if body else error.message
