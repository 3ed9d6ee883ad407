from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.generators.comfyui.standin import StandIn, running


@pytest.fixture
def comfyui() -> Iterator[StandIn]:
    with running() as standin:
        yield standin
