"""What a run pays hosted services: counted as it goes, limited, and remembered."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine import arefine, go_on, load_run
from rr_refine.agent.budget import Cost, limits_of
from rr_refine.agent.events import Event, Notice, read_event
from rr_refine.agent.follow_up import FollowUp, again, edit, use_prompt, vary
from rr_refine.agent.history import OUT_OF_BUDGET
from rr_refine.agent.picture_name import picture_name
from rr_refine.agent.policy import preset
from rr_refine.agent.refine import make_job
from rr_refine.agent.report.reader import read_summary
from rr_refine.agent.report.report import report_page
from rr_refine.agent.rewriting.llm import LlmRewriter, LlmRewriterOptions
from rr_refine.agent.run import Run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.lines import lines_of
from rr_refine.cli.live.status import Status
from rr_refine.component import prices_of
from rr_refine.endpoint.prices import PicturePrices, Prices
from rr_refine.errors import ConfigError, CriticUnavailable, GeneratorError, StoreError
from rr_refine.generators.images_api import ImagesApiGenerator, ImagesApiOptions
from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions
from rr_refine.studio.state import RunState
from rr_refine.studio.tools import ToldRun
from rr_refine.terms import Dimension
from tests.agent.records import only_run
from tests.reward.answers import pointwise

POOR: dict[Dimension, str] = {
    "text_faithfulness": "2.0",
    "physical_quality": "2.0",
    "text_rendering": "N/A",
}
PICTURE = 0.04
TOKENS: dict[str, JsonValue] = {"price_input": 1.0, "price_output": 10.0}
TOLD = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = 0.002  # of TOLD tokens at these prices
Fault = httpx2.Response | type[Exception]


def png(number: int) -> str:
    buffer = io.BytesIO()
    noise = Image.effect_noise((48, 32), 80)
    noise.putpixel((0, 0), number % 256)
    noise.convert("RGB").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


class Service:
    """One service with three models. What they are asked is kept by kind."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.faults: dict[str, list[Fault | None]] = {}
        self.usage: dict[str, object] = dict.fromkeys(("critic", "rewriter"), TOLD)
        self.hang: str | None = None
        self.hanging = asyncio.Event()

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/models"):
            return httpx2.Response(404)
        body = json.loads(request.content)
        kind = str(body["model"])
        self.asked.append(kind)
        if kind == self.hang:
            self.hanging.set()
            await asyncio.sleep(60)
        faults = self.faults.get(kind)
        if faults and (fault := faults.pop(0)) is not None:
            if isinstance(fault, httpx2.Response):
                return fault
            raise fault("it broke")
        usage = {"usage": self.usage[kind]} if kind in self.usage else {}
        if kind == "painter":
            return httpx2.Response(
                200, json={"data": [{"b64_json": png(len(self.asked))}], **usage}
            )
        said = f"<why>w</why><prompt>a cat, {len(self.asked)}</prompt>"
        said = pointwise("t2i", POOR) if kind == "critic" else said
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": said}}
        return httpx2.Response(200, json={"choices": [choice] * body.get("n", 1), **usage})

    def count(self, kind: str) -> int:
        return self.asked.count(kind)

    def client(self) -> httpx2.AsyncClient:
        transport = httpx2.MockTransport(self)
        return httpx2.AsyncClient(transport=transport)

    def parts(self, **options: dict[str, JsonValue]) -> dict[str, Any]:
        """A generator, a critic and a rewriter, all here; options by kind."""
        url: dict[str, JsonValue] = {"base_url": "http://service/v1", "api_key": "sk-4242"}
        more: dict[str, dict[str, JsonValue]] = {
            "painter": {"price_image": PICTURE, "max_retries": 2},
            "critic": {**TOKENS, "max_tokens": 1000, "max_retries": 1},
            "rewriter": {**TOKENS, "max_tokens": 1000, "max_retries": 0},
        }
        given = {k: {**url, "model": k, **more[k], **options.get(k, {})} for k in more}
        given = {k: {n: v for n, v in table.items() if v is not None} for k, table in given.items()}
        return {
            "generator": ImagesApiGenerator(
                ImagesApiOptions.model_validate(given["painter"]), http_client=self.client
            ),
            "critic": OpenAICritic(
                OpenAICriticOptions.model_validate(given["critic"]), http_client=self.client
            ),
            "rewriters": [
                LlmRewriter(
                    LlmRewriterOptions.model_validate(given["rewriter"]), http_client=self.client
                )
            ],
        }


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    return Service()


