"""Small parts for the tests of the loop: candidates, critiques, and components with a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from PIL import Image

from rr_refine.agent.history import Candidate, Failure, Verdict, VerdictRule
from rr_refine.agent.intent import find_spans
from rr_refine.agent.rewriting.rewriter import JudgedCandidate, Rewrite, RewriteContext, Rewrites
from rr_refine.errors import CriticError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, PairwiseCritique, Winner
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Dimension, Identity, Task, Usage, dimensions_of

Scores = dict[Dimension, float | None]

CRITIC = Identity(kind="scripted", name="critic")


def t2i(text: float, quality: float, rendering: float | None = None) -> Scores:
    """Scores of a text-to-image picture."""
    return {"text_faithfulness": text, "physical_quality": quality, "text_rendering": rendering}


def edit(text: float, image: float, quality: float, rendering: float | None = None) -> Scores:
    """Scores of an edited picture."""
    return t2i(text, quality, rendering) | {"image_faithfulness": image}


def candidate(
    name: str = "r0c0",
    scores: Scores | None = None,
    *,
    errors: dict[Dimension, float] | None = None,
    image: str | None = "",
    prompt: str = "a cat",
    failure: str | None = None,
    raw: str | None = None,
    verdict: VerdictRule | None = None,
    against: str | None = None,
) -> Candidate:
    """A candidate by its id; its picture is its own unless `image` says otherwise.

    A failed one (`failure` is the name of an error) has a picture unless `image` is None.
    """
    number, index = name.removeprefix("r").split("c")
    fault = decision = None
    if failure is not None:
        stage: Literal["critique", "render"] = "render" if image is None else "critique"
        fault = Failure(stage=stage, error=failure, message="it broke", raw=raw)
    if verdict is not None:
        accepted = verdict in ("first", "win", "pairwise", "always", "picked")
        decision = Verdict(accepted=accepted, rule=verdict, reason=verdict, against=against)
    return Candidate(
        round=int(number),
        index=int(index),
        prompt=prompt,
        origin="request",
        seed=0,
        image=f"picture of {name}" if image == "" else image,
        critique=f"critique of {name}" if scores else None,
        scores=scores,
        errors=errors or {},
        failure=fault,
        verdict=decision,
    )


def critique(
    scores: Scores,
    *,
    refined: str | None = None,
    comments: str | None = None,
    rationales: dict[Dimension, str | None] | None = None,
    summary: str = "",
) -> Critique:
    """A critique with these scores."""
    return Critique(
        task="edit" if "image_faithfulness" in scores else "t2i",
        scores=scores,
        rationales=dict.fromkeys(scores) | (rationales or {}),
        summary=summary,
        refinement_comments=comments,
        refined_request=refined,
        raw="as it came",
    )


def assessment(*critiques: Critique) -> Assessment:
    """An assessment of these samples."""
    return Assessment(critic=CRITIC, critiques=critiques, usage=Usage(calls=len(critiques)))


def judged(name: str, *critiques: Critique, prompt: str = "a cat") -> JudgedCandidate:
    """A candidate with what the critic said about it."""
    said = assessment(*critiques)
    return JudgedCandidate(candidate(name, said.mean, prompt=prompt), said)


def context(
    prompt: str = "a cat",
    *,
    task: Task = "t2i",
    incumbent: JudgedCandidate | None = None,
    others: Sequence[JudgedCandidate] = (),
    avoid: Sequence[str] = (),
    keep: Sequence[str] = (),
    tried: Sequence[str] | None = None,
    remarks: Sequence[str] = (),
) -> RewriteContext:
    """What a rewriter gets to know; tried is the request itself unless said otherwise."""
    source = "0" * 64 if task == "edit" else None
    return RewriteContext(
        request=Request(prompt=prompt, source=source, avoid=tuple(avoid), keep=tuple(keep)),
        spans=find_spans(prompt, keep),
        incumbent=incumbent,
        others=tuple(others),
        tried=(prompt,) if tried is None else tuple(tried),
        remarks=tuple(remarks),
    )


def comparison(forward: Winner, reverse: Winner, task: Task = "t2i") -> Comparison:
    """A comparison by the winner of each order, as the critic saw it (first shown is `a`)."""
    return Comparison(critic=CRITIC, forward=_pair(forward, task), reverse=_pair(reverse, task))


def _pair(winner: Winner, task: Task) -> PairwiseCritique:
    dimensions = dimensions_of(task)
    return PairwiseCritique(
        task=task,
        scores_a=dict.fromkeys(dimensions, 3.0 + (winner == "a")),
        scores_b=dict.fromkeys(dimensions, 3.0 + (winner == "b")),
        winners=dict.fromkeys(dimensions, winner),
        rationales=dict.fromkeys(dimensions),
        raw="as it came",
    )


CHALLENGER_WINS = comparison("b", "a")
INCUMBENT_WINS = comparison("a", "b")
SPLIT = comparison("a", "a")


class ScriptedGenerator:
    """A picture by (number of the prompt, seed), which is written into its pixels, in one step."""

    identity = Identity(kind="scripted", name="generator")
    tasks: frozenset[Task] = frozenset({"t2i", "edit"})

    def __init__(self) -> None:
        self.prompts: list[str] = []

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if request.prompt not in self.prompts:
            self.prompts.append(request.prompt)
        number = self.prompts.index(request.prompt)
        if on_step is not None:
            on_step(1, 1)
        return Image.new("RGB", (8, 8), (number, request.seed, 255))


class ScriptedCritic:
    """Judges the picture of a prompt's number and a seed as planned; one comparison for all."""

    def __init__(
        self,
        plan: Mapping[tuple[int, int], Critique | CriticError],
        comparison: Comparison | CriticError = INCUMBENT_WINS,
    ) -> None:
        self.identity = Identity(kind="scripted", name="critic")
        self._plan, self._comparison = plan, comparison

    async def critique(self, request: CritiqueRequest) -> Assessment:
        number, seed, _ = cast("tuple[int, int, int]", request.image.getpixel((0, 0)))
        planned = self._plan[number, seed]
        if isinstance(planned, CriticError):
            raise planned
        return Assessment(critic=self.identity, critiques=(planned,), usage=Usage(calls=1))

    async def compare(self, request: ComparisonRequest) -> Comparison:
        if isinstance(self._comparison, CriticError):
            raise self._comparison
        return self._comparison


class CountingRewriter:
    """A new prompt at every visit: the request with a number of stars behind it."""

    identity = Identity(kind="counting", name="counting")

    def __init__(self) -> None:
        self._visits = 0

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        self._visits += 1
        prompt = f"{context.request.prompt} {'*' * self._visits}"
        return Rewrites(proposals=(Rewrite(prompt=prompt),))
