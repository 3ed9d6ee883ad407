"""A real vLLM on the CPU as a teacher: predictions held to their choices. Takes about a minute."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.errors import CriticUnreadable
from rr_refine.reward.preferences.pair import PictureStore
from rr_refine.reward.serve import serve
from rr_refine.training.parrot.endpoint_teacher import EndpointTeacher, EndpointTeacherOptions
from rr_refine.training.parrot.teacher import TeacherQuestion
from tests.vllm.test_real_server import options
from tests.vllm.tiny_qwen3_vl import RECITAL

pytestmark = pytest.mark.vllm


async def test_a_teacher_that_babbles(vllm_python: str, tiny_model: str, tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    a, b = (store.path(store.put(Image.new("RGB", (64, 64), c))) for c in ("red", "blue"))
    anchor = TeacherQuestion("1", "anchor", "t2i", "a red square", image_a=a, image_b=b, label="A")
    predict = TeacherQuestion(
        "2",
        "predict",
        "t2i",
        "a red square",
        image_a=a,
        image_b=b,
        rationale="Image A is red.",
        choices=("A", "B"),
    )
    async with serve(tiny_model, options(vllm_python, tmp_path / "vllm.log")) as server:
        held, free = (
            EndpointTeacher(EndpointTeacherOptions(base_url=server.url, structured=structured))
            for structured in (True, False)
        )
        async with aclosing(held), aclosing(free):
            answer = await held.answer(anchor)
            assert (answer.text.strip(), answer.finish_reason) == (RECITAL.strip(), "stop")
            assert answer.tokens > 0
            # It wants to recite. The server lets it say A or B only, and the probabilities are
            # those that are left; without that, it is seen that neither is likely.
            forced = await held.answer(predict)
            assert forced.text in ("A", "B")
            assert forced.chances is not None
            assert set(forced.chances) == {"A", "B"}
            assert sum(forced.chances.values()) == pytest.approx(1.0)
            with pytest.raises(CriticUnreadable, match="without thinking") as said:
                await free.answer(predict)
            assert said.value.raw == RECITAL[0]
