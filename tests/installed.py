"""An installed package, as entry points see it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["install"]


def install(site: Path, groups: Mapping[str, Mapping[str, str]]) -> None:
    """Write the metadata of a package into a folder of the module path.

    Args:
        groups: entry points by group, without the prefix `rr_refine.`.
    """
    info = site / "strange-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[rr_refine.{group}]", *(f"{k} = {v}" for k, v in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
