"""How LongText-Bench counts: what was read, held against the texts that must be readable.

Records are lines of the official `results.jsonl`, a JSON object for each picture.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from rr_refine.benchmarks.published.files import read_lines
from rr_refine.errors import ConfigError
from rr_refine.plain_text import whole_number

__all__ = [
    "NOTHING",
    "Language",
    "LongTextResult",
    "TextMatch",
    "clean_answer",
    "item_of",
    "match_text",
    "official_score",
    "read_records",
    "tolerant_answer",
    "units",
]

Language = Literal["en", "zh"]
_Count = Annotated[int, Field(ge=0, le=10**9)]

NOTHING: Final = "No text recognized."
"""What an official answer is freed of. The official question asks for it without the full stop; it
then stays, and its words count as read."""

_OTHERS: Final = re.compile(r"[^\u4e00-\u9fa5A-Za-z0-9\sàâäéèêëîïôöùûüçÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ]")
"""Characters that count for nothing: they are taken out, and leave no blank."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A picture's reading against its texts."""

    found: int
    expected: int
    """Units: words in English, characters in Chinese."""
    missed: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float:
        """The share that was found; nothing of nothing is 0, where the official script stops."""
        return self.found / self.expected if self.expected else 0.0


def clean_answer(text: str) -> str:
    """What the official script stores of an answer."""
    text = text.replace(NOTHING, "")
    return text.replace(f"\n{NOTHING}", "").replace(f"{NOTHING}\n", "")


def tolerant_answer(text: str) -> str:
    """An answer without any of the words that say that there is no text, and without the artifact
    that the official script means to remove.
    """
    return re.sub(r"no text (is )?recognized\.?|addCriterion", "", text, flags=re.IGNORECASE)


def units(text: str, language: Language) -> list[str]:
    """What is compared: lower-case words in English, characters as they are in Chinese, also those
    of Latin words. White space parts the words in English, and is nothing in Chinese.
    """
    kept = _OTHERS.sub("", text)
    return kept.lower().split() if language == "en" else list("".join(kept.split()))


def match_text(expected: Iterable[str], answer: str, language: Language) -> TextMatch:
    """Count the units of the texts that the answer has too, each as often as both have it.

    Neither their order nor what the answer has besides makes a difference.

    Args:
        answer: as `clean_answer` leaves it.
    """
    wanted = Counter(units(" ".join(expected), language))
    missed = wanted - Counter(units(answer, language))
    return TextMatch(
        found=wanted.total() - missed.total(),
        expected=wanted.total(),
        missed=tuple(missed.elements()),
    )


def official_score(matches: Iterable[TextMatch]) -> float | None:
    """The number after `Text Score: `, in its four digits: what was found in all pictures over what
    was expected in all. None where the official script divides by zero: a picture expects nothing,
    or there is none.
    """
    all_of = list(matches)
    if not all_of or not all(match.expected for match in all_of):
        return None
    share = sum(match.found for match in all_of) / sum(match.expected for match in all_of)
    return float(f"{share:.4f}")


def item_of(picture: str) -> str | None:
    """The item of a picture, by its name: `0042_1`, also of `42_1.png`. None where it is not named
    so.
    """
    prompt, _, sample = PurePosixPath(picture.replace("\\", "/")).stem.partition("_")
    numbers = whole_number(prompt), whole_number(sample)
    return None if None in numbers else "{:04d}_{}".format(*numbers)


class LongTextResult(BaseModel):
    """A line of `results.jsonl`, before `summary_scores.py` has rewritten it or after."""

    model_config = ConfigDict(frozen=True)

    image: str
    ocr_gt: list[str] | str
    """The texts; one, as it was compared, once it was scored."""
    ocr_results: str
    match_word_count: _Count | None = None
    gt_word_count: _Count | None = None

    @property
    def id(self) -> str | None:
        """Of the item: see `item_of`."""
        return item_of(self.image)

    @property
    def scored(self) -> bool:
        """It was rewritten by `summary_scores.py`, and has its counts."""
        counts = self.match_word_count, self.gt_word_count
        return isinstance(self.ocr_gt, str) and None not in counts

    def match(self, language: Language) -> TextMatch:
        """What the official script counts; of a record that it has rewritten, what it counted: the
        texts are no list any more, and to count again would take them for single letters.
        """
        if not self.scored:
            return match_text(self.ocr_gt, self.ocr_results, language)
        missed = match_text([str(self.ocr_gt)], self.ocr_results, language).missed
        return TextMatch(self.match_word_count or 0, self.gt_word_count or 0, missed)


def read_records(file: Path) -> list[LongTextResult]:
    """The lines of a results file.

    Raises:
        ConfigError: it cannot be read, is empty, or a line is not of the official form.
    """
    records = [
        r for r, _ in read_lines(file, LongTextResult, "is no result of evaluate_text_reward.py")
    ]
    if not records:
        raise ConfigError(f"{str(file)!r} holds no results")
    return records
