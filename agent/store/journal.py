"""The journal: one JSON line per finished item, written before anything builds on it.

What is written outlives the process. The end of a round, a decision of the user and the end of the
run are commits: with them all that is written is on disk, and outlives a power cut.

A line that was being written when the process died is cut off by the next one: its item is owed
again. Nothing is ever rewritten.

Rounds are items like others. A resumed run replays the journal from the beginning, and may take
another course where a failure is made good. So each round names the one that it was built on, and
rounds of an earlier course are not taken for rounds of this one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue, ValidationError

from rr_refine.agent.history import Candidate
from rr_refine.agent.revision import Revision
from rr_refine.boundary import raised_as
from rr_refine.digest import digest
from rr_refine.errors import StoreError, StoreFullError
from rr_refine.files import parse_json
from rr_refine.invalid import told_invalid
from rr_refine.lines import MAX_LINE, FullError, LineFile, read_lines
from rr_refine.terms import Record

__all__ = [
    "MAX_JOURNAL",
    "ItemKind",
    "Journal",
    "Round",
    "TooLongError",
    "read_rounds",
    "round_item",
]

MAX_JOURNAL: Final = 2**27
"""Most bytes of a journal, or of the events of a run: they are held in memory."""

ModelT = TypeVar("ModelT", bound=BaseModel)

ItemKind = Literal[
    "notice",
    "refusal",
    "render",
    "critique",
    "evidence",
    "comparison",
    "rewrite",
    "review",
    "round",
    "outcome",
    "fit",
    "revision",
    "charge",
]

_COMMITS: Final[frozenset[ItemKind]] = frozenset({"round", "review", "outcome"})


class TooLongError(StoreError):
    """An item that could be written, but not read again."""


class Journal:
    """An append-only file of items, addressed by kind and key.

    Args:
        path: the file; created when missing.
        writable: False opens for reading: no torn line is mended, nothing can be added.

    Raises:
        StoreError: the file cannot be read, or a line other than the last is broken.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self._items: dict[tuple[str, str], JsonValue] = {}
        self._file: LineFile | None = None
        self._lock = threading.Lock()
        with raised_as(StoreError, f"cannot open {path}"):
            self._read(read_lines(path, limit=MAX_JOURNAL))
            if writable:
                self._file = LineFile(path, limit=MAX_JOURNAL)

    def get(self, kind: ItemKind, key: str) -> JsonValue | None:
        """The finished item, or None if it is still owed."""
        return self._items.get((kind, key))

    def read(self, kind: ItemKind, value: JsonValue, model: type[ModelT]) -> ModelT:
        """What an item, or a part of it, stands for.

        Raises:
            StoreError: it is no such thing.
        """
        try:
            return model.model_validate(value)
        except ValidationError as error:
            told = told_invalid(error)
            raise StoreError(f"{str(self.path)!r} has a {kind} that is none: {told}") from None

    def items(self, kind: ItemKind) -> Iterator[tuple[str, JsonValue]]:
        """All finished items of a kind, as (key, value), in the order they were first written."""
        for (item_kind, key), value in list(self._items.items()):  # others may be put meanwhile
            if item_kind == kind:
                yield key, value

    def put(self, kind: ItemKind, key: str, value: JsonValue) -> None:
        """Write a finished item, from any thread; a commit is on disk on return.

        Raises:
            TooLongError: it is longer than a line may be.
            StoreFullError: with it, the journal would be longer than any that is read.
            StoreError: it could not be written, for instance because the disk is full. The file
                is as it was before.
        """
        if self._file is None:
            raise StoreError(f"{self.path.name} is open for reading only")
        line = json.dumps({"kind": kind, "key": key, "value": value}, allow_nan=False)
        if len(line) > MAX_LINE:
            raise TooLongError(f"a line of {len(line):,} bytes is longer than {MAX_LINE:,}")
        try:
            with self._lock:
                self._file.append(line.encode(), sync=kind in _COMMITS)
        except FullError as error:
            raise StoreFullError(
                f"{self.path}: {error}; what the run has so far is kept, and it cannot go on: "
                "begin a new one"
            ) from error
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error}") from error
        self._items[kind, key] = value

    def close(self) -> None:
        """Close the file; reading stays possible."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, lines: Iterable[bytes]) -> None:
        for number, line in enumerate(lines, start=1):
            try:
                item: Any = parse_json(line)
                self._items[item["kind"], item["key"]] = item["value"]
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"line {number} of {self.path} is no journal item: {error}; "
                    "restore the file or remove that line"
                ) from error


class Round(Record):
    """A finished round."""

    after: str | None
    """Digest of the round before it, as it stands in the journal."""
    incumbent: str | None
    """Id of the best candidate so far."""
    candidates: tuple[Candidate, ...]
    """Those of this round."""
    revisions: tuple[Revision, ...] = Field(default=(), exclude_if=lambda them: not them)
    """All of the request up to now."""
    judged_again: tuple[Candidate, ...] = Field(default=(), exclude_if=lambda them: not them)
    """Candidates of earlier rounds that were judged under a later revision than their first."""


def round_item(
    journal: Journal,
    candidates: Sequence[Candidate],
    incumbent: Candidate | None,
    revisions: tuple[Revision, ...] = (),
) -> tuple[str, dict[str, JsonValue]]:
    """Key and value of the last round's item.

    Args:
        candidates: all so far.
        incumbent: the best of them.
        revisions: of the request, up to now.
    """
    number = candidates[-1].round
    item = Round(
        after=_digest(journal.get("round", f"r{number - 1}")),
        incumbent=None if incumbent is None else incumbent.id,
        candidates=tuple(c for c in candidates if c.round == number),
        revisions=revisions,
        judged_again=tuple(c for c in candidates if c.round < number and c.earlier),
    )
    return f"r{number}", item.model_dump(mode="json")


def read_rounds(journal: Journal) -> tuple[Round, ...]:
    """The finished rounds, in order.

    Raises:
        pydantic.ValidationError: an item is no round.
        StoreError: a round has candidates that cannot be its.
    """
    rounds: list[Round] = []
    known: set[str] = set()
    before: JsonValue = None
    while (item := journal.get("round", f"r{len(rounds)}")) is not None:
        found = Round.model_validate(item)
        if found.after != _digest(before):
            break
        ids = {c.id for c in found.candidates if c.round == len(rounds) and c.index >= 0}
        if not ids or len(ids) < len(found.candidates):
            told = ", ".join(c.id for c in found.candidates)
            raise StoreError(f"round {len(rounds)} of {journal.path} cannot have {told!r:.200}")
        if not {c.id for c in found.judged_again} <= known:
            raise StoreError(
                f"round {len(rounds)} of {journal.path} judges again what is not there"
            )
        known |= ids
        if found.incumbent is not None and found.incumbent not in known:
            raise StoreError(
                f"round {len(rounds)} of {journal.path} has no {found.incumbent!r:.200}"
            )
        rounds.append(found)
        before = item
    return tuple(rounds)


def _digest(item: JsonValue) -> str | None:
    return digest(item) if isinstance(item, dict) else None
