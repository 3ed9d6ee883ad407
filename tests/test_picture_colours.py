"""Colours, depths and frames of real files: converted, scaled, or refused; and told."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from rr_refine.errors import ConfigError
from rr_refine.notices import notices_of
from rr_refine.pictures import SOURCE_PIXELS, decode_picture, load_picture
from rr_refine.studio.uploads import read_upload

Vector = tuple[float, float, float]


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(name: str, space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2, by its tags."""
    text = name.encode()
    described = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * 79
    white = b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0none\0", b"wtpt": white, **tags}
    at, table, data = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        padded = value + b"\0" * (-len(value) % 4)
        table += key + struct.pack(">II", at + len(data), len(padded))
        data += padded
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    return (head + _fixed(0.9642, 1.0, 0.8249)).ljust(128, b"\0") + table + data


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def srgb_curve() -> bytes:
    steps = [i / 1023 for i in range(1024)]
    levels = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in steps]
    return b"curv\0\0\0\0" + struct.pack(">1I1024H", 1024, *(round(v * 65535) for v in levels))


def rgb(name: str, red: Vector, green: Vector, blue: Vector, curve: bytes) -> bytes:
    def xyz(values: Vector) -> bytes:
        return b"XYZ \0\0\0\0" + _fixed(*values)

    return profile(
        name,
        b"RGB ",
        {
            **{b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue)},
            **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
        },
    )


P3 = rgb(
    "Display P3",
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
    srgb_curve(),
)
ADOBE = rgb(
    "Adobe RGB (1998)",
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
    gamma(2.19921875),
)
SRGB = rgb(
    "whatever a camera calls it",
    (0.43607, 0.22249, 0.01392),
    (0.38515, 0.71687, 0.09708),
    (0.14307, 0.06061, 0.71410),
    srgb_curve(),
)
LINEAR_GREY = profile("linear grey", b"GRAY", {b"kTRC": gamma(1.0)})

