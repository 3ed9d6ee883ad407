from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import httpx2
import openai
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticRefused,
    CriticTimeout,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
    RefineError,
)
from rr_refine.plugins import create as create_plugin
from rr_refine.plugins import parse_options
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, PairwiseCritic
from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions, create
from rr_refine.reward.template import builtin_template, save_template
from rr_refine.terms import Task, dimensions_of
from tests.reward.answers import pairwise, pointwise

RED, GREEN, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue"))
CAT = CritiqueRequest("a cat", RED)
HAT = CritiqueRequest("add a hat", RED, GREEN)
KEY = "sk-very-secret"

Json = dict[str, "JsonValue"]


def answer(*scores: float | str) -> str:
    """A pointwise answer: three scores for t2i, four for an edit."""
    task: Task = "t2i" if len(scores) == 3 else "edit"
    return pointwise(task, dict(zip(dimensions_of(task), map(str, scores), strict=True)))


def comparison(a: float, b: float, task: Task = "t2i") -> str:
    """A pairwise answer with the same scores in every dimension that applies."""
    winner = "It's a tie" if a == b else "Image A" if a > b else "Image B"
    applicable = [d for d in dimensions_of(task) if d != "text_rendering"]
    return pairwise(task, dict.fromkeys(applicable, (str(a), str(b), winner)))


GOOD, POOR, GARBAGE = answer(4.0, 3.5, "N/A"), answer(2.0, 2.5, "N/A"), "What a lovely cat!"


def completion(*texts: str | None, finish: str = "stop", **message: JsonValue) -> httpx2.Response:
    return httpx2.Response(
        200,
        json={
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [
                {
                    "index": i,
                    "finish_reason": finish,
                    "message": {"role": "assistant", "content": text, **message},
                }
                for i, text in enumerate(texts)
            ],
            "usage": {"prompt_tokens": 2000, "completion_tokens": 200, "total_tokens": 2200},
        },
    )


def fault(status: int, message: str = "no", **more: JsonValue) -> httpx2.Response:
    return httpx2.Response(
        status, json={"error": {"message": message, **more}}, headers={"retry-after-ms": "1"}
    )


def models(*names: str) -> httpx2.Response:
    served: list[JsonValue] = [{"id": name, "object": "model"} for name in names]
    return httpx2.Response(200, json={"object": "list", "data": served})


class Server:
    """An endpoint in this process, with a memory."""

    def __init__(self, *script: httpx2.Response | Exception, serves: tuple[str, ...] = ("m",)):
        self.script = list(script)
        self.serves = serves
        self.asked: list[Json] = []
        self.requests: list[httpx2.Request] = []

    def reply(self, body: Json) -> httpx2.Response:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path == "/v1/models":
            return models(*self.serves)
        assert request.url.path == "/v1/chat/completions"
        body: Json = json.loads(request.content)
        self.asked.append(body)
        found = self.reply(body)
        # One response object can be read once only.
        return httpx2.Response(found.status_code, headers=found.headers, content=found.content)

    def critic(self, **options: JsonValue) -> OpenAICritic:
        transport = httpx2.MockTransport(self.handle)
        given: Json = {"base_url": "http://critic/v1", "model": "m", **options}
        return OpenAICritic(
            parse_options(OpenAICriticOptions, given, "critic"),
            http_client=lambda: httpx2.AsyncClient(transport=transport),
        )


class Judge(Server):
    """Answers by what it is shown."""

    def __init__(self, *, likes_first: float = 0.0) -> None:
        super().__init__()
        self.likes_first = likes_first

    def reply(self, body: Json) -> httpx2.Response:
        # The redder the better.
        scores = [
            round(1 + p.getchannel("R").resize((1, 1)).tobytes()[0] / 85, 2) for p in pictures(body)
        ]
        if "Image A, then Image B" in text_of(body):
            *source, a, b = scores
            a = min(4.0, a + self.likes_first)
            return completion(comparison(a, b, "edit" if source else "t2i"))
        return completion(answer(*[scores[-1]] * (len(scores) + 1), "N/A"))


