"""What a run may be given from Python: names, types, and what is wrong with a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from pydantic import JsonValue

from rr_refine.agent.budget import Budget, limits_of
from rr_refine.agent.events import Event
from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.lineage import Lineage
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.agent.session import Reviewer
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator
from rr_refine.plugins import did_you_mean
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence
from rr_refine.reward.scalar import Reward

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from PIL import Image

__all__ = ["JobOptions", "RefineOptions", "policy_of", "require_known", "several", "words_of"]


_BESIDE: Final = ("rounds", "candidates", "budget_usd", "budget")


class JobOptions(TypedDict, total=False):
    """What a job may be given besides its prompt; all optional."""

    image: Image.Image | Path | str | Sequence[Image.Image | Path | str] | None
    """A picture to edit; the prompt then says what should change in it. Several, in order, where
    the generator takes several: the first is edited, and the prompt says what of the others."""
    generator: Generator | str
    """An object with the `Generator` protocol, or a name for `plugins.create`."""
    critic: Critic | Reward | str
    """An object with the `Critic` or the `Reward` protocol, or a name. Needed with a generator of
    your own."""
    rewriters: Sequence[Rewriter | str] | Rewriter | str
    """Objects or names, or one, tried in order; those of the policy by default."""
    intent_check: IntentCheck | str | None
    """An object with the `IntentCheck` protocol, or a name, `none` for none. By default the one
    that generator and critic bring along."""
    evidence: Sequence[Evidence | str] | Evidence | str
    """Objects with the `Evidence` protocol, or names (`ocr`), or one: what measures the pictures;
    none by default."""
    policy: Policy | Mapping[str, Any] | str
    """A `Policy`, the name of a preset, or a table of changes to one (`{"preset": "refine",
    "target": 3.5}`); `refine` by default."""
    rounds: int
    """Most rounds of rendering: `budget.rounds` of the policy."""
    candidates: int
    """Pictures in a round: `candidates` of the policy."""
    budget: Budget | Mapping[str, Any]
    """Limits that take the place of the policy's."""
    budget_usd: float
    """US dollars for the services that are asked: `budget.usd` of the policy."""
    seed: int
    """Seed of the first candidate; 0 by default."""
    keep: Sequence[str] | str
    """Words that every rewritten prompt must hold."""
    avoid: Sequence[str] | str
    """Words that no rewritten prompt may hold."""
    parameters: Mapping[str, JsonValue]
    """Passed on to the generator: `width`, `guidance_scale`, …"""
    settings: Mapping[str, JsonValue]
    """How the components were configured; recorded in config.json, with no other effect."""
    run_id: str | None
    """A name of your own for the run and its folder: up to 100 letters, digits, `_`, `-` and `.`.
    The same id finds the same run: it goes on where it was left, and a finished one is given."""
    parent: str | None
    """Id of the run that this one comes from; recorded."""
    lineage: Lineage | None
    """And of which of its pictures; recorded. `vary`, `edit` and the like set it."""
    first_prompt: str | None
    """The prompt of the first round, where that is not the request itself."""
    repeats: bool
    """Whether the request is that of a recorded run: an older version may have let it avoid what
    it asks for, which a new one may not."""


class RefineOptions(JobOptions, total=False):
    """What `refine` and `arefine` may be given besides the prompt; all optional."""

    out: Path | str
    """Folder that holds the run folders; `runs` by default."""
    private: bool
    """Whether a new run folder is for this user alone (0700); True by default."""
    on_event: Callable[[Event], Awaitable[None] | None]
    """Called with every event, in order; what an async function gives is awaited."""
    on_failure: Literal["raise", "return"]
    """What becomes of a run in which no picture could be judged: the critic's error is raised, by
    default, or the run is given with the first picture as its best."""
    reviewer: Reviewer
    """Decides on new prompts where `policy.review` is set."""
    most_images: int
    """Most pictures of the run, however often who is asked goes on with it; no limit by default.
    For services: the limits of the policy count anew each time."""
    config: RunnableConfig
    """In a node of a LangGraph graph, that node's: its callbacks, tags, metadata and thread id are
    the run's. With a checkpointer the run's state is kept there, and without a `reviewer` its
    questions are interrupts of that graph."""


