"""How a server is reached: the options that every room's client shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from rr_refine.errors import ConfigError
from rr_refine.notices import shortened
from rr_refine.terms import Given

__all__ = ["ChatOptions", "EndpointOptions", "ServerOptions"]

_LONGEST: Final = 2_000
"""Characters of an address. The client takes 65,536 with all that is added to it."""
_SHOWN: Final = 100


class ServerOptions(Given):
    """How a server is reached, whatever it speaks."""

    usual_path: ClassVar[str] = ""
    """Of the API, where its address has no path."""

    base_url: str
    """The root of the API."""
    api_key: SecretStr | None = None
    """Sent as a bearer token to this server only; recorded nowhere, and part of no message."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds without a sign of life before an attempt is given up; in a long queue, a render or a
    judgement takes minutes (paper code, for the critic: 300). The whole answer of an
    OpenAI-compatible API may take twice as long and a minute."""
    concurrency: int = Field(default=8, ge=1)
    """Requests under way at once, per event loop; further ones wait. Servers batch what arrives
    together."""

    @property
    def key(self) -> str:
        """The key in clear, or nothing."""
        return "" if self.api_key is None else self.api_key.get_secret_value()

    def checked_url(self, section: str) -> str:
        """The root of the API, without a slash at its end; the usual path where it has none.

        Args:
            section: the config section of these options, for the message.

        Raises:
            ConfigError: it is no http(s) URL, or one that may hold secrets. The message repeats
                neither a user's name and password nor a query.
        """
        import httpx2

        shown = shortened(self.base_url.rpartition("@")[2].partition("?")[0], _SHOWN)
        try:
            # `urlsplit` leaves out line ends; the client takes no controls, and no host that
            # cannot be looked up.
            if not self.base_url.isprintable() or len(self.base_url) > _LONGEST:
                raise ValueError
            parts = urlsplit(self.base_url)
            if parts.username is not None or parts.query or parts.fragment:
                raise ConfigError(
                    f"{section}.base_url must not hold a user name or password, a query or a "
                    f"fragment: give {section}.api_key instead"
                )
            port = "" if parts.port is None else f":{parts.port}"
            (parts.hostname or "none").encode("idna")
            httpx2.URL(self.base_url)
        except (ValueError, httpx2.InvalidURL):
            raise ConfigError(f"{section}.base_url = {shown!r} is no URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"{section}.base_url = {shown!r} is no http(s) URL such as "
                f"'http://localhost:8000{self.usual_path}'"
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/') or self.usual_path}"

    def require_sendable_key(self, section: str) -> None:
        """The key must consist of characters that a header can hold.

        Raises:
            ConfigError: it does not.
        """
        if not all("!" <= letter <= "~" for letter in self.key):
            raise ConfigError(
                f"{section}.api_key holds characters that cannot be sent: is it the key itself?"
            )


class EndpointOptions(ServerOptions):
    """How an OpenAI-compatible endpoint is reached. A room's own options build on these."""

    usual_path: ClassVar[str] = "/v1"
    off_switches: ClassVar[Mapping[str, str]] = {}
    """Fields of a body that are no options by themselves -> the setting that leaves them out."""

    base_url: str
    """The root of the API, such as `http://localhost:8000/v1`; without a path, `/v1` is meant."""
    model: str | None = None
    """The model to ask for; null takes the one model that the endpoint says it serves."""
    max_retries: int = Field(default=2, ge=0)
    """Further attempts, with growing pauses, after 408, 409, 429, 5xx, a broken connection or a
    timeout. The client library makes them; nothing else here tries again."""


class ChatOptions(EndpointOptions):
    """How a chat endpoint is reached and asked."""

    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls the limit of an answer's length. Where it refuses this name, the
    other is tried; some hosted models that reason take the second only."""
