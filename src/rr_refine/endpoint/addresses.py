"""Public addresses: where a server may send us, and where not.

A server's answer may name any address, and this machine sees more than the server does: services
of its own, of its network, and the metadata service of its cloud.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

__all__ = ["is_public", "public_addresses"]

_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata among them
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # a cloud's agent, on every machine of that cloud
        "2001::/23",  # Teredo and other assignments
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_UNICAST: Final = ip_network("2000::/3")
_NAT64: Final = ip_network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, and of no network of somebody's own."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


async def public_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host.

    Raises:
        OSError: it has none.
        ValueError: one of them is not public.
    """
    try:
        addresses = [str(ip_address(host))]
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for text in addresses:
        if not is_public(ip_address(text)):
            raise ValueError(f"{text} is no public address")
    return addresses
