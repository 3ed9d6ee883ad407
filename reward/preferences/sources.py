"""Published preference data: files in, raw pairs out.

The columns are those of the data sets' cards. Nothing is downloaded here, and no data is shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field

from rr_refine.named import picture_of_data
from rr_refine.reward.preferences.pair import Picture
from rr_refine.reward.preferences.rows import Embedded, find_files, read_rows
from rr_refine.terms import Dimension, Task

__all__ = ["SOURCES", "PreferenceSource", "Preferred", "RawPair", "SourceName"]

Preferred = Literal["first", "second", "tie"]
"""Which of a row's two pictures people preferred."""

SourceName = Literal["editreward", "hpdv3", "rapidata", "recorded"]


@dataclass(frozen=True, slots=True)
class RawPair:
    """A pair in the order of its file; some files always put the winner first."""

    dataset: str
    split: str
    key: str
    """The row's id in its data set."""
    instruction: str
    first: Picture
    second: Picture
    preferred: Preferred
    margin: float | None
    """How clear the preference is, 0 to 1; None where the file does not say."""
    licence: str
    source: Picture | None = None
    """The picture that was edited."""
    preferred_by: Mapping[Dimension, Preferred] | None = None
    first_model: str | None = None
    second_model: str | None = None

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture."""
        return "t2i" if self.source is None else "edit"


@dataclass(frozen=True, slots=True)
class PreferenceSource:
    """How one data set is read."""

    read: Callable[[Path, str, str], Iterator[RawPair]]
    """(file or folder, name of the data set, split) -> its rows, one after another."""
    dataset: str
    """The name that is recorded, unless another is given."""
    margin: float
    """The least margin that is kept, unless another is given."""


class _EditReward(BaseModel):
    unique_key: str
    pair_index: int
    instruction: str
    source_img: Embedded
    left_output_image: Embedded
    right_output_image: Embedded
    left_model: str | None
    right_model: str | None
    left_overall_score: float
    right_overall_score: float
    left_instruction_following_score: float
    right_instruction_following_score: float
    left_quality_aesthetic_score: float
    right_quality_aesthetic_score: float
    vote_type: Literal["leftvote", "rightvote", "tie"]


class _Hpdv3(BaseModel):
    prompt: str
    path1: str
    path2: str
    choice_dist: list[float] | None = None
    confidence: float | None = None
    model1: str | None = None
    model2: str | None = None


class _Rapidata(BaseModel):
    prompt: str
    image1: Embedded
    image2: Embedded
    votes_image1: float
    votes_image2: float
    model1: str | None = None
    model2: str | None = None
    image1_path: str | None = None
    image2_path: str | None = None


class _Recorded(BaseModel):
    id: str
    instruction: str
    source: str | None
    first: str
    second: str
    preferred: Preferred
    margin: float | None = Field(ge=0, le=1)
    preferred_by: dict[Dimension, Preferred] | None
    generator: str
    licence: str


def _read_editreward(path: Path, dataset: str, split: str) -> Iterator[RawPair]:
    """TIGER-Lab/EditReward-Data: each edit has two scores from 1 to 4, and their sum.

    The vote is a tie where it is one, or contradicts the sums, or these are equal.
    """
    votes: dict[str, Preferred] = {"leftvote": "first", "rightvote": "second"}
    folder = path if path.is_dir() else path.parent
    for found in read_rows(find_files(path, several=True), _EditReward):
        row = found.value
        gap = row.left_overall_score - row.right_overall_score
        followed = row.left_instruction_following_score - row.right_instruction_following_score
        looks = row.left_quality_aesthetic_score - row.right_quality_aesthetic_score
        yield RawPair(
            dataset=dataset,
            split=split,
            key=f"{row.unique_key}|{row.pair_index}",
            instruction=row.instruction,
            source=row.source_img.picture(folder),
            first=row.left_output_image.picture(folder),
            second=row.right_output_image.picture(folder),
            preferred=_better(gap) if votes.get(row.vote_type) == _better(gap) else "tie",
            preferred_by={
                "text_faithfulness": _better(followed),
                "physical_quality": _better(looks),
            },
            margin=min(1.0, abs(gap) / 6),  # the sums are from 2 to 8
            first_model=row.left_model,
            second_model=row.right_model,
            licence="CC-BY-NC-4.0",
        )


def _read_hpdv3(path: Path, dataset: str, split: str) -> Iterator[RawPair]:
    """MizzenAI/HPDv3: a JSON file beside the extracted `images` folder. `path1` always won.

    The margin is the annotators' confidence, or that of their votes where it is not given.
    """
    for found in read_rows(find_files(path), _Hpdv3):
        row = found.value
        margin = row.confidence
        if margin is None and row.choice_dist:
            margin = _margin(row.choice_dist[0], row.choice_dist[-1])
        yield RawPair(
            dataset=dataset,
            split=split,
            key=f"{row.path1}|{row.path2}|{row.prompt}",
            instruction=row.prompt,
            first=picture_of_data(found.folder, row.path1),
            second=picture_of_data(found.folder, row.path2),
            preferred="first",
            margin=None if margin is None else min(1.0, max(0.0, margin)),
            first_model=row.model1,
            second_model=row.model2,
            licence="MIT",
        )


def _read_rapidata(path: Path, dataset: str, split: str) -> Iterator[RawPair]:
    """Rapidata's image preferences: each pair with its votes, one data set per question."""
    folder = path if path.is_dir() else path.parent
    for number, found in enumerate(read_rows(find_files(path, several=True), _Rapidata)):
        row = found.value
        names = (row.image1_path, row.image2_path)
        pictures = f"{names[0]}|{names[1]}" if all(names) else f"{path.name}|{number}"
        yield RawPair(
            dataset=dataset,
            split=split,
            key=f"{pictures}|{row.prompt}",
            instruction=row.prompt,
            first=row.image1.picture(folder),
            second=row.image2.picture(folder),
            preferred=_better(row.votes_image1 - row.votes_image2),
            margin=_margin(row.votes_image1, row.votes_image2),
            first_model=row.model1,
            second_model=row.model2,
            licence="CDLA-Permissive-2.0",
        )


