from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.studio.visitor import Visitor, opened


@pytest.fixture
async def visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Visitor]:
    """Somebody at a studio on loopback, with fakes that never fail."""
    monkeypatch.chdir(tmp_path)
    async with opened(tmp_path / "runs") as visitor:
        yield visitor
