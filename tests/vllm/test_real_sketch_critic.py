"""The critic in the box, served by a real vLLM on the CPU, says what it says in this process."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest

from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.openai import OpenAICritic, OpenAICriticOptions
from rr_refine.reward.serve import serve
from rr_refine.sketch.critic import WEIGHTS, SketchCritic, SketchCriticOptions
from rr_refine.sketch.world.degrading import degrade
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, phrase, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.terms import Dimension
from tests.vllm.test_real_server import options

pytestmark = pytest.mark.vllm


def questions() -> list[CritiqueRequest]:
    """Ten pictures of requests and ten of edits: some right, some of another scene, some worn."""
    random = Random("the same critic in two places")
    asked = []
    for number in range(20):
        scene = random_scene(random)
        shown = scene if number % 3 else random_scene(random)
        picture = draw(shown, random)
        picture = degrade(picture, random, "heavy") if number % 4 == 3 else picture
        if number % 2:
            edit = random_edit(scene, random)
            source = draw(scene, random)
            asked.append(CritiqueRequest(phrase_edit(edit, scene), picture, source=source))
        else:
            register = REGISTERS[number // 2 % len(REGISTERS)]
            words = phrase(request_for(scene, register, random), register, random)
            asked.append(CritiqueRequest(words, picture))
    return asked


async def test_twenty_pictures_get_the_same_scores(vllm_python: str, tmp_path: Path) -> None:
    here = SketchCritic(SketchCriticOptions(device="cpu"))
    served = options(vllm_python, tmp_path / "vllm.log").model_copy(
        update={"dtype": "float32", "max_model_len": 2048, "images_per_prompt": 3}
    )
    async with serve(str(WEIGHTS), served) as server:
        asks = {"template": "sketch", "temperature": 0.0, "max_tokens": 512}
        settings = {"base_url": server.url, **asks}
        there = OpenAICritic(OpenAICriticOptions.model_validate(settings))
        async with aclosing(there):
            theirs = await asyncio.gather(*(there.critique(asked) for asked in questions()))
        ours = [await here.critique(asked) for asked in questions()]
    assert [scores(one) for one in theirs] == [scores(one) for one in ours]


def scores(assessment: Assessment) -> dict[Dimension, float | None]:
    return assessment.mean
