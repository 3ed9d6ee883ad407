from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Commands

# Small models are no faster with more threads, and the tests' processes would fight for the cores.
# Read when torch is imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LOOPBACK = (None, "", "127.0.0.1", "::1", "localhost")


def pytest_sessionstart() -> None:
    """A shell starts background jobs deaf to Ctrl-C, and their children inherit that: tests that
    interrupt processes would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Runs `rr-refine` in a folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Commands(folder)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only loopback may be reached, and no other name looked up: a test that needs the world is
    no test. Clients may swallow the failure, so it is asserted at the end.
    """
    asked: list[object] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            asked.append(address)
            raise OSError(f"a test tried to reach {address!r}")
        connect(self, address)

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in LOOPBACK:
            asked.append(host)
            raise OSError(f"a test looked up {host!r}")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield
    assert asked == []
