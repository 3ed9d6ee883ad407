"""Which files are opened as pictures at all, and which limits they are held to."""

from __future__ import annotations

import ast
import io
import re
import struct
import time
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from rr_refine import picture_file
from rr_refine.agent.store.folder import RunFolder
from rr_refine.benchmarks.cache import Cache
from rr_refine.cli.live.thumbnail import read_thumbnail
from rr_refine.errors import ConfigError, StoreError
from rr_refine.generators.generator import RenderRequest
from rr_refine.notices import notices_of
from rr_refine.picture_file import limit_megapixels, simple_png
from rr_refine.picture_reading import read_picture
from rr_refine.pictures import check_picture, decode_picture, load_picture, picture_size
from rr_refine.studio.uploads import read_upload, thumbnail
from tests.test_layout import ROOT, modules

HEIC = b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAA"
    "AAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAB0AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAA"
    "AAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34"
    "+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5"
    "uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAA"
    "AAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAA"
    "AAAAAAEAAQWBAgMFhAAAACVtZGF0AAAAGSgBrxOA9SeBP//gpUf/utZ4fg8Lfnny1PA="
)
"""Of 64 x 48 red pixels."""

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    b"(pwned) (w) file closefile showpage\n%%EOF\n"
)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def small(kind: str) -> bytes:
    return encode(Image.new("RGB", (8, 8), "red"), kind)


