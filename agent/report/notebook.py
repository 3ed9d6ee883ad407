"""A run in a notebook: small pictures in the text itself, scores and prompts."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Final

from rr_refine.agent.history import Candidate
from rr_refine.agent.report.page import PAGES, cut
from rr_refine.agent.report.summary import headline
from rr_refine.agent.run import Run
from rr_refine.errors import StoreError

__all__ = ["notebook_cell"]

_SIDE: Final = 256
"""Longest side of a picture, pixels."""
_PROMPT: Final = 1000
"""Most characters of a prompt."""


@dataclass(frozen=True, slots=True)
class _Thumb:
    name: str
    candidate: Candidate
    prompt: str
    url: str | None
    """The picture as a data: URI; None where it cannot be read."""


def notebook_cell(run: Run) -> str:
    """HTML of the run for a notebook; nothing in it can run."""
    best = run.best
    first = next((c for c in run.candidates if c.image), None)
    thumbs = []
    if first is not None and best is not None and first.id != best.id:
        first = first.under(first.first_revision)  # as the first image, not as a later rival
        thumbs.append(_thumb(run, first, "first image"))
    if best is not None:
        thumbs.append(_thumb(run, best, "result"))
    return PAGES.part("notebook.html", headline=headline(run), thumbs=thumbs, run=run)


def _thumb(run: Run, candidate: Candidate, name: str) -> _Thumb:
    return _Thumb(name, candidate, cut(candidate.prompt, _PROMPT), _data_url(run, candidate))


def _data_url(run: Run, candidate: Candidate) -> str | None:
    try:
        image = run.image(candidate)
    except StoreError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
