"""`rr-refine train NAME`: training commands, by entry points of `rr_refine.trainers`.

Imported when `train` is asked for, so that `rr-refine --help` reads no entry points.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from cyclopts import App

__all__ = ["train"]

train = App(name="train", help="Train the bundled models.")
for _entry in sorted(entry_points(group="rr_refine.trainers"), key=lambda entry: entry.name):
    train.command(_entry.load(), name=_entry.name)
