"""The steps and previews of a job, as ComfyUI's socket tells them. A broken socket is no fault of
the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from pydantic import JsonValue

from rr_refine.generators.comfyui.faults import table
from rr_refine.generators.comfyui.server import ComfyUIServer
from rr_refine.generators.generator import OnStep, preview_of

__all__ = ["Steps"]

_STEPS: Final = 10**6
"""Most steps of a sampler; JSON may hold any number."""
_PREVIEWS: Final = {b"\0\0\0\1\0\0\0\1": b"\xff\xd8\xff", b"\0\0\0\1\0\0\0\2": b"\x89PNG\r\n"}
"""How a binary message begins that is a preview, and its picture: a JPEG or a PNG."""


class Steps:
    """Counts the steps of one job.

    Of several samplers those of the first that reports are counted: what the others will have is
    not known before. Bars of other nodes, such as upscalers, are left out.

    Args:
        job: its id.
        samplers: ids of the nodes that draw.
        on_step: told of each step.
    """

    def __init__(self, job: str, samplers: Collection[str], on_step: OnStep) -> None:
        self.job = job
        self.ended = asyncio.Event()
        """The server says that the job has ended."""
        self.listening = asyncio.Event()
        """The socket is open, or will not be."""
        self._samplers = samplers
        self._on_step, self._on_preview = on_step, preview_of(on_step)
        self._node: JsonValue = None
        self._done = self._total = 0

    async def listen(self, server: ComfyUIServer, client: str) -> None:
        """Hear what the server tells, until it stops telling."""
        try:
            async with server.messages(client) as messages:
                self.listening.set()
                async for message in messages:
                    self.hear(message)
        except OSError:  # the history says what became of the job
            pass
        finally:
            self.listening.set()

    def hear(self, message: JsonValue | bytes) -> None:
        """Take one message. A preview names no job: that its sampler is at work must do."""
        if isinstance(message, bytes):
            begins, picture = _PREVIEWS.get(message[:8]), message[8:]
            if self._node and self._on_preview and begins and picture.startswith(begins):
                self._on_preview(picture)
            return
        said = table(message)
        data = table(said.get("data"))
        if data.get("prompt_id") != self.job:
            return
        node, value, most = (data.get(key) for key in ("node", "value", "max"))
        if said.get("type") == "executing" and node is None:
            self.ended.set()
        if said.get("type") != "progress" or node not in self._samplers:
            return
        if not isinstance(value, int | float) or not isinstance(most, int | float):
            return
        if not (0 <= value <= _STEPS and 1 <= most <= _STEPS):  # NaN is not, either
            return
        if self._node is None:
            self._node, self._total = node, int(most)
        done = int(value)
        if node == self._node and int(most) == self._total and self._done < done <= self._total:
            self._done = done
            self._on_step(done, self._total)
