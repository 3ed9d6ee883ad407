"""LangSmith follows a run where its environment says so: tried with a collector on loopback."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = """
from langchain_core.tracers.langchain import wait_for_all_tracers
from rr_refine import refine
from rr_refine.generators.fake import create
refine("three red hats", generator=create(width=48, height=32), critic="fake", out="runs")
wait_for_all_tracers()
"""


class Collector(ThreadingHTTPServer):
    """Takes what is sent, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.sent: list[bytes] = []
        self.keys: set[str | None] = set()


class Answers(BaseHTTPRequestHandler):
    server: Collector

    def do_GET(self) -> None:
        self._answer(b"{}")

    def do_POST(self) -> None:
        body = self._body()
        self.server.sent.append(
            gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        )
        self.server.keys.add(self.headers.get("x-api-key"))
        self._answer(b"{}", 202)

    def do_PATCH(self) -> None:
        self.do_POST()

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("tracing", "hidden"), [("true", "false"), ("true", "true"), ("false", "false")]
)
def test_langsmith_by_its_environment(
    tmp_path: Path, collector: Collector, tracing: str, hidden: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={
            **os.environ,
            "LANGSMITH_TRACING": tracing,
            "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "LANGSMITH_API_KEY": "a-key",
            "LANGSMITH_HIDE_INPUTS": hidden,
            "LANGSMITH_HIDE_OUTPUTS": hidden,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = b"\n".join(collector.sent).decode("utf-8", "replace")
    names = set(re.findall(r'"name":\s*"([a-z-]+)"', told))
    if tracing == "false":
        assert told == ""
        return
    assert names >= {"rr-refine", "plan", "generate", "critique", "accept", "decide", "finish"}
    assert collector.keys == {"a-key"}
    assert ("three red hats" in told) == (hidden == "false")  # as the docs say
    assert "iVBORw0KGgo" not in told  # no pictures, as PNG in base64
    assert "\x89PNG" not in told
