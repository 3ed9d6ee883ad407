"""What every rewriter must do, as tests that you run on your own.

    from rr_refine.agent.rewriting.contract import RewriterContract

    class TestMyRewriter(RewriterContract):
        def make_rewriter(self) -> MyRewriter:
            return MyRewriter()

Needs pytest, and nothing else: the tests run their own event loops.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Coroutine, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest

from rr_refine.agent.history import Candidate
from rr_refine.agent.intent import find_spans
from rr_refine.agent.rewriting.chain import choose
from rr_refine.agent.rewriting.rewriter import (
    JudgedCandidate,
    RewriteContext,
    Rewriter,
    Rewrites,
)
from rr_refine.contract import WEIRD_TEXTS, PartContract, require_members
from rr_refine.errors import RewriteError
from rr_refine.request import MAX_PROMPT, Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity, Usage, dimensions_of

__all__ = ["RewriterContract"]


class RewriterContract(PartContract[Rewriter, Rewrites]):
    """Subclass it as `Test…` and say how to make the rewriter."""

    _error = RewriteError
    prompt: ClassVar[str] = 'a red cube on a white table with the word "OPEN"'
    """A request that the rewriter can do something with."""
    instruction: ClassVar[str] = "make the cube blue"
    """One for an edit."""
    proposes: ClassVar[bool] = True
    """False for a rewriter that has nothing to say about these two."""
    deterministic: ClassVar[bool] = True
    """False for a rewriter that samples; what needs repeating is then skipped."""
    weird_prompts: ClassVar[Mapping[str, str]] = {
        name: text
        for name, text in WEIRD_TEXTS.items()
        if name not in ("empty", "blank", "lone surrogate")  # which are no request
    }
    """Requests of users. Each must give rewrites or a RewriteError."""

    def make_rewriter(self) -> Rewriter:
        """Make a new rewriter; called once or twice per test, so share heavy weights yourself."""
        raise NotImplementedError("say how to make the rewriter: def make_rewriter(self)")

    def make_contexts(self) -> Mapping[str, RewriteContext]:
        """What it is asked, by name; add what is special about yours."""
        judged = self._context(self.prompt)
        edit = self._context(self.instruction, source="0" * 64)
        return {
            "judged": judged,
            "edit": edit,
            "blind": replace(judged, incumbent=None),
            "with others": replace(judged, others=(_judged(judged.request, "r1c0"),)),
            "with a remark": replace(judged, remarks=("the table should be larger",)),
        }

    def test_it_is_a_rewriter(self) -> None:
        """It has the protocol's members."""
        require_members(self.make_rewriter(), "identity", "rewrite")

    def test_gives_prompts(self) -> None:
        """Proposals are texts that can be kept; there may be none."""

        async def check(rewriter: Rewriter) -> None:
            for name, context in self.make_contexts().items():
                await _rewrite(rewriter, context, name)

        self._run(check)

    def test_a_proposal_can_be_used(self) -> None:
        """The loop takes one: it keeps what is protected and is no prompt that was tried."""
        if not self.proposes:
            pytest.skip("it has nothing to propose")

        async def check(rewriter: Rewriter) -> None:
            why: list[str] = []
            for name, context in self.make_contexts().items():
                chosen = await choose((rewriter,), context, partial(_ask, context))
                if chosen.proposal is not None:
                    return
                why += [f"{name}: {r.prompt!r}: {r.reason}" for r in chosen.rejections]
            raise AssertionError(f"no proposal can be used: {'; '.join(why) or 'there is none'}")

        self._run(check)

    def test_concurrent_calls_equal_single_calls(self) -> None:
        """No answer ends up with another request."""

        async def check(rewriter: Rewriter) -> None:
            contexts = self.make_contexts()
            together = await asyncio.gather(*(rewriter.rewrite(c) for c in contexts.values()))
            for (name, context), answer in zip(contexts.items(), together, strict=True):
                _check(answer, name)
                if self.deterministic:
                    alone = (await rewriter.rewrite(context)).proposals
                    assert alone == answer.proposals, f"{name}: beside others, other prompts"

        self._run(check)

    def test_leaves_the_context_alone(self) -> None:
        """What it is given is read, and changed by nobody."""

        async def check(rewriter: Rewriter) -> None:
            for name, context in self.make_contexts().items():
                before = deepcopy(context)
                await rewriter.rewrite(context)
                assert context == before, f"{name}: the context is another now"

        self._run(check)

    def _make(self) -> Rewriter:
        return self.make_rewriter()

    async def _ask(self, part: Rewriter, number: int = 0) -> Rewrites:
        name = ("judged", "edit")[number]
        return await _rewrite(part, self.make_contexts()[name], name)

    def _weird(self, part: Rewriter) -> Iterator[tuple[str, Awaitable[object]]]:
        for name, prompt in self.weird_prompts.items():
            yield name, _rewrite(part, self._context(prompt), name)

    def _context(self, prompt: str, source: str | None = None) -> RewriteContext:
        request = Request(prompt=prompt, source=source)
        spans = find_spans(prompt, ())
        return RewriteContext(request, spans, _judged(request, "r0c0"), tried=(prompt,))


async def _rewrite(rewriter: Rewriter, context: RewriteContext, name: str) -> Rewrites:
    answer = await rewriter.rewrite(context)
    _check(answer, name)
    return answer


def _ask(context: RewriteContext, rewriter: Rewriter) -> Coroutine[object, object, Rewrites]:
    return rewriter.rewrite(context)


def _judged(request: Request, name: str) -> JudgedCandidate:
    """A picture that the critic finds poor, and a prompt that the critic would have instead."""
    task = request.task
    scores = dict.fromkeys(dimensions_of(task), 2.0)
    critique = Critique(
        task=task,
        scores=scores,
        rationales=dict.fromkeys(scores, "the cube is small and lies at the edge"),
        summary="the cube should be larger",
        refinement_comments="make the cube larger and move it to the middle",
        refined_request=f"{request.prompt}, large and in the middle",
        raw="as it came",
    )
    assessment = Assessment(
        critic=Identity(kind="contract", name="critic"),
        critiques=(critique,),
        usage=Usage(calls=1),
    )
    candidate = Candidate(
        round=int(name[1]),
        index=0,
        prompt=request.prompt,
        origin="request",
        seed=0,
        image="1" * 64,
        critique="2" * 64,
        scores=assessment.mean,
    )
    return JudgedCandidate(candidate, assessment)


def _check(answer: object, name: str) -> None:
    assert isinstance(answer, Rewrites), f"{name}: {answer!r} is no Rewrites"
    kept = json.loads(json.dumps(answer.model_dump(mode="json"), allow_nan=False))
    assert Rewrites.model_validate(kept) == answer, f"{name}: read back, other rewrites"
    for proposal in answer.proposals:
        assert proposal.prompt.strip(), f"{name}: an empty prompt"
        assert len(proposal.prompt) <= MAX_PROMPT, f"{name}: {len(proposal.prompt):,} characters"