async def draw(
    service: Service,
    out: Path,
    *,
    rounds: int = 2,
    usd: float | None = None,
    parts: dict[str, Any] | None = None,
    **more: Any,
) -> Run:
    changes = {"patience": None, "pairwise": False, **more.pop("changes", {})}
    budget = {"rounds": rounds, "usd": usd, **more.pop("budget", {})}
    policy = preset("refine", budget=budget, **changes)
    return await arefine("a cat", **(parts or service.parts()), policy=policy, out=out, **more)


async def cut_off(service: Service, drawing: Coroutine[object, object, Run]) -> None:
    """Begin a run, and end its session in the middle of the request that hangs."""
    service.hanging.clear()
    task = asyncio.create_task(drawing)
    await service.hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def cost_of(run: Run) -> Cost:
    assert run.outcome is not None
    return run.outcome.spend.cost


def paid_for(usd: float, assumed: float = 0.0) -> Cost:
    return Cost(usd=round(usd, 9), assumed_usd=round(assumed, 9))


def close(usd: float) -> Any:
    return pytest.approx(usd, abs=1e-9)


async def test_every_part_is_counted_and_shown_as_it_goes(service: Service, tmp_path: Path) -> None:
    seen: list[Event] = []
    run = await draw(service, tmp_path, on_event=seen.append)
    assert service.asked == ["painter", "critic", "rewriter", "painter", "critic"]
    assert cost_of(run) == paid_for(2 * PICTURE + 3 * ANSWER)
    costs = [event.cost.usd for event in seen if event.cost is not None]
    assert costs == sorted(costs) and costs[0] == close(PICTURE) and len(set(costs)) == 5
    assert [read_event(line).cost for line in (run.path / "events.jsonl").read_bytes().splitlines()]
    lines = [line for event in seen for line in lines_of(event)]
    assert "  cost     $0.0420 so far" in lines
    assert lines[-1].endswith(", $0.0860")
    assert any("painter: $0.04 a picture (undated)" in line for line in lines)
    page = (run.path / "report" / "index.html").read_text()
    assert "<dt>cost</dt><dd>$0.0860</dd>" in page


async def test_samples_repairs_and_failures_are_counted(service: Service, tmp_path: Path) -> None:
    odd = {"choices": [{"message": {"content": "no judgement"}}], "usage": TOLD}
    service.faults["critic"] = [httpx2.Response(200, json=odd)]
    run = await draw(service, tmp_path, rounds=1)
    assert service.count("critic") == 2  # the answer, and its repair
    assert cost_of(run) == paid_for(PICTURE + 2 * ANSWER)

    refused = {"choices": [{"message": {"refusal": "no"}}], "usage": TOLD}
    service.faults["critic"] = [httpx2.Response(200, json=refused)]
    other = await draw(service, tmp_path / "2", rounds=1, on_failure="return")
    assert cost_of(other) == paid_for(PICTURE + ANSWER)


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        pytest.param(httpx2.Response(500), PICTURE, id="500"),
        pytest.param(httpx2.Response(503), PICTURE, id="503"),
        pytest.param(httpx2.ReadTimeout, PICTURE, id="no answer"),
        pytest.param(httpx2.ReadError, PICTURE, id="broken off"),
        pytest.param(httpx2.Response(429), 0.0, id="too many"),
        pytest.param(httpx2.ConnectError, 0.0, id="not there"),
    ],
)
async def test_a_retry_is_charged_as_far_as_it_may_be(
    service: Service, tmp_path: Path, fault: Fault, again: float
) -> None:
    service.faults["painter"] = [fault, None]
    run = await draw(service, tmp_path, rounds=1)
    assert service.count("painter") == 2
    paid = PICTURE + again + ANSWER
    assert cost_of(run) == paid_for(paid, again)
    assert str(cost_of(run)) == ("at most " if again else "") + f"${paid:.4f}"


