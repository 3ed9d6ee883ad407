"""What common servers answer, made by hand after their documentation or source; see `source`.

Each has its list of models, an answer, and an error with what it means. Whatever stands in an
answer beside the words was kept, for that is where servers differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from rr_refine.errors import ConfigError, CriticError, CriticRefused, CriticUnavailable, RefineError

__all__ = ["SERVERS", "WORDS", "Recorded"]

WORDS: Final = "It is a cat."

Json = dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One server."""

    source: str
    """Where the forms are from."""
    model: str
    """As its users call it."""
    models: JsonValue
    """The body of `GET /models`."""
    answer: Json
    """The body of an answer that says `WORDS`."""
    status: int
    error: JsonValue
    """The body of an error with that status."""
    means: type[RefineError]
    words: str
    """A pattern of the message."""
    listed: bool = True
    """Whether it lists the model by that name."""
    discovered: str | None = None
    """The model that is found where none was given; None where there are several."""
    refuses: dict[str, JsonValue] = field(default_factory=dict)
    """Field -> the body of the 400 for a request that has it."""


def _usage(**more: JsonValue) -> Json:
    return {"prompt_tokens": 31, "completion_tokens": 6, "total_tokens": 37, **more}


def _answer(more_said: Json | None = None, **more: JsonValue) -> Json:
    """An answer with `WORDS`; `more_said` stands beside them."""
    message: Json = {"role": "assistant", "content": WORDS, **(more_said or {})}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(),
        **more,
    }


def _model(name: str, **more: JsonValue) -> Json:
    return {"id": name, "object": "model", **more}


def _list(*models: Json) -> Json:
    return {"object": "list", "data": list(models)}


def _error(message: str, **more: JsonValue) -> Json:
    return {"error": {"message": message, **more}}


