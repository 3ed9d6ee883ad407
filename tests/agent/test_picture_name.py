"""What people call a picture of a run."""

from __future__ import annotations

import pytest

from rr_refine.agent.picture_name import picture_name


@pytest.mark.parametrize(
    ("candidate", "name"),
    [("r0c0", "round 1"), ("r11c2", "round 12, picture 3"), ("other", "other")],
)
def test_pictures(candidate: str, name: str) -> None:
    assert picture_name(candidate) == name
