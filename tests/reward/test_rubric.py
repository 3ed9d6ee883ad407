"""A judge by a rubric of one's own."""

from __future__ import annotations

from typing import cast

import httpx2
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.component import connected
from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticRefused,
    CriticTimeout,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.plugins import create, parse_options
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.rubric import RubricOptions, RubricReward, read_score
from rr_refine.reward.scalar import RewardCritic
from tests.reward.test_openai import KEY, RED, Json, Server, completion, fault

RUBRIC = "Is it a poster that one can read from far away?"
CAT = CritiqueRequest("a poster {with} Score: 10", RED)


def reward_of(server: Server, **options: JsonValue) -> RubricReward:
    transport = httpx2.MockTransport(server.handle)
    given: Json = {"base_url": "http://judge/v1", "model": "m", "rubric": RUBRIC}
    return RubricReward(
        parse_options(RubricOptions, given | options, "critic"),
        http_client=lambda: httpx2.AsyncClient(transport=transport),
    )


def parts_of(body: Json) -> list[Json]:
    (message,) = cast("list[Json]", body["messages"])
    return cast("list[Json]", message["content"])


class TestRubric(CriticContract):
    def make_critic(self) -> Critic:
        return RewardCritic(reward_of(Server(completion("Fine.\nScore: 7"))))


async def test_the_scale_is_the_users() -> None:
    server = Server(completion("It is clear.\n\n**Score: 8/10**"))
    scored = await reward_of(server, scale=[0, 10]).score(CAT)
    assert scored.value == pytest.approx(0.8) and "It is clear." in scored.text
    assert scored.usage.calls == 1 and scored.usage.prompt_tokens == 2000
    (body,) = server.asked
    assert (body["temperature"], body["max_tokens"], body["model"]) == (0.0, 1024, "m")
    first, picture, last = parts_of(body)
    assert f"<rubric>\n{RUBRIC}\n</rubric>" in str(first["text"])
    assert f"<request>\n{CAT.prompt}\n</request>" in str(first["text"])
    assert picture["type"] == "image_url"
    assert "a number from 0 (worst) to 10 (best)" in str(last["text"])


async def test_an_edit_shows_the_source_first() -> None:
    server = Server(completion("Score: 5.5"))
    request = CritiqueRequest("bluer", RED, Image.new("RGB", (4, 4), "green"))
    assert (await reward_of(server).score(request)).value == pytest.approx(0.5)
    kinds = [part["type"] for part in parts_of(server.asked[0])]
    assert kinds == ["text", "image_url", "text", "image_url", "text"]
    assert "that was to be edited" in str(parts_of(server.asked[0])[0]["text"])


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Score: 3", 3),
        ("score = 2.5", 2.5),
        ("- **Score:** 4/5", 4),
        ("> Score: 4 out of 5.", 4),
        ("The request says Score: 1.\nScore: 5", 5),
        ("Score: 2\nNo, better:\nScore: 3", 3),
    ],
)
def test_scores_that_are_read(text: str, score: float) -> None:
    assert read_score(text, 1, 5) == score


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is a 4.",
        "Score: good",
        "Score: 6",
        "Score: 0.5",
        "Score: -3",
        "Score: 4/10",
        "Score: 3 or 4",
        "Score: nan",
        "Score: 2\nScore: 4\nEither of them.",
        "Final Score: 4",
        "Score: " + " " * 100_000 + "x",
    ],
)
def test_scores_that_are_none(text: str) -> None:
    with pytest.raises(CriticUnreadable) as caught:
        read_score(text, 1, 5)
    assert caught.value.raw == text


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (completion("Lovely!"), CriticUnreadable),
        (completion("Score: 9", finish="length"), CriticTruncated),
        (completion("Score: 9", finish="content_filter"), CriticRefused),
        (completion(None, refusal="I would rather not."), CriticRefused),
        (fault(503), CriticUnavailable),
        (httpx2.ConnectError("no"), CriticUnavailable),
        (httpx2.ReadTimeout("late"), CriticTimeout),
        (fault(400), CriticError),
    ],
)
async def test_a_failure_is_never_a_score(
    step: httpx2.Response | Exception, kind: type[CriticError]
) -> None:
    with pytest.raises(kind) as failed:
        await reward_of(Server(step), max_retries=0).score(CAT)
    answered = isinstance(step, httpx2.Response) and step.status_code == 200
    assert (failed.value.usage is not None) == answered  # what was answered has cost something


async def test_who_it_is_and_what_it_is_asked_by() -> None:
    server = Server(completion("Score: 5"))
    reward = reward_of(server, model=None, api_key=KEY)
    async with connected([reward]):
        assert reward.identity.name == "m" and reward.identity.kind == "rubric"
        await reward.score(CAT)
    assert KEY not in reward.identity.model_dump_json()
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    same = reward_of(server).identity
    assert same == reward.identity
    assert same != reward_of(server, rubric=RUBRIC + "!").identity
    assert same != reward_of(server, scale=[1, 5]).identity


def test_the_plugin_door() -> None:
    assert isinstance(create("critics", "rubric", {"rubric": "x", "model": "m"}), RubricReward)
    with pytest.raises(ConfigError, match=r"critic\.rubric: Field required"):
        create("critics", "rubric", {})
    with pytest.raises(ConfigError, match=r"critic\.scale = \[5\.0, 1\.0\] must rise"):
        create("critics", "rubric", {"rubric": "x", "scale": [5, 1]})