def user_parts(body: Json) -> list[Json]:
    messages = cast("list[Json]", body["messages"])
    return cast("list[Json]", messages[1]["content"])


def pictures(body: Json) -> list[Image.Image]:
    urls = [
        cast("dict[str, str]", part["image_url"])["url"]
        for part in user_parts(body)
        if part["type"] == "image_url"
    ]
    return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


def text_of(body: Json) -> str:
    return "".join(str(part["text"]) for part in user_parts(body) if part["type"] == "text")


class TestContract(CriticContract):
    def make_critic(self) -> OpenAICritic:
        return Judge().critic()


class TestContractWithDiscoveryAndSamples(CriticContract):
    def make_critic(self) -> OpenAICritic:
        return Judge().critic(model=None, samples=2)


def test_the_plugin_door_makes_it() -> None:
    critic = create_plugin("critics", "openai", {"model": "m"})
    assert isinstance(critic, OpenAICritic)
    assert isinstance(critic, PairwiseCritic)
    with pytest.raises(ConfigError, match="did you mean 'base_url'"):
        create(base_ur="http://critic/v1")


async def test_a_question_is_asked_as_the_critics_were_trained() -> None:
    server = Server(completion(answer(4, 3, 2, "N/A")))
    assessment = await server.critic(api_key=KEY).critique(HAT)
    assert assessment.mean == {
        "text_faithfulness": 4.0,
        "image_faithfulness": 3.0,
        "physical_quality": 2.0,
        "text_rendering": None,
    }
    (body,) = server.asked
    assert {k: body[k] for k in ("model", "temperature", "max_tokens", "n")} == {
        "model": "m",
        "temperature": 0.1,
        "max_tokens": 2048,
        "n": 1,
    }
    messages = cast("list[Json]", body["messages"])
    assert [message["role"] for message in messages] == ["system", "user"]
    assert isinstance(messages[0]["content"], str)
    assert [part["type"] for part in user_parts(body)] == ["text", "image_url", "image_url", "text"]
    source, edited = pictures(body)
    assert source.tobytes() == GREEN.tobytes()
    assert edited.tobytes() == RED.tobytes()
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("prompt", ["<image> a <image> cat", "cat " * 25_000, "{0} {prompt} %s"])
async def test_prompts_arrive_verbatim(prompt: str) -> None:
    server = Server(completion(GOOD))
    await server.critic().critique(CritiqueRequest(prompt, RED))
    (body,) = server.asked
    assert f"<user_request>\n{prompt}\n</user_request>" in text_of(body)
    assert [part["type"] for part in user_parts(body)] == ["text", "image_url", "text"]


