"""Lettering that is really read."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.contract import EvidenceContract
from rr_refine.reward.evidence.ocr import OcrEvidence, OcrOptions


class TestOcr(EvidenceContract):
    def make_evidence(self) -> OcrEvidence:
        return OcrEvidence(OcrOptions())


async def test_a_sign_is_read() -> None:
    picture = Image.new("RGB", (512, 256), "white")
    ImageDraw.Draw(picture).text((60, 60), "OPNE", "black", ImageFont.load_default(120))
    evidence = OcrEvidence(OcrOptions())
    found = [
        (await evidence.examine(CritiqueRequest(prompt, picture))).findings[0]
        for prompt in ('a sign that says "OPNE"', 'a sign that says "OPEN"')
    ]
    assert [one.kind for one in found] == ["right", "wrong"]
    assert found[1].reason == "it says 'OPNE', asked was 'OPEN': N and E are swapped"
    assert found[0].box is not None and found[0].box[0] < 0.3 < 0.5 < found[0].box[2]
    await evidence.aclose()
