"""Files and bytes of pictures: opened only in known formats, and within limits.

This is the one place where a decoder is started. A picture's format is told by its first bytes and
nothing else, so that no decoder runs which was not meant to: Pillow alone would hand PostScript to
another program. Size in bytes and in pixels are looked at before anything is decoded.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from rr_refine.errors import ConfigError
from rr_refine.named import open_named
from rr_refine.notices import add_notices
from rr_refine.picture_profiles import profile_of_code, profile_of_png

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = [
    "MAX_BYTES",
    "broken",
    "limit_megapixels",
    "most_megapixels",
    "open_picture_file",
    "require_few_pixels",
    "simple_png",
]

MAX_BYTES: Final = 2**30
"""Of a picture's file."""
_MAX_PROFILE: Final = 16 * 2**20
"""Bytes of a colour profile; those of printers have one or two million."""

_MAX_SIDE: Final = 65_535
"""Pixels, as in a JPEG. Each row or column has a price beside that of its pixels."""
_MAX_SCANNED: Final = 5e9
"""Pixels of all scans of a JPEG together: a second for some 300 million. Encoders write ten."""
_MAX_COUNTED: Final = 2**26
"""Bytes of a JPEG whose scans are counted."""

_MAX_CHUNKS: Final = 100_000
"""Of a PNG: each takes a few microseconds. Encoders write one for 8 or 64 KiB."""
_COLOURS: Final = frozenset(b"iCCP cICP sRGB gAMA cHRM".split())
_LEFT_OUT: Final = _COLOURS - {b"sRGB"} | frozenset(b"tEXt zTXt iTXt".split())
_SIMPLE: Final = 2**24
"""Bytes and pixels of a simple PNG, see `simple_png`."""
_SIMPLE_CHUNKS: Final = frozenset(
    b"IHDR PLTE tRNS IDAT IEND pHYs tIME bKGD sBIT sRGB gAMA cHRM cICP tEXt zTXt iTXt".split()
)

