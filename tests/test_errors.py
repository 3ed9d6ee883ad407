from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import pytest

from rr_refine import errors
from rr_refine.pictures import load_picture

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__
]


def make(cls: type[errors.RefineError]) -> errors.RefineError:
    if issubclass(cls, errors.CriticAnswerError):
        return cls("no scores", "the raw answer")
    if issubclass(cls, errors.MissingExtraError):
        return cls("the diffusers generator", "local")
    return cls("what failed")


def test_all_names_every_class_and_two_functions() -> None:
    functions = ["charged", "first_line"]
    assert errors.__all__ == [*sorted(cls.__name__ for cls in CLASSES), *functions]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Indentation in the drawing, in steps of four, is inheritance."""
    drawing = (errors.__doc__ or "").split("\n\n")[1]
    margin = drawing.index("RefineError")
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in drawing.splitlines():
        names = [name for name in re.findall(r"\w+", line) if name in errors.__all__]
        depth = (line.index(names[0]) - margin) // 4
        for name in names:
            parents[name] = path[depth - 1] if depth else "Exception"
        path[depth:] = [names[0]]
    assert parents == {cls.__name__: cls.__mro__[1].__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_errors_cross_a_process_boundary(cls: type[errors.RefineError]) -> None:
    """Workers send their errors back pickled; type, message and raw text survive."""
    error = make(cls)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_missing_extra_names_the_command() -> None:
    message = str(errors.MissingExtraError("the diffusers generator", "local"))
    assert "pip install 'rr-refine[local]'" in message


@pytest.mark.parametrize("error", [errors.ConfigError, errors.StoreError, errors.GeneratorRefused])
def test_a_message_does_not_repeat_megabytes(error: type[errors.RefineError]) -> None:
    told = error(f"prompt = {'x' * 10_000_000!r} is too long: shorten it")
    for text in (str(told), repr(told)):
        assert len(text) < 4_200
        assert "prompt = 'xxx" in text
        assert "(10,000,035 characters)" in text
        assert "is too long: shorten it" in text


def test_what_is_cut_gives_no_secret_away() -> None:
    told = errors.ConfigError(f"{'x ' * 2000}api_key={'s' * 5000}")
    assert "ss" not in str(told)


@pytest.mark.parametrize("source", [b"\x00" * 100_000, "x" * 100_000])
def test_nor_does_that_of_a_picture(source: Any) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        load_picture(source)
    assert len(str(caught.value)) < 4_200
