"""The guard before the page: who may ask, from where and how much, and what a browser may do.

A page on one's own machine is within reach of every web page that one's browser visits. So a name
that is not ours (DNS rebinding), a POST from elsewhere, and a body that is too large are refused
before anything looks at them; and every answer tells the browser to load and run our own files
only.
"""

from __future__ import annotations

import hmac
import socket
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rr_refine.errors import ConfigError

__all__ = ["CONTENT_SECURITY_POLICY", "MIN_TOKEN", "Guard", "is_loopback", "require_safe"]

MIN_TOKEN: Final = 16
"""Characters of a token, at least."""
MAX_BODY: Final = 30_000_000
"""Bytes of a request: the largest picture as base64, and the prompt."""
COOKIE: Final = "rr-refine-studio"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' data: blob:",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text can become HTML or script, whatever our own script does with it.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is within reach of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_safe(host: str, token: str | None) -> None:
    """Check where the studio is about to listen.

    Raises:
        ConfigError: others can reach it and there is no token, or the token can be guessed.
    """
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"host {host!r} is within reach of other machines, so the studio wants a token: give "
            f"--token with {MIN_TOKEN} characters or more, or leave out --host"
        )
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii()):
        raise ConfigError(
            f"a token has {MIN_TOKEN} characters or more, all ASCII; this one has {len(token)}"
        )


class Guard:
    """Stands before an application.

    Args:
        app: what is guarded.
        host: the address that is listened on.
        token: what every request must bring then: in a cookie, which opening the page with
            `?token=…` sets, or as `Authorization: Bearer …`.

    Raises:
        ConfigError: see `require_safe`.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", token: str | None = None) -> None:
        require_safe(host, token)
        self._app, self._host, self._token = app, host.lower(), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, _limited(receive), send_safely)
        else:
            await refusal(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse(f"This studio is not called {host[:80]!r}.", 421)
        if self._token is not None:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if given and scope["path"] == "/" and self._is_token(given):
                return self._welcome(given)
            if not self._is_token(_token_of(headers)):
                return PlainTextResponse(
                    "This studio is shared with a token. "
                    "Open the address that its owner gave you, the one with ?token= in it.",
                    401,
                )
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.get("origin") not in (f"http://{host}", f"https://{host}"):
            return PlainTextResponse("Only the studio's own page may change something.", 403)
        if headers.get("content-type") != "application/json":
            return PlainTextResponse("A request is JSON.", 415)
        length = headers.get("content-length", "")
        if not length.isdigit():
            return PlainTextResponse("A request needs a Content-Length.", 411)
        if int(length) > MAX_BODY:
            return PlainTextResponse("This is too large.", 413)
        return None

    def _is_ours(self, header: str) -> bool:
        """Whether a Host header names this machine. A page that came by another name, which its
        owner made point here, must get nothing. Addresses are safe: nobody can own them.
        """
        name = header.lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        try:
            address = ip_address(name)
        except ValueError:
            machine = socket.gethostname().lower()
            shared = (self._host, machine, f"{machine}.local")
            return name == "localhost" or (self._token is not None and name in shared)
        return self._token is not None or address.is_loopback

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(
            given.encode("utf-8", "replace"), self._token.encode()
        )

    def _welcome(self, token: str) -> Response:
        """To the page, with a cookie, so that the token does not stay in the address."""
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, token, httponly=True, samesite="lax", path="/")
        return response


def _token_of(headers: Headers) -> str:
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value


def _limited(receive: Receive) -> Receive:
    """No more than `MAX_BODY` bytes, whatever the length said."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= MAX_BODY else {"type": "http.disconnect"}

    return limited
