"""`examples/service.py`, with a Postgres of its own: what its users see, and what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.examples.postgres import WHY_NOT, postgres
from tests.examples.served import TOKENS, Served, User, follow, require_whole

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
HAT: dict[str, Any] = {"prompt": "a red hat"}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(scope="module")
def served(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("service")
    with Served(folder, database, {"SERVICE_LIMIT": "2"}) as service:
        yield service


async def ended(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    async for kind, _, data in follow(client, name):
        if kind in ("done", "failed"):
            found: dict[str, Any] = data
            return found
    raise AssertionError


async def test_a_run_with_review_and_its_events(served: Served) -> None:
    async with served.client("ann") as ann:
        reply = await ann.put("/reviewed", json={**HAT, "review": True})
        assert reply.json()["status"] == "running"
        told: list[tuple[str, str | None]] = []
        answers = 0
        async for kind, number, data in follow(ann, "reviewed"):
            told.append((kind, number))
            if kind == "waiting":
                path = f"/reviewed/answers/{data['question']['id']}"
                wrong = await ann.put(path, json={"action": "pick", "candidate": "r9c9"})
                assert wrong.status_code == 422
                assert "candidate 'r9c9' cannot be picked" in wrong.json()["detail"]
                taken = (await ann.put(path, json={"action": "accept"})).json()
                assert taken["question"] is None or taken["question"]["id"] not in path
                again = await ann.put(path, json={"action": "stop"})
                assert again.status_code == 409
                answers += 1
        assert answers > 0
        assert told[-1] == ("done", None)
        kinds = [kind for kind, _ in told]
        assert "step-done" in kinds
        assert kinds.count("run-finished") == 1
        picture = await ann.get("/reviewed/picture")
        assert picture.headers["content-type"] == "image/png"
        assert picture.content == (served.folder / "runs/ann/reviewed/result.png").read_bytes()
        # Who comes later, or again, gets what is behind the last event that came.
        last = next(number for kind, number in told if kind == "judged")
        later = [kind async for kind, _, _ in follow(ann, "reviewed", last)]
        steps = ("step-done", "waiting")
        assert later == [k for k in kinds[kinds.index("judged") + 1 :] if k not in steps]
    require_whole(served.folder / "runs" / "ann" / "reviewed", answers)


async def test_a_request_may_be_sent_again_and_is_no_second_one(served: Served) -> None:
    async with served.client("ann") as ann:
        replies = await asyncio.gather(*(ann.put("/again", json=HAT) for _ in range(5)))
        assert {reply.status_code for reply in replies} == {200}
        await ended(ann, "again")
        assert (await ann.put("/again", json=HAT)).json()["status"] == "done"
        other = await ann.put("/again", json={"prompt": "a dog"})
        assert other.status_code == 409
        assert "another request" in other.json()["detail"]
        assert [run["name"] for run in (await ann.get("")).json()].count("again") == 1
    require_whole(served.folder / "runs" / "ann" / "again", 0)


async def test_users_see_their_own_runs_only(served: Served) -> None:
    async with served.client("ann") as ann, served.client("ben") as ben:
        await ann.put("/mine", json={**HAT, "review": True})
        for path in ("/mine", "/mine/events", "/mine/picture"):
            reply = await ben.get(path)
            assert reply.status_code == 404
            assert reply.json()["detail"] == "you have no run 'mine'"
        assert (await ben.put("/mine/answers/any", json={"action": "stop"})).status_code == 404
        await ben.put("/mine", json=HAT)  # and may use the same name
        await ended(ben, "mine")
        assert [run["name"] for run in (await ben.get("")).json()] == ["mine"]
        async for kind, _, data in follow(ann, "mine"):
            if kind == "waiting":
                await ann.put(f"/mine/answers/{data['question']['id']}", json={"action": "stop"})
    async with served.client(None) as nobody:
        for token in ("", "Bearer", "Bearer x", TOKENS["ann"]):
            reply = await nobody.get("/mine", headers={"Authorization": token})
            assert reply.status_code == 401


async def test_a_user_has_so_many_unfinished_runs_and_no_more(served: Served) -> None:
    async with served.client("ann") as ann, served.client("ben") as ben:
        asked = {**HAT, "review": True}
        names = [f"limit-{number}" for number in range(6)]
        replies = await asyncio.gather(*(ann.put(f"/{name}", json=asked) for name in names))
        taken = [n for n, r in zip(names, replies, strict=True) if r.status_code == 200]
        refused = [reply for reply in replies if reply.status_code == 429]
        assert (len(taken), len(refused)) == (2, 4)
        assert "2 of your runs are unfinished" in refused[0].json()["detail"]
        assert (await ben.put("/free", json=HAT)).status_code == 200
        for name in taken:
            async for kind, _, data in follow(ann, name):
                if kind == "waiting":
                    path = f"/{name}/answers/{data['question']['id']}"
                    await ann.put(path, json={"action": "stop"})
        assert (await ann.put("/limit-9", json=HAT)).status_code == 200
        await asyncio.gather(ended(ann, "limit-9"), ended(ben, "free"))


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("a.", HAT, "run_id = 'a.' cannot name a run"),
        ("a", {"prompt": ""}, "prompt"),
        ("a", {"prompt": " "}, "prompt"),
        ("a", {"prompt": "\ud83d"}, "prompt"),
        ("a", {**HAT, "rounds": 99}, "rounds"),
        ("a", {**HAT, "generator": "openai"}, "generator"),
        ("a", {**HAT, "\ud83d": 1}, "body"),
    ],
)
async def test_what_cannot_be_done_is_said_at_once(
    name: str, asked: dict[str, Any], words: str, served: Served
) -> None:
    async with served.client("ann") as ann:
        kind = {"Content-Type": "application/json"}
        reply = await ann.put(f"/{name}", content=json.dumps(asked), headers=kind)
        assert reply.status_code == 422
        assert words in reply.text
        assert "service.py" not in reply.text
        detail = reply.json()["detail"]
        assert isinstance(detail, str) or all(set(one) == {"loc", "msg"} for one in detail)
        assert (await ann.get(f"/{name}")).status_code == 404
        nul = await ann.get("/a%00b")
        assert nul.status_code == 422
        assert "NUL" in nul.json()["detail"]


async def test_keys_are_not_in_the_log_and_prompts_on_request_only(
    served: Served, database: str, tmp_path: Path
) -> None:
    asked = {"prompt": "an impossible hat"}
    async with served.client("ann") as ann:
        await ann.put("/impossible", json=asked)
        why = (await ended(ann, "impossible"))["why"]
        assert "ZeroDivisionError" in why
        assert "sk-123456789" not in why
    assert "run=ann/impossible failed" in served.log
    for secret in ("sk-123456789", "hat", "Traceback", *TOKENS.values()):
        assert secret not in served.log
    served.end(signal.SIGKILL)  # of two services on one table, the second waits
    with Served(tmp_path, database, {"SERVICE_LOG_PROMPTS": "1"}) as service:
        async with service.client("ben") as ben:
            await ben.put("/impossible", json=asked)
            await ended(ben, "impossible")
    assert "accepted 'an impossible hat'" in service.log
    assert "ZeroDivisionError: api_key=*** is no key" in service.log
    for secret in ("sk-123456789", *TOKENS.values()):
        assert secret not in service.log
    served.start()


async def test_a_killed_service_goes_on_with_every_run(tmp_path: Path) -> None:
    """Those at work, those in line, those whose question is open, and those just answered."""
    options = {"SERVICE_LIMIT": "99", "SERVICE_AT_ONCE": "3", "SLOW_SECONDS": "0.3"}
    with postgres() as url, Served(tmp_path, url, options) as service:
        async with service.client("ann") as client:
            ann = User(client)
            names = [f"run-{number}" for number in range(8)]
            runs = [
                asyncio.ensure_future(ann.run(name, review=number % 2 == 0))
                for number, name in enumerate(names)
            ]
            for number in (signal.SIGKILL, signal.SIGTERM):
                await asyncio.sleep(2)
                listens = asyncio.ensure_future(ended(client, names[-1]))
                await asyncio.sleep(0.2)
                assert await asyncio.to_thread(service.end, number) == -number
                await asyncio.gather(listens, return_exceptions=True)
                await asyncio.to_thread(service.start)
            with psycopg.connect(url) as database:
                others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                database.execute(f"SELECT pg_terminate_backend(pid) {others}")
            assert await asyncio.to_thread(service.end, 0) == 1  # its lock is lost
            await asyncio.to_thread(service.start)
            await asyncio.wait_for(asyncio.gather(*runs), 90)
            assert ann.lost > 0
            # Killed behind a pause or an end, and before that was in the table.
            service.end(signal.SIGKILL)
            with psycopg.connect(url) as database:
                database.execute("UPDATE runs SET status='running', answer='{}'")
            service.start()
            shown = await asyncio.gather(*(ended(client, name) for name in names))
            assert {run["status"] for run in shown} == {"done"}
    for name in names:
        require_whole(tmp_path / "runs" / "ann" / name, len(ann.answered[name]))
    assert sum(map(len, ann.answered.values())) >= len(names) // 2
