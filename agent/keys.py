"""The journal's keys of what is found out about pictures, by their digests, and of new texts."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rr_refine.agent.rewriting.rewriter import RewriteContext
from rr_refine.digest import digest
from rr_refine.request import Request
from rr_refine.terms import Identity

__all__ = [
    "comparison_key",
    "critique_key",
    "evidence_key",
    "render_key",
    "revision_key",
    "rewrite_key",
    "sources_key",
]


def render_key(
    generator: Identity, request: Request, prompt: str, *, seed: int | None = None
) -> str:
    """The journal's key of a picture; without a seed, of how the generator takes a prompt."""
    return digest(
        {
            "generator": generator.model_dump(mode="json"),
            "prompt": prompt,
            **sources_key(request.sources),
            "parameters": request.parameters,
            **({} if seed is None else {"seed": seed}),
        }
    )


def critique_key(request: Request, image: str) -> str:
    """The journal's key of the critique of an image, by digest."""
    return digest({"prompt": request.prompt, "image": image, **sources_key(request.sources)})


def comparison_key(request: Request, image_a: str, image_b: str) -> str:
    """The journal's key of a comparison of two images, by digest, in this order."""
    return digest(
        {"prompt": request.prompt, "a": image_a, "b": image_b, **sources_key(request.sources)}
    )


def evidence_key(evidence: Identity, request: Request, image: str) -> str:
    """The journal's key of what a kind of evidence finds in an image, by digest."""
    return digest(
        {
            "evidence": evidence.model_dump(mode="json"),
            "prompt": request.prompt,
            "image": image,
            "sources": list[JsonValue](request.sources),
        }
    )


def sources_key(sources: Sequence[str]) -> dict[str, JsonValue]:
    """The part of a key that tells the pictures to edit, by digest. One alone stands as it did when
    there was no more than one.
    """
    first, *more = sources or (None,)
    return {"source": first, **({"more_sources": [*more]} if more else {})}


def rewrite_key(rewriter: Identity, context: RewriteContext) -> str:
    """The journal's key of what a rewriter proposes."""
    seen = [j.candidate.critique for j in (context.incumbent, *context.others) if j]
    limit = None if context.fit is None else context.fit.limit
    return digest(
        {
            **({} if limit is None else {"limit": limit}),
            "rewriter": rewriter.model_dump(mode="json"),
            "request": context.request.model_dump(mode="json"),
            "spans": [span.text for span in context.spans],
            "critiques": list[JsonValue](seen),
            "tried": list[JsonValue](context.tried),
            "remarks": list[JsonValue](context.remarks),
        }
    )


def revision_key(request: Request, remark: str) -> str:
    """The journal's key of what a remark makes of a request."""
    return digest({"request": request.model_dump(mode="json"), "remark": remark})
