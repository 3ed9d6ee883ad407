from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.benchmarks.cache import Cache, CachedPairwiseCritic
from rr_refine.digest import image_digest
from rr_refine.errors import (
    CriticUnavailable,
    NotRecordedError,
    OutOfMemoryError,
    StoreError,
    StoreLockedError,
)
from rr_refine.generators.generator import RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, can_compare
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from rr_refine.terms import Identity
from tests.agent.whole import UnreliableCritic, UnreliableGenerator
from tests.benchmarks.harness import kept

REQUEST = RenderRequest("a cat", 1)
OTHERS = [
    RenderRequest("a dog", 1),
    RenderRequest("a cat", 2),
    RenderRequest("a cat", 1, source=Image.new("RGB", (48, 32))),
    RenderRequest("a cat", 1, parameters={"width": 64}),
]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as cache:
        yield cache


async def test_a_picture_is_made_once(cache: Cache) -> None:
    inner = UnreliableGenerator()
    generator = cache.generator(inner)
    pictures = await asyncio.gather(*(generator.generate(REQUEST) for _ in range(5)))
    assert len(inner.requests) == 1
    assert len({image_digest(picture) for picture in pictures}) == 1
    assert generator.identity == inner.identity
    assert generator.tasks == inner.tasks
    assert cache.made == {"render": 1}


async def test_other_requests_are_other_pictures(cache: Cache) -> None:
    inner = UnreliableGenerator()
    for request in (REQUEST, *OTHERS):
        await cache.generator(inner).generate(request)
    assert len(inner.requests) == 1 + len(OTHERS)


async def test_a_judgement_is_made_once(cache: Cache) -> None:
    inner = UnreliableCritic()
    critic = cache.critic(inner)
    image = Image.new("RGB", (8, 8), "red")
    first = await critic.critique(CritiqueRequest("a cat", image))
    # The same pixels from another object, as another arm has them.
    assert await critic.critique(CritiqueRequest("a cat", image.copy())) == first
    assert len(inner.requests) == 1
    await critic.critique(CritiqueRequest("a dog", image))
    await critic.critique(CritiqueRequest("a cat", image, image))
    assert len(inner.requests) == 3
    assert first.usage.calls == 1, "the answer costs what it cost"


async def test_a_comparison_is_made_once_in_each_order(cache: Cache) -> None:
    critic = cache.critic(FakeCritic(FakeCriticOptions(comparisons=("a", "b"))))
    a, b = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    assert can_compare(critic)
    for _ in range(2):  # a third call of the script would be an error
        assert (await critic.compare(ComparisonRequest("a cat", a, b))).winner == "a"
        assert (await critic.compare(ComparisonRequest("a cat", b, a))).winner == "b"


async def test_a_critic_that_cannot_compare_still_cannot(cache: Cache) -> None:
    class Pointwise:
        identity: Identity = FakeCritic().identity

        async def critique(self, request: CritiqueRequest) -> Assessment:
            return await FakeCritic().critique(request)

    assert not can_compare(cache.critic(Pointwise()))


async def test_failures_are_not_kept(cache: Cache) -> None:
    generator = cache.generator(UnreliableGenerator([OutOfMemoryError("too large")]))
    critic = cache.critic(UnreliableCritic([CriticUnavailable("asleep")]))
    with pytest.raises(OutOfMemoryError):
        await generator.generate(REQUEST)
    image = await generator.generate(REQUEST)
    with pytest.raises(CriticUnavailable):
        await critic.critique(CritiqueRequest("a cat", image))
    await critic.critique(CritiqueRequest("a cat", image))
    assert cache.made == {"render": 1, "critique": 1}


