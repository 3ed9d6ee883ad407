"""The oracle grades; it is never part of what it grades."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "rr_refine"
ORACLE = {f"rr_refine.sketch.oracle.{name}" for name in ("reading", "grading")}
LOOP = (
    "rr_refine",
    "rr_refine.agent.refine",
    "rr_refine.agent.graph",
    "rr_refine.agent.rewriting.critic",
    "rr_refine.agent.rewriting.rules",
    "rr_refine.agent.rewriting.llm",
    "rr_refine.sketch.generator",
    "rr_refine.sketch.critic",
    "rr_refine.sketch.rewriter",
    "rr_refine.sketch.intent",
    "rr_refine.reward.transformers",
    "rr_refine.reward.openai",
    "rr_refine.cli.refine",
)


def file_of(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


class Running(ast.NodeTransformer):
    """What is left when a program runs: without imports for types."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports_of(module: str) -> set[str]:
    """Every module of ours that `module` imports anywhere, in functions too."""
    file = file_of(module)
    assert file is not None, module
    found: set[str] = set()
    for node in ast.walk(Running().visit(ast.parse(file.read_text("utf-8")))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith("rr_refine") and file_of(name)}


def reach_of(*modules: str) -> set[str]:
    seen: set[str] = set()
    owed = list(modules)
    while owed:
        module = owed.pop()
        if module not in seen:
            seen.add(module)
            owed += imports_of(module)
    return seen


def test_nothing_of_the_loop_can_reach_the_oracle() -> None:
    assert reach_of(*LOOP) & ORACLE == set()


def test_what_labels_and_grades_does_reach_it() -> None:
    """The walk above would find it."""
    assert reach_of("rr_refine.sketch.training.critic.teacher") >= ORACLE
