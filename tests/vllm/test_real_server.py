"""A real vLLM on the CPU, started by `serve`, asked by `OpenAICritic`. Takes about a minute."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError, CriticTruncated, CriticUnavailable, CriticUnreadable
from rr_refine.reward.answer_form import answer_form
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions
from rr_refine.reward.serve import ServeOptions, serve
from tests.vllm.tiny_qwen3_vl import RECITAL

pytestmark = pytest.mark.vllm

NAME = "tiny-critic"
RED = Image.new("RGB", (320, 200), "red")
BLUE = Image.new("RGB", (256, 256), "blue")
REQUEST = CritiqueRequest("a red square", RED)
EDIT = CritiqueRequest("make the red square blue", BLUE, source=RED)


def options(python: str, log: Path) -> ServeOptions:
    return ServeOptions(
        executable=python,
        port=0,
        served_model_name=NAME,
        dtype="bfloat16",
        enforce_eager=True,
        environment={
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        },
        log=log,
        start_timeout=300,
    )


async def test_a_model_that_babbles_never_gets_a_score(
    vllm_python: str, tiny_model: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as critics:

        async def critic(**changes: JsonValue) -> OpenAICritic:
            settings = {"base_url": server.url, "max_retries": 0, **changes}
            made = OpenAICritic(OpenAICriticOptions.model_validate(settings))
            return await critics.enter_async_context(aclosing(made))

        async with serve(tiny_model, options(vllm_python, tmp_path / "vllm.log")) as server:
            judge = await critic()
            for request in (REQUEST, EDIT):
                with pytest.raises(CriticUnreadable) as unreadable:
                    await judge.critique(request)
                assert unreadable.value.raw.strip() == RECITAL.strip()
            with pytest.raises(CriticUnreadable):
                await judge.compare(ComparisonRequest("a red square", RED, BLUE))
            assert judge.identity.name == NAME

            several = await critic(samples=3)
            with pytest.raises(CriticUnreadable, match="3 of 3 samples"):
                await several.critique(REQUEST)

            brief = await critic(max_tokens=16)
            with pytest.raises(CriticTruncated) as truncated:
                await brief.critique(REQUEST)
            assert truncated.value.raw.strip() == RECITAL[:16].strip()

            mistaken = await critic(model="another")
            with pytest.raises(ConfigError, match=NAME):
                await mistaken.critique(REQUEST)

        with pytest.raises(CriticUnavailable):
            await judge.critique(REQUEST)
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)


async def test_a_folder_without_a_model_is_the_users_mistake(
    vllm_python: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="there is no such model"):
        async with serve(str(tmp_path), options(vllm_python, tmp_path / "vllm.log")):
            raise AssertionError("it cannot start")


async def test_a_guided_babble_is_a_judgement(
    vllm_python: str, tiny_model: str, tmp_path: Path
) -> None:
    async with serve(tiny_model, options(vllm_python, tmp_path / "vllm.log")) as server:
        # A token is a byte here, so that texts at their bounds need many.
        settings = {"base_url": server.url, "guided": "regex", "max_tokens": 16_000}
        judge = OpenAICritic(OpenAICriticOptions.model_validate(settings))
        async with aclosing(judge):
            for request in (REQUEST, EDIT):
                (critique,) = (await judge.critique(request)).critiques
                assert answer_form(request.task).read(critique.raw) is not None
            compared = await judge.compare(ComparisonRequest("a red square", RED, BLUE))
            form = answer_form("t2i", pairwise=True)
            assert form.read(compared.forward.raw) is not None
            assert form.read(compared.reverse.raw) is not None
        settings |= {"guided": "json_schema", "max_tokens": 400}
        judge = OpenAICritic(OpenAICriticOptions.model_validate(settings))
        async with aclosing(judge):
            with pytest.raises(CriticTruncated) as cut:  # its texts have no bounds
                await judge.critique(REQUEST)
            assert cut.value.raw.lstrip().startswith('{"user_request_analysis"')
