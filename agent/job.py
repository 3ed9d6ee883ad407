"""A job: all that a run needs besides its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.lineage import Lineage
from rr_refine.agent.policy import Policy
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.generators.generator import Generator
from rr_refine.request import Request
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """All that a run needs besides its folder."""

    request: Request
    policy: Policy
    generator: Generator
    critic: Critic
    rewriters: tuple[Rewriter, ...]
    intent_check: IntentCheck | None = None
    """Has a say on every proposal; None for none."""
    evidence: tuple[Evidence, ...] = ()
    """What measures its pictures."""
    sources: tuple[Image.Image, ...] = ()
    """The pictures to edit; their digests are `request.sources`."""
    notices: tuple[str, ...] = ()
    """What was done to the pictures to edit on the way in; see `rr_refine.notices`."""
    settings: dict[str, JsonValue] = field(default_factory=dict)
    """How the components were configured, for config.json; never a key or a password."""
    run_id: str | None = None
    """What the caller calls the run; else it is called after its folder."""
    parent: str | None = None
    """Id of the run that this one comes from."""
    lineage: Lineage | None = None
    """And of which of its pictures, where that is known; its run is the parent."""

    @property
    def components(self) -> tuple[object, ...]:
        """What has to be connected before the job can run, see `rr_refine.component`."""
        return (
            *(self.generator, self.critic, *self.rewriters, self.intent_check),
            *self.evidence,
        )
