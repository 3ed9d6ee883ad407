"""A picture of an official layout: what is wrong with it, in a line."""

from __future__ import annotations

from pathlib import Path

from rr_refine.boundary import boundary
from rr_refine.errors import StoreError

__all__ = ["picture_trouble"]


def picture_trouble(folder: Path, name: str) -> str | None:
    """What is wrong with a picture that should be a PNG file; None if it is one.

    Args:
        name: below `folder`.
    """
    from PIL import Image

    path = folder / name
    if not path.is_file():
        others = [p.name for p in sorted(path.parent.glob(f"{path.stem}.*"))]
        return f"{name} is missing" + (f"; {others[0]} is not looked for" if others else "")
    try:
        # A decoder of foreign bytes may raise anything.
        with boundary(StoreError, f"opening {name}"), Image.open(path) as image:
            image.verify()
    except StoreError as error:
        return str(error)
    return None if image.format == "PNG" else f"{name} holds {image.format}, not PNG"
