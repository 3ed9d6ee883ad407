"""`rr-refine train NAME`: training commands, by entry points of `rr_refine.trainers`.

Imported when `train` is asked for, so that `rr-refine --help` reads no entry points.
"""

from __future__ import annotations

from cyclopts import App

from rr_refine.cli.broken import add_broken
from rr_refine.errors import ConfigError, RefineError
from rr_refine.plugins import available, entry_point, imported

__all__ = ["train"]

train = App(name="train", help="Train models: the bundled ones, and those of installed packages.")


def _add(name: str) -> None:
    """Add a trainer's command. One that is broken says so when it is called, not before."""
    try:
        entry = entry_point("trainers", name)
        assert entry is not None
        command = imported(f"trainer {name!r}", entry.load)
        if not callable(command):
            raise ConfigError(f"trainer {name!r}: {entry.value} is no command, but {command!r}")
    except RefineError as error:
        add_broken(train, name, error)
    else:
        train.command(command, name=name)


for _name in available("trainers"):
    _add(_name)