FROM_P3 = "its colours were converted from Display P3 to sRGB"
OVER_WHITE = "its transparent parts were laid over white"


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(mode: str, colour: object, size: tuple[int, int] = (16, 16)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def near(image: Image.Image, colour: tuple[int, int, int], by: int = 1) -> bool:
    found = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(found, tuple)
    return all(abs(a - b) <= by for a, b in zip(found, colour, strict=True))


@pytest.mark.parametrize(
    ("kind", "options", "by"),
    [
        ("PNG", {}, 1),
        ("TIFF", {}, 1),
        ("JPEG", {"quality": 100, "subsampling": 0}, 1),
        ("WEBP", {"lossless": True}, 1),
        ("AVIF", {"quality": 100}, 8),
    ],
)
def test_a_photo_in_p3(kind: str, options: dict[str, object], by: int) -> None:
    data = encode(flat("RGB", (60, 200, 60)), kind, icc_profile=P3, **options)
    for image in (decode_picture(data), read_upload(data), load_picture(decode_picture(data))):
        assert near(image, (0, 203, 11), by)
        assert notices_of(image) == (FROM_P3,)
        assert "icc_profile" not in image.info


def test_an_opened_image_is_converted_too() -> None:
    with Image.open(io.BytesIO(encode(flat("RGB", (60, 200, 60)), icc_profile=P3))) as opened:
        image = load_picture(opened)
    assert near(image, (0, 203, 11))


def test_a_photo_in_adobe_rgb() -> None:
    data = encode(flat("RGB", (127, 200, 60)), "JPEG", quality=100, icc_profile=ADOBE)
    image = decode_picture(data)
    assert near(image, (74, 201, 37), 2)
    assert notices_of(image) == ("its colours were converted from Adobe RGB (1998) to sRGB",)


def test_grey_with_a_profile_of_its_own() -> None:
    image = decode_picture(encode(flat("L", 55), icc_profile=LINEAR_GREY))
    assert near(image, (128, 128, 128), 2)
    assert notices_of(image) == ("its colours were converted from linear grey to sRGB",)


def test_one_of_the_many_spellings_of_srgb_changes_nothing() -> None:
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    image = decode_picture(encode(noise, icc_profile=SRGB))
    assert image.tobytes() == noise.tobytes()
    assert notices_of(image) == ()


def test_transparent_p3() -> None:
    data = encode(flat("RGBA", (60, 200, 60, 128)), icc_profile=P3)
    image = decode_picture(data)
    assert near(image, (127, 229, 133), 2)
    assert notices_of(image) == (FROM_P3, OVER_WHITE)


def test_an_alpha_channel_that_hides_nothing_is_no_news() -> None:
    image = decode_picture(encode(flat("RGBA", (1, 2, 3, 255))))
    assert near(image, (1, 2, 3), 0)
    assert notices_of(image) == ()


@pytest.mark.parametrize("bad", [b"broken", LINEAR_GREY, P3[:200]], ids=["junk", "grey", "torn"])
def test_a_profile_that_does_not_fit_is_told(bad: bytes) -> None:
    image = decode_picture(encode(flat("RGB", (60, 200, 60)), icc_profile=bad))
    assert near(image, (60, 200, 60), 0)
    (told,) = notices_of(image)
    assert told.startswith("its colour profile was ignored: ")


def test_cmyk_without_a_profile_is_told() -> None:
    image = decode_picture(encode(flat("CMYK", (0, 255, 255, 0)), "TIFF"))
    assert near(image, (255, 0, 0))
    assert "its CMYK colours have no profile" in notices_of(image)[0]


def test_lab() -> None:
    image = decode_picture(encode(flat("LAB", (128, 128, 128)), "TIFF"))
    assert near(image, (119, 119, 119), 1)


# -- depths ----------------------------------------------------------------------------------------


def two_values(mode: str, low: float, high: float) -> bytes:
    image = Image.new(mode, (4, 1))
    for x in range(4):
        image.putpixel((x, 0), (low if mode == "F" else int(low)) if x < 2 else high)
    return encode(image, "TIFF")


@pytest.mark.parametrize(
    ("mode", "low", "high", "expected", "scaled"),
    [
        ("I", 0, 1_000_000, (0, 255), "from 0 to 1e+06"),
        ("I", -500, 500, (0, 255), "from -500 to 500"),
        ("I", 0, 255, (0, 255), None),
        ("I", 100, 200, (100, 200), None),
        ("I", 0, 1, (0, 255), "from 0 to 1"),
        ("I", 0, 4095, (0, 255), "from 0 to 4095"),
        ("I", 0, 65535, (0, 255), None),
        ("I;16", 0, 65535, (0, 255), None),
        ("I;16", 20000, 40000, (78, 156), None),
        ("I;16", 0, 4095, (0, 255), "from 0 to 4095"),
        ("F", 0.0, 1.0, (0, 255), "from 0 to 1"),
        ("F", 0.25, 0.5, (63, 127), "from 0 to 1"),
        ("F", 0.0, 255.0, (0, 255), None),
        ("F", -3.0, 5.0, (0, 255), "from -3 to 5"),
    ],
)
def test_deep_pictures_are_scaled(
    mode: str, low: float, high: float, expected: tuple[int, int], scaled: str | None
) -> None:
    image = decode_picture(two_values(mode, low, high))
    assert [image.getpixel((x, 0)) for x in (0, 3)] == [(v, v, v) for v in expected]
    words = () if scaled is None else (f"its values {scaled} were scaled to 0 to 255",)
    assert notices_of(image) == words


def test_a_guess_about_a_dark_picture_is_told() -> None:
    stored = io.BytesIO()
    Image.new("I;16", (8, 8), 200).save(stored, "TIFF")
    image = decode_picture(stored.getvalue())
    assert image.getpixel((0, 0)) == (200, 200, 200)
    assert notices_of(image) == (
        "its 16-bit values, none of them above 255, were taken for 8-bit ones",
    )


@pytest.mark.parametrize(
    ("mode", "low", "high", "words"),
    [
        ("I", 7_000_000, 7_000_000, "all its pixels have the value"),
        ("F", -2.0, -2.0, "all its pixels have the value"),
        ("F", 0.5, float("nan"), "no numbers"),
        ("F", float("nan"), 0.5, "no numbers"),
        ("F", 0.5, float("inf"), "no numbers"),
    ],
)
def test_values_that_are_no_picture_are_refused(
    mode: str, low: float, high: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        decode_picture(two_values(mode, low, high))


# -- what comes along in files ---------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_a_png_with_long_texts_opens(packed: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 2 * 2**20, zip=packed)
    info.add_itxt("parameters", "y" * 2 * 2**20, zip=packed)
    assert near(decode_picture(encode(flat("RGB", "red"), pnginfo=info)), (255, 0, 0), 0)


def test_a_png_with_long_texts_at_its_end_opens() -> None:
    text = b"zTXtworkflow\0\0" + zlib.compress(b"x" * 2 * 2**20)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    data = encode(flat("RGB", "red"))
    assert near(decode_picture(data[:-12] + chunk + data[-12:]), (255, 0, 0), 0)


def test_a_png_with_a_large_profile_opens() -> None:
    large = P3 + os.urandom(1_500_000)
    image = decode_picture(encode(flat("RGB", (60, 200, 60)), icc_profile=large))
    assert near(image, (0, 203, 11))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_one_of_many_frames_is_told(kind: str) -> None:
    frames = [flat("RGB", (20 * index, 0, 0)) for index in range(12)]
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    image = decode_picture(data)
    assert near(image, (0, 0, 0), 1)
    noun = "pages" if kind == "TIFF" else "frames"
    assert notices_of(image) == (f"it is the first of 12 {noun}",)


def test_a_photo_with_broken_exif_opens() -> None:
    data = encode(flat("RGB", "red"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert near(decode_picture(data), (254, 0, 0), 1)


# -- large photos ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo() -> bytes:
    """48 megapixels, as a phone takes them, lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(flat("RGB", (60, 200, 60), (8064, 6048)), "JPEG", exif=exif, icc_profile=P3)


def test_a_large_photo_is_scaled_down_and_told(photo: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo)
    image = load_picture(path, most_pixels=SOURCE_PIXELS)
    assert image.width * image.height <= SOURCE_PIXELS
    assert image.width / image.height == pytest.approx(6048 / 8064, rel=0.001)
    assert near(image, (0, 203, 11), 2)
    told = f"it was scaled down from 48.8 to {image.width * image.height / 1e6:.1f} megapixels "
    assert notices_of(image) == (FROM_P3, f"{told}({image.width}x{image.height})")
    assert read_upload(photo).size == image.size


# -- what is no file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["https://example.com/cat.png", "http://x", "data:image/png;base64,AAAA", "s3://b/k"]
)
def test_an_address_is_no_file(name: str) -> None:
    for given in (name, Path(name)):
        with pytest.raises(ConfigError, match=r"is an address: give a file"):
            load_picture(given)


@pytest.mark.parametrize("load", [decode_picture, read_upload])
def test_torn_files(load: Callable[[bytes], object]) -> None:
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        whole = encode(noise, kind)
        for part in (len(whole) // 2, 40, 12):
            with pytest.raises((ValueError, ConfigError), match=r"cut off|of a known format"):
                load(whole[:part])


# -- colours that are told without a profile ------------------------------------------------------


def with_chunks(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    whole = encode(image)
    more = b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )  # fmt: skip
    return whole[:33] + more + whole[33:]


def chroma(*numbers: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(n * 100_000) for n in numbers))


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def cicp(*codes: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes(codes)


P3_POINTS = chroma(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE_POINTS = chroma(0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB_POINTS = chroma(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
WIDE_BLUE = chroma(0.3457, 0.3585, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""The primaries of sRGB with the white of D50."""
SRGB_CHUNK = (b"sRGB", b"\0")
CONVERTED = "its colours were converted from {} to sRGB"


@pytest.mark.parametrize(
    ("chunks", "given", "right", "told"),
    [
        ([gama(0.45455)], (60, 200, 60), (60, 200, 60), ()),
        ([gama(0.45455), SRGB_POINTS], (60, 200, 60), (60, 200, 60), ()),
        ([gama(1.0)], (10, 128, 200), (56, 188, 229), (CONVERTED.format("gamma 1"),)),
        ([gama(1 / 1.8)], (50, 128, 200), (65, 146, 210), (CONVERTED.format("gamma 1.8"),)),
        ([P3_POINTS], (60, 200, 60), (0, 203, 11), (CONVERTED.format("its own primaries"),)),
        (
            [gama(0.45455), P3_POINTS],
            (160, 200, 160),
            (151, 203, 158),
            (CONVERTED.format("gamma 2.2 and its own primaries"),),
        ),
        (
            [ADOBE_POINTS, gama(256 / 563)],
            (127, 200, 60),
            (74, 201, 37),
            (CONVERTED.format("gamma 2.2 and its own primaries"),),
        ),
        (
            [ADOBE_POINTS, gama(1.0)],
            (64, 128, 10),
            (108, 188, 38),
            (CONVERTED.format("gamma 1 and its own primaries"),),
        ),
        ([WIDE_BLUE], (255, 255, 255), (255, 255, 255), None),
        ([gama(1.0), SRGB_CHUNK], (60, 200, 60), (60, 200, 60), ()),
        ([gama(1.0), cicp(1, 13, 0, 1)], (60, 200, 60), (60, 200, 60), ()),
        ([cicp(12, 13, 0, 1)], (60, 200, 60), (0, 203, 11), (FROM_P3,)),
        ([cicp(12, 13, 0, 1), SRGB_CHUNK], (60, 200, 60), (0, 203, 11), (FROM_P3,)),
        (
            [cicp(1, 8, 0, 1)],
            (10, 128, 200),
            (56, 188, 229),
            (CONVERTED.format("BT.709 with gamma 1"),),
        ),
        (
            [cicp(9, 13, 0, 1)],
            (120, 160, 110),
            (86, 164, 103),
            (CONVERTED.format("BT.2020"),),
        ),
        (
            [cicp(9, 16, 0, 1)],
            (60, 200, 60),
            (60, 200, 60),
            ("its high dynamic range (PQ) was not converted: its colours are wrong",),
        ),
        ([cicp(1, 1, 0, 1)], (60, 200, 60), (60, 200, 60), ("curve for video",)),
        ([cicp(1, 13, 0, 0)], (60, 200, 60), (60, 200, 60), ("narrow range",)),
        ([cicp(77, 13, 0, 1)], (60, 200, 60), (60, 200, 60), ("have the code 77/13",)),
        ([gama(0)], (60, 200, 60), (60, 200, 60), ("ignored: no picture has a gamma value of 0",)),
        ([(b"gAMA", b"")], (60, 200, 60), (60, 200, 60), ("its colour data was ignored",)),
        ([chroma(*[0.3] * 8)], (60, 200, 60), (60, 200, 60), ("no three colours",)),
        ([chroma(*[0] * 8)], (60, 200, 60), (60, 200, 60), ("its primaries are no colours",)),
    ],
)
def test_colours_of_a_png_in_numbers(
    chunks: list[tuple[bytes, bytes]],
    given: tuple[int, int, int],
    right: tuple[int, int, int],
    told: tuple[str, ...] | None,
) -> None:
    image = decode_picture(with_chunks(flat("RGB", given), *chunks))
    assert near(image, right, 2), image.getpixel((8, 8))
    for found, words in zip(notices_of(image), told or notices_of(image), strict=True):
        assert words in found


def test_grey_and_transparent_pictures_have_colours_too() -> None:
    assert near(decode_picture(with_chunks(flat("L", 128), gama(1.0))), (188, 188, 188), 2)
    palette = flat("RGB", (60, 200, 60)).quantize(4)
    assert near(decode_picture(with_chunks(palette, P3_POINTS)), (0, 203, 11), 2)
    half = flat("RGBA", (60, 200, 60, 255))
    assert near(decode_picture(with_chunks(half, P3_POINTS)), (0, 203, 11), 2)
    grey = decode_picture(encode(flat("L", 99), icc_profile=P3))
    assert near(grey, (99, 99, 99), 2)
    assert "ignored" not in " ".join(notices_of(grey))


def exif(space: int | None, index: str | None = None) -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = "a camera"
    if space is not None:
        made.get_ifd(0x8769)[0xA001] = space
    if index is not None:
        made.get_ifd(0x8769)[0xA005] = {1: index}
    return made


BY_EXIF = CONVERTED.format("Adobe RGB (by its EXIF data)")
UNCLEAR = "its EXIF data says that it is not in sRGB, and not in what: taken for sRGB"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("data", "profiled", "told"),
    [
        (exif(0xFFFF, "R03"), None, (BY_EXIF,)),
        (exif(2), None, (BY_EXIF,)),
        (exif(None, "R03"), None, (BY_EXIF,)),
        (exif(1, "R98"), None, ()),
        (exif(1, "R03"), None, ()),
        (exif(None), None, ()),
        (exif(0xFFFF), None, (UNCLEAR,)),
        (exif(0xFFFF, "R03"), ADOBE, (CONVERTED.format("Adobe RGB (1998)"),)),
        (exif(0xFFFF, "R03"), SRGB, ()),
    ],
)
def test_adobe_rgb_told_by_exif(
    kind: str, data: Image.Exif, profiled: bytes | None, told: tuple[str, ...]
) -> None:
    options: dict[str, object] = {"quality": 100} if kind == "JPEG" else {"lossless": True}
    if profiled is not None:
        options = options | {"icc_profile": profiled}
    encoded = encode(flat("RGB", (127, 200, 60)), kind, exif=data, **options)
    right = (74, 201, 37) if "converted" in " ".join(told) else (127, 200, 60)
    with Image.open(io.BytesIO(encoded)) as opened:
        for image in (
            decode_picture(encoded),
            load_picture(opened),
            load_picture(load_picture(opened)),
        ):
            assert near(image, right, 2)
            assert notices_of(image) == told


def test_adobe_rgb_of_a_phone_held_upright() -> None:
    data = exif(0xFFFF, "R03")
    data[0x0112] = 6
    encoded = encode(flat("RGB", (127, 200, 60), (16, 8)), "JPEG", quality=100, exif=data)
    image = decode_picture(encoded)
    assert image.size == (8, 16)
    assert near(image, (74, 201, 37), 2)


@pytest.mark.parametrize(
    ("codes", "right", "told"),
    [
        ((1, 13), (60, 200, 60), ()),
        ((2, 2), (60, 200, 60), ()),
        ((12, 13), (0, 203, 11), (FROM_P3,)),
        (
            (9, 18),
            (60, 200, 60),
            ("its high dynamic range (HLG) was not converted: its colours are wrong",),
        ),
    ],
)
def test_colours_of_an_avif_by_their_code(
    codes: tuple[int, int], right: tuple[int, int, int], told: tuple[str, ...]
) -> None:
    data = encode(flat("RGB", (60, 200, 60), (64, 64)), "AVIF", quality=100, subsampling="4:4:4")
    at = data.index(b"colrnclx") + 8
    coded = data[:at] + struct.pack(">HH", *codes) + data[at + 4 :]
    image = decode_picture(coded)
    assert near(image, right, 8)
    assert notices_of(image) == told
