"""OCR reads LongText-Bench's pictures beside the judge, and the report has both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from rr_refine.benchmarks.arms import Models, make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.measure import measure
from rr_refine.benchmarks.published.longtext import LongTextLoader
from rr_refine.benchmarks.table import write_tables
from rr_refine.component import connected
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.evidence.ocr import OcrEvidence, OcrOptions
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from rr_refine.terms import Identity, Task
from rr_refine.wanted_text import wanted_texts
from tests.benchmarks.published.longtext.files import write
from tests.benchmarks.test_judging import Scripted


class SignPainter:
    """Paints the texts that a prompt quotes, a line each; one word of the poster is wrong."""

    tasks: frozenset[Task] = frozenset({"t2i"})
    identity = Identity(kind="scripted", name="sign painter")

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        image = Image.new("RGB", (1024, 320), "white")
        for number, wanted in enumerate(wanted_texts(request.prompt)):
            words = wanted.text.replace("not", "nor")
            place = (30, 40 + 120 * number)
            ImageDraw.Draw(image).text(place, words, "black", ImageFont.load_default(80))
        return image


async def test_ocr_and_the_judge_side_by_side(tmp_path: Path) -> None:
    bench = LongTextLoader(data=write(tmp_path), samples=1).load()
    (arm,) = make_arms(1, names=["one-shot"])
    arms = (replace(arm, evidence=(OcrEvidence(OcrOptions()),)),)
    models = Models(SignPainter(), FakeCritic(FakeCriticOptions()), {})
    judge = Scripted("Grand Opening Save 20", "to be nor to be")
    with Cache(tmp_path / "cache") as cache:
        async with connected((models.generator, models.critic, judge)):
            results = await measure(
                bench, arms, models, cache, tmp_path / "out", renders=1, concurrency=1, judge=judge
            )
    assert results is not None
    (found,) = results.arms
    # The judge: all 4 words of the sign, 4 of 6 of the poster ("or" and "not" are missing).
    assert found.overall is not None and found.overall.value == pytest.approx(8 / 10)
    # OCR: the sign is right, the poster is not.
    assert found.text_right is not None
    assert (found.text_right.value, found.text_right.items) == (0.5, 2)
    assert "text right, measured" in write_tables(results)
