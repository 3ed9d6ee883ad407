"""Every package that is imported is declared: its distribution is a dependency, or in an extra."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.test_layout import PROJECT, ROOT, modules

DISTRIBUTIONS = packages_distributions()


def names_of(requirements: list[str]) -> set[str]:
    """Distribution names, normalised; those of this package's own extras are left out."""
    found = {re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in requirements}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found} - {"rr-refine"}


CORE = names_of(PROJECT["project"]["dependencies"])
EXTRAS = {
    name: names_of(requirements)
    for name, requirements in PROJECT["project"]["optional-dependencies"].items()
}
PRODUCT = CORE.union(*(found for name, found in EXTRAS.items() if name not in ("test", "dev")))
ANY = PRODUCT.union(*EXTRAS.values())


def packages(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that are imported, wherever the import stands, by name too."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Name(id="import_module" | "find_spec")
                | ast.Attribute(attr="import_module" | "find_spec" | "importorskip"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name.partition(".")[0]


def undeclared(source: Path, declared: set[str]) -> dict[str, list[str]]:
    """Packages imported in a file whose distribution is not declared: name -> distributions."""
    ours = {"rr_refine", "tests", *(p.stem for p in source.parent.glob("*.py"))}
    ours |= {p.name for p in source.parent.iterdir() if p.is_dir()}
    ours |= {parent.name for parent in source.parents if ROOT in parent.parents}
    found = {}
    for package in set(packages(ast.parse(source.read_text()))):
        if package in ours or package in sys.stdlib_module_names:
            continue
        owners = [re.sub(r"[-_.]+", "-", d).lower() for d in DISTRIBUTIONS.get(package, [])]
        if not set(owners or [package.replace("_", "-")]) & declared:
            found[package] = owners
    return found


@pytest.mark.parametrize("module", modules(), ids=str)
def test_the_product_imports_what_it_declares(module: Path) -> None:
    # A contract is run by the tests of whoever has a part of their own, with the pytest they have.
    tools = {"pytest"} if module.name == "contract.py" else set()
    assert undeclared(ROOT / module, PRODUCT | tools) == {}


OTHERS = sorted(
    path.relative_to(ROOT)
    for folder in ("tests", "examples", "docs")
    for path in (ROOT / folder).rglob("*.py")
    if "vllm" not in path.parts  # in an environment of its own, see .ci/vllm
)


@pytest.mark.parametrize("module", OTHERS, ids=str)
def test_tests_and_examples_import_what_is_declared(module: Path) -> None:
    assert undeclared(ROOT / module, ANY) == {}


def heads(tree: ast.Module) -> Iterator[str]:
    """Packages that are imported when the module is."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from packages(node)


def test_what_the_command_line_loads_first_needs_no_extra() -> None:
    for module in modules():
        # Nor does it load contracts, which are for the tests of others.
        if module.parts[0] in ("cli", "agent", "src") and module.name != "contract.py":
            for package in set(heads(ast.parse((ROOT / module).read_text()))):
                owners = {re.sub(r"[-_.]+", "-", d).lower() for d in DISTRIBUTIONS.get(package, [])}
                known = package in sys.stdlib_module_names or package == "rr_refine"
                assert known or owners & CORE, f"{module}: {package}"


def test_an_import_that_nobody_declared_is_found(tmp_path: Path) -> None:
    module = tmp_path / "new.py"
    module.write_text(
        "import os, requests\nfrom PIL import Image\nimport_module('yaml.loader')\n"
        "def f():\n    import no_such_package.inner\n"
    )
    assert set(undeclared(module, CORE)) == {"requests", "yaml", "no_such_package"}
