"""MMRB2 (facebookresearch, CC BY-NC 4.0): pairs of answers by omni models, asked in both orders.

Read from `t2i.json`, `edit.json` (as its `build_from_hf.py` writes them), or the rows of the hub's
data set. A critic of two pictures can be asked where each answer is one picture, and the request is
words with at most one picture to edit; other pairs, of its tasks with interleaved text, too, are
skipped and counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, JsonValue

from rr_refine.benchmarks.preference.item import (
    DECIDED,
    PreferenceItem,
    PreferenceSet,
    Skipped,
    Truth,
    read_vote,
)
from rr_refine.benchmarks.preference.protocol import EvaluationProtocol, OfficialRule
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json
from rr_refine.named import picture_of_data, read_named
from rr_refine.plain_text import quoted
from rr_refine.reward.preferences.pair import Picture
from rr_refine.reward.preferences.rows import (
    Embedded,
    FileRow,
    StoredPictures,
    checked,
    column_names,
    find_files,
    hashes,
    read_rows,
)

__all__ = [
    "PROTOCOLS",
    "load",
    "official_parse",
    "read_pair",
    "read_truth",
    "score_predictions",
]

_PLACEHOLDER: Final = re.compile(r"<image_\d+>")
_SWAPPED: Final = {"A": "B", "B": "A"}

PROTOCOLS: Final = (
    EvaluationProtocol(
        name="position-swapped",
        definition="Each pair in both orders: right answers over twice the pairs; a tie is wrong.",
        official=OfficialRule(
            rule="compute_accuracy.py: right answers of both orders over the answers there are; "
            "what failed leaves the denominator",
            modes=frozenset({"pairwise", "pointwise"}),
            orders=("forward", "reverse"),
            drops="failed",
        ),
        truths=DECIDED,
    ),
)


class _Label(BaseModel):
    chosen: str


class _HubLabel(_Label):
    pair_id: str


class _FileLabel(_Label):
    id: str


_Text = Annotated[str, BeforeValidator(lambda value: value or "")]
"""A column of text, some of which may be null."""
_Content = list[tuple[str, str]]
"""["text", words] and ["image", path], in order."""


class _HubPair(_HubLabel):
    """A row of the hub's data set: texts with `<image_N>` where a picture goes."""

    prompt_text: _Text
    prompt_images: StoredPictures = ()
    response_a_text: _Text = ""
    response_a_images: StoredPictures
    response_b_text: _Text = ""
    response_b_images: StoredPictures


class _Response(BaseModel):
    response_content: _Content


class _FilePair(_FileLabel):
    """A pair of `t2i.json`."""

    prompt_content: _Content
    response_a: _Response
    response_b: _Response


@dataclass(frozen=True, slots=True)
class _Said:
    """A request or an answer: its words, and its pictures."""

    words: str
    pictures: tuple[Picture, ...]


def load(data: Path) -> PreferenceSet:
    """The pairs of one task.

    Raises:
        ConfigError: it cannot be read, has no requests in it, is another data set, has a label
            that is not known, or an id twice.
        MissingExtraError: pyarrow is not installed.
    """
    files = find_files(data)
    names = column_names(files[0])
    hub = "pair_id" in names
    if not hub and "prompt_content" not in names:
        raise ConfigError(
            f"{str(files[0])!r} has no requests in it (no 'prompt_content'): make the whole file "
            "with the benchmark's build_from_hf.py, or give the parquet files of the hub"
        )
    return PreferenceSet(
        name="mmrb2",
        protocols=PROTOCOLS,
        files=hashes(files),
        groups=list(_labels(files, hub=hub)),
        read=lambda: _hub_pairs(files) if hub else _file_pairs(files),
    )


