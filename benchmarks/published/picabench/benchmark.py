"""PICABench as a published benchmark: its items, its judge's questions, its official files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, get_args

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.benchmark import PublishedBenchmark, Wording, check_choice
from rr_refine.benchmarks.published.picabench.analysis import (
    JudgedCase,
    accuracies,
    analyse,
    answered,
    other_views,
    read_judged,
    write_output,
)
from rr_refine.benchmarks.published.picabench.answer import is_right, read_answer
from rr_refine.benchmarks.published.picabench.case import (
    UNKNOWN,
    Case,
    Difficulty,
    find_files,
    read_cases,
)
from rr_refine.benchmarks.published.picabench.region import PADDING, region, shift
from rr_refine.benchmarks.published.picabench.wording import OURS, read_wording
from rr_refine.benchmarks.question import Question
from rr_refine.boundary import raised_as
from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.pictures import load_picture

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SUITES", "PicaBench", "PicaBenchLoader"]

SUITES: Final[tuple[Difficulty, ...]] = get_args(Difficulty)
"""Which of an item's three prompts is asked for; the first is the official default."""

_JPEG: Final = 90
"""Quality, as officially."""
_OVERALL: Final = "accuracy"
_RIGHT: Final = 0.7
"""How often a stand-in's answer is the expected one."""


@dataclass(frozen=True, kw_only=True)
class PicaBenchLoader(BenchmarkLoader):
    """Compare arms on PICABench.

    Attributes:
        data: The parquet file or its folder, or a meta_info.json.
        suite: How much the instruction says about the physics.
        prompts: Official PicaEval_gpt.py, for the judge's exact words; else our own wording.
    """

    data: Path
    suite: Difficulty = "superficial"
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> PicaBench:
        """See `BenchmarkLoader.load`."""
        chosen = check_choice("picabench", self.suite, SUITES, limit=limit)
        found = find_files(self.data)
        words = read_wording(self.prompts) if self.prompts else OURS
        cases = read_cases(found, chosen, limit, cache, sources=sources)
        return PicaBench(
            name=f"picabench {chosen}",
            items=tuple(map(_item, cases)),
            dimensions=(_OVERALL,),
            files={**_digests(found), **words.files},
            wording=words.source,
            notes=tuple(_notes(cases)),
            cases={case.id: case for case in cases},
            words=words,
        )


