"""What a run folder holds, in a form in which two runs can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["items", "lines", "only_run", "record"]


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file; none without a file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def items(folder: Path) -> list[tuple[str, str, Any]]:
    """The whole lines of samples.jsonl as (kind, key, value)."""
    data = (folder / "samples.jsonl").read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    return [(i["kind"], i["key"], i["value"]) for i in map(json.loads, whole.splitlines())]


def record(folder: Path) -> dict[tuple[str, str], Any]:
    """The finished items without the time they took: what a run comes to."""
    return {(kind, key): _timeless(value) for kind, key, value in items(folder)}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("seconds", "time")}
    return [_timeless(v) for v in value] if isinstance(value, list) else value


def only_run(out: Path) -> Path:
    """The one run folder in `out`."""
    (folder,) = out.iterdir()
    return folder
