"""What servers, models, plugins and people say at length: what was written can be read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.events import CriticFailed, Notice, RenderFailed, RewriteRejected
from rr_refine.agent.history import Failure
from rr_refine.agent.nodes.context import _RAW
from rr_refine.agent.review import EditPrompt
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.agent.store.journal import TooLongError
from rr_refine.errors import ConfigError, CriticUnreadable, GeneratorError, StoreError
from rr_refine.files import MAX_BYTES, MAX_DEPTH
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.lines import MAX_LINE
from rr_refine.notices import MAX_WORDS, add_notices, notices_of, shortened
from rr_refine.request import MAX_PROMPT
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Identity, Usage
from tests.agent.records import only_run
from tests.agent.test_review import reviewed
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, run

LONG = "ab " * (MAX_LINE // 2)  # twice as much as a line may have, with the quotes around it


class Telling(FakeGenerator):
    def __init__(self, *texts: str) -> None:
        super().__init__(FakeOptions(width=48, height=32))
        self._texts = texts

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        image = await super().generate(request, on_step=on_step)
        add_notices(image, *self._texts)
        return image


class Wordy(UnreliableCritic):
    """Gives the reasons of its scores, or its notices, at length."""

    def __init__(self, field: str) -> None:
        super().__init__()
        self._field = field

    async def critique(self, request: CritiqueRequest) -> Assessment:
        given = await super().critique(request)
        if self._field == "notices":
            return given.model_copy(update={"usage": Usage(notices=(LONG,))})
        (one,) = given.critiques
        return given.model_copy(update={"critiques": (one.model_copy(update={"raw": LONG}),)})


class LongRewriter:
    identity = Identity(kind="long", name="long")

    def __init__(self, length: int) -> None:
        self._length = length

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        prompt = f"{context.request.prompt} " + "x" * self._length
        return Rewrites(proposals=(Rewrite(prompt=prompt, why=LONG[: 2**20]),))


async def test_a_notice_of_a_picture(tmp_path: Path) -> None:
    made = await run(tmp_path, generator=Telling(LONG, *["more"] * 1000), policy="one-shot")
    told = [event.text for event in load_run(made.path).events() if isinstance(event, Notice)]
    assert told[0].startswith("ab ab ")
    assert told[0].endswith(f"… ({len(LONG):,} characters)")
    assert len(told[0]) == MAX_WORDS
    assert told.count("more") == 99
    assert made.report_path is not None


async def test_a_notice_of_the_critic(tmp_path: Path) -> None:
    made = await run(tmp_path, critic=Wordy("notices"), policy="one-shot")
    (told,) = [e.text for e in load_run(made.path).events() if isinstance(e, Notice)]
    assert len(told) <= MAX_WORDS


@pytest.mark.parametrize("fault", [GeneratorError(LONG), RuntimeError(LONG)], ids=["ours", "other"])
async def test_an_error_of_a_generator(tmp_path: Path, fault: Exception) -> None:
    made = await run(tmp_path, generator=UnreliableGenerator([None, fault]))
    (failed,) = [e for e in load_run(made.path).events() if isinstance(e, RenderFailed)]
    assert len(failed.message) <= MAX_WORDS


async def test_an_answer_of_the_critic_that_cannot_be_read(tmp_path: Path) -> None:
    critic = UnreliableCritic([None, CriticUnreadable(LONG, LONG)])
    made = await run(tmp_path, critic=critic)
    failures = [c.failure for c in load_run(made.path).candidates if c.failure is not None]
    assert [len(failure.raw or "") for failure in failures] == [_RAW]
    assert isinstance(failures[0], Failure)
    assert len(failures[0].message) <= MAX_WORDS


async def test_an_answer_of_the_critic_that_cannot_be_kept(tmp_path: Path) -> None:
    made = await run(tmp_path, critic=Wordy("raw"), policy="one-shot")
    (failed,) = [e for e in load_run(made.path).events() if isinstance(e, CriticFailed)]
    assert "the critic answered with more than can be kept" in failed.message
    assert made.best is not None
    assert made.best.scores is None


@pytest.mark.parametrize("length", [MAX_PROMPT, 2 * MAX_LINE])
async def test_a_prompt_of_a_rewriter(tmp_path: Path, length: int) -> None:
    made = await run(tmp_path, rewriters=[LongRewriter(length)])
    events = load_run(made.path).events()
    (rejected,) = [e.rejection for e in events if isinstance(e, RewriteRejected)]
    assert ("characters; 200,000" if length == MAX_PROMPT else "can be kept") in rejected.reason
    assert len(rejected.prompt or "") <= MAX_PROMPT
    assert {candidate.prompt for candidate in made.candidates} == {made.request.prompt}


async def test_why_a_rewriter_wrote_it(tmp_path: Path) -> None:
    made = await run(tmp_path, rewriters=[LongRewriter(5)])
    whys = [e.proposal.why for e in load_run(made.path).events() if e.type == "rewritten"]
    assert [len(why) for why in whys] == [MAX_WORDS]


@pytest.mark.parametrize("field", ["prompt", "keep", "avoid"])
async def test_what_the_user_asks_for(tmp_path: Path, field: str) -> None:
    text = "x" * (MAX_PROMPT + 1)
    given: dict[str, Any] = {"prompt": text} if field == "prompt" else {field: [text]}
    with pytest.raises(ConfigError, match=f"{field} has 200,001 characters; 200,000 are the most"):
        await run(tmp_path / "runs", **given)
    assert not (tmp_path / "runs").exists()


async def test_what_a_reviewer_says(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a text of 200,001 characters; 200,000 are the most"):
        await reviewed(tmp_path, EditPrompt(prompt="x" * (MAX_PROMPT + 1)))
    assert load_run(only_run(tmp_path)).best is not None


@pytest.mark.parametrize("kind", ["long", "deep"])
async def test_settings_that_could_not_be_read_again(tmp_path: Path, kind: str) -> None:
    value: Any = "x" * MAX_BYTES
    if kind == "deep":
        value = []
        for _ in range(MAX_DEPTH):
            value = [value]
    with pytest.raises(StoreError, match=r"config\.json would be of no use"):
        await run(tmp_path, parameters={"hue": value})
    assert not (only_run(tmp_path) / "config.json").exists()


def test_a_line_of_the_journal_is_read_again_or_refused(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.journal.put("review", "a", "kept")
        with pytest.raises(TooLongError, match="bytes is longer than 16,777,216"):
            folder.journal.put("review", "b", "\u2028" * (MAX_LINE // 6))  # six bytes each
    with RunFolder(tmp_path / "run") as folder:
        assert folder.journal.get("review", "a") == "kept"
        assert folder.journal.get("review", "b") is None


def test_a_text_is_cut_once() -> None:
    assert shortened("x" * MAX_WORDS) == "x" * MAX_WORDS
    cut = shortened("x" * (MAX_WORDS + 1))
    assert cut.endswith("x… (10,001 characters)")
    assert shortened(cut) == cut


def test_a_picture_has_only_so_many_notices() -> None:
    image = Image.new("RGB", (1, 1))
    for number in range(300):
        add_notices(image, str(number))
    assert len(notices_of(image)) == 100
