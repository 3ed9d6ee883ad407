"""What the numbers of a benchmark are, in words."""

from __future__ import annotations

from rr_refine.benchmarks.item import WORSE_BY

__all__ = ["definitions"]


def definitions(worse_by: float = WORSE_BY) -> dict[str, str]:
    """What the numbers are, in words; part of results.json."""
    return {
        "exact": "Share of items whose result is exact: all that was asked for is there and "
        "nothing else, by the benchmark's grader, which no arm has seen; of a judge that grades, "
        "the best grade there is. An item without a picture, or without a mark, is not.",
        "score": "Mean score of the results over items by the same grader, on the benchmark's "
        "scale (micro average). An item without a picture, or without a mark, has the lowest.",
        "overall": "Plain mean of the benchmark's dimensions (macro average). A dimension that no "
        "item has is left out of it.",
        "dimensions": "Sum of what the results got over the sum of what there was to get, for "
        "each dimension, finer ones included. What has no mark got the lowest.",
        "score_counted, overall_counted": "The same over those results alone that have a mark, as "
        "official scripts have it, which leave out what failed.",
        "coverage": "How many items, with a picture and with a mark; why the others have none.",
        "unfinished": "Items that not every arm has a trial of: they are in none of the numbers.",
        "renders": "Mean number of pictures rendered per item. Pictures that arms have in common "
        "are rendered once and counted in each.",
        "critic_calls, tokens": "Mean answers asked of the critic per item, and their tokens, "
        "prompt and answer. Answers that arms have in common are counted in each.",
        "text_right": "Share of results in which evidence found all of the lettering that was "
        "asked for, of those in which it looked for some. What it could not read is not right.",
        "text_said": "Share of the same results whose text rendering the critic itself, without "
        "caps, gave 3.0 or more.",
        "seconds": "Mean seconds of a run, waiting for models that other runs use included.",
        "triggered": "Share of items on which the loop tried more than its first picture.",
        "curve": "What the arm would have returned with 1, 2, … renders allowed: its recorded "
        "run, weighed again under that budget. `spent` is what it would have used of them.",
        "interval": "95 %. Of a measure whose scale has ends: Wilson's score interval, for the "
        "effective number of groups (Korn and Graubard) where items of one group, such as samples "
        "of one prompt, are alike; else Student's t. None where it cannot be told: of one group, "
        "or where nothing varies on a scale without known ends.",
        "difference": "Arm less baseline over the same items; shares in points of 1. Paired: of "
        "shares the adjusted interval of Bonett and Price, with the variance of groups; of other "
        "measures Student's t.",
        "win_tie_loss": "Items whose result scores higher than, the same as, and lower than that "
        "of one-shot.",
        "lost": "Regression by exactness: the arm's first picture (round 0, candidate 0) was "
        "exact, its result is not. Share of all items.",
        "worse": f"Regression by score: the result scores more than {worse_by:g} below the arm's "
        "first picture. Share of all items.",
        "regressed": "Lost, or worse, or both. Share of all items.",
        "failed": "Runs that ended by a fault of generator or critic, or with an error. They are "
        "held to what they returned, and are tried again when the benchmark is resumed.",
        "faults": "Renders and judgements that failed, in all runs of the arm.",
        "noise": "The same pictures judged twice by the same judge: mean absolute difference of "
        "their scores, and the share whose verdict, exact or not, is another.",
        "official": "What the official script would have written for these judgements, by arm: "
        "what it drops is dropped.",
    }