MODERATED = {"error": {"message": "rejected by our safety system", "code": "moderation_blocked"}}


@pytest.mark.parametrize(
    ("fault", "paid", "assumed"),
    [
        pytest.param(httpx2.Response(400, json=MODERATED), PICTURE, PICTURE, id="moderated"),
        pytest.param(httpx2.Response(200, json={"data": []}), PICTURE, 0.0, id="no picture"),
        pytest.param(httpx2.Response(200, content=b"?"), PICTURE, PICTURE, id="unreadable"),
        pytest.param(httpx2.Response(401), 0.0, 0.0, id="no key"),
        pytest.param(
            httpx2.Response(400, json={"error": {"message": "prompt is too long"}}), 0.0, 0.0
        ),
    ],
)
async def test_a_refusal_may_cost_as_much_as_a_picture(
    service: Service, tmp_path: Path, fault: httpx2.Response, paid: float, assumed: float
) -> None:
    service.faults["painter"] = [fault]
    parts = service.parts(painter={"max_retries": 0})
    with pytest.raises((ConfigError, GeneratorError)):
        await draw(service, tmp_path, rounds=1, parts=parts)
    found = load_run(only_run(tmp_path))
    spent = [e.cost for e in found.events() if e.cost]
    assert (spent[-1] if spent else Cost()) == paid_for(paid, assumed)


async def test_unknown_usage_is_charged_at_its_upper_bound(
    service: Service, tmp_path: Path
) -> None:
    service.usage = {}
    run = await draw(service, tmp_path, rounds=1, parts=service.parts(critic={"samples": 3}))
    cost = cost_of(run)
    assert cost.assumed_usd == close(cost.usd - PICTURE)
    assert cost.assumed_usd > 3 * 1000 * 10 / 1e6  # three answers of max_tokens, and the question
    assert str(cost).startswith("at most $")


async def test_usage_that_cannot_be_true_is_charged_at_its_upper_bound(
    service: Service, tmp_path: Path
) -> None:
    service.usage["critic"] = {"prompt_tokens": 1, "completion_tokens": 1}
    cost = cost_of(await draw(service, tmp_path, rounds=1))
    assert cost.assumed_usd == close(cost.usd - PICTURE)
    assert cost.assumed_usd > 1000 * 10 / 1e6  # max_tokens, and the question
    service.usage["critic"] = TOLD
    assert not cost_of(await draw(service, tmp_path / "2", rounds=1)).assumed_usd


async def test_a_limit_in_tokens_sees_more_than_a_server_tells(
    service: Service, tmp_path: Path
) -> None:
    service.usage = {kind: {"prompt_tokens": 1, "completion_tokens": 1} for kind in service.usage}
    run = await draw(service, tmp_path, budget={"tokens": 1500})
    assert run.outcome is not None
    assert run.outcome.spend.assumed_tokens == run.outcome.spend.tokens > 1500
    assert service.count("critic") == 1


@pytest.mark.parametrize("told", [1, 31])
async def test_a_picture_of_hardly_any_tokens_costs_the_most(
    service: Service, tmp_path: Path, told: int
) -> None:
    service.usage["painter"] = {"input_tokens": 50, "output_tokens": told}
    parts = service.parts(painter={"price_input": 10.0, "price_output": 30.0})
    cost = cost_of(await draw(service, tmp_path, rounds=1, parts=parts))
    assert cost.assumed_usd == close(PICTURE + 50 * 10 / 1e6)


