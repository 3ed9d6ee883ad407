"""The journal's keys of what is found out about pictures, by their digests."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rr_refine.digest import digest
from rr_refine.request import Request
from rr_refine.terms import Identity

__all__ = ["comparison_key", "critique_key", "evidence_key", "sources_key"]


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
