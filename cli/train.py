"""`rr-refine train NAME`: training commands, by entry points of `rr_refine.trainers`.

Imported when `train` is asked for, so that `rr-refine --help` reads no entry points.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from cyclopts import App

from rr_refine.cli.broken import add_broken
from rr_refine.errors import ConfigError, RefineError
from rr_refine.plugins import imported

__all__ = ["train"]

train = App(name="train", help="Train models: the bundled ones, and those of installed packages.")


def _add(entry: EntryPoint) -> None:
    """Add a trainer's command. One that is broken says so when it is called, not before."""
    try:
        command = imported(f"trainer {entry.name!r}", entry.load)
        if not callable(command):
            raise ConfigError(
                f"trainer {entry.name!r}: {entry.value} is no command, but {command!r}"
            )
    except RefineError as error:
        add_broken(train, entry.name, error)
    else:
        train.command(command, name=entry.name)


_found = entry_points(group="rr_refine.trainers")
for _name in sorted(_found.names):
    _add(next(iter(_found.select(name=_name))))
