"""The judge behind an endpoint: what is sent, and what an answer without a text becomes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any, cast

import httpx2
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.benchmarks.judge import OpenAIJudge, OpenAIJudgeOptions, create
from rr_refine.benchmarks.question import Question
from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticRefused,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.plugins import parse_options

QUESTION = Question(("Is it red?", Image.new("RGB", (4, 4), "red")), max_tokens=7)


class Endpoint:
    """In this process; gives one answer again and again."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.respond: Callable[[], httpx2.Response] = lambda: self.response
        self.asked: list[dict[str, JsonValue]] = []

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/models"):
            return httpx2.Response(200, json={"data": [{"id": "judge-of-the-day"}]})
        self.asked.append(json.loads(request.content))
        response = self.respond()
        return httpx2.Response(response.status_code, content=response.content)

    def judge(self, **options: JsonValue) -> OpenAIJudge:
        transport = httpx2.MockTransport(self.handle)
        given = {"base_url": "http://judge/v1", "max_retries": 0, **options}
        return OpenAIJudge(
            parse_options(OpenAIJudgeOptions, given, "judge"),
            http_client=lambda: httpx2.AsyncClient(transport=transport),
        )


def said(
    text: str | None, finish: str = "stop", used: int = 2, **message: JsonValue
) -> httpx2.Response:
    choice = {"finish_reason": finish, "message": {"content": text, **message}}
    usage = {"prompt_tokens": 5, "completion_tokens": used}
    return httpx2.Response(200, json={"choices": [choice], "usage": usage})


async def test_a_question_is_one_user_message_and_no_temperature_is_sent() -> None:
    endpoint = Endpoint(said("Yes."))
    judge = endpoint.judge()
    reply = await judge.ask(QUESTION)
    assert (reply.text, reply.usage.tokens) == ("Yes.", 7)
    (body,) = endpoint.asked
    messages = cast("list[dict[str, list[dict[str, str]] | str]]", body["messages"])
    assert [message["role"] for message in messages] == ["user"]
    text, picture = cast("list[dict[str, str]]", messages[0]["content"])
    assert text == {"type": "text", "text": "Is it red?"}
    assert picture["type"] == "image_url"
    assert body["max_tokens"] == 7
    assert "temperature" not in body  # as the official scripts
    assert judge.identity.name == body["model"] == "judge-of-the-day"
    await judge.aclose()


async def test_pictures_are_jpeg_where_the_official_script_sends_it() -> None:
    endpoint = Endpoint(said("Yes."))
    judge = endpoint.judge(model="m")
    await judge.ask(Question(QUESTION.content, jpeg=90))
    await judge.ask(QUESTION)
    messages = [cast("list[dict[str, list[Any]]]", body["messages"]) for body in endpoint.asked]
    urls = [own[0]["content"][1]["image_url"]["url"] for own in messages]
    kinds = [url.partition(";")[0] for url in urls]
    assert kinds == ["data:image/jpeg", "data:image/png"]
    data = base64.b64decode(urls[0].partition(",")[2])
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", (4, 4))
    await judge.aclose()


async def test_a_temperature_of_ones_own_is_sent_and_part_of_the_identity() -> None:
    endpoint = Endpoint(said("Yes."))
    judge = endpoint.judge(temperature=0, model="m")
    await judge.ask(Question(("Is it?",)))
    assert endpoint.asked[0]["temperature"] == 0
    assert "max_tokens" not in endpoint.asked[0]  # the benchmark sets none
    assert judge.identity != endpoint.judge(model="m").identity
    await judge.aclose()


async def test_a_limit_of_ones_own_goes_before_that_of_the_benchmark() -> None:
    endpoint = Endpoint(said("Yes."))
    judge = endpoint.judge(model="m", max_tokens=99, limit_name="max_completion_tokens")
    await judge.ask(QUESTION)
    assert endpoint.asked[0]["max_completion_tokens"] == 99
    assert "max_tokens" not in endpoint.asked[0]
    await judge.aclose()


async def test_what_an_official_script_sends_besides() -> None:
    endpoint = Endpoint(said("1"))
    question = Question(("Is it?",), system="Be strict.", temperature=0, thoughts=False)
    judge = endpoint.judge(model="m")
    await judge.ask(question)
    (body,) = endpoint.asked
    assert body["messages"] == [
        {"role": "system", "content": "Be strict."},
        {"role": "user", "content": "Is it?"},
    ]
    assert body["temperature"] == 0
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    await judge.aclose()
    own = endpoint.judge(model="m", temperature=0.3)
    await own.ask(question)
    assert endpoint.asked[1]["temperature"] == 0.3  # the user's own goes before it
    await own.aclose()


