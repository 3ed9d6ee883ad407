"""Recorded runs as training data.

OUT/rewrites.jsonl        request, the best prompt for it (TRL: conversational prompt-completion)
OUT/rewrite-pairs.jsonl   request, better and worse prompt (TRL: conversational preference)
OUT/pairs.jsonl           two pictures, which is better (`rr-refine parrot ingest recorded`)
OUT/prompts.jsonl         requests (`rr-refine train nft --data`)
OUT/pictures/ab/….png     the pictures that they name
OUT/export.json           what was read, kept and left out, and why
OUT/README.md             the dataset card: what it is made of, and what to know before using it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from rr_refine.agent.export_rows import (
    UNKNOWN,
    ChoicePair,
    PairRow,
    RequestRow,
    RewritePairRow,
    RewriteRow,
    Row,
    Turn,
    choices,
    name_of,
)
from rr_refine.agent.manifest import versions
from rr_refine.agent.run import Run
from rr_refine.agent.store.folder import stored_image
from rr_refine.digest import digest
from rr_refine.errors import ConfigError, StoreError
from rr_refine.lines import write_lines
from rr_refine.plain_text import markdown_line
from rr_refine.reward.preferences.pair import PictureStore
from rr_refine.terms import Record

__all__ = ["Export", "FileCount", "RunsExport"]

ChosenT = TypeVar("ChosenT", PairRow, RewritePairRow)
_FAKES: Final = {
    "critic": "were judged by the stand-in `fake`, which looks at no picture: the rewards and the "
    "critic's choices mean nothing.",
    "generator": "were drawn by the stand-in `fake`: their pictures show nothing of the prompt.",
}
"""What is said of runs with one."""
_WHOLE: Final = 2**62
"""Pixels: pictures stay as they are."""


class FileCount(Record):
    """What became of what there was for one file."""

    rows: int
    left_out: dict[str, int]
    """By reason."""


class RunsExport(Record):
    """What export.json holds."""

    date: str
    version: str
    runs: int
    """That were read."""
    unreadable: tuple[str, ...]
    """Why others were not."""
    benchmarks: dict[str, int]
    """Runs of benchmarks, by their names."""
    licence: str
    notes: tuple[str, ...]
    """What to know before anything is trained on it or published, in sentences."""
    files: dict[str, FileCount]


class Export:
    """Takes in runs, one after another, and writes what they teach.

    Of rows that say the same, one is kept: a request comes once, for each generator and critic with
    the prompt of the highest reward, and two pictures come once. A person's choice counts before a
    critic's; two that contradict each other are both left out.

    Args:
        out: where to; a folder that is there.
        licence: that of the pictures and words, as its user says it.
        least: least reward of a best prompt, 0 to 1.
    """

    def __init__(self, out: Path, *, licence: str = UNKNOWN, least: float = 0.0) -> None:
        if not 0 <= least <= 1:
            raise ConfigError(f"least reward {least:g} is none of 0 to 1")
        if not licence.strip() or licence.encode(errors="ignore").decode() != licence:
            raise ConfigError(
                f"the licence {licence!r} is blank or no text: say which it is, or leave it out"
            )
        self._out, self._licence, self._least = out, licence, least
        self._pictures = PictureStore(out / "pictures", max_pixels=_WHOLE)
        self._prompts: dict[tuple[str, str | None], RequestRow] = {}
        self._rewrites: dict[tuple[str | None, ...], RewriteRow] = {}
        self._pairs = _Chosen[PairRow]()
        self._written = _Chosen[RewritePairRow]()
        self._lost: dict[str, Counter[str]] = {
            name: Counter() for name in ("rewrites", "rewrite-pairs", "pairs", "prompts")
        }
        self._benchmarks: Counter[str] = Counter()
        self._fakes: Counter[str] = Counter()
        """Runs with a stand-in for the generator or the critic."""
        self.runs = 0

    def add(self, run: Run, name: str | None = None, benchmark: str | None = None) -> None:
        """Take in a run.

        Args:
            name: what rows call it; its id by default.
            benchmark: the one that it belongs to, if any.

        Raises:
            ConfigError: its name, a prompt or a model's name is no text: nothing of it is taken in.
            StoreError: a picture cannot be written.
        """
        origin = Row(
            run=name or run.id,
            task=run.request.task,
            generator=name_of(run.config.get("generator")),
            critic=name_of(run.config.get("critic")),
            benchmark=benchmark,
            licence=self._licence,
        )
        try:
            for record in (origin, run.request, *run.revisions):
                record.model_dump_json()
            "".join(candidate.prompt for candidate in run.candidates).encode()
        except ValueError as error:  # half a character, or what stands for a byte of a file's name
            raise ConfigError(
                f"run {str(run.path)!r} cannot be exported: its name, a prompt of it, or the name "
                "of one of its models is no UTF-8 text"
            ) from error
        self.runs += 1
        if benchmark is not None:
            self._benchmarks[benchmark] += 1
        self._fakes.update(
            part for part in _FAKES if getattr(origin, part).partition(" ")[0] == "fake"
        )
        if len(run.request.sources) > 1:
            for lost in self._lost.values():
                lost["several pictures to edit"] += 1
            return
        try:
            source = self._put(run, run.request.source)
        except ConfigError:
            for lost in self._lost.values():
                lost["broken picture"] += 1
            return
        self._add_prompt(run, origin, source)
        self._add_best(run, origin, source)
        for pair in choices(run):
            self._add_pair(run, origin, source, pair)

    def write(self, unreadable: Iterable[str] = ()) -> RunsExport:
        """Write all files; each as a whole or not at all.

        Args:
            unreadable: why some runs were not taken in.

        Raises:
            StoreError: one cannot be written.
        """
        files: Mapping[str, list[Row]] = {
            "rewrites": [*self._rewrites.values()],
            "rewrite-pairs": [*self._written],
            "pairs": [*self._pairs],
            "prompts": [*self._prompts.values()],
        }
        self._lost["pairs"] += self._pairs.lost
        self._lost["rewrite-pairs"] += self._written.lost
        counts = {}
        for name, rows in files.items():
            write_lines(self._out / f"{name}.jsonl", (row.model_dump_json() for row in rows))
            lost = {why: count for why, count in sorted(self._lost[name].items()) if count}
            counts[name] = FileCount(rows=len(rows), left_out=lost)
        report = RunsExport(
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            version=str(versions().get("rr-refine")),
            runs=self.runs,
            unreadable=tuple(why.encode(errors="backslashreplace").decode() for why in unreadable),
            benchmarks=dict(self._benchmarks),
            licence=self._licence,
            notes=tuple(self._notes()),
            files=counts,
        )
        write_lines(self._out / "export.json", [report.model_dump_json(indent=1)])
        write_lines(self._out / "README.md", _card(report))
        return report

    def _notes(self) -> Iterator[str]:
        for part, count in self._fakes.items():
            yield f"{count} of {self.runs} runs {_FAKES[part]}"
        for name, count in self._benchmarks.items():
            yield (
                f"{count} runs are of the benchmark {name!r}: do not train on what you report on."
            )
        if self._licence == UNKNOWN:
            yield "Nothing says under which licence words and pictures are; give --licence."

    def _add_prompt(self, run: Run, origin: Row, source: str | None) -> None:
        request = run.request
        key = (request.prompt, request.source)
        row = RequestRow(**dict(origin), prompt=request.prompt, source=source, kind=request.task)
        if key in self._prompts:
            self._lost["prompts"]["duplicate"] += 1
        else:
            self._prompts[key] = row

    def _add_best(self, run: Run, origin: Row, source: str | None) -> None:
        best, lost = run.best, self._lost["rewrites"]
        if best is None or best.reward is None:
            lost["not judged"] += 1
            return
        if best.open_points:
            lost["not all of it judged, or measurably missed"] += 1
            return
        if best.reward < self._least:
            lost["reward too low"] += 1
            return
        asked = run.request_at(best.revision)
        key = (asked.prompt, asked.source, origin.generator, origin.critic)
        known, rival = self._rewrites.get(key), run.rival
        lost["duplicate"] += known is not None
        if known is None or known.reward < best.reward:
            self._rewrites[key] = RewriteRow(
                **_of(origin, best.id),
                prompt=_said("user", asked.prompt),
                completion=_said("assistant", best.prompt),
                source=source,
                written_by=best.origin,
                reward=best.reward,
                first_reward=rival and rival.reward,
            )

    def _add_pair(self, run: Run, origin: Row, source: str | None, pair: ChoicePair) -> None:
        first, second = pair.first, pair.second
        if pair.preferred in (None, "tie"):
            why = "tie" if pair.preferred else "not all of it judged, or measurably missed"
            self._lost["pairs"][why] += 1
            return
        person = pair.person is not None
        try:
            pictures = [str(self._put(run, one.image)) for one in (first, second)]
        except ConfigError:
            self._lost["pairs"]["broken picture"] += 1
            return
        names = sorted([str(first.image), str(second.image)])
        key = digest({"of": [pair.instruction, run.request.source, *names]})
        where = _of(origin, first.id, second.id)
        row = PairRow(
            **where,
            id=key,
            instruction=pair.instruction,
            source=source,
            first=pictures[0],
            second=pictures[1],
            preferred=pair.preferred,
            chosen_by="person" if person else "critic",
            critic_prefers=pair.critic,
            margin=pair.margin,
            preferred_by=None if person else pair.by,
            prompts=(first.prompt, second.prompt),
            seeds=(first.seed, second.seed),
        )
        self._pairs.add(key, row, row.first if row.preferred == "first" else row.second)
        if first.prompt == second.prompt:
            self._lost["rewrite-pairs"]["same prompt"] += 1
            return
        better, worse = (first, second) if pair.preferred == "first" else (second, first)
        prompts = sorted([first.prompt, second.prompt])
        written = RewritePairRow(
            **where,
            prompt=_said("user", pair.instruction),
            chosen=_said("assistant", better.prompt),
            rejected=_said("assistant", worse.prompt),
            source=source,
            chosen_by=row.chosen_by,
        )
        asked = [pair.instruction, run.request.source, origin.generator]
        key = digest({"of": [*asked, *prompts]})
        self._written.add(key, written, better.prompt)

    def _put(self, run: Run, image: str | None) -> str | None:
        """The path of a picture, which is there then."""
        if image is None:
            return None
        try:
            loaded = stored_image(run.path, image)
        except StoreError as error:
            raise ConfigError(str(error)) from error
        return str(self._pictures.path(self._pictures.put(loaded)).relative_to(self._out))


def _card(report: RunsExport) -> Iterator[str]:
    """The dataset card."""
    yield "# Training data from recorded runs\n"
    yield f"Made by rr-refine {report.version} on {report.date} from {report.runs} runs."
    yield f"Licence of words and pictures: {markdown_line(report.licence)}.\n"
    for note in report.notes:
        yield f"- **Note:** {markdown_line(note)}"
    yield from ("", "| file | rows |", "|---|---|")
    for name, kept in report.files.items():
        yield f"| {name}.jsonl | {kept.rows} |"


class _Chosen(Generic[ChosenT]):
    """Choices, each once."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[ChosenT, str | None]] = {}
        """By what is chosen between: the row, and what won; None where choices contradict."""
        self.lost: Counter[str] = Counter()

    def __iter__(self) -> Iterator[ChosenT]:
        return (row for row, won in self._rows.values() if won is not None)

    def add(self, key: str, row: ChosenT, won: str) -> None:
        """Take in a choice.

        Args:
            key: what is chosen between, in any order.
            won: what was chosen.
        """
        known = self._rows.get(key)
        if known is None:
            self._rows[key] = row, won
            return
        before, winner = known
        if before.chosen_by != row.chosen_by:
            self.lost["the critic's, where a person chose"] += 1
            if row.chosen_by == "person":
                self._rows[key] = row, won
        elif winner == won:
            self.lost["duplicate"] += 1
        else:
            self.lost["contradiction"] += 1 if winner is None else 2
            self._rows[key] = before, None


def _said(role: Literal["user", "assistant"], text: str) -> tuple[Turn, ...]:
    return (Turn(role=role, content=text),)


def _of(origin: Row, *candidates: str) -> dict[str, Any]:
    return {**dict(origin), "candidates": candidates}
