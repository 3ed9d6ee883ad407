"""Refining as a service: several users, review over HTTP, progress as server-sent events, Postgres.

pip install fastapi uvicorn 'psycopg[binary,pool]' langgraph-checkpoint-postgres
SERVICE_DATABASE=postgresql://… SERVICE_USERS='{"ann": "a long token"}' python examples/service.py

    PUT /runs/NAME               {"prompt": "a red hat", "review": true} begins a run
    GET /runs, /runs/NAME        how they are, and what is asked
    GET /runs/NAME/events        what happens, as server-sent events; /picture: the best so far
    PUT /runs/NAME/answers/ID    {"action": "accept"} answers the question of that id

With "Authorization: Bearer TOKEN". Clients choose the names, so a request may be sent again.
What had its reply is in Postgres: a service that was killed goes on when it is started again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from asyncio import Event
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command
from psycopg import DataError, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field, JsonValue

import rr_refine as rr
from rr_refine.logs import WithoutKeys

ENV = {key[8:]: value for key, value in os.environ.items() if key.startswith("SERVICE_")}
USERS: dict[str, str] = json.loads(ENV.get("USERS", "{}"))  # names and tokens
GENERATOR, CRITIC = ENV.get("GENERATOR", "sketch"), ENV.get("CRITIC", "sketch")
OUT, LOG_PROMPTS = Path(ENV.get("RUNS", "service-runs")), ENV.get("LOG_PROMPTS") == "1"
LIMIT, AT_ONCE = int(ENV.get("LIMIT", "4")), int(ENV.get("AT_ONCE", "8"))  # of a user; at work
PORT, LOG = int(ENV.get("PORT", "8000")), logging.getLogger("service")
TABLE = """CREATE TABLE IF NOT EXISTS runs (owner text, name text, PRIMARY KEY (owner, name),
  request text, status text DEFAULT 'running', why text, asked text, question text, answer text)"""
ACCEPT = """INSERT INTO runs (owner, name, request) SELECT %s, %s, %s WHERE %s > (SELECT count(*)
    FROM runs WHERE owner=%s AND status IN ('running', 'waiting')) ON CONFLICT DO NOTHING
    RETURNING name"""
ONE = "SELECT * FROM runs WHERE owner=%s AND name=%s"
ANSWER = """UPDATE runs SET status='running', answer=%s WHERE owner=%s AND name=%s AND asked=%s
    AND status='waiting' RETURNING name"""
END = """UPDATE runs SET status=%s, why=%s, asked=%s, question=%s, answer=NULL
    WHERE owner=%s AND name=%s"""
Key = tuple[str, str]  # owner and name of a run; its folder is OUT/owner/name
Events = AsyncIterator[ServerSentEvent]


def key_of(name: str = "", authorization: Annotated[str, Header()] = "") -> Key:
    for owner, token in USERS.items():
        if secrets.compare_digest(f"Bearer {token}".encode(), authorization.encode()):
            return owner, name
    raise HTTPException(401, "send your token: 'Authorization: Bearer TOKEN'")


Own = Annotated[Key, Depends(key_of)]


class Asked(BaseModel, extra="forbid"):
    """What a user asks for."""

    prompt: str = Field(min_length=1, max_length=4000)
    review: bool = False
    rounds: int = Field(default=3, ge=1, le=4)


async def refusal(_: Any, error: Any) -> JSONResponse:
    wrong = [{k: one[k] for k in ("loc", "msg")} for one in getattr(error, "errors", list)()]
    return JSONResponse({"detail": wrong or str(error)}, 422)


class Service:
    """The runs of all users: a row of the table for each, and a folder with all the rest."""

    def __init__(self, pool: AsyncConnectionPool[Any], group: asyncio.TaskGroup) -> None:
        job = rr.make_job("any", generator=GENERATOR, critic=CRITIC)
        self.parts: Any = {"generator": job.generator, "critic": job.critic}  # all runs share them
        self.pool, self.group = pool, group
        self.graph = rr.build_graph(AsyncPostgresSaver(pool, serde=rr.checkpoint_serializer()))
        self.accepting, self.places = asyncio.Lock(), asyncio.Semaphore(AT_ONCE)
        self.told, self.change = dict[Key, list[Any]](), dict[Key, Event]()  # of runs at work

    async def rows(self, query: str, *values: object) -> list[DictRow]:
        async with self.pool.connection() as database:
            found = await database.execute(query.encode(), values)
            return await found.fetchall() if found.description else []

    async def row(self, key: Own) -> DictRow:
        for row in await self.rows(ONE, *key):
            return row
        raise HTTPException(404, f"you have no run {key[1]!r}")

    def job(self, key: Key, request: str) -> Any:
        asked = json.loads(request)
        policy = {"preset": "refine", "review": asked.pop("review")}
        return rr.make_job(**asked, **self.parts, policy=policy, run_id=key[1])

    async def accept(self, key: Own, asked: Asked) -> Any:
        """Take a request down and begin with it; one that is there already is left as it is."""
        request = asked.model_dump_json()
        await asyncio.to_thread(self.job, key, request)  # what is wrong with it is said now
        async with self.accepting:
            taken = await self.rows(ACCEPT, *key, request, LIMIT, key[0])
        if taken:
            self.log(key, "accepted", asked.prompt)
            self.group.create_task(self.work(key))
        elif not (found := await self.rows(ONE, *key)):
            raise HTTPException(429, f"{LIMIT} of your runs are unfinished, the most at once: wait")
        elif found[0]["request"] != request:
            raise HTTPException(409, f"your run {key[1]!r} has another request")
        return await self.show(key)

    async def answer(self, key: Own, asked: str, given: Annotated[JsonValue, Body()]) -> Any:
        """Take an answer down and go on; there is one to each question."""
        if (row := await self.row(key))["asked"] != asked:
            raise HTTPException(409, f"your run {key[1]!r} does not ask the question {asked!r}")
        question = rr.ReviewRequest.model_validate_json(row["question"])
        answer = rr.read_decision(given, question).model_dump_json()
        if not await self.rows(ANSWER, answer, *key, asked):
            raise HTTPException(409, "this question was answered already")
        self.log(key, "answered", answer)
        self.group.create_task(self.work(key))
        return await self.show(key)

    def log(self, key: Key, what: str, private: str = "") -> None:
        LOG.info("run=%s/%s %s%s", *key, what, f" {private!r}" if private and LOG_PROMPTS else "")

    async def work(self, key: Key, end: tuple[str | None, ...] = ()) -> None:
        """Bring a run to its end, or to its next question."""
        try:
            async with self.places:
                end = end or await self.session(key)
            self.told.pop(key, None)
            await self.rows(END, *end, *key)
            self.log(key, str(end[0]), end[1] or "")
        except Exception as error:
            LOG.exception("run=%s/%s %s", *key, type(error).__name__)
            if not isinstance(error, OperationalError | rr.errors.StoreLockedError):
                known = isinstance(error, rr.RefineError)
                end = "failed", str(error) if known else "an error of the service", None, None
            await asyncio.sleep(1)
            self.group.create_task(self.work(key, end))
        finally:
            self.change.pop(key, Event()).set()

    async def session(self, key: Key) -> tuple[str | None, ...]:
        """Work on a run: its status then, why it ended, and id and text of its question."""
        row, thread = await self.row(key), RunnableConfig(configurable={"thread_id": "/".join(key)})
        job = await asyncio.to_thread(self.job, key, row["request"])
        given: Any = {"request": job.request, "policy": job.policy}  # its folder has what was done
        asking = (await self.graph.aget_state(thread)).interrupts
        if row["answer"] and row["asked"] in [question.id for question in asking]:
            given = Command(resume={row["asked"]: json.loads(row["answer"])})
        async with rr.run_context(job, OUT / key[0]) as context:
            told = self.told[key] = await asyncio.to_thread(self.recorded, key)
            options: Any = {"context": context, "stream_mode": "custom", "durability": "exit"}
            async for event in self.graph.astream(given, thread, **options):
                told.append(event)
                self.log(key, event.type)
                self.change.pop(key, Event()).set()
        if context.question is None:  # what was told last is the end
            return context.status, told[-1].stop.reason, None, None
        (asks,) = (await self.graph.aget_state(thread)).interrupts
        return "waiting", None, asks.id, context.question.model_dump_json()

    def recorded(self, key: Key) -> list[Any]:
        folder = OUT.joinpath(*key)
        return list(rr.load_run(folder).events()) if (folder / "config.json").exists() else []

    def shown(self, row: DictRow) -> Any:
        asked = row["status"] == "waiting" and {"id": row["asked"], **json.loads(row["question"])}
        told = {name: row[name] for name in ("name", "status", "why")}
        return {**told, "request": json.loads(row["request"]), "question": asked or None}

    async def show_all(self, key: Own) -> list[Any]:
        return [self.shown(r) for r in await self.rows("SELECT * FROM runs WHERE owner=%s", key[0])]

    async def show(self, key: Own) -> Any:
        return self.shown(await self.row(key))

    async def picture(self, key: Own) -> FileResponse:
        run = await asyncio.to_thread(rr.load_run, OUT.joinpath(*key))
        if run.result_path is None:
            raise HTTPException(404, "there is no picture yet")
        return FileResponse(run.result_path)

    async def events(self, key: Own, last_event_id: Annotated[float, Header()] = 0) -> Events:
        """What has happened in a run since an event, and what happens until its end."""
        while True:
            change, told, row = self.change.setdefault(key, Event()), self.told.get(key), None
            if told is None:  # nobody is at work on it
                row, told = await self.row(key), await asyncio.to_thread(self.recorded, key)
            for event in [event for event in told if event.time > last_event_id]:
                last_event_id = event.time
                yield ServerSentEvent(data=event, event=event.type, id=repr(event.time))
            if row is not None and row["status"] != "running":
                yield ServerSentEvent(data=self.shown(row), event=row["status"])
                if row["status"] != "waiting":
                    return
            await change.wait()


async def main() -> None:
    logging.basicConfig(level="INFO")
    form = WithoutKeys("%(asctime)s %(levelname)s %(message)s", traces=LOG_PROMPTS)
    logging.root.handlers[0].setFormatter(form)
    logging.getLogger("rr_refine").propagate = LOG_PROMPTS  # tracebacks of parts
    assert all(name.isalnum() and len(token) >= 16 for name, token in USERS.items()), "too short"
    settings: Any = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with (
        AsyncConnectionPool[Any](ENV["DATABASE"], kwargs=settings) as pool,
        pool.connection() as alone,
        asyncio.TaskGroup() as group,
    ):
        await alone.execute("SELECT pg_advisory_lock(28)")  # a second service waits for our end
        await AsyncPostgresSaver(pool).setup()
        refused: Any = dict.fromkeys((rr.RefineError, RequestValidationError, DataError), refusal)
        service, app = Service(pool, group), FastAPI(exception_handlers=refused)
        await service.rows(TABLE)
        app.put("/runs/{name}")(service.accept)
        app.put("/runs/{name}/answers/{asked}")(service.answer)
        app.get("/runs")(service.show_all)
        app.get("/runs/{name}")(service.show)
        own: Any = {"dependencies": [Depends(service.row)]}
        app.get("/runs/{name}/picture", **own)(service.picture)
        app.get("/runs/{name}/events", **own, response_class=EventSourceResponse)(service.events)
        for row in await service.rows("SELECT * FROM runs WHERE status='running'"):
            group.create_task(service.work((row["owner"], row["name"])))
        config = uvicorn.Config(app, port=PORT, log_config=None, timeout_graceful_shutdown=2)
        group.create_task(uvicorn.Server(config).serve())
        _ = [told async for told in alone.notifies()]  # until the connection is lost
        raise SystemExit("the lock of the database is lost: start me again")


if __name__ == "__main__":
    asyncio.run(main())
