"""The official folder of pictures: what the official script would stumble over."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.benchmarks.published.unigenbench.files import small

ALL = ("0_0.png", "0_1.png", "1_0.png", "1_1.png")


def paint(folder: Path) -> Path:
    folder.mkdir()
    for name in ALL:
        Image.effect_noise((64, 64), 50).convert("RGB").save(folder / name)
    return folder


def test_a_whole_folder(tmp_path: Path) -> None:
    bench = small(tmp_path, samples=2)
    pictures = paint(tmp_path / "pictures")
    (pictures / "notes.txt").write_text("does no harm")
    bench.lay_out(pictures)
    assert bench.preflight(pictures) == []
    # Nothing is laid out beside the pictures.
    assert sorted(p.name for p in pictures.iterdir()) == [*ALL, "notes.txt"]


def test_every_missing_picture_is_named(tmp_path: Path) -> None:
    bench = small(tmp_path, samples=2)
    pictures = paint(tmp_path / "pictures")
    (pictures / "0_1.png").unlink()
    (pictures / "1_1.png").rename(pictures / "1_1.jpg")
    assert bench.preflight(pictures) == [
        "0_1.png is missing",
        "1_1.png is missing; 1_1.jpg is not looked for",
    ]
    assert bench.preflight(tmp_path / "none") == [f"{name} is missing" for name in ALL]


def test_pictures_that_are_something_else(tmp_path: Path) -> None:
    bench = small(tmp_path, samples=2)
    pictures = paint(tmp_path / "pictures")
    Image.new("RGB", (8, 8)).save(pictures / "0_0.png", "JPEG")
    (pictures / "0_1.png").write_bytes(b"no picture")
    whole = (pictures / "1_0.png").read_bytes()
    (pictures / "1_0.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "1_1.png").write_bytes(b"")
    jpeg, text, half, empty = bench.preflight(pictures)
    assert jpeg == "0_0.png holds JPEG, not PNG"
    assert text.startswith("0_1.png cannot be read: it is a text")
    assert half.startswith("1_0.png cannot be read: it is a broken PNG")
    assert empty.startswith("1_1.png cannot be read: it is empty")
