"""The process that decodes pictures; orders come in and pictures go out by its standard streams.

An order is a line of JSON, and maybe the bytes of a file behind it. An answer is a line of JSON,
with the pixels behind it: see `rr_refine.picture_process`, which starts and ends this. It imports
little, so that it starts soon.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rr_refine.notices import notices_of
from rr_refine.picture_file import limit_megapixels
from rr_refine.picture_reading import look_at, read_picture

if TYPE_CHECKING:
    from rr_refine.picture_process import Order

__all__ = ["serve"]


def serve() -> None:
    """Do what is ordered until there are no more orders."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: at once, whatever a decoder is at
    with (
        os.fdopen(0, "rb", closefd=False) as orders,
        os.fdopen(os.dup(1), "wb") as answers,
        open(os.devnull, "wb") as nowhere,
    ):
        os.dup2(nowhere.fileno(), 1)  # what a library prints is no answer
        while line := orders.readline():
            order: Order = json.loads(line)
            file = order["path"]
            source = Path(file) if file else orders.read(order["bytes"])
            # Who gave the order ends this process in time; this is for when that one has ended.
            faulthandler.dump_traceback_later(order["seconds"] + 1, exit=True, file=nowhere)
            limit_megapixels(order["megapixels"])
            _limit_memory(order["memory"])
            try:
                answer, pixels = _done(order, source)
            except MemoryError:
                most = f"{order['memory'] / 2**30:.1f} GiB"
                answer, pixels = {"error": f"decoding it takes more than {most} of memory"}, b""
            except Exception as error:  # noqa: BLE001  a decoder may raise anything: told there
                answer, pixels = {"error": str(error) or type(error).__name__}, b""
            faulthandler.cancel_dump_traceback_later()
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.write(pixels)
            answers.flush()


def _done(order: Order, source: Path | bytes) -> tuple[dict[str, Any], bytes]:
    if not order["pixels"]:
        kind, size = look_at(source, whole=order["whole"])
        return {"kind": kind, "size": size}, b""
    image = read_picture(source, order["most_pixels"])
    return {"size": image.size, "notices": notices_of(image)}, image.tobytes()


def _limit_memory(most: int) -> None:
    """Let this process have so many bytes; macOS does not hold to it, Windows has no such limit."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
