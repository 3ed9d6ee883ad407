"""Results of several runs as one ZIP file, made while it is sent: nothing is kept in memory."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import ZipFile, ZipInfo

from pydantic import JsonValue
from typing_extensions import Buffer

from rr_refine.agent.history import Candidate
from rr_refine.agent.run import Run, open_run
from rr_refine.errors import ConfigError, StoreError
from rr_refine.studio.history import find_run, open_picture, result_file

__all__ = ["LISTING", "MAX_EXPORT", "Exported", "chosen", "zipped"]

MAX_EXPORT: Final = 2**30
"""Bytes of the pictures of one export."""
LISTING: Final = "pictures.json"
"""What is known about the pictures, beside them in the ZIP file."""
_PIECE: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of a run, to be exported."""

    path: Path
    """The run's folder."""
    about: dict[str, JsonValue]
    """How it was made and judged."""


def chosen(out: Path, names: Sequence[str]) -> list[Exported]:
    """What an export of these runs holds. Slow: use a thread.

    Raises:
        LookupError: there is no such run, or it has no picture.
        ConfigError: the pictures are too large together; a run cannot be read, or its picture not
            shown, or nothing is known about it.
    """
    found, size = [], 0
    for name in dict.fromkeys(names):
        path = find_run(out, name)
        try:
            run = open_run(path)
            with open_picture(result_file(path), path) as file:
                size += os.fstat(file.fileno()).st_size
        except LookupError as error:
            raise LookupError(f"run {name!r} has no picture yet") from error
        except StoreError as error:
            raise _left_out(name, str(error)) from error
        if size > MAX_EXPORT:
            raise ConfigError(
                f"these pictures have more than {MAX_EXPORT / 1e6:,.0f} MB together: choose fewer"
            )
        if run.best is None:
            raise _left_out(name, "its record tells nothing of how its picture was made")
        found.append(Exported(path, _about(run, run.best)))
    return found


def _left_out(name: str, why: str) -> ConfigError:
    return ConfigError(f"run {name!r} cannot be exported: {why}; leave it out")


def zipped(pictures: Sequence[Exported]) -> Iterator[bytes]:
    """The bytes of the ZIP file; one that was deleted meanwhile is named in its listing."""
    sink, listing, left_out = _Sink(), list[JsonValue](), list[JsonValue]()
    with ZipFile(sink, "w") as archive:
        for one in pictures:
            try:
                file = open_picture(result_file(one.path), one.path)
            except (LookupError, StoreError) as error:
                left_out.append({"run": one.path.name, "reason": str(error)})
                continue
            with file, archive.open(_entry(f"{one.path.name}.png"), "w") as entry:
                while piece := file.read(_PIECE):
                    entry.write(piece)
                    yield from sink.taken()
            listing.append(one.about)
            yield from sink.taken()
        told: dict[str, JsonValue] = {"pictures": listing, "left_out": left_out}
        text = json.dumps(told, ensure_ascii=False, indent=1).encode("utf-8", "replace")
        archive.writestr(_entry(LISTING), text)
    yield from sink.taken()


def _about(run: Run, best: Candidate) -> dict[str, JsonValue]:
    revision = run.request_at(best.revision)
    return {
        "file": f"{run.path.name}.png",
        "run": run.id,
        "comes_from": run.config.get("lineage") or run.parent,
        "status": run.status,
        "request": revision.model_dump(mode="json"),
        "picture": best.id,
        "prompt": best.prompt,
        "seed": best.seed,
        "scores": None if best.scores is None else {str(k): v for k, v in best.scores.items()},
        "mean": best.mean,
        "open": list(best.open_points),
        "generator": run.config.get("generator"),
        "critic": run.config.get("critic"),
    }


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, time.localtime()[:6])
    entry.external_attr = 0o600 << 16  # as private as the run
    return entry


class _Sink(io.RawIOBase):
    """A file that only goes forward, and is emptied on the way."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Buffer) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> list[bytes]:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces
