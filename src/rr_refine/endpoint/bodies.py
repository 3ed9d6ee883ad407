"""The body of an answer, read piece by piece and within a limit, packed or not."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx2

__all__ = ["ACCEPTED", "BodyTooLongError", "read_body"]

ACCEPTED: Final = "gzip, deflate"
"""Of `Accept-Encoding`. Others can turn a few bytes into gigabytes in one step."""


class BodyTooLongError(Exception):
    """There are more bytes than the limit."""


async def read_body(response: httpx2.Response, limit: int) -> bytes:
    """The body of a response that is being streamed, unpacked.

    Never more than the limit and one piece from the network are in memory, however well it is
    packed.

    Args:
        limit: bytes, unpacked.

    Raises:
        BodyTooLongError: it is longer.
        ValueError: it is packed in another way than `ACCEPTED`, or broken.
    """
    if response.is_stream_consumed:  # it was made in this process
        if len(response.content) > limit:
            raise BodyTooLongError
        return response.content
    said = response.headers.get("content-encoding", "identity").strip()
    packed = said.lower()
    if packed not in ("identity", "", "gzip", "x-gzip", "deflate"):
        # As it stands there: a key that is repeated is found only so.
        raise ValueError(f"it is packed as {said!r}, which was not asked for")
    unpack = None if packed in ("identity", "") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    body = bytearray()
    async for piece in response.aiter_raw():
        try:
            body += piece if unpack is None else unpack.decompress(piece, limit + 1 - len(body))
        except zlib.error:
            if body or packed != "deflate":
                raise ValueError(f"it is no {packed}") from None
            unpack = zlib.decompressobj(-zlib.MAX_WBITS)  # without the header that it should have
            try:
                body += unpack.decompress(piece, limit + 1)
            except zlib.error:
                raise ValueError(f"it is no {packed}") from None
        if len(body) > limit:
            raise BodyTooLongError
        if unpack is not None and unpack.eof:
            break  # what comes behind the end belongs to nothing, and may never stop
    return bytes(body)