def bomb(side: int = 13_000) -> bytes:
    """A PNG of few bytes and many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer, rows = zlib.compressobj(9), b"\0" * (side // 8 + 1)
    body = b"".join(packer.compress(rows) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def webp_header(kind: bytes, side: int) -> bytes:
    """The beginning of a WebP that claims a size."""
    body = {
        b"VP8X": b"\0\0\0\0" + (side - 1).to_bytes(3, "little") * 2,
        b"VP8L": b"\x2f" + ((side - 1) | (side - 1) << 14).to_bytes(4, "little"),
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + side.to_bytes(2, "little") * 2,
    }[kind]
    inner = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


OTHERS = {
    "eps": (EPS, "PostScript"),
    "dos-eps": (b"\xc5\xd0\xd3\xc6" + EPS, "PostScript"),
    "pdf": (b"%PDF-1.7\n", "a PDF"),
    "svg": (b'<?xml version="1.0"?>\n<!-- hi -->\n<svg xmlns="x"/>', "an SVG drawing"),
    "html": (b"\n<!DOCTYPE html><title>404</title>", "an HTML page"),
    "psd": (b"8BPS\0\1" + b"\0" * 40, "a Photoshop file"),
    "jxl": (b"\xff\x0a" + b"\1" * 40, "JPEG XL"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40, "JPEG 2000"),
    "cr3": (b"\0\0\0\x18ftypcrx " + b"\0" * 40, "a camera's raw file"),
    "mp4": (b"\0\0\0\x18ftypisom" + b"\0" * 40, "a video"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, "an archive"),
    "ico": (b"\0\0\1\0\1\0" + b"\0" * 40, "an icon"),
    "json": (b'{"error": "no credit"}', "a text"),
    "ppm": (encode(Image.new("RGB", (2, 2)), "PPM"), "a PPM picture"),
    "pgm": (encode(Image.new("L", (2, 2)), "PPM"), "a PPM picture"),
    "ppm of text": (b"P3\n2 2\n255\n0 0 0\n", "a PPM picture"),
    "tga": (encode(Image.new("RGB", (9, 9)), "TGA"), "a Targa"),
    "tga with alpha": (encode(Image.new("RGBA", (9, 9)), "TGA", compression="tga_rle"), "a Targa"),
    "grey tga": (encode(Image.new("L", (300, 9)), "TGA"), "a Targa"),
    "pcx": (encode(Image.new("RGB", (9, 9)), "PCX"), "a PCX picture"),
    "qoi": (b"qoif" + b"\0\0\0\1" * 3, "a QOI picture"),
    "icns": (encode(Image.new("RGBA", (16, 16)), "ICNS"), "an icon"),
    "cur": (b"\0\0\2\0\1\0" + b"\0" * 40, "an icon"),
    "dds": (encode(Image.new("RGB", (9, 9)), "DDS"), "a DDS texture"),
    "sgi": (encode(Image.new("RGB", (9, 9)), "SGI"), "an SGI picture"),
    "exr": (b"v/1\1\2\0\0\0" + b"\0" * 40, "OpenEXR"),
    "hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "a Radiance"),
    "xcf": (b"gimp xcf v011\0", "a GIMP file"),
    "mng": (b"\x8aMNG\r\n\x1a\n", "an MNG or JNG picture"),
    "jxr": (b"II\xbc\1" + b"\0" * 40, "JPEG XR"),
    "svg with comments": (
        b" <?xml version='1.0'?> <!-- a --><!-- -b- -->\n<!----><svg width='9'>",
        "an SVG drawing",
    ),
    "noise": (b"\x93\xf2\x11" * 50, "no picture of a known format"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_called_by_their_names_and_start_no_decoder(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a decoder was started")

    data, words = OTHERS[name]
    Image.init()
    for kind in list(Image.OPEN):
        monkeypatch.setitem(Image.OPEN, kind, (never, None))
    monkeypatch.setattr("subprocess.Popen", never)
    with pytest.raises(ValueError, match=f"it is {words}.*give PNG, JPEG"):
        decode_picture(data)


@pytest.mark.parametrize(
    "part", ["<!---->", "<!-- -->\n", "<?xml >", "<?xml", "<!--", "-->", " ", "\n", "RIFF"]
)
def test_naming_a_format_takes_no_time(part: str) -> None:
    head = part.encode() * 24 + b"x\x80"
    start = time.process_time()
    with pytest.raises(ValueError, match="no picture of a known format"):
        decode_picture(head)
    assert time.process_time() - start < 1  # every further part doubled it


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_the_known_formats(kind: str, tmp_path: Path) -> None:
    data = small(kind)
    assert check_picture(data, whole=True) == kind
    path = tmp_path / "misnamed.eps"
    path.write_bytes(data)
    assert load_picture(path).size == picture_size(path) == (8, 8)


def test_a_phones_two_pictures_in_one() -> None:
    two = encode(
        Image.new("RGB", (8, 8), "red"),
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (4, 4), "blue")],
    )
    assert check_picture(two) == "MPO"
    assert decode_picture(two).size == (8, 8)


def test_heic() -> None:
    image = decode_picture(HEIC)
    assert image.size == (64, 48)
    red, green, _ = image.getpixel((20, 20))  # type: ignore[misc]
    assert red > 180
    assert green < 60


def test_heic_without_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    Image.init()
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    with pytest.raises(ValueError, match=r"HEIC .*: pip install 'rr-refine\[heic\]'; or save it"):
        read_picture(HEIC, None)


# -- stored pictures are PNG, wherever they are read -----------------------------------------------

NAME = "ab" * 32


def from_run_folder(tmp_path: Path, data: bytes) -> object:
    with RunFolder(tmp_path / "run") as folder:
        path = folder.image_path(NAME)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        return folder.load_image(NAME)


async def from_cache(tmp_path: Path, data: bytes) -> object:
    with Cache(tmp_path) as cache:
        request = RenderRequest("a", 1)
        await cache.keep_image("key", Image.new("RGB", (2, 2)), request)
        (path,) = (tmp_path / "images").rglob("*.png")
        path.write_bytes(data)
        return await cache.find_image("key")


def from_studio(tmp_path: Path, data: bytes) -> object:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    return thumbnail(path)


STORED = {"EPS": EPS, "JPEG": small("JPEG"), "TIFF": small("TIFF"), "many pixels": bomb()}


@pytest.mark.parametrize("data", STORED.values(), ids=STORED)
@pytest.mark.parametrize("read", [from_run_folder, from_studio])
def test_stored_pictures_are_png(
    read: Callable[[Path, bytes], object], data: bytes, tmp_path: Path
) -> None:
    words = r"PNG was expected|not a PNG file|PostScript|169 megapixels"
    with pytest.raises(StoreError, match=words):
        read(tmp_path, data)


@pytest.mark.parametrize("data", STORED.values(), ids=STORED)
async def test_stored_pictures_of_a_benchmark_are_png(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"PNG was expected|PostScript|169 megapixels"):
        await from_cache(tmp_path, data)


@pytest.mark.parametrize("data", STORED.values(), ids=STORED)
def test_the_terminal_leaves_out_what_is_none(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert read_thumbnail(str(path), 16, 8, "blocks") is None
    path.write_bytes(small("PNG"))
    assert read_thumbnail(str(path), 16, 8, "blocks") is not None


# -- limits ----------------------------------------------------------------------------------------


@pytest.fixture
def decoders_never_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)


@pytest.mark.usefixtures("decoders_never_decode")
def test_too_many_pixels_are_told_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as whoever opens it may have set it
    data = bomb()
    assert len(data) < 40_000
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    words = "13000x13000 pixels are 169 megapixels, and 100 is the most: .* raise max_megapixels"
    with pytest.raises(ConfigError, match=words):
        load_picture(path)
    with pytest.raises(ConfigError, match=words):
        read_upload(data)
    with Image.open(path) as opened, pytest.raises(ConfigError, match=words):
        load_picture(opened)
    with pytest.raises(ValueError, match=words):
        decode_picture(data)
    with pytest.raises(ValueError, match=words):  # in this process, where the fixture sees it
        read_picture(data, None)


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_is_measured_before_its_decoder_makes_room(kind: bytes) -> None:
    with pytest.raises(ValueError, match="16000x16000 pixels are 256 megapixels"):
        decode_picture(webp_header(kind, 16_000))


@pytest.fixture
def fewer_pixels() -> Iterator[None]:
    limit_megapixels(0.01)
    yield
    limit_megapixels(100)


@pytest.mark.usefixtures("fewer_pixels")
def test_the_limit_is_a_setting() -> None:
    assert decode_picture(small("PNG")).size == (8, 8)
    with pytest.raises(ValueError, match=r"200x100 pixels are 0 megapixels, and 0\.01 is"):
        decode_picture(encode(Image.new("RGB", (200, 100))))


def test_a_file_may_not_be_endless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(picture_file, "MAX_BYTES", 100)
    path = tmp_path / "large.bmp"
    path.write_bytes(small("BMP"))
    with pytest.raises(ConfigError, match=r"it has .* MiB, and .* are the most"):
        load_picture(path)


# -- the one place ---------------------------------------------------------------------------------

OPENER = Path("src/rr_refine/picture_file.py")


def openings(tree: ast.AST) -> list[int]:
    """Lines that open a picture: `Image.open`, `Image.OPEN`, and other libraries' ways."""
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="Image"), attr="open" | "OPEN"):
                lines.append(node.lineno)
            case ast.Attribute(attr="read_image" | "decode_image" | "imread" | "imdecode"):
                lines.append(node.lineno)
            case ast.Call(func=ast.Name(id="load_image")):
                lines.append(node.lineno)
            case ast.ImportFrom(module=module, names=names):
                bad = module == "PIL.Image" and any(a.name in ("open", "*") for a in names)
                others = (module or "").partition(".")[0] in ("cv2", "imageio", "torchvision")
                if bad or others or any(a.name == "load_image" for a in names):
                    lines.append(node.lineno)
            case ast.Import(names=names):
                known = ("cv2", "imageio", "torchvision", "pillow_heif", "pyheif")
                if any(alias.name.partition(".")[0] in known for alias in names):
                    lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("module", [m for m in modules() if m != OPENER], ids=str)
