"""How benchmarks are found, and parted."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.benchmarks.item import Benchmark, Item
from rr_refine.benchmarks.loader import BenchmarkLoader, benchmark_names, find_loader, part_of
from rr_refine.errors import ConfigError
from tests.commands import Commands


def test_the_built_in_ones_come_through_the_door() -> None:
    names = {"gedit", "geneval", "imgedit", "picabench", "sketch", "unigenbench"}
    assert names <= set(benchmark_names())
    assert all(issubclass(find_loader(name), BenchmarkLoader) for name in names)
    with pytest.raises(
        ConfigError, match=r"unknown benchmark 'imgedt' \(did you mean 'imgedit'\?\)"
    ):
        find_loader("imgedt")


def test_parts_keep_the_samples_of_a_prompt_together() -> None:
    items = [Item(f"{prompt}_{n}", "a hat", group=prompt) for prompt in "abc" for n in range(2)]
    whole = Benchmark("hats", items)
    parts = [part_of(whole, index, 2) for index in (1, 2)]
    assert [[item.id for item in part.items] for part in parts] == [
        ["a_0", "a_1", "c_0", "c_1"],
        ["b_0", "b_1"],
    ]
    assert len(whole.items) == 6
    with pytest.raises(ConfigError, match="part 4 of 4 is empty: there are 3 prompts"):
        part_of(whole, 4, 4)


def test_an_option_that_a_benchmark_does_not_have(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    ended = commands.run("bench", "preflight", "sketch", "--data", ".", "--pictures", ".")
    assert (ended.code, "benchmark 'sketch' has no option --data" in ended.stderr) == (2, True)
