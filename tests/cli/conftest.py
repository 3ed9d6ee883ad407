from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands import Commands

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Runs `rr-refine` in a folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Commands(folder)
