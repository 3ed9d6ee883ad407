from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.errors import BlankImageError, ConfigError
from rr_refine.pictures import decode_picture, load_picture, require_not_blank

LEFT_UP = 6
"""The EXIF orientation of a picture whose top is at its right side."""


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey16(value: int) -> Image.Image:
    return Image.new("I;16", (2, 2), value)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (2, 2), (10, 20, 30)), (10, 20, 30)),
        (Image.new("L", (2, 2), 99), (99, 99, 99)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("P", (2, 2), 0), (0, 0, 0)),
        (Image.new("CMYK", (2, 2), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 51)), (255, 204, 204)),
        (Image.new("LA", (2, 2), (0, 51)), (204, 204, 204)),
        (grey16(65535), (255, 255, 255)),
        (grey16(32768), (128, 128, 128)),
        (grey16(300), (1, 1, 1)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_every_mode_becomes_rgb(image: Image.Image, expected: tuple[int, int, int]) -> None:
    loaded = load_picture(image)
    assert loaded.mode == "RGB"
    assert loaded.getpixel((0, 0)) == expected


def test_one_transparent_colour_is_laid_over_white() -> None:
    content = encode(Image.new("L", (2, 2), 200), transparency=200)
    assert decode_picture(content).getpixel((0, 0)) == (255, 255, 255)
    content = encode(Image.new("P", (2, 2), 3), "GIF", transparency=3)
    assert decode_picture(content).getpixel((0, 0)) == (255, 255, 255)


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = LEFT_UP
    path = tmp_path / "photo.jpg"
    image.save(path, quality=95, exif=exif)
    upright = load_picture(path)
    assert upright.size == (20, 40)
    red, green, _ = upright.getpixel((10, 10))  # type: ignore[misc]
    assert red > 200
    assert green < 60


def test_the_users_image_is_left_alone() -> None:
    image = Image.new("RGB", (2, 2), "red")
    loaded = load_picture(image)
    loaded.paste((0, 0, 0), (0, 0, 2, 2))
    assert image.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_files_of_every_kind(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encode(Image.new("RGB", (8, 8), "white"), kind))
    for source in (path, str(path)):
        assert load_picture(source).getpixel((4, 4)) == (255, 255, 255)


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    assert load_picture("~/a.png").size == (2, 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.png", "does not exist"),
        ("folder", "cannot be read: it is a folder"),
        ("empty.png", "cannot be read: it is empty"),
        ("pipe", "cannot be read: it is no file"),
        ("words.png", "cannot be read: it is a text, and no picture that can be used: give PNG"),
        ("torn.png", "cannot be read"),
        ("torn.avif", "cannot be read"),
        (
            "huge.bmp",
            "900 megapixels, and 100 is the most: .*max_megapixels",
        ),
        ("nul\0.png", "cannot be read"),
        ("~nobody-of-that-name/a.png", "cannot be read"),
    ],
)
def test_what_cannot_be_read(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    huge = bytearray(encode(Image.new("RGB", (2, 2)), "BMP"))
    huge[18:26] = (30_000).to_bytes(4, "little") * 2
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "words.png").write_text("hello")
    (tmp_path / "huge.bmp").write_bytes(huge)
    for kind in ("png", "avif"):
        content = encode(noise, kind.upper())
        (tmp_path / f"torn.{kind}").write_bytes(content[: len(content) // 2])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words) as caught:
        load_picture(name)
    assert repr(name) in str(caught.value)


def test_bytes_that_are_no_picture() -> None:
    with pytest.raises(ValueError, match=r"^what was sent, 5 bytes, is no picture: it is a text"):
        decode_picture(b"hello")
    content = encode(Image.effect_noise((64, 64), 80))
    with pytest.raises(ValueError, match="no picture: it is a broken PNG picture, or cut off: "):
        decode_picture(content[: len(content) // 2])


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    """A moving GIF keeps its file open in Pillow; an open file is a ResourceWarning, an error."""
    frames = [Image.new("P", (4, 4), index) for index in range(3)]
    path = tmp_path / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    opened = load_picture(path)
    path.unlink()
    assert opened.size == (4, 4)


def test_blank() -> None:
    with pytest.raises(BlankImageError, match="8x4 image that is all black"):
        require_not_blank(Image.new("RGB", (8, 4)))
    image = Image.new("RGB", (8, 4))
    image.putpixel((7, 3), (0, 0, 1))
    require_not_blank(image)


@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_told_as_it_was_given(kind: type[str] | type[Path]) -> None:
    with pytest.raises(ConfigError, match=r"'https://pictures\.invalid/a\.png' is an address"):
        load_picture(kind("https://pictures.invalid/a.png"))
