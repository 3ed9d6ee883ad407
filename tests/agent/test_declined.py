"""A prompt that the generator refuses in a later round was tried, and ends no run."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.events import Event, RenderFailed, RewriteRejected, RoundStarted, RunStarted
from rr_refine.agent.policy import preset
from rr_refine.agent.review import Accept, Decision, EditPrompt, ReviewRequest
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.run import Run, load_run
from rr_refine.cli.lines import lines_of
from rr_refine.errors import (
    BlankImageError,
    CriticUnavailable,
    GeneratorError,
    GeneratorRefused,
    GeneratorUnavailable,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.terms import Identity
from tests.agent.records import only_run
from tests.agent.whole import PROMPT, UnreliableCritic, policy, run


class Moderated(FakeGenerator):
    """Refuses every prompt with a word in it."""

    def __init__(self, error: type[GeneratorError] = GeneratorRefused, word: str = "bad") -> None:
        super().__init__(FakeOptions(width=48, height=32))
        self.error, self.word = error, word
        self.asked: list[str] = []

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.asked.append(request.prompt)
        if self.word in request.prompt:
            raise self.error("the safety system does not like it")
        return await super().generate(request, on_step=on_step)


class Proposing:
    """A rewriter that proposes these prompts, one more word each time."""

    def __init__(self, kind: str, *words: str) -> None:
        self.kind, self.words = kind, words
        self.contexts: list[RewriteContext] = []

    @property
    def identity(self) -> Identity:
        return Identity(kind=self.kind, name="it")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        self.contexts.append(context)
        number = len(self.contexts)
        proposals = tuple(Rewrite(prompt=f"{PROMPT}, {w} {number}") for w in self.words)
        return Rewrites(proposals=proposals)


def rejected(done: Run) -> list[tuple[str, str]]:
    return [
        (e.rejection.rewriter, e.rejection.reason)
        for e in done.events()
        if isinstance(e, RewriteRejected)
    ]


@pytest.mark.parametrize("error", [GeneratorRefused, UnsupportedRequestError, BlankImageError])
async def test_the_next_rewriter_is_asked(tmp_path: Path, error: type[GeneratorError]) -> None:
    first, second = Proposing("first", "bad"), Proposing("second", "good")
    seen: list[Event] = []
    generator = Moderated(error)
    done = await run(
        tmp_path,
        generator=generator,
        rewriters=[first, second],
        policy=policy(rounds=2),
        on_event=seen.append,
    )
    assert done.status == "done"
    assert done.outcome is not None
    assert (done.outcome.ok, done.outcome.stop.rule) == (True, "max-rounds")
    assert [(c.id, c.origin, c.failure) for c in done.candidates] == [
        ("r0c0", "request", None),
        ("r1c0", "second", None),
    ]
    assert len(generator.asked) == 4  # the request, two of the first, one of the second
    reason = f"the generator refused it: {error.__name__}: the safety system does not like it"
    assert rejected(done) == [("first", reason)] * 2
    assert (
        rejected(done)[:1]
        == [
            (e.rejection.rewriter, e.rejection.reason)
            for e in seen
            if isinstance(e, RewriteRejected)
        ][:1]
    )
    assert not [e for e in done.events() if isinstance(e, RenderFailed)]
    assert any(f"rejected first: {reason}" in line for e in seen for line in lines_of(e))
    assert done.report_path is not None
    assert "the safety system does not like it" in done.report_path.read_text()
    assert f"{PROMPT}, bad 1" in first.contexts[1].tried


async def test_nothing_is_left_and_the_first_picture_is_the_result(tmp_path: Path) -> None:
    rewriters = [Proposing("a", "bad"), Proposing("b", "bad", "worse bad")]
    done = await run(tmp_path, generator=Moderated(), rewriters=rewriters, policy=policy(rounds=4))
    assert done.outcome is not None
    assert done.outcome.ok
    assert done.outcome.stop.rule == "repeated-prompt"
    assert "a: the generator refused it" in done.outcome.stop.reason
    assert done.best is not None
    assert done.best.id == "r0c0"
    assert done.result_path is not None
    assert done.status == "done"


async def test_with_patience_and_the_limits_it_counts_as_no_round(tmp_path: Path) -> None:
    chosen = preset("refine", target=None, patience=1, budget={"rounds": 3, "images": 2})
    done = await run(
        tmp_path,
        generator=Moderated(),
        rewriters=[Proposing("a", "bad"), Proposing("b", "good")],
        policy=chosen,
    )
    assert [c.origin for c in done.candidates] == ["request", "b"]
    assert done.outcome is not None
    assert done.outcome.spend.images == 2


async def test_one_refusal_among_several_candidates_is_data(tmp_path: Path) -> None:
    class Sometimes(Moderated):
        async def generate(
            self, request: RenderRequest, *, on_step: OnStep | None = None
        ) -> Image.Image:
            self.word = "good" if request.seed % 2 else "nothing"
            return await super().generate(request, on_step=on_step)

    done = await run(
        tmp_path,
        generator=Sometimes(),
        rewriters=[Proposing("a", "good")],
        policy=policy(rounds=2, candidates=2),
    )
    assert [c.failure is None for c in done.candidates] == [True, True, True, False]
    assert len([e for e in done.events() if isinstance(e, RenderFailed)]) == 1


@pytest.mark.parametrize("error", [OutOfMemoryError, GeneratorUnavailable, GeneratorError])
async def test_what_may_pass_still_ends_the_run(
    tmp_path: Path, error: type[GeneratorError]
) -> None:
    done = await run(
        tmp_path,
        generator=Moderated(error),
        rewriters=[Proposing("a", "bad"), Proposing("b", "good")],
    )
    assert done.outcome is not None
    assert (done.outcome.stop.rule, done.outcome.can_go_on) == ("generator-failed", True)


@pytest.mark.parametrize(
    ("error", "can_go_on"),
    [
        (GeneratorRefused, False),
        (UnsupportedRequestError, False),
        (BlankImageError, False),
        (GeneratorUnavailable, True),
        (OutOfMemoryError, True),
    ],
)
async def test_a_refusal_of_the_request_is_an_error(
    tmp_path: Path, error: type[GeneratorError], can_go_on: bool
) -> None:
    with pytest.raises(error, match="the safety system does not like it"):
        await run(tmp_path, generator=Moderated(error, word="hats"))
    failed = load_run(only_run(tmp_path))
    assert failed.outcome is not None
    assert failed.outcome.can_go_on is can_go_on


async def test_a_run_that_goes_on_asks_for_no_refused_prompt_again(tmp_path: Path) -> None:
    def rewriters() -> list[Proposing]:
        return [Proposing("a", "bad"), Proposing("b", "good")]

    dying = UnreliableCritic([None, CriticUnavailable("gone")])
    broken = await run(tmp_path, generator=Moderated(), critic=dying, rewriters=rewriters())
    assert broken.status == "failed"
    generator = Moderated()
    done = await run(tmp_path, generator=generator, rewriters=rewriters())
    assert done.path == broken.path
    assert done.status == "done"
    assert generator.asked == []
    told = list(done.events())
    assert len(rejected(done)) == 2 * len([e for e in told if isinstance(e, RunStarted)])


async def test_a_person_may_write_another_prompt(tmp_path: Path) -> None:
    asked: list[ReviewRequest] = []

    async def decide(question: ReviewRequest) -> Decision:
        asked.append(question)
        return EditPrompt(prompt=f"{PROMPT}, bad idea") if len(asked) == 1 else Accept()

    done = await run(
        tmp_path,
        generator=Moderated(),
        rewriters=[Proposing("a", "good")],
        policy=policy(review=True),
        reviewer=decide,
    )
    assert len(asked) == 2
    assert [c.origin for c in done.candidates] == ["request", "a"]
    assert rejected(done)[0][0] == "human"
    assert len([e for e in done.events() if isinstance(e, RoundStarted)]) == 3
