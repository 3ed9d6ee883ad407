from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import JsonValue

from rr_refine.digest import digest, file_digest, image_digest


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=4))
@settings(max_examples=50, deadline=None)
def test_the_order_of_keys_does_not_matter(value: dict[str, JsonValue]) -> None:
    backwards = dict(reversed(value.items()))
    assert digest(value) == digest(backwards)
    assert digest({"inner": value}) == digest({"inner": backwards})


def test_digests_are_what_they_were() -> None:
    """Caches and runs on disk are named by them: a change here orphans every one."""
    assert digest({"b": [1, 2.5, None], "a": "日本"}) == (
        "df29efcce875177272eaa314a92ecca631c9980dbf3494c4207eeea71dcafd54"
    )
    assert image_digest(Image.new("RGB", (2, 1), "red")) == (
        "0132a25bd35593409f97399229d9a8526ecd89fedd3018b1fa641133182831bc"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": None}, {}),
        ({"a": "\u00e9"}, {"a": "e\u0301"}),
        ({"a": "\udc80"}, {"a": "\udc81"}),
    ],
)
def test_what_differs_has_another_name(
    one: dict[str, JsonValue], other: dict[str, JsonValue]
) -> None:
    assert digest(one) != digest(other)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"a": number})


def test_an_image_is_its_mode_size_and_pixels(tmp_path: Path) -> None:
    image = Image.effect_noise((6, 4), 80).convert("RGB")
    others = [
        image.resize((4, 6)),
        image.convert("RGBA"),
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ]
    assert image_digest(image) not in map(image_digest, others)

    text = PngInfo()
    text.add_text("prompt", "a cat")
    image.save(tmp_path / "told.png", pnginfo=text)
    image.save(tmp_path / "untold.png")
    told, untold = Image.open(tmp_path / "told.png"), Image.open(tmp_path / "untold.png")
    assert image_digest(told) == image_digest(untold) == image_digest(image)
    assert file_digest(tmp_path / "told.png") != file_digest(tmp_path / "untold.png")


def test_the_shape_counts_even_where_the_bytes_are_the_same() -> None:
    wide, tall = Image.new("RGB", (6, 4), "red"), Image.new("RGB", (4, 6), "red")
    assert wide.tobytes() == tall.tobytes()
    assert image_digest(wide) != image_digest(tall)


def test_a_file_digest_is_sha_256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # The test vector of FIPS 180-4.
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "missing")
