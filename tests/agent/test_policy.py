from __future__ import annotations

from typing import get_args

import pytest
from pydantic import JsonValue, ValidationError

from rr_refine.agent.acceptance import Weighed, weigh_round
from rr_refine.agent.budget import Budget, Spend
from rr_refine.agent.history import History
from rr_refine.agent.policy import PRESETS, Policy, PresetName, preset
from rr_refine.agent.stopping import should_stop
from rr_refine.errors import ConfigError
from tests.agent.builders import candidate, edit, t2i

# -- what the presets mean ---------------------------------------------------------------------


def test_paper_is_the_loop_of_the_paper() -> None:
    paper = preset("paper")
    assert paper.target == 3.0
    assert paper.budget.rounds == 2  # the render and at most one refinement
    assert paper.acceptance == "always"
    assert paper.seeds == "same"
    assert paper.candidates == 1
    assert paper.rewriters == ("critic",)
    assert not paper.rewrite_first
    assert not paper.review


@pytest.mark.parametrize(
    ("scores", "stop"),
    [
        (edit(3.0, 3.0, 3.0), "target"),
        (edit(4.0, 2.99, 4.0), None),  # the reference code forgets image faithfulness
        (edit(4.0, 4.0, 4.0, 2.9), None),  # and text rendering
        (edit(2.0, 4.0, 4.0), None),
    ],
)
def test_paper_refines_where_any_applicable_dimension_is_below_three(
    scores: dict[str, float | None], stop: str | None
) -> None:
    first = candidate("r0c0", scores, verdict="first")  # type: ignore[arg-type]
    found = should_stop(History(preset("paper"), Spend(images=1), (first,), (), "r0c0"))
    assert (found.rule if found else None) == stop


def test_paper_takes_the_refined_image_as_it_is_and_stops() -> None:
    first = candidate("r0c0", edit(4.0, 4.0, 2.9), verdict="first")
    ruined = candidate("r1c0", edit(1.0, 1.0, 1.0))
    result = weigh_round([ruined], [first], first, preset("paper"), {})
    assert isinstance(result, Weighed)
    assert result.incumbent is not None
    assert result.incumbent.id == "r1c0"
    end = should_stop(
        History(preset("paper"), Spend(images=2), (first, *result.candidates), (), "r1c0")
    )
    assert end is not None
    assert end.rule == "max-rounds"


def test_one_shot_renders_one_image() -> None:
    policy = preset("one-shot")
    assert (policy.budget.rounds, policy.candidates, policy.rewrite_first) == (1, 1, False)


def test_best_of_n_is_four_seeds_of_the_request_and_the_highest_mean() -> None:
    policy = preset("best-of-n")
    assert (policy.budget.rounds, policy.candidates, policy.rewrite_first) == (1, 4, False)
    low_but_higher = [
        candidate("r0c0", t2i(3.0, 3.0)),
        candidate("r0c1", t2i(2.0, 4.0), errors={"physical_quality": 1.0}),
        candidate("r0c2", t2i(1.9, 4.0)),
        candidate("r0c3", t2i(2.0, 4.01)),
    ]
    result = weigh_round(low_but_higher, [], None, policy, {})
    assert isinstance(result, Weighed)
    assert result.incumbent is not None
    assert result.incumbent.id == "r0c3"


@pytest.mark.parametrize(("name", "count"), [("blind-rewrite", 1), ("blind-rewrite-best-of-n", 4)])
def test_blind_rewriting_sees_no_picture_first(name: str, count: int) -> None:
    policy = preset(name)
    assert policy.rewrite_first
    assert (policy.budget.rounds, policy.candidates) == (1, count)
    assert policy.rewriters == ("companions", "rules")  # the critic's request needs a picture


def test_blind_best_of_n_differs_from_best_of_n_in_the_prompt_only() -> None:
    blind = preset("blind-rewrite-best-of-n").model_dump()
    plain = preset("best-of-n").model_dump()
    differing = {key for key in blind if blind[key] != plain[key]}
    assert differing == {"preset", "rewrite_first", "rewriters"}


def test_refine_is_the_default() -> None:
    assert preset("refine") == Policy()
    assert Policy().acceptance == "better"
    assert Policy().target == 3.0
    assert set(Policy().guard) == {"text_faithfulness", "image_faithfulness", "text_rendering"}


def test_rewrite_first_is_refine_that_begins_with_a_rewritten_prompt() -> None:
    changed, usual = preset("rewrite-first").model_dump(), preset("refine").model_dump()
    assert {key for key in usual if usual[key] != changed[key]} == {"preset", "rewrite_first"}


def test_every_preset_has_a_name_and_says_it() -> None:
    assert set(PRESETS) == set(get_args(PresetName))
    for name in PRESETS:
        assert preset(name).preset == name


# -- changes -----------------------------------------------------------------------------------


def test_changes_are_laid_over_the_preset() -> None:
    policy = preset("best-of-n", candidates=8, target=3.5, budget={"images": 6})
    assert (policy.candidates, policy.target) == (8, 3.5)
    assert policy.budget == Budget(rounds=1, images=6)
    assert policy.acceptance == "highest"