@pytest.mark.parametrize(
    ("usage", "options", "paid"),
    [
        pytest.param(None, {"price_input": None}, PICTURE, id="by the picture"),
        pytest.param(TOLD, {"price_input": 2.0}, PICTURE + 0.002, id="and its question"),
        pytest.param(
            {"input_tokens": 50, "output_tokens": 1000},
            {"price_input": 10.0, "price_output": 30.0},
            0.0305,
            id="by tokens",
        ),
        pytest.param({**TOLD, "cost": 0.0123}, {"price_told": True}, 0.0123, id="told"),
        pytest.param({**TOLD, "cost": "NaN"}, {"price_told": True}, PICTURE, id="told badly"),
        pytest.param({**TOLD, "cost": -1}, {"price_told": True}, PICTURE, id="less than nothing"),
        pytest.param({**TOLD, "cost": 0.0123}, {}, PICTURE, id="told in an unknown unit"),
    ],
)
@pytest.mark.parametrize("wire", ["images", "chat"])
async def test_what_a_picture_costs(
    service: Service,
    tmp_path: Path,
    usage: dict[str, JsonValue] | None,
    options: dict[str, JsonValue],
    paid: float,
    wire: str,
) -> None:
    body: dict[str, Any] = {"data": [{"b64_json": png(1)}], "usage": usage}
    if wire == "chat":
        url = f"data:image/png;base64,{png(1)}"
        message = {"content": "", "images": [{"image_url": {"url": url}}]}
        body = {"choices": [{"message": message}], "usage": usage}
    service.faults["painter"] = [httpx2.Response(200, json=body)]
    run = await draw(
        service, tmp_path, rounds=1, parts=service.parts(painter={**options, "wire": wire})
    )
    assert cost_of(run).usd == close(paid + ANSWER)
    told = usage is not None and usage.get("cost") == 0.0123  # or else no more than the most
    assert (cost_of(run).assumed_usd > 0) == (bool(options.get("price_told")) and not told)


@pytest.mark.parametrize("cost", [None, 0.001])
async def test_what_a_service_was_to_tell_and_did_not_is_at_most(
    service: Service, tmp_path: Path, cost: float | None
) -> None:
    service.usage["critic"] = TOLD if cost is None else {**TOLD, "cost": cost}
    parts = service.parts(critic={"price_told": True})
    run = await draw(service, tmp_path, rounds=1, parts=parts)
    assert str(cost_of(run)).startswith("at most $") == (cost is None)


