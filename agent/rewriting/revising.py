"""From a request and a remark to the request anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from rr_refine.agent.history import Rejection
from rr_refine.agent.revision import APPENDED, appended, merge_problems
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.boundary import boundary
from rr_refine.errors import ConfigError, RewriteError
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
    rejections: list[Rejection] = []
    usage, unread = Usage(), False

    def result(prompt: str, origin: str) -> MergeResult:
        is_unread = unread and origin == APPENDED
        return MergeResult(
            prompt=prompt,
            origin=origin,
            unread=is_unread,
            rejections=tuple(rejections),
            usage=usage,
        )

    for rewriter in rewriters:
        if not isinstance(rewriter, CanMerge):
            continue
        name = rewriter.identity.kind
        try:
            merged = await _ask(rewriter, name, request, remark, timeout)
        except (RewriteError, ConfigError) as error:
            usage += error.usage or Usage()
            rejections.append(Rejection(rewriter=name, prompt=None, reason=str(error)))
            continue
        usage += merged.usage
        if merged.prompt is None:
            unread = True
            rejections.append(
                Rejection(rewriter=name, prompt=None, reason="it cannot read the remark")
            )
            continue
        found = merge_problems(request.prompt, remark, merged.prompt)
        if not found:
            return result(merged.prompt, name)
        text = merged.prompt[:MAX_PROMPT]
        rejections.append(Rejection(rewriter=name, prompt=text, reason="; ".join(found)))
    return result(appended(request.prompt, remark), APPENDED)


async def _ask(
    rewriter: CanMerge, name: str, request: Request, remark: str, timeout: float
) -> Merged:
    with boundary(RewriteError, f"the rewriter {name!r}", timeout=RewriteError):
        async with asyncio.timeout(timeout):
            merged: object = await rewriter.merge(request, remark)
    if not isinstance(merged, Merged):
        raise RewriteError(f"the rewriter {name!r} answered {merged!r:.200}, which is no Merged")
    return merged