def official_parse(text: str) -> str | None:
    """The official reading of one judge answer: its `better_response`, whatever that says.

    Only `A` and `B` can be right; another word, such as `tie` or `a`, is a wrong answer, while
    None leaves the denominator. Read is the JSON object from the first `{` to the last `}`. The
    official scripts mend broken JSON first (json_repair: single quotes, trailing commas, missing
    brackets); what only that can read is None here.
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    said = found.get("better_response") if isinstance(found, dict) else None
    return said if isinstance(said, str) and said else None


def read_truth(data: Path) -> dict[str, str]:
    """What people preferred, A or B, by pair; from any file of the benchmark, with requests in it
    or without.

    Raises:
        ConfigError: as `load`.
        MissingExtraError: pyarrow is not installed.
    """
    files = find_files(data)
    return dict(_labels(files, hub="pair_id" in column_names(files[0])))


def score_predictions(
    file: Path, truth: Mapping[str, str], task: str = "unknown"
) -> dict[str, JsonValue]:
    """What compute_accuracy.py makes of a predictions file, `{pair: {"forward": [{"judgement":
    "A", …}], "reverse": […]}}`, and the counts behind it.

    Of each list only the first element counts. A judgement other than A and B is wrong, but one
    that is missing or empty leaves the denominator, as does a pair that the file does not name.
    Pairs that are not in `truth` are not looked at.

    Args:
        file: the predictions.
        truth: see `read_truth`.
        task: `image`, `edit`, `interleaved` or `reasoning`; recorded only.

    Returns:
        `task_name`, `accuracy`, `total_pairs`, `evaluated_pairs` and `missing_pairs`, as the
        script writes them, then `total_correct` and `total_evaluated`.

    Raises:
        ConfigError: it is no such file.
    """
    with raised_as(ConfigError, f"{str(file)!r} cannot be read as JSON", OSError, ValueError):
        predictions = parse_json(read_named(file), nan=True)
    if not isinstance(predictions, dict):
        raise ConfigError(f"{str(file)!r} holds no predictions by pair")
    evaluated = correct = answers = 0
    for pair, chosen in truth.items():
        if pair not in predictions:
            continue
        evaluated += 1
        for order in ("forward", "reverse"):
            said = _judgement(predictions[pair], order, f"{str(file)!r}, pair {quoted(pair)}")
            if said:
                answers += 1
                correct += (said if order == "forward" else _SWAPPED.get(said, said)) == chosen
    return {
        "task_name": task,
        "accuracy": correct / answers if answers else 0.0,
        "total_pairs": len(truth),
        "evaluated_pairs": evaluated,
        "missing_pairs": len(truth) - evaluated,
        "total_correct": correct,
        "total_evaluated": answers,
    }


def read_pair(row: Mapping[str, object], folder: Path) -> PreferenceItem | Skipped:
    """One row of the hub's data set, from wherever it was read: lists of pictures may be lists, or
    the arrays that pandas makes of them.

    Args:
        row: by column.
        folder: what paths of pictures are relative to.

    Raises:
        ConfigError: it is of another form.
    """
    return _hub_pair(checked(_HubPair, row, folder, 0), folder, f"a row of {str(folder)!r}")


def _judgement(prediction: object, order: str, place: str) -> str | None:
    try:
        if not isinstance(prediction, dict):
            raise TypeError("no object")
        answers = prediction.get(order, [])
        said = answers[0].get("judgement") if answers else None
    except (TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"{place}: {order!r} is no list of judgements: {error}") from None
    return said if isinstance(said, str) else None


def _labels(files: Sequence[Path], *, hub: bool) -> dict[str, Truth]:
    """The labels by pair, in the order of the rows."""
    labels: dict[str, Truth] = {}
    rows: Iterator[FileRow[_HubLabel]] | Iterator[FileRow[_FileLabel]] = (
        read_rows(files, _HubLabel) if hub else read_rows(files, _FileLabel)
    )
    for row in rows:
        id = row.value.pair_id if isinstance(row.value, _HubLabel) else row.value.id
        if id in labels:
            raise ConfigError(f"{row.place}: the id {quoted(id)} is there twice")
        labels[id] = _truth(row.value, row.place)
    return labels


def _truth(label: _Label, place: str) -> Truth:
    truth = read_vote(label.chosen, place)
    if truth not in DECIDED:
        raise ConfigError(f"{place}: chosen is {quoted(label.chosen)}, neither A nor B")
    return truth


def _hub_pairs(files: Sequence[Path]) -> Iterator[PreferenceItem | Skipped]:
    for row in read_rows(files, _HubPair):
        yield _hub_pair(row.value, row.folder, row.place)


def _hub_pair(value: _HubPair, folder: Path, place: str) -> PreferenceItem | Skipped:
    def said(text: str, pictures: Sequence[Embedded]) -> _Said:
        words = " ".join(part for p in _PLACEHOLDER.split(text) if (part := p.strip()))
        return _Said(words, tuple(picture.picture(folder) for picture in pictures))

    return _pair(
        value.pair_id,
        _truth(value, place),
        said(value.prompt_text, value.prompt_images),
        said(value.response_a_text, value.response_a_images),
        said(value.response_b_text, value.response_b_images),
    )


def _file_pairs(files: Sequence[Path]) -> Iterator[PreferenceItem | Skipped]:
    for row in read_rows(files, _FilePair):

        def said(content: _Content, folder: Path = row.folder) -> _Said:
            return _Said(
                " ".join(part for kind, part in content if kind == "text").strip(),
                tuple(picture_of_data(folder, part) for kind, part in content if kind == "image"),
            )

        value = row.value
        yield _pair(
            value.id,
            _truth(value, row.place),
            said(value.prompt_content),
            said(value.response_a.response_content),
            said(value.response_b.response_content),
        )


def _pair(id: str, truth: Truth, prompt: _Said, a: _Said, b: _Said) -> PreferenceItem | Skipped:
    """The pair, or why a critic of two pictures cannot be asked about it."""
    counts = {len(a.pictures), len(b.pictures)}
    if len(prompt.pictures) > 1:
        return Skipped(id, id, f"{len(prompt.pictures)} input images")
    if counts != {1}:
        return Skipped(id, id, f"a response with {max(counts - {1})} images")
    if a.words or b.words:
        return Skipped(id, id, "a response with words")
    return PreferenceItem(
        id=id,
        prompt=prompt.words,
        image_a=a.pictures[0],
        image_b=b.pictures[0],
        truth=truth,
        group=id,
        source=prompt.pictures[0] if prompt.pictures else None,
    )
