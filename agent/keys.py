"""The journal's keys of what is found out about pictures, by their digests."""

from __future__ import annotations

from pydantic import JsonValue

from rr_refine.digest import digest
from rr_refine.request import Request
from rr_refine.terms import Identity

__all__ = ["comparison_key", "critique_key", "evidence_key"]


def critique_key(request: Request, image: str) -> str:
    """The journal's key of the critique of an image, by digest."""
    return digest({"prompt": request.prompt, "image": image, "source": request.source})


def comparison_key(request: Request, image_a: str, image_b: str) -> str:
    """The journal's key of a comparison of two images, by digest, in this order."""
    return digest({"prompt": request.prompt, "a": image_a, "b": image_b, "source": request.source})


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
