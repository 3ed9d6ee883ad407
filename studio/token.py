"""The token of a studio: who brings it may come in. A browser exchanges it for a cookie.

A browser sends the cookies of a machine to all of its ports, so a cookie may fall into the hands of
another server there. It opens the empty page only. Everything else takes the key as well, which the
page keeps in the storage of its own origin, port included. Both are digests of the token.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from rr_refine.errors import ConfigError

__all__ = ["MIN_TOKEN", "Token", "new_token"]

MIN_TOKEN: Final = 16
"""Characters of a token, at least."""


def new_token() -> str:
    """A token that nobody can guess: 256 random bits, safe in an address."""
    return secrets.token_urlsafe(32)


class Token:
    """Compares what visitors bring, in a time that says nothing about it.

    Raises:
        ConfigError: it can be guessed, or no header can hold it.
    """

    def __init__(self, secret: str) -> None:
        if len(secret) < MIN_TOKEN or not secret.isascii() or not secret.isprintable():
            raise ConfigError(
                f"a token has {MIN_TOKEN} characters or more, all printable ASCII; this one has "
                f"{len(secret)} characters"
            )
        self._secret = secret.encode()
        self._cookie, self._key = (
            hmac.digest(self._secret, f"the {what} of rr-refine studio".encode(), "sha256").hex()
            for what in ("cookie", "key")
        )

    def is_token(self, given: str) -> bool:
        """Whether this is the token itself."""
        return _same(given, self._secret)

    def is_borne_by(self, headers: Headers) -> bool:
        """Whether a request brings it as `Authorization: Bearer …`, as scripts do."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(given.strip())

    def has_cookie(self, headers: Headers) -> bool:
        """Whether a browser brings the cookie that it got for the token."""
        mine = f"{_cookie_name(headers)}="
        # One by one: other servers of this machine may have set odd ones, or one of this name.
        given = (part.strip() for part in ";".join(headers.getlist("cookie")).split(";"))
        cookie = self._cookie.encode()
        return any(_same(p.removeprefix(mine), cookie) for p in given if p.startswith(mine))

    def is_shown_in(self, query: bytes) -> bool:
        """Whether an address has the token in it: `?token=…`."""
        return self.is_token(_first(query, "token"))

    def has_key(self, query: bytes) -> bool:
        """Whether an address has the key in it, as those that our page asks for: `?key=…`."""
        return _same(_first(query, "key"), self._key.encode())

    def welcome(self, headers: Headers) -> Response:
        """To the page, with cookie and key, so that the token does not stay in the address. What is
        behind `#` no browser sends to any server; the page takes it out.
        """
        answer = RedirectResponse(f"/#key={self._key}", 303)
        answer.set_cookie(_cookie_name(headers), self._cookie, httponly=True, samesite="strict")
        return answer


def _same(given: str, expected: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected)


def _first(query: bytes, name: str) -> str:
    return parse_qs(query.decode("latin-1")).get(name, [""])[0]


def _cookie_name(headers: Headers) -> str:
    """As the browser sees the port: through a tunnel it may be another than the studio's own."""
    port = headers.get("host", "").rpartition("]")[2].partition(":")[2]
    return f"rr-refine-studio-{port or 80}"