async def test_a_round_that_the_budget_refused_is_not_begun_in_the_report(
    service: Service, tmp_path: Path
) -> None:
    seen: list[Event] = []
    run = await draw(service, tmp_path, rounds=5, usd=0.07, on_event=seen.append)
    last = run.candidates[-1]
    assert last.image is None and last.failure is not None
    with RunFolder(run.path, lock=False) as folder:
        page = " ".join(report_page(read_summary(folder)).split())
    told = f"<strong>Not begun:</strong> the budget does not allow it (<bdi>{last.failure.message}"
    assert told in page and '<span class="badge">not begun</span>' in page
    assert "failed" not in page.partition("<main")[2]
    lines = [line for event in seen for line in lines_of(event)]
    assert f"  budget   {picture_name(last.id)}: {last.failure.message}" in lines


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"budget_usd": True}, "^budget.usd: True is no number"),
        ({"budget_usd": 0}, "^budget.usd = 0: it must be above 0"),
        ({"budget": {"rounds": True}}, "^budget.rounds: True is no number"),
        ({"rounds": True}, "^budget.rounds: True is no number"),
        ({"budget": {"images": False}}, "^budget.images: False is no number"),
        ({"candidates": True}, "candidates: True is no number"),
        ({"seed": True}, "seed: True is no number"),
        ({"policy": {"target": True}}, "target: True is no number"),
    ],
    ids=str,
)
def test_true_is_no_number(service: Service, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_job("a cat", **service.parts(), **given)
    assert make_job("a cat", **service.parts(), policy={"pairwise": True}).policy.pairwise


async def test_what_the_budget_did_not_allow_is_said_in_words(
    service: Service, tmp_path: Path
) -> None:
    run = await draw(service, tmp_path, usd=PICTURE + 0.001)
    lines = [line for event in run.events() for line in lines_of(event)]
    assert any("not asked: it may cost up to" in line for line in lines)
    assert "OutOfBudget" not in "".join(lines)


async def test_programs_are_told_what_a_run_cost(service: Service, tmp_path: Path) -> None:
    run = await draw(service, tmp_path, rounds=1)
    state = RunState(name="it", request=run.request, policy=run.policy, status="done")
    assert ToldRun.of(run, state).cost == cost_of(run)


async def test_a_run_stops_before_a_request_that_could_pass_its_budget(
    service: Service, tmp_path: Path
) -> None:
    limit = 0.11
    run = await draw(service, tmp_path, rounds=9, usd=limit)
    assert run.outcome is not None and run.outcome.stop.rule == "budget"
    cost = cost_of(run)
    assert cost.usd <= limit and cost.usd + PICTURE > limit
    assert service.count("painter") == 2
    assert run.best is not None and run.best.image and (run.path / "result.png").is_file()
    assert run.outcome.ok
    assert f"of ${limit:g} spent, and the next request may cost up to $" in run.outcome.stop.reason
    last = run.candidates[-1].failure
    assert last is None or last.error == OUT_OF_BUDGET


@pytest.mark.parametrize("usd", [0.02, 0.041, 0.05, 0.08, 0.0801, 0.13, 0.2])
@pytest.mark.parametrize("candidates", [1, 4])
async def test_no_budget_is_passed(
    service: Service, tmp_path: Path, usd: float, candidates: int
) -> None:
    """Whatever is under way at once, and whatever the answers do not tell."""
    service.usage = {"critic": TOLD}
    service.faults["painter"] = [httpx2.Response(500), None, None, httpx2.Response(500)]
    changes = {"candidates": candidates}
    with suppress(GeneratorError):  # no picture at all
        await draw(service, tmp_path, rounds=9, usd=usd, changes=changes)
    run = load_run(only_run(tmp_path))
    assert run.outcome is not None and run.outcome.stop.rule == "budget"
    assert cost_of(run).usd <= usd
    assert service.count("painter") <= usd / PICTURE


async def test_what_may_turn_out_cheaper_is_waited_for(service: Service, tmp_path: Path) -> None:
    """Four judgements at once are within the budget, and their upper bounds are not."""
    changes = {"candidates": 4}
    run = await draw(service, tmp_path, rounds=1, usd=4 * PICTURE + 0.03, changes=changes)
    assert [c.mean for c in run.candidates] == [2.0] * 4
    assert cost_of(run).usd == close(4 * (PICTURE + ANSWER))


async def test_what_failed_before_is_paid_for(service: Service, tmp_path: Path) -> None:
    service.faults["critic"] = [httpx2.Response(500), httpx2.Response(500)]
    with pytest.raises(CriticUnavailable):
        await draw(service, tmp_path, rounds=1)
    before = load_run(only_run(tmp_path)).outcome
    assert before is not None and before.spend.cost.usd > PICTURE
    run = await draw(service, tmp_path, rounds=1)
    assert service.count("painter") == 1  # the picture is there
    assert cost_of(run).usd == close(before.spend.cost.usd + ANSWER)
    asked = list(service.asked)
    again = await draw(service, tmp_path, rounds=1, run_id=run.path.name)
    assert service.asked == asked and cost_of(again) == cost_of(run)


@pytest.mark.parametrize("kind", ["painter", "critic", "rewriter"])
async def test_what_was_under_way_is_paid_for(service: Service, tmp_path: Path, kind: str) -> None:
    """A session that is ended in the middle of a request; the service works on."""
    whole = Service()
    await draw(whole, tmp_path / "whole")
    service.hang = kind
    await cut_off(service, draw(service, tmp_path / "cut"))
    service.hang = None
    run = await draw(service, tmp_path / "cut")
    twice = PICTURE if kind == "painter" else cost_of(run).assumed_usd
    assert twice > 0
    assert cost_of(run).usd == close(2 * PICTURE + 3 * ANSWER + twice)
    assert cost_of(run).assumed_usd == close(twice)
    told = [event.cost.usd for event in run.events() if event.cost is not None]
    assert told == sorted(told) and told[-1] == close(cost_of(run).usd)


async def test_a_budget_counts_all_sessions(service: Service, tmp_path: Path) -> None:
    service.hang = "painter"
    for _ in range(2):
        await cut_off(service, draw(service, tmp_path, usd=0.1))
    service.hang = None
    with pytest.raises(GeneratorError, match=r"\$0\.0800 of \$0\.10 is spent"):
        await draw(service, tmp_path, usd=0.1)
    run = load_run(only_run(tmp_path))
    assert service.count("painter") == 2
    assert run.outcome is not None and run.outcome.stop.rule == "budget"
    assert cost_of(run) == paid_for(2 * PICTURE, 2 * PICTURE)


async def test_a_run_that_goes_on_gets_as_much_again(service: Service, tmp_path: Path) -> None:
    parts = service.parts()
    run = await draw(service, tmp_path, rounds=1, usd=0.09, parts=parts)
    assert cost_of(run).usd == close(PICTURE + ANSWER)
    policy = preset("refine", budget={"rounds": 1, "usd": 0.09}, patience=None, pairwise=False)
    more = await arefine(go_on(run, rounds=5), policy=policy, **parts)
    assert more.outcome is not None and more.outcome.stop.rule == "budget"
    assert cost_of(run).usd + 0.09 >= cost_of(more).usd > cost_of(run).usd + PICTURE


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("painter", {"price_image": None}, "set generator.price_image"),
        ("painter", {"price_image": None, "price_told": True}, "what each answer says"),
        ("critic", dict.fromkeys(TOKENS), "set critic.price_input and critic.price_output"),
        ("rewriter", dict.fromkeys(TOKENS), "set rewriter.llm.price_input"),
    ],
)
@pytest.mark.parametrize("key", ["sk-4242", None])
async def test_a_budget_wants_every_price(
    service: Service,
    tmp_path: Path,
    kind: str,
    options: dict[str, JsonValue],
    named: str,
    key: str | None,
) -> None:
    parts = service.parts(**{kind: {**options, "api_key": key}})
    with pytest.raises(ConfigError, match=r"budget\.usd = 1 cannot be kept") as caught:
        await draw(service, tmp_path / "runs", usd=1.0, parts=parts)
    assert named in str(caught.value)
    assert service.asked == []


