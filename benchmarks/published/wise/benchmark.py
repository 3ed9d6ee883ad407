"""WISE (Verified) as a published benchmark: its prompts as items, its judge asked and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers, JudgedAnswers
from rr_refine.benchmarks.published.benchmark import (
    PublishedBenchmark,
    Wording,
    check_choice,
    number_at,
)
from rr_refine.benchmarks.published.files import write_file
from rr_refine.benchmarks.published.wise.prompts import (
    OURS,
    WisePrompt,
    read_prompts,
    read_wording,
)
from rr_refine.benchmarks.published.wise.scoring import (
    CATEGORIES,
    FILES,
    SUITES,
    Suite,
    WiseLines,
    category_of,
    clean_answer,
    ids_of,
    official_parse,
    official_score,
    plain_score,
    read_lines,
    tolerant_parse,
)
from rr_refine.benchmarks.question import Question
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.plain_text import quoted

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Wise", "WiseLoader"]

_MAX_TOKENS: Final = 500
"""Of the official judging script."""
_SCORES: Final = "_scores_results.jsonl"
_HEADLINE: Final = "WiScore"


@dataclass(frozen=True, kw_only=True)
class WiseLoader(BenchmarkLoader):
    """Compare arms on WISE (Verified): prompts that take knowledge, judged right or wrong.

    Attributes:
        data: The folder data_verified of WISE's repository, or one of its files.
        suite: all has 1,000 prompts in six categories; the others are one file each.
        prompts: Official vllm_eval.py, for the judge's exact question; else our own wording.
    """

    data: Path
    suite: Suite = "all"
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> Wise:
        """See `BenchmarkLoader.load`."""
        del cache, sources  # there are no source pictures
        check_choice("wise", self.suite, SUITES, limit=limit)
        rows, files = read_prompts(self.data, self.suite)
        words = read_wording(self.prompts) if self.prompts else OURS
        chosen = list(rows.values())[:limit]
        lacking = len(ids_of(self.suite)) - len(chosen)
        return Wise(
            name=f"wise verified {self.suite}",
            items=tuple(
                # The official scripts make no pictures, and so name no seed: its own for each.
                Item(
                    id=str(row.prompt_id),
                    prompt=row.Prompt,
                    seed=row.prompt_id,
                    labels={"category": str(category_of(row.prompt_id))},
                )
                for row in chosen
            ),
            dimensions=(_HEADLINE,),
            files={**files, **words.files},
            wording=words.source,
            notes=(f"{lacking} {_LACKING}",) if lacking else (),
            suite=self.suite,
            rows={str(row.prompt_id): row for row in chosen},
            words=words,
        )


@dataclass(kw_only=True)
class Wise(PublishedBenchmark):
    """A suite."""

    suite: Suite
    rows: Mapping[str, WisePrompt]
    """By the ids of the items."""
    words: Wording

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """One message behind that of the system, the text first."""
        row = self.rows[item.id]
        text = self.words.text.format(prompt=row.Prompt, explanation=row.Explanation)
        return (
            Question(
                (text, image),
                max_tokens=_MAX_TOKENS,
                system=self.words.system,
                temperature=0,
                thoughts=False,
                may_be_cut=True,
            ),
        )

    def read(self, item: Item, answers: Answers) -> Mark:
        """Right or wrong.

        Raises:
            CriticUnreadable: the official script would ask again.
        """
        score = official_parse(clean_answer(answers[0]))
        if score is None:
            raise CriticUnreadable(
                f"the answer about {quoted(item.id)} has neither 'Score: 0' nor 'Score: 1', nor "
                "one line that is nothing but 0 or 1",
                answers[0],
            )
        return _mark(item, score)

    def worst(self, item: Item) -> Mark:
        """Wrong."""
        return _mark(item, 0)

    def write_answers(self, item: Item, random: Random) -> Answers:  # noqa: ARG002  one form for all
        """A score by chance."""
        return (f"Score: {random.randint(0, 1)}",)

    def preflight(self, folder: Path) -> list[str]:
        """Every picture that is missing or broken, and whether ids have none at all."""
        lacking = len(ids_of(self.suite)) - len(self.items)
        return super().preflight(folder) + ([f"{lacking} {_LACKING}"] if lacking else [])

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write the two files of each part that `vllm_eval.py` leaves, and goes on with:
        `*_scores_results.jsonl`, which `calculate_verified.py` reads, and `*_full_results.json`.

        Raises:
            StoreError: a file cannot be written.
        """
        read = [
            (self.rows[item.id], item, text, score)
            for item, text, score in self._read(judged, official_parse)
            if score is not None
        ]
        for part, ids in FILES.items():
            if ids[0] not in ids_of(self.suite):
                continue
            scores, full = [], []
            for row, item, text, score in read:
                if row.prompt_id in ids:
                    scores.append(
                        {
                            "prompt_id": row.prompt_id,
                            "Subcategory": row.Subcategory,
                            "score": float(score),
                        }
                    )
                    full.append(
                        {
                            "prompt_id": row.prompt_id,
                            "prompt": row.Prompt,
                            "key": row.Explanation,
                            "image_path": str(pictures / self.picture(item)),
                            "evaluation": text,
                        }
                    )
            lines = "".join(json.dumps(own, ensure_ascii=False) + "\n" for own in scores)
            write_file(folder / f"{part}{_SCORES}", lines.encode("utf-8", "replace"))
            whole = json.dumps(full, ensure_ascii=False, indent=2)
            write_file(folder / f"{part}_full_results.json", whole.encode("utf-8", "replace"))

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """What `calculate_verified.py` prints; only `notes` where an id has no score."""
        found = self._read(judged, official_parse)
        known = tuple((int(item.id), float(score)) for item, _, score in found if score is not None)
        lines = WiseLines(frozenset(number for number, _ in known), known)
        return official_score([lines], self.suite)

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """The means by category, and the weighted one of all."""
        names = ("overall", *CATEGORIES)
        return {name: number_at(official, name) for name in names if name in official}

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """The numbers of what there is, in the digits of the leaderboard, whether all ids have a
        score or not: `there`, and `tolerant`, which reads more answers.
        """
        unread = judged.unread if isinstance(judged, JudgedAnswers) else {}
        readings = (
            ("there", self._read(judged, official_parse)),
            ("tolerant", self._read({**judged, **unread}, tolerant_parse)),
        )
        return {
            name: plain_score([(int(item.id), score) for item, _, score in read])
            for name, read in readings
        }

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a `*_scores_results.jsonl`, or all of them in a folder.

        Of two lines with one id the last makes the mark; officially both count.

        Raises:
            ConfigError: there is no such file, or it cannot be read.
        """
        files = sorted(file.glob(f"*{_SCORES}")) if file.is_dir() else [file]
        if not files:
            raise ConfigError(f"{str(file)!r} has no *{_SCORES}")
        found = [lines for path in files if (lines := read_lines(path)) is not None]
        if not any(lines.scores for lines in found):
            raise ConfigError(f"{str(file)!r} holds no scores of WISE (Verified)")
        items = {item.id: item for item in self.items}
        marks = {
            str(number): None if score is None else _mark(items[str(number)], score)
            for lines in found
            for number, score in lines.scores
            if str(number) in items
        }
        return official_score(found, self.suite), marks

    def remarks(self, file: Path) -> list[str]:
        """Why the official script would give no number."""
        notes = self.score_file(file)[0].get("notes")
        return list(map(str, notes)) if isinstance(notes, list) else []

    def _read(
        self, judged: Mapping[str, Answers | None], parse: Callable[[str], int | None]
    ) -> Iterator[tuple[Item, str, int | None]]:
        """Each answer that there is, without its thoughts, and its score."""
        for item, answers in self.answered(judged):
            text = clean_answer(answers[0])
            yield item, text, parse(text)


_LACKING: Final = (
    "ids of the suite are not among the items: calculate_verified.py gives no number without them"
)


def _mark(item: Item, score: float) -> Mark:
    parts = {_HEADLINE: (score, 1.0), item.labels["category"]: (score, 1.0)}
    return Mark(exact=score == 1, score=score, parts=parts)
