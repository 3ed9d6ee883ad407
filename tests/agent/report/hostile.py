"""A run in which every text that a user or a model can write is of one's choosing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from rr_refine.agent.policy import preset
from rr_refine.agent.refine import arefine
from rr_refine.agent.review import Accept, Decision, Keep, Reject, ReviewRequest
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.run import Run
from rr_refine.errors import CriticUnreadable, GeneratorError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, PairwiseCritique
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity, Task, Usage, dimensions_of

__all__ = ["run"]


async def run(out: Path, write: Callable[[str], str]) -> Run:
    """Four rounds: judged twice over, compared as a near tie, unreadable, and not rendered.

    Args:
        write: gives the text for a field, by its name.
    """
    return await arefine(
        write("request"),
        image=Image.new("RGB", (9, 9), "red"),
        out=out,
        generator=_Generator(write),
        critic=_Critic(write),
        rewriters=[_Rewriter(write)],
        policy=preset("refine", target=None, patience=None, review=True),
        keep=[write("kept")],
        avoid=[write("avoided")],
        parameters={write("parameter"): write("parameter value")},
        settings={write("setting"): write("setting value")},
        reviewer=_Reviewer(write),
    )


class _Generator:
    tasks: frozenset[Task] = frozenset({"t2i", "edit"})

    def __init__(self, write: Callable[[str], str]) -> None:
        self._write, self._calls = write, 0
        details = {"revision": write("revision"), write("detail"): write("detail value")}
        self.identity = Identity(
            kind=write("generator kind"), name=write("generator name"), details=dict(details)
        )

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self._calls += 1
        if self._calls == 4:
            raise GeneratorError(self._write("render failure"))
        return Image.new("RGB", (12, 8), (self._calls, 9, 9))


class _Critic:
    def __init__(self, write: Callable[[str], str]) -> None:
        self._write, self._calls = write, 0
        self.identity = Identity(
            kind=write("critic kind"),
            name=write("critic name"),
            details={"template": write("template")},
        )

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self._calls += 1
        if self._calls == 3:
            raise CriticUnreadable(self._write("critique failure"), self._write("unreadable"))
        samples = tuple(self._critique(f"{self._calls}.{sample}") for sample in (1, 2))
        return Assessment(
            critic=self.identity,
            critiques=samples,
            failures=(self._write(f"failed sample {self._calls}"),),
            usage=Usage(calls=2),
        )

    def _critique(self, name: str) -> Critique:
        write, dimensions = self._write, dimensions_of("edit")
        return Critique(
            task="edit",
            scores=dict.fromkeys(dimensions, 2.5),
            rationales={d: write(f"rationale {d} {name}") for d in dimensions},
            raw=write(f"raw {name}"),
        )

    async def compare(self, request: ComparisonRequest) -> Comparison:
        return Comparison(
            critic=self.identity, forward=self._pair("forward"), reverse=self._pair("reverse")
        )

    def _pair(self, name: str) -> PairwiseCritique:
        dimensions = dimensions_of("edit")
        return PairwiseCritique(
            task="edit",
            scores_a=dict.fromkeys(dimensions, 2.0),
            scores_b=dict.fromkeys(dimensions, 2.0),
            winners=dict.fromkeys(dimensions),
            rationales=dict.fromkeys(dimensions),
            raw=self._write(name),
        )


class _Rewriter:
    """Proposes a prompt that is rejected, for what it must not say, before one that is not."""

    def __init__(self, write: Callable[[str], str]) -> None:
        self._write, self._visits = write, 0
        self.identity = Identity(kind=write("rewriter"), name="mine")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        self._visits += 1
        held = f"{context.request.prompt} {' '.join(span.text for span in context.spans)}"
        good = f"{held} {self._write(f'prompt {self._visits}')}"
        bad = f"{held} {self._write('avoided')} {self._visits}"
        return Rewrites(
            proposals=(
                Rewrite(prompt=bad),
                Rewrite(prompt=good, why=self._write(f"why {self._visits}")),
            )
        )


class _Reviewer:
    """Rejects the first proposal, protects words, then accepts whatever comes."""

    def __init__(self, write: Callable[[str], str]) -> None:
        self._decisions: list[Decision] = [
            Reject(reason=write("remark")),
            Keep(text=write("kept later")),
        ]

    async def __call__(self, question: ReviewRequest) -> Decision:
        return self._decisions.pop(0) if self._decisions else Accept()