SERVERS: Final[dict[str, Recorded]] = {
    "vLLM": Recorded(
        source="vllm/entrypoints/openai/protocol.py, 0.32; issue 33425 of vllm-project/vllm",
        model="org/critic",
        models=_list(
            _model(
                "org/critic",
                created=1,
                owned_by="vllm",
                root="org/critic",
                parent=None,
                max_model_len=40960,
                permission=[{"id": "modelperm-1", "allow_sampling": True}],
            )
        ),
        answer=_answer(
            {"refusal": None, "annotations": None, "tool_calls": [], "reasoning_content": None},
            prompt_logprobs=None,
            kv_transfer_params=None,
        ),
        status=400,
        error=_error(
            "This model's maximum context length is 2048 tokens. However, your "
            "request has 8 input tokens plus 2045 'max_tokens'. Please reduce one or the "
            "other.",
            type="BadRequestError",
            param="input_tokens, max_tokens",
            code=400,
        ),
        means=CriticError,
        words="maximum context length is 2048 tokens.*larger max_model_len, or lower critic",
        discovered="org/critic",
    ),
    "SGLang": Recorded(
        source="python/sglang/srt/entrypoints/openai/protocol.py and serving_base.py, 0.5",
        model="org/critic",
        models=_list(_model("org/critic", owned_by="sglang", root="org/critic")),
        answer=_answer(
            {"reasoning_content": None, "tool_calls": None},
            metadata={"weight_version": "default"},
            usage=_usage(prompt_tokens_details=None, reasoning_tokens=0),
        ),
        status=400,
        error={
            "object": "error",
            "message": "Requested token count exceeds the model's maximum context length of 4096 "
            "tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        means=CriticError,
        words="exceeds the model's maximum context length.*max_model_len",
        discovered="org/critic",
    ),
    "llama.cpp": Recorded(
        source="tools/server/README.md of llama.cpp; pull request 15780 there",
        model="critic.gguf",
        models={
            "models": [{"name": "critic.gguf", "model": "critic.gguf", "type": "model"}],
            "object": "list",
            "data": [
                _model("critic.gguf", created=1, owned_by="llamacpp", meta={"n_ctx_train": 32768})
            ],
        },
        answer=_answer(system_fingerprint="b1", timings={"prompt_n": 31, "prompt_ms": 9.1}),
        status=500,
        error={
            "error": {
                "code": 500,
                "message": "the request exceeds the available context size. try increasing the "
                "context size or enable context shift",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 1407,
                "n_ctx": 256,
            }
        },
        means=CriticError,
        words="exceeds the available context size.*max_model_len",
        discovered="critic.gguf",
    ),
    "LM Studio": Recorded(
        source="lmstudio.ai/docs, OpenAI compatibility; issue 237 of its bug tracker",
        model="qwen2.5-vl-7b-instruct",
        models=_list(
            _model("qwen2.5-vl-7b-instruct", owned_by="organization_owner"),
            _model("text-embedding-nomic-embed-text-v1.5"),
        ),
        answer=_answer(stats={}, system_fingerprint="qwen2.5-vl-7b-instruct"),
        status=400,
        error={
            "error": "Trying to keep the first 6547 tokens when context the overflows. However, "
            "the model is loaded with context length of only 4096 tokens, which is not enough."
        },
        means=CriticError,
        words="context length of only 4096 tokens.*max_model_len",
        discovered="qwen2.5-vl-7b-instruct",
    ),
    "Ollama": Recorded(
        source="openai/openai.go of Ollama; issue 555 of netease-youdao/QAnything",
        model="llava",
        models=_list(_model("llava:latest", created=1, owned_by="library")),
        answer=_answer(system_fingerprint="fp_ollama"),
        status=404,
        error=_error(
            'model "llava" not found, try pulling it first', type="api_error", param=None, code=None
        ),
        means=ConfigError,
        words="404: model .*not found|does not serve",
        discovered="llava:latest",
    ),
    "OpenAI": Recorded(
        source="platform.openai.com, API reference and errors; issue 59 of microsoft/clarity-agent",
        model="gpt-5.4",
        models=_list(
            _model("gpt-5.4", created=1, owned_by="system"),
            _model("gpt-image-2", created=1, owned_by="system"),
        ),
        answer=_answer(
            {"refusal": None, "annotations": []},
            service_tier="default",
            usage=_usage(completion_tokens_details={"reasoning_tokens": 0}),
        ),
        status=429,
        error=_error(
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            param=None,
            code="insufficient_quota",
        ),
        means=CriticUnavailable,
        words="exceeded your current quota.*see its billing page",
        refuses={
            "max_tokens": _error(
                "Unsupported parameter: 'max_tokens' is not supported with this "
                "model. Use 'max_completion_tokens' instead.",
                type="invalid_request_error",
                param="max_tokens",
                code="unsupported_parameter",
            ),
            "temperature": _error(
                "Unsupported value: 'temperature' does not support 0.1 with this "
                "model. Only the default (1) value is supported.",
                type="invalid_request_error",
                param="temperature",
                code="unsupported_value",
            ),
        },
    ),
    "OpenRouter": Recorded(
        source="openrouter.ai/docs, errors and debugging, and overview",
        model="qwen/qwen3-vl:free",
        models=_list(
            {"id": "qwen/qwen3-vl", "name": "Qwen3 VL", "pricing": {"prompt": "0"}},
            {"id": "x/y", "name": "Y"},
        ),
        answer=_answer(
            provider="Someone",
            choices=[
                {
                    "logprobs": None,
                    "finish_reason": "stop",
                    "native_finish_reason": "STOP",
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": WORDS,
                        "refusal": None,
                        "reasoning": None,
                    },
                }
            ],
        ),
        status=200,
        error={
            "choices": None,
            "error": {
                "code": 429,
                "message": "Provider returned error",
                "metadata": {"provider_name": "Someone", "raw": "rate-limited upstream"},
            },
        },
        means=CriticUnavailable,
        words="answered 200 with an error.*: Provider returned error",
    ),
    "Azure": Recorded(
        source="learn.microsoft.com, Azure OpenAI content filtering and v1 API",
        model="my-deployment",
        models=_list(
            _model("gpt-4o-2024-11-20", status="succeeded"),
            _model("dall-e-3", status="succeeded"),
        ),
        answer=_answer(
            prompt_filter_results=[
                {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}
            ]
        ),
        status=400,
        error=_error(
            "The response was filtered due to the prompt triggering Azure OpenAI's "
            "content management policy.",
            type=None,
            param="prompt",
            code="content_filter",
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "high"}},
            },
        ),
        means=CriticRefused,
        words="content management policy",
        listed=False,
    ),
}
