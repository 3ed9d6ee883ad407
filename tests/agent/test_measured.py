"""What evidence does in the loop: told, capped, guarded, and never trusted with the whole run."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rr_refine import Run, arefine
from rr_refine.agent.acceptance import NearTie, weigh_round
from rr_refine.agent.budget import Spend
from rr_refine.agent.events import Event, Judged, Notice
from rr_refine.agent.history import Candidate, History, Proposal, Verdict
from rr_refine.agent.measured import capped, caps_in_words, facts_of, lost_words, unjudged_of
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.replay import replay
from rr_refine.agent.report.gallery import entry_of, write_gallery
from rr_refine.agent.report.reader import read_summary
from rr_refine.agent.review import Accept, Decision, Quit, Reject, ReviewRequest
from rr_refine.agent.routing import RESEED, again, route
from rr_refine.agent.session import Reviewer
from rr_refine.agent.stopping import RULES
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.lines import lines_of
from rr_refine.errors import ConfigError, EvidenceError, GeneratorRefused
from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.evidence import Finding, FindingKind, Findings
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from rr_refine.reward.messages import build_messages
from rr_refine.reward.template import builtin_template
from rr_refine.terms import Identity
from tests.agent.builders import candidate, t2i

PROMPT = 'a sign that says "OPEN"'


def finding(kind: FindingKind, expected: str | None = "OPEN") -> Finding:
    reason = {"right": "it says 'OPEN'", "wrong": "it says 'OPNE'"}.get(kind, kind)
    if kind == "extra":
        expected = None
    return Finding(
        kind=kind, dimension="text_rendering", expected=expected, sure=0.9, reason=reason
    )


class Measures:
    """Evidence by a script: one step for each picture."""

    identity = Identity(kind="script", name="script")

    def __init__(self, *steps: Sequence[FindingKind] | Exception) -> None:
        self.steps = list(steps)
        self.seen: list[CritiqueRequest] = []

    async def examine(self, request: CritiqueRequest) -> Findings:
        self.seen.append(request)
        step = self.steps[min(len(self.seen), len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise step
        return Findings(evidence=self.identity, findings=tuple(map(finding, step)))


class Told(FakeCritic):
    """Keeps what it was told, and knows no sofas."""

    facts: list[tuple[str, ...]]

    def __init__(self, *script: object) -> None:
        super().__init__(FakeCriticOptions.model_validate({"script": script}))
        self.facts = []

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.facts.append(request.facts)
        return await super().critique(request)

    def unknown(self, request: Request) -> tuple[str, ...]:
        return ("sofa",) if "sofa" in request.prompt else ()


def all_scores(score: float) -> dict[str, object]:
    return {"text_faithfulness": score, "physical_quality": score, "text_rendering": score}


async def accept(_question: ReviewRequest) -> Decision:
    return Accept()


async def run_with(
    out: Path,
    critic: FakeCritic,
    *evidence: Measures,
    prompt: str = PROMPT,
    policy: Policy | None = None,
    run_id: str | None = None,
    generator: FakeGenerator | None = None,
    reviewer: Reviewer = accept,
) -> tuple[Run, list[Event]]:
    events: list[Event] = []
    run = await arefine(
        prompt,
        out=out,
        generator=generator or FakeGenerator(),
        critic=critic,
        evidence=evidence,
        policy=policy or preset("refine"),
        on_event=events.append,
        run_id=run_id,
        reviewer=reviewer,
    )
    return run, events


async def test_a_measured_miss_caps_the_score_and_keeps_the_target_away(tmp_path: Path) -> None:
    critic, evidence = Told(*[all_scores(4.0)] * 2), Measures(["wrong"], ["right"])
    run, events = await run_with(tmp_path, critic, evidence)
    first, second = run.candidates
    assert first.said == all_scores(4.0)
    assert first.scores == all_scores(4.0) | {"text_rendering": 2.0}
    assert critic.facts == [("it says 'OPNE'",), ("it says 'OPEN'",)]
    judged = next(e for e in events if isinstance(e, Judged))
    assert (judged.scores, judged.said, judged.findings) == (
        *(first.scores, first.said, first.findings),
    )
    assert (second.prompt, second.origin) == (PROMPT, RESEED)
    assert second.seed != first.seed
    assert run.best == second and second.said is None
    assert run.outcome is not None and run.outcome.stop.rule == "target"


class Hangs(Measures):
    """Evidence that gives no answer."""

    async def examine(self, request: CritiqueRequest) -> Findings:
        await asyncio.Event().wait()
        return await super().examine(request)


class Answers(Measures):
    """Evidence that answers with whatever it is given."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    async def examine(self, request: CritiqueRequest) -> Findings:
        return cast("Findings", self.answer)


