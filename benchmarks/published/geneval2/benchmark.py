"""GenEval 2 as a published benchmark: its prompts as items, its questions put and scored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.benchmark import (
    PublishedBenchmark,
    Wording,
    check_choice,
    number_at,
)
from rr_refine.benchmarks.published.files import (
    picture_trouble,
    read_json,
    require_file,
    write_file,
)
from rr_refine.benchmarks.published.geneval2.prompts import (
    DATA,
    HINT,
    OURS,
    GenEval2Prompt,
    read_prompts,
    read_wording,
)
from rr_refine.benchmarks.published.geneval2.scoring import (
    SKILLS,
    SUITES,
    Method,
    first_token,
    geometric_mean,
    hard_score,
    official_analysis,
    official_score,
    probabilities,
    soft_score,
    tolerant_score,
)
from rr_refine.benchmarks.question import Question
from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.plain_text import quoted

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["GenEval2", "GenEval2Loader"]

_PATHS: Final = "image_paths.json"
_SCORES: Final = "score_lists.json"
_AM: Final = "soft_tifa_am"
_NO_TABLES: Final = (
    "soft_tifa_analysis.py gives no tables: it stops where a skill or a number of atoms has no "
    "prompt"
)


@dataclass(frozen=True, kw_only=True)
class GenEval2Loader(BenchmarkLoader):
    """Compare arms on GenEval 2: a judge is asked about every object, count and relation.

    Its data are for non-commercial use (CC BY-NC 4.0).

    Attributes:
        data: geneval2_data.jsonl or its folder: your own copy.
        suite: soft_tifa_gm takes how likely the right answers are, and needs a judge that tells
            log-probabilities, such as one served by vLLM; tifa takes the answers as they are.
        prompts: Official evaluation.py, for the judge's exact questions; else our own wording.
    """

    data: Path
    suite: Method = "soft_tifa_gm"
    prompts: Path | None = None

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> GenEval2:
        """See `BenchmarkLoader.load`."""
        del cache, sources  # there are no source pictures
        check_choice("geneval2", self.suite, SUITES, limit=limit)
        file = require_file(self.data, DATA, HINT)
        rows, files = read_prompts(file), {file.name: file_digest(file)}
        words = read_wording(self.prompts) if self.prompts else OURS
        return GenEval2(
            name=f"geneval2 {self.suite}",
            items=tuple(
                # The official script makes no pictures, and so names no seed: its own for each.
                Item(
                    id=row.id,
                    prompt=row.prompt,
                    seed=row.number,
                    labels={"atoms": str(row.atoms)},
                )
                for row in rows[:limit]
            ),
            dimensions=(self.suite,),
            files={**files, **words.files},
            wording=words.source,
            method=self.suite,
            rows={row.id: row for row in rows},
            words=words,
        )


@dataclass(kw_only=True)
class GenEval2(PublishedBenchmark):
    """The benchmark, by one of its methods."""

    method: Method
    rows: Mapping[str, GenEval2Prompt]
    """All prompts of the file, in its order, by id; items may be fewer."""
    words: Wording
    """Around a question."""

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """A message for each question, the picture first; one token is the answer."""
        return tuple(
            Question(
                (image, self.words.text.replace("{}", question)),
                max_tokens=1,
                temperature=0,
                may_be_cut=True,
                likelihoods=self.method != "tifa",
            )
            for question, _ in self.rows[item.id].questions
        )

    def read(self, item: Item, answers: Answers) -> Mark:
        """The geometric mean of the questions' soft scores, or the plain one of the hard ones.

        Exact is a picture of which each question is answered right, in the hard reading.

        Raises:
            ConfigError: the judge tells no log-probabilities at all, where scores are made of them.
            CriticUnreadable: it tells none of some question.
        """
        return self._mark(item, self._scores(item, answers), self._hard(item, answers))

    def worst(self, item: Item) -> Mark:
        """No question answered right."""
        zeros = [0] * len(self.rows[item.id].questions)
        return self._mark(item, zeros, zeros)

    def write_answers(self, item: Item, random: Random) -> Answers:
        """Right and wrong answers by chance, as likely as chance will have it."""

        def answer(right: str) -> str:
            share = random.uniform(0.01, 0.99)
            tokens = {right: math.log(share), "none": math.log(1 - share)}
            first = max(tokens, key=tokens.__getitem__)
            return first if self.method == "tifa" else json.dumps(tokens)

        return tuple(answer(right) for _, right in self.rows[item.id].questions)

    def lay_out(self, folder: Path) -> None:
        """Write what `evaluation.py` takes: where the pictures are that are there, and the data of
        the items.
        """
        made = ((item.prompt, folder.absolute() / self.picture(item)) for item in self.items)
        paths = {prompt: str(path) for prompt, path in made if path.is_file()}
        text = json.dumps(paths, ensure_ascii=False, indent=1)
        write_file(folder / _PATHS, text.encode(), within=folder)
        self._write_data(folder, [item.id for item in self.items])

    def preflight(self, folder: Path) -> list[str]:
        """Every prompt for which no picture is named, or one that is missing or broken."""
        if not (folder / _PATHS).exists():
            lacks = f"{_PATHS} is missing: evaluation.py takes the places of the pictures from it"
            return [*super().preflight(folder), lacks]
        names, lines = self.pictures_in(folder), []
        for item in self.items:
            name = names.get(item.id)
            if name is None:
                lines.append(
                    f"{_PATHS} names no picture of {quoted(item.prompt)}: evaluation.py stops"
                )
            elif trouble := picture_trouble(folder, name, any_kind=True):
                lines.append(trouble)
        return lines

    def pictures_in(self, folder: Path) -> dict[str, str]:
        """As `image_paths.json` there has it. Paths are relative to the folder in which the script
        is run; those that are not in this one are looked for by their names. Without such a file
        they are called as ours.
        """
        if not (folder / _PATHS).exists():
            return {}
        paths, _ = read_json(folder / _PATHS, dict[str, str])
        found: dict[str, str] = {}
        for item in self.items:
            if (path := paths.get(item.prompt)) is not None:
                here = (folder / path).is_file() or not (folder / Path(path).name).is_file()
                found[item.id] = path if here else Path(path).name
        return found

    def write_judgements(
        self,
        folder: Path,
        pictures: Path,  # noqa: ARG002  the official file does not say where they are
        judged: Mapping[str, Answers | None],
    ) -> None:
        """Write `score_lists.json`, and the data of those very prompts: the official analysis pairs
        them line by line.

        Raises:
            StoreError: a file cannot be written.
        """
        found = self._judged(judged)
        write_file(folder / _SCORES, json.dumps(list(found.values())).encode())
        self._write_data(folder, found)

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """What `evaluation.py` prints for these prompts, and what `soft_tifa_analysis.py` does.

        `notes` say where the official scripts would stop.
        """
        found = self._judged(judged)
        rows, lacking = [self.rows[name] for name in found], len(self.items) - len(found)
        stops = (
            f"{lacking} of {len(self.items)} prompts have no score, and evaluation.py would stop "
            "there: these are its numbers of the others"
        )
        return self._official(list(found.values()), rows, [stops] if lacking else [])

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """All of them, in points of 100."""
        values = {"overall": number_at(official, self.method), _AM: number_at(official, _AM)}
        if self.method == "tifa":
            del values[_AM]
        for table, name in (("skills", "{}"), ("atomicity", "atoms {}")):
            found = official.get(table)
            for key in found if isinstance(found, dict) else ():
                values[name.format(key)] = number_at(found, key)
        return values

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """The hard score of the same answers; with `tifa`, that of the first words of answers that
        are longer than a word.
        """
        soft = self.method != "tifa"
        read = hard_score if soft else tolerant_score
        hard = [self._hard(item, answers, read) for item, answers in self.answered(judged)]
        return {"tifa" if soft else "tolerant": official_score(hard, "tifa")} if hard else {}

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a `score_lists.json`, of all prompts of the data, in their order.

        Raises:
            ConfigError: it is no such file, or of other data.
        """
        scores, _ = read_json(file, list[list[Annotated[float, Field(ge=0, allow_inf_nan=False)]]])
        rows = list(self.rows.values())
        if len(scores) != len(rows):
            raise ConfigError(
                f"{str(file)!r} has scores of {len(scores)} prompts, the data {len(rows)}: they "
                f"are paired line by line; give the {DATA} that it is of"
            )
        for row, own in zip(rows, scores, strict=True):
            if len(own) != len(row.questions):
                raise ConfigError(
                    f"{str(file)!r} has {len(own)} scores where {quoted(row.prompt)} has "
                    f"{len(row.questions)} questions: are these the data that it is of?"
                )
        if self.method == "tifa" and any(score not in (0, 1) for own in scores for score in own):
            raise ConfigError(
                f"{str(file)!r} has scores that are neither 0 nor 1, which --method tifa never "
                "gives: give --suite soft_tifa_gm"
            )
        items = {item.id: item for item in self.items}
        marks = {
            row.id: self._mark(items[row.id], own, [int(score > 0.5) for score in own])
            for row, own in zip(rows, scores, strict=True)
            if row.id in items
        }
        return self._official(scores, rows), marks

    def _official(
        self,
        scores: Sequence[Sequence[float]],
        rows: Sequence[GenEval2Prompt],
        notes: Sequence[str] = (),
    ) -> dict[str, JsonValue]:
        tables = official_analysis(
            scores, [row.skills for row in rows], [row.atoms for row in rows]
        )
        methods = ("tifa",) if self.method == "tifa" else (self.method, _AM)
        return {
            **{method: official_score(scores, method) for method in methods},
            **tables,
            "prompts": len(scores),
            "notes": [*notes, *(() if all(tables.values()) else (_NO_TABLES,))],
        }

    def _judged(self, judged: Mapping[str, Answers | None]) -> dict[str, Sequence[float]]:
        """The scores that there are, in the order of the data."""
        return {item.id: self._scores(item, answers) for item, answers in self.answered(judged)}

    def _scores(self, item: Item, answers: Answers) -> Sequence[float]:
        if self.method == "tifa":
            return self._hard(item, answers)
        found = [probabilities(answer) for answer in answers]
        if not any(found):
            raise ConfigError(
                "the judge tells no log-probabilities, which soft scores are made of: take a "
                "server that does, such as vLLM, or give --suite tifa"
            )
        if not all(found):
            raise CriticUnreadable(
                f"the judge told no log-probabilities for some question about {quoted(item.id)}",
                "\n\n".join(answers),
            )
        return [
            soft_score(*pair, own or {})
            for pair, own in zip(self.rows[item.id].questions, found, strict=True)
        ]

    def _hard(
        self, item: Item, answers: Answers, read: Callable[[str, str, str], int] = hard_score
    ) -> list[int]:
        asked = zip(self.rows[item.id].questions, answers, strict=True)
        return [read(*pair, first_token(said)) for pair, said in asked]

    def _mark(self, item: Item, scores: Sequence[float], hard: Sequence[int]) -> Mark:
        row, soft = self.rows[item.id], self.method != "tifa"
        mean, whole = sum(scores) / len(scores), float(geometric_mean(scores))
        score = whole if soft else mean
        parts = {self.method: (score, 1.0)} | ({_AM: (mean, 1.0)} if soft else {})
        for skill in SKILLS:
            own = [one for one, name in zip(scores, row.skills, strict=True) if name == skill]
            if own:
                parts[skill] = (sum(own), float(len(own)))
        parts[f"atoms {row.atoms}"] = (whole, 1.0)
        wrong = (pair for pair, right in zip(row.questions, hard, strict=True) if not right)
        missed = tuple(f"{question} {answer}" for question, answer in wrong)
        return Mark(exact=not missed, score=score, missed=missed, parts=parts)

    def _write_data(self, folder: Path, names: Sequence[str] | Mapping[str, object]) -> None:
        lines = b"".join(self.rows[name].line + b"\n" for name in names)
        write_file(folder / DATA, lines)
