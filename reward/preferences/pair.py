"""Preference pairs: two pictures of one request, and which of them people preferred."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from pydantic import Field

from rr_refine.boundary import raised_as
from rr_refine.digest import image_digest
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import holds_file, replacing
from rr_refine.pictures import decode_picture, load_picture
from rr_refine.terms import Dimension, Record, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "MAX_PIXELS",
    "Label",
    "Order",
    "Picture",
    "PictureStore",
    "PreferencePair",
    "Side",
    "exchange",
    "open_picture",
    "pair_id",
]

Picture: TypeAlias = "Image.Image | Path | bytes"
"""A picture on the way in: decoded, a file, or a file's bytes."""

Side = Literal["A", "B"]

Label = Literal["A", "B", "tie"]
"""Which of two pictures people preferred."""

Order = Literal["AB", "BA"]

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""What a picture is called in its store; nothing that could lead out of it."""

MAX_PIXELS: Final = 802_816
"""What the released critics were trained to see at most (the published recipe's
image_max_pixels). More would be thrown away when it is read."""

_OTHER: Final[dict[Label, Label]] = {"A": "B", "B": "A", "tie": "tie"}


def open_picture(picture: Picture) -> Image.Image:
    """Decode a picture as upright RGB.

    Raises:
        ConfigError: it is missing, or no picture that Pillow can read.
    """
    if not isinstance(picture, bytes):
        return load_picture(picture)
    with raised_as(ConfigError, "a picture of the data cannot be read", ValueError):
        return decode_picture(picture)


def exchange(label: Label, order: Order) -> Label:
    """`label` as it is called when the pictures are named in `order`; its own inverse."""
    return label if order == "AB" else _OTHER[label]


def pair_id(dataset: str, key: str) -> str:
    """A pair's id (20 hex digits), the same wherever and whenever it is read."""
    return hashlib.sha256(f"{dataset}|{key}".encode()).hexdigest()[:20]


class PreferencePair(Record):
    """Two pictures of one request, in random order. Pictures are keys of a `PictureStore`."""

    id: str
    """See `pair_id`."""
    dataset: str
    split: str
    task: Task
    instruction: str = Field(min_length=1)
    source: Key | None
    """The picture that was edited; None for text-to-image."""
    image_a: Key
    image_b: Key
    label: Label
    margin: float = Field(ge=0, le=1)
    """How clear the preference is; each source measures it in its own way."""
    dim_labels: dict[Dimension, Label] | None = None
    """Preferences by dimension, where people gave them."""
    model_a: str | None = None
    model_b: str | None = None
    swapped: bool
    """Whether the file's first picture is Image B here."""
    licence: str

    @property
    def pictures(self) -> tuple[str, ...]:
        """All that it shows."""
        return (*(() if self.source is None else (self.source,)), self.image_a, self.image_b)

    def image(self, side: Side, order: Order = "AB") -> str:
        """The picture that is called `side` when the pictures are named in `order`."""
        return self.image_a if (side == "A") == (order == "AB") else self.image_b


class PictureStore:
    """A folder of PNG files named after what is in them: `ab/ab12….png`.

    Args:
        folder: created when something is put in.
        max_pixels: greater pictures are made smaller on the way in.
    """

    def __init__(self, folder: Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self._folder = folder
        self._max_pixels = max_pixels

    def put(self, picture: Picture) -> str:
        """Keep a picture, as upright RGB, and give its key. Safe in any number of threads.

        Raises:
            ConfigError: it is missing, or no picture.
            StoreError: it cannot be written.
        """
        image = self._fitted(open_picture(picture))
        key = image_digest(image)
        path = self.path(key)
        home = self._folder.parent
        with raised_as(StoreError, f"cannot write {path}"):
            if holds_file(path, within=home):
                return key
            with replacing(path, durable=False, within=home) as file:
                # Level 1 takes a third of the default's time; there are hundreds of thousands.
                image.save(file, "PNG", compress_level=1)
        return key

    def path(self, key: str) -> Path:
        """The file of a picture, which may not be there yet."""
        return self._folder / key[:2] / f"{key}.png"

    def source(self, pair: PreferencePair) -> Path | None:
        """The file of a pair's source picture; None for text-to-image."""
        return None if pair.source is None else self.path(pair.source)

    def _fitted(self, image: Image.Image) -> Image.Image:
        pixels = image.width * image.height
        if pixels <= self._max_pixels:
            return image
        factor = (self._max_pixels / pixels) ** 0.5
        size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
        return image.resize(size)