async def test_a_price_that_is_not_known_is_said(service: Service, tmp_path: Path) -> None:
    parts = service.parts(critic=dict.fromkeys(TOKENS))
    run = await draw(service, tmp_path, rounds=1, parts=parts)
    assert cost_of(run) == Cost(usd=PICTURE, unpriced=1)
    assert str(cost_of(run)) == "$0.0400 and 1 request of unknown price"
    told = (run.path / "events.jsonl").read_text()
    assert "critic: its price is not known: set critic.price_input" in told

    own: dict[str, JsonValue] = {"api_key": None}
    parts = service.parts(
        painter={**own, "price_image": None},
        critic={**own, **dict.fromkeys(TOKENS)},
        rewriter={**own, **dict.fromkeys(TOKENS)},
    )
    quiet = await draw(service, tmp_path / "own", rounds=1, parts=parts)
    assert cost_of(quiet) == Cost()
    assert "its price is not known" not in (quiet.path / "events.jsonl").read_text()
    assert '"charge"' not in (quiet.path / "samples.jsonl").read_text()


async def test_free_servers_of_ones_own_count_as_nothing(service: Service, tmp_path: Path) -> None:
    free: dict[str, JsonValue] = {"price_input": 0.0, "price_output": 0.0}
    parts = service.parts(critic=free, rewriter=free)
    run = await draw(service, tmp_path, usd=0.09, parts=parts)
    assert run.outcome is not None and run.outcome.stop.rule == "max-rounds"
    assert cost_of(run).usd == close(2 * PICTURE)