MALFORMED = Findings.model_construct(
    evidence=Measures.identity, findings=cast("tuple[Finding, ...]", ("OPEN",))
)
FAILURES: dict[str, tuple[Measures, str]] = {
    "no reader": (Measures(EvidenceError("no reader")), "no reader"),
    "a bug": (Measures(ValueError("a bug")), "raised ValueError: a bug"),
    "a wrong key": (Measures(ConfigError("a wrong key")), "a wrong key"),
    "another error of ours": (Measures(GeneratorRefused("no")), "no"),
    "a time-out": (Hangs(), "took too long"),
    "no findings": (Answers("right"), "which is no Findings"),
    "nothing": (Answers(None), "which is no Findings"),
    "malformed findings": (Answers(MALFORMED), "reading the findings of the evidence"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_what_was_not_measured_is_open(kind: str, tmp_path: Path) -> None:
    """A failure ends no run, and its picture is not green: the text was not looked at."""
    evidence, why = FAILURES[kind]
    policy = preset("refine", critique_timeout=2 if kind == "a time-out" else 600)
    run, events = await run_with(tmp_path, Told(all_scores(4.0)), evidence, policy=policy)
    assert run.outcome is not None and run.outcome.ok
    assert run.outcome.stop.rule == "unjudged"
    assert run.outcome.stop.reason.endswith("judged without 'OPEN'")
    assert run.best is not None and run.best.unjudged == ("OPEN",)
    (finding,) = run.best.findings
    assert finding.kind == "abstained" and why in finding.reason
    (notice,) = [e.text for e in events if isinstance(e, Notice) and e.candidate]
    assert notice.startswith("not measured: ") and why in notice


async def test_a_failure_leaves_open_what_no_other_evidence_has_measured(tmp_path: Path) -> None:
    class Counts(Measures):
        identity = Identity(kind="count", name="count")

    prompt = 'a sign that says "OPEN", another that says "SHOP"'
    evidence = Measures(["right"]), Counts(ValueError("a bug"))
    run, _ = await run_with(tmp_path, Told(all_scores(4.0)), *evidence, prompt=prompt)
    assert run.best is not None and run.best.unjudged == ("SHOP",)
    run, _ = await run_with(tmp_path, Told(all_scores(4.0)), *evidence)
    assert run.best is not None and run.best.unjudged == ("what the evidence 'count' measures",)
    assert run.best.text_right == 1.0  # all the lettering that was asked for


async def test_a_later_round_that_is_measured_is_green_again(tmp_path: Path) -> None:
    critic = Told(all_scores(2.5), all_scores(4.0))
    run, _ = await run_with(tmp_path, critic, Measures(EvidenceError("no reader"), ["right"]))
    assert run.candidates[0].unjudged == ("OPEN",)
    assert run.outcome is not None and run.outcome.stop.rule == "target"


async def test_a_data_frame_has_what_was_measured_beside_the_critics_own_score(
    tmp_path: Path,
) -> None:
    evidence = Measures(["wrong", "extra"], ["right"])
    run, _ = await run_with(tmp_path, Told(*[all_scores(4.0)] * 2), evidence)
    frame = run.to_dataframe()
    assert list(frame["text_right"]) == [0.0, 1.0]
    assert list(frame["text_rendering_said"]) == [4.0, 4.0]
    assert list(frame["text_rendering"]) == [2.0, 4.0]


async def test_a_run_that_goes_on_measures_nothing_twice(tmp_path: Path) -> None:
    first, evidence = Told(all_scores(4.0)), Measures(["wrong"])
    policy = preset("refine", budget={"rounds": 1})
    await run_with(tmp_path, first, evidence, policy=policy, run_id="one")
    again = Measures(["right"])
    run, _ = await run_with(tmp_path, Told(all_scores(4.0)), again, policy=policy, run_id="one")
    assert again.seen == []
    assert [one.kind for one in run.candidates[0].findings] == ["wrong"]


async def test_a_run_goes_on_with_the_evidence_that_it_began_with(tmp_path: Path) -> None:
    policy = preset("refine", budget={"rounds": 1})
    critic = Told(all_scores(4.0))
    await run_with(tmp_path, critic, policy=policy, run_id="one")
    with pytest.raises(ConfigError, match="made with another evidence"):
        await run_with(tmp_path, critic, Measures(["right"]), policy=policy, run_id="one")


async def test_a_word_that_nobody_knew_ends_without_a_green_verdict(tmp_path: Path) -> None:
    run, _ = await run_with(tmp_path, Told(all_scores(4.0)), prompt="a cat on a sofa")
    assert run.outcome is not None and run.outcome.ok
    assert run.outcome.stop.rule == "unjudged"
    assert run.outcome.stop.reason.endswith("judged without 'sofa'")
    assert len(run.candidates) == 1
    assert run.report_path is not None
    report = run.report_path.read_text("utf-8")
    assert "<strong>Open:</strong> <bdi>judged without &#39;sofa&#39;</bdi>" in report
    assert 'class="verdict yes"' not in report
    with RunFolder(run.path, lock=False) as folder:
        card = entry_of(read_summary(folder))
    write_gallery(tmp_path / "gallery.html", [card])
    gallery = (tmp_path / "gallery.html").read_text("utf-8")
    assert "judged without &#39;sofa&#39;" in gallery
    assert "badge better" not in gallery


async def test_what_could_not_be_measured_is_open(tmp_path: Path) -> None:
    run, _ = await run_with(tmp_path, Told(all_scores(4.0)), Measures(["abstained"]))
    assert run.outcome is not None and run.outcome.stop.rule == "unjudged"
    assert run.candidates[0].unjudged == ("OPEN",)


async def test_the_paper_measures_nothing(tmp_path: Path) -> None:
    evidence = Measures(["wrong"])
    run, events = await run_with(tmp_path, Told(all_scores(4.0)), evidence, policy=preset("paper"))
    assert evidence.seen == []
    assert any("nothing is measured" in e.text for e in events if isinstance(e, Notice))
    assert run.candidates[0].findings == ()


async def test_a_replay_under_the_paper_counts_no_evidence(tmp_path: Path) -> None:
    evidence = Measures(["wrong", "abstained"])
    policy = preset("refine", budget={"rounds": 1})
    run, _ = await run_with(tmp_path, Told(all_scores(4.0)), evidence, policy=policy)
    again, paper = replay(run, run.policy), replay(run, preset("paper"))
    assert again.candidates == run.candidates
    assert again.stop is not None and again.stop.rule == "max-rounds"
    assert paper.stop is not None and paper.stop.rule == "target"
    assert paper.candidates[0].scores == all_scores(4.0)


def test_caps() -> None:
    said = t2i(4.0, 4.0, 3.0)
    assert capped(said, [finding("right"), finding("extra"), finding("abstained")]) == said
    assert capped(said, [finding("wrong")])["text_rendering"] == 2.0
    assert capped(said, [finding("wrong"), finding("missing")])["text_rendering"] == 1.0
    assert capped(t2i(4.0, 4.0, 1.5), [finding("wrong")])["text_rendering"] == 1.5
    assert capped(t2i(4.0, 4.0), [finding("missing")])["text_rendering"] == 1.0  # N/A was wrong


async def test_a_reason_says_beside_it_that_its_score_was_capped(tmp_path: Path) -> None:
    policy = preset("refine", budget={"rounds": 1})
    run, events = await run_with(
        tmp_path, Told(all_scores(4.0)), Measures(["wrong"]), policy=policy
    )
    (judged,) = (e for e in events if isinstance(e, Judged))
    words = "said for 4.00, before a measurement capped it at 2.00"
    assert judged.capped == {"text_rendering": words}
    assert judged.model_dump(mode="json")["capped"] == {"text_rendering": words}
    reason = next(line for line in lines_of(judged) if "reason" in line)
    assert reason.startswith(f"  reason   written words (text rendering) ({words}): ")
    page = (run.path / "report" / "index.html").read_text("utf-8")
    assert f'<p class="meta">S{words[1:]}:</p>' in page
    assert page.count(words[1:]) == 1
    assert caps_in_words(None, t2i(4.0, 4.0, 4.0)) == {}
    assert caps_in_words(t2i(4.0, 4.0), t2i(4.0, 4.0, 1.0)) == {
        "text_rendering": "said for N/A, before a measurement capped it at 1.00"
    }


def test_what_is_told_and_what_is_open() -> None:
    findings = [finding("right"), finding("abstained"), finding("extra")]
    assert facts_of(findings) == ("it says 'OPEN'", "extra")
    assert unjudged_of(("sofa",), findings) == ("sofa", "OPEN")


def test_a_word_that_was_right_is_not_given_up() -> None:
    policy = preset("refine")
    right = candidate("r0c0", t2i(2.0, 2.0, 2.0)).model_copy(
        update={"findings": (finding("right"),)}
    )
    lost = candidate("r1c0", t2i(4.0, 4.0, 2.0)).model_copy(
        update={"findings": (finding("wrong"),), "said": t2i(4.0, 4.0, 4.0)}
    )
    weighed = weigh_round([lost], [right], right, policy, {})
    assert not isinstance(weighed, NearTie)
    verdict = weighed.candidates[0].verdict
    assert verdict is not None and verdict.rule == "guard"
    assert verdict.reason == "'OPEN' was right, and now it says 'OPNE'"
    assert lost_words(right, lost) is None


def history(*candidates: Candidate, policy: Policy | None = None) -> History:
    return History(policy or preset("refine"), Spend(), candidates, (), candidates[0].id)


def missed(name: str = "r0c0", prompt: str = PROMPT, quality: float = 4.0) -> Candidate:
    return candidate(name, t2i(4.0, quality, 2.0), prompt=prompt).model_copy(
        update={"findings": (finding("wrong"),)}
    )


def test_the_router() -> None:
    assert route(history(missed()))[0] == "reseed"
    assert route(history(missed(), missed("r1c0"))) == (
        *("rewrite", "2 seeds of this prompt missed it"),
    )
    assert route(history(missed(quality=2.0)))[0] == "rewrite"
    assert route(history(missed(prompt="a sign"))) == ("rewrite", "the prompt does not say 'OPEN'")
    assert route(history(candidate("r0c0", t2i(2.0, 2.0))))[0] == "rewrite"
    for way in ("rewrite", "reseed"):
        assert route(history(missed(), policy=preset("refine", route=way)))[0] == way


def refused(name: str, said: float = 4.0, prompt: str = PROMPT) -> Candidate:
    """Better than the incumbent by the critic, but for a word that was drawn wrong."""
    scores = t2i(said, said, 2.0)
    return candidate(name, scores, prompt=prompt).model_copy(
        update={
            "findings": (finding("wrong"),),
            "said": t2i(said, said, said),
            "verdict": Verdict(accepted=False, rule="guard", reason="'OPEN' was right"),
        }
    )


def with_words(quality: float = 2.0) -> Candidate:
    """An incumbent with the right words and much else amiss."""
    return candidate("r0c0", t2i(2.0, quality, 4.0), prompt=PROMPT).model_copy(
        update={"findings": (finding("right"),)}
    )


def test_a_better_picture_that_lost_a_word_gets_another_seed() -> None:
    better = f"{PROMPT}, in neon"
    lost = history(with_words(), refused("r1c0", prompt=better))
    assert route(lost)[0] == "reseed"
    tried = again(lost)
    assert tried is not None and tried.prompt == better
    twice = history(with_words(), refused("r1c0", prompt=better), refused("r2c0", prompt=better))
    assert route(twice) == ("rewrite", "2 seeds of this prompt missed it")
    assert route(history(with_words(), refused("r1c0", prompt="a neon sign")))[0] == "rewrite"
    assert route(history(with_words(), refused("r1c0", said=2.0)))[0] == "rewrite"


def test_what_was_drawn_wrong_is_no_try_of_its_prompt() -> None:
    """So a run does not end as one that gets no better: another seed is due."""
    worse = refused("r1c0", said=2.0), refused("r2c0", said=2.0)
    better = refused("r1c0"), refused("r2c0")
    assert RULES["plateau"].check(history(with_words(), *worse)) is not None
    assert RULES["plateau"].check(history(with_words(), *better)) is None


def test_lettering_that_is_measured_to_be_right_has_not_fallen() -> None:
    """The critic's feeling for letters guards nothing where they were read."""
    first, better = t2i(2.0, 2.0, 4.0), t2i(4.0, 4.0, 3.0)
    policy = preset("refine")
    for findings, rule in (((finding("right"),), "win"), ((), "guard")):
        before = candidate("r0c0", first).model_copy(update={"findings": (finding("right"),)})
        after = candidate("r1c0", better).model_copy(update={"findings": findings})
        weighed = weigh_round([after], [before], before, policy, {})
        assert not isinstance(weighed, NearTie)
        verdict = weighed.candidates[0].verdict
        assert verdict is not None and verdict.rule == rule


async def test_a_user_who_rejects_another_seed_gets_other_words(tmp_path: Path) -> None:
    seen: list[Proposal] = []

    async def reviewer(question: ReviewRequest) -> Decision:
        seen.append(question.proposal)
        return Reject(reason="in neon") if len(seen) == 1 else Quit()

    policy = preset("refine", review=True, rewriters=("rules",))
    critic, evidence = Told(*[all_scores(4.0)] * 2), Measures(["wrong"], ["wrong"])
    await run_with(tmp_path, critic, evidence, policy=policy, reviewer=reviewer)
    first, second = seen
    assert first.origin == RESEED and first.prompt == PROMPT
    assert "In neon" in second.prompt


class OneSeed(FakeGenerator):
    """Draws with the first seed alone."""

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if request.seed and request.prompt == PROMPT:
            raise GeneratorRefused("not that seed")
        return await super().generate(request, on_step=on_step)


async def test_a_refused_seed_is_not_asked_for_again(tmp_path: Path) -> None:
    critic, evidence = Told(*[all_scores(4.0)] * 2), Measures(["wrong"], ["right"])
    policy = preset("refine", rewriters=("rules",))
    run, _ = await run_with(tmp_path, critic, evidence, policy=policy, generator=OneSeed())
    assert [one.origin for one in run.candidates] == ["request", "rules"]
    assert run.outcome is not None and run.outcome.stop.rule == "target"


def test_facts_stand_beside_the_picture() -> None:
    picture = Image.new("RGB", (8, 8))
    plain, told = (
        build_messages(CritiqueRequest(PROMPT, picture, facts=facts), builtin_template())[-1]
        for facts in ((), ("it says 'OPNE'",))
    )
    assert told.content[: len(plain.content)] == plain.content
    (extra,) = told.content[len(plain.content) :]
    assert isinstance(extra, str) and "- it says 'OPNE'\n" in extra


# -- a reading may be wrong ------------------------------------------------------------------------

_SCORES = st.sampled_from([1.0, 2.0, 2.5, 3.0, 3.5, 4.0])
_KINDS: list[FindingKind] = ["right", "wrong", "missing", "extra", "abstained"]


@st.composite
def measured_candidates(draw: st.DrawFn, name: str) -> Candidate:
    said = t2i(draw(_SCORES), draw(_SCORES), draw(_SCORES | st.none()))
    findings = tuple(
        finding(kind, draw(st.sampled_from(["OPEN", "SHOP"])))
        for kind in draw(st.lists(st.sampled_from(_KINDS), max_size=3))
    )
    scores = capped(said, findings)
    return candidate(name, scores).model_copy(
        update={"findings": findings, "said": None if scores == said else said}
    )


@given(st.data())
def test_a_wrong_reading_makes_nothing_worse_by_the_critic(data: st.DataObject) -> None:
    """Whatever is read, the result is, by the critic's own scores, at least as good as the first
    picture, but for the noise."""
    policy = preset("refine", pairwise=False)
    before: list[Candidate] = []
    incumbent: Candidate | None = None
    for number in range(data.draw(st.integers(1, 5))):
        one = data.draw(measured_candidates(f"r{number}c0"))
        weighed = weigh_round([one], before, incumbent, policy, {})
        assert not isinstance(weighed, NearTie)
        before += weighed.candidates
        incumbent = weighed.incumbent
    assert incumbent is not None
    first, last = before[0].mean_said, incumbent.mean_said
    assert first is not None and last is not None
    assert last >= first - policy.noise * 1.0 - 1e-9


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.sampled_from(_KINDS), max_size=2), min_size=4, max_size=4))
def test_no_reading_ends_a_run(kinds: list[list[FindingKind]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        critic = Told(*[all_scores(2.5)] * 4)
        run, _ = asyncio.run(run_with(Path(folder), critic, Measures(*kinds)))
    assert run.outcome is not None
    assert run.outcome.stop.rule in ("max-rounds", "plateau", "repeated-prompt")


@pytest.mark.parametrize("kind", ["wrong", "missing"])
def test_a_finding_says_what_was_asked(kind: FindingKind) -> None:
    with pytest.raises(ValueError, match="expected = None"):
        finding(kind, None)