def _read_recorded(path: Path, dataset: str, split: str) -> Iterator[RawPair]:
    """pairs.jsonl of `rr-refine export`, or its folder."""
    for found in read_rows([path / "pairs.jsonl" if path.is_dir() else path], _Recorded):
        row = found.value
        yield RawPair(
            dataset=dataset,
            split=split,
            key=row.id,
            instruction=row.instruction,
            source=None if row.source is None else picture_of_data(found.folder, row.source),
            first=picture_of_data(found.folder, row.first),
            second=picture_of_data(found.folder, row.second),
            preferred=row.preferred,
            preferred_by=row.preferred_by,
            margin=row.margin,
            first_model=row.generator or None,
            second_model=row.generator or None,
            licence=row.licence,
        )


SOURCES: Final[dict[SourceName, PreferenceSource]] = {
    "editreward": PreferenceSource(_read_editreward, "TIGER-Lab/EditReward-Data", 0.0),
    # The confidence that HPDv3's authors train with (HPSv3_7B.yaml).
    "hpdv3": PreferenceSource(_read_hpdv3, "MizzenAI/HPDv3", 0.95),
    # 8 votes to 2, or 21 to 5.
    "rapidata": PreferenceSource(
        _read_rapidata, "Rapidata/human-alignment-preferences-images", 0.6
    ),
    "recorded": PreferenceSource(_read_recorded, "rr-refine runs", 0.0),
}


def _better(gap: float) -> Preferred:
    return "tie" if gap == 0 else "first" if gap > 0 else "second"


def _margin(first: float, second: float) -> float:
    """The lead in votes as a share of all votes, 0 to 1."""
    return abs(first - second) / (first + second) if first + second else 0.0
