"""Every recipe that the package carries, on a tiny pipeline of its family."""

from __future__ import annotations

import pytest

from rr_refine.errors import ConfigError
from rr_refine.training.nft.config import builtin_recipes, load_recipe
from rr_refine.training.nft.dry_run import dry_run


@pytest.mark.parametrize("name", builtin_recipes())
def test_a_recipe_takes_two_steps(name: str) -> None:
    result = dry_run(load_recipe(name))
    assert result.moved > 1e-4 and result.trained_weights > 100


def test_a_dry_run_needs_to_know_the_family() -> None:
    with pytest.raises(ConfigError, match="pipeline = None: a dry run needs the class"):
        dry_run(load_recipe("sketch").model_copy(update={"pipeline": None}))
