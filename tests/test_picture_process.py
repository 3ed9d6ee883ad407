"""Decoders of foreign pictures are ended when they take too long or too much memory."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from rr_refine import picture_process
from rr_refine.errors import ConfigError
from rr_refine.notices import notices_of
from rr_refine.picture_reading import read_picture
from rr_refine.pictures import check_picture, decode_picture, load_picture, picture_size


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def slow(count: int = 450, side: int = 3000) -> bytes:
    """A JPEG whose decoding takes many seconds: its scans go over the whole picture."""
    whole = encode(Image.new("RGB", (side, side), "orange"), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def decoders() -> set[int]:
    """The processes that this one has started for decoding."""
    found = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found |= {int(one) for one in (task / "children").read_text().split()}
    return {one for one in found if b"picture_worker" in Path(f"/proc/{one}/cmdline").read_bytes()}


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    yield
    picture_process._pool().close()
    assert decoders() == set()


JPEG = encode(Image.radial_gradient("L").convert("RGB"), "JPEG")


def test_the_same_as_decoded_here() -> None:
    for data in (JPEG, encode(Image.new("RGBA", (9, 7), (1, 2, 3, 99)), "WEBP", lossless=True)):
        here, apart = read_picture(data, None), decode_picture(data)
        assert ImageChops.difference(here, apart).getbbox() is None
        assert (apart.mode, apart.size) == (here.mode, here.size)
        assert notices_of(apart) == notices_of(here)
    assert notices_of(apart) == ("its transparent parts were laid over white",)


def test_one_process_is_kept_and_told_errors_do_not_end_it(tmp_path: Path) -> None:
    decode_picture(JPEG)
    (first,) = decoders()
    with pytest.raises(ValueError, match="it is a broken JPEG picture, or cut off"):
        decode_picture(JPEG[:300])
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    assert picture_size(path) == (256, 256)
    assert check_picture(path, whole=True) == "JPEG"
    assert notices_of(load_picture(path, most_pixels=100))[0].startswith("it was scaled down")
    assert decoders() == {first}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_knows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-not-for-decoders")
    before = decoders()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    decode_picture(encode(Image.new("RGB", (8, 8), "red"), "JPEG"))
    (pid,) = decoders() - before
    assert b"sk-not-for-decoders" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_slow_picture_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode_picture(JPEG)
    before = decoders()
    monkeypatch.setattr(picture_process, "_SECONDS", 1.0)
    path = tmp_path / "slow.jpg"
    path.write_bytes(slow())
    words = "decoding it takes longer than 1 s: save it anew"
    began = time.monotonic()
    with pytest.raises(ConfigError, match=f"image .*slow.jpg' cannot be read: {words}"):
        load_picture(path)
    assert time.monotonic() - began < 3
    assert decoders() == set()
    with pytest.raises(ValueError, match=words):
        check_picture(path, whole=True)
    monkeypatch.undo()
    assert decode_picture(JPEG).size == (256, 256)
    assert not decoders() & before


def test_a_large_limit_of_pixels_gives_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[picture_process.Order] = []

    def ask(_: object, order: picture_process.Order, __: bytes) -> object:
        asked.append(order)
        return {"size": [1, 1], "notices": []}, bytes(3)

    monkeypatch.setattr(picture_process._Pool, "ask", ask)
    for most in (1, 100, 400):
        monkeypatch.setattr("rr_refine.picture_file._megapixels", most)
        decode_picture(JPEG)
    assert [order["seconds"] for order in asked] == [30, 30, 120]
    assert [order["memory"] for order in asked] == [
        2**30 + most * 10**6 * picture_process._PIXEL for most in (1, 100, 400)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")
def test_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    large = encode(Image.new("RGB", (9000, 9000)), "TIFF", compression="tiff_deflate")
    assert len(large) < 2**20
    monkeypatch.setattr(picture_process, "_MEMORY", 2**28)
    monkeypatch.setattr(picture_process, "_PIXEL", 0)
    with pytest.raises(ValueError, match=r"more than 0\.2 GiB of memory"):
        decode_picture(large)
    assert decode_picture(JPEG).size == (256, 256)


def test_a_decoder_that_crashes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_picture(JPEG)
    (process,) = decoders()
    exchange = picture_process._Process._exchange

    def crashing(
        self: picture_process._Process, order: picture_process.Order, data: bytes
    ) -> object:
        os.kill(process, signal.SIGSEGV)
        return exchange(self, order, data)

    with monkeypatch.context() as patch:
        patch.setattr(picture_process._Process, "_exchange", crashing)
        with pytest.raises(ValueError, match=r"its decoder ended by itself \(exit status -11\)"):
            decode_picture(JPEG)
    assert decoders() == set()
    assert decode_picture(JPEG).size == (256, 256)


def test_an_idle_process_that_was_killed_is_no_matter() -> None:
    decode_picture(JPEG)
    (process,) = decoders()
    os.kill(process, signal.SIGKILL)
    time.sleep(0.1)
    assert decode_picture(JPEG).size == (256, 256)


def test_several_at_once() -> None:
    with ThreadPoolExecutor(16) as threads:
        pictures = list(threads.map(decode_picture, [JPEG] * 64))
    assert all(ImageChops.difference(one, pictures[0]).getbbox() is None for one in pictures)
    assert 1 <= len(decoders()) <= picture_process._MOST


def test_none_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ValueError, match=r"no process can be started to decode it: .*nowhere"):
        decode_picture(JPEG)


def _in_a_fork() -> None:
    assert decode_picture(JPEG).size == (256, 256)
    gc.collect()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_has_its_own() -> None:
    decode_picture(JPEG)
    before = decoders()
    child = get_context("fork").Process(target=_in_a_fork)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert decoders() == before
    assert decode_picture(JPEG).size == (256, 256)


PROGRAM = """
import sys
from pathlib import Path
from rr_refine import picture_process
from rr_refine.pictures import load_picture
picture_process._SECONDS = 4
print("begin", flush=True)
load_picture(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_who_asked(how: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "slow.jpg"
    path.write_bytes(slow())
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "begin\n"
    time.sleep(1.5)
    (decoder,) = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    if how == signal.SIGINT:  # Ctrl-C goes to all processes of a terminal
        os.killpg(program.pid, how)
    else:
        program.kill()
    _, errors = program.communicate(timeout=10)
    assert program.returncode == -how
    assert errors.endswith("KeyboardInterrupt\n" if how == signal.SIGINT else "")
    for _ in range(150):
        if not Path(f"/proc/{decoder}").exists():
            return
        time.sleep(0.1)
    raise AssertionError("the decoder goes on")


def test_what_libraries_print_stays_there(capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff prints the names of tags that it does not know, which stand in the file."""
    odd = encode(Image.new("RGB", (8, 8)), "TIFF", tiffinfo={65000: "odd"}, compression="tiff_lzw")
    decode_picture(odd)
    assert capfd.readouterr() == ("", "")
