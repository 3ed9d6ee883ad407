"""What images endpoints answer when they will not draw something, and what is no refusal.

The bodies were made by hand after the vendors' documentation and public reports of their users.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import httpx2
import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import (
    ConfigError,
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    RefineError,
    UnsupportedRequestError,
)
from rr_refine.generators.generator import RenderRequest
from rr_refine.generators.images_api import ImagesApiGenerator, ImagesApiOptions
from rr_refine.notices import notices_of

Json = dict[str, "JsonValue"]


def make(
    answer: Callable[[httpx2.Request], httpx2.Response], **options: JsonValue
) -> ImagesApiGenerator:
    given: Json = {"base_url": "http://server/v1", "model": "m", "max_retries": 0, **options}
    return ImagesApiGenerator(
        ImagesApiOptions.model_validate(given),
        http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(answer)),
    )


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


PNG = base64.b64encode(png()).decode()
DRAWN: Json = {"data": [{"b64_json": PNG}]}


async def draw(status: int, body: JsonValue, **options: JsonValue) -> Image.Image:
    generator = make(lambda _: httpx2.Response(status, json=body), **options)
    return await generator.generate(RenderRequest("a cat", 1))


SAFETY = "Your request was rejected by the safety system."
REFUSALS: dict[str, tuple[int, JsonValue]] = {
    "OpenAI, GPT Image": (
        400,
        {"error": {"message": SAFETY, "type": "user_error", "code": "moderation_blocked"}},
    ),
    "OpenAI, no code": (
        400,
        {"error": {"message": SAFETY, "type": "image_generation_user_error", "code": None}},
    ),
    "OpenAI, DALL-E": (
        400,
        {
            "error": {
                "code": "content_policy_violation",
                "message": "Your request was rejected as a result of our safety system.",
            }
        },
    ),
    "Azure": (
        400,
        {
            "error": {
                "code": "contentFilter",
                "message": "Your task failed as a result of our safety system.",
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_results": {"violence": {"filtered": True}},
                },
            }
        },
    ),
    "Azure, only inside": (
        400,
        {
            "error": {
                "message": "Invalid request",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
    ),
    "xAI": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Generated image rejected by content moderation.",
        },
    ),
    "Google, Flow": (
        400,
        {
            "error": {
                "code": 400,
                "message": "Request contains an invalid argument.",
                "status": "INVALID_ARGUMENT",
                "details": [{"reason": "PUBLIC_ERROR_UNSAFE_GENERATION"}],
            }
        },
    ),
    "Google, in a list": (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "The prompt could not be submitted. It contains sensitive words "
                    "that violate Google's Responsible AI practices.",
                }
            }
        ],
    ),
    "Vertex": (
        400,
        {
            "error": {
                "code": 400,
                "message": "The response is blocked, as it may violate our policies. "
                "Error Code: 58061214",
            }
        },
    ),
    "Seedream, output": (
        400,
        {
            "error": {
                "code": "OutputImageSensitiveContentDetected",
                "message": "The request failed because the output image may contain sensitive "
                "information.",
                "type": "BadRequest",
            }
        },
    ),
    "Seedream, risk": (
        400,
        {"error": {"code": "InputTextRiskDetection", "message": "The request failed."}},
    ),
    "DashScope": (
        400,
        {
            "code": "DataInspectionFailed",
            "message": "Input data may contain inappropriate content.",
            "request_id": "1",
        },
    ),
    "DashScope, compatible": (
        400,
        {"error": {"code": "data_inspection_failed", "message": "Output data may be wrong."}},
    ),
    "a gateway's 500": (
        500,
        {"error": {"message": "upstream: finishReason IMAGE_SAFETY", "code": 500}},
    ),
    "a gateway's 502": (502, {"error": {"message": "no image: PROHIBITED_CONTENT"}}),
    "a gateway's 500 as text": (500, "candidate was blocked: IMAGE_SAFETY"),
    "OpenRouter": (
        403,
        {
            "error": {
                "code": 403,
                "message": "m requires moderation. Your input was flagged",
                "metadata": {"reasons": ["violence"], "flagged_input": "a cat"},
            }
        },
    ),
    "Stability": (
        403,
        {
            "name": "content_moderation",
            "errors": ["Your request was flagged by our content moderation system."],
        },
    ),
    "fal": (
        422,
        {
            "detail": [
                {
                    "loc": ["body", "prompt"],
                    "msg": "The content was flagged by a content checker.",
                    "type": "content_policy_violation",
                }
            ]
        },
    ),
    "Together": (
        422,
        {"error": {"message": "NSFW content detected in image", "type": "invalid_request_error"}},
    ),
    "by law": (451, {"error": {"message": "not here"}}),
    "in Chinese": (
        400,
        {"error": {"code": "1301", "message": "系统检测到输入内容可能包含敏感内容"}},
    ),
    "200, an error": (200, {"error": {"message": SAFETY, "code": None}}),
    "200, MiniMax": (
        200,
        {"data": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}},
    ),
    "200, no data": (200, {"created": 1, "data": []}),
    "200, null": (200, {"created": 1, "data": None}),
    "200, an empty image": (200, {"data": [{"b64_json": "", "revised_prompt": "a"}]}),
    "200, a reason": (200, {"data": [{"b64_json": None, "finish_reason": "CONTENT_FILTERED"}]}),
    "200, a blurred image": (
        200,
        {"data": [{"b64_json": PNG, "finishReason": "CONTENT_FILTERED"}]},
    ),
    "200, xAI": (200, {"data": [{"url": "", "respect_moderation": False}]}),
    "200, Imagen": (200, {"data": [{"raiFilteredReason": "the image was filtered"}]}),
    "200, moderated": (200, {"data": [], "status": "Request Moderated"}),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_a_refusal(name: str) -> None:
    with pytest.raises(GeneratorRefused) as caught:
        await draw(*REFUSALS[name])
    assert "\n" not in str(caught.value)


async def test_a_refusal_is_not_asked_for_again() -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(500, json={"error": {"message": "IMAGE_SAFETY"}})

    with pytest.raises(GeneratorRefused):
        await make(answer, max_retries=3).generate(RenderRequest("a cat", 1))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (
            400,
            {
                "error": {
                    "message": "Billing hard limit has been reached",
                    "code": "billing_hard_limit_reached",
                    "type": "invalid_request_error",
                }
            },
            GeneratorUnavailable,
            "400: Billing hard limit has been reached; the account has no money",
        ),
        (
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            GeneratorUnavailable,
            "billing page",
        ),
        (402, {"error": {"message": "Insufficient credits"}}, GeneratorUnavailable, "billing"),
        (
            400,
            {"code": "Arrearage", "message": "Access denied, keep your account in good standing."},
            GeneratorUnavailable,
            "billing",
        ),
        (403, {"error": {"message": "AccountOverdueError"}}, GeneratorUnavailable, "billing"),
        # About a field whose name sounds like a filter's.
        (
            400,
            {"error": {"message": "Unknown parameter: 'safety_tolerance'.", "code": None}},
            UnsupportedRequestError,
            "take 'safety_tolerance' out of the parameters",
        ),
        (
            400,
            {"error": {"message": "Unsupported value: 'size' is not supported", "param": "size"}},
            UnsupportedRequestError,
            "set generator.size = null to leave it out",
        ),
        (400, {"error": {"message": "names are case-sensitive"}}, UnsupportedRequestError, "case"),
        (400, {"error": {"message": "schema violation"}}, UnsupportedRequestError, "schema"),
        (503, {"error": {"message": "under moderate load"}}, GeneratorUnavailable, "moderate"),
        (401, {"error": {"message": "see our usage policies"}}, ConfigError, "api_key"),
        (502, "<h1>Bad Gateway</h1> Copyright 2026", GeneratorUnavailable, "Copyright"),
        # A prompt that is too long is one that is refused: a shorter one is not.
        (
            400,
            {
                "error": {
                    "message": "Invalid 'prompt': string too long. Expected a string with maximum "
                    "length 32000, but got a string with length 40000 instead.",
                    "param": "prompt",
                    "code": "string_above_max_length",
                }
            },
            GeneratorRefused,
            "string too long",
        ),
        (
            422,
            {
                "detail": [
                    {
                        "loc": ["body", "prompt"],
                        "type": "string_too_long",
                        "msg": "String should have at most 1000 characters",
                    }
                ]
            },
            GeneratorRefused,
            "at most 1000 characters",
        ),
        # Errors that came with 200.
        (
            200,
            {"error": {"message": "no such sampler", "code": "bad_thing"}},
            GeneratorError,
            "answered 200 with an error: no such sampler$",
        ),
        (200, {"error": "the GPU is gone"}, GeneratorError, "200 with an error: the GPU is gone$"),
        (
            200,
            {"data": None, "error": {"code": 429, "message": "slow"}},
            GeneratorUnavailable,
            "slow",
        ),
        (200, {"error": {"code": "504", "message": "late"}}, GeneratorUnavailable, "late"),
        (200, {"error": {"code": 408, "message": "late"}}, GeneratorTimeout, "late"),
        (200, {"error": {"message": "Rate limit reached"}}, GeneratorUnavailable, "Rate limit"),
        (200, {"error": {"type": "invalid_api_key"}}, ConfigError, "generator.api_key"),
        (200, {"detail": "the queue is broken"}, GeneratorError, "the queue is broken$"),
    ],
)
async def test_what_is_something_else(
    status: int, body: JsonValue, error: type[RefineError], words: str
) -> None:
    options: Json = {"size": "64x64", "parameters": {"safety_tolerance": 2}}
    with pytest.raises(RefineError, match=words) as caught:
        await draw(status, body, **options)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PNG}",
        f"data:;base64,{PNG}",
        "data:image/png," + "".join(f"%{byte:02x}" for byte in png()),
    ],
)
async def test_an_address_may_be_the_image_itself(url: str) -> None:
    image = await draw(200, {"data": [{"url": url}]})
    assert image.getpixel((0, 0)) == (255, 0, 0)


async def test_percent_signs_take_too_much_memory() -> None:
    with pytest.raises(GeneratorError, match="in percent signs of 3 MiB"):
        await draw(200, {"data": [{"url": "data:image/png," + "%41" * 2**20}]})


@pytest.mark.parametrize(
    ("status", "refusal", "field"),
    [
        (
            400,
            {
                "error": {
                    "message": "Unknown parameter: 'response_format'.",
                    "type": "invalid_request_error",
                    "param": "response_format",
                    "code": "unknown_parameter",
                }
            },
            "response_format",
        ),
        (400, {"error": {"message": "Unrecognized request argument supplied: seed"}}, "seed"),
        (
            422,
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "seed"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            "seed",
        ),
        (400, {"code": "invalid argument", "error": "Argument not supported: seed"}, "seed"),
        (
            400,
            [
                {
                    "error": {
                        "code": 400,
                        "message": 'Invalid JSON payload received. Unknown name "seed": Cannot '
                        "find field.",
                    }
                }
            ],
            "seed",
        ),
        (
            400,
            {"error": {"message": "property 'response_format' is unsupported"}},
            "response_format",
        ),
        (500, {"error": {"message": "seed is not supported by this model"}}, "seed"),
        (200, {"error": {"message": "Unknown parameter: 'seed'", "code": 400}}, "seed"),
    ],
)
@pytest.mark.parametrize("edit", [False, True])
async def test_a_field_that_is_refused_is_left_out_and_said(
    status: int, refusal: JsonValue, field: str, edit: bool
) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.content)
        if field.encode() in request.content:
            return httpx2.Response(status, json=refusal)
        return httpx2.Response(200, json=DRAWN)

    generator = make(answer)
    source = Image.new("RGB", (8, 8)) if edit else None
    for _ in range(2):
        image = await generator.generate(RenderRequest("a cat", 1, source))
        (notice,) = notices_of(image)
        assert f"does not take '{field}', which is left out from now on" in notice
        assert f"generator.{'seed_field' if field == 'seed' else field} = null" in notice
    assert [field.encode() in body for body in bodies] == [True, False, False]


async def test_both_fields_may_be_refused() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        for field in ("response_format", "seed"):
            if field.encode() in request.content:
                return httpx2.Response(400, json={"error": f"Unknown parameter: '{field}'"})
        return httpx2.Response(200, json=DRAWN)

    image = await make(answer).generate(RenderRequest("a cat", 1))
    assert len(notices_of(image)) == 2
