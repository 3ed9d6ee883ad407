"""What the small models say of themselves."""

from __future__ import annotations

import pytest

from rr_refine.component import Examples, examples_of, is_outside, unknown_to
from rr_refine.request import Request
from rr_refine.sketch.limits import ShapesOnly


def test_the_examples_are_understood_whole() -> None:
    examples = examples_of(ShapesOnly())
    assert isinstance(examples, Examples)
    assert examples.edit is not None
    for request in (
        Request(prompt=examples.t2i),
        Request(prompt=examples.edit, source="a digest"),
    ):
        assert unknown_to(ShapesOnly(), request) == ()
        assert not is_outside(ShapesOnly(), request)


@pytest.mark.parametrize("prompt", ["a cat", "remove the lamp"])
def test_others_are_outside(prompt: str) -> None:
    assert is_outside(ShapesOnly(), Request(prompt=prompt))
    assert is_outside(ShapesOnly(), Request(prompt=prompt, source="a digest"))
