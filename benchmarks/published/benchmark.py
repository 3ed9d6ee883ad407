"""What the published benchmarks have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import JsonValue

from rr_refine.benchmarks.item import Benchmark, Item
from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.files import picture_trouble
from rr_refine.benchmarks.sources import load_source
from rr_refine.errors import ConfigError, StoreError
from rr_refine.statistics import SHARE, Range

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PublishedBenchmark", "Wording", "check_choice", "number_at", "official_wording"]

SuiteT = TypeVar("SuiteT", bound=str)
_MOST_SAMPLES: Final = 10_000
"""Pictures of each prompt; all are listed before the first is made."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a judge's question."""

    text: str
    """With the places that its benchmark fills."""
    system: str = ""
    source: str = "ours"
    """See `AsksJudge.wording`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the file that they are from, by its name."""


def official_wording(
    file: Path, sha256: str, texts: Collection[str], hint: str, system: str = ""
) -> Wording:
    """The words of an official file.

    Args:
        texts: what was found in it where one is expected.
        hint: which file to give.

    Raises:
        ConfigError: it has none, or several.
    """
    if len(texts) != 1:
        raise ConfigError(
            f"{str(file)!r} has {len(texts) or 'no'} text that could be the judge's question: "
            f"{hint}"
        )
    (text,) = texts
    return Wording(text, system, f"official {sha256[:12]}", {file.name: sha256})


@dataclass
class PublishedBenchmark(Benchmark):
    """One whose official layout is a folder of PNG files, and whose pictures a judge grades.

    A subclass adds what `AsksJudge`, `OfficialScore` and `ScoresFiles` ask for.
    """

    wording: str = "ours"
    """See `AsksJudge`."""
    scale: Range | None = SHARE
    worse_by: float = 1 / 30

    def picture(self, item: Item) -> str:
        """`<id>.png`, in a flat folder."""
        return f"{item.id}.png"

    def lay_out(self, folder: Path) -> None:
        """Nothing: pictures are all that the official folder holds."""

    def preflight(self, folder: Path) -> list[str]:
        """Every picture that is missing, cannot be opened, or is no PNG."""
        found = (picture_trouble(folder, self.picture(item)) for item in self.items)
        return [trouble for trouble in found if trouble]

    def answered(self, judged: Mapping[str, Answers | None]) -> Iterator[tuple[Item, Answers]]:
        """The items that have answers, in their order, and these."""
        for item in self.items:
            if (answers := judged.get(item.id)) is not None:
                yield item, answers

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:  # noqa: ARG002
        """None: there is no other reading of the answers."""
        return {}

    def original(self, item: Item) -> Image.Image:
        """The picture to edit, scaled down to `SOURCE_PIXELS` where it is larger: the generator is
        given no more, and many are judged at once.

        Raises:
            StoreError: it cannot be read.
        """
        assert item.source is not None
        try:
            return load_source(item.source)
        except ConfigError as error:
            raise StoreError(str(error)) from error


def number_at(found: JsonValue | Mapping[str, JsonValue], *path: str) -> float | None:
    """The number at the end of a path of keys; None where there is none."""
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def check_choice(
    name: str, suite: str, suites: Sequence[SuiteT], *, limit: int | None, samples: int = 1
) -> SuiteT:
    """The suite of this name.

    Raises:
        ConfigError: there is no such suite, or a number is out of range.
    """
    chosen = next((own for own in suites if own == suite), None)
    if chosen is None:
        raise ConfigError(f"{name} has no suite {suite!r}; it has {', '.join(suites)}")
    for what, value in (("samples", samples), ("limit", limit)):
        if value is not None and value < 1:
            raise ConfigError(f"{what} = {value}: give at least 1")
    if samples > _MOST_SAMPLES:
        raise ConfigError(f"samples = {samples}: give at most {_MOST_SAMPLES:,}")
    return chosen
