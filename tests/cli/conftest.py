from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Commands


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Runs `rr-refine` in a folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Commands(folder)
