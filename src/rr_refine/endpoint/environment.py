"""The HTTP client of an endpoint, made with the proxies and certificates of the environment.

What is wrong with them is one line that names the variable. Hosts of this machine are reached
directly, whatever the variables say, and no key goes to a proxy in clear.
"""

from __future__ import annotations

import os
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    import httpx2

__all__ = ["is_loopback", "open_http"]

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine, by its name or address alone."""
    name = host.strip("[]").rstrip(".").lower()
    if name in ("localhost", "ip6-localhost", "ip6-loopback", "localhost.localdomain"):
        return True
    if name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        try:
            address = ip_address(socket.inet_aton(name))  # `127.1`
        except (OSError, ValueError):
            return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def open_http(url: str, key: str, section: str) -> httpx2.AsyncClient:
    """An HTTP client with the client library's defaults for an endpoint.

    Args:
        url: of the endpoint.
        key: what is sent to it as a bearer token; may be empty.
        section: the config section of the endpoint, for messages.

    Raises:
        ConfigError: a variable of the environment cannot be used, or a proxy would read the key.
    """
    import httpx2
    import openai

    host = urlsplit(url).hostname or ""
    direct = is_loopback(host)
    _require_certificates()
    if key and not direct and url.startswith("http:") and (proxy := _proxy_of(host)):
        raise ConfigError(
            f"{section}.api_key would go through the proxy of {proxy} in clear, as "
            f"{section}.base_url = {url!r} is not https: use https, or add {host!r} to NO_PROXY"
        )
    names = (*_LOOPBACK, *([f"[{host}]" if ":" in host else host] if direct else []))
    mounts: dict[str, httpx2.AsyncBaseTransport | None] = {f"all://{name}": None for name in names}
    try:
        return openai.DefaultAsyncHttpxClient(mounts=mounts)
    except (ValueError, TypeError, ImportError, httpx2.InvalidURL) as error:
        if direct:  # a proxy that is not used may be as wrong as it likes
            context = httpx2.create_ssl_context()
            return openai.DefaultAsyncHttpxClient(trust_env=False, verify=context)
        raise ConfigError(_why_no_proxy(error)) from None


def _require_certificates() -> None:
    for name in _CERTIFICATES:
        path = os.environ.get(name)
        if not path:
            continue
        there = Path(path).is_dir() if name.endswith("DIR") else Path(path).is_file()
        if not there:
            raise ConfigError(f"{name} = {path!r} does not exist: correct or unset that variable")
        if name.endswith("FILE"):
            try:
                ssl.create_default_context(cafile=path)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"{name} = {path!r} holds no certificates: {error}") from None
        return  # the first one that is set is the one that counts


def _proxy_of(host: str) -> str | None:
    """The variable whose proxy a plain request to a host goes through."""
    proxies = getproxies()
    scheme = next((s for s in ("http", "all") if proxies.get(s)), None)
    if scheme is None or proxy_bypass(host):
        return None
    return _variable(scheme)


def _variable(scheme: str) -> str:
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), names[1])


def _why_no_proxy(error: Exception) -> str:
    """Which variable names a proxy that cannot be used, and why. Passwords are left out."""
    for scheme in ("http", "https", "all"):
        value = getproxies().get(scheme)
        if not value:
            continue
        kind, _, rest = value.rpartition("://")
        shown = f"{kind}://{rest.rpartition('@')[2]}" if kind else rest.rpartition("@")[2]
        if kind.startswith("socks") and isinstance(error, ImportError):
            return f"{_variable(scheme)} = {shown!r} needs a package: pip install socksio"
        if kind.lower() not in ("", "http", "https", "socks5", "socks5h"):
            return (
                f"{_variable(scheme)} = {shown!r} is no proxy that can be used: known are http, "
                "https, socks5 and socks5h"
            )
        try:
            parts = urlsplit(value if kind else f"http://{value}")
            usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            return f"{_variable(scheme)} = {shown!r} is no URL of a proxy"
    return f"the proxies of the environment cannot be used: {type(error).__name__}"
