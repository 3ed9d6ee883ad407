"""`rr-refine config show`: each setting and where it comes from."""

from __future__ import annotations

from pathlib import Path

from rr_refine.cli.exits import DONE, guarded

__all__ = ["show"]


def show(*, config: Path | None = None) -> int:
    """Show each setting, its value and where it comes from; keys are masked.

    Args:
        config: A TOML file, or the config.json of a run.
    """
    return guarded(lambda: _show(config))


def _show(config: Path | None) -> int:
    from rr_refine.cli.settings import read_settings
    from rr_refine.cli.table import settings_table

    print("\n".join(settings_table(read_settings(config, {}))))
    return DONE
