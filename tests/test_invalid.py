"""What does not fit is told in words."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rr_refine.agent.review import Decision
from rr_refine.invalid import told_invalid


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(default="a", min_length=1, max_length=5)
    number: int = Field(default=1, ge=1, lt=10)
    share: float = Field(default=0.5, gt=0, le=1, allow_inf_nan=False)
    flag: bool = False
    words: Annotated[tuple[str, ...], Field(max_length=2)] = ()
    kind: Literal["a", "b"] = "a"
    either: Literal["a"] | Literal["b"] | tuple[int, ...] = "a"
    picture: Base64Bytes | None = None
    table: dict[str, int] = {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"text": ""}, "text is empty"),
        ({"text": "abcdef"}, "text has 6 characters; 5 are the most"),
        ({"text": 3}, "text = 3 is no text"),
        ({"text": None}, "text = None is no text"),
        ({"number": "x"}, "number = 'x' is no whole number"),
        ({"number": 1.5}, "number = 1.5 is no whole number"),
        ({"number": []}, "number is no whole number"),
        ({"number": 0}, "number = 0: it must be 1 or more"),
        ({"number": 10}, "number = 10: it must be below 10"),
        ({"share": 0}, "share = 0: it must be above 0.0"),
        ({"share": 2}, "share = 2: 1.0 is the most"),
        ({"share": float("nan")}, "share = nan is no number"),
        ({"share": "x"}, "share = 'x' is no number"),
        ({"flag": "x"}, "flag = 'x' is neither true nor false"),
        ({"words": 3}, "words = 3 is no list"),
        ({"words": ["a", 2]}, "words.1 = 2 is no text"),
        ({"words": ["a", "b", "c"]}, "words has more than 2 entries"),
        ({"kind": "c"}, "kind = 'c' is none of 'a' or 'b'"),
        ({"either": "c"}, "either = 'c' is none of 'a'"),
        ({"picture": "A"}, "picture is no base64"),
        ({"table": 3}, "table = 3 is no table of fields"),
        ({"table": {"a": "b"}}, "table.a = 'b' is no whole number"),
        ({"colour": 1}, "there is no field colour"),
        ({"number": "x" * 1000}, f"number = '{'x' * 79}… is no whole number"),
        ([], "the form is no table of fields"),
        (None, "the form = None is no table of fields"),
    ],
)
def test_in_words(given: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Thing.model_validate(given)
    assert told_invalid(caught.value, "the form") == told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"action": "edit"}, "edit.prompt is missing"),
        ({"action": "edit", "prompt": ""}, "edit.prompt is empty"),
        ({"action": "accept", "colour": 1}, "there is no field accept.colour"),
        ({"action": "dance"}, "action = 'dance' is none of "),
        ({}, "action is missing"),
    ],
)
def test_a_decision(given: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Decision).validate_python(given)
    assert told_invalid(caught.value).startswith(told)