async def test_a_server_that_knows_no_thoughts_is_asked_without_that_field() -> None:
    refusal = {"error": {"message": "Unrecognized request argument: chat_template_kwargs"}}
    endpoint = Endpoint(said("1"))
    judge = endpoint.judge(model="m")
    answers = [httpx2.Response(400, json=refusal), said("1"), said("1")]
    endpoint.respond = lambda: answers.pop(0)
    for _ in range(2):
        reply = await judge.ask(Question(("Is it?",), thoughts=False))
        assert reply.text == "1"
    assert ["chat_template_kwargs" in body for body in endpoint.asked] == [True, False, False]
    assert "chat_template_kwargs" in reply.usage.notices[0]
    await judge.aclose()


async def test_the_likelihoods_of_the_first_token() -> None:
    tops = [{"token": "No", "logprob": -0.1}, {"token": " Yes", "logprob": -2.5}]
    places = [{"token": "No", "logprob": -0.1, "top_logprobs": tops}]
    completion = json.loads(said("No", finish="length", used=1).content)
    completion["choices"][0]["logprobs"] = {"content": places}
    endpoint = Endpoint(httpx2.Response(200, json=completion))
    judge = endpoint.judge(model="m")
    question = Question(("Is it?",), max_tokens=1, may_be_cut=True, likelihoods=True)
    reply = await judge.ask(question)
    assert (endpoint.asked[0]["logprobs"], endpoint.asked[0]["top_logprobs"]) == (True, 20)
    assert reply.tokens == {"No": -0.1, " Yes": -2.5}
    assert reply.answer == '{"No": -0.1, " Yes": -2.5}'
    # Without any, or where they are not asked for, the words are the answer.
    endpoint.response = said("No", finish="length", used=1)
    assert (await judge.ask(question)).answer == "No"
    await judge.ask(Question(("Is it?",), max_tokens=1, may_be_cut=True))
    assert "logprobs" not in endpoint.asked[2]
    few = endpoint.judge(model="m", top_logprobs=5)
    await few.ask(question)
    assert endpoint.asked[3]["top_logprobs"] == 5
    assert few.identity != judge.identity
    assert "top_logprobs" not in judge.identity.details  # as in the folders of older versions
    for own in (judge, few):
        await own.aclose()


async def test_an_answer_at_the_official_limit_counts_where_it_does_officially() -> None:
    endpoint = Endpoint(said("One two", finish="length", used=7))
    judge = endpoint.judge(model="m")
    cut = Question(QUESTION.content, max_tokens=7, may_be_cut=True)
    assert (await judge.ask(cut)).text == "One two"
    endless = "and again " * 90  # is not asked for once more, as elsewhere
    endpoint.response = said(endless, finish="length", used=7)
    assert (await judge.ask(cut)).text == endless
    # But what the server's own context cut off has not come to that limit.
    endpoint.response = said("One", finish="length", used=2)
    with pytest.raises(CriticTruncated, match="2 of the 7 tokens"):
        await judge.ask(cut)
    endpoint.response = said("I must not", finish="content_filter", used=7)
    with pytest.raises(CriticRefused):
        await judge.ask(cut)
    await judge.aclose()


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (said("Ye", finish="length"), CriticTruncated, "2 of the 7 tokens.*max_model_len"),
        (
            said("Ye", finish="length", used=7),
            CriticTruncated,
            r"token limit cut .*raise judge\.max_tokens",
        ),
        (said(None, refusal="I must not"), CriticRefused, "I must not"),
        (said("x", finish="content_filter"), CriticRefused, "declined"),
        (httpx2.Response(200, json={"choices": []}), CriticUnreadable, "without any choices"),
        (httpx2.Response(500, json={"error": {"message": "oh"}}), CriticUnavailable, "500"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_its_kind(
    response: httpx2.Response, kind: type[CriticError], words: str
) -> None:
    judge = Endpoint(response).judge(model="m")
    with pytest.raises(kind, match=words) as failed:
        await judge.ask(QUESTION)
    assert (failed.value.usage is not None) == (response.status_code == 200)
    await judge.aclose()


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"judge.modle.*did you mean 'model'"):
        create(modle="m")