async def test_one_that_waits_outlives_one_that_is_cancelled(cache: Cache) -> None:
    inner = UnreliableGenerator()
    generator = cache.generator(inner)
    first, second = (asyncio.create_task(generator.generate(REQUEST)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert image_digest(await second)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_was_made_outlives_the_process(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        before = await cache.generator(UnreliableGenerator()).generate(REQUEST)
        with pytest.raises(StoreLockedError):
            Cache(tmp_path)
    inner = UnreliableGenerator()
    with Cache(tmp_path) as cache:
        after = await cache.generator(inner).generate(REQUEST)
        assert not cache.made
    assert image_digest(after) == image_digest(before)
    assert not inner.requests


async def test_a_lost_picture_is_made_again(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        await cache.generator(UnreliableGenerator()).generate(REQUEST)
        for path in (tmp_path / "images").rglob("*.png"):
            path.unlink()
        inner = UnreliableGenerator()
        await cache.generator(inner).generate(REQUEST)
        assert len(inner.requests) == 1


async def test_a_broken_picture_is_told(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        generator = cache.generator(UnreliableGenerator())
        image = await generator.generate(REQUEST)
        path = cache.image_path(image_digest(image))
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(StoreError, match=path.name):
            await generator.generate(REQUEST)


def test_what_is_kept_is_found_under_its_kind(cache: Cache) -> None:
    cache.keep("judgement", "a", {"answers": ["four of five", "\ud800"]})
    cache.keep("unreadable", "a", {"answers": ["?"]})
    cache.keep("unreadable", "a", {"answers": ["??"]})
    assert cache.find("judgement", "a") == {"answers": ["four of five", "\ud800"]}
    assert cache.find("unreadable", "a") == {"answers": ["??"]}, "the last"
    assert cache.find("judgement", "b") is None
    assert cache.find("critique", "a") is None
    assert cache.made == {"judgement": 1, "unreadable": 2}


def test_it_outlives_a_kill_at_once(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.keep("judgement", "a", {"answers": []})
        assert kept(tmp_path) == [("judgement", "a", {"answers": []})], "another process sees it"


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    with Cache(tmp_path):
        pass
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"nonsense " * 999)
    with pytest.raises(StoreError, match=r"cache\.sqlite: file is not a database"):
        Cache(tmp_path)
    path.unlink()
    with Cache(tmp_path) as cache:
        assert cache.find("render", "a") is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot lock"):
        Cache(tmp_path / "file" / "cache")


async def test_offline_it_gives_what_it_has_and_asks_nobody(tmp_path: Path) -> None:
    generator, critic = UnreliableGenerator(), FakeCritic(FakeCriticOptions(seed=3))
    image = Image.new("RGB", (8, 8), "red")
    known, unknown = CritiqueRequest("a cat", image), CritiqueRequest("a dog", image)
    both = ComparisonRequest("a cat", image, image)
    with Cache(tmp_path / "cache") as cache:
        await cache.generator(generator).generate(REQUEST)
        said = await cache.critic(critic).critique(known)
    with Cache(tmp_path / "cache", offline=True) as cache:
        # Who they are is told: those here were never connected.
        recalled = cache.generator(UnreliableGenerator(), generator.identity)
        await recalled.generate(REQUEST)
        judge = cache.critic(FakeCritic(), critic.identity)
        assert await judge.critique(known) == said
        assert isinstance(judge, CachedPairwiseCritic)
        for missing in (recalled.generate(OTHERS[0]), judge.critique(unknown), judge.compare(both)):
            with pytest.raises(NotRecordedError, match="holds no such"):
                await missing
        assert cache.made == {}


PLAIN = (
    "CREATE TABLE items (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "
    "PRIMARY KEY (kind, key)) WITHOUT ROWID"
)
FOREIGN = {
    "view": "CREATE VIEW items AS SELECT 'render' AS kind, 'a' AS key, "
    "hex(zeroblob(1000000)) AS value",
    "endless view": "CREATE VIEW items AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
    "FROM n) SELECT 'render' AS kind, 'b' AS key, '{}' AS value FROM n",
    "computed column": "CREATE TABLE items (kind TEXT, key TEXT, "
    "value TEXT AS (hex(zeroblob(100000000))))",
    "trigger": f"{PLAIN}; CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items; END",
    "other table": "CREATE TABLE other (a)",
}


@pytest.mark.parametrize("script", FOREIGN.values(), ids=FOREIGN)
def test_a_database_of_others_is_not_read(tmp_path: Path, script: str) -> None:
    with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as file:
        file.executescript(script)
    with pytest.raises(StoreError, match="other tables, views or triggers"):
        Cache(tmp_path)


def test_a_value_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    with Cache(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as file, file:
        file.execute("INSERT INTO items VALUES ('render', 'a', hex(zeroblob(9000000)))")
        file.execute("INSERT INTO items VALUES ('render', 'b', x'7b7d')")
    with Cache(tmp_path) as cache:
        with pytest.raises(StoreError, match=r"cache\.sqlite: .*too big"):
            cache.find("render", "a")
        with pytest.raises(StoreError, match=r"cache\.sqlite cannot be read"):
            cache.find("render", "b")


@pytest.mark.parametrize("name", ["cache", "cache/cache.sqlite", "cache/cache.sqlite-wal"])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    away = tmp_path / "away"
    (away / "cache").mkdir(parents=True)
    (away / "cache" / "cache.sqlite").touch()
    (away / "cache" / "cache.sqlite-wal").touch()
    link = tmp_path / "bench" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(away / name)
    with pytest.raises(StoreError, match="links in here are not followed"):
        Cache(tmp_path / "bench" / "cache")
    assert not (away / "cache" / ".lock").exists()
    assert not (away / "cache" / "cache.sqlite").stat().st_size


def test_a_journal_of_others_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite-journal").write_bytes(b"anything")
    with pytest.raises(StoreError, match=r"journal beside it: remove both"):
        Cache(tmp_path)


@pytest.mark.parametrize("value", [{}, {"result": {"critic": 3}}, {"result": None}])
async def test_a_judgement_that_is_none_is_told(
    tmp_path: Path, value: dict[str, JsonValue]
) -> None:
    request = CritiqueRequest("a cat", Image.new("RGB", (8, 8), "red"))
    with Cache(tmp_path) as cache:
        await cache.critic(FakeCritic()).critique(request)
    ((_, key, _),) = kept(tmp_path)
    with Cache(tmp_path) as cache:
        cache.keep("critique", key, value | {"more": 1})
        with pytest.raises(StoreError, match="holds a critique that is none"):
            await cache.critic(FakeCritic()).critique(request)


async def test_a_picture_without_a_name_is_told(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        await cache.generator(UnreliableGenerator()).generate(REQUEST)
        ((_, key, _),) = kept(tmp_path)
        cache.keep("render", key, {"more": 1})
        with pytest.raises(StoreError, match="no image digest"):
            await cache.generator(UnreliableGenerator()).generate(REQUEST)
