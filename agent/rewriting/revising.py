"""From a request and a remark to the request anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from rr_refine.agent.history import Rejection
from rr_refine.agent.revision import APPENDED, appended, merge_problems
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.boundary import boundary
from rr_refine.errors import ConfigError, OverBudgetError, RewriteError
from rr_refine.request import MAX_PROMPT, Request
from rr_refine.terms import Record, Usage

__all__ = ["CanMerge", "MergeResult", "Merged", "merge"]


class Merged(Record):
    """What a rewriter makes of a request and a remark."""

    prompt: str | None
    """The whole request as it is now; None where it could make nothing of the two."""
    usage: Usage = Usage()


@runtime_checkable
class CanMerge(Protocol):
    """A rewriter that can say a request anew after a remark. Optional."""

    async def merge(self, request: Request, remark: str) -> Merged:
        """The request with the remark in it. What the remark takes back is no longer said.

        Whoever gives None says more than that it has no idea: its models cannot read the remark
        where it is added to the request, so that what it asks for will not be judged.

        Raises:
            RewriteError: it could not be done.
        """
        ...


class MergeResult(Record):
    """The request anew; see `rr_refine.agent.revision.Revision`."""

    prompt: str
    origin: str
    unread: bool
    rejections: tuple[Rejection, ...]
    usage: Usage


async def merge(
    rewriters: Iterable[Rewriter], request: Request, remark: str, *, timeout: float
) -> MergeResult:
    """Ask the rewriters that can merge, in order; without any the remark is added as it is.

    Args:
        timeout: seconds that each may take.
    """
    prompt, origin = appended(request.prompt, remark), APPENDED
    rejections: list[Rejection] = []
    usage, unread = Usage(), False
    for rewriter in rewriters:
        if not isinstance(rewriter, CanMerge):
            continue
        name, text = rewriter.identity.kind, None
        try:
            merged = await _ask(rewriter, name, request, remark, timeout)
        except (RewriteError, ConfigError, OverBudgetError) as error:
            usage += error.usage or Usage()
            reason = str(error)
        else:
            usage += merged.usage
            text = merged.prompt
            if text is None:
                unread, reason = True, "it cannot read the remark"
            elif found := merge_problems(request.prompt, remark, text):
                reason = "; ".join(found)
            else:
                prompt, origin, unread = text, name, False
                break
        text = text and text[:MAX_PROMPT]
        rejections.append(Rejection(rewriter=name, prompt=text, reason=reason))
    return MergeResult(
        prompt=prompt, origin=origin, unread=unread, rejections=tuple(rejections), usage=usage
    )


async def _ask(
    rewriter: CanMerge, name: str, request: Request, remark: str, timeout: float
) -> Merged:
    with boundary(RewriteError, f"the rewriter {name!r}", timeout=RewriteError):
        async with asyncio.timeout(timeout):
            merged: object = await rewriter.merge(request, remark)
    if not isinstance(merged, Merged):
        raise RewriteError(f"the rewriter {name!r} answered {merged!r:.200}, which is no Merged")
    return merged
