"""The guard before the page: who may ask, from where and how much, and what a browser may do.

A page on one's own machine is within reach of every web page that one's browser visits, and of
everybody else who uses the machine. So whoever brings no token, a name that is not ours (DNS
rebinding), a request for another page, and a body that is too large are refused before anything
looks at them; and every answer tells the browser to load and run our own files only.
"""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rr_refine.plain_text import whole_number
from rr_refine.studio.token import Token

__all__ = ["CONTENT_SECURITY_POLICY", "MAX_BODY", "MAX_WORDS", "Guard", "is_loopback"]

MAX_BODY: Final = 70_000_000
"""Bytes of the form: the largest picture as base64, and the prompt."""
MAX_WORDS: Final = 2_500_000
"""Bytes of any other request: the longest text, however it is escaped."""

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
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LOCKED: Final = Path(__file__).with_name("page").joinpath("locked.html").read_text("utf-8")
_STYLE: Final = _LOCKED.partition("<style>")[2].partition("</style>")[0]
_LOCKED_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
    "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_LOCKED_WORDS: Final = (
    "This studio wants its token. Open the address that it printed when it was started, with "
    "?token= in it; one that was started again has a new address. Scripts send the header "
    "Authorization: Bearer TOKEN."
)


_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?")
"""Name and port of a Host header, and nothing else: the port is part of the cookie's name."""


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is within reach of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Stands before an application.

    Args:
        app: what is guarded.
        token: what every request must bring: as `Authorization: Bearer …`, or by cookie and key,
            which opening the page with `?token=…` gives.
        host: the address that is listened on.

    Raises:
        ConfigError: the token can be guessed, see `Token`.
    """

    def __init__(self, app: ASGIApp, *, token: str, host: str = "127.0.0.1") -> None:
        self._app, self._host, self._token = app, host.lower(), Token(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a websocket; there are none here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, _limited(receive, _most(scope)), send_safely)
        else:
            refusal.headers.setdefault("Cache-Control", "no-store")
            if refusal.status_code in (401, 421):  # a stranger gets one answer on a connection
                refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host, method = headers.get("host", ""), scope["method"]
        if not self._is_ours(host):
            return PlainTextResponse(f"This studio is not called {host[:80]!r}.", 421)
        visited = scope["path"] == "/" and method == "GET"
        if visited and self._token.is_shown_in(scope["query_string"]):
            return self._token.welcome(headers)
        script = self._token.is_borne_by(headers)
        if not script and not self._is_our_page(scope, headers):
            return _locked(scope["path"], headers)
        if _is_for_another_page(headers) and not (_is_visit(headers) and method == "GET"):
            return PlainTextResponse("Only the studio's own page may ask for this.", 403)
        if method in ("GET", "HEAD"):
            return None
        # A browser says where a request comes from; a script with the token need not.
        ours = (f"http://{host}", f"https://{host}", *([None] if script else []))
        if headers.get("origin") not in ours:
            return PlainTextResponse("Only the studio's own page may change something.", 403)
        if headers.get("content-type") != "application/json":
            return PlainTextResponse("A request is JSON.", 415)
        length = whole_number(headers.get("content-length", ""))
        if length is None:
            return PlainTextResponse("A request needs a Content-Length.", 411)
        if length > _most(scope):
            return PlainTextResponse(f"This is too large: {_most(scope)} bytes are the most.", 413)
        return None

    def _is_our_page(self, scope: Scope, headers: Headers) -> bool:
        """Whether a browser shows cookie and key; the cookie alone opens the empty page."""
        if not self._token.has_cookie(headers):
            return False
        empty = scope["path"] == "/" or scope["path"].startswith("/page/")
        return empty or self._token.has_key(scope["query_string"])

    def _is_ours(self, header: str) -> bool:
        """Whether a Host header names this machine. A page that came by another name, which its
        owner made point here, must get nothing. Addresses are safe: nobody can own them.
        """
        parts = _HOST.fullmatch(header.lower())
        if parts is None:
            return False
        name = parts[1] or parts[2]
        try:
            address = ip_address(name)
        except ValueError:
            machine = socket.gethostname().lower()
            return name in ("localhost", self._host, machine, f"{machine}.local")
        return address.is_loopback or not is_loopback(self._host)


def _locked(path: str, headers: Headers) -> Response:
    """What a visitor without the token gets: a page, or JSON where a script or our page asks."""
    told = {"WWW-Authenticate": 'Bearer realm="rr-refine studio"'}
    if path.startswith("/api/") and "text/html" not in headers.get("accept", ""):
        return JSONResponse({"error": _LOCKED_WORDS}, 401, told)
    told["Content-Security-Policy"] = _LOCKED_POLICY
    page = _LOCKED
    if _is_for_another_page(headers) and _is_visit(headers):
        # By a link of another page, a browser brings no cookie: once more, by a link of ours.
        page = page.replace("<title>", '<meta http-equiv="refresh" content="0;url=/"><title>', 1)
    return HTMLResponse(page, 401, told)


def _is_for_another_page(headers: Headers) -> bool:
    """Whether a browser says that it asks on behalf of a page that is not ours."""
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _is_visit(headers: Headers) -> bool:
    """Whether a browser is about to show the answer in a window."""
    return headers.get("sec-fetch-mode") == "navigate"


def _most(scope: Scope) -> int:
    """Bytes that a request may have; the form holds a picture."""
    return MAX_BODY if scope["path"] == "/api/runs" else MAX_WORDS


def _limited(receive: Receive, most: int) -> Receive:
    """No more than so many bytes, whatever the length said."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= most else {"type": "http.disconnect"}

    return limited
