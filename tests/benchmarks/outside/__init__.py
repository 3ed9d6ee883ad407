"""Sentences of which some part is outside of the small world; written without sight of its rules.

`dev.tsv` for development, `test.tsv` held out: kind, sentence, and what is outside, with `|`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Sentence", "sentences"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A request, and what kind of thing in it is outside."""

    kind: str
    prompt: str


def sentences(part: Literal["dev", "test"]) -> list[Sentence]:
    """The sentences of one file, in order."""
    with Path(__file__).with_name(f"{part}.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [Sentence(row["kind"], row["sentence"]) for row in rows]
