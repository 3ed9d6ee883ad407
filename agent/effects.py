"""Effects: what a run does to the world, each thing once.

Rendering, measuring, judging, comparing, rewriting and revising are looked up in the run's
journal first and written to it when done. A run that starts again from the beginning therefore
repeats nothing that was finished. A failure is never written: it is owed again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from pydantic import JsonValue

from rr_refine.agent import keys
from rr_refine.agent.history import Failure, Rendering
from rr_refine.agent.pictures import RunPictures
from rr_refine.agent.rewriting.revising import MergeResult, merge
from rr_refine.agent.rewriting.rewriter import RewriteContext, Rewriter, Rewrites
from rr_refine.agent.state import RunContext
from rr_refine.agent.store.journal import ItemKind, TooLongError
from rr_refine.boundary import boundary
from rr_refine.component import most_sources
from rr_refine.drawing_settings import settings_in
from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticTimeout,
    EvidenceError,
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    OverBudgetError,
    RefineError,
    RewriteError,
    StoreError,
)
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit, can_fit, fit_of
from rr_refine.notices import add_notices, notices_of
from rr_refine.pictures import bare_copy, rendered
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, PairwiseCritic
from rr_refine.reward.evidence.evidence import Evidence, Findings
from rr_refine.telemetry import Traced
from rr_refine.terms import Identity, Record
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["EffectResult", "Effects"]

_FAULTS: Final[dict[ItemKind, tuple[type[RefineError], type[RefineError]]]] = {
    "rewrite": (RewriteError, RewriteError),
    "revision": (RewriteError, RewriteError),
    "fit": (GeneratorError, GeneratorTimeout),
    "evidence": (EvidenceError, EvidenceError),
}
"""What work fails with, and with what if it is late; other than the critic's."""

_Kind = Literal["fit", "critique", "comparison", "evidence", "rewrite", "revision"]

T_co = TypeVar("T_co", covariant=True)
RecordT = TypeVar("RecordT", bound="Record")


@dataclass(frozen=True, slots=True)
class EffectResult(Generic[T_co]):
    """The result of an effect."""

    value: T_co
    key: str
    """Its key in the journal."""
    seconds: float
    """How long it took when it was done."""
    cached: bool
    """Whether it had been done before."""


