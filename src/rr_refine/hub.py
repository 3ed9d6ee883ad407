"""The model hub: what names a repository there, and whether it answers at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rr_refine.retries import retries_allowed

__all__ = ["is_hub_id", "require_hub"]

_HUB_ID: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_PATIENCE: Final = 20.0
_PATIENCE_ONCE: Final = 5.0
"""Seconds for an answer, with and without retries."""


def is_hub_id(model: str) -> bool:
    """Whether `model` names a hub repository rather than something on disk."""
    there = Path(model).expanduser().exists()
    return not there and _HUB_ID.fullmatch(model) is not None


def require_hub(repository: str, name: str, revision: str | None) -> None:
    """Ask the hub once for a file that is not in the cache, where a hub is meant at all.

    The hub's client would ask a hub that takes connections and says nothing for minutes.

    Args:
        repository: the model as the user named it.
        name: of a file that every such repository has.
        revision: the commit, tag or branch; None for the newest.

    Raises:
        LocalEntryNotFoundError: no answer within 20 s. Without retries it is 5 s, and every error
            of the connection counts.
        HfHubHTTPError: only without retries, since the download asks again.
    """
    if not is_hub_id(repository):
        return
    import httpx2
    from huggingface_hub import (
        constants,
        errors,
        get_hf_file_metadata,
        hf_hub_url,
        try_to_load_from_cache,
    )

    cached = isinstance(try_to_load_from_cache(repository, name, revision=revision), str)
    if cached or constants.is_offline_mode():
        return
    again = retries_allowed()
    timeout = _PATIENCE if again else _PATIENCE_ONCE
    try:
        get_hf_file_metadata(hf_hub_url(repository, name, revision=revision), timeout=timeout)
    except httpx2.TransportError as error:
        if not again or isinstance(error, httpx2.TimeoutException):
            raise errors.LocalEntryNotFoundError(
                f"the model hub ({constants.ENDPOINT}) gave no answer: {error}"
            ) from error
    except errors.HfHubHTTPError:
        if not again:
            raise
