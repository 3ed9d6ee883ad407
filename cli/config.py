"""`rr-refine config show`: each setting and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rr_refine.cli.exits import DONE, guarded

__all__ = ["show"]


def show(
    *, preset: str | None = None, profile: str | None = None, config: Path | None = None
) -> int:
    """Show each setting, its value and where it comes from; keys are masked.

    Args:
        preset: A preset by name, as for a run.
        profile: A profile by name, as for a run.
        config: A TOML file, or the config.json of a run.
    """
    return guarded(lambda: _show({"preset": preset, "profile": profile}, config))


def _show(given: Mapping[str, str | None], config: Path | None) -> int:
    from rr_refine.cli.settings import read_settings
    from rr_refine.cli.table import settings_table

    flags = {key: value for key, value in given.items() if value is not None}
    print("\n".join(settings_table(read_settings(config, flags))))
    return DONE
