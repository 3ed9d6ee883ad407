"""Guided answers of endpoints: what is sent, and what is said where a server does otherwise."""

from __future__ import annotations

import re

import pytest
from pydantic import JsonValue

from rr_refine.errors import CriticError, CriticUnreadable
from rr_refine.reward.answer_form import answer_form
from rr_refine.reward.critic import ComparisonRequest
from tests.reward.test_openai import CAT, GARBAGE, GOOD, HAT, Server, completion, fault

RED = CAT.image
WAYS = ("regex", "guided_regex", "json_schema")


async def test_nothing_is_sent_unless_it_is_asked_for() -> None:
    server = Server(completion(GOOD))
    await server.critic().critique(CAT)
    assert not {"structured_outputs", "guided_regex", "response_format"} & server.asked[0].keys()


async def test_the_form_of_each_kind_of_question_is_sent() -> None:
    server = Server(completion(GARBAGE))
    critic = server.critic(guided="regex", repair=False)
    for request in (CAT, HAT):
        with pytest.raises(CriticUnreadable):
            await critic.critique(request)
    with pytest.raises(CriticUnreadable):
        await critic.compare(ComparisonRequest("a cat", RED, RED))
    forms = [answer_form("t2i"), answer_form("edit"), answer_form("t2i", pairwise=True)]
    sent = [body["structured_outputs"] for body in server.asked]
    assert sent[:3] == [{"regex": form.regex} for form in forms]
    server = Server(completion(GOOD))
    await server.critic(guided="guided_regex").critique(CAT)
    assert server.asked[0]["guided_regex"] == forms[0].regex
    await server.critic(guided="json_schema").critique(CAT)
    format = server.asked[1]["response_format"]
    assert isinstance(format, dict)
    assert isinstance(inner := format["json_schema"], dict)
    assert (format["type"], inner["strict"]) == ("json_schema", True)
    assert inner["schema"] == forms[0].schema


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Unknown parameter: '{}'."),
        (422, "{}: Extra inputs are not permitted"),
        (400, "{} is not supported by this model"),
        (400, "Failed to compile grammar"),
        (400, "this model cannot do structured decoding"),
    ],
)
async def test_a_refusal_names_the_setting_and_nothing_is_asked_without(
    way: str, status: int, words: str
) -> None:
    field = {"regex": "structured_outputs", "json_schema": "response_format"}.get(way, way)
    server = Server(fault(status, words.format(field)))
    with pytest.raises(CriticError) as refused:
        await server.critic(guided=way).critique(CAT)
    assert f"{field!r} was sent along: set critic.guided = 'off'" in str(refused.value)
    assert len(server.asked) == 1


async def test_a_refusal_of_something_else_names_that() -> None:
    server = Server(fault(400, "'seed' is not supported"))
    with pytest.raises(CriticError) as refused:
        await server.critic().critique(CAT)
    assert "guided" not in str(refused.value)


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_takes_no_notice_is_told(way: str) -> None:
    readable = GOOD.replace("## Score: 4.0", "## Score: 4.0 (perfect)")
    judged = await Server(completion(readable)).critic(guided=way).critique(CAT)
    (notice,) = judged.usage.notices
    assert f"critic.guided = {way!r}" in notice
    assert "takes no notice" in notice
    with pytest.raises(CriticUnreadable, match="takes no notice"):
        await Server(completion(GARBAGE)).critic(guided=way).critique(CAT)


async def test_an_answer_of_the_form_is_read_without_a_word() -> None:
    text = re.sub("## Justification: .*", "## Justification: </think> Score: 1.0", GOOD)
    judged = await Server(completion(text)).critic(guided="regex").critique(CAT)
    assert judged.mean["text_faithfulness"] == 4.0
    assert judged.usage.notices == ()
    assert judged.critiques[0].guided is False


async def test_a_json_answer_is_read_without_a_word() -> None:
    import json

    said: dict[str, JsonValue] = {
        "user_request_analysis": "a cat",
        "text_faithfulness": {"justification": "there", "score": "4.0"},
        "physical_quality": {"justification": "fine", "score": "3.5"},
        "text_rendering": {"justification": "none", "score": "N/A"},
        "summary": "good",
        "refinement_comments": "none",
        "refined_request": "None",
    }
    answered = completion(json.dumps(said))
    judged = await Server(answered).critic(guided="json_schema").critique(CAT)
    assert [*judged.mean.values()] == [4.0, 3.5, None]
    assert judged.usage.notices == ()


def test_the_identity_says_how_it_is_guided() -> None:
    names = [Server().critic(guided=way).identity.details.get("guided") for way in WAYS]
    assert names == [*WAYS]
    # As before there was guidance, so that old runs go on.
    assert "guided" not in Server().critic().identity.details
