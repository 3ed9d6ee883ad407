"""Everything that can go wrong in a run, and what it then comes to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.events import RewriteRejected
from rr_refine.agent.refine import make_job
from rr_refine.agent.rewriting.rewriter import RewriteContext, Rewrites
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.session import run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import (
    BlankImageError,
    ConfigError,
    CriticError,
    CriticUnavailable,
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    OutOfMemoryError,
    RefineError,
)
from rr_refine.generators.fake import Outcome
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.plain_text import error_words
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest
from rr_refine.reward.fake import FakeAnswer, FakeCritic, FakeCriticOptions
from rr_refine.terms import Identity
from tests.agent.records import items, only_run
from tests.agent.whole import PROMPT, UnreliableCritic, UnreliableGenerator, generator, policy, run


def scripted(*script: str | FakeAnswer) -> FakeCritic:
    return FakeCritic(FakeCriticOptions(script=script))


def require_unscored(run: Run, name: str) -> None:
    """No trace of a score for this candidate, anywhere in the record."""
    candidate = next(c for c in run.candidates if c.id == name)
    assert candidate.scores is None
    assert candidate.mean is None
    assert candidate.reward is None
    assert candidate.critique is None
    assert candidate.verdict is not None
    assert (candidate.verdict.accepted, candidate.verdict.rule) == (False, "failed")
    assert run.assessment(candidate) is None


CRITIC_FAULTS: list[tuple[Critic, str, str]] = [
    (scripted("unavailable"), "CriticUnavailable", "unavailable"),
    (scripted("timeout"), "CriticTimeout", "took too long"),
    (scripted("hang"), "CriticTimeout", "took too long"),
    (UnreliableCritic([KeyError("scores")]), "CriticError", "raised KeyError: 'scores'"),
    (UnreliableCritic([TimeoutError()]), "CriticTimeout", "took too long"),
]


@pytest.mark.parametrize(("critic", "error", "words"), CRITIC_FAULTS)
async def test_a_critic_that_fails_at_once_gives_no_score(
    tmp_path: Path, critic: Critic, error: str, words: str
) -> None:
    done = await run(tmp_path, critic=critic, policy=policy(critique_timeout=0.2))
    assert done.outcome is not None
    assert done.outcome.stop.rule == "critic-failed"
    assert not done.outcome.ok
    assert done.outcome.stop.reason.startswith(error_words(f"{error}: "))
    (candidate,) = done.candidates
    require_unscored(done, "r0c0")
    assert candidate.failure is not None
    assert (candidate.failure.stage, candidate.failure.error) == ("critique", error)
    assert words in candidate.failure.message
    assert done.best == candidate  # there is a picture, though nobody can say how good it is
    assert done.incumbent is None
    assert done.result_path is not None
    assert {kind for kind, _, _ in items(done.path)} == {"fit", "render", "round", "outcome"}
    assert [e.type for e in done.events() if e.type in ("judged", "critic-failed")] == [
        "critic-failed"
    ]


ANSWERS: list[tuple[str, str]] = [
    ("refused", "CriticRefused"),
    ("garbage", "CriticUnreadable"),
    ("truncated", "CriticTruncated"),
]


@pytest.mark.parametrize(("script", "error"), ANSWERS)
async def test_a_picture_whose_critique_cannot_be_read_counts_as_unjudged(
    tmp_path: Path, script: str, error: str
) -> None:
    good = FakeAnswer(text_faithfulness=3.5, physical_quality=3.5)
    done = await run(tmp_path, critic=scripted(script, good), policy=policy(rounds=2))
    assert done.outcome is not None
    assert (done.outcome.stop.rule, done.outcome.ok) == ("max-rounds", True)
    first, second = done.candidates
    require_unscored(done, "r0c0")
    assert first.failure is not None
    assert first.failure.error == error
    assert (second.origin, second.prompt != first.prompt) == ("rules", True)
    assert done.best == second


@pytest.mark.parametrize(("script", "error"), ANSWERS)
async def test_a_critic_that_is_never_read_ends_the_run(
    tmp_path: Path, script: str, error: str
) -> None:
    done = await run(tmp_path, critic=scripted(script, script), policy=policy(rounds=5))
    assert done.outcome is not None
    assert (done.outcome.stop.rule, done.outcome.ok) == ("critic-failed", False)
    assert done.outcome.stop.reason.startswith(error_words(f"{error}: "))
    assert [c.id for c in done.candidates] == ["r0c0", "r1c0"]
    for candidate in done.candidates:
        require_unscored(done, candidate.id)
    assert done.incumbent is None
    assert done.best == done.candidates[0]
    assert done.result_path is not None


async def test_without_a_rewriter_that_can_do_without_it_the_run_ends(tmp_path: Path) -> None:
    done = await run(
        tmp_path, critic=scripted("garbage"), policy=policy(rounds=5), rewriters=["critic"]
    )
    assert done.outcome is not None
    assert done.outcome.stop.rule == "critic-failed"
    assert len(done.candidates) == 1


@pytest.mark.parametrize("script", ["refused", "garbage", "truncated"])
async def test_an_answer_that_is_no_critique_is_kept(tmp_path: Path, script: str) -> None:
    done = await run(tmp_path, critic=scripted(script, script))
    failure = done.candidates[0].failure
    assert failure is not None
    assert failure.raw


async def test_a_critic_that_dies_in_round_2_leaves_the_best_so_far(tmp_path: Path) -> None:
    dying = UnreliableCritic([None, CriticUnavailable("HTTP 500")])
    done = await run(tmp_path, critic=dying, policy=policy(rounds=3))
    assert done.outcome is not None
    assert done.outcome.stop.rule == "critic-failed"
    assert [c.id for c in done.candidates] == ["r0c0", "r1c0"]
    require_unscored(done, "r1c0")
    assert done.best == done.candidates[0]
    assert done.status == "failed"

    healthy = UnreliableCritic()
    finished = await run(tmp_path, critic=healthy, policy=policy(rounds=3))
    assert finished.path == done.path
    assert finished.status == "done"
    assert finished.outcome is not None
    assert finished.outcome.stop.rule == "max-rounds"
    assert all(c.scores for c in finished.candidates)
    assert len(healthy.requests) == 2  # the one that was owed, and round 3


async def test_one_unjudged_picture_of_two_is_only_refused(tmp_path: Path) -> None:
    critic = UnreliableCritic([CriticError("a hiccup")])
    done = await run(tmp_path, critic=critic, policy=policy(candidates=2))
    assert done.outcome is not None
    assert done.outcome.stop.rule == "max-rounds"
    failed = [c for c in done.candidates if c.failure]
    assert len(failed) == 1
    require_unscored(done, failed[0].id)


async def test_scores_of_two_critics_never_mix(tmp_path: Path) -> None:
    dying = UnreliableCritic([None, CriticUnavailable("gone")])
    await run(tmp_path, critic=dying)
    folder = only_run(tmp_path)
    other = await run(tmp_path, critic=UnreliableCritic(seed=2))
    assert other.path != folder  # another critic is another run
    job = make_job(PROMPT, generator=generator(), critic=UnreliableCritic(seed=2), policy=policy())
    with RunFolder(folder) as taken, pytest.raises(ConfigError, match="another critic"):
        await anext(run_job(taken, job))
    assert load_run(folder).status == "failed"
    back = await run(tmp_path, critic=UnreliableCritic())
    assert back.path == folder
    assert back.status == "done"


GENERATOR_FAULTS: list[tuple[Outcome, type[GeneratorError]]] = [
    ("oom", OutOfMemoryError),
    ("black", BlankImageError),
    ("error", GeneratorError),
    ("refused", GeneratorRefused),
    ("timeout", GeneratorTimeout),
    ("unavailable", GeneratorUnavailable),
    ("hang", GeneratorTimeout),
]


@pytest.mark.parametrize(("script", "error"), GENERATOR_FAULTS)
async def test_no_picture_at_all_raises_what_went_wrong(
    tmp_path: Path, script: Outcome, error: type[RefineError]
) -> None:
    with pytest.raises(error) as raised:
        await run(tmp_path, generator=generator(script), policy=policy(render_timeout=0.2))
    assert type(raised.value) is error
    folder = only_run(tmp_path)
    assert str(folder) in str(raised.value)
    failed = load_run(folder)
    assert failed.outcome is not None
    assert failed.outcome.stop.rule == "generator-failed"
    assert failed.outcome.best is None
    assert failed.result_path is None
    assert failed.status == "failed"
    finished = await run(tmp_path, policy=policy(render_timeout=0.2))
    assert finished.path == folder
    assert finished.outcome is not None
    assert finished.outcome.ok


@pytest.mark.parametrize(
    "fault", [RuntimeError("CUDA error"), ValueError("bad"), OSError(5, "I/O"), AssertionError()]
)
async def test_a_foreign_exception_becomes_ours(tmp_path: Path, fault: Exception) -> None:
    with pytest.raises(GeneratorError, match=type(fault).__name__):
        await run(tmp_path, generator=UnreliableGenerator([fault]))


async def test_a_picture_that_is_none_of_ours(tmp_path: Path) -> None:
    class Wrong(UnreliableGenerator):
        async def generate(self, request: object, *, on_step: object = None) -> str:  # type: ignore[override]
            return "picture.png"

    with pytest.raises(GeneratorError, match="generator"):
        await run(tmp_path, generator=Wrong())


async def test_one_of_several_candidates_fails(tmp_path: Path) -> None:
    faulty = UnreliableGenerator([None, OutOfMemoryError("no"), None, None])
    done = await run(tmp_path, generator=faulty, policy=policy(candidates=3))
    assert done.outcome is not None
    assert done.outcome.stop.rule == "max-rounds"
    failed = done.candidates[1]
    require_unscored(done, "r0c1")
    assert failed.failure is not None
    assert failed.failure.error == "OutOfMemoryError"
    assert failed.image is None
    assert done.outcome.spend.images == 5
    assert sum(c.image is not None for c in done.candidates) == 5


async def test_all_fail_in_round_2_leaves_the_best_so_far(tmp_path: Path) -> None:
    faulty = UnreliableGenerator([None, OutOfMemoryError("no")])
    done = await run(tmp_path, generator=faulty, policy=policy(rounds=3))
    assert done.outcome is not None
    assert done.outcome.stop.rule == "generator-failed"
    assert done.best == done.candidates[0]
    assert done.result_path is not None
    assert done.status == "failed"


async def test_cancelling_keeps_the_best_so_far(tmp_path: Path) -> None:
    class Hanging(UnreliableGenerator):
        async def generate(
            self, request: RenderRequest, *, on_step: OnStep | None = None
        ) -> Image.Image:
            picture = await super().generate(request, on_step=on_step)
            if len(self.requests) == 2:
                hangs.set()
                await asyncio.Event().wait()
            return picture

    hangs = asyncio.Event()
    going = asyncio.create_task(run(tmp_path, generator=Hanging()))
    await hangs.wait()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    left = load_run(only_run(tmp_path))
    assert left.status == "interrupted"
    assert left.best is not None
    assert left.result_path is not None
    finished = await run(tmp_path)
    assert finished.path == left.path
    assert finished.status == "done"


class TextToImageCritic(UnreliableCritic):
    """Judges everything as if there were no source picture."""

    async def critique(self, request: CritiqueRequest) -> Assessment:
        return await super().critique(CritiqueRequest(request.prompt, request.image))


async def test_an_edit_must_be_judged_as_an_edit(tmp_path: Path) -> None:
    done = await run(tmp_path, critic=TextToImageCritic(), image=Image.new("RGB", (64, 64), "red"))
    assert done.outcome is not None
    assert done.outcome.stop.rule == "critic-failed"
    assert "judged the task 't2i'" in done.outcome.stop.reason
    assert all(c.scores is None for c in done.candidates)


async def test_there_is_a_result_before_the_first_judgement(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the key is wrong"):
        await run(tmp_path, critic=UnreliableCritic([ConfigError("the key is wrong")]))
    left = load_run(only_run(tmp_path))
    assert left.result_path is not None
    assert left.status == "failed"


class MisconfiguredRewriter:
    identity = Identity(kind="misconfigured", name="misconfigured")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        raise ConfigError("401: check the key")


async def test_a_rewriter_whose_key_is_wrong_is_passed_over(tmp_path: Path) -> None:
    done = await run(tmp_path, rewriters=[MisconfiguredRewriter(), "rules"])
    assert [c.origin for c in done.candidates] == ["request", "rules"]


class ListingRewriter:
    identity = Identity(kind="listing", name="listing")

    async def rewrite(self, context: RewriteContext) -> list[str]:
        return ["a wolf"]


async def test_a_rewriter_that_answers_wrongly_is_passed_over(tmp_path: Path) -> None:
    done = await run(tmp_path, rewriters=[ListingRewriter(), "rules"])
    assert [c.origin for c in done.candidates] == ["request", "rules"]
    told = [e.rejection for e in done.events() if isinstance(e, RewriteRejected)]
    assert [(r.rewriter, r.reason) for r in told] == [
        ("listing", "the rewriter 'listing' answered ['a wolf'], which is no Rewrites")
    ]


async def test_a_critic_that_answers_wrongly_gives_no_score(tmp_path: Path) -> None:
    class Listing(UnreliableCritic):
        async def critique(self, request: CritiqueRequest) -> list[float]:  # type: ignore[override]
            return [3.0]

    done = await run(tmp_path, critic=Listing())
    require_unscored(done, "r0c0")
    failure = done.candidates[0].failure
    assert failure is not None
    assert failure.message == "the critic answered [3.0], which is no Assessment"


async def test_a_critic_that_compares_wrongly_does_not_end_the_run(tmp_path: Path) -> None:
    class Listing(FakeCritic):
        async def compare(self, request: ComparisonRequest) -> list[str]:  # type: ignore[override]
            asked.append(request)
            return ["a"]

    asked: list[ComparisonRequest] = []
    even = {"text_faithfulness": 3.0, "physical_quality": 3.0}
    critic = Listing(FakeCriticOptions(script=(even, even)))
    done = await run(tmp_path, critic=critic, policy=policy(rounds=2, target=4.0))
    assert asked
    assert done.outcome is not None
    assert done.outcome.ok


async def test_samples_are_counted_before_the_next_judgement(tmp_path: Path) -> None:
    critic = FakeCritic(FakeCriticOptions(samples=4))
    chosen = policy(rounds=1, candidates=4, budget={"critic_calls": 4})
    done = await run(tmp_path, critic=critic, policy=chosen)
    assert done.outcome is not None
    assert done.outcome.spend.critic_calls == 4
    assert [c.scores is not None for c in done.candidates] == [True, False, False, False]
