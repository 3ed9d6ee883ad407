"""Whether the model hub answers: vLLM itself waits for it for minutes, or for ever."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rr_refine.local_path import expand_home

__all__ = ["is_cached", "why_silent"]

_HUB: Final = "https://huggingface.co"


def is_cached(model: str, environment: Mapping[str, str]) -> bool:
    """Whether nothing has to be asked of the hub for a model: it is a folder, or was fetched."""
    if expand_home(model).exists() or environment.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return True
    home = Path(environment.get("HF_HOME") or "~/.cache/huggingface")
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    cache = Path(named) if named else home / "hub"
    snapshots = expand_home(cache) / f"models--{model.replace('/', '--')}" / "snapshots"
    return snapshots.is_dir() and any(snapshots.iterdir())


def why_silent(model: str, environment: Mapping[str, str], timeout: float) -> str | None:
    """Ask the hub for a model; gives why there was no answer, or None. Any answer will do."""
    hub = (environment.get("HF_ENDPOINT") or _HUB).rstrip("/")
    try:
        with urlopen(Request(f"{hub}/api/models/{model}", method="HEAD"), timeout=timeout):
            return None
    except HTTPError:
        return None
    except (OSError, ValueError) as error:
        return f"{hub}: {error}"
