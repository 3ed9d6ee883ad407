"""LongText-Bench as a published benchmark: its prompts as items, their texts read and counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, get_args

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.benchmark import (
    PublishedBenchmark,
    Wording,
    check_choice,
    number_at,
)
from rr_refine.benchmarks.published.files import picture_trouble, write_file
from rr_refine.benchmarks.published.longtext.prompts import (
    OURS,
    LongTextPrompt,
    find_prompts,
    read_prompts,
    read_wording,
)
from rr_refine.benchmarks.published.longtext.scoring import (
    NOTHING,
    Language,
    TextMatch,
    clean_answer,
    item_of,
    match_text,
    official_score,
    read_records,
    tolerant_answer,
)
from rr_refine.benchmarks.question import Question
from rr_refine.digest import file_digest

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SUITES", "LongText", "LongTextLoader"]

SUITES: Final[tuple[Language, ...]] = get_args(Language)
_FIRST_SEED: Final = 1234
"""Of the official generation script; repeat j has j - 1 more."""
_MAX_TOKENS: Final = 1024
"""Of the official judging script, which takes what it has then."""
_HEADLINE: Final = "text"


@dataclass(frozen=True, kw_only=True)
class LongTextLoader(BenchmarkLoader):
    """Compare arms on LongText-Bench: a judge reads the picture, and its words are counted.

    Attributes:
        data: The folder textbench of X-Omni's repository, or a file of prompts.
        suite: Language of the prompts.
        samples: Pictures of each prompt; the official protocol has 4.
        prompts: Official evaluate_text_reward.py, for the judge's exact question; else our own.
    """

    data: Path
    suite: Language = "en"
    samples: int = 4
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> LongText:
        """See `BenchmarkLoader.load`."""
        del cache, sources  # there are no source pictures
        check_choice("longtext", self.suite, SUITES, samples=self.samples, limit=limit)
        file = find_prompts(self.data, self.suite)
        rows, files = read_prompts(file, self.suite), {file.name: file_digest(file)}
        words = read_wording(self.prompts) if self.prompts else OURS
        return LongText(
            name=f"longtext {self.suite}",
            items=tuple(
                Item(
                    id=f"{row.prompt_id:04d}_{sample}",
                    prompt=row.prompt,
                    seed=_FIRST_SEED + sample - 1,
                    labels={"category": row.category, "length": row.length},
                    group=str(row.prompt_id),
                )
                for row in list(rows.values())[:limit]
                for sample in range(1, self.samples + 1)
            ),
            dimensions=(_HEADLINE,),
            files={**files, **words.files},
            wording=words.source,
            language=self.suite,
            rows=rows,
            words=words,
        )


@dataclass(kw_only=True)
class LongText(PublishedBenchmark):
    """One language."""

    language: Language
    rows: Mapping[int, LongTextPrompt]
    """All prompts of the file, by id; items may be of fewer."""
    words: Wording
    """What the judge is asked."""

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:  # noqa: ARG002
        """One message, the picture first: nothing of the prompt is in it."""
        return (Question((image, self.words.text), max_tokens=_MAX_TOKENS, may_be_cut=True),)

    def read(self, item: Item, answers: Answers) -> Mark:
        """The share of the words that were read. Whatever the judge says can be counted."""
        row = self._row(item)
        return _mark(row, match_text(row.text, clean_answer(answers[0]), self.language))

    def worst(self, item: Item) -> Mark:
        """Nothing read."""
        row = self._row(item)
        return _mark(row, match_text(row.text, "", self.language))

    def write_answers(self, item: Item, random: Random) -> Answers:
        """The texts, from which words are missing by chance."""
        share = random.random()
        kept = [
            [word for word in text.split() if random.random() < share]
            for text in self._row(item).text
        ]
        return ("\n".join(" ".join(words) for words in kept if words) or NOTHING,)

    def preflight(self, folder: Path) -> list[str]:
        """Every picture that is missing or broken, and every other one that the official script
        would stop at, or count.
        """
        found = self.pictures_in(folder)
        own = [found.get(item.id, self.picture(item)) for item in self.items]
        others = sorted({path.name for path in folder.glob("*.png")} - set(own))
        return [
            *(trouble for name in own if (trouble := picture_trouble(folder, name))),
            *(f"{name} {self._foreign(name)}" for name in others),
        ]

    def pictures_in(self, folder: Path) -> dict[str, str]:
        """The id is what stands before the first `_`, and need not be padded; what stands behind
        is looked at here alone.
        """
        items = {item.id for item in self.items}
        found: dict[str, str] = {}
        for path in sorted(folder.glob("*.png")):
            if (name := item_of(path.name)) in items:
                found.setdefault(name, path.name)
        return found

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write `results.jsonl` for the official `summary_scores.py`, which puts another in its
        place, and the `scores.txt` that it writes.

        Raises:
            StoreError: a file cannot be written.
        """
        lines = [
            json.dumps(
                {
                    "image": str(pictures / self.picture(item)),
                    "prompt": item.prompt,
                    "ocr_gt": self._row(item).text,
                    "ocr_results": clean_answer(answers[0]),
                },
                ensure_ascii=False,
            )
            for item, answers in self._judged(judged)
        ]
        # Half a surrogate pair, which a judge may well send, is no UTF-8.
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        write_file(folder / "results.jsonl", data)
        if (score := official_score(self._matches(judged))) is not None:
            write_file(folder / "scores.txt", f"Text Score: {score:.4f}\n".encode())

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """What `summary_scores.py` prints, and what it is made of; no score where it stops."""
        return _official(self._matches(judged))

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """Its only number."""
        return {"overall": number_at(official, "text_score")}

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """`macro`: the plain mean over pictures. `tolerant`: the score if an answer that says that
        there is no text, in whichever form, has read none.
        """
        matches = list(self._matches(judged))
        if not matches:
            return {}
        macro = sum(match.accuracy for match in matches) / len(matches)
        tolerant = (
            match_text(self._row(item).text, tolerant_answer(answers[0]), self.language)
            for item, answers in self._judged(judged)
        )
        return {"macro": macro, "tolerant": official_score(tolerant)}

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a `results.jsonl`, before or after `summary_scores.py`.

        Marks are by the texts of the file; of two lines about one picture the last makes the mark.
        Officially every line counts.

        Raises:
            ConfigError: it is no such file.
        """
        records = read_records(file)
        items = {item.id: item for item in self.items}
        marks = {
            record.id: _mark(self._row(items[record.id]), record.match(self.language))
            for record in records
            if record.id in items
        }
        return _official(record.match(self.language) for record in records), marks

    def remarks(self, file: Path) -> list[str]:
        """Whether it was scored already."""
        if not any(record.scored for record in read_records(file)):
            return []
        return [
            f"{file.name} is what summary_scores.py has left: its own counts are used. The script "
            "itself, run on it again, would take the texts for single letters."
        ]

    def _row(self, item: Item) -> LongTextPrompt:
        return self.rows[int(item.group)]

    def _judged(self, judged: Mapping[str, Answers | None]) -> list[tuple[Item, Answers]]:
        """In the order of the pictures' names, as officially."""
        return sorted(self.answered(judged), key=lambda pair: self.picture(pair[0]))

    def _matches(self, judged: Mapping[str, Answers | None]) -> Iterator[TextMatch]:
        for item, answers in self._judged(judged):
            yield match_text(self._row(item).text, clean_answer(answers[0]), self.language)

    def _foreign(self, name: str) -> str:
        """What the official script does with a picture that is of no item."""
        try:
            known = int(name.partition("_" if "_" in name else ".")[0]) in self.rows
        except ValueError:
            known = False
        if not known:
            return "is of no prompt: the official script stops at it"
        return "is of no item, but the official script counts it"


def _mark(row: LongTextPrompt, match: TextMatch) -> Mark:
    counts = (float(match.found), float(match.expected))
    return Mark(
        exact=match.found == match.expected,
        score=match.accuracy,
        missed=match.missed,
        parts=dict.fromkeys((_HEADLINE, row.category, row.length), counts),
    )


def _official(matches: Iterable[TextMatch]) -> dict[str, JsonValue]:
    all_of = list(matches)
    return {
        "text_score": official_score(all_of),
        "match_word_count": sum(match.found for match in all_of),
        "gt_word_count": sum(match.expected for match in all_of),
        "pictures": len(all_of),
    }
