"""Lettering that is really read."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.contract import EvidenceContract
from rr_refine.reward.evidence.ocr import OcrEvidence, OcrOptions
from rr_refine.reward.evidence.text_match import TextLine, match_texts
from rr_refine.wanted_text import WantedText


class TestOcr(EvidenceContract):
    def make_evidence(self) -> OcrEvidence:
        return OcrEvidence(OcrOptions())


def test_what_may_stand_in_lettering_that_was_hard_to_read_is_not_missing() -> None:
    """Small letters are read as others, unsurely: by eye, that line did say OPEN."""
    asked = [
        WantedText(text=text, sure=True) for text in ("OPEN", "a text that is too long for it")
    ]
    line = TextLine(text="a, drs et ed", box=(0.0, 0.9, 0.6, 1.0), sure=0.58)
    found = match_texts(asked, [line])
    assert [one.kind for one in found] == ["missing", "missing", "extra"]
    judged = list(OcrEvidence(OcrOptions())._judged(found))
    assert [one.kind for one in judged] == ["abstained", "missing", "extra"]
    assert judged[0].reason == "it does not say 'OPEN', as far as 'a, drs et ed' could be read"
    surely = match_texts(asked, [replace(line, sure=0.99)])
    assert list(OcrEvidence(OcrOptions())._judged(surely)) == list(surely)


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
