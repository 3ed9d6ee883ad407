"""Spans and metrics for OpenTelemetry, where its API is installed (extra `otel`).

The SDK, and where it sends things, are the application's. Without the extra, or without an SDK,
nothing is recorded. No prompt, answer or picture is told: names, numbers and kinds of errors only.
Names are those of OpenTelemetry's conventions for generative models (`gen_ai.…`) where it has them.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from contextvars import ContextVar
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self

from rr_refine.errors import RefineError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.trace import Span, Tracer

    from rr_refine.terms import Usage

__all__ = ["Kind", "Traced", "Value", "heard", "retried", "waited"]

Kind = Literal[
    "run",
    "node",
    "render",
    "critique",
    "comparison",
    "evidence",
    "rewrite",
    "revision",
    "fit",
]
Value = str | int | float | bool

_CURRENT: Final[ContextVar[Traced | None]] = ContextVar("work", default=None)
_MODEL: Final = "gen_ai.request.model"


class Traced:
    """A piece of work: a span, and what it adds to the metrics.

    As a context manager it is the current one inside: work that begins there is a part of it, and
    it gets what `waited` and `retried` tell.

    Args:
        kind: of work.
        name: the model or part that does it; of a node, which.
        parent: None for what is current.
        pauses: exceptions that are no errors; being cancelled is none.
        details: see `tell`.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        *,
        parent: Traced | None = None,
        pauses: tuple[type[BaseException], ...] = (),
        **details: Value,
    ) -> None:
        self._common: dict[str, Value] = {"rr_refine.work": kind}
        self._common["rr_refine.node" if kind == "node" else _MODEL] = name
        self._pauses = pauses
        self._start = time.monotonic()
        self._tokens: dict[str, int] = {}
        self._inside = ExitStack()
        self.waited = 0.0
        """Seconds that it waited for its turn."""
        self.retries = 0
        self._span: Span | None = None
        if (api := _api()) is not None:
            within = None if parent is None else parent._context()
            span = api.tracer.start_span(f"rr_refine.{kind}", within, attributes=self._common)
            self._span = span if span.is_recording() else None
        self.tell(**details)

    def tell(self, **details: Value) -> None:
        """Add attributes to the span: `rr_refine.NAME`."""
        if self._span is not None:
            self._span.set_attributes({f"rr_refine.{key}": v for key, v in details.items()})

    def used(self, usage: Usage | None) -> None:
        """Tell what a model used; None where nobody counts."""
        if usage is not None and usage.tokens:
            self._tokens = {"input": usage.prompt_tokens, "output": usage.completion_tokens}

    def end(self, error: BaseException | None = None) -> None:
        """It is over.

        Args:
            error: why it failed.
        """
        if (api := _api()) is None:
            return
        common = self._common
        if isinstance(error, RefineError):
            self.used(error.usage)
        failed = isinstance(error, Exception) and not isinstance(error, self._pauses)
        if failed:
            common = common | {"error.type": type(error).__name__}
        api.seconds.record(time.monotonic() - self._start, common)
        api.queue.record(self.waited, common)
        api.retries.add(self.retries, common)
        for side, count in self._tokens.items():
            api.tokens.add(count, common | {"gen_ai.token.type": side})
        if self._span is None:
            return
        self.tell(queue_seconds=self.waited, retries=self.retries)
        self._span.set_attributes(common)
        for side, count in self._tokens.items():
            self._span.set_attribute(f"gen_ai.usage.{side}_tokens", count)
        if failed:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def __enter__(self) -> Self:
        self._inside.callback(_CURRENT.reset, _CURRENT.set(self))
        if self._span is not None:
            from opentelemetry.trace import use_span

            self._inside.enter_context(
                use_span(self._span, record_exception=False, set_status_on_exception=False)
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside.close()
        self.end(error)

    def _context(self) -> Context | None:
        if self._span is None:
            return None
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(self._span)


def waited(seconds: float) -> None:
    """Tell the current work that it waited so long for its turn."""
    if (work := _CURRENT.get()) is not None:
        work.waited += seconds


def heard(event: str, candidate: str | None) -> None:
    """Tell the current work of an event of the run, by its type, and whom it is about."""
    if (work := _CURRENT.get()) is not None and work._span is not None:
        about = {} if candidate is None else {"rr_refine.candidate": candidate}
        work._span.add_event(f"rr_refine.{event}", about)


def retried() -> None:
    """Tell the current work that a request is sent again."""
    if (work := _CURRENT.get()) is not None:
        work.retries += 1


class _Api(NamedTuple):
    tracer: Tracer
    seconds: Histogram
    queue: Histogram
    tokens: Counter
    retries: Counter


@cache
def _api() -> _Api | None:
    """What records things; an SDK that is set up later is found by it. None without the extra."""
    try:
        from opentelemetry import metrics, trace
    except ImportError:
        return None
    meter = metrics.get_meter("rr_refine")
    return _Api(
        tracer=trace.get_tracer("rr_refine"),
        seconds=meter.create_histogram("rr_refine.duration", "s", "Time that work takes"),
        queue=meter.create_histogram("rr_refine.queue", "s", "Of it, time that it waits"),
        tokens=meter.create_counter("rr_refine.tokens", "{token}", "Tokens that models use"),
        retries=meter.create_counter("rr_refine.retries", "{request}", "Requests sent again"),
    )
