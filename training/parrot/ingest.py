"""Ingestion: raw pairs become preference pairs, in random order.

Pairs that teach nothing are dropped, and those that an evaluation will ask about.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from pydantic import BaseModel

from rr_refine.boundary import raised_as
from rr_refine.digest import digest
from rr_refine.errors import ConfigError
from rr_refine.named import picture_of_data, read_named
from rr_refine.plain_text import quoted
from rr_refine.reward.preferences.pair import (
    Label,
    Order,
    Picture,
    PreferencePair,
    exchange,
    open_picture,
    pair_id,
)
from rr_refine.reward.preferences.sources import Preferred, RawPair
from rr_refine.terms import Record
from rr_refine.training.parrot.folder import ParrotFolder, opened, read_records

__all__ = ["EvaluationSet", "IngestCount", "Reread", "ingest"]

T = TypeVar("T")
_Name: TypeAlias = tuple[str, str]
"""Of a data set, and of its split."""
_Shown: TypeAlias = tuple[str, str | None, frozenset[str]]
"""A request, its source, and two pictures."""

_LABELS: Final[dict[Preferred, Label]] = {"first": "A", "second": "B", "tie": "tie"}
_CLOSE: Final = 6
"""Bits of 64 by which two files of one picture may differ after scaling and JPEG."""


class IngestCount(Record):
    """What became of the rows of one source."""

    dataset: str
    split: str
    read: int
    kept: int
    dropped: dict[str, int]
    """Reason -> rows: `tie`, `margin`, `no margin`, `duplicate`, `evaluation set`, `no
    instruction`, `broken picture`, `same picture`, `contradiction` (the same pictures were
    preferred the other way round), `not drawn`."""
    broken: str | None = None
    """Why the first broken picture is one."""


class _Excluded(BaseModel):
    instruction: str
    source: str | None = None


class EvaluationSet:
    """Requests that must not be trained on.

    A text-to-image request is in it by its words, whatever was rendered for it; an edit by its
    words and a source that looks the same. Case, punctuation and spacing make no difference.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[int | None]] = defaultdict(list)

    def add(self, instruction: str, source: Picture | None = None) -> None:
        """Add a request, with the picture that it edits.

        Raises:
            ConfigError: it is missing, or no picture.
        """
        self._known[_plain(instruction)].append(None if source is None else _look(source))

    def holds(self, instruction: str, source: Picture | None = None) -> bool:
        """Whether a request is in it; errors as for `add`."""
        known = self._known.get(_plain(instruction))
        if not known:
            return False
        if source is None:
            return None in known
        look = _look(source)
        return any(other is not None and (look ^ other).bit_count() <= _CLOSE for other in known)

    @classmethod
    def read(cls, files: Iterable[Path]) -> EvaluationSet:
        """Read files of JSON lines: `{"instruction": "…", "source": "path of a picture, or null"}`.

        Paths are relative to the file.

        Raises:
            ConfigError: a file or a picture cannot be read.
        """
        result = cls()
        for file in files:
            with raised_as(ConfigError, f"{str(file)!r} is no evaluation set", OSError, ValueError):
                lines = read_named(file).decode().splitlines()
                rows = [_Excluded.model_validate_json(line) for line in lines if line.strip()]
            for row in rows:
                source = picture_of_data(file.parent, row.source) if row.source else None
                result.add(row.instruction, source)
        return result


@dataclass(frozen=True, slots=True)
class Reread:
    """Rows that may be gone through any number of times: `read` begins anew."""

    read: Callable[[], Iterator[RawPair]]

    def __iter__(self) -> Iterator[RawPair]:
        return self.read()


