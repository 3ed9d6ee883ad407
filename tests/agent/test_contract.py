"""The contracts of rewriters and stopping rules: ours keep them; each test sees a broken one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from rr_refine.agent.contract import StopRuleContract, history
from rr_refine.agent.history import History, Stop
from rr_refine.agent.rewriting.contract import RewriterContract
from rr_refine.agent.rewriting.critic import CriticRewriter
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewriter, Rewrites
from rr_refine.agent.rewriting.rules import RulesRewriter
from rr_refine.agent.stopping import StopRule
from rr_refine.terms import Identity


class TestRules(RewriterContract):
    def make_rewriter(self) -> Rewriter:
        return RulesRewriter()


class TestCritic(RewriterContract):
    def make_rewriter(self) -> Rewriter:
        return CriticRewriter()


class Adds:
    """A rewriter that keeps every promise."""

    def __init__(self) -> None:
        self.identity = Identity(kind="adds", name="adds")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        await asyncio.sleep(0)
        answer: Rewrites = self.answer(context)
        return answer

    def answer(self, context: RewriteContext) -> Any:
        return Rewrites(proposals=(Rewrite(prompt=f"{context.request.prompt}, in the rain"),))


class Others(Adds):
    """Another identity each time."""

    made = 0

    def __init__(self) -> None:
        Others.made += 1
        self.identity = Identity(kind="adds", name=f"number {Others.made}")


class Counts(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        self.identity = Identity(kind="adds", name=f"{self.identity.name}+")
        return Rewrites()


class GivesText(Adds):
    def answer(self, context: RewriteContext) -> str:
        return context.request.prompt


class Blank(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        return Rewrites(proposals=(Rewrite(prompt=" "),))


class Long(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        return Rewrites(proposals=(Rewrite(prompt="red " * 100_000),))


class Loses(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        prompt = context.request.prompt.replace("OPEN", "SHUT")
        return Rewrites(proposals=(Rewrite(prompt=prompt),))


class Repeats(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        return Rewrites(proposals=(Rewrite(prompt=context.request.prompt),))


class Writes(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        if context.incumbent is not None and context.incumbent.candidate.scores is not None:
            context.incumbent.candidate.scores.clear()
        return Rewrites()


class Mixes(Adds):
    """Answers with what was asked last."""

    last = ""

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        self.last = context.request.prompt
        await asyncio.sleep(0)
        return Rewrites(proposals=(Rewrite(prompt=f"{self.last}, in the rain"),))


class Swallows(Adds):
    async def rewrite(self, context: RewriteContext) -> Rewrites:
        try:
            return await super().rewrite(context)
        except asyncio.CancelledError:
            raise KeyError("cancelled") from None


class Chokes(Adds):
    def answer(self, context: RewriteContext) -> Rewrites:
        context.request.prompt.encode("ascii")
        return Rewrites()


class ConnectsOnce(Adds):
    connected = False

    async def connect(self) -> None:
        assert not self.connected
        self.connected = True


class OneLoop(Adds):
    def __init__(self) -> None:
        super().__init__()
        self.lock: asyncio.Future[None] | None = None

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        if self.lock is None:
            self.lock = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(self.lock.set_result, None)
        assert self.lock.get_loop() is asyncio.get_running_loop()
        return await super().rewrite(context)


def rewriter_contract(made: Callable[[], Any]) -> RewriterContract:
    contract = RewriterContract()
    contract.make_rewriter = made  # type: ignore[method-assign]
    return contract


@pytest.mark.parametrize(
    ("made", "test"),
    [
        (object, "it_is_a_rewriter"),
        (Others, "identity_is_stable"),
        (Counts, "identity_is_stable"),
        (GivesText, "gives_prompts"),
        (Blank, "gives_prompts"),
        (Long, "gives_prompts"),
        (Loses, "a_proposal_can_be_used"),
        (Repeats, "a_proposal_can_be_used"),
        (Mixes, "concurrent_calls_equal_single_calls"),
        (Writes, "leaves_the_context_alone"),
        (Swallows, "cancelling_leaves_it_usable"),
        (Chokes, "weird_prompts"),
        (OneLoop, "works_from_two_event_loops"),
        (ConnectsOnce, "another_run_may_connect_it"),
    ],
)
def test_a_broken_rewriter_is_seen(made: Callable[[], Any], test: str) -> None:
    getattr(rewriter_contract(Adds), f"test_{test}")()
    with pytest.raises(AssertionError):
        getattr(rewriter_contract(made), f"test_{test}")()


def test_every_test_of_a_rewriter_can_fail() -> None:
    (mark,) = test_a_broken_rewriter_is_seen.pytestmark
    tried = {f"test_{test}" for _, test in mark.args[1]}
    assert tried == {name for name in dir(RewriterContract) if name.startswith("test_")}


class Late:
    """A stopping rule that keeps every promise."""

    def check(self, history: History) -> Stop | None:
        return self.stop(history) if len(history.rounds) > 2 else None

    def stop(self, history: History) -> Any:
        return Stop(rule="late", reason=f"{len(history.rounds)} rounds")


class TestLate(StopRuleContract):
    def make_rule(self) -> StopRule:
        return Late()

    def make_histories(self) -> Mapping[str, History]:
        paid = replace(history([2.0, 3.0, 4.0]), user_stop="enough")
        return {**super().make_histories(), "paid": paid}


class SaysYes(Late):
    def stop(self, history: History) -> bool:
        return True


class Nameless(Late):
    def stop(self, history: History) -> Stop:
        return Stop(rule="", reason="late")


class CalledAsOurs(Late):
    def stop(self, history: History) -> Stop:
        return Stop(rule="plateau", reason="late")


class Silent(Late):
    def stop(self, history: History) -> Stop:
        return Stop(rule="late", reason=" ")


class Remembers(Late):
    def __init__(self) -> None:
        self.asked = 0

    def stop(self, history: History) -> Stop:
        self.asked += 1
        return Stop(rule="late", reason=f"asked {self.asked} times")


class Shares(Late):
    asked = 0

    def stop(self, history: History) -> Stop:
        Shares.asked += 1
        return Stop(rule="late", reason=f"asked {Shares.asked} times")


class Clears(Late):
    def stop(self, history: History) -> Stop | None:
        for candidate in history.candidates:
            candidate.errors["text_faithfulness"] = 1.0
        return None


@pytest.mark.parametrize(
    ("made", "test"),
    [
        (object, "it_is_a_rule"),
        (SaysYes, "gives_a_stop_or_none"),
        (Nameless, "gives_a_stop_or_none"),
        (CalledAsOurs, "gives_a_stop_or_none"),
        (Silent, "gives_a_stop_or_none"),
        (Remembers, "the_same_history_gives_the_same_answer"),
        (Shares, "the_same_history_gives_the_same_answer"),
        (Clears, "leaves_the_history_alone"),
    ],
)
def test_a_broken_rule_is_seen(made: Callable[[], Any], test: str) -> None:
    contract = StopRuleContract()
    contract.make_rule = made  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{test}")()


def test_every_test_of_a_rule_can_fail() -> None:
    (mark,) = test_a_broken_rule_is_seen.pytestmark
    tried = {f"test_{test}" for _, test in mark.args[1]}
    assert tried == {name for name in dir(StopRuleContract) if name.startswith("test_")}
