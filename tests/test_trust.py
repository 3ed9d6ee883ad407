"""What is loaded from elsewhere: weights that are only numbers, and no code.

The walk looks at the calls themselves, so that no default of a library decides.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_layout import ROOT, modules

NO_WEIGHTS = {
    *("AutoConfig", "AutoImageProcessor", "AutoProcessor", "AutoTokenizer", "CLIPProcessor"),
    "PeftConfig",
}
NO_CODE = {"AutoencoderTiny", "PeftConfig", "PeftModel"}
"""Loaders that have no way to run a model's own code."""
CHECKED = {"PeftModel"}
"""Takes no `use_safetensors`: what calls it looks for the file."""

LOADERS = {"from_pretrained", "from_single_file", "load_lora_weights", "load_adapter"}
PICKLES = {("pickle", "load"), ("pickle", "loads"), ("joblib", "load"), ("dill", "load")}


def careless(tree: ast.AST) -> list[str]:
    """Calls that leave open whether code or pickles are loaded, by line."""
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        said = {
            k.arg: k.value.value if isinstance(k.value, ast.Constant) else ...
            for k in node.keywords
        }
        name = node.func.attr
        missing = []
        if name in LOADERS:
            if owner not in NO_WEIGHTS | CHECKED and said.get("use_safetensors") is not True:
                missing.append("use_safetensors=True")
            needs_no = owner in NO_CODE or name in ("load_lora_weights", "load_adapter")
            if not needs_no and said.get("trust_remote_code") is not False:
                missing.append("trust_remote_code=False")
        elif (owner, name) == ("torch", "load") and said.get("weights_only") is not True:
            missing.append("weights_only=True")
        elif (owner, name) in PICKLES or (name == "load" and said.get("allow_pickle") is True):
            missing.append("no pickle")
        elif name in ("snapshot_download", "load_dataset") or owner == "hub":
            missing.append("another way")
        found += [f"line {node.lineno}: {name} without {what}" for what in missing]
    return found


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_code_and_no_pickles_come_with_a_model(module: Path) -> None:
    assert careless(ast.parse((ROOT / module).read_text())) == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("X.from_pretrained(a, use_safetensors=True, trust_remote_code=False)", 0),
        ("X.from_pretrained(a)", 2),
        ("type(m).from_pretrained(a, use_safetensors=True)", 1),
        ("X.from_pretrained(a, use_safetensors=safe, trust_remote_code=False)", 1),
        ("AutoProcessor.from_pretrained(a)", 1),
        ("X.from_single_file(a, use_safetensors=True, trust_remote_code=True)", 1),
        ("pipe.load_lora_weights(a)", 1),
        ("torch.load(a)", 1),
        ("torch.load(a, weights_only=True)", 0),
        ("pickle.loads(a)", 1),
        ("np.load(a, allow_pickle=True)", 1),
        ("json.load(a)", 0),
        ("torch.hub.load(a)", 0),
    ],
)
def test_what_counts_as_careless(code: str, count: int) -> None:
    assert len(careless(ast.parse(code))) == count