_FORMATS: Final[tuple[tuple[str, bytes], ...]] = (
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("JPEG", rb"\xff\xd8\xff"),  # MPO, which phones write, begins as one
    ("WEBP", rb"(?s)RIFF....WEBP"),
    ("TIFF", rb"II\*\0|MM\0\*|II\x2b\0\x08\0|MM\0\x2b\0\x08"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"(?s)BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    ("AVIF", rb"(?s)....ftyp(avif|avis|mif1.{0,40}avif)"),
    ("HEIF", rb"(?s)....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)"),
)
_OTHERS: Final[tuple[tuple[str, bytes], ...]] = (
    ("a PDF", rb"%PDF"),
    ("PostScript", rb"%!|\xc5\xd0\xd3\xc6"),
    ("an SVG drawing", rb"(?s)\s*+(<\?xml[^>]*+>\s*+)?+(<!--((?!-->).)*+-->\s*+)*+<svg"),
    ("an HTML page", rb"(?i)\s*<(!doctype html|html|head)"),
    ("a Photoshop file", rb"8BPS"),
    ("a Targa (TGA) picture", rb"(?s).[\0\1][\1-\3\x09-\x0b].{13}[\x08\x0f\x10\x18\x20][\0-\x3f]"),
    ("a QOI picture", rb"qoif"),
    ("a PCX picture", rb"\x0a[\0-\5]\x01[\1\2\4\x08]"),
    ("a PPM picture", rb"P[1-7fF]\s"),
    ("a DDS texture", rb"DDS "),
    ("OpenEXR", rb"v/1\x01"),
    ("a Radiance (HDR) picture", rb"#\?RADIANCE|#\?RGBE"),
    ("a GIMP file", rb"gimp xcf"),
    ("FITS", rb"SIMPLE  ="),
    ("DjVu", rb"AT&TFORM"),
    ("an MNG or JNG picture", rb"[\x8a\x8b][MJ]NG"),
    ("JPEG XR", rb"II\xbc"),
    ("an SGI picture", rb"\x01\xda[\0\1][\1\2]"),
    ("a Windows metafile", rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF"),
    ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("JPEG 2000", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("a camera's raw file", rb"(?s)....ftypcrx|FUJIFILMCCD-RAW|IIRO|IIU\0"),
    ("a video", rb"(?s)....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI "),
    ("an icon", rb"\0\0[\1\2]\0[^\0]|icns"),
    ("an archive", rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!"),
    ("a text", rb"[\t\n\r\x20-\x7e]+\Z"),
)
"""What else people give, so that it can be called by its name."""

_KNOWN: Final = "PNG, JPEG, WebP, TIFF, GIF, BMP, AVIF or HEIC"

_megapixels: float = 100.0


def limit_megapixels(most: float) -> None:
    """Set how many megapixels a picture may have, in this process; 100 by default.

    It holds for every picture: given, uploaded, answered by an endpoint, or stored.

    Raises:
        ConfigError: it lets no picture in.
    """
    if not most > 0:
        raise ConfigError(f"max_megapixels = {most!r} lets no picture in: give 1 or more")
    global _megapixels
    _megapixels = most


def most_megapixels() -> float:
    """How many megapixels a picture may have."""
    return _megapixels


def require_few_pixels(width: int, height: int) -> None:
    """Refuse a picture that is too large to decode.

    Raises:
        ValueError: it has more pixels than the limit, see `limit_megapixels`; or a side that no
            picture has.
    """
    if max(width, height) > _MAX_SIDE:
        raise ValueError(
            f"{width}x{height} pixels: a side of {_MAX_SIDE:,} is the most; cut it into parts"
        )
    if width * height > _megapixels * 1e6:
        raise ValueError(
            f"{width}x{height} pixels are {width * height / 1e6:,.0f} megapixels, and "
            f"{_megapixels:g} is the most: make it smaller, or raise max_megapixels"
        )


@contextmanager
def open_picture_file(
    source: Path | bytes, *, only: str | None = None
) -> Iterator[tuple[ImageFile, bytes | None]]:
    """Open a picture without decoding it, and close it after the block.

    Args:
        source: a file, or its contents.
        only: a format; others are refused.

    Returns:
        The picture, whose size is within the limits, and its colour profile, if it has one.

    Raises:
        ValueError: it is of another format, too large or broken; or there is no picture in it.
        OSError: the file cannot be read.
    """
    with _opened(source) as file:
        kind = _format_of(file.read(512))
        if only not in (None, kind):
            raise ValueError(f"a {kind} picture where a {only} was expected")
        file.seek(0)
        profile: bytes | None = None
        told = ""
        if kind == "PNG":
            file, profile, told = _bare_png(file)
        elif kind == "WEBP":  # whose decoder makes room for the picture at once
            require_few_pixels(*_webp_size(file))
        with _start(kind, file) as image:
            require_few_pixels(*image.size)
            _require_small_parts(image, file)
            if profile is None:
                profile = image.info.get("icc_profile")
            if profile is None and kind in ("AVIF", "HEIF"):
                profile, told = _coded_colours(file)
            if told:
                add_notices(image, told)
            yield image, profile


def simple_png(source: Path | bytes) -> bytes | None:
    """The contents of a PNG that takes little time and memory to decode, whatever is in it.

    It is of moderate size and has pixels and a few numbers, but no profile, EXIF data or film.

    Returns:
        None: it is another picture.

    Raises:
        ValueError: it is of no known format.
        OSError: the file cannot be read.
    """
    with _opened(source) as file:
        if _format_of(file.read(512)) != "PNG":
            return None
        file.seek(0)
        data = file.read(_SIMPLE + 1)
    width, height = struct.unpack(">II", data[16:24].ljust(8, b"\xff"))
    if len(data) > _SIMPLE or width * height > _SIMPLE:
        return None
    at = 8
    for _ in range(_MAX_CHUNKS // 10):
        if at >= len(data) or (kind := data[at + 4 : at + 8]) == b"IEND":
            return data
        if kind not in _SIMPLE_CHUNKS:
            return None
        at += 12 + int.from_bytes(data[at : at + 4])
    return None


@contextmanager
def _opened(source: Path | bytes) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        size = len(source)
    else:
        found = source.stat()
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):  # a pipe would wait for its writer
            raise ValueError(f"it is {'a folder' if stat.S_ISDIR(found.st_mode) else 'no file'}")
    if size == 0:
        raise ValueError("it is empty")
    if size > MAX_BYTES:
        raise ValueError(f"it has {size >> 20:,} MiB, and {MAX_BYTES >> 20:,} are the most")
    with io.BytesIO(source) if isinstance(source, bytes) else open_named(source) as file:
        yield file


def _format_of(head: bytes) -> str:
    for name, pattern in _FORMATS:
        if re.match(pattern, head):
            return name
    for name, pattern in _OTHERS:
        if re.match(pattern, head):
            raise ValueError(f"it is {name}, and no picture that can be used: give {_KNOWN}")
    raise ValueError(f"it is no picture of a known format: give {_KNOWN}")


def _start(kind: str, file: IO[bytes]) -> ImageFile:
    """Have Pillow's reader of this format look at the beginning of the file.

    Not by `Image.open`, which warns of large pictures by a limit of its own.
    """
    from PIL import Image

    Image.preinit()
    if kind not in Image.OPEN:
        Image.init()
    if kind == "HEIF" and kind not in Image.OPEN:
        try:
            from pi_heif import register_heif_opener
        except ImportError:
            raise ValueError(
                "it is a HEIC (HEIF) picture, which needs the 'heic' extra: "
                "pip install 'rr-refine[heic]'; or save it as JPEG or PNG"
            ) from None
        register_heif_opener()
    if kind not in Image.OPEN:
        raise ValueError(f"this installation of Pillow cannot read {kind}")
    factory, _ = Image.OPEN[kind]
    try:
        with warnings.catch_warnings():  # what matters of them is said in other words
            warnings.simplefilter("ignore")
            return factory(file, "")
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise broken(kind, error) from error


def broken(kind: str, error: Exception) -> ValueError:
    """What a decoder raised about a picture of that format, in words."""
    why = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, struct.error | IndexError | EOFError):
        why = "it ends too early"
    return ValueError(f"it is a broken {kind} picture, or cut off: {why}")


def _require_small_parts(image: ImageFile, file: IO[bytes]) -> None:
    """Refuse a small picture in parts that are large, or many: each is decoded as a whole.

    Raises:
        ValueError: it is such a TIFF or JPEG.
    """
    if image.format == "TIFF":
        sides = [image.tag_v2.get(tag, 0) for tag in (322, 323)]  # type: ignore[attr-defined]
        if not all(isinstance(side, int) for side in sides):
            raise ValueError("its TIFF data is broken: a tile has no size")
        # A tile at the edge may be larger than the picture; strips are cut to its height.
        if all(sides):
            require_few_pixels(*sides)
    elif image.format in ("JPEG", "MPO"):
        at = file.tell()
        file.seek(0)
        scans = _scans(file.read(_MAX_COUNTED))
        file.seek(at)
        if scans * image.width * image.height > _MAX_SCANNED:
            raise ValueError(
                f"{image.width}x{image.height} pixels in {scans} scans take too long: save it anew"
            )


def _scans(data: bytes) -> int:
    """How many scans the first picture of a JPEG has."""
    scans, at = 0, 2
    while (kind := data[at : at + 2]) and kind != b"\xff\xd9":
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if kind == b"\xff\xda":
            scans += 1
            found = re.compile(rb"\xff[^\0\xd0-\xd7\xff]").search(data, at)
            at = len(data) if found is None else found.start()
    return scans


def _bare_png(file: IO[bytes]) -> tuple[IO[bytes], bytes | None, str]:
    """The PNG without its texts and colours, the profile of its colours, and a notice, or nothing.

    Pillow reads them, and refuses the whole picture where they are long.
    """
    bare = io.BytesIO()
    bare.write(file.read(8))
    colours: dict[bytes, bytes] = {}
    chunks = 0
    while len(start := file.read(8)) == 8:
        if (chunks := chunks + 1) > _MAX_CHUNKS:
            raise ValueError(f"its PNG data has more than {_MAX_CHUNKS:,} parts: save it again")
        length, kind = struct.unpack(">I4s", start)
        content = file.read(length + 4)
        if kind in _COLOURS:
            colours.setdefault(kind, content[:-4])  # a PNG has one; each further one costs time
        if kind not in _LEFT_OUT:
            bare.write(start + content)
    bare.seek(0)
    if b"iCCP" not in colours or b"cICP" in colours:
        return bare, *profile_of_png(colours)
    packed = colours[b"iCCP"].partition(b"\0")[2][1:]
    try:
        return bare, zlib.decompressobj().decompress(packed, _MAX_PROFILE), ""
    except zlib.error:
        return bare, b"", ""  # there is one, and it is broken


def _coded_colours(file: IO[bytes]) -> tuple[bytes | None, str]:
    """The profile for the code that an AVIF or HEIF gives its colours, and a notice, or nothing."""
    file.seek(0)
    if found := re.search(rb"(?s)colrnclx(..)(..)", file.read(2**16)):
        return profile_of_code(int.from_bytes(found[1]), int.from_bytes(found[2]), full=True)
    return None, ""


def _webp_size(file: IO[bytes]) -> tuple[int, int]:
    """Width and height that a WebP claims to have."""
    head = file.read(30).ljust(30, b"\0")
    file.seek(0)
    if head[12:16] == b"VP8X":
        return _number(head[24:27]) + 1, _number(head[27:30]) + 1
    if head[12:16] == b"VP8L":
        bits = _number(head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _number(head[26:28]) & 0x3FFF, _number(head[28:30]) & 0x3FFF


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