def test_pictures_are_opened_in_one_place(module: Path) -> None:
    assert openings(ast.parse((ROOT / module).read_text())) == []


@pytest.mark.parametrize(
    "code",
    [
        "with Image.open(path) as image: pass",
        "from PIL.Image import open as o",
        "import cv2",
        "x = cv.imread(name)",
        "from torchvision.io import decode_image",
        "from diffusers.utils import load_image",
    ],
)
def test_what_counts_as_opening(code: str) -> None:
    assert openings(ast.parse(code)) == [1]


def test_what_follows_a_jpeg_is_not_read() -> None:
    """Phones put a film behind the picture, and a small picture into its first segment."""
    film = b"\xff\xda" * 9000
    plain = encode(Image.new("RGB", (64, 64), "orange"), "JPEG", progressive=True)
    assert decode_picture(plain + film).size == (64, 64)
    app = b"\xff\xe5" + (2 + 60000).to_bytes(2) + film[:18000] * 3 + bytes(6000)
    assert decode_picture(plain[:2] + app + plain[2:]).size == (64, 64)


def test_one_profile_of_a_png_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    whole = out.getvalue()
    head = 8 + 25
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 20)))
    unpacked: list[int] = []
    real = zlib.decompressobj

    def counting() -> object:
        unpacked.append(1)
        return real()

    monkeypatch.setattr("rr_refine.picture_file.zlib.decompressobj", counting)
    assert read_picture(whole[:head] + bomb * 50 + whole[head:], None).size == (8, 8)
    assert len(unpacked) == 1


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


