from __future__ import annotations

import inspect
import pickle
import re

import pytest

from rr_refine import errors

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


def test_all_names_every_class_and_nothing_else() -> None:
    assert errors.__all__ == sorted(cls.__name__ for cls in CLASSES)


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