async def test_the_environment_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the client library looks up there by itself, now or in a later version."""
    library = Path(openai.__file__).parent
    sources = [library / "_client.py", *library.glob("lib/_*.py")]
    names = set(re.findall(r"\"(OPENAI_[A-Z_]+)\"", "".join(map(Path.read_text, sources))))
    assert names >= {"OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"}
    for name in (*names, "OPENAI_CUSTOM_HEADERS"):
        headers = f"Authorization: Bearer {KEY}\nX-Key: {KEY}"
        monkeypatch.setenv(name, headers if "HEADERS" in name else KEY)
    server = Server(completion(GOOD))
    await server.critic().critique(CAT)
    assert KEY not in str(server.requests[-1].headers.multi_items())


async def test_samples_come_from_one_request() -> None:
    server = Server(completion(GOOD, POOR, POOR))
    assessment = await server.critic(samples=3).critique(CAT)
    assert [body["n"] for body in server.asked] == [3]
    assert assessment.mean["text_faithfulness"] == pytest.approx(8 / 3)
    # Standard deviation of 4, 2, 2 with two degrees of freedom: sqrt(8 / 3 / 2).
    assert assessment.spread["text_faithfulness"] == pytest.approx((4 / 3) ** 0.5)
    assert assessment.usage.model_dump() == {
        "calls": 3,
        "prompt_tokens": 2000,
        "completion_tokens": 200,
        "assumed_tokens": 0,
        "notices": (),
    }


async def test_a_server_that_takes_no_notice_of_n_is_asked_again() -> None:
    server = Server(completion(GOOD), completion(POOR))
    assessment = await server.critic(samples=3).critique(CAT)
    assert [body["n"] for body in server.asked] == [3, 1, 1]
    assert len(assessment.critiques) == assessment.usage.calls == 3
    assert assessment.usage.prompt_tokens == 6000


async def test_a_server_that_sends_too_much_is_not_believed_more() -> None:
    assessment = await Server(completion(GOOD, POOR)).critic().critique(CAT)
    assert [critique.raw for critique in assessment.critiques] == [GOOD]


@pytest.mark.parametrize(
    "faults",
    [
        [fault(429)],
        [fault(500), fault(503)],
        [httpx2.ConnectError("refused")],
        [httpx2.ReadTimeout("slow")],
        [httpx2.RemoteProtocolError("server disconnected")],
    ],
)
async def test_passing_faults_are_retried(faults: list[httpx2.Response | Exception]) -> None:
    server = Server(*faults, completion(GOOD))
    assessment = await server.critic(max_retries=2).critique(CAT)
    assert assessment.reward == pytest.approx(2.75 / 3)
    assert len(server.asked) == len(faults) + 1
    assert assessment.usage.calls == 1


@pytest.mark.parametrize(
    ("step", "error", "message", "attempts"),
    [
        (fault(500, "boom"), CriticUnavailable, "answered 500, in up to 2 attempts: boom", 2),
        (fault(429, "slow down"), CriticUnavailable, "slow down", 2),
        (httpx2.ConnectError("refused"), CriticUnavailable, "cannot be reached.*refused", 2),
        (
            httpx2.ConnectTimeout("slow"),
            CriticUnavailable,
            "cannot be reached.*slow.*2 attempts",
            2,
        ),
        (httpx2.ReadError("died"), CriticUnavailable, "is the server running", 2),
        (
            httpx2.ReadTimeout("slow"),
            CriticTimeout,
            "no sign of life for 300 s, in up to 2 attempts",
            2,
        ),
        (fault(401), ConfigError, "check critic.api_key", 1),
        (fault(403), ConfigError, "check critic.api_key", 1),
        (fault(400, "too many tokens"), CriticError, "answered 400: too many tokens", 1),
        (fault(413, "too large"), CriticError, "answered 413: too large", 1),
        (fault(400, "no", code="content_filter"), CriticRefused, "answered 400: no", 1),
        (httpx2.Response(200, html="<html>"), CriticUnavailable, "something else than", 1),
        (httpx2.Response(200, text="{"), CriticUnavailable, "is critic.base_url right", 1),
        (httpx2.Response(200, json={"choices": None}), CriticUnavailable, "something else", 1),
        (completion(), CriticUnreadable, "without any choices", 1),
        (completion(GOOD, finish="length"), CriticTruncated, "cut the answer off", 1),
        (completion(GOOD[:200], finish="length"), CriticTruncated, "cut the answer off", 1),
        (completion("", finish="content_filter"), CriticRefused, "declined", 1),
        (completion(None, refusal="I will not."), CriticRefused, "I will not", 1),
        (completion("I'm sorry, I can't judge people."), CriticRefused, "declined|refus", 1),
        (completion(None), CriticUnreadable, "empty", 1),
        (
            completion(None, reasoning_content="hmm"),
            CriticUnreadable,
            r"whole answer \(3 characters\) into reasoning_content.*no --reasoning-parser",
            1,
        ),
    ],
)
async def test_faults_have_types(
    step: httpx2.Response | Exception,
    error: type[RefineError],
    message: str,
    attempts: int,
) -> None:
    server = Server(step)
    critic = server.critic(max_retries=1)
    with pytest.raises(RefineError, match=message) as caught:
        await critic.critique(CAT)
    assert type(caught.value) is error
    assert len(server.asked) == attempts


async def test_an_unreadable_answer_is_asked_for_again_once() -> None:
    server = Server(completion(GARBAGE), completion(GOOD))
    assessment = await server.critic().critique(CAT)
    assert [critique.raw for critique in assessment.critiques] == [GOOD]
    assert assessment.failures == ()
    assert assessment.usage.calls == 2
    assert assessment.usage.tokens == 4400
    repair = cast("list[Json]", server.asked[1]["messages"])
    assert repair[:2] == server.asked[0]["messages"]
    assert repair[2] == {"role": "assistant", "content": GARBAGE}
    assert "could not be read" in str(repair[3]["content"])


@pytest.mark.parametrize(
    ("again", "error"),
    [
        (completion(GARBAGE), CriticUnreadable),
        (completion("# Detailed", finish="length"), CriticTruncated),
        (completion("I cannot do that."), CriticRefused),
        (fault(500), CriticUnavailable),
    ],
)
async def test_a_repair_that_fails_is_an_error(
    again: httpx2.Response, error: type[CriticError]
) -> None:
    server = Server(completion(GARBAGE), again)
    with pytest.raises(error) as caught:
        await server.critic(max_retries=0).critique(CAT)
    assert len(server.asked) == 2
    told = 1 if error is CriticUnavailable else 2  # of answers that did not come, nobody tells
    assert caught.value.usage is not None
    assert (caught.value.usage.calls, caught.value.usage.tokens) == (told, 2200 * told)


async def test_repairs_can_be_turned_off() -> None:
    server = Server(completion(GARBAGE), completion(GOOD))
    with pytest.raises(CriticUnreadable) as caught:
        await server.critic(repair=False).critique(CAT)
    assert caught.value.raw == GARBAGE
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("texts", "readable"),
    [([GOOD, GARBAGE], 1), ([GOOD, GOOD, GARBAGE], 2), ([GARBAGE, GOOD, GARBAGE, GOOD], 2)],
)
async def test_up_to_half_of_the_samples_may_fail_and_are_kept(
    texts: list[str], readable: int
) -> None:
    server = Server(completion(*texts))
    assessment = await server.critic(samples=len(texts), repair=False).critique(CAT)
    assert len(assessment.critiques) == readable
    assert assessment.failures == (GARBAGE,) * (len(texts) - readable)
    assert assessment.mean["text_faithfulness"] == 4.0


@pytest.mark.parametrize("texts", [[GOOD, GARBAGE, GARBAGE], [GARBAGE] * 2])
async def test_a_minority_of_readable_samples_is_an_error(texts: list[str]) -> None:
    server = Server(completion(*texts))
    failed = texts.count(GARBAGE)
    with pytest.raises(CriticUnreadable, match=f"{failed} of {len(texts)} samples") as caught:
        await server.critic(samples=len(texts), repair=False).critique(CAT)
    assert caught.value.raw == GARBAGE
    assert caught.value.usage is not None
    assert (caught.value.usage.calls, caught.value.usage.tokens) == (len(texts), 2200)


@pytest.mark.parametrize(
    ("first", "second", "winner"), [(RED, BLUE, "a"), (BLUE, RED, "b"), (RED, RED, "tie")]
)
async def test_a_comparison_is_asked_in_both_orders(
    first: Image.Image, second: Image.Image, winner: str
) -> None:
    judge = Judge()
    found = await judge.critic().compare(ComparisonRequest("a cat", first, second))
    assert found.winner == winner
    assert found.usage.calls == 2
    shown = [[p.tobytes() for p in pictures(body)] for body in judge.asked]
    pair = [first.tobytes(), second.tobytes()]
    assert sorted(shown) == sorted([pair, pair[::-1]])


async def test_a_judge_that_likes_the_first_place_decides_nothing() -> None:
    dark, bright = Image.new("RGB", (8, 8), (100, 0, 0)), Image.new("RGB", (8, 8), (120, 0, 0))
    critic = Judge(likes_first=1.0).critic()
    assert (await critic.compare(ComparisonRequest("a cat", dark, bright))).winner == "tie"


async def test_one_failing_order_fails_the_comparison() -> None:
    server = Server(completion(comparison(4, 1)), completion(GARBAGE))
    with pytest.raises(CriticUnreadable):
        await server.critic(repair=False).compare(ComparisonRequest("a cat", RED, BLUE))


async def test_the_only_model_is_found_out_once() -> None:
    server = Server(completion(GOOD), serves=("Rational/8B",))
    critic = server.critic(model=None)
    with pytest.raises(ConfigError, match="not known before the first answer"):
        _ = critic.identity
    await critic.connect()
    assert critic.identity.name == "Rational/8B"
    await critic.critique(CAT)
    await critic.critique(CAT)
    assert critic.identity.name == "Rational/8B"
    assert [body["model"] for body in server.asked] == ["Rational/8B"] * 2
    assert [request.url.path for request in server.requests].count("/v1/models") == 1


@pytest.mark.parametrize(
    ("serves", "error", "message"),
    [
        ((), CriticUnavailable, "lists no model"),
        (("b", "a"), ConfigError, r"serves 'a', 'b'; name one of them with critic\.model"),
    ],
)
async def test_a_model_that_cannot_be_found_out(
    serves: tuple[str, ...], error: type[RefineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        await Server(completion(GOOD), serves=serves).critic(model=None).critique(CAT)


async def test_a_wrong_model_name_says_which_are_there() -> None:
    server = Server(fault(404, "The model `x` does not exist."), serves=("a", "b"))
    with pytest.raises(ConfigError, match="does not serve 'x'; it serves 'a', 'b'"):
        await server.critic(model="x").critique(CAT)


async def test_a_wrong_model_name_does_not_bring_the_key_along() -> None:
    server = Server(fault(404, f"The model `x` does not exist for {KEY}."))
    with pytest.raises(ConfigError, match="does not serve 'x'; it serves 'm'") as caught:
        await server.critic(model="x", api_key=KEY).critique(CAT)
    assert KEY not in "".join(traceback.format_exception(caught.value))


async def test_a_wrong_address_says_what_it_must_be() -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404, json={"detail": "Not Found"})

    options = OpenAICriticOptions(base_url="http://critic/api", model="m")

    def client() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))

    with pytest.raises(ConfigError, match=r"http://critic/api answered 404.*mostly ends in /v1"):
        await OpenAICritic(options, http_client=client).critique(CAT)


async def test_an_address_without_a_path_means_v1() -> None:
    server = Server(completion(GOOD))
    await server.critic(base_url="http://critic").critique(CAT)
    assert str(server.requests[-1].url) == "http://critic/v1/chat/completions"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "localhost:8000"}, "critic.base_url = 'localhost:8000'.*such as 'http://"),
        ({"base_url": "http://"}, "critic.base_url = 'http://' is no http"),
        ({"base_url": f"http://me:{KEY}@host/v1"}, "give critic.api_key instead"),
        ({"base_url": f"http://host/v1?key={KEY}"}, "give critic.api_key instead"),
        ({"samples": 0}, "critic.samples = 0"),
        ({"samples": 3, "temperature": 0, "api_key": KEY}, "critic.samples = 3 has no effect"),
        ({"timeout": 0}, "critic.timeout = 0"),
        ({"template": "beef"}, "there is no template 'beef'"),
    ],
)
def test_bad_options_are_one_line_without_secrets(options: Json, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        create(**options)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_the_key_is_nowhere_to_be_seen() -> None:
    server = Server(fault(401, f"Incorrect API key provided: {KEY}"))
    critic = server.critic(api_key=KEY)
    with pytest.raises(ConfigError, match=r"provided: \*\*\*") as caught:
        await critic.critique(CAT)
    options = OpenAICriticOptions.model_validate({"api_key": KEY})
    seen = [str(caught.value), repr(critic), repr(vars(critic)), repr(options)]
    seen += [critic.identity.model_dump_json(), options.model_dump_json()]
    seen += traceback.format_exception(caught.value)
    assert KEY not in "".join(seen)


def test_the_identity_is_what_the_judgement_depends_on(tmp_path: Path) -> None:
    plain = create(model="m").identity
    same: list[Json] = [
        {"base_url": "http://elsewhere/v1"},
        {"timeout": 1.0},
        {"max_retries": 0},
        {"concurrency": 1},
        {"api_key": KEY},
        {"template": str(save_template(builtin_template(), tmp_path))},
    ]
    for options in same:
        assert create(model="m", **options).identity == plain
    rubrics = {"t2i": builtin_template().rubric("edit").model_dump()}
    rubrics["t2i"]["user"] = [{"slot": "image"}, {"slot": "request"}]
    other = builtin_template().model_validate({"name": "other", "rubrics": rubrics})
    different: list[Json] = [
        {"samples": 2},
        {"temperature": 0.5},
        {"max_tokens": 100},
        {"repair": False},
        {
            "template": other.digest[:9],
            "template_store": str(save_template(other, tmp_path).parent),
        },
    ]
    identities = [create(model="m", **options).identity for options in different]
    assert plain not in identities
    assert len({identity.model_dump_json() for identity in identities}) == len(different)


async def test_requests_under_way_are_bounded() -> None:
    under_way = most = 0

    async def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            await asyncio.sleep(0)
        under_way -= 1
        return completion(GOOD)

    options = OpenAICriticOptions(model="m", concurrency=2)

    def client() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))

    critic = OpenAICritic(options, http_client=client)
    await asyncio.gather(*(critic.critique(CAT) for _ in range(6)))
    assert most == 2


@contextmanager
def real_server(behave: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handle(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            behave(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handle)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, *, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def test_one_critic_in_two_event_loops_over_real_connections() -> None:
    calls = 0

    def behave(handler: BaseHTTPRequestHandler) -> None:
        nonlocal calls
        calls += 1
        send(handler, completion(GOOD).content)

    async def judge(critic: OpenAICritic) -> list[float]:
        try:
            both = await asyncio.gather(critic.critique(CAT), critic.critique(CAT))
        finally:
            await critic.aclose()
        return [assessment.reward for assessment in both]

    with real_server(behave) as address:
        critic = create(base_url=address, model="m", concurrency=1)
        assert asyncio.run(judge(critic)) == asyncio.run(judge(critic))
    assert calls == 4


async def test_a_server_that_hangs_is_a_timeout() -> None:
    let_go = threading.Event()

    def behave(handler: BaseHTTPRequestHandler) -> None:
        let_go.wait(10)
        handler.close_connection = True

    with real_server(behave) as address:
        critic = create(base_url=address, model="m", timeout=0.1, max_retries=0)
        try:
            with pytest.raises(CriticTimeout, match=r"no sign of life for 0\.1 s"):
                await critic.critique(CAT)
        finally:
            let_go.set()
            await critic.aclose()


async def test_a_server_that_dies_in_its_answer_is_unavailable() -> None:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b'{"choices": [', length=1000)
        handler.close_connection = True

    with real_server(behave) as address:
        critic = create(base_url=address, model="m", max_retries=0)
        with pytest.raises(CriticUnavailable, match="cannot be reached"):
            await critic.critique(CAT)
        await critic.aclose()


async def test_nobody_listens() -> None:
    with real_server(lambda _: None) as address:
        pass
    critic = create(base_url=address, model="m", max_retries=0)
    with pytest.raises(CriticUnavailable, match="is the server running"):
        await critic.critique(CAT)
    await critic.aclose()


async def test_cancelling_ends_the_request() -> None:
    started = asyncio.Event()
    cancelled = False

    async def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal cancelled
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise
        return completion(GOOD)

    def client() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))

    critic = OpenAICritic(OpenAICriticOptions(model="m"), http_client=client)
    call = asyncio.create_task(critic.critique(CAT))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert cancelled


async def test_a_comparison_that_fails_has_cost_both_orders() -> None:
    server = Server(completion(GARBAGE), completion(GARBAGE))
    request = ComparisonRequest("a cat", CAT.image, CAT.image)
    with pytest.raises(CriticUnreadable) as caught:
        await server.critic(repair=False).compare(request)
    assert caught.value.usage is not None
    assert (caught.value.usage.calls, caught.value.usage.tokens) == (2, 4400)
