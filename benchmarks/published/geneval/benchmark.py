"""GenEval as a published benchmark: its prompts, its layout, the detector's results read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.benchmarks.loader import BenchmarkLoader
from rr_refine.benchmarks.published.benchmark import check_choice
from rr_refine.benchmarks.published.files import has_contents, write_file
from rr_refine.benchmarks.published.geneval.files import (
    GenEvalRequest,
    find_file,
    read_requests,
    read_verdicts,
    summarise,
)
from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError
from rr_refine.pictures import load_picture
from rr_refine.statistics import SHARE

__all__ = ["SUITES", "GenEval", "GenEvalLoader"]

SUITES: Final[tuple[str, ...]] = ("geneval",)
_SEED: Final = 42
"""The official script's default, for every prompt alike."""


@dataclass(frozen=True, kw_only=True)
class GenEvalLoader(BenchmarkLoader):
    """Make GenEval's pictures with several arms.

    Here pictures are made and laid out; a detector in GenEval's own repository judges them.

    Attributes:
        data: evaluation_metadata.jsonl or its folder.
        samples: Pictures of each prompt; the official protocol has 4.
    """

    data: Path
    samples: int = 4

    def load(
        self, *, limit: int | None = None, cache: Path | None = None, sources: bool = True
    ) -> GenEval:
        """See `BenchmarkLoader.load`."""
        del cache, sources  # there are no source pictures
        check_choice("geneval", SUITES[0], SUITES, samples=self.samples, limit=limit)
        file = find_file(self.data)
        requests = read_requests(file)[:limit]
        return GenEval(
            name="geneval",
            items=tuple(
                _item(request, sample) for request in requests for sample in range(self.samples)
            ),
            dimensions=tuple(dict.fromkeys(request.tag for request in requests)),
            files={file.name: file_digest(file)},
            scale=SHARE,
            worse_by=1 / 30,
            requests=requests,
            samples=self.samples,
        )


@dataclass(kw_only=True)
class GenEval(Benchmark):
    """The benchmark: pictures are made for a detector, which judges them elsewhere."""

    requests: Sequence[GenEvalRequest]
    """No index twice."""
    samples: int
    """Pictures of each."""

    def picture(self, item: Item) -> str:
        """`00042/samples/0001.png`"""
        request, sample = item.id.split("_")
        return f"{request}/samples/{sample}.png"

    def worst(self, item: Item) -> Mark:
        """Not correct."""
        return _mark(item, correct=False)

    def lay_out(self, folder: Path) -> None:
        """Write each prompt's `00042/metadata.jsonl`: its line, byte by byte."""
        for request in self._asked():
            write_file(folder / request.id / "metadata.jsonl", request.line, within=folder)

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score the results of `evaluate_images.py`."""
        verdicts = read_verdicts(file)
        items = {item.id: item for item in self.items}
        marks = {
            item.id: _mark(item, correct=verdict.correct)
            for verdict in verdicts
            if (item := items.get(verdict.id or "")) is not None
        }
        return summarise(verdicts), marks

    def preflight(self, folder: Path) -> list[str]:
        """What is missing or broken; other pictures beside them, which would be counted."""
        lines = []
        for request in self._asked():
            lines += _layout_troubles(folder / request.id, request.line, self.samples)
        for item in self.items:
            name = self.picture(item)
            if not (folder / name).is_file():
                lines.append(f"{name} is missing: the official script does not count it")
                continue
            try:
                load_picture(folder / name)
            except ConfigError as error:
                lines.append(f"{error}: the official script stops at it")
        return lines

    def _asked(self) -> list[GenEvalRequest]:
        """Of the items, which may be fewer by now."""
        asked = {item.group for item in self.items}
        return [request for request in self.requests if request.id in asked]


def _item(request: GenEvalRequest, sample: int) -> Item:
    return Item(
        id=f"{request.id}_{sample:04d}",
        prompt=request.prompt,
        seed=_SEED + sample,
        labels={"tag": request.tag},
        group=request.id,
    )


def _mark(item: Item, *, correct: bool) -> Mark:
    score = float(correct)
    return Mark(exact=correct, score=score, parts={item.labels["tag"]: (score, 1.0)})


def _layout_troubles(folder: Path, line: bytes, samples: int) -> list[str]:
    """What is wrong with a prompt's folder, but for its own pictures."""
    lines, file = [], folder / "metadata.jsonl"
    if not file.exists():
        lines.append(f"{folder.name}/metadata.jsonl is missing: the official script stops at it")
    elif not has_contents(file, line):
        lines.append(f"{folder.name}/metadata.jsonl is not this prompt's")
    own = {f"{sample:04d}.png" for sample in range(samples)}
    lines += [
        f"{folder.name}/samples/{path.name} is of no item, but the official script counts it"
        for path in sorted((folder / "samples").glob("*.png"))
        if path.stem.isdecimal() and path.name not in own
    ]
    return lines
