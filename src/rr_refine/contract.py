"""What the contract tests of all kinds of parts share."""

from __future__ import annotations

import inspect
import json
from collections.abc import Coroutine, Mapping
from typing import Final, Protocol, TypeVar

from rr_refine.component import call_hook
from rr_refine.terms import Identity

__all__ = ["WEIRD_TEXTS", "Part", "closing", "json_of", "require_members"]

T = TypeVar("T")

WEIRD_TEXTS: Final[Mapping[str, str]] = {
    "empty": "",
    "blank": " \n\t ",
    "image token": "<image> a cat <image><|vision_start|>",
    "html": "<script>alert('x')</script> & <b>bold</b>",
    "terminal escapes": "a \x1b[31mred\x1b[0m cube\x07\x00",
    "path parts": "../../etc/passwd\\..\\C:\\*?|",
    "format strings": "{prompt} %s ${HOME} {{}}",
    "many scripts": "赤い立方体 🟥👩‍👩‍👧 مكعب e\u0301\u202e",
    "lone surrogate": "a cube \udc80",
    "100 kB": "red " * 25_000,
}
"""Things that users type or paste."""


class Part(Protocol):
    """A part with an identity."""

    @property
    def identity(self) -> Identity:
        """Everything that could change its output."""
        ...


def require_members(part: object, *members: str) -> None:
    """See that a part has them. None is read: an identity may be unknown before the first call.

    Raises:
        AssertionError: it lacks one.
    """
    for member in members:
        found = inspect.getattr_static(part, member, None)
        assert found is not None, f"{type(part).__name__} lacks {member!r}"


def json_of(part: Part) -> str:
    """The identity as JSON, to be compared."""
    return json.dumps(part.identity.model_dump(mode="json"), sort_keys=True, allow_nan=False)


async def closing(part: object, work: Coroutine[object, object, T]) -> T:
    """Do `work`, then close what the part has opened on this event loop."""
    try:
        return await work
    finally:
        await call_hook(part, "aclose")
