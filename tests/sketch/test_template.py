from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from rr_refine.reward.template import RubricName, Slot, Text, load_template
from rr_refine.sketch.template import sketch_template


def test_it_is_found_by_name(tmp_path: Path) -> None:
    assert load_template("sketch", tmp_path) is sketch_template()
    assert sketch_template().name == "sketch"


@pytest.mark.parametrize("name", get_args(RubricName))
def test_the_sketch_template_is_short_and_has_no_system_message(name: RubricName) -> None:
    rubric = sketch_template().rubric(name)
    words = "".join(part.text for part in rubric.user if isinstance(part, Text))
    assert rubric.system is None
    assert len(words.split()) <= 4
    assert isinstance(rubric.user[0], Slot)
