"""GenAI-Bench (TIGER-AI-Lab): pairs from an arena, with votes of four kinds.

Two suites, told apart by their columns: `image_generation` and `image_edition`. Each is published
in two splits (`test_v1` with 1,735 and 919 pairs is what the tables use, and `test`), which are
not to be mixed: a folder that holds both is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from rr_refine.benchmarks.preference.item import DECIDED, PreferenceItem, PreferenceSet, read_vote
from rr_refine.benchmarks.preference.protocol import EvaluationProtocol, OfficialRule
from rr_refine.reward.preferences.rows import (
    FileRow,
    StoredPicture,
    column_names,
    find_files,
    hashes,
    read_rows,
)

__all__ = ["PROTOCOLS", "GenAIVerdict", "load", "official_parse"]

GenAIVerdict = Literal["A>B", "B>A", "A=B", "A=B=Good", "A=B=Bad"]

_VERDICTS: Final[dict[str, GenAIVerdict]] = {
    "A>B": "A>B",
    "A>>B": "A>B",
    "B>A": "B>A",
    "B>>A": "B>A",
    "A=B": "A=B",
    "A=B=Good": "A=B=Good",
    "A=B=Bad": "A=B=Bad",
}

PROTOCOLS: Final = (
    EvaluationProtocol(
        name="4-class",
        definition="All pairs, with votes for A, for B, for a tie and against both. The critic "
        "has one tie only: it is right for both of the latter, as the official script accepts "
        "[[A=B]] for them. A judge that must tell them apart has the harder task.",
        official=OfficialRule(
            rule="inference.py: the left picture is A, no other order; what cannot be read is "
            "wrong",
            modes=frozenset({"pairwise"}),
        ),
    ),
    EvaluationProtocol(
        name="non-tie",
        definition="Pairs with a vote for A or B only; a tie is wrong. Table 1 of "
        "RationalRewards is of this kind.",
        official=OfficialRule(
            rule="RationalRewards: one order, what failed leaves the denominator",
            modes=frozenset({"pairwise"}),
            drops="failed",
        ),
        truths=DECIDED,
    ),
)


class _Vote(BaseModel):
    vote_type: str


class _Generation(_Vote):
    prompt: str
    left_image: StoredPicture
    right_image: StoredPicture


class _Edition(_Vote):
    instruct_prompt: str
    source_image: StoredPicture
    left_output_image: StoredPicture
    right_output_image: StoredPicture


def load(data: Path) -> PreferenceSet:
    """One split of a suite. What an edit is judged by is its `instruct_prompt`.

    Raises:
        ConfigError: it cannot be read, is another data set, or has a label that is not known.
        MissingExtraError: pyarrow is not installed.
    """
    files = find_files(data)
    edits = "instruct_prompt" in column_names(files[0])
    rows = list(read_rows(files, _Vote))
    for row in rows:
        read_vote(row.value.vote_type, row.place)
    return PreferenceSet(
        name=f"genai-bench {'image_edition' if edits else 'image_generation'}",
        protocols=PROTOCOLS,
        files=hashes(files),
        groups=[str(number) for number in range(len(rows))],
        read=lambda: _items(files, edits=edits),
    )


def official_parse(text: str) -> GenAIVerdict | None:
    """The official reading of one judge answer; None where it would be wrong whatever the vote.

    The first line that holds `[[…]]` decides, from its first `[[` to its last `]]`: two verdicts
    on one line are none. The letter case counts, and so do spaces. `[[A>>B]]` is `[[A>B]]`.
    """
    for line in text.split("\n"):
        begin, end = line.find("[["), line.rfind("]]")
        if 0 <= begin <= end - 2:
            return _VERDICTS.get(line[begin + 2 : end])
    return None


def _items(files: Sequence[Path], *, edits: bool) -> Iterator[PreferenceItem]:
    rows: Iterator[FileRow[_Edition] | FileRow[_Generation]] = (
        read_rows(files, _Edition) if edits else read_rows(files, _Generation)
    )
    for number, row in enumerate(rows):
        value, folder = row.value, row.folder
        if isinstance(value, _Edition):
            prompt, source = value.instruct_prompt, value.source_image.picture(folder)
            pictures = value.left_output_image, value.right_output_image
        else:
            prompt, source = value.prompt, None
            pictures = value.left_image, value.right_image
        yield PreferenceItem(
            id=str(number),
            prompt=prompt,
            image_a=pictures[0].picture(folder),
            image_b=pictures[1].picture(folder),
            truth=read_vote(value.vote_type, row.place),
            group=str(number),
            source=source,
        )
