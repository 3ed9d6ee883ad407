"""The graph: a builder function, and nothing at module level.

    plan -> generate -> critique -> accept -> decide -+-> finish
              ^                                 ^     |
              |                                 |     v
              +---- review <-- (proposal) -- rewrite <+

Where the run would end, `review` asks whether it shall, if the policy says so and the critic is
content; and a person may have said so since (`rr_refine.agent.follow_up`).
From `review` a remark goes to `revise`, which makes it a part of the request, and on to `decide`.
From `generate` a prompt that the generator refuses goes to `decide` too, for another one. `rewrite`
proposes the next prompt; `review` (if the policy asks for it) lets a human decide on it;
without a proposal the run goes back to `decide`, whose rule `repeated-prompt` ends it.
"""

from __future__ import annotations

from copy import copy
from typing import Literal, NoReturn, TypeAlias, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.typing import ContextT, InputT, OutputT, StateT

from rr_refine.agent.ending import asks_at
from rr_refine.agent.nodes.accept import accept
from rr_refine.agent.nodes.context import exclusive
from rr_refine.agent.nodes.critique import critique
from rr_refine.agent.nodes.finish import finish
from rr_refine.agent.nodes.generate import generate
from rr_refine.agent.nodes.plan import plan
from rr_refine.agent.nodes.review import is_spoken_of, review
from rr_refine.agent.nodes.revise import revise
from rr_refine.agent.nodes.rewrite import rewrite
from rr_refine.agent.state import (
    RefineInput,
    RefineOutput,
    RefineState,
    RunContext,
    history_of,
)
from rr_refine.agent.stopping import should_stop
from rr_refine.errors import ConfigError

__all__ = ["AsyncGraph", "RefineGraph", "async_only", "build_graph", "decide", "recursion_limit"]


class AsyncGraph(CompiledStateGraph[StateT, ContextT, InputT, OutputT]):
    """A graph whose nodes are coroutines: it is awaited, by `ainvoke` and `astream`."""

    def invoke(self, *_: object, **__: object) -> NoReturn:
        """Say what to call instead.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "the nodes of this graph are coroutines, which invoke() and stream() cannot run: await "
            "graph.ainvoke(...), or graph.astream(...); a program without an event loop calls "
            "asyncio.run(...) around it, or rr_refine.refine(...)"
        )

    stream = invoke


def async_only(
    graph: CompiledStateGraph[StateT, ContextT, InputT, OutputT],
) -> AsyncGraph[StateT, ContextT, InputT, OutputT]:
    """The same graph, which says so where it is called without being awaited."""
    made = cast("AsyncGraph[StateT, ContextT, InputT, OutputT]", copy(graph))
    made.__class__ = AsyncGraph
    return made


RefineGraph: TypeAlias = AsyncGraph[RefineState, RunContext, RefineInput, RefineOutput]


def build_graph(
    checkpointer: BaseCheckpointSaver[str] | None = None,
) -> RefineGraph:
    """The refine loop as a compiled LangGraph graph.

    Run it with the context that `run_context` gives, `durability="sync"` and, for typed events,
    `stream_mode="custom"`. See examples/embed_graph.py.

    Args:
        checkpointer: where to keep the state between steps; needed for `policy.review`, and to
            resume. Async checkpointers only (`AsyncSqliteSaver`, `AsyncPostgresSaver`,
            `InMemorySaver`): the nodes are coroutines.
    """
    graph: StateGraph[RefineState, RunContext, RefineInput, RefineOutput] = StateGraph(
        RefineState,
        context_schema=RunContext,
        input_schema=RefineInput,
        output_schema=RefineOutput,
    )
    for node in (plan, generate, critique, accept):
        graph.add_node(exclusive(node))
    graph.add_node(decide)
    for node in (rewrite, review, revise, finish):
        graph.add_node(exclusive(node))
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", _after_plan)
    graph.add_conditional_edges("generate", _after_generate)
    graph.add_edge("critique", "accept")
    graph.add_edge("accept", "decide")
    graph.add_conditional_edges("decide", _after_decide)
    graph.add_conditional_edges("rewrite", _after_rewrite)
    graph.add_conditional_edges("review", _after_review)
    graph.add_edge("revise", "decide")
    graph.add_edge("finish", END)
    return async_only(graph.compile(checkpointer=checkpointer, name="rr-refine"))


async def decide(state: RefineState) -> RefineState:
    """The node that asks the stopping rules; the one that fires is the run's stop."""
    return {"stop": should_stop(history_of(state))}


def recursion_limit(rounds: int) -> int:
    """LangGraph's `recursion_limit` for so many rounds: a net below the stopping rules."""
    return 20 + 100 * rounds


# Coroutines: LangGraph gives each decision of a plain function to a thread.


async def _after_plan(state: RefineState) -> Literal["generate", "rewrite"]:
    return "rewrite" if state["policy"].rewrite_first else "generate"


async def _after_generate(state: RefineState) -> Literal["critique", "decide"]:
    """Without a picture or a fault the prompt was set aside, and the round is still to come."""
    declined = state.get("declined", ())
    done = state["candidates"][-1].round + 1 if state["candidates"] else 0
    return "decide" if declined and declined[-1].round == done else "critique"


async def _after_decide(
    state: RefineState, runtime: Runtime[RunContext]
) -> Literal["finish", "rewrite", "review"]:
    if state["stop"] is None:
        return "rewrite"
    asks = asks_at(state["policy"], state["stop"]) or is_spoken_of(state, runtime.context)
    return "review" if asks else "finish"


async def _after_rewrite(state: RefineState) -> Literal["review", "generate", "decide"]:
    if state["proposal"] is None:
        return "decide"
    # Before the first render there is nothing to review a prompt against.
    return "review" if state["policy"].review and state["candidates"] else "generate"


async def _after_review(
    state: RefineState, runtime: Runtime[RunContext]
) -> Literal["generate", "rewrite", "revise", "decide", "review", "finish"]:
    if state.get("stop") is not None:  # it is taken; but maybe something was said after that
        return "review" if is_spoken_of(state, runtime.context) else "finish"
    if state["user_stop"] is not None:
        return "decide"
    history = history_of(state)
    if state.get("remark") or (history.incumbent and history.incumbent.revision < history.revision):
        return "revise"
    return "rewrite" if state["retry_rewrite"] else "generate"
