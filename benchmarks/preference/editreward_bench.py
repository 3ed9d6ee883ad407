"""EditReward-Bench (TIGER-AI-Lab): two, three or four edits of one picture, ranked by people.

Not to be confused with another benchmark of that name (EditScore). Each row is one comparison; a
group of k edits has k (k - 1) / 2 of them, and k is 2, 3 or 4 by `dataset` (`2pair`, …).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from rr_refine.benchmarks.preference.item import (
    DECIDED,
    PreferenceItem,
    PreferenceSet,
    Truth,
    read_vote,
)
from rr_refine.benchmarks.preference.protocol import EvaluationProtocol, Mode, OfficialRule
from rr_refine.errors import ConfigError
from rr_refine.plain_text import quoted
from rr_refine.reward.preferences.rows import FileRow, StoredPicture, find_files, hashes, read_rows

__all__ = ["PROTOCOLS", "load", "official_parse"]

_SIZES: Final = {"2pair": 2, "3pair": 3, "4pair": 4}
_PAIRWISE: Final[frozenset[Mode]] = frozenset({"pairwise"})
_GROUPS: Final = (
    "in the file's order only; pairs without any answer leave the file, and with the last of its "
    "pairs a group leaves the denominator; a group that is not whole is wrong"
)
_TIES: Final = re.compile(
    r"equal|equivalent|same|tie|no\s+difference|can't\s+decide|both\s+(look|are)\s+(good|bad)",
    re.IGNORECASE,
)


def _protocol(size: int, definition: str) -> EvaluationProtocol:
    return EvaluationProtocol(
        name=f"K{size}",
        definition=definition,
        official=OfficialRule(
            f"inference_{size}pair_hf.py: {_GROUPS}", _PAIRWISE, drops="unanswered"
        ),
        size=size,
        grouped=True,
    )


PROTOCOLS: Final = (
    _protocol(2, "Pairs of two edits: A better, B better, or a tie, which is a class of its own."),
    _protocol(3, "Groups of three edits; right if all three comparisons are."),
    _protocol(4, "Groups of four edits; right if all six comparisons are."),
    EvaluationProtocol(
        name="overall",
        definition="All groups: those that are right, by K2, K3 and K4, over all there are.",
        official=OfficialRule(
            "the published tables: right groups over all groups, in the file's order only",
            _PAIRWISE,
        ),
        grouped=True,
    ),
    EvaluationProtocol(
        name="non-tie",
        definition="Comparisons, each by itself, in which one edit is better; a tie is wrong. "
        "Table 1 of RationalRewards is of this kind.",
        official=OfficialRule(
            rule="RationalRewards: one order, what failed leaves the denominator",
            modes=_PAIRWISE,
            drops="failed",
        ),
        truths=DECIDED,
    ),
)


class _Ranking(BaseModel):
    id: str
    dataset: str
    comparison_type: str
    ranking: str


class _Comparison(_Ranking):
    instruction: str
    source_image: StoredPicture
    candidate_1: StoredPicture
    candidate_2: StoredPicture


def load(data: Path) -> PreferenceSet:
    """All comparisons of a file or folder, of two, three and four edits.

    Raises:
        ConfigError: it cannot be read, is another data set, has a label that is not known, or an
            id twice.
        MissingExtraError: pyarrow is not installed.
    """
    files = find_files(data, several=True)
    seen: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    groups = []
    for row in read_rows(files, _Ranking):
        _truth(row)
        group, size = _group(row), _size(row)
        groups.append(group)
        sizes[group] = size
        seen[f"{row.value.dataset}/{row.value.id}"] += 1
        if seen[f"{row.value.dataset}/{row.value.id}"] > 1:
            raise ConfigError(
                f"{row.place}: the id {quoted(row.value.id)} of {quoted(row.value.dataset)} is "
                "there twice; is the folder that of one copy?"
            )
    found = Counter(groups)
    torn = sum(found[group] != size * (size - 1) // 2 for group, size in sizes.items())
    return PreferenceSet(
        name="editreward-bench",
        protocols=PROTOCOLS,
        files=hashes(files),
        groups=groups,
        read=lambda: _items(files),
        notes=(
            (
                f"{torn} of {len(sizes)} groups lack comparisons in the file: the official number "
                "counts them as wrong, ours goes by those that are there",
            )
            if torn
            else ()
        ),
    )


def official_parse(text: str, comparison: str = "AvsB", size: int = 2) -> str | None:
    """The official reading of one judge answer: `A>B`, `B>A`, `A=B` …; None for its "Unknown".

    It looks for a verdict in double brackets, in a box, in single brackets, after "verdict:" or
    "answer:", then anywhere, and ends at the first of these that is there, readable or not. Then
    it looks for the words "… is better". Of the many quirks: `A<B` is no verdict; a tie is what
    holds the letters of "tie", "same" or "equal" anywhere, "properties" too; of three or four
    edits there is no tie; and a verdict about other edits than those shown is accepted as one.

    Args:
        text: the answer.
        comparison: which edits were shown: `BvsC`. Read for three and four edits only.
        size: how many there are: 2, 3 or 4 have scripts of their own.
    """
    letters = "ABCD"[:size]
    if (said := _said(text, letters, ties=size == 2)) and (
        verdict := _verdict(said.strip().upper().replace(" ", ""), comparison, size)
    ):
        return verdict
    first, _, second = ("A", "", "B") if size == 2 else comparison.partition("vs")
    if better := re.search(rf"\b([{letters}])\s+is\s+better", text, re.IGNORECASE):
        letter = better[1].upper()
        return f"{letter}>{second if letter == first else first}"
    if size == 2:
        return "A=B" if _TIES.search(text) else None
    for side, verdict in (("left", f"{first}>{second}"), ("right", f"{second}>{first}")):
        if re.search(rf"{side}\s+(image\s+)?is\s+better", text, re.IGNORECASE):
            return verdict
    return None


def _said(text: str, letters: str, *, ties: bool) -> str | None:
    """What stands where a verdict may stand, in the first of these places that is there.

    Officially each is a pattern; these find the same, in time in proportion to the text.
    """
    for opening, closing in ((r"\[\[", "]]"), (r"\\boxed\{", "}")):
        if said := _between(text, opening, closing):
            return said
    signs = "[><=]" if ties else "[><]"
    short, loose = f"[{letters}]{signs}[{letters}]", rf"[{letters}]\s*{signs}\s*[{letters}]"
    rest = r"[^\S\n]*+(?:\.[^\S\n]*+)?$"
    for pattern in (
        rf"\[({short})\]",
        *(() if ties else (r"\[(left>right|right>left)\]",)),
        rf"(?:verdict|answer):\s*({short}){rest}",
        rf"\b({loose})\b(?=\s|\.|,|$)",
    ):
        if found := re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return found[1]
    return None


def _between(text: str, opening: str, closing: str) -> str | None:
    """What is first found between two marks, and holds nothing of the second."""
    *pieces, _ = text.split(closing[0])
    for piece, after in zip(pieces, [*pieces[1:], None], strict=False):
        if (len(closing) == 1 or after == "") and (
            found := re.search(f"{opening}(.+)", piece, re.IGNORECASE | re.DOTALL)
        ):
            return found[1]
    return None


def _verdict(said: str, comparison: str, size: int) -> str | None:
    """What a verdict, in capitals and without spaces, says about two edits; None for nothing."""
    first, _, second = comparison.partition("vs")
    if size > 2:
        for words, verdict in (
            ("LEFT>RIGHT", f"{first}>{second}"),
            ("RIGHT>LEFT", f"{second}>{first}"),
        ):
            if words in said:
                return verdict
    for x, y in combinations("ABCD"[:size], 2):
        for verdict in (f"{x}>{y}", f"{y}>{x}"):
            if verdict in said:
                return verdict
    return "A=B" if size == 2 and re.search("A==?B", said) else None


def _items(files: Sequence[Path]) -> Iterator[PreferenceItem]:
    for row in read_rows(files, _Comparison):
        value = row.value
        yield PreferenceItem(
            id=f"{value.dataset}/{value.id}",
            prompt=value.instruction,
            image_a=value.candidate_1.picture(row.folder),
            image_b=value.candidate_2.picture(row.folder),
            truth=_truth(row),
            group=_group(row),
            source=value.source_image.picture(row.folder),
            size=_size(row),
        )


def _truth(row: FileRow[_Ranking] | FileRow[_Comparison]) -> Truth:
    """By the letters of the two edits: of `BvsC`, `B>C` is A, the first that is shown."""
    first, versus, second = row.value.comparison_type.partition("vs")
    if not (first and versus and second):
        raise ConfigError(
            f"{row.place}: comparison_type {quoted(row.value.comparison_type)} is not like 'AvsB'"
        )
    return read_vote(row.value.ranking, row.place, a=first, b=second)


def _group(row: FileRow[_Ranking] | FileRow[_Comparison]) -> str:
    """Its group, as the official scripts name it, among those of its size."""
    id = row.value.id
    return f"{row.value.dataset}/{id.split('_')[0] if '_' in id else id[:10]}"


def _size(row: FileRow[_Ranking] | FileRow[_Comparison]) -> int:
    try:
        return _SIZES[row.value.dataset]
    except KeyError:
        raise ConfigError(
            f"{row.place}: dataset {quoted(row.value.dataset)} is none of {', '.join(_SIZES)}"
        ) from None
