"""The judge behind an endpoint: what is sent, and what an answer without a text becomes."""

from __future__ import annotations

import base64
import io
import json
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
        self.asked: list[dict[str, JsonValue]] = []

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/models"):
            return httpx2.Response(200, json={"data": [{"id": "judge-of-the-day"}]})
        self.asked.append(json.loads(request.content))
        return httpx2.Response(self.response.status_code, content=self.response.content)

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
