"""What a rewriter is: a critique in, better prompts out, anchored on the original request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rr_refine.agent.history import Candidate
from rr_refine.agent.intent import ProtectedSpan
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.terms import Identity, Record, Usage

__all__ = ["JudgedCandidate", "Rewrite", "RewriteContext", "Rewriter", "Rewrites", "join_clauses"]


@dataclass(frozen=True, slots=True)
class JudgedCandidate:
    """A candidate together with what the critic said about its image."""

    candidate: Candidate
    assessment: Assessment


@dataclass(frozen=True, slots=True)
class RewriteContext:
    """All that a rewriter may know."""

    request: Request
    """The request as it is now, the anchor of every rewrite."""
    spans: tuple[ProtectedSpan, ...]
    """What the new prompt must hold."""
    incumbent: JudgedCandidate | None
    """The best image so far; None when rewriting blind, before the first render."""
    others: tuple[JudgedCandidate, ...] = ()
    """Other judged candidates, newest first: what was tried and did not win."""
    tried: tuple[str, ...] = ()
    """Every prompt used so far, in order; a repeat is rejected."""
    remarks: tuple[str, ...] = ()
    """What the user said besides, which the next prompt must honour."""
    target: float = 3.0
    """Dimensions of the incumbent below this score need work (1 to 4)."""
    fit: PromptFit | None = None
    """How the generator takes the original request, and how much it reads at most; None where it
    cannot tell."""

    def is_read(self, prompt: str) -> bool:
        """Whether the generator is likely to read all of a prompt, by the tokens of the request."""
        fit = self.fit
        if fit is None or fit.limit is None:
            return True
        if fit.unit == "characters" or not fit.length:
            return len(prompt) <= fit.limit
        return len(prompt) * fit.length <= fit.limit * len(self.request.prompt)


class Rewrite(Record):
    """One proposed prompt."""

    prompt: str
    why: str = ""
    """What was changed, because of what."""


class Rewrites(Record):
    """What a rewriter came to: proposals in order of preference, and what they cost."""

    proposals: tuple[Rewrite, ...] = ()
    usage: Usage = Usage()


@runtime_checkable
class Rewriter(Protocol):
    """Turns what the critic found into new prompts.

    `connect` and `aclose` are optional, see `rr_refine.component`.

    It need not check its proposals: the loop rejects those that lose a protected span or repeat
    an earlier prompt, also where the generator does not read that far, and records why.
    """

    @property
    def identity(self) -> Identity:
        """What the proposals depend on besides the context."""
        ...

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        """Propose prompts, best first; none is a valid answer.

        Raises:
            RewriteError: it could not be done; the next rewriter in the chain is asked.
        """
        ...


def join_clauses(prompt: str, clauses: Sequence[str]) -> str:
    """A prompt with sentences added to it, those left out that it holds already."""
    new = [clause for clause in clauses if clause.casefold() not in prompt.casefold()]
    if not new:
        return prompt
    sentences = [prompt.rstrip().removesuffix("."), *(c[0].upper() + c[1:] for c in new)]
    return ". ".join(sentences) + "."
