"""Several benchmark folders as one: shards, or items that were added later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.agent.policy import Policy
from rr_refine.benchmarks.arms import Arm
from rr_refine.benchmarks.engine import read_trials
from rr_refine.benchmarks.report import moved, write_report
from rr_refine.benchmarks.results import Results, summarise
from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import ConfigError
from rr_refine.files import read_file

__all__ = ["join"]

_SAME: Final = ("benchmark", "renders", "generator", "critic", "judge", "wording", "files")
"""Of the provenance: what must be equal for numbers to be of one thing."""


def join(folders: Sequence[Path], out: Path) -> Results:
    """The results of all trials in `folders`, with a report in `out`.

    Raises:
        ConfigError: a folder holds no finished benchmark, or of other models, judges or arms than
            the first; two of them hold the same item.
        StoreError: a file cannot be read or written.
    """
    if not folders:
        raise ConfigError("give the folders of the benchmarks that are to be one")
    parts = [_read(folder) for folder in folders]
    first = parts[0]
    for folder, part in zip(folders, parts, strict=True):
        for field in _SAME:
            one, other = (getattr(p.provenance, field) for p in (first, part))
            if one != other:
                raise ConfigError(
                    f"{str(folder)!r} has {field} {str(other)!r}, and {str(folders[0])!r} has "
                    f"{str(one)!r}: their numbers are not of one thing"
                )
        if _parameters(part) != _parameters(first):
            raise ConfigError(
                f"{str(folder)!r} was rendered with {_parameters(part)!r}, and "
                f"{str(folders[0])!r} with {_parameters(first)!r}"
            )
        if [(a.arm, a.policy) for a in part.arms] != [(a.arm, a.policy) for a in first.arms]:
            raise ConfigError(f"{str(folder)!r} has other arms than {str(folders[0])!r}")

    def read() -> Iterator[Trial]:
        return chain.from_iterable(moved(read_trials(folder), folder, out) for folder in folders)

    results = summarise(
        read,
        [Arm(arm.arm, Policy.model_validate(arm.policy)) for arm in first.arms],
        first.provenance.model_copy(
            update={
                "seconds": sum(part.provenance.seconds for part in parts),
                "made": dict(sum((Counter(p.provenance.made) for p in parts), Counter())),
            }
        ),
        dimensions=first.dimensions,
        worse_by=first.worse_by,
    )
    write_report(out, results, read)
    return results


def _parameters(results: Results) -> dict[str, JsonValue]:
    settings = results.provenance.settings
    return {key: value for key, value in settings.items() if key.startswith("parameters.")}


def _read(folder: Path) -> Results:
    path = folder / "results.json"
    try:
        return Results.model_validate_json(read_file(path))
    except FileNotFoundError:
        raise ConfigError(f"{str(folder)!r} has no results.json: no finished benchmark") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error}") from error
