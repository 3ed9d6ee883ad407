"""A part behind an endpoint: what generator, critic, rewriter, judge and teacher have in common."""

from __future__ import annotations

from typing import Generic, TypeVar

from rr_refine.endpoint.client import EndpointClient

__all__ = ["EndpointComponent"]

EndpointT = TypeVar("EndpointT", bound=EndpointClient)


class EndpointComponent(Generic[EndpointT]):
    """A component behind an endpoint, connected and closed with it."""

    _endpoint: EndpointT

    async def connect(self) -> None:
        """Find out which model is served, so that `identity` is known; see `EndpointClient`."""
        await self._endpoint.connect()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the endpoint's list of models tells once connected, and what it refused so far."""
        return (*self._endpoint.listing_notices, *self._endpoint.notices)

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._endpoint.aclose()
