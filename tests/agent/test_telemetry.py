"""What OpenTelemetry is told of a run, seen with those exporters of its SDK that keep it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from rr_refine import telemetry
from rr_refine.agent.run_context import folder_for
from rr_refine.agent.session import run_job
from rr_refine.batching import Batcher
from rr_refine.errors import GeneratorTimeout
from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions
from rr_refine.telemetry import Traced
from tests.agent.test_review import job
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, generator, policy, run
from tests.reward.test_openai import CAT, Server, answer, completion, fault
from tests.test_batching import Doubler

SECRET = "three hats of the chairman"


class Seen:
    """All that was told."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.spans_to = TracerProvider()
        self.spans_to.add_span_processor(SimpleSpanProcessor(self._spans))
        self.metrics_to = MeterProvider([self._reader])

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def named(self, name: str, **details: object) -> list[dict[str, Any]]:
        """The attributes of the spans of a name that have these."""
        wanted = {f"rr_refine.{key}": value for key, value in details.items()}
        found = [dict(s.attributes or {}) for s in self.spans if s.name == f"rr_refine.{name}"]
        return [one for one in found if one.items() >= wanted.items()]

    def sums(self, name: str) -> dict[tuple[object, ...], float]:
        """What a metric came to, by the values of its attributes; of a histogram, the count."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            tuple((point.attributes or {}).values()): float(
                getattr(point, "count", 0) or getattr(point, "value", 0)
            )
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"rr_refine.{name}"
            for point in metric.data.data_points
        }


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    seen = Seen()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: seen.spans_to)
    monkeypatch.setattr(metrics._internal, "get_meter_provider", lambda: seen.metrics_to)
    telemetry._api.cache_clear()
    yield seen
    telemetry._api.cache_clear()


async def test_a_run_is_a_tree_of_spans(tmp_path: Path, seen: Seen) -> None:
    server = Server(fault(503), completion(answer(3, 3, "N/A")))
    application = seen.spans_to.get_tracer("application")
    with application.start_as_current_span("POST /pictures"):
        done = await run(
            tmp_path, SECRET, critic=server.critic(), policy=policy(rounds=2), run_id="order-17"
        )
    by_id = {span.context.span_id: span for span in seen.spans}

    def path(span: ReadableSpan) -> list[str]:
        above = [] if span.parent is None else path(by_id[span.parent.span_id])
        return [*above, span.name.removeprefix("rr_refine.")]

    assert len({span.context.trace_id for span in seen.spans}) == 1
    for name in ("render", "critique", "rewrite"):
        paths = [path(span) for span in seen.spans if span.name == f"rr_refine.{name}"]
        assert paths
        assert all(one == ["POST /pictures", "run", "node", name] for one in paths)
    assert [one["rr_refine.node"] for one in seen.named("node")] == [
        *("plan", "generate", "critique", "accept", "rewrite"),
        *("generate", "critique", "accept", "finish"),
    ]
    (whole,) = seen.named("run")
    assert whole["rr_refine.run"] == "order-17"
    assert (whole["rr_refine.status"], whole["rr_refine.images"]) == ("done", 2)
    assert done.outcome is not None
    assert whole["rr_refine.stop"] == done.outcome.stop.rule
    critiques = seen.named("critique")
    assert [one["rr_refine.retries"] for one in critiques] == [1, 0]
    assert {one["gen_ai.request.model"] for one in critiques} == {"m"}
    assert {one["gen_ai.request.model"] for one in seen.named("render")} == {"fake"}
    assessment = done.assessment(done.candidates[0])
    assert assessment is not None
    assert critiques[0]["gen_ai.usage.input_tokens"] == assessment.usage.prompt_tokens > 0
    events = [event.name for span in seen.spans for event in span.events]
    assert [f"rr_refine.{event.type}" for event in done.events()] == events
    told = json.dumps([json.loads(span.to_json()) for span in seen.spans])
    assert "chairman" not in told


async def test_metrics(tmp_path: Path, seen: Seen) -> None:
    server = Server(fault(503), completion(answer(3, 3, "N/A")))
    done = await run(tmp_path, critic=server.critic(), policy=policy(rounds=2))
    assert (
        seen.sums("duration").items()
        >= {
            ("run", "fake"): 1,
            ("node", "generate"): 2,
            ("render", "fake"): 2,
            ("critique", "m"): 2,
        }.items()
    )
    assert seen.sums("retries")["critique", "m"] == 1
    spent = done.outcome.spend if done.outcome else None
    assert spent is not None
    tokens = seen.sums("tokens")
    for side, count in (("input", spent.prompt_tokens), ("output", spent.completion_tokens)):
        # A comparison that fails has used some as well.
        assert sum(number for key, number in tokens.items() if side in key) == count > 0
    assert seen.sums("queue")["critique", "m"] == 2


async def test_what_is_found_done_is_no_work(tmp_path: Path, seen: Seen) -> None:
    for _ in range(2):
        await run(tmp_path, run_id="one")
    assert len(seen.named("run")) == 2
    assert len(seen.named("render")) == 2


async def test_failures_and_their_types(tmp_path: Path, seen: Seen) -> None:
    broken = UnreliableGenerator([None, GeneratorTimeout("too slow for the chairman")])
    await run(tmp_path, generator=broken)
    first, second = seen.named("render")
    assert "error.type" not in first
    assert second["error.type"] == "GeneratorTimeout"
    states = [s.status.status_code for s in seen.spans if s.name == "rr_refine.render"]
    assert states == [StatusCode.UNSET, StatusCode.ERROR]
    assert seen.sums("duration")["render", "fake", "GeneratorTimeout"] == 1
    assert not any("error.type" in one for one in (*seen.named("node"), *seen.named("run")))
    assert "chairman" not in json.dumps([json.loads(span.to_json()) for span in seen.spans])


async def test_a_run_that_fails(tmp_path: Path, seen: Seen) -> None:
    class Leaves(Exception):
        """Raised by a handler."""

    def on_event(event: object) -> None:
        raise Leaves

    with pytest.raises(Leaves):
        await run(tmp_path, on_event=on_event)
    (whole,) = seen.named("run")
    assert (whole["error.type"], whole["rr_refine.status"]) == ("Leaves", "failed")


async def test_neither_a_question_nor_being_cancelled_is_an_error(
    tmp_path: Path, seen: Seen
) -> None:
    with folder_for(job(), tmp_path) as folder:
        async with aclosing(run_job(folder, job())) as events:
            async for _ in events:
                pass
    assert seen.named("node", node="review")
    task = asyncio.ensure_future(run(tmp_path, "other hats", generator=generator(seconds=30)))
    while len(seen.named("node", node="plan")) < 2:  # noqa: ASYNC110  its own events are ours
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one["rr_refine.status"] for one in seen.named("run")] == ["waiting", "interrupted"]
    assert not any("error.type" in (span.attributes or {}) for span in seen.spans)


async def test_time_in_a_queue(seen: Seen) -> None:
    """Of a device that draws one picture at a time, and of an endpoint that is asked one thing at
    a time.
    """

    class Slow(Server):
        async def answered(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.sleep(0.1)
            return self.handle(request)

    transport = httpx2.MockTransport(Slow(completion(answer(3, 3, "N/A"))).answered)
    critic = OpenAICritic(
        OpenAICriticOptions(base_url="http://critic/v1", model="m", concurrency=1),
        http_client=lambda: httpx2.AsyncClient(transport=transport),
    )
    device = Batcher(lambda: Doubler(limit=1, before=lambda _: time.sleep(0.1)), "doubler")

    async def draw(work: Traced) -> None:
        with work:
            await device.submit(1)

    async def judge(work: Traced) -> None:
        with work:
            await critic.critique(CAT)

    for use in (draw, judge):
        works = [Traced("render", "a"), Traced("render", "b")]
        await asyncio.gather(*map(use, works))
        assert works[0].waited < 0.1 <= works[1].waited
    assert [one["rr_refine.queue_seconds"] >= 0.1 for one in seen.named("render")] == [
        *(False, True),
        *(False, True),
    ]


async def test_without_the_extra_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    telemetry._api.cache_clear()
    try:
        assert telemetry._api() is None
        done = await run(tmp_path, critic=UnreliableCritic())
    finally:
        telemetry._api.cache_clear()
    assert done.status == "done"
