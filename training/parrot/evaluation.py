"""Evaluation sets: requests, with the pictures they edit, that are kept out of training data."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from rr_refine.errors import ConfigError
from rr_refine.reward.preferences.pair import Picture, open_picture

__all__ = ["EvaluationSet"]

_CLOSE: Final = 6
"""Bits of 64 by which two files of one picture may differ after scaling and JPEG."""


class EvaluationSet:
    """Requests that must not be trained on.

    A text-to-image request is in it by its words, whatever was rendered for it; an edit by its
    words and a source that looks the same. Case, punctuation and spacing make no difference.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[int | None]] = defaultdict(list)

    def add(self, instruction: str, source: Picture | None = None) -> None:
        """Add a request, with the picture that it edits.

        Raises:
            ConfigError: it is missing, or no picture.
        """
        self._known[_plain(instruction)].append(None if source is None else _look(source))

    def holds(self, instruction: str, source: Picture | None = None) -> bool:
        """Whether a request is in it; errors as for `add`."""
        known = self._known.get(_plain(instruction))
        if not known:
            return False
        if source is None:
            return None in known
        look = _look(source)
        return any(other is not None and (look ^ other).bit_count() <= _CLOSE for other in known)

    @classmethod
    def read(cls, files: Iterable[Path]) -> EvaluationSet:
        """Read files of JSON lines: `{"instruction": "…", "source": "path of a picture, or null"}`.

        Paths are relative to the file.

        Raises:
            ConfigError: a file or a picture cannot be read.
        """
        result = cls()
        for file in files:
            try:
                lines = file.read_text("utf-8").splitlines()
                rows = [_Row.model_validate(json.loads(line)) for line in lines if line.strip()]
            except (OSError, ValueError, ValidationError) as error:
                raise ConfigError(f"{str(file)!r} is no evaluation set: {error}") from error
            for row in rows:
                result.add(row.instruction, file.parent / row.source if row.source else None)
        return result


class _Row(BaseModel):
    instruction: str
    source: str | None = None


def _plain(text: str) -> str:
    """Letters and digits, in one case, with single spaces between words."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def _look(picture: Picture) -> int:
    """A difference hash of 64 bits: is each of 8 x 8 cells brighter than its right neighbour?"""
    grey = open_picture(picture).convert("L").resize((9, 8)).tobytes()
    result = 0
    for row in range(8):
        for left, right in zip(grey[9 * row : 9 * row + 8], grey[9 * row + 1 :], strict=False):
            result = 2 * result + (left > right)
    return result
