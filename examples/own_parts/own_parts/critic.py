"""A critic: it looks at the mean colour of a picture, and knows a few colour words."""

from __future__ import annotations

from math import dist
from typing import Final

from rr_refine.component import Companions
from rr_refine.errors import CriticError
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity, Usage

__all__ = ["COMPANIONS", "TONES", "TonesCritic", "asked_tones"]

TONES: Final = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
"""Colour words, as RGB."""

COMPANIONS: Final = Companions(rewriters=("own-tones",), intent_check="own-same-tones")
"""Used where generator and critic both bring them: `--generator own-tones --critic own-tones`."""


def asked_tones(prompt: str) -> list[str]:
    """The colour words of a prompt, in their order."""
    return [word for word in prompt.lower().split() if word in TONES]


class TonesCritic:
    """Scores how near the mean colour is to the first colour word of the request."""

    identity = Identity(kind="own-tones", name="own-tones", details={"version": 1})
    # The rest of the attributes is optional: see rr_refine.component.
    notice = "looks at the mean colour and nothing else"
    companions = COMPANIONS

    def unknown(self, request: Request) -> tuple[str, ...]:
        """The words of the request that have no part in the scores."""
        return tuple(word for word in request.prompt.split() if word.lower() not in TONES)

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """See `rr_refine.Critic`."""
        if request.task != "t2i":
            raise CriticError("own-tones cannot judge edits: give another critic")
        mean = request.image.convert("RGB").resize((1, 1)).tobytes()
        tones = asked_tones(request.prompt)
        # 442 is the distance of black and white.
        score = 4.0 - 3.0 * dist(mean, TONES[tones[0]]) / 442 if tones else 4.0
        critique = Critique(
            task="t2i",
            scores={"text_faithfulness": score, "physical_quality": 3.0, "text_rendering": None},
            rationales={
                "text_faithfulness": f"the mean colour is {tuple(mean)}",
                "physical_quality": "not looked at",
                "text_rendering": None,
            },
            raw=f"mean={tuple(mean)}",
        )
        return Assessment(critic=self.identity, critiques=(critique,), usage=Usage(calls=1))
