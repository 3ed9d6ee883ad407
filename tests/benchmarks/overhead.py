"""What the graph costs over a hand-written loop, on the same instant fakes.

    python -m tests.benchmarks.overhead [runs]

Both loops render, judge, weigh and rewrite the same way; the hand-written one keeps nothing on
disk. Runs of two lengths tell what a round costs from what a run costs once (folder, lock,
manifest). Prints milliseconds per node and the share of a round of one second
(goals: 3 ms, 1 %).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from rr_refine.agent.acceptance import Weighed, weigh_round
from rr_refine.agent.history import Candidate
from rr_refine.agent.job import Job
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.refine import make_job
from rr_refine.agent.run_context import folder_for
from rr_refine.agent.session import run_job
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity, Task, Usage

SHORT, LONG = 2, 10  # rounds
NODES_PER_ROUND = 5  # generate, critique, accept, decide, rewrite


def policy(rounds: int) -> Policy:
    """A policy that goes through all rounds."""
    return preset("refine", budget={"rounds": rounds}, target=None, patience=None)


class InstantGenerator:
    """A flat picture whose colour tells the prompt."""

    identity = Identity(kind="bench", name="instant")
    tasks: frozenset[Task] = frozenset({"t2i"})

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return Image.new("RGB", (64, 64), (len(request.prompt) % 255 + 1, request.seed % 255, 9))


class InstantCritic:
    """Scores that rise with every call, so that every round is accepted."""

    identity = Identity(kind="bench", name="instant")

    def __init__(self) -> None:
        self.calls = 0

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.calls += 1
        score = 1.0 + 0.25 * self.calls
        critique = Critique(
            task="t2i",
            scores={"text_faithfulness": score, "physical_quality": score, "text_rendering": None},
            rationales=dict.fromkeys(
                ("text_faithfulness", "physical_quality", "text_rendering"), "as asked"
            ),
            refined_request=f"{request.prompt}, take {self.calls}",
            raw="instant",
        )
        return Assessment(critic=self.identity, critiques=(critique,), usage=Usage(calls=1))


def job(number: int, rounds: int) -> Job:
    """A job of its own, so that no run resumes another."""
    return make_job(
        f"a red circle {number}, {rounds} rounds",
        generator=InstantGenerator(),
        critic=InstantCritic(),
        policy=policy(rounds),
    )


async def graph_run(number: int, rounds: int, out: Path) -> float:
    """Seconds of one run of the graph, with its folder and journal."""
    work = job(number, rounds)
    start = time.perf_counter()
    with folder_for(work, out) as folder:
        async for _ in run_job(folder, work):
            pass
    return time.perf_counter() - start


async def hand_run(number: int, rounds: int) -> float:
    """Seconds of the same loop written by hand, keeping nothing."""
    work = job(number, rounds)
    start = time.perf_counter()
    prompt = work.request.prompt
    incumbent: Candidate | None = None
    before: list[Candidate] = []
    for index in range(rounds):
        image = await work.generator.generate(RenderRequest(prompt=prompt, seed=0))
        assessment = await work.critic.critique(
            CritiqueRequest(prompt=work.request.prompt, image=image)
        )
        candidate = Candidate(
            round=index, index=0, prompt=prompt, origin="hand", seed=0, scores=assessment.mean
        )
        weighed = weigh_round([candidate], before, incumbent, work.policy, {})
        assert isinstance(weighed, Weighed)
        before += weighed.candidates
        incumbent = weighed.incumbent
        prompt = assessment.critiques[0].refined_request or prompt
    return time.perf_counter() - start


async def main(runs: int) -> None:
    """Measure in turn, so that noise of the machine falls on all alike."""
    times: dict[tuple[str, int], list[float]] = {
        (kind, rounds): [] for kind in ("graph", "hand") for rounds in (SHORT, LONG)
    }
    with tempfile.TemporaryDirectory() as out:
        await graph_run(-1, SHORT, Path(out))  # imports
        for number in range(runs):
            for rounds in (SHORT, LONG):
                times["graph", rounds].append(await graph_run(number, rounds, Path(out)))
                times["hand", rounds].append(await hand_run(number, rounds))
    median = {key: 1000 * statistics.median(values) for key, values in times.items()}
    graph = (median["graph", LONG] - median["graph", SHORT]) / (LONG - SHORT)
    hand = (median["hand", LONG] - median["hand", SHORT]) / (LONG - SHORT)
    once = median["graph", SHORT] - SHORT * graph
    print(f"{runs} runs each of {SHORT} and {LONG} rounds, medians")
    print(f"hand-written loop  {hand:7.2f} ms a round")
    print(f"graph              {graph:7.2f} ms a round, and {once:.1f} ms once a run")
    print(f"overhead           {(graph - hand) / NODES_PER_ROUND:7.2f} ms a node  (goal 3)")
    print(f"overhead           {(graph - hand) / 10:7.2f} % of a round of one second  (goal 1)")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
