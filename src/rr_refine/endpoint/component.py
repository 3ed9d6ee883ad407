"""A part behind an endpoint: what generator, critic, rewriter, judge and teacher have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rr_refine.component import Priced
from rr_refine.endpoint.client import EndpointClient
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    import httpx2

__all__ = ["EndpointComponent"]

OptionsT = TypeVar("OptionsT", bound=EndpointOptions)
EndpointT = TypeVar("EndpointT", bound=EndpointClient)


class EndpointComponent(Generic[OptionsT, EndpointT]):
    """A component behind an endpoint, connected and closed with it. Safe to use from several event
    loops.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    _kind: type[EndpointT]
    _section: ClassVar[str]
    """The config section of the options, which messages name."""
    _errors: ClassVar[EndpointErrors]

    def __init__(
        self,
        options: OptionsT,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self._options = options
        self._endpoint = self._kind(
            options, section=self._section, errors=self._errors, http_client=http_client
        )

    async def connect(self) -> None:
        """Find out which model is served, so that `identity` is known; see `EndpointClient`."""
        await self._endpoint.connect()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the endpoint's list of models tells once connected, and what it refused so far."""
        return (*self._endpoint.listing_notices, *self._endpoint.notices)

    @property
    def prices(self) -> tuple[Priced, ...]:
        """What answers cost: see `rr_refine.component`."""
        options, told = self._options, self._endpoint.prices
        if told is None:
            return ()
        name = self._endpoint.url
        with suppress(ConfigError):  # the model is not known yet
            name = self._endpoint.model
        return (Priced(f"{name}: {told.words(self._section)}", told.has_price, bool(options.key)),)

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._endpoint.aclose()
