from __future__ import annotations

from rr_refine.sketch.critic import SketchCritic, SketchCriticOptions
from tests.benchmarks.guided import judge, questions, summary


async def test_all_answers_are_read_and_those_that_were_stay_as_they_were() -> None:
    outcomes = await judge(questions(30), batch=10)
    assert all(one.guided is not None for one in outcomes), summary(outcomes)
    owed = [one for one in outcomes if one.plain is None]
    assert len(owed) > 3  # else this shows nothing
    assert all(one.guided and one.guided.guided for one in owed)
    for one in outcomes:
        if one.plain is not None and one.guided and not one.guided.guided:
            assert one.guided.raw == one.plain.raw
    # An odd answer that could be read by luck may be another one, and says so.
    assert sum(one.moved for one in outcomes) <= 1, summary(outcomes)


def test_the_identity_names_what_is_not_the_default() -> None:
    bundled = SketchCritic(SketchCriticOptions())
    without = SketchCritic(SketchCriticOptions(guided=False))
    assert without.identity.details["guided"] is False
    # Runs that older versions began go on with the critic as it is now.
    assert "guided" not in bundled.identity.details
    assert {**without.identity.details, "guided": None} == {
        **bundled.identity.details,
        "guided": None,
    }
