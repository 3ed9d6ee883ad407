"""Decoders of foreign pictures run in a process of their own, which can be ended.

A decoder that was started cannot be stopped from within: a file that makes it slow would hold a
thread for as long as it likes, and one that makes it large would take all memory. So it runs in a
process that is kept for the next picture, and killed when it takes too long. A few are started
where several pictures come at once.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from rr_refine import picture_file
from rr_refine.notices import add_notices

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Order", "look_apart", "read_apart"]

_SECONDS: Final = 30.0
"""For one picture of up to 100 megapixels; noise of 90 took 4 (JPEG) to 7 (WebP) of a core."""
_MEMORY: Final = 2**30
"""Bytes of such a process, beside those for pixels."""
_PIXEL: Final = 24
"""Bytes for each pixel that a picture may have; a WebP with transparency takes 17 beside 1 GiB."""
_PIPE: Final = 2**20
"""Bytes that may wait in a pipe."""
_MOST: Final = 4
"""Processes at once."""

_START: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; from rr_refine.picture_worker import serve; serve()"
)


class Order(TypedDict):
    """What the process is to do."""

    path: str
    """The file; empty where its bytes follow."""
    bytes: int
    """How many follow."""
    pixels: bool
    """Whether the picture is wanted, or only its format and size."""
    whole: bool
    """Whether it is decoded even then."""
    most_pixels: int | None
    """A larger picture is scaled down to so many."""
    megapixels: float
    """The most that it may have."""
    seconds: float
    memory: int
    """Bytes."""


def read_apart(source: Path | bytes, most_pixels: int | None) -> Image.Image:
    """Decode a picture, see `rr_refine.picture_reading.read_picture`.

    Raises:
        ValueError: it is no picture that can be used, or takes too long or too much memory.
    """
    from PIL import Image

    answer, pixels = _ask(source, pixels=True, whole=True, most_pixels=most_pixels)
    image = Image.frombytes("RGB", answer["size"], pixels)
    add_notices(image, *answer["notices"])
    return image


def look_apart(source: Path | bytes, *, whole: bool) -> tuple[str, tuple[int, int]]:
    """The format of a picture and its size, see `rr_refine.picture_reading.look_at`.

    Raises:
        ValueError: as above.
    """
    answer, _ = _ask(source, pixels=False, whole=whole, most_pixels=None)
    return answer["kind"], (answer["size"][0], answer["size"][1])


def _ask(
    source: Path | bytes, *, pixels: bool, whole: bool, most_pixels: int | None
) -> tuple[dict[str, Any], bytes]:
    data = source if isinstance(source, bytes) else b""
    most = picture_file.most_megapixels()
    order = Order(
        path="" if isinstance(source, bytes) else str(source.absolute()),
        bytes=len(data),
        pixels=pixels,
        whole=whole,
        most_pixels=most_pixels,
        megapixels=most,
        seconds=max(_SECONDS, _SECONDS * most / 100),
        memory=_MEMORY + int(most * 1e6) * _PIXEL,
    )
    return _pool().ask(order, data)


_ENVIRONMENT: Final = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""What a decoder's process may know of ours: no keys."""


class _Process:
    """One of them."""

    def __init__(self) -> None:
        self._late = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, *map(os.path.abspath, filter(None, sys.path))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libraries print what stands in the file
                cwd=Path(os.sep).resolve(),
                # Each thread of a decoder would reserve 64 MiB.
                env={k: v for k, v in os.environ.items() if k in _ENVIRONMENT}
                | {"MALLOC_ARENA_MAX": "2"},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ValueError(f"no process can be started to decode it: {error}") from error
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        self._into, self._out = into, out
        with suppress(AttributeError, OSError):  # Linux: fewer switches to and fro
            for pipe in (self._into, self._out):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)

    def ask(self, order: Order, data: bytes) -> tuple[dict[str, Any], bytes]:
        """Have an order done. The process has ended after any error but a told one."""
        limit = threading.Timer(order["seconds"], self._expire)
        limit.daemon = True
        limit.start()
        try:
            answer, pixels = self._exchange(order, data)
        except (OSError, ValueError, EOFError):
            self.end()
            why = f"its decoder ended by itself (exit status {self._process.returncode})"
            if self._late:
                why = (
                    f"decoding it takes longer than {order['seconds']:g} s: save it anew, as PNG "
                    "or JPEG, or make it smaller"
                )
            raise ValueError(why) from None
        except BaseException:
            self.end()
            raise
        finally:
            limit.cancel()
            limit.join()
        if "error" in answer:
            raise _ToldError(answer["error"])
        return answer, pixels

    def _exchange(self, order: Order, data: bytes) -> tuple[dict[str, Any], bytes]:
        self._into.write(json.dumps(order).encode() + b"\n")
        self._into.write(data)
        self._into.flush()
        answer: dict[str, Any] = json.loads(self._out.readline())
        pixels = b""
        if order["pixels"] and "error" not in answer:
            width, height = answer["size"]
            picture_file.require_few_pixels(width, height)
            pixels = self._out.read(width * height * 3)
            if len(pixels) < width * height * 3:
                raise EOFError
        return answer, pixels

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return not self._late and self._process.poll() is None

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        for pipe in (self._into, self._out):
            with suppress(OSError):  # what was written and not taken
                pipe.close()
        self._process.wait()


class _ToldError(ValueError):
    """What the process said of a picture; it can be asked for the next."""


class _Pool:
    """Those of one process: a fork must not talk to its parent's."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._places = threading.Semaphore(_MOST)
        self._idle: list[_Process] = []
        atexit.register(self.close)

    def ask(self, order: Order, data: bytes) -> tuple[dict[str, Any], bytes]:
        """Have an order done by one that is idle, or a new one."""
        with self._places:
            process = self._taken()
            try:
                return process.ask(order, data)
            finally:
                if process.alive:
                    self._idle.append(process)
                else:
                    process.end()

    def _taken(self) -> _Process:
        while self._idle:
            with suppress(IndexError):  # another thread took it
                process = self._idle.pop()
                if process.alive:
                    return process
                process.end()
        return _Process()

    def close(self) -> None:
        """End those that are idle."""
        while self._idle and self._owner == os.getpid():
            self._idle.pop().end()


_POOLS: Final[dict[int, _Pool]] = {}


def _pool() -> _Pool:
    return _POOLS.get(os.getpid()) or _POOLS.setdefault(os.getpid(), _Pool())
