"""Stopping rules and acceptance policies of one's own, by dotted path and by entry point."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.acceptance import Better, Challenge, acceptance_of
from rr_refine.agent.history import History, Stop, Verdict
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.refine import arefine, make_job
from rr_refine.agent.replay import replay
from rr_refine.agent.run import Run, load_run
from rr_refine.agent.stopping import RULES, stop_rule
from rr_refine.errors import ConfigError, RuleError
from tests.agent.builders import (
    CHALLENGER_WINS,
    CountingRewriter,
    ScriptedCritic,
    ScriptedGenerator,
    critique,
    t2i,
)
from tests.agent.records import items, only_run
from tests.commands import Commands

HERE = "tests.agent.test_own_rules"
SCORES = {
    (0, 0): t2i(2.0, 2.0),
    (1, 0): t2i(2.5, 1.5),
    (2, 0): t2i(2.6, 2.6),
    (3, 0): t2i(2.0, 4.0),
}


class Enough:
    """Stops after two rounds."""

    def check(self, history: History) -> Stop | None:
        done = len(history.rounds)
        return Stop(rule="enough", reason=f"{done} are enough") if done > 1 else None


class Never:
    def check(self, history: History) -> Stop | None:
        return None


class TextFirst:
    """Takes what follows the text better, whatever it looks like."""

    def weigh(self, challenge: Challenge) -> Verdict:
        both = (challenge.incumbent, challenge.challenger)
        before, now = (c.applicable["text_faithfulness"] for c in both)
        if now > before:
            return Verdict(accepted=True, rule="win", reason=f"text {before} -> {now}")
        rule: Any = "tie" if now == before else "worse"
        return Verdict(accepted=False, rule=rule, reason=f"text {before} -> {now}")


class Broken:
    """Raises, as a rule and as an acceptance policy."""

    def check(self, history: History) -> Stop | None:
        raise ZeroDivisionError("no rounds")

    def weigh(self, *_: object) -> Verdict:
        raise ZeroDivisionError("no scores")


def answering(answer: object) -> type:
    """A rule and an acceptance policy that say this."""
    return type("Answering", (), {"check": lambda *_: answer, "weigh": lambda *_: answer})


Yes = answering(True)
Impostor = answering(Stop(rule="target", reason="as it were"))
Picked = answering(Verdict(accepted=True, rule="picked", reason="mine"))
AcceptedTie = answering(Verdict(accepted=True, rule="tie", reason="well"))
NotCallable = 7


def Methodless() -> object:  # noqa: N802
    return object()


def going_on(**changes: Any) -> Policy:
    return preset(
        "refine", budget={"rounds": 4}, **{"target": None, "patience": None, "noise": 0} | changes
    )


async def record(out: Path, policy: Policy) -> Run:
    scripted = {key: critique(scores) for key, scores in SCORES.items()}
    return await arefine(
        "a cat",
        out=out,
        generator=ScriptedGenerator(),
        critic=ScriptedCritic(scripted, CHALLENGER_WINS),
        rewriters=[CountingRewriter()],
        policy=policy,
    )


def stop_of(run: Run) -> Stop:
    assert run.outcome is not None
    return run.outcome.stop


def verdicts(run: Run) -> dict[str, tuple[bool, str, str | None]]:
    return {c.id: (v.accepted, v.rule, v.against) for c in run.candidates if (v := c.verdict)}


# -- stopping ----------------------------------------------------------------------------------


async def test_a_rule_of_ones_own_stops_the_run_and_is_named(tmp_path: Path) -> None:
    run = await record(tmp_path, going_on(stop_rules=(f"{HERE}:Never", f"{HERE}:Enough")))
    assert stop_of(run) == Stop(rule="enough", reason="2 are enough")
    assert len(run.candidates) == 2
    assert run.status == "done"
    assert load_run(run.path, trust=True).policy.stop_rules == (f"{HERE}:Never", f"{HERE}:Enough")


async def test_the_built_in_rules_are_asked_first(tmp_path: Path) -> None:
    both = going_on(stop_rules=(f"{HERE}:Enough",), target=2.0)
    assert stop_of(await record(tmp_path, both)).rule == "target"


async def test_a_record_is_replayed_under_rules_of_ones_own(tmp_path: Path) -> None:
    run = await record(tmp_path, going_on())
    assert stop_of(run).rule == "max-rounds"
    again = replay(run, going_on(stop_rules=(f"{HERE}:Enough",)))
    assert again.stop == Stop(rule="enough", reason="2 are enough")
    assert len(again.candidates) == 2


def test_the_command_line_takes_them(commands: Commands) -> None:
    (commands.folder / "mine.py").write_text(
        "from rr_refine.agent.acceptance import Always\n"
        "from rr_refine.agent.history import Stop\n"
        "class Once:\n"
        "    def check(self, history):\n"
        "        return Stop(rule='once', reason='one picture will do')\n"
    )
    request = ("three red hats", "--generator=fake", "--set=generator.width=24")
    mine = ("--set", 'loop.stop_rules=["mine:Once"]', "--set", "loop.acceptance=mine:Always")
    ended = commands.run(*request, *mine, "--set=loop.target=4.0")
    assert ended.code == 0, ended.stderr
    assert "stopped    once: one picture will do" in ended.stderr
    plain = commands.run(*request, "--out=plain", "--set=loop.target=4.0")
    assert plain.code == 0, plain.stderr
    path = str(only_run(commands.folder / "plain"))
    again = commands.run("replay", path, *mine, "--json")
    assert json.loads(again.stdout)["stop"]["rule"] == "once"
    one = commands.run("replay", path, "--set", "loop.stop_rules=mine:Once", "--json")
    assert json.loads(one.stdout)["stop"]["rule"] == "once"
    wrong = commands.run(*request, "--set", 'loop.stop_rules=["mine:Twice"]')
    assert wrong.code == 2
    assert "stop rule 'mine:Twice' cannot be imported" in wrong.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("plato", r"unknown stop rule 'plato' \(did you mean 'plateau'\?\)"),
        (f"{HERE}:Missing", "cannot be imported"),
        (f"{HERE}:NotCallable", "is not callable"),
        (f"{HERE}:Methodless", "is no stop rule: see the protocol .*StopRule"),
        (f"{HERE}:TextFirst", "is no stop rule: see the protocol .*StopRule"),
    ],
)
def test_what_makes_no_rule_is_a_mistake_of_the_users(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_job("a cat", generator="fake", critic="fake", policy=going_on(stop_rules=(name,)))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("Broken", "raised ZeroDivisionError: no rounds"),
        ("Yes", "answered True, which is neither a Stop nor None"),
        ("Impostor", "calls itself 'target', the name of a built-in rule"),
    ],
)
async def test_a_rule_that_fails_is_named_and_nothing_is_lost(
    tmp_path: Path, rule: str, says: str
) -> None:
    policy = going_on(stop_rules=(f"{HERE}:Never", f"{HERE}:{rule}"))
    with pytest.raises(RuleError, match=f"the stopping rule '{HERE}:{rule}' {says}"):
        await record(tmp_path, policy)
    left = load_run(only_run(tmp_path), trust=True)
    assert left.status == "failed"
    assert left.best is not None
    assert left.best.id == "r0c0"
    assert left.result_path is not None
    assert {kind for kind, _, _ in items(left.path)} == {"render", "critique", "round"}


# -- acceptance --------------------------------------------------------------------------------


async def test_an_acceptance_policy_of_ones_own(tmp_path: Path) -> None:
    run = await record(tmp_path / "mine", going_on(acceptance=f"{HERE}:TextFirst"))
    assert verdicts(run) == {
        "r0c0": (True, "first", None),
        "r1c0": (True, "win", "r0c0"),
        "r2c0": (True, "win", "r1c0"),
        "r3c0": (False, "worse", "r2c0"),
    }
    plain = await record(tmp_path / "plain", going_on())
    assert plain.best != run.best
    again = replay(plain, going_on(acceptance=f"{HERE}:TextFirst"))
    assert again.incumbent == run.incumbent


async def test_its_ties_are_settled_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCORES, (1, 0), t2i(2.0, 1.0))
    run = await record(tmp_path, going_on(acceptance=f"{HERE}:TextFirst"))
    assert verdicts(run)["r1c0"] == (True, "pairwise", "r0c0")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("beter", r"unknown acceptance 'beter' \(did you mean 'better'\?\)"),
        (f"{HERE}:Methodless", "is no acceptance: see the protocol .*Acceptance"),
    ],
)
def test_what_makes_no_acceptance_is_a_mistake_of_the_users(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_job("a cat", generator="fake", critic="fake", policy=going_on(acceptance=name))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Broken", "raised ZeroDivisionError: no scores"),
        ("Yes", "answered True, which is no Verdict"),
        ("Picked", "answered accepted=True by the rule 'picked'; it may accept by win, always"),
        ("AcceptedTie", "answered accepted=True by the rule 'tie'"),
    ],
)
async def test_an_acceptance_that_fails_is_named_and_nothing_is_lost(
    tmp_path: Path, name: str, says: str
) -> None:
    with pytest.raises(RuleError, match=f"the acceptance policy '{HERE}:{name}' {says}"):
        await record(tmp_path, going_on(acceptance=f"{HERE}:{name}"))
    left = load_run(only_run(tmp_path), trust=True)
    assert left.status == "failed"
    assert left.result_path is not None
    kinds = [kind for kind, _, _ in items(left.path)]
    assert (kinds.count("render"), kinds.count("critique"), kinds.count("round")) == (2, 2, 1)


# -- the same door for all ---------------------------------------------------------------------


def test_the_built_in_ones_come_in_by_the_same_door() -> None:
    assert entry_points(group="rr_refine.stop_rules").names >= set(RULES)
    assert {name: stop_rule(name) for name in RULES} == RULES
    assert entry_points(group="rr_refine.acceptance").names >= {"better", "highest", "always"}
    assert isinstance(acceptance_of(Policy().acceptance), Better)


def test_a_preset_that_fixes_its_stopping_has_no_other_rules() -> None:
    with pytest.raises(ConfigError, match=r"stop_rules .* has no place in the preset 'paper'"):
        preset("paper", stop_rules=["plateau"])
