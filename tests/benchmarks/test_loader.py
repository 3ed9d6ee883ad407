"""How benchmarks are found, and parted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rr_refine.benchmarks.item import Benchmark, Item
from rr_refine.benchmarks.loader import BenchmarkLoader, benchmark_names, find_loader, part_of
from rr_refine.errors import ConfigError
from tests.commands import Commands
from tests.installed import install


def test_the_built_in_ones_come_through_the_door() -> None:
    names = {"gedit", "geneval", "imgedit", "picabench", "sketch", "unigenbench"}
    assert names <= set(benchmark_names())
    assert all(issubclass(find_loader(name), BenchmarkLoader) for name in names)
    with pytest.raises(
        ConfigError, match=r"unknown benchmark 'imgedt' \(did you mean 'imgedit'\?\)"
    ):
        find_loader("imgedt")


@pytest.mark.parametrize(
    "text", ["def broken(:", "len()", "raise SystemExit(3)", "import no_such_module", "1 / 0"]
)
def test_one_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "bad_benchmark.py").write_text(text)
    install(tmp_path, {"benchmarks": {"bad": "bad_benchmark:Bad"}})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bad_benchmark", raising=False)
    with pytest.raises(ConfigError, match="benchmark 'bad' cannot be imported: "):
        find_loader("bad")


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
