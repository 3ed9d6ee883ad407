"""Arms side by side on quick fakes: what they spend, what they share, what becomes of failures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, run_many
from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.benchmarks.measure import measure
from rr_refine.errors import ConfigError, CriticUnavailable, GeneratorError
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from tests.agent.whole import UnreliableCritic, UnreliableGenerator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from rr_refine.agent.store.journal import ItemKind
    from rr_refine.benchmarks.arms import Arm
    from rr_refine.benchmarks.results import Results
    from rr_refine.benchmarks.trial import Trial

RENDERS = 3
KINDS: tuple[ItemKind, ...] = ("render", "critique", "comparison")


def grade(item: Item, image: Image.Image) -> Mark:
    """Some pictures are exact, by chance."""
    level = sum(image.resize((1, 1)).tobytes()) % 4
    return Mark(exact=level == 3, score=1.0 + level)


def bench(count: int = 2) -> Benchmark:
    items = tuple(
        Item(f"item-{i}", f"three red hats, take {i + 2}", seed=10 * i) for i in range(count)
    )
    return Benchmark("hats", items, grade)


class Bench:
    """A benchmark in a folder, with components that remember and can fail."""

    def __init__(self, out: Path, arms: Sequence[Arm] | None = None, items: int = 2) -> None:
        self.out = out
        self.arms = arms or make_arms(RENDERS, changes={"target": None, "patience": None})
        self.generator = UnreliableGenerator()
        self.critic = UnreliableCritic()
        self.items = items
        self.trials: list[Trial] = []

    async def run(self) -> Results:
        with Cache(self.out / "cache") as cache:
            return await measure(
                bench(self.items),
                self.arms,
                Models(self.generator, self.critic),
                cache,
                self.out,
                renders=RENDERS,
                concurrency=4,
                on_trial=self.trials.append,
            )


async def test_arms_spend_what_they_should_and_share_what_they_can(tmp_path: Path) -> None:
    own = Bench(tmp_path)
    results = await own.run()
    spent = {arm.arm: arm.renders for arm in results.arms}
    assert spent == {
        "one-shot": 1,
        "best-of-n": RENDERS,
        "blind-rewrite": 1,
        "blind-rewrite-best-of-n": RENDERS,
        "paper": 2,
        "refine": RENDERS,
    }
    assert {arm.arm: arm.critic_calls for arm in results.arms if arm.arm != "refine"} == {
        name: count for name, count in spent.items() if name != "refine"
    }, "a judgement from the cache is charged as one"
    made = {(r.prompt, r.seed) for r in own.generator.requests}
    assert len(own.generator.requests) == len(made) == results.provenance.made["render"]
    # Of 13 pictures: the first is common to four arms and the blind first to two; the second
    # prompt at the first seed is common to paper and refine.
    assert len(made) == 2 * (13 - 3 - 1 - 1)
    assert results.provenance.made["critique"] == len(own.critic.requests)
    for trial in own.trials:
        run = load_run(tmp_path / trial.run)
        assert run.status == "done"
        best, shot = run.best, trial.result.shot
        assert best and shot
        assert (shot.candidate, shot.image) == (best.id, best.image)
        assert len(trial.points) == RENDERS


async def test_points_are_what_smaller_budgets_come_to(tmp_path: Path) -> None:
    changes = {"target": None, "patience": None}
    large = Bench(tmp_path / "large", make_arms(RENDERS, changes=changes))
    await large.run()
    for allowed in (1, 2):
        small = Bench(tmp_path / str(allowed), make_arms(allowed, changes=changes))
        await small.run()
        ends = {(t.arm, t.item): t.result for t in small.trials}
        for trial in large.trials:
            if trial.arm != "paper" or allowed > 1:  # which renders twice, whatever is allowed
                assert trial.points[allowed - 1] == ends[trial.arm, trial.item], trial.arm


async def test_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    first = await Bench(tmp_path).run()
    again = Bench(tmp_path)
    second = await again.run()
    assert not again.generator.requests
    assert not again.critic.requests
    assert second.arms == first.arms
    assert second.differences == first.differences
    assert second.provenance.made == {}


@pytest.mark.parametrize("after", [1, 5, 11])
async def test_going_on_after_an_interruption(tmp_path: Path, after: int) -> None:
    class Pulled(UnreliableGenerator):
        """Pulls the plug at a render."""

        async def generate(self, request: object, **options: object) -> Image.Image:
            if len(self.requests) == after:
                work.cancel()
            return await super().generate(request, **options)  # type: ignore[arg-type]

    expected = await Bench(tmp_path / "whole").run()
    cut = Bench(tmp_path / "cut")
    cut.generator = Pulled()
    work = asyncio.create_task(cut.run())
    with pytest.raises(asyncio.CancelledError):
        await work
    with RunFolder(tmp_path / "cut" / "cache", lock=False) as folder:
        kept = {kind: dict(folder.journal.items(kind)) for kind in KINDS}
    assert len(kept["render"]) <= after
    rest = Bench(tmp_path / "cut")
    results = await rest.run()
    assert results.arms == expected.arms
    for kind in KINDS:
        made = results.provenance.made.get(kind, 0)
        assert made + len(kept[kind]) == expected.provenance.made.get(kind, 0), kind
    assert len(rest.generator.requests) == results.provenance.made["render"]
    assert len(rest.critic.requests) == results.provenance.made["critique"]


async def test_failures_are_data_and_owed_again(tmp_path: Path) -> None:
    class Fussy(UnreliableGenerator):
        async def generate(self, request: object, **options: object) -> Image.Image:
            if self.broken and request.seed == 0:  # type: ignore[attr-defined]
                raise GeneratorError("no brush")
            return await super().generate(request, **options)  # type: ignore[arg-type]

        broken = True

    arms = make_arms(RENDERS, names=["one-shot", "best-of-n"])
    own = Bench(tmp_path, arms)
    own.generator = Fussy()
    results = await own.run()
    one_shot, best_of_n = results.arms
    assert (one_shot.items, one_shot.failed, one_shot.faults) == (2, 1, 1)
    assert (best_of_n.items, best_of_n.failed, best_of_n.faults) == (2, 0, 1)
    assert (one_shot.renders, best_of_n.renders) == (0.5, 2.5)
    trial = next(t for t in own.trials if t.arm == "one-shot" and t.item == "item-0")
    assert trial.error == "generator-failed: GeneratorError: no brush"
    assert trial.faults == ("render: GeneratorError: no brush",)
    assert (trial.result.exact, trial.result.score) == (False, 1.0)
    mended = Bench(tmp_path, arms)
    results = await mended.run()
    assert [arm.failed for arm in results.arms] == [0, 0]
    assert {r.seed for r in mended.generator.requests} == {0}, "the others were not rendered again"


async def test_what_could_not_be_judged_is_held_to_its_picture(tmp_path: Path) -> None:
    own = Bench(tmp_path, make_arms(RENDERS, names=["one-shot"]))
    own.critic = UnreliableCritic([CriticUnavailable("asleep")] * 9)
    results = await own.run()
    assert results.arms[0].failed == 2
    assert results.arms[0].renders == 1
    for trial in own.trials:
        assert trial.result.shot
        assert trial.result.shot.reward is None


async def test_a_folder_keeps_to_its_models(tmp_path: Path) -> None:
    arms = make_arms(RENDERS, names=["one-shot"])
    await Bench(tmp_path, arms).run()
    own = Bench(tmp_path, arms)
    own.critic = UnreliableCritic(seed=2)
    with pytest.raises(ConfigError, match="made with another critic"):
        await own.run()


async def test_a_mistake_ends_it(tmp_path: Path) -> None:
    class Wrong(UnreliableCritic):
        async def critique(self, request: object) -> object:  # type: ignore[override]
            raise ConfigError("the key is wrong")

    own = Bench(tmp_path, make_arms(RENDERS, names=["one-shot"]))
    own.critic = Wrong()
    with pytest.raises(ConfigError, match="the key is wrong"):
        await own.run()


async def test_a_generator_without_edits_fails_edits(tmp_path: Path) -> None:
    class Painter(UnreliableGenerator):
        tasks = frozenset(("t2i",))

    from PIL import Image

    own = Bench(tmp_path, make_arms(RENDERS, names=["one-shot"]))
    edit = Item("edit", "make it red", source=Image.new("RGB", (48, 32)))
    with Cache(tmp_path / "cache") as cache:
        results = await measure(
            Benchmark("edits", (edit,), grade),
            own.arms,
            Models(Painter(), own.critic),
            cache,
            tmp_path,
            renders=RENDERS,
            on_trial=own.trials.append,
        )
    assert results.arms[0].failed == 1
    (trial,) = own.trials
    assert trial.error
    assert trial.error.startswith("UnsupportedRequestError: ")
    assert trial.result.shot is None


async def test_parameters_reach_the_generator(tmp_path: Path) -> None:
    own = Bench(tmp_path, make_arms(RENDERS, names=["one-shot"]), items=1)
    with Cache(tmp_path / "cache") as cache:
        await measure(
            bench(1),
            own.arms,
            Models(own.generator, own.critic, {"width": 32}),
            cache,
            tmp_path,
            renders=RENDERS,
        )
    assert [dict(r.parameters) for r in own.generator.requests] == [{"width": 32}]


async def test_many_at_once_but_not_more() -> None:
    at_work = most = done = 0

    async def work() -> None:
        nonlocal at_work, most, done
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        done += 1

    await run_many((work() for _ in range(20)), 3)
    assert (most, done) == (3, 20)


async def test_a_slow_generator_is_kept_busy(tmp_path: Path) -> None:
    class Slow(FakeGenerator):
        at_work = most = 0

        async def generate(self, request: object, **options: object) -> Image.Image:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            try:
                return await super().generate(request, **options)  # type: ignore[arg-type]
            finally:
                self.at_work -= 1

    slow = Slow(FakeOptions(width=48, height=32, seconds=0.2))
    with Cache(tmp_path / "cache") as cache:
        await measure(
            bench(2),
            make_arms(RENDERS, names=["best-of-n"]),
            Models(slow, UnreliableCritic()),
            cache,
            tmp_path,
            renders=RENDERS,
        )
    assert slow.most == 2 * RENDERS, "both items and all their candidates at once"