def with_chunks(more: bytes) -> bytes:
    """A PNG with something between its header and its pixels."""
    whole = encode(Image.new("RGB", (8, 8), "red"))
    return whole[:33] + more + whole[33:]


@pytest.mark.parametrize(
    ("data", "simple"),
    [
        (with_chunks(b""), True),
        (with_chunks(chunk(b"gAMA", (45455).to_bytes(4)) + chunk(b"tEXt", b"a\0b")), True),
        (with_chunks(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"x"))), False),
        (with_chunks(chunk(b"eXIf", b"MM\0*")), False),
        (with_chunks(chunk(b"acTL", bytes(8))), False),
        (with_chunks(chunk(b"odDd", b"")), False),
        (with_chunks(chunk(b"tEXt", b"") * 10_000), False),
        (with_chunks(chunk(b"tEXt", bytes(2**24))), False),
        (bomb(5000), False),
        (b"\x89PNG\r\n\x1a\n", False),
        (small("JPEG"), False),
    ],
    ids=[
        *("plain", "numbers", "profile", "exif", "film", "unknown", "parts", "long"),
        *("many-pixels", "cut", "jpeg"),
    ],
)
def test_which_pictures_need_no_process(data: bytes, simple: bool) -> None:
    assert simple_png(data) == (data if simple else None)


def test_a_png_of_endless_parts_is_refused(tmp_path: Path) -> None:
    data = with_chunks(chunk(b"tEXt", b"") * 100_001)
    with pytest.raises(ValueError, match="more than 100,000 parts"):
        decode_picture(data)
    with pytest.raises(StoreError, match="more than 100,000 parts"):
        from_run_folder(tmp_path, data)


@pytest.mark.parametrize(("count", "words"), [(7, "7 pages"), (150, "more than 100 pages")])
def test_pages_of_a_tiff_are_counted_up_to_a_limit(count: int, words: str) -> None:
    out = io.BytesIO()
    pages = [Image.new("RGB", (4, 4), "orange") for _ in range(count)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    read = decode_picture(out.getvalue())
    assert read.getpixel((0, 0)) == (255, 165, 0)
    assert f"it is the first of {words}" in notices_of(read)


def tiled(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels with one tile, of which nothing is there."""
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1)]
    tags += [(322, side), (323, side), (324, 8), (325, 16)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(tags))
    return data + entries + bytes(4)


def tall(side: int) -> bytes:
    """A PNG of one column, of which nothing is there."""
    head = struct.pack(">IIBBBBB", 1, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"")


def scanned(times: int) -> bytes:
    """A JPEG of 1600 x 1600 pixels whose last scan is there again and again."""
    data = encode(Image.new("L", (1600, 1600), 90), "JPEG", progressive=True, quality=10)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * times + data[-2:]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiled(20_000), "20000x20000 pixels are 400 megapixels"),
        (tiled(65_536), "a side of 65,535 is the most"),
        (scanned(2000), "scans take too long: save it anew"),
        (tall(16_000_000), "1x16000000 pixels: a side"),
        (
            b"BM"
            + bytes(12)
            + struct.pack("<IiiHHIIiiII", 40, 30_000_000, 1, 1, 1, 0, 4, 0, 0, 2, 2)
            + bytes(12),
            "30000000x1 pixels: a side",
        ),
    ],
    ids=["tile", "side of a tile", "scans", "tall", "wide"],
)
def test_parts_that_are_larger_than_the_picture(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        decode_picture(data)


def test_ordinary_scans_and_what_looks_like_one() -> None:
    marks = b"\xff\xda\0\2" * 50_000  # as a video behind a phone's picture may have
    assert decode_picture(scanned(3) + marks).size == (1600, 1600)
