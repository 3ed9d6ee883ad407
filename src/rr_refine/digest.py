"""Content addresses: what is the same has the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

if TYPE_CHECKING:
    from PIL import Image

from rr_refine.named import open_named

__all__ = ["digest", "file_digest", "image_digest"]


def digest(value: Mapping[str, JsonValue]) -> str:
    """SHA-256 (64 hex digits) of a JSON object, independent of the order of its keys."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def image_digest(image: Image.Image) -> str:
    """SHA-256 of an image's mode, size and pixels; what its file says about itself is left out."""
    sha = hashlib.sha256(f"{image.mode}:{image.width}x{image.height}:".encode())
    sha.update(image.tobytes())
    return sha.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with open_named(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