def test_a_budget_may_be_given_as_one() -> None:
    assert preset("paper", budget=Budget(images=1)).budget == Budget(rounds=2, images=1)
    assert preset("refine", budget=Budget(rounds=7)).budget.rounds == 7
    assert preset("refine", budget=None).budget == Budget()


FIXED: list[tuple[str, dict[str, JsonValue]]] = [
    ("paper", {"budget": {"rounds": 3}}),
    ("paper", {"acceptance": "better"}),
    ("paper", {"seeds": "fresh"}),
    ("paper", {"candidates": 2}),
    ("paper", {"patience": 2}),  # the default of the other presets
    ("paper", {"rewriters": ["rules"]}),
    ("paper", {"rewriters": ["critic", "rules"]}),
    ("paper", {"rewrite_first": True}),
    ("paper", {"preset": "refine"}),
    ("one-shot", {"budget": {"rounds": 2}}),
    ("one-shot", {"candidates": 4}),
    ("one-shot", {"rewrite_first": True}),  # that is blind-rewrite
    ("one-shot", {"acceptance": "always"}),
    ("one-shot", {"seeds": "fresh"}),
    ("one-shot", {"patience": 1}),
    ("best-of-n", {"budget": {"rounds": 2}}),
    ("best-of-n", {"acceptance": "always"}),
    ("best-of-n", {"margin": 2.0}),  # not looked at
    ("paper", {"target": None}),
    ("paper", {"guard": []}),
    ("best-of-n", {"rewrite_first": True}),
    ("blind-rewrite", {"rewrite_first": False}),
    ("blind-rewrite", {"candidates": 2}),
    ("blind-rewrite-best-of-n", {"rewrite_first": False}),
    ("blind-rewrite-best-of-n", {"budget": {"rounds": 2}}),
]


@pytest.mark.parametrize(("name", "change"), FIXED)
def test_what_defines_a_preset_is_fixed(name: str, change: dict[str, JsonValue]) -> None:
    key = next(iter(change))
    with pytest.raises(
        ConfigError, match=rf"^(budget\.)?\w+ = .* the preset '{name}'.*refine"
    ) as error:
        preset(name, **change)
    assert key in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", PRESETS)
def test_saying_what_is_so_anyway_is_no_change(name: str) -> None:
    policy = preset(name)
    said = policy.model_dump(mode="json")  # lists, as a config file has them
    assert preset(name, **said) == policy


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        pytest.param("refined", {}, "unknown preset 'refined' (did you mean 'refine'?)", id="name"),
        pytest.param("xyz", {}, "unknown preset 'xyz'", id="nothing like it"),
        pytest.param(
            "refine", {"magin": 0.1}, "unknown setting 'magin' (did you mean 'margin'?)", id="field"
        ),
        pytest.param(
            "refine",
            {"budget": {"image": 3}},
            "unknown setting 'budget.image' (did you mean 'images'?)",
            id="limit",
        ),
        pytest.param("refine", {"budget": 3}, "budget = 3 is no table of limits", id="no budget"),
        pytest.param(
            "refine",
            {"margin": -1.0},
            "preset 'refine': margin = -1.0: it must be 0.0 or more",
            id="out of range",
        ),
        pytest.param("refine", {"target": 4.5}, "target = 4.5", id="target out of range"),
        pytest.param("refine", {"candidates": 0}, "candidates = 0", id="no candidate"),
        pytest.param("refine", {"guard": ["beauty"]}, "guard.0 = 'beauty'", id="no dimension"),
        pytest.param(
            "refine", {"budget": {"rounds": 0}}, "budget.rounds = 0", id="limit out of range"
        ),
        pytest.param(
            "refine",
            {"rewriters": []},
            "preset 'refine': a prompt can only be rewritten with at least one rewriter",
            id="nobody to rewrite",
        ),
        pytest.param(
            "blind-rewrite", {"rewriters": []}, "at least one rewriter", id="nobody, blind"
        ),
        pytest.param(
            "refine",
            {"acceptance": "always", "candidates": 2},
            "acceptance 'always' takes each new image, so there can be only one candidate",
            id="always, and several",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(
    name: str, change: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        preset(name, **change)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_one_name_is_a_list_of_one() -> None:
    policy = preset("refine", stop_rules="mine", rewriters="rules", guard="text_rendering")
    assert policy == preset(
        "refine", stop_rules=["mine"], rewriters=["rules"], guard=["text_rendering"]
    )
    assert policy.stop_rules == ("mine",)
    assert preset("paper", rewriters="critic") == preset("paper")
    with pytest.raises(ConfigError, match="rewriters = 'rules' has no place in the preset"):
        preset("paper", rewriters="rules")


def test_one_round_needs_no_rewriter() -> None:
    assert preset("one-shot", rewriters=[]).rewriters == ()


def test_a_policy_is_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        Policy().margin = 0.0  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Policy.model_validate({"margins": 0.1})
