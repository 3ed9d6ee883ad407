"""The service of `examples/service.py` as a process, and what its users do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from rr_refine import load_run
from tests.agent.records import lines

__all__ = ["TOKENS", "Served", "User", "follow", "require_whole"]

ROOT = Path(__file__).parents[2]
TOKENS = {"ann": "ann's token, which is long", "ben": "ben's token, which is long"}


class Served:
    """The service; leave it as a context manager, and it is killed.

    Args:
        folder: for its runs and its log.
        database: how to connect.
        options: variables of its environment.
    """

    def __init__(self, folder: Path, database: str, options: Mapping[str, str]) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
            "PYTHONPATH": str(ROOT),
            "SERVICE_DATABASE": database,
            "SERVICE_USERS": json.dumps(TOKENS),
            "SERVICE_PORT": str(self.port),
            "SERVICE_RUNS": str(folder / "runs"),
            "SERVICE_GENERATOR": "tests.examples.slow_parts:SlowGenerator",
            "SERVICE_CRITIC": "tests.examples.slow_parts:SlowCritic",
            "SLOW_LOG": str(folder / "renders"),
            **options,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(signal.SIGKILL)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", str(ROOT / "examples" / "service.py")],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(self.log)

    def end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def client(self, user: str | None) -> httpx2.AsyncClient:
        headers = {} if user is None else {"Authorization": f"Bearer {TOKENS[user]}"}
        url = f"http://127.0.0.1:{self.port}/runs"
        return httpx2.AsyncClient(
            base_url=url, headers=headers, trust_env=False, timeout=30, follow_redirects=True
        )


async def follow(
    client: httpx2.AsyncClient, name: str, last: str | None = None
) -> AsyncIterator[tuple[str, str | None, Any]]:
    """The server-sent events of a run: kind, id and data."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with client.stream("GET", f"/{name}/events", headers=headers) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in reply.aiter_lines():
            if line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
            elif "data" in fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
                fields = {}


class User:
    """Asks for runs and accepts all that is proposed. What gets no reply is sent again.

    Args:
        client: of the service, as this user.
    """

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.answered: dict[str, set[str]] = {}
        """The questions of each run that were answered."""
        self.seconds: dict[str, float] = {}
        """From the request for a run to its end."""
        self.replies: list[float] = []
        """Seconds of every reply."""
        self.lost = 0
        """Requests without a reply."""

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        while True:
            start = time.perf_counter()
            try:
                reply = await self._client.request(method, path, **options)
                self.replies.append(time.perf_counter() - start)
                if reply.status_code < 500:  # else the database is away
                    assert reply.status_code in (200, 409), reply.text
                    return reply
            except httpx2.TransportError:
                pass
            self.lost += 1
            await asyncio.sleep(0.2)

    async def run(self, name: str, *, review: bool) -> None:
        """Have a run made, whatever becomes of the service meanwhile."""
        start = time.perf_counter()
        asked = {"prompt": f"a red hat, {name}", "review": review}
        assert (await self.send("PUT", f"/{name}", json=asked)).status_code == 200
        answered = self.answered[name] = set()
        while (run := (await self.send("GET", f"/{name}")).json())["status"] != "done":
            assert run["status"] != "failed", run["why"]
            if run["status"] == "waiting":
                question = run["question"]["id"]
                path = f"/{name}/answers/{question}"
                await self.send("PUT", path, json={"action": "accept"})
                answered.add(question)
            await asyncio.sleep(0.2)
        self.seconds[name] = time.perf_counter() - start


def require_whole(path: Path, answers: int) -> None:
    """A run was finished once, and each of so many answers counted once."""
    run = load_run(path)
    assert run.status == "done"
    assert run.outcome is not None
    told = [event.model_dump_json(exclude={"time"}) for event in run.events()]
    kinds = Counter(event.type for event in run.events())
    twice = [one for one, count in Counter(told).items() if count > 1]
    assert all('"type":"review-requested"' in one for one in twice), twice
    assert (kinds["run-started"], kinds["run-finished"]) == (1, 1)
    assert kinds["rendered"] == kinds["judged"] == len(run.candidates)
    decided = [line for line in lines(path / "samples.jsonl") if line["kind"] == "review"]
    assert len(decided) == kinds["reviewed"] == answers
    assert all(line["value"]["action"] == "accept" for line in decided)
