"""A PARROT folder: pairs, pictures and raw answers of one data production.

    pairs.jsonl            one `PreferencePair` a line, appended; its order is the manifest
    images/ab/ab12….png    see `PictureStore`
    ingest.jsonl           one `IngestCount` a line: what was read, kept and dropped, and why
    contradicted.txt       ids of pairs whose pictures were preferred the other way round, too
    answers/00000.jsonl    what the teacher answered about the first 512 pairs; see `Answers`
    run.json               who taught last, and by which options: see `RunRecord`
    teachers/ab12….json    everybody who ever taught, by the fingerprint that answers name
    sft/parrot.jsonl       training rows, derived; with `sft/direct.jsonl` for the ablation
    report.json            derived

What is derived is written anew by every export; the rest is only ever added to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import locked, make_inside
from rr_refine.lines import LineFile, read_lines
from rr_refine.reward.preferences.pair import MAX_PIXELS, PictureStore, PreferencePair
from rr_refine.terms import Record

__all__ = ["SHARD", "ParrotFolder", "opened", "read_records"]

RecordT = TypeVar("RecordT", bound=Record)

SHARD: Final = 512
"""Pairs per file of answers: few enough to be held in memory, enough to keep a server busy."""


class ParrotFolder:
    """The files of one folder.

    Args:
        path: created when something is written.
        max_pixels: see `PictureStore`.
    """

    def __init__(self, path: Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self.path = path
        self.pictures = PictureStore(path / "images", max_pixels=max_pixels)

    @cached_property
    def pairs(self) -> Sequence[PreferencePair]:
        """All pairs, in the order of the manifest; read once.

        Raises:
            StoreError: the file cannot be read.
        """
        return read_records(self.path / "pairs.jsonl", PreferencePair)

    @cached_property
    def contradicted(self) -> frozenset[str]:
        """Ids of pairs that teach nothing, because the data also says the opposite; read once."""
        path = self.path / "contradicted.txt"
        with raised_as(StoreError, f"{path} cannot be read", OSError, ValueError):
            return frozenset(line.decode() for line in read_lines(path, within=self.path))

    def contradict(self, ids: Iterable[str]) -> None:
        """Take pairs out of the training.

        Raises:
            StoreError: the file cannot be written.
        """
        with opened(self.path / "contradicted.txt", within=self.path) as file:
            for id in ids:
                file.append(id.encode(), sync=False)

    @property
    def shards(self) -> range:
        """Numbers of the manifest's shards."""
        return range(-(-len(self.pairs) // SHARD))

    def shard(self, number: int) -> Sequence[PreferencePair]:
        """The pairs of one shard."""
        return self.pairs[number * SHARD : (number + 1) * SHARD]

    def answers(self, number: int) -> Path:
        """The file of one shard's answers."""
        return self.path / "answers" / f"{number:05}.jsonl"

    def require_pairs(self) -> None:
        """Refuse a folder without pairs.

        Raises:
            ConfigError: there are none; says what to do.
        """
        if not self.pairs:
            raise ConfigError(
                f"{str(self.path)!r} holds no pairs; put some in with rr-refine parrot ingest"
            )


def read_records(path: Path, kind: type[RecordT], *, within: Path | None = None) -> list[RecordT]:
    """The whole lines of a file; none if there is no file.

    Args:
        within: see `rr_refine.files`; so for the others here.

    Raises:
        StoreError: it cannot be read, or a line other than a torn last one is broken.
    """
    result = []
    try:
        for line in read_lines(path, within=within):
            result.append(kind.model_validate_json(line))
    except (OSError, ValidationError) as error:
        raise StoreError(f"line {len(result) + 1} of {path} cannot be read: {error}") from error
    return result


@contextmanager
def opened(path: Path, *, within: Path | None = None) -> Iterator[LineFile]:
    """A file open for adding lines, by one process at a time.

    Raises:
        StoreLockedError: another process has it.
        StoreError: it cannot be opened.
    """
    with raised_as(StoreError, f"cannot write {path}"):
        make_inside(path.parent, within=within or path.parent)
        with locked(path, path.with_name(f"{path.name}.lock")):
            file = LineFile(path, within=within)
            try:
                yield file
                file.sync()
            finally:
                file.close()