def ingest(
    folder: ParrotFolder,
    rows: Iterable[RawPair],
    *,
    margin: float = 0.0,
    evaluation: EvaluationSet | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 4,
) -> list[IngestCount]:
    """Add `rows` to the folder's pairs. Rows that are there already are left alone, so that an
    interrupted ingestion can be started again.

    Which picture becomes Image A is decided by the pair's id: as good as chance, and the same in
    every run. Many files put the winner first; without this the label would be a constant.

    Args:
        folder: where to.
        rows: of one source or more.
        margin: the least that is kept. Pairs of unknown margin are kept if it is 0, as 0.
        evaluation: what must not be trained on.
        limit: pairs of these rows at most, drawn at random. The same draw again adds nothing, and a
            greater limit adds to it. The rows are gone through twice or more then, so they must be
            no iterator.
        seed: of the draw.
        workers: threads that decode and write pictures.

    Returns:
        What became of the rows, by data set and split.

    Raises:
        ConfigError: a source cannot be read, or none of its pictures can.
        StoreLockedError: another process is adding pairs.
        StoreError: the folder cannot be read or written.
    """
    counts: dict[_Name, Counter[str]] = defaultdict(Counter)
    broken: dict[_Name, str] = {}
    order = None if limit is None else _drawn(rows, margin, seed)
    with opened(folder.path / "pairs.jsonl") as file, ThreadPoolExecutor(workers) as threads:
        contradicted = ParrotFolder(folder.path).contradicted  # read anew
        stored = _Stored(read_records(folder.path / "pairs.jsonl", PreferencePair), contradicted)
        started: set[str] = set()

        def submitted(
            wanted: Collection[str] | None, *, first: bool
        ) -> Iterator[tuple[RawPair, Future[PreferencePair | str] | str]]:
            for raw in rows:
                id = pair_id(raw.dataset, raw.key)
                if reason := _unfit(raw, margin):
                    if first:
                        yield raw, reason
                elif wanted is None or id in wanted:
                    if id in stored.ids or id in started:
                        yield raw, "duplicate"
                    else:
                        started.add(id)
                        yield raw, threads.submit(_pair, folder, raw, evaluation or EvaluationSet())

        def add(wanted: Collection[str] | None, *, first: bool) -> None:
            for raw, work in _ahead(submitted(wanted, first=first), 4 * workers):
                name = raw.dataset, raw.split
                pair = work if isinstance(work, str) else work.result()
                if isinstance(pair, PreferencePair) and stored.contradicts(pair):
                    folder.contradict(stored.contradicted(pair))
                    pair = "contradiction"
                if isinstance(pair, PreferencePair):
                    file.append(pair.model_dump_json().encode(), sync=False)
                    stored.add(pair)
                    counts[name]["kept"] += 1
                else:
                    reason, _, why = pair.partition(": ")
                    counts[name][reason] += 1
                    if why:
                        broken.setdefault(name, why)

        if order is None or limit is None:
            add(None, first=True)
        else:
            taken = there = 0
            while not taken or (there < limit and taken < len(order)):
                wanted = {id for id, _ in order[taken : taken + limit - there]}
                add(wanted, first=not taken)
                taken += max(1, limit - there)
                there = sum(id in stored.ids for id, _ in order[:taken])
            for _, name in order[taken:]:
                counts[name]["not drawn"] += 1
    ingested = [
        IngestCount(
            dataset=name[0],
            split=name[1],
            read=count.total(),
            kept=count.pop("kept", 0),
            dropped=dict(count),
            broken=broken.get(name),
        )
        for name, count in counts.items()
    ]
    for found in ingested:
        if found.broken and found.dropped["broken picture"] == found.read:
            raise ConfigError(f"no picture of {quoted(found.dataset)} can be read; {found.broken}")
    with opened(folder.path / "ingest.jsonl") as log:
        for found in ingested:
            log.append(found.model_dump_json().encode(), sync=False)
    return ingested


