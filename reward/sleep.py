"""A vLLM server that sleeps while nobody asks it, so that a generator can have its GPU.

The server has to be started with `rr-refine serve --sleep-mode`. It keeps its weights in ordinary
memory while it sleeps (level 1). All that it remembers of pictures is dropped after it wakes: what
is left of it from before can be another picture's, and with it a wrong score.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from weakref import WeakKeyDictionary

from rr_refine.endpoint.client import EndpointClient
from rr_refine.errors import ConfigError

__all__ = ["SleepingServer"]

_SLEEP: Final = "/sleep?level=1&mode=wait"
_WAKE: Final = "/wake_up"
_FORGET: Final = ("/reset_mm_cache", "/reset_encoder_cache")


class SleepingServer:
    """Wakes a server for those who ask it, and puts it to sleep when the last of them is done.

    Nobody else may use the server meanwhile: not another process, nor another event loop.
    """

    def __init__(self, endpoint: EndpointClient) -> None:
        self._endpoint = endpoint
        self._uses: WeakKeyDictionary[asyncio.AbstractEventLoop, _Use] = WeakKeyDictionary()

    async def sleep(self) -> None:
        """Put it to sleep, unless somebody asks it just now.

        Raises:
            ConfigError: the server has no sleep mode.
            CriticError: it cannot be reached, or does not obey.
        """
        use = self._use()
        async with use.lock:
            if not use.askers and use.state != "asleep":
                use.state = "unknown"
                await self._tell(_SLEEP)
                use.state = "asleep"

    @asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        """Inside of it the server is awake. Raises what `sleep` raises."""
        use = self._use()
        use.askers += 1
        try:
            async with use.lock:
                if use.state != "awake":
                    use.state = "unknown"
                    await self._tell(_WAKE)
                    for path in _FORGET:
                        await self._tell(path)
                    use.state = "awake"
            yield
        finally:
            use.askers -= 1
            # Also when the asker was cancelled: the generator would find no memory.
            await asyncio.shield(self.sleep())

    async def _tell(self, path: str) -> None:
        try:
            await self._endpoint.tell(path)
        except ConfigError as error:
            raise ConfigError(
                f"{error}; critic.sleep_mode needs a server of its own, started with "
                "`rr-refine serve MODEL --sleep-mode`"
            ) from error

    def _use(self) -> _Use:
        return self._uses.setdefault(asyncio.get_running_loop(), _Use())


@dataclass(slots=True)
class _Use:
    """Of one event loop."""

    askers: int = 0
    state: Literal["unknown", "awake", "asleep"] = "unknown"
    """Awake is woken and emptied; unknown is also what a fault or a cancellation leaves behind."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
