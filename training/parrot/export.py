"""Export: kept samples become training rows with the student's own prompt, and a report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from rr_refine.lines import write_lines
from rr_refine.reward.template import BUILTIN, Template, load_template
from rr_refine.training.parrot.answers import Answers, Asked
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.folder import ParrotFolder, read_records
from rr_refine.training.parrot.ingest import IngestCount
from rr_refine.training.parrot.pair_state import PairState
from rr_refine.training.parrot.pipeline import read_run
from rr_refine.training.parrot.report import ExportReport, ReportBuilder
from rr_refine.training.parrot.rows import RowKind, SftRow, sft_row

__all__ = ["export"]


def export(
    folder: ParrotFolder,
    *,
    options: ParrotOptions | None = None,
    template: str = BUILTIN,
    template_store: Path | None = None,
) -> ExportReport:
    """Write `sft/parrot.jsonl`, `sft/direct.jsonl` if there are direct answers, and `report.json`.

    Needs no teacher. The direct rows are as many as the others of each data set and kind, or all
    there are, drawn by id.

    Args:
        folder: after a run.
        options: how to filter what is there, by default as the run did.
        template: the student's prompt: as for a critic: `builtin`, a name, or a stored one.
        template_store: the folder of stored templates.

    Raises:
        ConfigError: nothing was run yet, or there is no such template.
        StoreError: the folder cannot be read or written.
    """
    exporter = _Exporter(folder, options, load_template(template, template_store))
    write_lines(folder.path / "sft" / "parrot.jsonl", exporter.parrot(), within=folder.path)
    write_lines(folder.path / "sft" / "direct.jsonl", exporter.direct(), within=folder.path)
    report = exporter.report()
    write_lines(folder.path / "report.json", [report.model_dump_json(indent=2)])
    return report


class _Exporter:
    """Two passes over the answers: the second knows how many rows the first made."""

    def __init__(
        self, folder: ParrotFolder, options: ParrotOptions | None, template: Template
    ) -> None:
        folder.require_pairs()
        self._folder = folder
        self._run = read_run(folder)
        self._options = options or self._run.options
        self._template = template
        self._reporter = ReportBuilder(self._options.variant)
        self._quota: Counter[tuple[str, RowKind]] = Counter()
        self._candidates: dict[tuple[str, RowKind], list[str]] = defaultdict(list)
        self._rows: Counter[str] = Counter()
        self._answering: set[Asked] = set()
        self._lost: set[str] = set()
        """Rows without their pictures."""

    def parrot(self) -> Iterator[str]:
        """Lines of what was kept."""
        for state in self._states():
            self._reporter.add(state)
            for direct in state.direct:
                if direct.readable:
                    kind: RowKind = "pointwise" if direct.side else "pairwise"
                    self._candidates[state.pair.dataset, kind].append(direct.id)
            for row in self._whole(self._kept(state)):
                self._quota[row.dataset, row.kind] += 1
                self._rows[f"parrot {row.kind}"] += 1
                yield self._line(row)

    def direct(self) -> Iterator[str]:
        """Lines of what was said without the label, as many."""
        chosen = {
            id
            for group, ids in self._candidates.items()
            for id in sorted(ids)[: self._quota[group]]  # ids begin with a hash
        }
        for state in self._states() if chosen else ():
            for direct in state.direct:
                if direct.id in chosen:
                    text = direct.answer.text
                    made = sft_row(direct.id, state.pair, "AB", direct.side, text, self._template)
                    for row in self._whole([made]):
                        self._rows[f"direct {row.kind}"] += 1
                        yield self._line(row)

    def report(self) -> ExportReport:
        """The numbers of both passes."""
        ingested = read_records(self._folder.path / "ingest.jsonl", IngestCount)
        return self._reporter.report().model_copy(
            update={
                "ingested": tuple(ingested),
                "rows": dict(self._rows),
                "rows_lost": len(self._lost),
            }
        )

    def _states(self) -> Iterator[PairState]:
        for number in self._folder.shards:
            answers = Answers(
                self._folder.answers(number), self._run.fingerprints, answering=self._answering
            )
            for pair in self._folder.shard(number):
                teaches = pair.id not in self._folder.contradicted
                yield PairState(
                    pair, answers.get, self._folder.pictures, self._options, teaches=teaches
                )

    def _kept(self, state: PairState) -> Iterator[SftRow]:
        for kept in state.kept:
            text = kept.answer.text
            yield sft_row(kept.id, state.pair, kept.order, None, text, self._template)
        for projection in state.projections:
            if projection.fault is None:
                order, text = projection.rationale.order, projection.answer.text
                yield sft_row(
                    projection.id, state.pair, order, projection.side, text, self._template
                )

    def _whole(self, rows: Iterable[SftRow]) -> Iterator[SftRow]:
        """Those whose pictures are there."""
        for row in rows:
            if all(self._folder.pictures.path(key).is_file() for key in row.images):
                yield row
            else:
                self._lost.add(row.id)

    def _line(self, row: SftRow) -> str:
        """The row with its pictures as paths."""
        paths = (self._folder.pictures.path(key) for key in row.images)
        names = tuple(path.relative_to(self._folder.path).as_posix() for path in paths)
        return row.model_copy(update={"images": names}).model_dump_json()
