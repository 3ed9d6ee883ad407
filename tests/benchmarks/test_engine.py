"""Arms side by side on quick fakes: what they spend, what they share, what becomes of failures."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.run import load_run
from rr_refine.benchmarks.arms import Arm, make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, read_trials, run_arms, run_many
from rr_refine.benchmarks.header import Header, require_same
from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.benchmarks.measure import measure
from rr_refine.benchmarks.trial import Trial
from rr_refine.digest import image_digest
from rr_refine.errors import (
    ConfigError,
    CriticUnavailable,
    CriticUnreadable,
    GeneratorError,
    StoreError,
    StoreLockedError,
)
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.evidence import Finding, Findings
from rr_refine.terms import Identity
from tests.agent.whole import UnreliableCritic, UnreliableGenerator
from tests.benchmarks.harness import kept

RENDERS = 3
ALL = make_arms(RENDERS, changes={"target": None, "patience": None})
ONE = make_arms(RENDERS, names=["one-shot"])
TWO = make_arms(RENDERS, names=["one-shot", "best-of-n"])


class Grader:
    """Some pictures are exact, by chance; counts what it is asked."""

    def __init__(self, fault: Callable[[Item], Exception | None] = lambda _: None) -> None:
        self.fault = fault
        self.asked: Counter[str] = Counter()

    async def __call__(self, item: Item, image: Image.Image) -> Mark:
        self.asked[f"{item.id} {image_digest(image)}"] += 1
        await asyncio.sleep(0)
        if fault := self.fault(item):
            raise fault
        level = sum(image.resize((1, 1)).tobytes()) % 4
        return Mark(exact=level == 3, score=1.0 + level, parts={"hats": (level, 3)})


def items(count: int) -> tuple[Item, ...]:
    return tuple(
        Item(f"item-{i}", f"three red hats, take {i + 2}", seed=10 * i) for i in range(count)
    )


class Hats(Benchmark):
    def worst(self, item: Item) -> Mark:
        return Mark(exact=False, score=0.0, parts={"hats": (0, 3)})


class Bench:
    """A benchmark in a folder, with components that remember and can fail."""

    def __init__(self, out: Path, arms: Sequence[Arm] = ALL, count: int = 2) -> None:
        self.out = out
        self.arms = arms
        self.items = items(count)
        self.generator: FakeGenerator = UnreliableGenerator()
        self.critic = UnreliableCritic()
        self.grader = Grader()
        self.told: list[Trial] = []
        self.made: Counter[str] = Counter()
        self.curve = True
        self.parameters: dict[str, int] = {}
        self.drain = asyncio.Event()
        self.name = "hats"

    async def run(self) -> dict[tuple[str, str], Trial]:
        """Trials by arm and item."""
        with Cache(self.out / "cache") as cache:
            try:
                self.all_done = await run_arms(
                    Hats(self.name, self.items, self.grader),
                    self.arms,
                    Models(
                        cache.generator(self.generator), cache.critic(self.critic), self.parameters
                    ),
                    self.out,
                    renders=RENDERS,
                    concurrency=4,
                    curve=self.curve,
                    pictures=cache.image_path,
                    on_trial=self.told.append,
                    drain=self.drain,
                )
            finally:
                self.made = Counter(map(str, cache.made.elements()))
        return {(trial.arm, trial.item): trial for trial in read_trials(self.out)}

    @property
    def rendered(self) -> list[tuple[str, int]]:
        assert isinstance(self.generator, UnreliableGenerator)
        return [(request.prompt, request.seed) for request in self.generator.requests]


def timeless(trials: Mapping[tuple[str, str], Trial]) -> dict[tuple[str, str], Trial]:
    """Trials without the seconds that they took, which are others each time."""
    return {key: one.model_copy(update={"seconds": None}) for key, one in trials.items()}


async def test_arms_spend_what_they_should_and_share_what_they_can(tmp_path: Path) -> None:
    own = Bench(tmp_path, [arm for arm in ALL if arm.name != "rewrite-first"])
    trials = await own.run()
    spent = {"one-shot": 1, "best-of-n": 3, "blind-rewrite": 1, "blind-rewrite-best-of-n": 3}
    spent |= {"paper": 2, "refine": 3}
    assert list(trials) == [(arm, item.id) for item in own.items for arm in sorted(spent)]
    for (arm, item), trial in trials.items():
        assert trial.result.spent == spent[arm]
        assert arm == "refine" or trial.critic_calls == spent[arm], "one from the cache is charged"
        assert trial.triggered == (arm in ("paper", "refine"))
        assert (trial.group, trial.labels, trial.error) == (item, {}, None)
        assert trial.settled
        run = load_run(tmp_path / trial.run)
        assert run.status == "done"
        best, sample = run.best, trial.result.sample
        assert best and sample
        assert (sample.candidate, sample.image) == (best.id, best.image)
        assert len(trial.points) == RENDERS
        assert run.outcome
        assert trial.critic_tokens == run.outcome.spend.tokens
        assert not (run.path / "checkpoints.sqlite").exists()
    assert len(own.rendered) == len(set(own.rendered)) == own.made["render"]
    # Of 13 pictures: the first is common to four arms and the blind first to two; the second
    # prompt at the first seed is common to paper and refine.
    assert len(own.rendered) == 2 * (13 - 3 - 1 - 1)
    assert own.made["critique"] == len(own.critic.requests)
    assert set(own.grader.asked.values()) == {1}, "a picture is graded once, whatever arms it is in"
    assert {(t.arm, t.item) for t in own.told} == set(trials)


async def test_points_are_what_smaller_budgets_come_to(tmp_path: Path) -> None:
    large = await Bench(tmp_path / "large").run()
    for allowed in (1, 2):
        arms = make_arms(allowed, changes={"target": None, "patience": None})
        small = await Bench(tmp_path / str(allowed), arms).run()
        for (arm, item), trial in large.items():
            if arm != "paper" or allowed > 1:  # which renders twice, whatever is allowed
                assert trial.points[allowed - 1] == small[arm, item].result, arm


async def test_without_a_curve_only_the_first_and_the_result_are_graded(tmp_path: Path) -> None:
    whole, own = Bench(tmp_path / "whole"), Bench(tmp_path / "own")
    own.curve = False
    expected = await whole.run()
    for key, trial in (await own.run()).items():
        assert trial.points == (expected[key].result,)
        assert trial.first == expected[key].first
    asked = {
        f"{t.item} {sample.image}"
        for t in expected.values()
        for sample in (t.first.sample, t.result.sample)
        if sample
    }
    assert set(own.grader.asked) == asked
    assert asked < set(whole.grader.asked)


async def test_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    trials = await first.run()
    before = (tmp_path / "trials.jsonl").read_bytes()
    again = Bench(tmp_path)
    assert await again.run() == trials
    assert not (again.rendered or again.critic.requests or again.grader.asked or again.made)
    assert (tmp_path / "trials.jsonl").read_bytes() == before
    assert {(t.arm, t.item): t for t in again.told} == trials, "they count as done"


@pytest.mark.parametrize("after", [1, 5, 11])
async def test_going_on_after_an_interruption(tmp_path: Path, after: int) -> None:
    class Pulled(UnreliableGenerator):
        """Pulls the plug at a render."""

        async def generate(self, request: object, **options: object) -> Image.Image:
            if len(self.requests) == after:
                work.cancel()
            return await super().generate(request, **options)  # type: ignore[arg-type]

    whole = Bench(tmp_path / "whole")
    expected = await whole.run()
    cut = Bench(tmp_path / "cut")
    cut.generator = Pulled()
    work = asyncio.create_task(cut.run())
    with pytest.raises(asyncio.CancelledError):
        await work
    before = Counter(kind for kind, _, _ in kept(tmp_path / "cut" / "cache"))
    assert before["render"] <= after
    rest = Bench(tmp_path / "cut")
    assert timeless(await rest.run()) == timeless(expected)
    for kind in ("render", "critique", "comparison"):
        assert rest.made[kind] + before[kind] == whole.made[kind], kind
    assert len(rest.rendered) == rest.made["render"]
    assert len(rest.critic.requests) == rest.made["critique"]


async def test_draining_finishes_what_is_at_work_and_begins_nothing(tmp_path: Path) -> None:
    class Closing(UnreliableGenerator):
        """Hears during its first render that it is time to go."""

        async def generate(self, request: object, **options: object) -> Image.Image:
            own.drain.set()
            await asyncio.sleep(0.05)
            return await super().generate(request, **options)  # type: ignore[arg-type]

    expected = await Bench(tmp_path / "whole", TWO, count=3).run()
    own = Bench(tmp_path / "cut", TWO, count=3)
    own.generator = Closing()
    assert await own.run() == {}
    assert not own.all_done
    assert own.made == {"render": len(own.rendered)}
    assert own.rendered
    statuses = {
        (path.parent.name, path.name): load_run(path).status
        for path in (tmp_path / "cut" / "runs").glob("*/*")
    }
    begun = [(arm.name, item.id) for item in own.items[:2] for arm in TWO]
    assert statuses == dict.fromkeys(begun, "interrupted"), "four at once, and no more"
    rest = Bench(tmp_path / "cut", TWO, count=3)
    assert timeless(await rest.run()) == timeless(expected)
    assert rest.all_done
    assert not set(rest.rendered) & set(own.rendered)
    late = Bench(tmp_path / "late", TWO)
    late.drain.set()
    assert (await late.run(), late.rendered) == ({}, [])


async def test_failures_are_data_and_owed_again(tmp_path: Path) -> None:
    class Fussy(UnreliableGenerator):
        async def generate(self, request: object, **options: object) -> Image.Image:
            if request.seed == 0:  # type: ignore[attr-defined]
                raise GeneratorError("no brush")
            return await super().generate(request, **options)  # type: ignore[arg-type]

    own = Bench(tmp_path, TWO)
    own.generator = Fussy()
    trials = await own.run()
    trial = trials["one-shot", "item-0"]
    assert trial.error == "generator-failed: generator error: no brush"
    assert trial.faults == ("render: GeneratorError: no brush",)
    assert (trial.result.spent, trial.result.sample, trial.result.mark) == (0, None, None)
    assert (trial.result.exact, trial.settled) == (False, False)
    assert trial.worst == Mark(exact=False, score=0.0, parts={"hats": (0, 3)})
    assert (trials["best-of-n", "item-0"].error, trials["best-of-n", "item-0"].result.spent) == (
        None,
        2,
    )
    mended = Bench(tmp_path, TWO)
    after = await mended.run()
    assert [t.error for t in after.values()] == [None] * 4
    assert mended.rendered == [("three red hats, take 2", 0)], "nothing else is rendered again"
    assert [(t.arm, t.item) for t in mended.told if t != trials[t.arm, t.item]] == [
        ("one-shot", "item-0")
    ]
    written = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert len(written) == 5, "the last line of an item and arm counts"


async def test_what_could_not_be_judged_is_held_to_its_picture(tmp_path: Path) -> None:
    own = Bench(tmp_path, ONE)
    own.critic = UnreliableCritic([CriticUnavailable("asleep")] * 9)
    for trial in (await own.run()).values():
        assert trial.error == "critic-failed: critic unavailable: asleep"
        assert trial.result.spent == 1
        assert trial.result.sample
        assert trial.result.sample.reward is None
        assert trial.result.mark


async def test_a_mark_that_is_missing_is_told_and_owed_again(tmp_path: Path) -> None:
    own = Bench(tmp_path, TWO)
    own.grader = Grader(
        lambda item: CriticUnreadable("no grade", "?") if item.id == "item-1" else None
    )
    trials = await own.run()
    for (_, item), trial in trials.items():
        assert trial.error is None
        assert trial.settled == (item == "item-0")
        for point in (trial.first, *trial.points):
            assert point.sample
            assert (point.mark is None) == (item == "item-1")
            assert point.sample.fault == (None if point.mark else "CriticUnreadable: no grade")
    assert set(own.grader.asked.values()) == {1}, "two arms need not hear it twice"
    again = Bench(tmp_path, TWO)
    after = await again.run()
    assert all(trial.settled for trial in after.values())
    assert not again.rendered
    assert {name.split()[0] for name in again.grader.asked} == {"item-1"}


@pytest.mark.parametrize("error", [ConfigError("the key is wrong"), StoreError("disk full")])
async def test_what_is_wrong_for_all_ends_it(tmp_path: Path, error: Exception) -> None:
    class Wrong(UnreliableCritic):
        async def critique(self, request: object) -> object:  # type: ignore[override]
            raise error

    own = Bench(tmp_path / "critic", ONE)
    own.critic = Wrong()
    with pytest.raises(type(error), match=str(error)):
        await own.run()
    own = Bench(tmp_path / "grader", ONE)
    own.grader = Grader(lambda _: error)
    with pytest.raises(type(error), match=str(error)):
        await own.run()


async def test_grading_ends_with_the_benchmark(tmp_path: Path) -> None:
    ended: list[str] = []

    class Slow(Grader):
        async def __call__(self, item: Item, image: Image.Image) -> Mark:
            if self.asked:
                raise ConfigError("the key is wrong")
            self.asked["once"] += 1
            try:
                return await asyncio.Future()
            finally:
                ended.append(item.id)

    own = Bench(tmp_path, [arm for arm in ALL if arm.name == "paper"], count=1)  # two pictures
    own.grader = Slow()
    with pytest.raises(ConfigError, match="the key is wrong"):
        await own.run()
    assert len(ended) == 1, "nothing goes on in the background"


async def test_a_bug_of_the_grader_is_no_missing_mark(tmp_path: Path) -> None:
    own = Bench(tmp_path, TWO)
    own.grader = Grader(lambda _: ZeroDivisionError("oops"))
    with pytest.raises(ZeroDivisionError):
        await own.run()


async def test_more_items_and_arms_may_join(tmp_path: Path) -> None:
    await Bench(tmp_path, ONE, count=1).run()
    more = Bench(tmp_path, TWO, count=11)
    trials = await more.run()
    assert list(trials) == [(arm.name, item.id) for item in more.items for arm in TWO[::-1]]
    assert list(trials) != sorted(trials, key=lambda key: key[1]), "by place, not by name"
    assert more.rendered.count((more.items[0].prompt, 0)) == 0
    # A smaller part of it again: what is there beyond stays.
    assert await Bench(tmp_path, ONE, count=2).run() == trials


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"critic": UnreliableCritic(seed=2)}, "made with another critic;"),
        ({"generator": FakeGenerator(FakeOptions(width=64))}, "made with another generator;"),
        ({"parameters": {"width": 32}}, "made with another parameters;"),
        ({"curve": False}, "made with another curve;"),
        ({"name": "caps"}, "made with another benchmark;"),
        ({"arms": make_arms(2, names=["one-shot", "best-of-n"])}, "another arm 'best-of-n';"),
        ({"items": (Item("item-0", "three red hats, take 2", seed=1),)}, "another item 'item-0'"),
        ({"items": (Item("item-0", "a hat"),)}, "another item 'item-0'"),
        (
            {"items": (Item("item-0", "three red hats, take 2", labels={"size": "s"}),)},
            "another item 'item-0'",
        ),
    ],
)
async def test_a_folder_keeps_to_what_it_was_made_with(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    await Bench(tmp_path, TWO, count=1).run()
    other = Bench(tmp_path, TWO, count=1)
    for name, value in change.items():
        setattr(other, name, value)
    with pytest.raises(ConfigError, match=message):
        await other.run()


class Reads:
    """Evidence that reads one word of two, whatever the picture."""

    identity = Identity(kind="reads", name="reads")

    async def examine(self, _request: CritiqueRequest) -> Findings:
        word = {"dimension": "text_rendering", "sure": 1.0, "reason": "so it says"}
        found = [
            Finding.model_validate({"kind": kind, "expected": text, **word})
            for kind, text in (("right", "OPEN"), ("missing", "SHOP"))
        ]
        return Findings(evidence=self.identity, findings=tuple(found))


async def test_a_trial_knows_what_was_measured_and_a_folder_keeps_to_it(tmp_path: Path) -> None:
    own = Bench(tmp_path, [replace(ONE[0], evidence=(Reads(),))], count=1)
    (trial,) = (await own.run()).values()
    assert trial.result.sample is not None and trial.seconds is not None
    assert trial.result.sample.text_right == 0.5
    assert trial.result.sample.text_said is None  # the critic saw no text to judge
    saved = json.loads((tmp_path / "bench.json").read_text())
    assert saved["arms"][ONE[0].name]["evidence"] == [Reads.identity.model_dump(mode="json")]
    with pytest.raises(ConfigError, match="made with another arm"):
        await Bench(tmp_path, ONE, count=1).run()


async def test_evidence_is_done_with_a_run_before_the_grader_sees_it(tmp_path: Path) -> None:
    """And it is asked with the request and the picture alone."""
    order: list[str] = []

    class Sees(Reads):
        async def examine(self, request: CritiqueRequest) -> Findings:
            assert (request.source, request.facts) == (None, ())
            order.append("seen")
            return await super().examine(request)

    class Late(Grader):
        async def __call__(self, item: Item, image: Image.Image) -> Mark:
            order.append("graded")
            return await super().__call__(item, image)

    own = Bench(tmp_path, [replace(TWO[1], evidence=(Sees(),))], count=1)
    own.grader = Late()
    await own.run()
    assert order[:RENDERS] == ["seen"] * RENDERS
    assert set(order[RENDERS:]) == {"graded"}


async def test_an_unfinished_run_keeps_to_its_request(tmp_path: Path) -> None:
    own = Bench(tmp_path, ONE, count=1)
    own.generator = UnreliableGenerator([GeneratorError("no brush")])
    await own.run()
    other = Bench(tmp_path, ONE, count=1)
    other.items = (Item("item-0", "a hat"),)
    with pytest.raises(ConfigError, match="made with another request"):
        await other.run()


async def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    own = Bench(tmp_path, ONE)

    async def perfect(item: Item, image: Image.Image) -> Mark:
        with pytest.raises(StoreLockedError):
            await run_arms(
                Benchmark("hats", (), own.grader),
                ONE,
                Models(own.generator, own.critic),
                tmp_path,
                renders=RENDERS,
            )
        return Mark(exact=True, score=4.0)

    own.grader = perfect  # type: ignore[assignment]
    assert len(await own.run()) == 2


async def test_a_torn_line_is_made_again_and_a_broken_one_told(tmp_path: Path) -> None:
    trials = await Bench(tmp_path, ONE).run()
    path = tmp_path / "trials.jsonl"
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second[:-9])
    assert len(list(read_trials(tmp_path))) == 1
    rest = Bench(tmp_path, ONE)
    assert await rest.run() == trials
    assert not rest.rendered
    assert len(rest.grader.asked) == 1
    path.write_bytes(first + b"\n{}\n")
    with pytest.raises(StoreError, match=f"the line at byte {len(first) + 1} of .* is no trial"):
        list(read_trials(tmp_path))
    with pytest.raises(StoreError, match="is no trial"):
        await Bench(tmp_path, ONE).run()


def test_a_folder_without_trials_has_none(tmp_path: Path) -> None:
    assert list(read_trials(tmp_path)) == []


async def test_pictures_are_linked_from_the_cache(tmp_path: Path) -> None:
    class Broken(UnreliableCritic):
        """The run ends before it writes the story into its picture."""

        async def critique(self, request: object) -> object:  # type: ignore[override]
            self.inodes = inodes()
            raise ConfigError("enough")

    def inodes() -> list[int]:
        return [p.stat().st_ino for p in tmp_path.rglob("images/*/*.png")]

    own = Bench(tmp_path, ONE, count=1)
    own.critic = critic = Broken()
    with pytest.raises(ConfigError, match="enough"):
        await own.run()
    assert len(critic.inodes) == 2
    assert len(set(critic.inodes)) == 1
    (cached,) = (tmp_path / "cache" / "images").rglob("*.png")
    before = cached.read_bytes()
    trials = await Bench(tmp_path, ONE, count=1).run()
    (made,) = (tmp_path / trials["one-shot", "item-0"].run / "images").rglob("*.png")
    assert b"rr-refine" in made.read_bytes()
    assert cached.read_bytes() == before, "the story is the run's alone"


class Painter(UnreliableGenerator):
    tasks = frozenset(("t2i",))


async def test_a_generator_without_edits_fails_edits(tmp_path: Path) -> None:
    own = Bench(tmp_path, ONE)
    own.generator = Painter()
    own.items = (Item("edit", "make it red", source=Image.new("RGB", (48, 32))),)
    (trial,) = (await own.run()).values()
    assert trial.error
    assert trial.error.startswith("UnsupportedRequestError: ")
    assert trial.result.sample is None
    assert (trial.critic_calls, trial.triggered, trial.stop) == (0, False, None)


async def test_a_source_is_read_when_its_turn_comes(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    Image.new("RGB", (48, 32), "teal").save(path)
    own = Bench(tmp_path / "out", TWO)
    own.items = (Item("edit", "make it red", source=path),)
    trials = await own.run()
    run = load_run(tmp_path / "out" / trials["one-shot", "edit"].run)
    assert run.request.source == image_digest(Image.open(path))
    assert all(request.source is not None for request in own.generator.requests)  # type: ignore[attr-defined]
    Image.new("RGB", (48, 32), "pink").save(path)
    other = Bench(tmp_path / "out", TWO)
    other.items = own.items
    with pytest.raises(ConfigError, match="another item 'edit'"):
        await other.run()


async def test_an_item_without_its_source_fails_alone(tmp_path: Path) -> None:
    good, broken, lost = (tmp_path / f"{name}.png" for name in ("good", "broken", "lost"))
    Image.new("RGB", (48, 32), "teal").save(good)
    broken.write_bytes(b"no picture")
    own = Bench(tmp_path / "out", TWO)
    own.items = tuple(Item(path.stem, "make it red", source=path) for path in (good, broken, lost))
    trials = await own.run()
    assert trials["one-shot", "good"].error is None
    for name, words in (("broken", "cannot be read"), ("lost", "does not exist")):
        trial = trials["best-of-n", name]
        assert trial.error is not None and words in trial.error
        assert (trial.result.sample, trial.settled, len(trial.points)) == (None, False, RENDERS)
    good.rename(lost)
    again = Bench(tmp_path / "out", TWO)
    again.items = own.items[2:]
    assert (await again.run())["best-of-n", "lost"].error is None


async def test_parameters_reach_the_generator(tmp_path: Path) -> None:
    own = Bench(tmp_path, ONE, count=1)
    own.parameters = {"width": 32}
    await own.run()
    assert isinstance(own.generator, UnreliableGenerator)
    assert [dict(r.parameters) for r in own.generator.requests] == [{"width": 32}]


async def test_groups_and_labels_are_those_of_the_item(tmp_path: Path) -> None:
    own = Bench(tmp_path, ONE)
    own.items = (
        Item("a_0", "a hat", group="a", labels={"kind": "hat"}),
        Item("b_0", "a cap", labels={"kind": "cap"}),
    )
    trials = (await own.run()).values()
    assert [(t.group, t.labels) for t in trials] == [
        ("a", {"kind": "hat"}),
        ("b_0", {"kind": "cap"}),
    ]


async def test_a_whole_benchmark_leaves_a_report(tmp_path: Path) -> None:
    own = Bench(tmp_path)
    with Cache(tmp_path / "cache") as cache:
        results = await measure(
            Benchmark("hats", own.items, own.grader),
            TWO,
            Models(own.generator, own.critic),
            cache,
            tmp_path,
            renders=RENDERS,
        )
    assert results is not None
    assert {arm.arm: arm.renders for arm in results.arms} == {"one-shot": 1, "best-of-n": RENDERS}
    assert results.provenance.made == {"render": 2 * RENDERS, "critique": 2 * RENDERS}
    assert results.provenance.versions["rr-refine"]
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["provenance"]["benchmark"] == "hats"
    assert len(list(read_trials(tmp_path))) == 4


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
    own = Bench(tmp_path, make_arms(RENDERS, names=["best-of-n"]))
    own.generator = slow
    await own.run()
    assert slow.most == 2 * RENDERS, "both items and all their candidates at once"


async def test_a_folder_from_before_a_policy_had_a_new_field(tmp_path: Path) -> None:
    """Arms went on outside of what is known, before they could do otherwise."""
    header = Header.model_validate(
        {
            **{"benchmark": "hats", "renders": 2, "curve": True, "parameters": {}},
            **{name: {"kind": "test", "name": name} for name in ("generator", "critic")},
            "arms": {
                arm.name: {"policy": arm.policy.model_dump(mode="json"), "rewriters": []}
                for arm in make_arms(2, names=["one-shot", "refine"])
            },
        }
    )
    require_same(tmp_path, header)
    file = tmp_path / "bench.json"
    old = json.loads(file.read_text())
    for arm in old["arms"].values():
        del arm["policy"]["outside"]
    file.write_text(json.dumps(old))
    require_same(tmp_path, header)
    old["arms"]["refine"]["policy"]["outside"] = "one-picture"
    file.write_text(json.dumps(old))
    with pytest.raises(ConfigError, match="another arm 'refine'"):
        require_same(tmp_path, header)


@pytest.mark.parametrize("concurrency", [0, -3])
async def test_nobody_works_at_a_concurrency_below_one(concurrency: int) -> None:
    with pytest.raises(ConfigError, match="would do nothing; give at least 1"):
        await run_many((), concurrency)
