"""What goes wrong at an endpoint, in one line and in the calling room's own error types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rr_refine.endpoint.completion import json_of
from rr_refine.endpoint.key_mask import KeyMask
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.endpoint.words import Said
from rr_refine.errors import ConfigError, RefineError

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["EndpointErrors", "EndpointFaults", "clean_words"]

_Kind: TypeAlias = Literal[
    "key",
    "billing",
    "address",
    "unavailable",
    "timeout",
    "refused",
    "long",
    "rejected",
    "unreadable",
]
_BY_STATUS: Final[Mapping[int, _Kind]] = {
    401: "key",
    402: "billing",
    403: "key",
    404: "address",
    405: "address",
    408: "timeout",
    409: "unavailable",
    425: "unavailable",
    429: "unavailable",
    451: "refused",
}
"""What a status means, unless the words say more. From 500 on, others are `unavailable`; the rest
is `rejected`."""

_FINAL: Final = (401, 402, 404, 405, 408, 425, 429)
"""Statuses that mean the same whatever the words, but for what a bill is about."""

_CONTENT: Final = frozenset(("model", "messages", "prompt", "image"))
"""Fields of a body that are the request itself; the others are how it is to be done."""

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
    long: Callable[[str], RefineError] | None = None
    """What was sent is longer than the server takes; None is the same as `rejected`."""

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
    def caught(self, fields: Collection[str] = ()) -> Iterator[None]:
        """Turn what the client library raises inside into the room's errors.

        Args:
            fields: those of the body that is sent; a refusal may be about one of them.
        """
        import openai

        # Not `from error` where its text, which goes into traces, may repeat the key.
        try:
            yield
        except openai.APIStatusError as error:
            raise self._status(error, [f for f in fields if f not in _CONTENT]) from None
        except openai.APIConnectionError as error:
            raise self._connection(error) from None
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
        return clean_words(words, self.options.key)

    @property
    def _attempts(self) -> str:
        retries = self.options.max_retries
        return f", in up to {retries + 1} attempts" if retries else ""

    def _connection(self, error: openai.APIConnectionError) -> RefineError:
        import httpx2
        import openai

        from rr_refine.endpoint.answers import SlowAnswerError

        cause = error.__cause__
        if isinstance(error, openai.APITimeoutError) and not isinstance(
            cause, httpx2.ConnectTimeout
        ):
            silent = f"it gave no sign of life for {self.options.timeout:g} s"
            what = str(cause) if isinstance(cause, SlowAnswerError) else silent
            return self.errors.timeout(
                f"{self.url}: {what}{self._attempts}: "
                f"raise {self.section}.timeout, or ask for less at once if it is overloaded"
            )
        why = self.clean(str(cause or error)) or type(cause).__name__
        return self.errors.unavailable(
            f"{self.url} cannot be reached ({why}){self._attempts}: "
            f"is the server running, and is {self.section}.base_url right?"
        )

    def _status(self, error: openai.APIStatusError, fields: Collection[str]) -> RefineError:
        status = error.status_code
        if 300 <= status < 400:
            return self._moved(error.response)
        body = Said.read(json_of(error.response.content))
        # An error may come with 200: see `rr_refine.endpoint.answers`.
        sent_as = error.response.extensions.get("sent_as")
        answered = "200 with an error" if sent_as else str(status)
        words = self.clean(body.shown or error.message)
        said = f"{self.url} answered {answered}: {words}"
        retried = f"{self.url} answered {answered}{self._attempts}: {words}"
        kind: _Kind = _BY_STATUS.get(status, "unavailable" if status >= 500 else "rejected")
        match body.topic(fields):
            case "billing" if status not in (401, 404):
                kind = "billing"
            case "refused" if status not in _FINAL:
                kind = "refused"
            case "long" if kind == "rejected" or status == 500:
                kind = "long"
            case "field" if kind == "rejected":
                said += self._advice(body.refused_field(fields) or "")
            case "other" if kind == "rejected" and (off := self._switchable(fields)):
                said += self._advice(off)
            case "other" if kind == "rejected" and sent_as:
                kind = "unreadable"
        match kind:
            case "key":
                return ConfigError(f"{said}; check {self.section}.api_key")
            case "address":
                return ConfigError(
                    f"{said}; check {self.section}.model, and {self.section}.base_url: it must be "
                    "the root of an OpenAI-compatible API, which mostly ends in /v1"
                )
            case "billing":
                return self.errors.unavailable(
                    f"{said}; the account has no money or quota left for it: see its billing page"
                )
            case "unavailable":
                return self.errors.unavailable(retried)
            case "timeout":
                return self.errors.timeout(retried)
            case "long":
                return (self.errors.long or self.errors.rejected)(
                    said + self._length_advice(fields)
                )
            case "refused":
                return self.errors.refused(said)
            case "unreadable":
                return self.errors.unreadable(said)
        return self.errors.rejected(said)

    def _moved(self, response: httpx2.Response) -> RefineError:
        """For a server that sends the request on: prompts, pictures and the key are not."""
        place = self.clean(response.headers.get("location", "")).partition("?")[0]
        error = ConfigError if response.request.method == "GET" else self.errors.rejected
        moved = error(
            f"{self.url} answered {response.status_code} and sends the request on to {place!r}; "
            f"nothing was sent there: if that is right, set {self.section}.base_url to its root"
        )
        moved.final = True
        return moved

    def _advice(self, field: str) -> str:
        """How to leave a field out."""
        if switch := self.options.off_switches.get(field):
            return f"; {field!r} was sent along: set {self.section}.{switch} to leave it out"
        if field in type(self.options).model_fields:
            return f"; set {self.section}.{field} = null to leave it out"
        return f"; take {field!r} out of the parameters"

    def _switchable(self, fields: Collection[str]) -> str | None:
        return next((field for field in fields if field in self.options.off_switches), None)

    def _length_advice(self, fields: Collection[str]) -> str:
        """What to do about a server's context that is too small."""
        if not {"max_tokens", "max_completion_tokens"} & set(fields):
            return ""
        return (
            f"; question and answer must fit into the server's context: start it with a larger "
            f"max_model_len, or lower {self.section}.max_tokens"
        )


def clean_words(words: str, key: str, most: int | None = None) -> str:
    """Foreign words, fit for one line of a terminal, without the key that they may echo.

    Args:
        most: characters that are kept; by default as many as go into a message.
    """
    most = most or _WORDS_MAX
    words = KeyMask(key).words(words)
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return words if len(words) <= most else words[: most - 1] + "…"
