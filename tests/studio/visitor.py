"""A visitor of a studio that runs in the test's own event loop: real sockets, real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from pydantic import JsonValue

from rr_refine.agent.events import Event, read_event
from rr_refine.cli.settings import Settings
from rr_refine.cli.studio_jobs import SettingsJobMaker
from rr_refine.studio.server import listen, serve
from rr_refine.studio.studio import Studio
from rr_refine.studio.token import new_token

__all__ = ["Told", "Visitor", "opened"]


class Told:
    """What a page heard of a run."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.diffs: list[list[list[str]] | None] = []
        self.numbers: list[int] = []
        self.steps: list[Event] = []
        self.states: list[dict[str, Any]] = []

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def of(self, kind: str) -> list[Any]:
        """The events of one type."""
        return [event for event in self.events if event.type == kind]


class Visitor:
    """Asks a studio for things, as its page does."""

    def __init__(self, studio: Studio, url: str, http: httpx2.AsyncClient, token: str) -> None:
        self.studio, self.url, self.http, self.token = studio, url, http, token

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.http.get(path, headers=headers)

    async def post(self, path: str, body: object, **headers: str) -> httpx2.Response:
        return await self.http.post(
            path,
            content=json.dumps(body),
            headers={"Origin": self.url, "Content-Type": "application/json", **headers},
        )

    async def begin(self, prompt: str, **form: object) -> str:
        """Begin a run; gives its name."""
        answer = await self.post("/api/runs", {"prompt": prompt, **form})
        assert answer.status_code == 201, answer.text
        name: str = answer.json()["name"]
        return name

    async def decide(self, name: str, question: int, **decision: object) -> httpx2.Response:
        return await self.post(
            f"/api/runs/{name}/decision", {"question": question, "decision": decision}
        )

    async def watch(
        self, name: str, *, until: str = "", after: int = 0, told: Told | None = None
    ) -> Told:
        """Follow a run until it stands as given, or until the studio ends the stream."""
        told = told or Told()
        async with self.http.stream("GET", f"/api/runs/{name}/events?after={after}") as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            message: dict[str, str] = {}
            async for line in answer.aiter_lines():
                key, _, value = line.partition(": ")
                if line:
                    message[key] = value
                    continue
                self._hear(told, message)
                if message["event"] == "state" and told.states[-1]["status"] == until:
                    return told
                message = {}
        return told

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that nobody tells."""
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)

    async def ask(self, name: str, after: int = 0) -> Told:
        """Follow a run until it asks for a decision."""
        told = await self.watch(name, until="waiting", after=after)
        assert told.states[-1]["status"] == "waiting"
        return told

    def _hear(self, told: Told, message: dict[str, str]) -> None:
        data = message["data"]
        if message["event"] == "state":
            told.states.append(json.loads(data))
        elif message["event"] == "step":
            told.steps.append(read_event(data))
        else:
            value = json.loads(data)
            told.diffs.append(value.pop("diff", None))
            value.pop("excerpt", None)
            told.events.append(read_event(json.dumps(value)))
            told.numbers.append(int(message["id"]))


@asynccontextmanager
async def opened(
    out: Path,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    shown: bool = True,
    max_runs: int = 16,
    **more: JsonValue,
) -> AsyncIterator[Visitor]:
    """A studio with small fakes, and a visitor who shows its token, or does not.

    `more` are settings with `__` for dots.
    """
    secret = token or new_token()
    settings = Settings()
    settings.apply(
        {
            "generator.use": "fake",
            "generator.width": 48,
            "generator.height": 32,
            "critic.use": "fake",
            **{key.replace("__", "."): value for key, value in more.items()},
        },
        "the test",
    )
    studio = Studio(out, SettingsJobMaker(settings), max_runs=max_runs)
    ready = asyncio.Event()
    with listen(host, 0) as listener:
        task = asyncio.create_task(serve(studio, listener, ready.set, token=secret))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not ready.is_set():
            await task  # raises why
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
            visitor = Visitor(studio, url, http, secret)
            if shown:
                http.headers.update(visitor.bearer)
            try:
                yield visitor
            finally:
                task.cancel()
                await asyncio.wait([task])
    assert task.cancelled()
