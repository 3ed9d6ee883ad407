"""HPDv3 (MizzenAI): pairs of which the file always names the winner first.

Which picture is A is therefore decided here, by the digest of paths and prompt: as good as chance,
and the same in every run. Without it a critic that always names the first would be always right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from rr_refine.benchmarks.preference.item import PreferenceItem, PreferenceSet
from rr_refine.benchmarks.preference.protocol import EvaluationProtocol, OfficialRule
from rr_refine.reward.preferences.pair import pair_id
from rr_refine.reward.preferences.rows import StoredPicture, find_files, hashes, read_rows

__all__ = ["PROTOCOLS", "load", "official_parse"]

PROTOCOLS: Final = (
    EvaluationProtocol(
        name="pairwise accuracy",
        definition="All pairs; one of the pictures is always preferred, and a tie is wrong.",
        official=OfficialRule(
            rule="evaluate.py --mode pair: the preferred picture has the higher score, equal "
            "scores are wrong; of scores only, which never fail",
            modes=frozenset({"pointwise"}),
        ),
    ),
)


class _Named(BaseModel):
    prompt: str


class _Pair(_Named):
    path1: StoredPicture
    path2: StoredPicture


def load(data: Path) -> PreferenceSet:
    """The pairs of a file; of a folder, those of its `test.json`. Paths are relative to the file.

    Raises:
        ConfigError: it cannot be read, or is another data set.
        MissingExtraError: pyarrow is not installed.
    """
    files = find_files(data, prefer="test.json")
    count = sum(1 for _ in read_rows(files, _Named))
    return PreferenceSet(
        name="hpdv3",
        protocols=PROTOCOLS,
        files=hashes(files),
        groups=[str(number) for number in range(count)],
        read=lambda: _items(files),
    )


def official_parse(text: str) -> float | None:
    """The official judge is a model with one number for an answer: that number, if it is one."""
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) else None


def _items(files: Sequence[Path]) -> Iterator[PreferenceItem]:
    for number, row in enumerate(read_rows(files, _Pair)):
        value = row.value
        better, worse = (p.picture(row.folder) for p in (value.path1, value.path2))
        key = f"{value.path1.path}|{value.path2.path}|{value.prompt}"
        swapped = int(pair_id("MizzenAI/HPDv3", key), 16) % 2 == 1
        yield PreferenceItem(
            id=str(number),
            prompt=value.prompt,
            image_a=worse if swapped else better,
            image_b=better if swapped else worse,
            truth="B" if swapped else "A",
            group=str(number),
        )