async def test_a_budget_in_python(service: Service, tmp_path: Path) -> None:
    run = await arefine("a cat", **service.parts(), budget_usd=0.05, out=tmp_path)
    assert run.policy.budget.usd == 0.05
    assert run.outcome is not None and run.outcome.stop.rule == "budget"
    with pytest.raises(ConfigError, match="budget_usd = 1 and budget has usd = 2"):
        await arefine("a cat", **service.parts(), budget_usd=1, budget={"usd": 2}, out=tmp_path)
    with pytest.raises(ConfigError, match="budget"):
        await arefine("a cat", **service.parts(), budget_usd=-1, out=tmp_path)


async def limited_run(service: Service, out: Path) -> tuple[Run, dict[str, Any]]:
    """A run with every limit, and its parts."""
    parts = service.parts()
    limits = {"usd": 0.09, "images": 3, "critic_calls": 7, "tokens": 99999, "seconds": 600.0}
    run = await arefine("a cat", **parts, budget={"rounds": 1, **limits}, out=out)
    return run, parts


STEPS: dict[str, Callable[[Run], FollowUp]] = {
    "vary": vary,
    "edit": lambda run: edit(run, "make it blue"),
    "again": again,
    "prompt": use_prompt,
}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("varied", [False, True])
async def test_what_follows_keeps_every_limit_and_says_so(
    service: Service, tmp_path: Path, kind: str, varied: bool
) -> None:
    run, parts = await limited_run(service, tmp_path)
    if varied:
        run = await arefine(vary(run, 1), **parts)
    limits = run.policy.budget.model_dump(exclude={"rounds"})
    step = STEPS[kind](run)
    assert step.policy.budget.model_dump(exclude={"rounds"}) == limits
    for named in ("one-shot", {"preset": "paper"}, {"budget": {"rounds": 1}}):
        job = make_job(step, **parts, policy=named)  # another preset is no leave to spend more
        assert job.policy.budget.model_dump(exclude={"rounds"}) == limits
    assert make_job(step, **parts, budget_usd=0.01).policy.budget.usd == 0.01
    assert make_job(step, **parts, budget={"usd": None}).policy.budget.usd is None
    changed = make_job(step, **parts, policy={"budget": {"usd": 0.02}}).policy.budget
    assert (changed.usd, changed.images) == (0.02, 3)


async def test_no_more_is_spent_on_what_follows(service: Service, tmp_path: Path) -> None:
    run, parts = await limited_run(service, tmp_path)
    more = await arefine(vary(run, 8), **parts)
    assert cost_of(more).usd <= 0.09
    told = [event.text for event in more.events() if isinstance(event, Notice)]
    words = "$0.09 and 3 images and 7 critic calls and 99,999 tokens and 600 seconds"
    assert f"limits: this run may use {words} at most" in told
    assert "limits: round 1 has 3 of 8 pictures: no more images may be made" in told
    free = await arefine(
        again(run), **parts, budget={"rounds": 1, **dict.fromkeys(limits_of(run.policy.budget))}
    )
    assert "limits: " not in str([e.text for e in free.events() if isinstance(e, Notice)])


