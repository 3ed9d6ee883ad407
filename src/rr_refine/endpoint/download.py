"""Files that an answer points at: fetched from the endpoint itself or from public addresses.

The name of a host is looked up once and the request goes to the address that was checked, so that
no second look-up can give another one. Redirects are followed by hand, each checked anew.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rr_refine.endpoint.addresses import public_addresses
from rr_refine.endpoint.bodies import ACCEPTED, BodyTooLongError, read_body
from rr_refine.endpoint.environment import is_loopback

if TYPE_CHECKING:
    import httpx2

__all__ = ["fetch"]

_HOPS: Final = 5


async def fetch(
    client: httpx2.AsyncClient, url: str, *, base: str, key: str, limit: int, timeout: float
) -> bytes:
    """Fetch a file.

    Args:
        client: sends the requests.
        url: absolute or relative to `base`.
        base: the endpoint's own URL.
        key: goes along to the endpoint's own origin only; storage elsewhere has no business with
            it. May be empty.
        limit: most bytes, unpacked.
        timeout: seconds for the whole.

    Raises:
        ValueError: it may not be fetched from there, or is too long; says why.
        TimeoutError: it took too long.
        OSError, httpx2.HTTPError, httpx2.InvalidURL: it cannot be fetched.
    """
    import httpx2

    own = httpx2.URL(base)
    target = own.join(url)
    async with asyncio.timeout(timeout):
        for _ in range(_HOPS):
            response = await _ask(client, target, own, key)
            try:
                if response.has_redirect_location:
                    target = target.join(response.headers["location"])
                    continue
                response.raise_for_status()
                return await read_body(response, limit)
            except BodyTooLongError:
                raise ValueError(f"a file of more than {limit} bytes") from None
            finally:
                await response.aclose()
    raise ValueError(f"a file that is sent on more than {_HOPS} times")


async def _ask(
    client: httpx2.AsyncClient, target: httpx2.URL, own: httpx2.URL, key: str
) -> httpx2.Response:
    """The response of the first address that can be reached, still to be read."""
    import httpx2

    if target.scheme not in ("http", "https") or not target.host:
        raise ValueError(f"{str(target)!r}, which is no http(s) address")
    headers = {"Accept": "*/*", "Accept-Encoding": ACCEPTED}
    if _names_itself(target, own):
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = client.build_request("GET", target.copy_with(host=own.host), headers=headers)
        return await client.send(request, stream=True, follow_redirects=False)
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        addresses = await public_addresses(target.host, port)
    except ValueError as error:
        raise ValueError(
            f"{str(target)!r}, and {error}: files are fetched from public addresses and from the "
            "endpoint itself only; have the image in the answer (response_format = 'b64_json')"
        ) from None
    for left, address in zip(range(len(addresses))[::-1], addresses, strict=True):
        request = client.build_request(
            "GET",
            target.copy_with(host=address),
            headers=headers | {"Host": target.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host},  # whose certificate is asked for and checked
        )
        try:
            return await client.send(request, stream=True, follow_redirects=False)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            if not left:
                raise
    raise OSError(f"{target.host!r} has no address")


def _names_itself(target: httpx2.URL, own: httpx2.URL) -> bool:
    """Whether it is the endpoint's own origin; a server of this machine may call it as it likes."""
    here = is_loopback(own.host) and is_loopback(target.host)
    return (target.scheme, target.port) == (own.scheme, own.port) and (
        target.host == own.host or here
    )