class _Stored:
    """The pairs of a folder, by id and by what they show."""

    def __init__(self, pairs: Iterable[PreferencePair], contradicted: Collection[str]) -> None:
        self.ids: set[str] = set()
        self._alike: dict[_Shown, tuple[str | None, list[str]]] = {}
        """The picture that wins, None where pairs contradict each other; and the ids that teach."""
        for pair in pairs:
            self.add(pair)
            if pair.id in contradicted:
                self.contradicted(pair)

    def add(self, pair: PreferencePair) -> None:
        """Remember a pair."""
        self.ids.add(pair.id)
        _, ids = self._alike.setdefault(self._shown(pair), (self._winner(pair), []))
        ids.append(pair.id)

    def contradicts(self, pair: PreferencePair) -> bool:
        """Whether the other one was preferred for the same pictures and request, ever."""
        winner, _ = self._alike.get(self._shown(pair), (self._winner(pair), []))
        return winner != self._winner(pair)

    def contradicted(self, pair: PreferencePair) -> list[str]:
        """The ids of pairs with the same pictures and request, which teach nothing from now on."""
        _, ids = self._alike[self._shown(pair)]
        self._alike[self._shown(pair)] = None, []
        return ids

    @staticmethod
    def _shown(pair: PreferencePair) -> _Shown:
        return _plain(pair.instruction), pair.source, frozenset((pair.image_a, pair.image_b))

    @staticmethod
    def _winner(pair: PreferencePair) -> str:
        return pair.image_a if pair.label == "A" else pair.image_b


def _drawn(rows: Iterable[RawPair], margin: float, seed: int) -> list[tuple[str, _Name]]:
    """The ids of all rows whose text is fit, in random order, each with its data set and split."""
    if iter(rows) is rows:
        raise ValueError("rows that a limit is drawn from are gone through more than once")
    fit = {
        pair_id(raw.dataset, raw.key): (raw.dataset, raw.split)
        for raw in rows
        if _unfit(raw, margin) is None
    }
    return sorted(fit.items(), key=lambda found: digest({"seed": seed, "id": found[0]}))


def _unfit(raw: RawPair, margin: float) -> str | None:
    """Why a row is dropped, as far as its text tells; None if it is not."""
    if raw.preferred == "tie":
        return "tie"
    if raw.margin is None and margin > 0:
        return "no margin"
    if (raw.margin or 0.0) < margin:
        return "margin"
    return None if raw.instruction.strip() else "no instruction"


def _pair(folder: ParrotFolder, raw: RawPair, evaluation: EvaluationSet) -> PreferencePair | str:
    """The pair, its pictures stored, or why it is dropped."""
    try:
        if evaluation.holds(raw.instruction, raw.source):
            return "evaluation set"
        first, second = folder.pictures.put(raw.first), folder.pictures.put(raw.second)
        source = None if raw.source is None else folder.pictures.put(raw.source)
    except ConfigError as error:
        return f"broken picture: {error}"
    if first == second:
        return "same picture"
    id = pair_id(raw.dataset, raw.key)
    swapped = int(id, 16) % 2 == 1
    order: Order = "BA" if swapped else "AB"
    a, b = (second, first) if swapped else (first, second)
    models = (raw.first_model, raw.second_model)
    return PreferencePair(
        id=id,
        dataset=raw.dataset,
        split=raw.split,
        task=raw.task,
        instruction=raw.instruction,
        source=source,
        image_a=a,
        image_b=b,
        label=exchange(_LABELS[raw.preferred], order),
        margin=raw.margin or 0.0,
        dim_labels=None
        if raw.preferred_by is None
        else {d: exchange(_LABELS[c], order) for d, c in raw.preferred_by.items()},
        model_a=models[1] if swapped else models[0],
        model_b=models[0] if swapped else models[1],
        swapped=swapped,
        licence=raw.licence,
    )


def _ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """The same items, drawn up to `count` ahead of their use."""
    window = deque(islice(items, count))
    while window:
        yield window.popleft()
        window.extend(islice(items, 1))


def _plain(text: str) -> str:
    """Letters and digits, in one case, with single spaces between words."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def _look(picture: Picture) -> int:
    """A difference hash of 64 bits: is each of 8 x 8 cells brighter than its right neighbour?"""
    grey = open_picture(picture).convert("L").resize((9, 8)).tobytes()
    result = 0
    for row in range(8):
        for left, right in zip(grey[9 * row : 9 * row + 8], grey[9 * row + 1 :], strict=False):
            result = 2 * result + (left > right)
    return result
