"""Bring your own critic: one method, and an identity.

python examples/own_critic.py
"""

from __future__ import annotations

from statistics import fmean

from rr_refine import CriticError, refine
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Dimension, Identity, Usage


class BrightnessCritic:
    """Likes light pictures, and says so."""

    # All that the judgement depends on: two critics with equal identities are interchangeable.
    identity = Identity(kind="example", name="brightness")

    async def critique(self, request: CritiqueRequest) -> Assessment:
        if request.task != "t2i":
            raise CriticError("the brightness critic cannot judge edits")
        pixels = request.image.convert("L").resize((16, 16)).tobytes()
        light = fmean(pixels) / 255
        scores: dict[Dimension, float | None] = {
            "text_faithfulness": 3.0,
            "physical_quality": 1.0 + 3.0 * light,
            "text_rendering": None,  # N/A: no text was asked for
        }
        critique = Critique(
            task="t2i",
            scores=scores,
            rationales={
                "text_faithfulness": "not looked at",
                "physical_quality": f"mean brightness {light:.2f}",
                "text_rendering": None,
            },
            refined_request=f"{request.prompt} on a white background" if light < 0.7 else None,
            raw=f"light={light}",
        )
        return Assessment(critic=self.identity, critiques=(critique,), usage=Usage(calls=1))


if __name__ == "__main__":
    run = refine("two red circles", critic=BrightnessCritic())
    assert run.best is not None
    print(run.best.prompt, run.best.scores)
