"""GEdit-Bench as a published benchmark: its edits as items, its judge asked, read and scored."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.benchmark import PublishedBenchmark, check_choice
from rr_refine.benchmarks.published.files import picture_trouble, write_file
from rr_refine.benchmarks.published.gedit.edits import (
    GROUPS,
    SUITES,
    GEditItem,
    Language,
    read_edits,
)
from rr_refine.benchmarks.published.gedit.scoring import (
    BEST,
    Score,
    official_parse,
    official_score,
    printed_values,
    statistics,
)
from rr_refine.benchmarks.published.gedit.table import GEditRow, read_table, write_tables
from rr_refine.benchmarks.published.gedit.wording import OURS, PLACE, GEditWording, read_wording
from rr_refine.benchmarks.question import Question
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.named import read_named
from rr_refine.pictures import load_picture, picture_size
from rr_refine.plain_text import quoted

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SUITES", "GEdit", "GEditLoader"]

_MAX_TOKENS: Final = 1400
"""Of the official script."""

_JPEG: Final = 75
"""Quality: Pillow's default, which the official script takes."""

_BACKBONE: Final = "gpt4o"
"""A folder that the official scripts know, whichever the judge is."""

_SHAPE: Final = 0.15
"""How far the aspect ratio of a result may be from its source's: the official example's own
rounding of sides to 32 pixels makes up to 12 %."""

_PNG: Final = b"\x89PNG"


@dataclass(frozen=True, kw_only=True)
class GEditLoader(BenchmarkLoader):
    """Compare arms on GEdit-Bench.

    Attributes:
        data: The data set's folder or parquet files.
        suite: Language of the instructions; zh is another name for cn.
        prompts: Official vie_prompts.py, for the judge's exact prompts; else our own wording.
    """

    data: Path
    suite: Literal["en", "cn", "zh"] = "en"
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> GEdit:
        """See `BenchmarkLoader.load`."""
        del sources  # the edits are in the same files
        suite = "cn" if self.suite == "zh" else self.suite
        language = check_choice("gedit", suite, SUITES, limit=limit)
        words = read_wording(self.prompts) if self.prompts else OURS
        found = read_edits(self.data, language, limit=limit, cache=cache)
        present = {edit.group for edit in found.edits}
        return GEdit(
            name=f"gedit {language}",
            items=tuple(
                # The official scripts name no seed: its own for each item.
                Item(
                    id=edit.key,
                    prompt=edit.instruction,
                    seed=number,
                    source=edit.source,
                    labels={"task_type": edit.group, **_intersection(edit)},
                )
                for number, edit in enumerate(found.edits)
            ),
            dimensions=tuple(group for group in GROUPS if group in present),
            files={**found.sha256, **words.files},
            wording=words.source,
            notes=found.notes,
            scale=(0, BEST),
            worse_by=BEST / 30,
            language=language,
            edits={edit.key: edit for edit in found.edits},
            words=words,
        )


