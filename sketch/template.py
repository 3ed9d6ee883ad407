"""The short template that the small critic was trained on: pictures and request, no rubric."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from rr_refine.reward.template import Template, read_template

__all__ = ["sketch_template"]


@cache
def sketch_template() -> Template:
    """Entry point `sketch` of `rr_refine.templates`."""
    return read_template("sketch", files("rr_refine.sketch") / "templates")
