"""What a component of the caller's raises reaches the caller: as the cause, logged, recorded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Never

import pytest
from PIL import Image

from rr_refine import Run, load_run, refine
from rr_refine.agent.history import Failure
from rr_refine.agent.rewriting.rewriter import RewriteContext, Rewrites
from rr_refine.errors import (
    CriticError,
    CriticUnreadable,
    GeneratorError,
    NoPromptError,
    OutOfMemoryError,
    RefineError,
)
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.fake import FakeCritic
from rr_refine.terms import Identity


class OwnMistakeError(Exception):
    pass


class OwnGenerator(FakeGenerator):
    def __init__(self, answer: object) -> None:
        super().__init__(FakeOptions())
        self.answer = answer

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


class OwnCritic(FakeCritic):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def critique(self, request: CritiqueRequest) -> Never:
        raise self.error


class OwnRewriter:
    identity = Identity(kind="own", name="own")

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        raise self.error


def test_a_generator_that_raises(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mistake = OwnMistakeError("no such lamp")
    with (
        caplog.at_level(logging.WARNING, logger="rr_refine"),
        pytest.raises(GeneratorError, match="OwnMistakeError: no such lamp") as caught,
    ):
        refine("a cat", generator=OwnGenerator(mistake), critic="fake", out=tmp_path)
    assert caught.value.__cause__ is mistake
    assert "OwnMistakeError: no such lamp" in caplog.text
    assert "in generate" in caplog.text
    (folder,) = tmp_path.iterdir()
    failure = load_run(folder).candidates[0].failure
    assert failure is not None
    assert failure.trace is not None
    assert "raise self.answer" in failure.trace


@pytest.mark.parametrize("answer", [None, "a.png", b"png", [1, 2]])
def test_a_generator_that_gives_no_picture(answer: object, tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match=r"no PIL\.Image\.Image"):
        refine("a cat", generator=OwnGenerator(answer), critic="fake", out=tmp_path)


@pytest.mark.parametrize(
    "full",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        type("OutOfMemoryError", (RuntimeError,), {})("device full"),
    ],
)
def test_memory_that_is_full(full: BaseException, tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError) as caught:
        refine("a cat", generator=OwnGenerator(full), critic="fake", out=tmp_path)
    assert caught.value.__cause__ is full


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OwnMistakeError("no such eye"), CriticError),
        (CriticUnreadable("no scores", "hm"), CriticUnreadable),
    ],
)
def test_a_critic_that_always_fails(
    error: Exception, kind: type[RefineError], tmp_path: Path
) -> None:
    parts: dict[str, Any] = {"generator": "fake", "critic": OwnCritic(error)}
    with pytest.raises(kind, match=r"no such eye|no scores") as caught:
        refine("a cat", **parts, out=tmp_path / "raised")
    assert caught.value.__cause__ is error
    run = refine("a cat", **parts, out=tmp_path / "given", on_failure="return")
    assert run.outcome is not None
    assert run.outcome.stop.rule == "critic-failed"
    assert run.best is not None
    assert run.best.scores is None


def run_with(error: Exception, out: Path) -> Run:
    parts: dict[str, Any] = {"generator": "fake", "critic": "fake"}
    return refine("a cat", **parts, rewriters=OwnRewriter(error), policy={"target": 4.0}, out=out)


def test_a_rewriter_that_crashes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="rr_refine"):
        run = run_with(OwnMistakeError("no such pen"), tmp_path)
    assert run.outcome is not None
    assert run.outcome.stop.rule == "rewriter-failed"
    assert "OwnMistakeError: no such pen" in run.outcome.stop.reason
    assert not run.outcome.ok
    assert run.outcome.can_go_on
    assert "raise self.error" in caplog.text
    assert "raise self.error" in (run.path / "events.jsonl").read_text()


def test_a_rewriter_that_has_no_prompt(tmp_path: Path) -> None:
    """It answered; that is no crash."""
    run = run_with(NoPromptError("no prompt in it"), tmp_path)
    assert run.outcome is not None
    assert run.outcome.stop.rule == "repeated-prompt"
    assert run.outcome.ok


def test_a_trace_holds_no_key(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError):
        refine(
            "a cat",
            generator=OwnGenerator(OwnMistakeError("Authorization: Bearer sk-abcdefghijklmnop12")),
            critic="fake",
            out=tmp_path,
        )
    written = "".join(path.read_text("utf-8", "replace") for path in tmp_path.rglob("*.jsonl"))
    assert "OwnMistakeError" in written
    assert "sk-abcdefghijklmnop12" not in written


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("OutOfMemoryError", OutOfMemoryError),
        ("CriticUnreadable", CriticUnreadable),
        ("charged", GeneratorError),  # of that module, and no error
        ("Iterator", GeneratorError),
        ("OutOfBudget", GeneratorError),
    ],
)
def test_a_recorded_failure_is_an_error_again(name: str, kind: type[RefineError]) -> None:
    error = Failure(stage="render", error=name, message="as it was").as_error(GeneratorError)
    assert (type(error), str(error)) == (kind, "as it was")
