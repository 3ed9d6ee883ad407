"""Steps that a server reports, in whatever numbers."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from rr_refine.generators.comfyui.progress import Steps


def heard(*numbers: tuple[JsonValue, JsonValue]) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    steps = Steps("job", ["7"], lambda done, total: seen.append((done, total)))
    for value, most in numbers:
        data: JsonValue = {"prompt_id": "job", "node": "7", "value": value, "max": most}
        steps.hear({"type": "progress", "data": data})
    return seen


@pytest.mark.parametrize("odd", ["NaN", "1e999", "-1e999", "-1", "1" + "0" * 400, "null", '"3"'])
def test_odd_numbers_are_no_steps(odd: str) -> None:
    value: JsonValue = json.loads(odd)
    assert heard((value, 4), (1, value), (2, 4), (value, value)) == [(2, 4)]