def require_known(given: Mapping[str, object], *, call: str, known: type[JobOptions]) -> None:
    """Refuse a keyword that nothing would look at.

    Raises:
        ConfigError: there is one; it names the nearest that exists.
    """
    names = known.__annotations__  # those of its bases as well
    for name in given:
        if name not in names:
            if name in Policy.model_fields:
                hint = f"; it is one of the policy: policy=preset('refine', {name}=...)"
            elif name in Budget.model_fields:
                hint = f"; it is a limit: budget={{{name!r}: ...}}"
            else:
                hint = did_you_mean(name, sorted(names))
            raise ConfigError(f"{call}() takes no {name!r}{hint}")


def policy_of(options: JobOptions, start: Policy | None = None) -> Policy:
    """The policy that the options ask for, with what is said beside it.

    Args:
        start: what these change, where it is not for the options to say. Of the limits beside the
            rounds, those of `start` hold also where they name a preset or a table of changes.

    Raises:
        ConfigError: it is none, or what is asked for beside it has no place in it.
    """
    changes: dict[str, Any] = {}
    if "candidates" in options:
        changes["candidates"] = options["candidates"]
    budget = options.get("budget")
    if isinstance(budget, Budget):
        budget = budget.model_dump(exclude_unset=True)
    for name, limit in (("rounds", "rounds"), ("budget_usd", "usd")):
        if name in options and isinstance(budget, Mapping | None):
            value: object = options.get(name)
            budget = {limit: value, **(budget or {})}
            if budget[limit] != value:
                raise ConfigError(
                    f"{name} = {value!r} and budget has {limit} = {budget[limit]!r}: "
                    "give one of them"
                )
    if budget is not None:
        changes["budget"] = budget
    limits = {} if start is None else limits_of(start.budget)
    if start is not None and "policy" not in options:
        if not changes:
            return start
        made = start.model_dump()
        whole = made.pop("budget")
        if isinstance(budget, Mapping):
            changes["budget"] = {**whole, **budget}
        return preset(made.pop("preset"), **{"budget": whole, **made, **changes})
    policy: object = options.get("policy", "refine")
    if isinstance(policy, str):
        return preset(policy, **_within(limits, changes))
    if isinstance(policy, Mapping):
        given = dict(policy)
        for name in changes:
            if name in given:
                raise ConfigError(f"{name} is given twice: in policy and beside it")
        return preset(str(given.pop("preset", "refine")), **_within(limits, given | changes))
    if not isinstance(policy, Policy):
        raise ConfigError(
            f"policy = {policy!r} is none: give a Policy, the name of a preset, or a table of "
            "changes to one"
        )
    if changes:
        beside = " and ".join(n for n in _BESIDE if n in options)
        raise ConfigError(
            f"{beside} beside a whole Policy: say it there, or give the name of a preset as policy"
        )
    return policy


def _within(limits: Mapping[str, float], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, and of these limits those that they do not speak of."""
    budget = changes.get("budget")
    if isinstance(budget, Budget):
        budget = budget.model_dump(exclude_unset=True)
    if budget is None or isinstance(budget, Mapping):
        budget = {**limits, **(budget or {})}
    return {**changes, "budget": budget}


def words_of(name: str, given: object) -> tuple[str, ...]:
    """`keep` or `avoid` as a tuple; a text alone is one phrase.

    Raises:
        ConfigError: something in it is no text.
    """
    phrases = (given,) if isinstance(given, str) else given
    if not isinstance(phrases, Sequence) or not all(isinstance(one, str) for one in phrases):
        raise ConfigError(f"{name} = {given!r}: give a text, or a list of texts")
    return tuple(phrases)


def several(given: object) -> tuple[Any, ...]:
    """Parts as a tuple: a name or an object alone is one."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        return tuple(given)
    return (given,)
