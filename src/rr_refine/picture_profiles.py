"""ICC profiles of pictures that tell their colours in numbers or by a code, not by a profile.

Sources: the PNG specification, third edition, chapter 11.3.2 (cHRM, gAMA, cICP); ITU-T H.273,
tables 2 and 3 (codes, as in AVIF and HEIC too); Exif 2.32 and DCF 2.0 (Adobe RGB by "R03");
ICC.1:2022.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["profile_of_code", "profile_of_exif", "profile_of_png"]

_Chroma: TypeAlias = Sequence[float]
"""x and y of white, red, green and blue."""

_D65: Final = (0.3127, 0.3290)
_SRGB: Final = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ADOBE: Final = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_D50: Final = (0.9642, 1.0, 0.8249)
"""White of all profiles, as X, Y, Z."""

_PRIMARIES: Final[dict[int, tuple[str, _Chroma]]] = {
    1: ("BT.709", _SRGB),
    2: ("BT.709", _SRGB),  # not told
    4: ("BT.470 M", (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08)),
    5: ("BT.470 BG", (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06)),
    6: ("BT.601", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("BT.601", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    9: ("BT.2020", (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    11: ("DCI-P3", (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU 3213", (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
_CURVES: Final[dict[int, float | None]] = {2: None, 13: None, 4: 2.2, 5: 2.8, 8: 1.0}
"""Exponents; None is the curve of sRGB."""
_VIDEO: Final = (1, 6, 14, 15)
_HDR: Final = {16: "PQ", 18: "HLG"}

_BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def profile_of_png(chunks: Mapping[bytes, bytes]) -> tuple[bytes | None, str]:
    """The profile of a PNG by its chunks cICP, sRGB, gAMA and cHRM, the first that counts.

    Returns:
        The profile, None for sRGB or where there is no right one; a notice, or nothing.
    """
    if len(code := chunks.get(b"cICP", b"")) == 4:
        return profile_of_code(code[0], code[1], full=code[3] == 1)
    if b"sRGB" in chunks:
        return None, ""
    try:
        return _profile_of_numbers(chunks.get(b"gAMA"), chunks.get(b"cHRM")), ""
    except (ValueError, struct.error) as error:
        return None, f"its colour data was ignored: {error}"


def _profile_of_numbers(gamma: bytes | None, chroma: bytes | None) -> bytes | None:
    points = _SRGB if chroma is None else [n / 1e5 for n in struct.unpack(">8I", chroma)]
    own = any(abs(one - other) > 0.001 for one, other in zip(points, _SRGB, strict=True))
    names = ["its own primaries"] * own
    exponent: float | None = None
    if gamma is not None:
        (value,) = struct.unpack(">I", gamma)
        if not 10_000 <= value <= 500_000:
            raise ValueError(f"no picture has a gamma value of {value / 1e5:g}")
        if own or abs(value - 45_455) >= 500:  # otherwise it stands for the curve of sRGB
            exponent = 1e5 / value
            names = [f"gamma {exponent:.3g}", *names]
    return _profile(" and ".join(names), points, exponent) if names else None


def profile_of_code(primaries: int, transfer: int, *, full: bool) -> tuple[bytes | None, str]:
    """The same for codes of H.273.

    Args:
        full: the values use the whole range.
    """
    name, chroma = _PRIMARIES.get(primaries, ("", _SRGB))
    if (hdr := _HDR.get(transfer)) is not None:
        return None, f"its high dynamic range ({hdr}) was not converted: its colours are wrong"
    if not name or (transfer not in _CURVES and transfer not in _VIDEO):
        return None, f"its colours have the code {primaries}/{transfer} and were taken for sRGB"
    told = "" if full else "its values of a narrow range were taken for those of the full range"
    if transfer in _VIDEO:
        told = "its brightness follows a curve for video, which was taken for that of sRGB"
    exponent = _CURVES.get(transfer)
    if chroma == _SRGB and exponent is None:
        return None, told
    if exponent is not None:
        name += f" with gamma {exponent:g}"
    return _profile(name, chroma, exponent), told


def profile_of_exif(image: Image.Image) -> tuple[bytes | None, str]:
    """The same by what EXIF data says, for a picture without a profile."""
    try:
        exif = image.getexif()
        space = exif.get_ifd(0x8769).get(0xA001)
        index = str(exif.get_ifd(0xA005).get(1, "")).strip("\0 ")
    except Exception:  # noqa: BLE001  a reader of foreign bytes may raise anything
        return None, ""  # told where the picture is turned upright
    # 2 is no code of the standard, but that of some cameras.
    if space == 2 or (index == "R03" and space != 1):
        return _profile("Adobe RGB (by its EXIF data)", _ADOBE, 563 / 256), ""
    if space == 0xFFFF and index != "R98":
        return None, "its EXIF data says that it is not in sRGB, and not in what: taken for sRGB"
    return None, ""


def _profile(name: str, chroma: _Chroma, exponent: float | None) -> bytes:
    """An ICC profile (4.2) of three primaries and a curve.

    Raises:
        ValueError: the primaries span no colours.
    """
    curve = struct.pack(">4s4xHxxi", b"para", 0, _fixed(exponent or 0))
    if exponent is None:
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        curve = struct.pack(">4s4xHxx5i", b"para", 3, *map(_fixed, numbers))
    text = name.encode("utf-16-be")
    described = struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(text), 28) + text
    red, green, blue = _colorants(chroma)
    contents = {
        b"desc": described,
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(red),
        b"gXYZ": _xyz(green),
        b"bXYZ": _xyz(blue),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    at = 128 + 4 + 12 * len(contents)
    table, body = struct.pack(">I", len(contents)), b""
    for tag, content in contents.items():
        table += struct.pack(">4sII", tag, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        at + len(body),
        0x04200000,
        *(b"mntr", b"RGB ", b"XYZ ", b"acsp"),
        *map(_fixed, _D50),
    )
    return head + table + body


def _fixed(number: float) -> int:
    return round(number * 65536)


def _xyz(value: Sequence[float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *map(_fixed, value))


def _colorants(chroma: _Chroma) -> list[list[float]]:
    """X, Y, Z of the primaries at full strength, their white adapted to D50 after Bradford."""
    points = list(zip(chroma[::2], chroma[1::2], strict=True))
    if any(y <= 0 or x < 0 or x + y > 1.0001 for x, y in points):
        raise ValueError("its primaries are no colours")
    white, *primaries = ([x / y, 1.0, (1 - x - y) / y] for x, y in points)
    amounts = _solved(_transposed(primaries), white)
    from_cones, to_cones = _applied(_BRADFORD, white), _applied(_BRADFORD, _D50)
    adapted = []
    for primary, amount in zip(primaries, amounts, strict=True):
        cones = _applied(_BRADFORD, [value * amount for value in primary])
        scaled = [c * new / old for c, old, new in zip(cones, from_cones, to_cones, strict=True)]
        adapted.append(_solved(_BRADFORD, scaled))
    return adapted


_Matrix: TypeAlias = Sequence[Sequence[float]]


def _transposed(matrix: _Matrix) -> _Matrix:
    return list(zip(*matrix, strict=True))


def _applied(matrix: _Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _solved(matrix: _Matrix, right: Sequence[float]) -> list[float]:
    """The vector that the matrix takes to `right`, by Cramer's rule."""
    whole = _determinant(matrix)
    if abs(whole) < 1e-6:
        raise ValueError("its primaries are no three colours")
    columns = list(_transposed(matrix))
    return [
        _determinant([*columns[:index], right, *columns[index + 1 :]]) / whole for index in range(3)
    ]


def _determinant(matrix: _Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