@dataclass(kw_only=True)
class PicaBench(PublishedBenchmark):
    """One suite."""

    cases: Mapping[str, Case]
    """By the ids of the items."""
    words: Wording
    """Follow each question."""

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """Each question with its region, as JPEG, as the official script sends it."""
        return tuple(
            Question((f"{pair.question}{self.words.text}", region(image, pair.box)), jpeg=_JPEG)
            for _, pair in self.cases[item.id].pairs
        )

    def read(self, item: Item, answers: Answers) -> Mark:
        """The share of right answers, 0 to 1. What is neither yes nor no is wrong, officially.

        Raises:
            CriticUnreadable: the item has no questions, so that the official script leaves it out.
        """
        case = self.cases[item.id]
        if not case.pairs:
            raise CriticUnreadable(f"item {item.id} of {self.name} has no questions", "")
        return _mark(
            case,
            [
                (pair.question, is_right(read_answer(text)[0], pair.answer))
                for (_, pair), text in zip(case.pairs, answers, strict=True)
            ],
        )

    def worst(self, item: Item) -> Mark:
        """Every question answered wrong."""
        case = self.cases[item.id]
        return _mark(case, [(pair.question, False) for _, pair in case.pairs])

    def write_answers(self, item: Item, random: Random) -> Answers:
        """Seven of ten as expected."""
        written = []
        for _, pair in self.cases[item.id].pairs:
            yes = is_right(pair.answer, "yes") == (random.random() < _RIGHT)
            answer = {"answer": "Yes" if yes else "No", "explanation": "made up"}
            written.append(json.dumps(answer))
        return tuple(written)

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write `meta_info.json`, for every official script, and what `PicaEval_gpt.py` would have
        made of it: its output and its analysis, as sent to the leaderboard.

        Paths are relative to `folder`, which the scripts take as image base by default.
        """
        write_output(folder, pictures, list(self._judged(judged)), self.official(judged))

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """The script's analysis. A judge that gives no answer has answered wrong, in it."""
        return analyse(
            [
                JudgedCase(
                    physics_category=case.category,
                    physics_law=case.law,
                    edit_operation=case.operation,
                    annotated_qa_pairs=answered(case, answers),
                )
                for case, answers in self._judged(judged)
            ]
        )

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """See `other_views`."""
        return other_views(self._judged(judged))

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """Accuracies in percent: overall, by category and by law."""
        return accuracies(official)

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score an official `*_output_*.json`. An item whose answers all failed has no mark,
        though the official analysis counts them as wrong.
        """
        found = read_judged(file)
        ours = {case.id: case for case in self._asked()}
        marks: dict[str, Mark | None] = {}
        for number, judged in enumerate(found):
            index = number if judged.index is None else judged.index
            case = ours.get(f"{index:05d}")
            if case is not None:
                outcomes = [
                    (str(p.get("question")), bool(p["is_correct"])) for p in judged.answered
                ]
                marks[case.id] = None if judged.failed else _mark(case, outcomes)
        return analyse(found), marks

    def preflight(self, folder: Path) -> list[str]:
        """Pictures that are missing, broken, or of another aspect ratio than their source: boxes
        would then show the judge another part of the picture.
        """
        return [line for case in self._asked() if (line := _trouble(case, folder))]

    def _judged(
        self, judged: Mapping[str, Answers | None]
    ) -> Iterable[tuple[Case, Answers | None]]:
        """In the order of the benchmark, as the official script goes."""
        return ((case, judged[case.id]) for case in self._asked() if case.id in judged)

    def _asked(self) -> Iterable[Case]:
        """Of the items, which may be fewer by now."""
        return (self.cases[item.id] for item in self.items)


def _item(case: Case) -> Item:
    labels = {"category": case.category, "law": case.law, "operation": case.operation}
    # The official scripts make no pictures, and so name no seed: its own for each item.
    return Item(id=case.id, prompt=case.prompt, seed=case.index, source=case.source, labels=labels)


def _mark(case: Case, outcomes: Sequence[tuple[str, bool]]) -> Mark:
    """Args: outcomes: each question, and whether it was answered right."""
    right = sum(outcome for _, outcome in outcomes)
    share = right / len(outcomes) if outcomes else 0.0
    return Mark(
        exact=0 < right == len(outcomes),
        score=share,
        missed=tuple(question for question, outcome in outcomes if not outcome),
        parts=dict.fromkeys((_OVERALL, case.category, case.law), (share, 1.0)),
    )


def _trouble(case: Case, folder: Path) -> str | None:
    """What is wrong with the case's picture."""
    path = folder / f"{case.id}.png"
    if not path.is_file():
        return (
            f"{path.name} is missing: prepare_meta_info.py leaves the item out, and PicaEval "
            "judges a blank picture"
        )
    try:
        edited = load_picture(path)
    except ConfigError as error:
        return f"{error}; PicaEval judges a blank picture instead"
    try:
        source = load_picture(case.source)
    except ConfigError as error:
        return f"the source of {path.name} cannot be compared: {error}"
    if shift(source.size, edited.size) <= PADDING:
        return None
    return (
        f"{path.name} is {edited.width}x{edited.height}, its source {source.width}x"
        f"{source.height}: of another aspect ratio, so that boxes miss what they are about"
    )


def _notes(cases: Sequence[Case]) -> Iterable[str]:
    asked = [pair for case in cases for _, pair in case.pairs]
    if boxless := sum(pair.box is None for pair in asked):
        yield f"{boxless} of {len(asked)} questions have no box: asked about the whole picture"
    if unsaid := sum(case.difficulty == UNKNOWN for case in cases):
        yield f"{unsaid} of {len(cases)} items do not say of which suite they are"
    if silent := [case.id for case in cases if not case.pairs]:
        yield (
            f"{len(silent)} of {len(cases)} items have no questions and are left out of the "
            f"official accuracy: {', '.join(silent[:5])}{', …' if len(silent) > 5 else ''}"
        )


def _digests(files: Iterable[Path]) -> dict[str, str]:
    with raised_as(ConfigError, "a file of picabench cannot be read"):
        return {file.name: file_digest(file) for file in files}
