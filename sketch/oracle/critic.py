"""The oracle where a critic is expected: as an independent judge of a training, or as the ceiling.

It is no critic by entry point: a loop that were judged by it would be measured by its own reward.
"""

from __future__ import annotations

import asyncio

from rr_refine.errors import CriticUnreadable
from rr_refine.plugins import factory
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.sketch.oracle.grading import grade_picture, read_asked
from rr_refine.terms import Given, Identity

__all__ = ["OracleCritic", "create"]


class _Options(Given):
    """There are none."""


class OracleCritic:
    """Scores by what can be read in the picture; it gives no reasons."""

    identity = Identity(kind="oracle", name="sketch", details={"version": 1})

    def __init__(self, options: _Options | None = None) -> None:
        del options

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """See `Critic.critique`.

        Raises:
            CriticUnreadable: the prompt asks for nothing of the sketch world.
        """
        return await asyncio.to_thread(self._judge, request)

    def _judge(self, request: CritiqueRequest) -> Assessment:
        asked = read_asked(request.prompt, request.source)
        if asked is None:
            raise CriticUnreadable(
                f"the oracle knows only sketches, not {request.prompt!r}", request.prompt
            )
        grade = grade_picture(asked, request.image)
        critique = Critique(
            task=request.task,
            scores=grade.scores,
            rationales=dict.fromkeys(grade.scores),
            raw=grade.model_dump_json(exclude={"scores"}),
        )
        return Assessment(critic=self.identity, critiques=(critique,))


create: object = factory(OracleCritic, _Options, "critic")