@dataclass(kw_only=True)
class GEdit(PublishedBenchmark):
    """One suite."""

    language: Language
    edits: Mapping[str, GEditItem]
    """By the ids of the items."""
    words: GEditWording

    def picture(self, item: Item) -> str:
        """`fullset/<task type>/<en or cn>/<key>.png`."""
        return f"fullset/{self.edits[item.id].group}/{self.language}/{item.id}.png"

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """Semantics, of original and edited picture, then quality, of the edited one alone.

        It is scaled to the size of the original and sent as JPEG, as officially.
        """
        source = self.original(item)
        edited = image.resize(source.size)
        semantics = self.words.semantics.replace(PLACE, item.prompt)
        return (
            Question((semantics, source, edited), _MAX_TOKENS, _JPEG),
            Question((self.words.quality, edited), _MAX_TOKENS, _JPEG),
        )

    def read(self, item: Item, answers: Answers) -> Mark:
        """The root of the product of the two minima, 0 to 10.

        A score that is not from 0 to 10 cannot be read; the official script would count it.

        Raises:
            CriticUnreadable: the official script would make up a score, never end, or die.
        """
        scores = [official_parse(text) for text in answers]
        if not all(own and 0 <= min(own) <= max(own) <= BEST for own in scores):
            raise CriticUnreadable(
                f"the answers about {quoted(item.id)} do not both have a list 'score' of numbers "
                f"from 0 to {BEST} in a JSON object",
                "\n\n".join(answers),
            )
        semantics, quality = (min(own) for own in scores if own)
        return self._mark(item, Score(semantics, quality))

    def worst(self, item: Item) -> Mark:
        """0 for semantics and quality."""
        return self._mark(item, Score(0, 0))

    def write_answers(self, item: Item, random: Random) -> Answers:  # noqa: ARG002  one form for all
        """Two JSON objects with scores by chance."""

        def answer() -> str:
            scores = [random.randint(0, BEST), random.randint(0, BEST)]
            return json.dumps({"score": scores, "reasoning": "Of no meaning."})

        return answer(), answer()

    def lay_out(self, folder: Path) -> None:
        """Write the original of each item beside its picture, `<key>_SRCIMG.png`. One that cannot
        be read is left out: the preflight says so.
        """
        for item in self.items:
            path = folder / self._original_name(item)
            if not path.is_file() and (data := self._original_png(item)) is not None:
                write_file(path, data, within=folder)

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write the official CSV files into `gpt4o/eval_results_new/`, named after `folder`.

        `calculate_statistics.py --save_path <above folder> --model_name <folder>` reads them. It
        knows no language `cn`: for that suite there is a second copy, in which it is called `zh`,
        for `--save_path <folder>/zh --language zh`. A judgement that failed has no row, officially.

        Raises:
            StoreError: a file cannot be written.
        """
        rows = [
            GEditRow(
                str(pictures / self._original_name(item)),
                str(pictures / self.picture(item)),
                item.prompt,
                score,
                bool(self.edits[item.id].intersection),
                self.language,
            )
            for item, score in self._scored(judged)
        ]
        results = f"{_BACKBONE}/eval_results_new"
        write_tables(folder / results, folder.name, rows, language=self.language)
        if self.language == "cn":
            write_tables(folder / "zh" / folder.name / results, folder.name, rows, language="zh")

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """What `calculate_statistics.py` prints; of `cn`, for the copy in which it is called `zh`.

        See `statistics`.
        """
        return statistics(
            (self.edits[item.id].group, bool(self.edits[item.id].intersection), score)
            for item, score in self._scored(judged)
        )

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """Of the full set: the overall value of each group and of the average, and the average of
        semantics and quality.
        """
        return printed_values(official)

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a `…_combined_gpt_score.csv` of the official scripts.

        Rows in the other language are left out, `zh` and `cn` being one. Officially every row
        counts, also a second one about the same picture, which an interrupted run leaves; of such
        the last makes the mark. A score that is not from 0 to 10 makes none.

        Raises:
            ConfigError: it is no such file, or has no row in this language.
        """
        english = self.language == "en"
        rows = [row for row in read_table(file) if (row.language == "en") == english]
        if not rows:
            raise ConfigError(f"{str(file)!r} has no row in {self.language!r}")
        items = {item.id: item for item in self.items}
        official = statistics((row.group, row.intersection, row.score) for row in rows)
        marks = {
            row.key: self._mark(items[row.key], row.score) if row.score.is_on_scale else None
            for row in rows
            if row.key in items
        }
        return official, marks

    def preflight(self, folder: Path) -> list[str]:
        """Every picture or original that is missing, cannot be opened or is no PNG, and every
        picture that the official script would squeeze into another aspect ratio.
        """
        lines = []
        for item in self.items:
            names = (self.picture(item), self._original_name(item))
            troubles = [t for name in names if (t := picture_trouble(folder, name))]
            lines += troubles or _squeezed(folder, *names)
        return lines

    def _original_name(self, item: Item) -> str:
        return f"{self.picture(item).removesuffix('.png')}_SRCIMG.png"

    def _original_png(self, item: Item) -> bytes | None:
        """None where it cannot be read."""
        try:
            data = read_named(self.edits[item.id].source)
            if data.startswith(_PNG):
                return data
            file = io.BytesIO()
            load_picture(self.edits[item.id].source).save(file, "PNG")
        except (OSError, ConfigError):
            return None
        return file.getvalue()

    def _mark(self, item: Item, score: Score) -> Mark:
        return Mark(
            exact=score.overall == BEST,
            score=score.overall,
            parts={
                self.edits[item.id].group: (score.overall, 1),
                "G_SC": (score.semantics, 1),
                "G_PQ": (score.quality, 1),
            },
        )

    def _scored(self, judged: Mapping[str, Answers | None]) -> list[tuple[Item, Score]]:
        """The scores that there are officially, in the order of the items."""
        found = ((item, official_score(answers)) for item, answers in self.answered(judged))
        return [(item, score) for item, score in found if score is not None]


def _intersection(edit: GEditItem) -> dict[str, str]:
    if edit.intersection is None:
        return {}
    return {"intersection": "yes" if edit.intersection else "no"}


def _squeezed(folder: Path, picture: str, original: str) -> list[str]:
    edited, source = picture_size(folder / picture), picture_size(folder / original)
    ratio = edited[0] * source[1] / (edited[1] * source[0])
    if 1 - _SHAPE <= ratio <= 1 / (1 - _SHAPE):
        return []
    sizes = [f"{width}x{height}" for width, height in (edited, source)]
    return [f"{picture} is {sizes[0]}, its original {sizes[1]}: it will be squeezed into that"]
