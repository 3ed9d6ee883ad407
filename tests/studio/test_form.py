"""What the form offers, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from rr_refine.agent.policy import PRESETS
from rr_refine.agent.refine import refine
from rr_refine.agent.run import Run, load_run
from rr_refine.cli.settings import read_settings
from rr_refine.cli.studio_jobs import SettingsJobMaker
from rr_refine.errors import ConfigError
from rr_refine.studio.form import MoreForm, RunForm
from tests.cli.test_endpoint import Server, server
from tests.studio.visitor import Visitor, opened

__all__ = ["server"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def run_of(visitor: Visitor, out: Path, **form: Any) -> Run:
    name = await visitor.begin("a cat", **form)
    await visitor.watch(name)
    return load_run(out / name)


async def test_presets_are_told_by_what_they_are_for(visitor: Visitor) -> None:
    told = (await visitor.get("/api/studio")).json()
    presets = {one["name"]: one for one in told["presets"]}
    assert set(presets) == {*PRESETS, "careful", "quick", "text-heavy", "edit-preserving"}
    for one in presets.values():
        assert one["title"]
        assert one["about"].endswith(".")
    assert next(iter(presets)) == "refine"
    assert presets["text-heavy"]["intent"]
    assert not presets["best-of-n"]["intent"]
    assert "misspelt" in presets["text-heavy"]["about"]


async def test_a_preset_by_intent(visitor: Visitor, tmp_path: Path) -> None:
    run = await run_of(visitor, tmp_path / "runs", preset="text-heavy")
    assert (run.policy.preset, run.policy.candidates, run.policy.seeds) == ("refine", 2, "fresh")


@pytest.mark.parametrize(
    ("preset", "rounds", "candidates"),
    [("careful", 6, 3), ("quick", 2, 1), ("refine", 4, 1), ("best-of-n", 1, 4)],
)
async def test_the_page_chooses_another_than_the_studio_began_with(
    tmp_path: Path, preset: str, rounds: int, candidates: int
) -> None:
    fakes = {"generator.use": "fake", "critic.use": "fake"}
    maker = SettingsJobMaker(read_settings(None, {"preset": "careful", **fakes}))
    assert maker.defaults.preset == "careful"
    policy = maker.new(RunForm(prompt="a cat", preset=preset)).policy
    assert (policy.budget.rounds, policy.candidates) == (rounds, candidates)
    assert maker.defaults.preset == "careful"


async def test_what_the_owner_set_goes_before_an_intent(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", loop__candidates=5) as visitor:
        run = await run_of(visitor, tmp_path / "runs", preset="quick")
        assert (run.policy.candidates, run.policy.budget.rounds) == (5, 2)


async def test_several_first_pictures_to_choose_from(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", critic__seed=1, loop__target=4.0) as visitor:
        name = await visitor.begin("a cat", candidates=3, review=True)
        told = await visitor.ask(name)
        assert len(told.of("rendered")) == 3
        question = told.of("review-requested")[0].request
        other = next(c for c in question.candidates if c != question.incumbent)
        number = told.states[-1]["question"]
        assert (await visitor.decide(name, number, action="pick", candidate=other.id)).is_success
        told = await visitor.watch(name, until="waiting", after=told.numbers[-1])
        assert told.of("review-requested")[0].request.incumbent.id == other.id


async def test_a_size(visitor: Visitor, tmp_path: Path) -> None:
    assert (await visitor.get("/api/studio")).json()["takes"] == ["height", "width"]
    run = await run_of(visitor, tmp_path / "runs", preset="one-shot", width=64, height=40)
    assert run.request.parameters == {"width": 64, "height": 40}
    assert run.best is not None
    assert run.image(run.best).size == (64, 40)


async def test_a_negative_prompt_goes_to_the_generator_that_has_one(visitor: Visitor) -> None:
    name = await visitor.begin("a cat", preset="one-shot", negative_prompt="blurry")
    told = await visitor.watch(name)
    assert "takes no parameter 'negative_prompt'" in str(told.of("render-failed")[0].message)


async def test_a_limit_of_money(tmp_path: Path, server: Server) -> None:
    judge = {"use": "openai", "base_url": server.url}
    prices = {"price_input": 0.3, "price_output": 2.5}
    given: dict[str, Any] = {f"critic__{name}": value for name, value in (judge | prices).items()}
    async with opened(tmp_path, budget__usd=0.5, **given) as visitor:
        shown = (await visitor.get("/api/studio")).json()
    [words] = shown["costs"]
    assert words.startswith(
        "the-critic: $0.30 per million tokens of questions and $2.50 per million"
    )
    assert shown["defaults"]["budget_usd"] == 0.5


def test_a_limit_of_money_may_be_lower_than_the_settings_have_it() -> None:
    fakes = {"generator.use": "fake", "critic.use": "fake"}
    maker = SettingsJobMaker(read_settings(None, {"budget.usd": 0.5, **fakes}))
    for usd, limit in ((None, 0.5), (0.1, 0.1), (0.5, 0.5)):
        assert maker.new(RunForm(prompt="a cat", budget_usd=usd)).policy.budget.usd == limit
    with pytest.raises(ConfigError, match=r"a run may spend \$0\.50 at most"):
        maker.new(RunForm(prompt="a cat", budget_usd=0.6))


@pytest.mark.parametrize(
    ("limit", "runs", "kept"), [(0.5, 0.3, 0.3), (0.5, None, 0.5), (None, 0.3, 0.3)]
)
@pytest.mark.parametrize("kind", ["vary", "edit", "again", "prompt", "go-on"])
def test_a_limit_of_money_holds_for_what_follows(
    tmp_path: Path, kind: Any, limit: float | None, runs: float | None, kept: float
) -> None:
    def maker(usd: float | None) -> SettingsJobMaker:
        fakes: dict[str, JsonValue] = {"generator.use": "fake", "critic.use": "fake"}
        return SettingsJobMaker(read_settings(None, {"budget.usd": usd, **fakes}))

    form = RunForm(prompt="a cat")
    job = maker(runs).new(form)
    run = refine(
        "a cat",
        **{n: getattr(job, n) for n in ("generator", "critic", "policy", "settings")},
        out=tmp_path,
    )
    more = MoreForm(
        kind=kind, picture="r0c0", words="make it blue" if kind in ("edit", "go-on") else ""
    )
    if kind != "go-on":
        assert maker(limit).after(more.follow_up(run)).policy.budget.usd == kept
    elif runs is None:
        with pytest.raises(ConfigError, match=r"may take more than the \$0\.50 that budget\.usd"):
            maker(limit).again(run)
    else:
        assert maker(limit).again(run).policy.budget.usd == kept


@pytest.mark.parametrize("name", ["rounds", "images", "critic_calls", "tokens", "seconds"])
def test_other_limits_of_the_owner_hold_for_what_follows(tmp_path: Path, name: str) -> None:
    def maker(limit: int) -> SettingsJobMaker:
        fakes: dict[str, JsonValue] = {"generator.use": "fake", "critic.use": "fake"}
        return SettingsJobMaker(read_settings(None, {f"budget.{name}": limit, **fakes}))

    job = maker(5_000).new(RunForm(prompt="a cat"))
    parts = {n: getattr(job, n) for n in ("generator", "critic", "policy", "settings")}
    run = refine("a cat", **parts, out=tmp_path)
    for limit, kept in ((3_000, 3_000), (7_000, 5_000)):
        after = maker(limit).after(MoreForm(kind="again", picture="r0c0").follow_up(run))
        assert getattr(after.policy.budget, name) == kept
    assert maker(5_000).again(run).policy == run.policy
    with pytest.raises(ConfigError, match=rf"more than the 3,000 \w+( calls)? that budget\.{name}"):
        maker(3_000).again(run)


async def test_without_prices_nothing_is_said_of_costs(visitor: Visitor) -> None:
    assert (await visitor.get("/api/studio")).json()["costs"] == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"budget_usd": 0}, "budget_usd = 0"),
        ({"candidates": 0}, "candidates = 0: it must be 1 or more"),
        ({"candidates": 65}, "candidates = 65: 64 is the most"),
        ({"candidates": 2, "preset": "one-shot"}, "candidates = 2 has no place"),
        ({"width": -1}, "width = -1: it must be 1 or more"),
        ({"width": "wide"}, "width = 'wide' is no whole number"),
        ({"seed": -1}, "seed = -1: it must be 0 or more"),
        ({"seed": 1.5}, "seed = 1.5 is no whole number"),
        ({"keep": "red"}, "keep = 'red' is no list"),
        ({"review": "perhaps"}, "review = 'perhaps' is neither true nor false"),
        ({"preset": "carefull"}, "did you mean 'careful'"),
        ({"keep": [""]}, "keep = '' is blank"),
        ({"colour": 1}, "there is no field colour"),
    ],
    ids=str,
)
async def test_mistakes_are_told_in_words(
    visitor: Visitor, form: dict[str, Any], words: str
) -> None:
    answer = await visitor.post("/api/runs", {"prompt": "a cat", **form})
    assert answer.status_code == 400
    assert words in answer.json()["error"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_of_fewer_rounds_than_the_owner_allows(name: str) -> None:
    fakes: dict[str, JsonValue] = {"generator.use": "fake", "critic.use": "fake"}
    maker = SettingsJobMaker(read_settings(None, {"budget.rounds": 3, **fakes}))
    assert maker.new(RunForm(prompt="a cat", preset=name)).policy.budget.rounds <= 3
    lower = SettingsJobMaker(read_settings(None, {"budget.rounds": 1, **fakes}))
    if name == "paper":  # it has two, or is another method
        with pytest.raises(ConfigError, match=r"budget\.rounds = 1 has no place in the preset"):
            lower.new(RunForm(prompt="a cat", preset=name))
    else:
        assert lower.new(RunForm(prompt="a cat", preset=name)).policy.budget.rounds == 1
