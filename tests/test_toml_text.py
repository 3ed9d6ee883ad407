"""Settings and recipes that hold what no setting is: refused by whoever reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rr_refine.cli.layers import read_file, value_of
from rr_refine.errors import ConfigError
from rr_refine.toml_text import MAX_SETTINGS
from rr_refine.training.nft.config import load_recipe as load_nft
from rr_refine.training.parrot.config import read_config
from rr_refine.training.parrot.recipe import load_recipe as load_sft

READERS: dict[str, Callable[[Path], object]] = {
    "settings": lambda path: read_file(path, 0),
    "nft": load_nft,
    "parrot sft": load_sft,
    "parrot run": read_config,
}
VALUES = {
    "1979-05-27": "x.y = 1979-05-27 is a date",
    "07:32:00": "is a time",
    "1979-05-27T07:32:00Z": "is a datetime",
    "[{z = [1979-05-27]}]": r"x.y\[0\].z\[0\] = 1979-05-27",
    f"0x{'F' * 5000}": "x.y is a number of more than 300 digits",
    f"-{'9' * 400}": "x.y is a number of more than 300 digits",
    "9" * 5000: "cannot be read|is not valid TOML",
    "nan": "x.y = nan is no number",
    "-inf": "x.y = -inf is no number",
    "[" * 5000: "nested too deeply",
    ".".join(["a"] * 66) + " = 1": "more than 64 parts",
    "[" + " . ".join(['"a b"', "b"] * 33) + "]": "more than 64 parts",
    "x = {" + ".".join(["a"] * 66) + " = 1}": "more than 64 parts",
    '"a\\u0000b"': "NUL",
    f'"{"x" * MAX_SETTINGS}"': "1,000,000 bytes",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:20])
def test_values_that_no_setting_has(tmp_path: Path, reader: str, value: str) -> None:
    path = tmp_path / "file.toml"
    path.write_text(f"[x]\ny = {value}\n")
    with pytest.raises(ConfigError, match=VALUES[value]) as caught:
        READERS[reader](path)
    assert "file.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", "1e999", "9" * 5000, "[" * 100_000, "1979-05-27"])
def test_what_is_no_such_value_is_text_on_the_command_line(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize("value", ["NaN", "1e999", "9" * 400])
def test_json_has_the_same_rules(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(f'{{"settings": {{"loop.margin": {value}}}}}')
    with pytest.raises(ConfigError, match=r"no JSON number|no number that|300 digits"):
        read_file(path, 0)


def test_what_is_checked_of_a_recipe_is_what_is_used(tmp_path: Path) -> None:
    """Whoever writes the file anew meanwhile changes nothing."""
    path = tmp_path / "recipe.toml"
    path.write_text('model = "a"\ndata = "b"\ncritic = {use = "fake"}\n')
    seen = []

    def check(file: Path, data: bytes, fields: object) -> None:
        seen.append((file, data, fields))
        file.write_text('model = "evil:code"\n')

    recipe = load_nft(path, {"epochs": 3}, check)
    assert (recipe.model, recipe.epochs) == ("a", 3)
    ((file, data, fields),) = seen
    assert (file, data[:11]) == (path, b'model = "a"')
    assert fields == {"model": "a", "data": "b", "critic": {"use": "fake"}}
