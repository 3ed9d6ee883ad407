"""Prompts that the generator does not read to their end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.events import Notice, Rendered, RewriteRejected
from rr_refine.agent.intent import ProtectedSpan
from rr_refine.agent.policy import preset
from rr_refine.agent.refine import arefine
from rr_refine.agent.report.report import write_report
from rr_refine.agent.rewriting.chain import choose
from rr_refine.agent.rewriting.critic import CriticRewriter
from rr_refine.agent.rewriting.llm import describe
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewriter, Rewrites
from rr_refine.agent.rewriting.rules import RulesRewriter
from rr_refine.agent.run import Run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.lines import lines_of
from rr_refine.errors import CriticUnavailable
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.images_api import ImagesApiGenerator, ImagesApiOptions
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.terms import Identity
from tests.agent.builders import context, critique, judged, t2i
from tests.agent.whole import UnreliableCritic, policy

LIMIT = 60
LONG = "three red hats on a wooden table beside a window with rain behind it, and an owl"
LOST = "behind it, and an owl"


class Short(FakeGenerator):
    """Draws from the first 60 characters of a prompt, and counts its pictures."""

    def __init__(self) -> None:
        super().__init__(FakeOptions(width=32, height=32, prompt_limit=LIMIT))
        self.prompts: list[str] = []
        self.asked = 0

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.prompts.append(request.prompt)
        return await super().generate(request, on_step=on_step)

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        self.asked += 1
        fit = await super().fit_prompt(request)
        return fit.model_copy(update={"cut": LOST}) if fit.cut and request.prompt == LONG else fit


class Proposes:
    """A rewriter that proposes the same prompts at every visit."""

    def __init__(self, *prompts: str) -> None:
        self.identity = Identity(kind="scripted", name="rewriter")
        self._prompts = prompts

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        return Rewrites(proposals=tuple(Rewrite(prompt=prompt) for prompt in self._prompts))


async def run(
    out: Path,
    generator: Short,
    *rewriters: Rewriter,
    seeds: str = "same",
    rounds: int = 3,
    critic: UnreliableCritic | None = None,
) -> Run:
    return await arefine(
        LONG,
        out=out,
        generator=generator,
        critic=critic or UnreliableCritic(),
        policy=policy(rounds=rounds, seeds=seeds, rewriters=("rules",)),
        rewriters=rewriters or ("rules",),
    )


async def test_what_is_not_read_is_told_everywhere(tmp_path: Path) -> None:
    generator = Short()
    made = await run(tmp_path, generator, rounds=1)
    (notice,) = (event for event in made.events() if isinstance(event, Notice))
    assert notice.candidate == "r0c0"
    assert LOST in notice.text and "60 characters" in notice.text
    assert any(LOST in line for line in lines_of(notice))
    with RunFolder(made.path, lock=False) as folder:
        write_report(folder)
        (round_,) = (item for _, item in folder.journal.items("round"))
        assert isinstance(round_, dict)
    assert json.dumps(round_).count(LOST) >= 2, "in the prompt, and as what is cut"
    page = (made.path / "report" / "index.html").read_text()
    assert f"“{LOST}”" in page


async def test_rules_that_append_behind_the_limit_cost_one_render(tmp_path: Path) -> None:
    generator = Short()
    events = (await run(tmp_path, generator)).events()
    assert generator.prompts == [LONG]
    reasons = [e.rejection.reason for e in events if isinstance(e, RewriteRejected)]
    assert reasons
    assert all("in an earlier prompt" in reason for reason in reasons)


async def test_where_seeds_move_on_repeat_the_same_prompt_has_another_seed(tmp_path: Path) -> None:
    generator = Short()
    events = (await run(tmp_path, generator, seeds="on-repeat", rounds=2)).events()
    seeds = [e.seed for e in events if isinstance(e, Rendered)]
    assert len(generator.prompts) == 2
    assert len(set(seeds)) == 2


async def test_a_prompt_that_says_it_in_front_is_used(tmp_path: Path) -> None:
    generator = Short()
    await run(tmp_path, generator, Proposes(f"{LONG}, sharp", "an owl, three red hats"))
    assert generator.prompts[:2] == [LONG, "an owl, three red hats"]


async def test_an_interrupted_run_measures_nothing_twice(tmp_path: Path) -> None:
    first, again = Short(), Short()
    short = Proposes("an owl, three red hats")
    failing = UnreliableCritic([None, CriticUnavailable("away")])
    await run(tmp_path, first, short, rounds=2, critic=failing)
    made = await run(tmp_path, again, short, rounds=2)
    assert first.asked == 2
    assert (again.asked, again.prompts) == (0, [])
    assert len(list(made.path.parent.iterdir())) == 1


# -- rewriters ---------------------------------------------------------------------------------


def span(text: str) -> ProtectedSpan:
    return ProtectedSpan(kind="quoted", text=text)


@pytest.mark.parametrize(
    ("prompt", "used"),
    [
        ('a very long description of a shop with "OPEN" over it', False),
        ('"OPEN" over a shop', True),
        ('a shop, "OPEN" over it, and much more than can be read', True),
    ],
)
async def test_a_protected_span_may_not_be_lost_to_the_cut(prompt: str, used: bool) -> None:
    async def fit(text: str) -> PromptFit:
        return PromptFit(limit=24, unit="characters", cut=text[24:].strip(), reads=text[:24])

    given = replace(context('"OPEN" on a shop', tried=["a"]), spans=(span("OPEN"),))
    rewriter = Proposes(prompt)
    choice = await choose([rewriter], given, rewriter_of(given), fit=fit)
    assert (choice.proposal is not None) is used
    if not used:
        (rejection,) = choice.rejections
        assert "at most 24 characters" in rejection.reason
        assert "'OPEN'" in rejection.reason


def rewriter_of(given: RewriteContext):  # type: ignore[no-untyped-def]
    async def ask(rewriter: Rewriter) -> Rewrites:
        return await rewriter.rewrite(given)

    return ask


def told(limit: int, length: int) -> RewriteContext:
    weak = judged("r0c0", critique(t2i(2.0, 2.5), refined="a cat, " * 40))
    fit = PromptFit(limit=limit, length=length)
    return replace(context("a striped cat", incumbent=weak), fit=fit)


def test_the_language_model_is_told_the_budget() -> None:
    assert "at most 75 tokens" in describe(told(75, 3))
    assert "LENGTH" not in describe(context("a cat"))


async def test_rules_keep_to_the_budget() -> None:
    whole = (await RulesRewriter().rewrite(told(1000, 3))).proposals
    kept = (await RulesRewriter().rewrite(told(40, 3))).proposals
    assert 0 < len(kept) < len(whole)
    assert all(len(rewrite.prompt) * 3 / 13 <= 40 for rewrite in kept)


async def test_of_the_critics_requests_those_that_are_read_come_first() -> None:
    said = [critique(t2i(2.0, 2.5), refined=text) for text in ("a striped cat, " * 40, "a cat")]
    given = replace(told(75, 3), incumbent=judged("r0c0", *said))
    proposals = (await CriticRewriter().rewrite(given)).proposals
    assert [len(rewrite.prompt) > 100 for rewrite in proposals] == [False, True]


# -- generators --------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "cut"), [(None, ""), (10, "on a table")])
async def test_an_endpoint_may_have_a_limit(limit: int | None, cut: str) -> None:
    options = ImagesApiOptions(base_url="http://127.0.0.1:1/v1", model="m", prompt_limit=limit)
    fit = await ImagesApiGenerator(options).fit_prompt(RenderRequest("three hats on a table", 1))
    assert (fit.limit, fit.cut, fit.reads) == (limit, cut, None)


async def test_one_that_cannot_tell_still_works(tmp_path: Path) -> None:
    class Old(FakeGenerator):
        fit_prompt = None  # type: ignore[assignment]

    made = await arefine(
        LONG,
        out=tmp_path / "run",
        generator=Old(FakeOptions(width=32, height=32)),
        critic=UnreliableCritic(),
        policy=preset("refine", budget={"rounds": 1}),
    )
    assert made.outcome is not None and made.outcome.first.fit is None
