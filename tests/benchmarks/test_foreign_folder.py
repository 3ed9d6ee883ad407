"""Benchmark folders that somebody else made: what is in them is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.benchmarks.join import join
from rr_refine.benchmarks.trial import TrialFile, read_trials
from rr_refine.errors import ConfigError, StoreError
from tests.hostile_files import HOSTILE


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_trials(tmp_path: Path, kind: str) -> None:
    HOSTILE[kind](tmp_path / "trials.jsonl")
    with pytest.raises(StoreError, match=r"trials\.jsonl"):
        list(read_trials(tmp_path))
    with pytest.raises(StoreError, match=r"trials\.jsonl"):
        TrialFile(tmp_path)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_results(tmp_path: Path, kind: str) -> None:
    HOSTILE[kind](tmp_path / "results.json")
    with pytest.raises(ConfigError, match=r"results\.json' cannot be read"):
        join([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
