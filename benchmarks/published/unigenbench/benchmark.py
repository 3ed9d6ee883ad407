"""UniGenBench as a published benchmark: its prompts as items, its judge asked, read and scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Literal, get_args

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers, JudgedAnswers
from rr_refine.benchmarks.published.benchmark import PublishedBenchmark, check_choice
from rr_refine.benchmarks.published.files import write_file
from rr_refine.benchmarks.published.unigenbench.data import find_prompts, read_prompts
from rr_refine.benchmarks.published.unigenbench.official_prompts import read_wording
from rr_refine.benchmarks.published.unigenbench.reading import official_parse, parse, to_json
from rr_refine.benchmarks.published.unigenbench.scoring import (
    official_accuracies,
    official_scores,
    read_judgements,
    to_csv,
    to_judgement,
    to_mark,
)
from rr_refine.benchmarks.published.unigenbench.taxonomy import DIMENSIONS, Language
from rr_refine.benchmarks.published.unigenbench.wording import OURS, UniGenBenchWording
from rr_refine.benchmarks.question import Question
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.plain_text import quoted

if TYPE_CHECKING:
    from PIL import Image

    from rr_refine.benchmarks.published.unigenbench.data import PromptFile, PromptRow
    from rr_refine.benchmarks.published.unigenbench.scoring import Judgement

__all__ = ["SUITES", "UniGenBench", "UniGenBenchLoader"]

Suite = Literal["en", "en_long", "zh", "zh_long"]
SUITES: Final[tuple[Suite, ...]] = get_args(Suite)
"""600 prompts each; the same in both languages."""

_FIRST_SEED: Final = 3407
"""Of the official generation script; sample j has j more."""

_MAX_TOKENS: Final = 4096
"""Of the official judging scripts."""


@dataclass(frozen=True, kw_only=True)
class UniGenBenchLoader(BenchmarkLoader):
    """Compare arms on UniGenBench.

    Leaves pictures in the official layout, judgements that the official scripts read, and a report.
    Ctrl-C and SIGTERM end it after the steps in progress; --resume continues.

    Attributes:
        data: Folder with test_prompts_en.csv and the like, or one such file.
        suite: Language and length of the prompts.
        samples: Pictures of each prompt; the official protocol has 4.
        prompts: Official eval_common.py, for the judge's exact prompts; else our own wording.
    """

    data: Path
    suite: Suite = "en"
    samples: int = 4
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> UniGenBench:
        """See `BenchmarkLoader.load`."""
        del cache, sources  # there are no source pictures
        check_choice("unigenbench", self.suite, SUITES, samples=self.samples, limit=limit)
        language: Language = "zh" if self.suite.startswith("zh") else "en"
        file = read_prompts(find_prompts(self.data, self.suite), language, limit=limit)
        labels = dict.fromkeys(label for row in file.rows for label in row.testpoints)
        wording, files = OURS[language], {file.name: file.sha256}
        if self.prompts is not None:
            wording, files[self.prompts.name] = read_wording(self.prompts, language, labels)
        if missing := [label for label in labels if label not in wording.explanations]:
            raise ConfigError(
                f"{file.name} has the testpoint {quoted(missing[0])}, of which the wording "
                f"({wording.source}) has no explanation: give the eval_common.py that belongs to it"
            )
        return UniGenBench(
            name=f"unigenbench {self.suite}",
            items=tuple(
                Item(
                    id=f"{row.index}_{sample}",
                    prompt=row.prompt,
                    seed=_FIRST_SEED + sample,
                    labels={"theme": row.theme} if row.theme else {},
                    group=str(row.index),
                )
                for row in file.rows
                for sample in range(self.samples)
            ),
            dimensions=DIMENSIONS[language],
            files=files,
            wording=wording.source,
            notes=file.notes,
            suite=self.suite,
            file=file,
            words=wording,
        )


@dataclass(kw_only=True)
class UniGenBench(PublishedBenchmark):
    """One suite."""

    suite: Suite
    file: PromptFile
    words: UniGenBenchWording

    def __post_init__(self) -> None:
        self._rows = {str(row.index): row for row in self.file.rows}

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """One message, text before picture, as the official Gemini script sends it."""
        row = self._row(item)
        text = self.words.question(row.prompt, row.testpoints, row.descriptions)
        return (Question((text, image), max_tokens=_MAX_TOKENS),)

    def read(self, item: Item, answers: Answers) -> Mark:
        """The share of testpoints that are passed.

        Raises:
            CriticUnreadable: the official scripts would ask again, or would not count the answer.
        """
        (text,) = answers
        row = self._row(item)
        try:
            result_json = to_json(parse(text, len(row.testpoints)))
        except ValueError as error:
            raise CriticUnreadable(
                f"the answer about {quoted(item.id)} is unreadable: {error}", text
            ) from error
        judgement = to_judgement(str(list(row.testpoints)), result_json)
        if judgement is None:
            raise CriticUnreadable(
                f"the answer about {quoted(item.id)} is dropped by the official scoring script: "
                "its scores are no list, or it holds True, False, None or an infinite number",
                text,
            )
        return to_mark(row.testpoints, row.descriptions, judgement.scores)

    def worst(self, item: Item) -> Mark:
        """No testpoint passed."""
        row = self._row(item)
        return to_mark(row.testpoints, row.descriptions, [0] * len(row.testpoints))

    def write_answers(self, item: Item, random: Random) -> Answers:
        """An answer in the official form, each testpoint passed or not by chance."""
        row = self._row(item)
        labels = list(row.testpoints)
        analysis = [f"Of no meaning, about {text!r}." for text in row.descriptions]
        scores = [random.randint(0, 1) for _ in labels]
        return (
            f"<description>\n<prompt>{row.prompt}</prompt>\n<checkpoint>{labels}</checkpoint>\n"
            f"<analysis>{analysis}</analysis>\n<score>{scores}</score>\n</description>",
        )

    def write_prompts(self, folder: Path) -> Path:
        """Write the suite's prompt file for the official script (`--csv_file`), and say where.

        It holds the prompts of the items, as they stand in the user's file but for what had to be
        mended: the script stops at the first picture that is missing, and at broken JSON.

        Raises:
            StoreError: it cannot be written.
        """
        path = folder / f"test_prompts_{self.suite}.csv"
        rows = dict.fromkeys(map(self._row, self.items))
        write_file(path, "".join([self.file.header, *(row.text for row in rows)]).encode())
        return path

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write `<suite>.csv` for the official `calculate_score.py`, what it makes of it, and the
        prompts for `--csv_file` of the judging scripts: mended, and of the loaded items only.

        Raises:
            StoreError: a file cannot be written.
        """
        rows = [
            (
                item.group,
                item.prompt,
                str(list(self._row(item).testpoints)),
                self._output(judged, item, answers),
                self._result_json(item, answers),
                str(pictures / self.picture(item)),
            )
            for item, answers in self._judged(judged)
        ]
        table = json.dumps(self.official(judged), ensure_ascii=False, indent=4)
        write_file(folder / f"{self.suite}.csv", to_csv(rows))
        write_file(folder / f"{self.suite}.json", table.encode())
        self.write_prompts(folder)

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """What `calculate_score.py` writes: a failed judgement is in no total."""
        return _official(self._judgements(judged))

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """Accuracies. The script has no overall value: the mean of the primary dimensions, in four
        digits, as on the leaderboard.
        """
        return official_accuracies(official)

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """The official table if scores that are the text '1' counted, where a judge wrote such."""
        judgements = [j for j in self._judgements(judged) if j is not None]
        if not any("1" in judgement.scores for judgement in judgements):
            return {}
        numbers = (
            replace(j, scores=[1 if score == "1" else score for score in j.scores])
            for j in judgements
        )
        return {"texts_as_numbers": _official(numbers)}

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a CSV file of the official scripts, or of `write_judgements`.

        Marks are by what the file says, testpoints included; of two rows about one picture the
        last makes the mark. Officially every row counts, also of prompts that were not loaded.

        Raises:
            ConfigError: it is no such file.
        """
        rows = read_judgements(file)
        items = {item.id: item for item in self.items}
        marks = {id: self._mark(items[id], judgement) for id, judgement in rows if id in items}
        return _official(judgement for _, judgement in rows), marks

    def _row(self, item: Item) -> PromptRow:
        return self._rows[item.group]

    def _judged(self, judged: Mapping[str, Answers | None]) -> list[tuple[Item, Answers | None]]:
        """In the order of the official file: that of the prompts."""
        return [(item, judged[item.id]) for item in self.items if item.id in judged]

    def _judgements(self, judged: Mapping[str, Answers | None]) -> Iterator[Judgement | None]:
        for item, answers in self._judged(judged):
            labels = str(list(self._row(item).testpoints))
            yield to_judgement(labels, self._result_json(item, answers))

    def _output(
        self, judged: Mapping[str, Answers | None], item: Item, answers: Answers | None
    ) -> str:
        """The official cell: what the judge said last, also where it could not be read."""
        if answers is None and isinstance(judged, JudgedAnswers):
            answers = judged.unread.get(item.id)
        return answers[0] if answers else ""

    def _result_json(self, item: Item, answers: Answers | None) -> str:
        """The official cell: `null` where the official judging script gives up."""
        if answers is not None:
            reading = official_parse(answers[0], len(self._row(item).testpoints))
            if reading is not None:
                return to_json(reading)
        return "null"

    def _mark(self, item: Item, judgement: Judgement | None) -> Mark | None:
        """The mark of a row of a file, which need not be about the testpoints that we know."""
        if judgement is None or not 0 < len(judgement.testpoints) == len(judgement.scores):
            return None
        row = self._row(item)
        known = tuple(judgement.testpoints) == row.testpoints
        descriptions = row.descriptions if known else [""] * len(judgement.scores)
        return to_mark(judgement.testpoints, descriptions, judgement.scores)


def _official(judgements: Iterable[Judgement | None]) -> dict[str, JsonValue]:
    return official_scores((j.testpoints, j.scores) for j in judgements if j is not None)