async def test_what_is_left_is_counted_from_where_a_run_goes_on(
    service: Service, tmp_path: Path
) -> None:
    run, parts = await limited_run(service, tmp_path)
    more = await arefine(go_on(run), **parts)
    told = [event.text for event in more.events() if isinstance(event, Notice)]
    assert any(
        text.startswith("limits: from round 2 on it may use another $0.09 and") for text in told
    )
    status = Status(run.policy)
    for event in more.events():
        status.follow(event)
    had, spent = cost_of(run).usd, cost_of(more).usd
    assert f"${had + 0.09 - spent:.4f} left" in status.budget_left
    assert f"{1 + 3 - 2} images left" in status.budget_left


async def test_prices_do_not_make_another_run(service: Service, tmp_path: Path) -> None:
    """They change, and what is done does not."""
    service.faults["critic"] = [httpx2.Response(500), httpx2.Response(500)]
    with pytest.raises(CriticUnavailable):
        await draw(service, tmp_path, rounds=1, settings={"critic.price_input": 1.0})
    run = await draw(service, tmp_path, rounds=1, settings={"critic.price_input": 2.0})
    assert run.path == only_run(tmp_path)
    assert service.count("painter") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"price_output": 1}, "with `price_input` only"),
        ({"price_input": 1}, "with `price_output` only"),
        ({"price_date": "2026-09-20"}, "no effect without a price"),
        ({**TOKENS, "price_date": "yesterday"}, "price_date"),
        ({**TOKENS, "price_input": -1}, "price_input"),
        ({**TOKENS, "price_input": "nan"}, "price_input"),
    ],
)
def test_prices_that_are_none(options: dict[str, JsonValue], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Prices.model_validate(options)


def test_prices_have_their_date_and_source(service: Service) -> None:
    dated: dict[str, JsonValue] = {"price_date": "2026-09-20", "price_source": "the price list"}
    parts = service.parts(critic=dated, painter={**TOKENS, **dated})
    (critic,) = prices_of(parts["critic"], own=False)
    assert critic.words == (
        "critic: $1.00 per million tokens of questions and $10.00 per million tokens of answers "
        "(as of 2026-09-20, by the price list)"
    )
    (painter,) = prices_of(parts["generator"], own=False)
    assert painter.words.startswith(
        "painter: up to $0.04 a picture and $1.00 per million tokens of "
    )
    assert PicturePrices(price_told=True).words("generator") == ("what each answer says (undated)")


@pytest.mark.parametrize("charge", [{}, {"work": "render x", "usd": -1, "assumed": False}, [1], 7])
async def test_charges_that_are_none(service: Service, tmp_path: Path, charge: JsonValue) -> None:
    service.faults["critic"] = [httpx2.Response(500), httpx2.Response(500)]
    with pytest.raises(CriticUnavailable):
        await draw(service, tmp_path, rounds=1)
    folder = only_run(tmp_path)
    with (folder / "samples.jsonl").open("a") as journal:
        journal.write(json.dumps({"kind": "charge", "key": "9", "value": charge}) + "\n")
    with pytest.raises(StoreError, match="a charge in"):
        await draw(service, tmp_path, rounds=1)


def test_small_sums_are_no_zeros() -> None:
    assert str(Cost(usd=0.00002)) == "$0.000020"
    assert str(Cost(usd=0.0)) == ""
    assert str(Cost(unpriced=2)) == "2 requests of unknown price"


async def test_a_remark_that_is_merged_is_paid_for(service: Service, tmp_path: Path) -> None:
    parts = service.parts()
    run = await draw(service, tmp_path, rounds=1, parts=parts)
    asked = len(service.asked)
    more = await arefine(go_on(run, "make it blue", rounds=1), policy=run.policy, **parts)
    # The remark is merged, the best picture is judged anew, and there is no other prompt.
    assert service.asked[asked:] == ["rewriter", "critic", "rewriter"]
    assert cost_of(more) == paid_for(cost_of(run).usd + 3 * ANSWER)
