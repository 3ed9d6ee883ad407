"""The life of a component: some must ask who they are, and some hold connections."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

__all__ = ["connected", "has_methods"]


@asynccontextmanager
async def connected(components: Iterable[object]) -> AsyncIterator[None]:
    """Make components ready for work, and close them at the end.

    A component that has to discover something before it knows its `identity`, such as the name of
    a served model, has `async def connect()`. One that holds connections or threads has
    `async def aclose()`; it may be used again afterwards. Both are optional.

    Raises:
        RefineError: a component cannot be reached.
    """
    async with AsyncExitStack() as stack:
        for part in components:
            stack.push_async_callback(_call, part, "aclose")
            await _call(part, "connect")
        yield


def has_methods(component: object, *names: str) -> bool:
    """Whether a component has these methods. Properties are not touched: `identity` may not be
    known before `connect`, and `isinstance` with a protocol would evaluate it.
    """
    return all(callable(getattr(type(component), name, None)) for name in names)


async def _call(component: object, name: str) -> None:
    method = getattr(component, name, None)
    if callable(method) and inspect.isawaitable(result := method()):
        await result
