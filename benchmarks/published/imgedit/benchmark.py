"""ImgEdit-Bench as a published benchmark: its edits as items, its judge asked, read and scored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.benchmark import PublishedBenchmark, check_choice
from rr_refine.benchmarks.published.files import find_root, read_json, write_file
from rr_refine.benchmarks.published.imgedit.edits import (
    SUITES,
    ImgEditItem,
    Suite,
    read_edits,
    read_prompts,
)
from rr_refine.benchmarks.published.imgedit.scoring import (
    average_scores,
    official_parse,
    official_scores,
    overall_score,
    tolerant_parse,
    type_scores,
)
from rr_refine.benchmarks.published.imgedit.wording import LABELS, OURS, PLACE
from rr_refine.benchmarks.question import Question
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.named import picture_of_data
from rr_refine.plain_text import quoted

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SUITES", "ImgEdit", "ImgEditLoader"]

_SAID: Final = 100
_KINDS: Final = 3
"""Characters of an error, and different ones, that are told."""
_BEST: Final = 5


@dataclass(frozen=True, kw_only=True)
class ImgEditLoader(BenchmarkLoader):
    """Compare arms on ImgEdit-Bench.

    Attributes:
        data: The Benchmark folder: JSON files and pictures.
        suite: basic has 737 edits of 9 types, uge 47 hard ones.
        prompts: Official prompts.json, for the judge's exact prompts; else our own wording.
    """

    data: Path
    suite: Suite = "basic"
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> ImgEdit:
        """See `BenchmarkLoader.load`."""
        del cache  # its pictures are files already
        chosen = check_choice("imgedit", self.suite, SUITES, limit=limit)
        if self.prompts is not None and chosen == "uge":
            raise ConfigError(
                "the official prompt of the suite 'uge' is in UGE_bench.py and asks for no line "
                "that the official parser can read: it is asked in our own words; leave the "
                "prompts out"
            )
        file = read_edits(self.data, chosen)
        keys = list(file.edits)[:limit]
        root = self.data
        if sources:
            root = find_root(
                self.data,
                dict.fromkeys(file.edits[key].picture for key in keys),
                "unpack Benchmark.tar of the data set sysuyy/ImgEdit there",
            )
        texts, wording, files = OURS, "ours", {file.path.name: file.sha256}
        official = None
        if chosen == "basic" and sources:
            types = {file.edits[key].type for key in keys}
            official = read_prompts(self.prompts, self.data, types)
        if official is not None:
            path, sha256, texts = official
            wording, files[path.name] = f"official {sha256[:12]}", sha256
        present = {file.edits[key].type for key in keys}
        return ImgEdit(
            name=f"imgedit {chosen}",
            items=tuple(
                # The official scripts make no pictures, and so name no seed: its own for each item.
                Item(
                    id=key,
                    prompt=file.edits[key].prompt.strip(),
                    seed=number,
                    source=picture_of_data(root, file.edits[key].picture),
                    labels={} if chosen == "uge" else {"edit_type": file.edits[key].type},
                )
                for number, key in enumerate(keys)
            ),
            dimensions=tuple(name for name in LABELS if name in present),
            files=files,
            wording=wording,
            notes=file.notes,
            scale=(0, _BEST),
            worse_by=_BEST / 30,
            suite=chosen,
            edits=file.edits,
            texts=texts,
        )


@dataclass(kw_only=True)
class ImgEdit(PublishedBenchmark):
    """One suite."""

    suite: Suite
    edits: Mapping[str, ImgEditItem]
    """Of the whole suite, by key: judgement files may be about more of them than are items."""
    texts: Mapping[str, str]
    """What the judge is asked, by edit type."""

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """One message: text, original, edited picture."""
        edit = self.edits[item.id]
        text = self.texts[edit.type].replace(PLACE, edit.prompt)
        return (Question((text, self.original(item), image)),)

    def read(self, item: Item, answers: Answers) -> Mark:
        """The mean of the scores that the official script finds, however many these are.

        Exact is a picture with 5 for all that was asked about it.

        Raises:
            CriticUnreadable: not one line has the form that counts.
        """
        (text,) = answers
        score = official_parse(text)
        if score is None:
            raise CriticUnreadable(
                f"the answer about {quoted(item.id)} has no line of the form 'label: digits'", text
            )
        name = self.edits[item.id].type
        exact = official_scores(text) == [_BEST] * len(LABELS[name])
        return Mark(exact=exact, score=score, parts={name: (score, 1)})

    def worst(self, item: Item) -> Mark:
        """0, which is below the scale, from 1 to 5."""
        return Mark(exact=False, score=0, parts={self.edits[item.id].type: (0, 1)})

    def write_answers(self, item: Item, random: Random) -> Answers:
        """Scores by chance; later ones are not above the first, as the judge is asked."""
        labels = LABELS[self.edits[item.id].type]
        first = random.randint(1, _BEST)
        scores = [first, *(random.randint(1, first) for _ in labels[1:])]
        lines = [f"{label}: {score}" for label, score in zip(labels, scores, strict=True)]
        return ("\n".join(["Brief reasoning: Of no meaning.", *lines]),)

    def write_judgements(
        self,
        folder: Path,
        pictures: Path,  # noqa: ARG002  the official files do not say where they are
        judged: Mapping[str, Answers | None],
    ) -> None:
        """Write `result.json`, and what the official scripts make of it.

        Keys without an answer are in `errors.json`: officially an error would be in `result.json`,
        as an object, of which the scoring script dies.

        Raises:
            StoreError: a file cannot be written.
        """
        texts = self._given(judged)
        errors = [item.id for item in self.items if judged.get(item.id, ()) is None]
        _write(folder / "result.json", texts, indent=4)
        _write(folder / "errors.json", errors, indent=4)
        if self.suite == "basic":
            averages = average_scores(texts)
            _write(folder / "average_score.json", averages, indent=2)
            _write(folder / "typescore.json", self._official(texts), indent=2)

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """`typescore.json` of the suite `basic`: edit type to mean, types in the order in which
        the items have them first. Of `uge`, whose script only prints a number: `{"average": …}`,
        None for its "No valid scores found."
        """
        return self._official(self._given(judged))

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """The means by type, and their plain mean in two digits, as in the tables; of `uge`, the
        average.
        """
        values = {k: float(v) for k, v in official.items() if isinstance(v, int | float)}
        if self.suite == "uge":
            return {"overall": values.get("average")}
        return {"overall": round(fmean(values.values()), 2) if values else None, **values}

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a `result.json` of the official scripts.

        Errors, which are objects in it, count as missing; the official scoring script would die
        of them. Keys that the benchmark does not have are officially in no type's mean.

        Raises:
            ConfigError: it is no such file, or of another suite.
        """
        judged = self.judgements(file)
        texts = {key: answers[0] for key, answers in judged.items() if answers is not None}
        items = {item.id: item for item in self.items}
        marks: dict[str, Mark | None] = {}
        for key, answers in judged.items():
            if key in items:
                try:
                    marks[key] = self.read(items[key], answers) if answers else None
                except CriticUnreadable:
                    marks[key] = None
        return self._official(texts), marks

    def remarks(self, file: Path) -> list[str]:
        """Which rows are errors of the judging script, and what they say."""
        found, _ = read_json(file, dict[str, str | dict[str, JsonValue] | None])
        errors = {k: value for k, value in found.items() if not isinstance(value, str)}
        if not errors:
            return []
        said = Counter(str((value or {}).get("error", value))[:_SAID] for value in errors.values())
        words = "; ".join(f"{count} x {text!r}" for text, count in said.most_common(_KINDS))
        return [
            f"{len(errors)} of {len(found)} rows are errors of the judging script, not answers, "
            f"and count as unreadable (first: {min(errors)!r}): {words}. The official scoring "
            "script stops at the first of them."
        ]

    def judgements(self, file: Path) -> dict[str, Answers | None]:
        """The judgements of a `result.json`, as it has them; None for an error.

        Raises:
            ConfigError: it is no such file, or of another suite.
        """
        found, _ = read_json(file, dict[str, str | dict[str, JsonValue] | None])
        if not found.keys() & self.edits.keys():
            raise ConfigError(f"{str(file)!r} has no key of {self.name}: is it of another suite?")
        return {k: (text,) if isinstance(text, str) else None for k, text in found.items()}

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """`tolerant`: see `tolerant_scores`."""
        return {"tolerant": self.tolerant_scores(judged)}

    def tolerant_scores(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """A second view: scores read with goodwill (see `tolerant_parse`), and both averages.

        Returns:
            `types`: mean by edit type; `macro`: their plain mean; `micro`: the mean over items;
            `counted`: answers that could be read. Not rounded; None where there is nothing.
        """
        by_type: dict[str, list[float]] = {name: [] for name in self.dimensions}
        for key, text in self._given(judged).items():
            name = self.edits[key].type
            if (score := tolerant_parse(text, LABELS[name])) is not None:
                by_type[name].append(score)
        types: dict[str, JsonValue] = {n: fmean(own) for n, own in by_type.items() if own}
        scores = [score for own in by_type.values() for score in own]
        return {
            "types": types,
            "macro": fmean(map(fmean, filter(None, by_type.values()))) if scores else None,
            "micro": fmean(scores) if scores else None,
            "counted": len(scores),
        }

    def _given(self, judged: Mapping[str, Answers | None]) -> dict[str, str]:
        """The answers that there are, in the order of the items."""
        return {item.id: answers[0] for item, answers in self.answered(judged)}

    def _official(self, texts: Mapping[str, str]) -> dict[str, JsonValue]:
        averages = average_scores(texts)
        if self.suite == "uge":
            return {"average": overall_score(averages.values())}
        types = {key: edit.type for key, edit in self.edits.items()}
        return dict(type_scores(averages, types))


def _write(path: Path, value: object, *, indent: int) -> None:
    """Write JSON as the official scripts do."""
    write_file(path, json.dumps(value, indent=indent).encode())
