"""Chat endpoints as they are: eight common servers, and what each of them may do otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx2
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.component import connected
from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.completion import Choice
from rr_refine.endpoint.options import ChatOptions
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
from rr_refine.plugins import parse_options
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.openai import CRITIC_ERRORS, OpenAICritic, OpenAICriticOptions
from rr_refine.terms import Usage
from tests.endpoint.recorded import SERVERS, WORDS
from tests.reward.answers import pointwise

Json = dict[str, "JsonValue"]
Reply = Callable[[Json], httpx2.Response]

FIELDS: Json = {"temperature": 0.1, "max_tokens": 50}
QUESTION = (Message("user", ("what is it?",)),)
UNCOUNTED = "the endpoint does not tell its tokens: the most that they can be is counted"


class Server:
    """Answers in this process, and remembers what it was asked."""

    def __init__(self, reply: Reply, models: JsonValue = None) -> None:
        self.reply = reply
        self.models = models
        self.asked: list[Json] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(404 if self.models is None else 200, json=self.models)
        body: Json = json.loads(request.content)
        self.asked.append(body)
        return self.reply(body)

    def client(self, **options: JsonValue) -> ChatEndpoint:
        given: Json = {"base_url": "http://host/v1", "model": "m", "max_retries": 0, **options}
        return ChatEndpoint(
            ChatOptions.model_validate(given),
            section="critic",
            errors=CRITIC_ERRORS,
            http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(self)),
        )

    def critic(self, **options: JsonValue) -> OpenAICritic:
        given: Json = {"base_url": "http://host/v1", "model": "m", "max_retries": 0, **options}
        return OpenAICritic(
            parse_options(OpenAICriticOptions, given, "critic"),
            http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(self)),
        )


def always(body: JsonValue | bytes, status: int = 200) -> Server:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Server(lambda _: httpx2.Response(status, content=content))


def completion(message: JsonValue = None, **more: JsonValue) -> Json:
    given: JsonValue = {"content": WORDS} if message is None else message
    return {
        "choices": [{"message": given, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 31, "completion_tokens": 6},
        **more,
    }


def ended(reason: JsonValue, text: str = WORDS, tokens: JsonValue = 50) -> Json:
    choice: Json = {"message": {"content": text}, "finish_reason": reason}
    return {"choices": [choice], "usage": {"prompt_tokens": 31, "completion_tokens": tokens}}


async def ask(server: Server, **options: JsonValue) -> tuple[Choice, Usage]:
    (choice,), usage = await server.client(**options).complete(QUESTION, FIELDS)
    return choice, usage


async def fails(server: Server, **options: JsonValue) -> RefineError:
    with pytest.raises(RefineError) as caught:
        await ask(server, **options)
    assert "\n" not in str(caught.value)
    return caught.value


class TestRecorded:
    """Each server with the options that everybody has: `base_url`, and maybe `model`."""

    @pytest.mark.parametrize("name", SERVERS)
    async def test_it_answers(self, name: str) -> None:
        recorded = SERVERS[name]

        def reply(body: Json) -> httpx2.Response:
            for field, refusal in recorded.refuses.items():
                if field in body:
                    return httpx2.Response(400, json=refusal)
            return httpx2.Response(200, json=recorded.answer)

        server = Server(reply, recorded.models)
        endpoint = server.client(model=recorded.model)
        await endpoint.connect()
        (choice,), usage = await endpoint.complete(QUESTION, FIELDS)
        assert (choice.text, choice.truncated, choice.refused) == (WORDS, False, False)
        assert (usage.prompt_tokens, usage.completion_tokens, usage.assumed_tokens) == (31, 6, 0)
        assert (endpoint.listing_notices == ()) is recorded.listed
        assert len(usage.notices) == len(recorded.refuses) + (not recorded.listed)
        assert not recorded.refuses.keys() & server.asked[-1].keys()

    @pytest.mark.parametrize("name", SERVERS)
    async def test_its_error_is_understood(self, name: str) -> None:
        recorded = SERVERS[name]
        server = Server(
            lambda _: httpx2.Response(recorded.status, json=recorded.error), recorded.models
        )
        error = await fails(server, model=recorded.model)
        assert type(error) is recorded.means
        assert re.search(recorded.words, str(error))

    @pytest.mark.parametrize("name", SERVERS)
    async def test_its_model_is_found(self, name: str) -> None:
        recorded = SERVERS[name]
        endpoint = always(recorded.answer)
        endpoint.models = recorded.models
        client = endpoint.client(model=None)
        if recorded.discovered is None:
            with pytest.raises(ConfigError, match=r"name one of them with critic\.model"):
                await client.connect()
        else:
            await client.connect()
            assert client.model == recorded.discovered


def unsupported(field: str) -> Json:
    return {"error": {"message": f"Unsupported parameter: '{field}' is not supported"}}


class TestRefusedFields:
    @pytest.mark.parametrize(
        ("refused", "sent"),
        [
            (("max_tokens",), {"max_completion_tokens": 50, "temperature": 0.1}),
            (("temperature",), {"max_tokens": 50}),
            (("temperature", "max_tokens"), {"max_completion_tokens": 50}),
            (("max_tokens", "max_completion_tokens"), {"temperature": 0.1}),
            (("temperature", "max_tokens", "max_completion_tokens"), {}),
        ],
    )
    async def test_they_are_sent_otherwise_and_said(
        self, refused: tuple[str, ...], sent: Json
    ) -> None:
        def reply(body: Json) -> httpx2.Response:
            for field in refused:
                if field in body:
                    return httpx2.Response(400, json=unsupported(field))
            return httpx2.Response(200, json=completion())

        server = Server(reply)
        endpoint = server.client()
        for _ in range(2):
            (choice,), usage = await endpoint.complete(QUESTION, FIELDS)
            assert choice.text == WORDS
            assert len(usage.notices) == len(refused)
        for body in server.asked[-2:]:
            assert body.keys() - {"model", "messages"} == sent.keys()
            assert all(body[field] == value for field, value in sent.items())
        assert len(server.asked) == len(refused) + 2

    @pytest.mark.parametrize(
        "refusal",
        [
            {"error": {"message": "n must be 1"}},
            {"error": {"message": "'n' : number must be at most 1", "type": "invalid_request"}},
            {"error": {"message": "Invalid n value (currently only n = 1 is supported)"}},
            {"detail": [{"loc": ["body", "n"], "type": "extra_forbidden", "msg": "Extra inputs"}]},
            {"code": "bad", "error": "Argument not supported: n"},
            {"error": {"message": "Only n=1 is supported"}},
            {"error": {"message": "`n` > 1 is not supported"}},
            {"error": {"param": "n", "message": "unsupported value"}},
        ],
    )
    async def test_several_answers_one_by_one(self, refusal: JsonValue) -> None:
        def reply(body: Json) -> httpx2.Response:
            if "n" in body:
                return httpx2.Response(400, json=refusal)
            return httpx2.Response(200, json=completion())

        server = Server(reply)
        choices, usage = await server.client().complete(QUESTION, FIELDS, n=3)
        assert [choice.text for choice in choices] == [WORDS] * 3
        assert (usage.calls, usage.prompt_tokens) == (3, 93)
        assert len(server.asked) == 4
        assert any("one by one" in notice for notice in usage.notices)

    async def test_the_name_of_the_limit_is_a_setting(self) -> None:
        server = always(completion())
        await ask(server, limit_name="max_completion_tokens")
        assert server.asked[0]["max_completion_tokens"] == 50
        assert "max_tokens" not in server.asked[0]

    async def test_no_temperature_is_a_setting(self) -> None:
        server = always(completion({"content": pointwise("t2i", {"text_faithfulness": "2"})}))
        await server.critic(temperature=None).critique(
            CritiqueRequest("a", Image.new("RGB", (4, 4)))
        )
        assert "temperature" not in server.asked[0]

    @pytest.mark.parametrize(
        "error",
        [
            {"error": {"message": "max_tokens is too large: 99999"}},
            {"error": {"message": "temperature of the pool is high"}},
            {"error": {"message": "the image is not supported", "param": "messages"}},
            {"error": {"message": "no response, unsupported content"}},
        ],
    )
    async def test_other_errors_change_nothing(self, error: JsonValue) -> None:
        server = always(error, 400)
        assert type(await fails(server)) is CriticError
        assert len(server.asked) == 1

    async def test_a_server_that_refuses_whatever_is_sent(self) -> None:
        server = always(unsupported("temperature"), 400)
        assert type(await fails(server)) is CriticError
        assert len(server.asked) == 2


class TestUsage:
    @pytest.mark.parametrize(
        "usage",
        [
            None,
            "many",
            [],
            [1, 2],
            7,
            True,
            {},
            {"prompt_tokens": None, "completion_tokens": None},
            {"prompt_tokens": "x", "completion_tokens": -1},
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            {"prompt_tokens": 1.5, "completion_tokens": [2]},
        ],
    )
    async def test_unknown_tokens_are_the_most_that_they_can_be(self, usage: JsonValue) -> None:
        choice, cost = await ask(always(completion(usage=usage)))
        assert choice.text == WORDS
        assert (cost.calls, cost.completion_tokens, cost.notices) == (1, 50, (UNCOUNTED,))
        assert cost.prompt_tokens >= len("what is it?")
        assert cost.assumed_tokens == cost.tokens

    @pytest.mark.parametrize(
        ("usage", "tokens"),
        [
            ({"prompt_tokens": 31, "completion_tokens": 6}, (31, 6)),
            ({"prompt_tokens": "31", "completion_tokens": "6"}, (31, 6)),
            ({"prompt_tokens": 31.0, "completion_tokens": 6.0}, (31, 6)),
            ({"prompt_tokens": 31, "total_tokens": 37}, (31, 6)),
            ({"completion_tokens": 6, "total_tokens": 37}, (31, 6)),
            ({"input_tokens": 31, "output_tokens": 6}, (31, 6)),
        ],
    )
    async def test_known_tokens_in_other_words(
        self, usage: JsonValue, tokens: tuple[int, int]
    ) -> None:
        _, cost = await ask(always(completion(usage=usage)))
        assert (cost.prompt_tokens, cost.completion_tokens) == tokens
        assert (cost.assumed_tokens, cost.notices) == (0, ())

    @pytest.mark.parametrize(
        "message", [{"content": None, "reasoning_content": "long thoughts"}, None]
    )
    async def test_an_answer_that_is_none_has_cost_what_is_told(self, message: JsonValue) -> None:
        body = completion(message, usage={"prompt_tokens": 31, "completion_tokens": 6})
        if message is None:
            body["choices"] = []
        cost = (await fails(always(body))).usage
        assert cost is not None
        assert (cost.calls, cost.tokens, cost.assumed_tokens) == (1, 37, 0)

    async def test_a_missing_usage_too(self) -> None:
        body = completion()
        del body["usage"]
        _, cost = await ask(always(body))
        assert cost.completion_tokens == 50

    async def test_each_answer_may_have_been_as_long_as_allowed(self) -> None:
        choice: Json = {"message": {"content": WORDS}}
        server = always({"choices": [choice, choice, choice]})
        _, cost = await server.client().complete(QUESTION, FIELDS, n=3)
        assert cost.completion_tokens == 150

    async def test_a_picture_may_be_many_tokens(self) -> None:
        server = always(completion(usage=None))
        picture = Image.new("RGB", (1400, 1400))
        _, cost = await server.client().complete((Message("user", (picture,)),), FIELDS)
        assert cost.prompt_tokens >= 100 * 100


class TestForms:
    @pytest.mark.parametrize(
        "content",
        [
            [{"type": "text", "text": "It is "}, {"type": "text", "text": "a cat."}],
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, WORDS],
            [{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": WORDS}],
            [{"text": "hm", "thought": True}, {"text": WORDS}],
            [{"type": "text", "text": {"value": WORDS, "annotations": []}}],
            {"type": "text", "text": WORDS},
            [WORDS],
        ],
    )
    async def test_a_content_in_parts(self, content: JsonValue) -> None:
        choice, _ = await ask(always(completion({"role": "assistant", "content": content})))
        assert choice.text == WORDS

    @pytest.mark.parametrize(
        "before",
        [
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbf\xef\xbb\xbf\n",
            b": OPENROUTER PROCESSING\n\n",
            b": keep-alive\n\n: keep-alive\n\n",
            b"\n\n   \r\n",
            b": ping\r\n\r\n\xef\xbb\xbf",
            b"// a comment\n",
            b"# a comment\n",
            b"event: message\ndata: ",
            b"data: ",
        ],
    )
    async def test_what_stands_before_the_json(self, before: bytes) -> None:
        choice, _ = await ask(always(before + json.dumps(completion()).encode()))
        assert choice.text == WORDS

    async def test_a_stream_of_one_event(self) -> None:
        body = b": hi\n\ndata: " + json.dumps(completion()).encode() + b"\n\ndata: [DONE]\n\n"
        choice, _ = await ask(always(body))
        assert choice.text == WORDS

    async def test_utf_16(self) -> None:
        choice, _ = await ask(always(json.dumps(completion()).encode("utf-16")))
        assert choice.text == WORDS

    @pytest.mark.parametrize("odd", ["text", [], {"content": "x"}, {"content": [{"token": 1}]}])
    async def test_odd_logprobs_cost_no_answer(self, odd: JsonValue) -> None:
        body = completion()
        body["choices"] = [{"message": {"content": WORDS}, "logprobs": odd}]
        choice, _ = await ask(always(body))
        assert (choice.text, choice.logprobs) == (WORDS, None)

    @pytest.mark.parametrize("odd", [False, 0, [], {}])
    async def test_an_odd_refusal_is_none(self, odd: JsonValue) -> None:
        choice, _ = await ask(always(completion({"content": WORDS, "refusal": odd})))
        assert not choice.refused

    async def test_an_answer_of_megabytes(self) -> None:
        error = await fails(always(completion({"content": "x" * 3_000_000})))
        assert "an answer of more than 2 MiB" in str(error)
        assert len(str(error)) < 500

    async def test_an_error_of_megabytes(self) -> None:
        error = await fails(always({"error": {"message": "x" * 3_000_000}}, 400))
        assert len(str(error)) < 500


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "kind", "words"),
        [
            (
                {"choices": None, "error": {"code": 429, "message": "slow"}},
                CriticUnavailable,
                "slow",
            ),
            (
                {"choices": [], "error": {"code": "429", "message": "slow"}},
                CriticUnavailable,
                "slow",
            ),
            ({"error": {"message": "Rate limit exceeded"}}, CriticUnavailable, "Rate limit"),
            ({"choices": None, "error": {"code": 401, "message": "who"}}, ConfigError, "api_key"),
            ({"choices": None, "error": {"code": 408, "message": "late"}}, CriticTimeout, "late"),
            ({"error": {"code": "content_filter", "message": "no"}}, CriticRefused, "no"),
            ({"error": "the GPU is gone"}, CriticUnavailable, "error: the GPU is gone$"),
            (
                {"object": "error", "message": "the GPU is gone", "code": 500},
                CriticUnavailable,
                "GPU",
            ),
            ({"detail": "the GPU is gone"}, CriticUnavailable, "GPU"),
        ],
    )
    async def test_they_may_come_with_200(
        self, body: JsonValue, kind: type[RefineError], words: str
    ) -> None:
        error = await fails(always(body))
        assert type(error) is kind
        assert re.search(words, str(error))
        assert "answered 200 with an error" in str(error)

    async def test_a_429_within_200_is_tried_again_as_one(self) -> None:
        replies: list[Json] = [{"choices": None, "error": {"code": 429, "message": "slow"}}]

        def reply(_: Json) -> httpx2.Response:
            found = replies.pop() if replies else completion()
            return httpx2.Response(200, json=found, headers={"retry-after-ms": "1"})

        server = Server(reply)
        choice, _ = await ask(server, max_retries=1)
        assert (choice.text, len(server.asked)) == (WORDS, 2)

    @pytest.mark.parametrize("reason", ["error", "network_error", "insufficient_system_resource"])
    async def test_a_broken_answer_is_a_fault_of_the_server(self, reason: str) -> None:
        error = await fails(always(ended(reason)))
        assert type(error) is CriticUnavailable
        assert f"finish_reason '{reason}'" in str(error)

    async def test_an_error_in_a_choice(self) -> None:
        choice: Json = {
            "message": {"content": ""},
            "finish_reason": "error",
            "error": {"code": 502, "message": "the provider is gone"},
        }
        error = await fails(always({"choices": [choice]}))
        assert type(error) is CriticUnavailable
        assert "the provider is gone" in str(error)

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
    async def test_nothing_but_thoughts(self, field: str) -> None:
        error = await fails(always(completion({"content": "", field: "It is a cat, I think."})))
        assert type(error) is CriticUnreadable
        assert "no --reasoning-parser" in str(error)

    async def test_thoughts_that_used_all_tokens(self) -> None:
        body = ended("length")
        body["choices"] = [
            {"message": {"content": None, "reasoning_content": "hm"}, "finish_reason": "length"}
        ]
        error = await fails(always(body))
        assert "raise critic.max_tokens" in str(error)


class TestEnds:
    @pytest.mark.parametrize(
        "reason", ["stop", "eos", None, "", "STOP", "eos_token", "end_turn", "stop_sequence"]
    )
    async def test_a_whole_answer(self, reason: JsonValue) -> None:
        choice, _ = await ask(always(ended(reason)))
        assert (choice.truncated, choice.refused, choice.broken, choice.cut) == (
            *(False, False, False),
            "",
        )

    @pytest.mark.parametrize(
        "reason",
        [
            "length",
            "max_tokens",
            "model_length",
            "tool_calls",
            "abort",
            "unknown",
            3,
            {"type": "x"},
        ],
    )
    async def test_a_cut_answer(self, reason: JsonValue) -> None:
        choice, _ = await ask(always(ended(reason)))
        assert choice.truncated
        assert choice.cut
        with pytest.raises(CriticTruncated):
            await (
                always(ended(reason, pointwise("t2i", {"text_faithfulness": "2"})))
                .critic()
                .critique(CritiqueRequest("a", Image.new("RGB", (4, 4))))
            )

    @pytest.mark.parametrize(
        "reason", ["content_filter", "SAFETY", "prohibited_content", "sensitive", "refusal"]
    )
    async def test_a_refused_answer(self, reason: str) -> None:
        choice, _ = await ask(always(ended(reason)))
        assert (choice.refused, choice.truncated) == (True, False)

    @pytest.mark.parametrize(
        ("tokens", "words"),
        [
            (50, r"the token limit cut the answer off .*raise critic\.max_tokens"),
            (None, r"raise critic\.max_tokens"),
            (20, r"20 of the 50 tokens that were allowed; start it with a larger max_model_len"),
        ],
    )
    async def test_whose_limit_it_was(self, tokens: JsonValue, words: str) -> None:
        choice, _ = await ask(always(ended("length", tokens=tokens)))
        assert re.search(words, choice.cut)


LOOPS = [
    "The sky is blue. " * 60,
    "Well: " + "a" * 900,
    "\n".join(f"{number}. a red hat" for number in range(100)),
    "无需修改。" * 90,
]


class TestRepetition:
    @pytest.mark.parametrize("text", LOOPS)
    @pytest.mark.parametrize(("given", "warmer"), [(0.0, 0.7), (0.1, 0.7), (1.2, 1.2), (None, 0.7)])
    async def test_it_is_asked_once_more(
        self, text: str, given: float | None, warmer: float
    ) -> None:
        replies = [completion(), ended("length", text)]
        server = Server(lambda _: httpx2.Response(200, json=replies.pop()))
        (choice,), usage = await server.client().complete(
            QUESTION, {"temperature": given, "max_tokens": 50}
        )
        assert choice.text == WORDS
        assert server.asked[1]["temperature"] == warmer
        assert (usage.calls, usage.completion_tokens) == (2, 56)
        assert usage.notices == (
            "an answer repeated itself without end, and was asked for once more at temperature "
            f"{warmer:g}",
        )

    async def test_only_once(self) -> None:
        server = always(ended("length", LOOPS[0]))
        choice, _ = await ask(server)
        assert choice.truncated
        assert len(server.asked) == 2

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (LOOPS[0], "stop"),
            ("a red hat, " * 20, "length"),
            (" ".join(f"word{n * n}x{chr(97 + n % 26)}" for n in range(300)), "length"),
        ],
    )
    async def test_other_answers_are_not(self, text: str, reason: str) -> None:
        server = always(ended(reason, text))
        await ask(server)
        assert len(server.asked) == 1


class TestConnect:
    @pytest.mark.parametrize(
        "listing",
        [
            httpx2.Response(404),
            httpx2.Response(405),
            httpx2.Response(501),
            httpx2.Response(500),
            httpx2.Response(403, json={"error": {"message": "Missing scopes: api.model.read"}}),
            httpx2.Response(401, json={"error": {"message": "Missing scopes: api.model.read"}}),
            httpx2.Response(200, text="<html>"),
            httpx2.Response(200, json={"hello": "world"}),
            httpx2.Response(200, json={"data": [{"id": "m"}]}),
            httpx2.Response(200, json=[{"id": "m"}, {"id": "n"}]),
            httpx2.Response(200, json={"models": [{"name": "m"}]}),
            httpx2.Response(200, json={"data": [{"id": "models/M"}]}),
        ],
    )
    async def test_a_list_that_is_fine_or_not_there(self, listing: httpx2.Response) -> None:
        endpoint = answering(listing)
        await endpoint.connect()
        assert endpoint.listing_notices == ()

    @pytest.mark.parametrize(
        ("listing", "words"),
        [
            ({"data": [{"id": "n"}]}, "does not list the model 'm', only 'n'"),
            ({"object": "list", "data": None}, "does not list the model 'm', only nothing"),
            ({"data": [{"id": "m:7b"}]}, "does not list the model 'm', only 'm:7b'"),
        ],
    )
    async def test_a_model_that_is_not_listed_is_a_notice(
        self, listing: JsonValue, words: str
    ) -> None:
        endpoint = answering(httpx2.Response(200, json=listing))
        await endpoint.connect()
        (notice,) = endpoint.listing_notices
        assert words in notice

    @pytest.mark.parametrize(
        ("listing", "kind"),
        [
            (httpx2.ConnectError("refused"), CriticUnavailable),
            (httpx2.ConnectTimeout("lost"), CriticUnavailable),
            (httpx2.ReadTimeout("slow"), CriticTimeout),
            (httpx2.Response(502), CriticUnavailable),
            (httpx2.Response(503, json={"error": {"message": "Loading model"}}), CriticUnavailable),
            (httpx2.Response(401, json={"error": {"message": "who are you"}}), ConfigError),
        ],
    )
    async def test_a_dead_server_is_told(
        self, listing: httpx2.Response | Exception, kind: type[RefineError]
    ) -> None:
        with pytest.raises(RefineError) as caught:
            await answering(listing).connect()
        assert type(caught.value) is kind

    async def test_it_asks_once(self) -> None:
        asked: list[str] = []

        def reply(request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            return httpx2.Response(200, json={"data": [{"id": "m"}]})

        endpoint = Server(lambda _: httpx2.Response(200)).client()
        endpoint = ChatEndpoint(
            ChatOptions(base_url="http://host/v1", model="m"),
            section="critic",
            errors=CRITIC_ERRORS,
            http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(reply)),
        )
        for _ in range(3):
            await endpoint.connect()
        assert asked == ["/v1/models"]

    async def test_a_part_tells_it(self) -> None:
        server = always(completion())
        server.models = {"data": [{"id": "n"}]}
        critic = server.critic()
        async with connected([critic]):
            assert len(critic.notices) == 1


def answering(listing: httpx2.Response | Exception) -> ChatEndpoint:
    def reply(_: httpx2.Request) -> httpx2.Response:
        if isinstance(listing, Exception):
            raise listing
        return listing

    return ChatEndpoint(
        ChatOptions(base_url="http://host/v1", model="m", max_retries=0),
        section="critic",
        errors=CRITIC_ERRORS,
        http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(reply)),
    )
