"""A manifest of rendered pictures: what a generator made, and what it was made for."""

from __future__ import annotations

from rr_refine.terms import Record

__all__ = ["Render"]


class Render(Record):
    """One line of a manifest, a file of JSON lines beside its pictures."""

    prompt: str
    seed: int
    file: str
    """Relative to the manifest."""
    source: str | None = None
    """The picture that was edited, relative to the manifest; None for text-to-image."""
    model: str | None = None
