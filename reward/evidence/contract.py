"""What all evidence must do, as tests that you run on your own.

    from rr_refine.reward.evidence.contract import EvidenceContract

    class TestMyEvidence(EvidenceContract):
        def make_evidence(self) -> MyEvidence:
            return MyEvidence()

Needs pytest, and nothing else: the tests run their own event loops.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import ClassVar

from PIL import Image, ImageChops, ImageDraw

from rr_refine.component import connected
from rr_refine.errors import EvidenceError
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.evidence import Evidence, Findings

__all__ = ["EvidenceContract"]


class EvidenceContract:
    """Subclass it as `Test…` and say how to make the evidence."""

    prompt: ClassVar[str] = 'a sign that says "OPEN"'
    """A request that it has something to look for in."""
    sizes: ClassVar[Sequence[tuple[int, int]]] = ((64, 48), (1, 1), (4096, 2))
    """Pictures that it must bear."""

    def make_evidence(self) -> Evidence:
        """Make new evidence; called once or twice per test."""
        raise NotImplementedError("say how to make the evidence: def make_evidence(self)")

    def make_image(self, size: tuple[int, int] = (256, 256)) -> Image.Image:
        """A picture to look at."""
        image = Image.new("RGB", size, "white")
        ImageDraw.Draw(image).rectangle((16, 16, 48, 48), fill="red")
        return image

    def test_identity_is_stable(self) -> None:
        """The identity is JSON, equal for two made alike, and the one that findings carry."""
        one, other = self.make_evidence(), self.make_evidence()
        (findings,) = self._examine(one, self._request())
        assert findings.evidence == one.identity == other.identity
        json.dumps(one.identity.model_dump(mode="json"), allow_nan=False)

    def test_same_request_gives_the_same_findings(self) -> None:
        """Alone and beside another: findings are kept, and stand for the picture."""
        evidence, request = self.make_evidence(), self._request()
        other = CritiqueRequest("a cat", self.make_image((64, 64)))
        (first,) = self._examine(evidence, request)
        again, _ = self._examine(evidence, request, other)
        assert again == first
        assert any(one.expected is not None for one in first.findings), "it looked for nothing"

    def test_leaves_the_picture_alone(self) -> None:
        """The picture is read, never drawn upon."""
        request, before = self._request(), self.make_image()
        self._examine(self.make_evidence(), request)
        assert request.image.size == before.size, "the picture was resized"
        assert ImageChops.difference(request.image, before).getbbox() is None, "it was drawn upon"

    def test_weird_requests(self) -> None:
        """Whatever a user types or draws gives findings or an EvidenceError."""
        evidence = self.make_evidence()
        weird = [(prompt, (64, 64)) for prompt in CriticContract.weird_prompts.values()]
        for prompt, size in (*weird, *((self.prompt, size) for size in self.sizes)):
            try:
                self._examine(evidence, CritiqueRequest(prompt, self.make_image(size)))
            except EvidenceError:
                continue
            except Exception as error:
                raise AssertionError(
                    f"{prompt[:80]!r}, {size}: {error!r} instead of an EvidenceError"
                ) from error

    def _request(self) -> CritiqueRequest:
        return CritiqueRequest(self.prompt, self.make_image())

    def _examine(self, evidence: Evidence, *requests: CritiqueRequest) -> list[Findings]:
        async def examine() -> list[Findings]:
            async with connected([evidence]):
                return await asyncio.gather(*map(evidence.examine, requests))

        return asyncio.run(examine())
