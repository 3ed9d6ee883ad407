"""What PARROT's anchored and filtered rationales are worth, against direct distillation.

    python -m tests.benchmarks.ablation PARROT_CRITIC DIRECT_CRITIC [pairs]

Both are folders of critics of one base that were fine-tuned on equally many rows, from
`sft/parrot.jsonl` and `sft/direct.jsonl` of one PARROT folder (`ParrotOptions.direct`). Prints how
often each prefers the picture that the oracle grades higher, on drawn pairs that neither was
trained on, and the difference with its interval.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import islice
from pathlib import Path
from statistics import fmean

from rr_refine.benchmarks.headline import percent, points
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Winner
from rr_refine.sketch.bench.answers import named_misses
from rr_refine.sketch.critic import SketchCritic, SketchCriticOptions
from rr_refine.sketch.training.critic.cases import SketchCase, drawn_cases
from tests.benchmarks.critic_accuracy import Evaluation, LabelledPair, difference, evaluate

SEED = 100_003  # of cases; training has 7


def labelled(case: SketchCase) -> LabelledPair:
    """A case as the oracle labels it: the higher mean is better."""
    a, b = (fmean(s for s in grade.scores.values() if s is not None) for grade in case.grades)
    better: Winner = "tie" if abs(a - b) < 0.1 else "a" if a > b else "b"
    edit = case.source is not None
    missed = [None if edit else frozenset(grade.missed) for grade in case.grades]
    return LabelledPair(
        id=case.key,
        prompt=case.prompt,
        image_a=case.pictures[0],
        image_b=case.pictures[1],
        better=better,
        source=case.source,
        missed_a=missed[0],
        missed_b=missed[1],
    )


def read_missed(assessment: Assessment) -> frozenset[str]:
    """What a critique names as missed."""
    return named_misses(assessment.critiques[0])


async def judge(folder: Path, pairs: list[LabelledPair]) -> Evaluation:
    """One critic's answers about all pairs."""
    critic = SketchCritic(SketchCriticOptions(model=folder, batch=16))
    return await evaluate(critic, pairs, read_missed=read_missed)


def main(parrot: Path, direct: Path, count: int) -> None:
    """Judge with one critic after the other, and print."""
    pairs = [labelled(case) for case in islice(drawn_cases(SEED), count)]
    both = [asyncio.run(judge(folder, pairs)) for folder in (parrot, direct)]
    for name, evaluation in zip(("PARROT", "direct"), both, strict=True):
        for mode in evaluation.modes:
            said = evaluation.summary(mode)
            a = said.accuracy
            more = "" if said.missed_f1 is None else f", faults named F1 {said.missed_f1:.3f}"
            print(
                f"{name:<8} {mode:<10} {percent(a)} of {said.pairs}, "
                f"readable {said.readable:.1%}{more}"
            )
    for mode in both[0].modes:
        d = difference(both[0], both[1], mode)
        print(f"PARROT - direct, {mode}: {points(d)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 300)