class Effects:
    """The effects of one run.

    Args:
        request: the run's request.
        context: its live objects.
    """

    def __init__(self, request: Request, context: RunContext) -> None:
        self._request = request
        self._context = context
        self._folder = context.folder
        self.pictures = RunPictures(request, context)

    async def render(
        self, prompt: str, seed: int, *, on_step: OnStep, timeout: float
    ) -> EffectResult[Rendering]:
        """Render an image into the run folder.

        Raises:
            GeneratorError: of the kind that fits; a blank image and a time-out are such.
            OverBudgetError: it could cost more than is left, as all that asks a service may.
            StoreError: the image could not be stored.
        """
        key = self._render_key(prompt, seed)
        with self._context.ledger.working("render", key):
            return await self._render(prompt, seed, key, on_step, timeout)

    async def _render(
        self, prompt: str, seed: int, key: str, on_step: OnStep, timeout: float
    ) -> EffectResult[Rendering]:
        generator = self._context.job.generator
        if (refusal := self._folder.journal.get("refusal", key)) is not None:
            raise self._folder.journal.read("refusal", refusal, Failure).as_error(GeneratorRefused)
        found = self._folder.journal.get("render", key)
        if isinstance(found, dict):
            known = {k: v for k, v in found.items() if k in Rendering.model_fields}
            rendering = self._folder.journal.read("render", known, Rendering)
            if await in_thread(self._folder.has_image, rendering.image):
                return EffectResult(rendering, key, _seconds(found), cached=True)
        request = await self._render_request(prompt, seed)
        start = time.monotonic()
        with Traced("render", generator.identity.name):
            with boundary(GeneratorError, "the generator", timeout=GeneratorTimeout):
                async with asyncio.timeout(timeout):
                    given = await generator.generate(request, on_step=on_step)
            seconds = time.monotonic() - start
            rendering, picture = await in_thread(self._store, key, request, given, seconds)
        self.pictures.keep(rendering.image, picture)
        return EffectResult(rendering, key, seconds, cached=False)

    def _store(
        self, key: str, request: RenderRequest, given: object, seconds: float
    ) -> tuple[Rendering, Image.Image]:
        """Write down what the generator gave. Also the picture as it was stored, for the critic."""
        with boundary(GeneratorError, "the generator"):
            image = rendered(given)
        if request.source is not None and image.size != request.source.size:
            took, gave = (f"{w}x{h}" for w, h in (request.source.size, image.size))
            add_notices(image, f"it has {gave} pixels, and the picture to edit has {took}")
        identity = self._context.job.generator.identity
        drawn: dict[str, JsonValue] = {"prompt": request.prompt, "seed": request.seed}
        told: dict[str, JsonValue] = {
            **drawn,
            "model": identity.name,
            "size": f"{image.width}x{image.height}",
            "settings": settings_in(image),
        }
        name = self._folder.put_image(image, told, durable=False)  # the round is the commit
        rendering = Rendering(
            image=name, width=image.width, height=image.height, notices=notices_of(image)
        )
        record: dict[str, JsonValue] = {
            **rendering.model_dump(mode="json"),
            **drawn,
            "generator": identity.model_dump(mode="json"),
            "seconds": seconds,
        }
        self._folder.journal.put("render", key, record)
        return rendering, bare_copy(image)

    async def keep_refusal(self, prompt: str, seed: int, failure: Failure) -> None:
        """Write down that the generator refuses a prompt, so that it is not asked for it again."""
        key = self._render_key(prompt, seed)
        if self._folder.journal.get("refusal", key) is None:
            refused = failure.model_dump(mode="json")
            await in_thread(self._folder.journal.put, "refusal", key, refused)

    def _render_key(self, prompt: str, seed: int) -> str:
        return keys.render_key(
            self._context.job.generator.identity, self._request, prompt, seed=seed
        )

    async def fit(self, prompt: str, *, timeout: float) -> PromptFit | None:
        """How the generator takes a prompt; None where it cannot tell, or fails.

        Why it fails, the render will say.
        """
        generator = self._context.job.generator
        if can_fit(generator) is None:
            return None

        async def measure() -> PromptFit:
            # Where it is asked once, it is there: `fit_of` gives None for others only.
            return await fit_of(generator, await self._render_request(prompt, 0)) or PromptFit()

        try:
            key = keys.render_key(self._context.job.generator.identity, self._request, prompt)
            fit = await self._once(
                *("fit", key, PromptFit, measure, timeout),
                who="the generator",
                by=generator.identity,
            )
        except GeneratorError:
            return None
        return fit.value

    async def _render_request(self, prompt: str, seed: int) -> RenderRequest:
        shown = await self.pictures.shown(None)
        return RenderRequest(prompt, seed, parameters=self._request.parameters, **shown)

    async def examine(
        self, evidence: Evidence, image: str, *, timeout: float
    ) -> EffectResult[Findings]:
        """Measure an image.

        Raises:
            EvidenceError: it failed, took too long, or gave no findings.
        """
        key = keys.evidence_key(evidence.identity, self._request, image)

        async def examine() -> Findings:
            picture, shown = await self.pictures.read(image), await self.pictures.shown(None)
            return await evidence.examine(CritiqueRequest(self._request.prompt, picture, **shown))

        who = f"the evidence {evidence.identity.kind!r}"

        def check(findings: Findings) -> None:
            with boundary(EvidenceError, f"reading the findings of {who}"):
                Findings.model_validate(findings.model_dump(mode="json", warnings="error"))

        by = evidence.identity
        return await self._once(
            "evidence", key, Findings, examine, timeout, who=who, by=by, check=check
        )

    async def assess(
        self, image: str, *, timeout: float, facts: tuple[str, ...] = ()
    ) -> EffectResult[Assessment]:
        """Have the critic judge an image against the original request.

        Args:
            facts: what was measured in it; see `CritiqueRequest`.

        Raises:
            CriticError: of the kind that fits.
            ConfigError: the critic is not the one that judged earlier images of this run.
        """
        key, critic = keys.critique_key(self._request, image), self._context.job.critic

        async def judge() -> Assessment:
            picture, shown = (
                await self.pictures.load(image),
                await self.pictures.shown(most_sources(critic)),
            )
            asked = CritiqueRequest(self._request.prompt, picture, facts=facts, **shown)
            return await critic.critique(asked)

        def check(assessment: Assessment) -> None:
            self._require_same_task(assessment)
            self._require_same_critic(assessment)

        return await self._once(
            *("critique", key, Assessment, judge, timeout),
            who="the critic",
            by=critic.identity,
            check=check,
        )

    async def compare(
        self, critic: PairwiseCritic, image_a: str, image_b: str, *, timeout: float
    ) -> EffectResult[Comparison]:
        """Have the critic choose between two images, in both orders.

        Raises:
            CriticError: of the kind that fits.
        """
        key = keys.comparison_key(self._request, image_a, image_b)

        async def compare() -> Comparison:
            return await critic.compare(
                ComparisonRequest(
                    prompt=self._request.prompt,
                    image_a=await self.pictures.load(image_a),
                    image_b=await self.pictures.load(image_b),
                    **await self.pictures.shown(most_sources(critic)),
                )
            )

        by = critic.identity
        return await self._once(
            "comparison", key, Comparison, compare, timeout, who="the critic", by=by
        )

    async def rewrite(
        self, rewriter: Rewriter, context: RewriteContext, *, timeout: float
    ) -> EffectResult[Rewrites]:
        """Ask a rewriter for prompts.

        Raises:
            RewriteError: it failed or took too long.
        """
        key = keys.rewrite_key(rewriter.identity, context)
        try:
            return await self._once(
                "rewrite",
                key,
                Rewrites,
                lambda: rewriter.rewrite(context),
                timeout,
                who=f"the rewriter {rewriter.identity.kind!r}",
                by=rewriter.identity,
            )
        # A wrong key, say, is no reason to lose the run.
        except (ConfigError, OverBudgetError) as error:
            raise RewriteError(str(error)) from error

    async def merge(
        self, rewriters: Sequence[Rewriter], remark: str, *, timeout: float
    ) -> EffectResult[MergeResult]:
        """The request with a remark in it, see `rr_refine.agent.rewriting.revising.merge`."""
        work = partial(merge, rewriters, self._request, remark, timeout=timeout)
        key, who = keys.revision_key(self._request, remark), "the rewriters"
        return await self._once("revision", key, MergeResult, work, None, who=who)

    async def _once(
        self,
        kind: _Kind,
        key: str,
        model: type[RecordT],
        work: Callable[[], Awaitable[RecordT]],
        timeout: float | None,
        *,
        who: str,
        by: Identity | None = None,
        check: Callable[[RecordT], None] | None = None,
    ) -> EffectResult[RecordT]:
        """Look an item up, or do the work and write it down.

        Args:
            who: does the work, for the message about an answer that is no `model`.
            by: the same, as telemetry has it.
            check: may refuse an answer before it is written down.
        """
        working = self._context.ledger.working(kind, key)
        found = self._folder.journal.get(kind, key)
        if isinstance(found, dict):
            result = self._folder.journal.read(kind, found.get("result"), model)
            return EffectResult(result, key, _seconds(found), cached=True)
        error, late = _FAULTS.get(kind, (CriticError, CriticTimeout))
        answer: object
        start = time.monotonic()
        with Traced(kind, who if by is None else by.name) as told, working:
            with boundary(error, f"the {kind}", timeout=late):
                async with asyncio.timeout(timeout):
                    answer = await work()
            if not isinstance(answer, model):
                raise error(f"{who} answered {shortened(answer)}, which is no {model.__name__}")
            told.used(getattr(answer, "usage", None))
        if check is not None:  # before it is written down
            check(answer)
        seconds = time.monotonic() - start
        try:
            record: JsonValue = {"result": answer.model_dump(mode="json"), "seconds": seconds}
            await in_thread(self._folder.journal.put, kind, key, record)
        except TooLongError as long:
            raise error(f"{who} answered with more than can be kept: {long}") from long
        return EffectResult(answer, key, seconds, cached=False)

    def _require_same_task(self, assessment: Assessment) -> None:
        if assessment.task != self._request.task:
            raise CriticError(
                f"the critic judged the task {assessment.task!r} where the request is "
                f"{self._request.task!r}: its dimensions are not those that count"
            )

    def _require_same_critic(self, assessment: Assessment) -> None:
        for key, _ in self._folder.journal.items("critique"):
            first, now = self._context.assessment(key).critic, assessment.critic
            if first != now:
                raise ConfigError(
                    f"this run was judged by {first.name!r} {first.details} and now by "
                    f"{now.name!r} {now.details}: scores of two critics cannot be compared; "
                    "resume with the first, or start anew"
                )
            return


def _seconds(item: dict[str, JsonValue]) -> float:
    seconds = item.get("seconds")
    if not isinstance(seconds, int | float):
        raise StoreError(f"samples.jsonl has an item that took {seconds!r:.80} seconds")
    return float(seconds)
