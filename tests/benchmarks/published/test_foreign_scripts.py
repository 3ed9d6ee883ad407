"""The user's copies of official scripts may be anybody's: they are parsed, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rr_refine.benchmarks.published import gedit, geneval2, longtext, picabench, unigenbench, wise
from rr_refine.benchmarks.published.gedit import wording as gedit_wording
from rr_refine.benchmarks.published.geneval2 import prompts as geneval2_prompts
from rr_refine.benchmarks.published.longtext import prompts as longtext_prompts
from rr_refine.benchmarks.published.picabench import wording as picabench_wording
from rr_refine.benchmarks.published.unigenbench.official_prompts import read_wording
from rr_refine.benchmarks.published.wise import prompts as wise_prompts
from rr_refine.errors import ConfigError
from tests.benchmarks.published.unigenbench.files import EVAL_COMMON
from tests.benchmarks.published.wise.files import SCRIPT

READERS: dict[str, Callable[[Path], object]] = {
    gedit.__name__: gedit_wording.read_wording,
    geneval2.__name__: geneval2_prompts.read_wording,
    longtext.__name__: longtext_prompts.read_wording,
    picabench.__name__: picabench_wording.read_wording,
    unigenbench.__name__: lambda file: read_wording(file, "en", ["Style"]),
    wise.__name__: wise_prompts.read_wording,
}
SUM = "+x" * 3000
DEEP = {
    "brackets": "x = " + "(" * 100_000,
    "minus": "x = " + "-" * 100_000 + "1",
    "sum": "x = y" + "+y" * 100_000,
    "calls": "x = y" + "()" * 50_000,
    "field": f"x = f'''{{y{SUM}}}'''",
    "text": f"x = f'''{{prompt}}{{explanation}}{{y{SUM}}}'''",
    "zeros": "x = 1\0",
    "encoding": "# coding: no-such-coding\n",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_too_deep_is_one_error(
    tmp_path: Path, read: Callable[[Path], object], text: str
) -> None:
    file = tmp_path / "script.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"script\.py"):
        read(file)


LAID_OUT = (
    "{prompt:>1500000000}",
    "{prompt:{explanation}}",
    "{prompt!r}",
    "{prompt!r:>1500000000}",
    "{prompt.__class__}",
    "{prompt}" * 60,
    "{prompt}{more}",
)


@pytest.mark.parametrize("field", LAID_OUT)
def test_fields_that_lay_themselves_out_make_no_template(tmp_path: Path, field: str) -> None:
    file = tmp_path / "script.py"
    file.write_text(EVAL_COMMON.replace("{prompt}", field))
    with pytest.raises(ConfigError, match="no template with"):
        read_wording(file, "en", ["Style"])
    file.write_text(EVAL_COMMON)
    assert read_wording(file, "en", ["Style"])[0].template.startswith("Prompt")


@pytest.mark.parametrize("field", LAID_OUT)
def test_nor_in_an_f_string(tmp_path: Path, field: str) -> None:
    own = field.replace("prompt", "prompt_data['Prompt']")
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.replace("{prompt_data['Prompt']}", own))
    with pytest.raises(ConfigError, match="has no text that could be"):
        wise_prompts.read_wording(file)
    text = f"Is it {field}? {{explanation}}"
    file.write_text(SCRIPT.partition("def")[0] + f"x = {text!r}\ny = {{'role': 'system'}}")
    with pytest.raises(ConfigError, match="has no text"):
        wise_prompts.read_wording(file)
