"""Where things lie: packages, links, names, and the direction of imports."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import rr_refine

ROOT = Path(__file__).parents[1]
ROOMS = ("agent", "benchmarks", "cli", "generators", "reward", "sketch", "studio", "training")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]


def package_folders() -> dict[str, Path]:
    """Every package on disk: dotted name -> folder."""
    leaf = ROOT / "src" / "rr_refine"
    folders = {"rr_refine": leaf}
    for init in sorted(leaf.glob("*/__init__.py")):
        if not init.parent.is_symlink():
            folders[f"rr_refine.{init.parent.name}"] = init.parent
    for room in ROOMS:
        for init in sorted((ROOT / room).rglob("__init__.py")):
            inside = init.parent.relative_to(ROOT)
            folders[".".join(["rr_refine", *inside.parts])] = init.parent
    return folders


def modules() -> list[Path]:
    """Every module of the product, relative to the root; the links are not followed."""
    leaf = [f for name, f in package_folders().items() if room_of(name) == ""]
    own = [path for folder in leaf for path in sorted(folder.glob("*.py"))]
    rooms = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in own + rooms]


def room_of(module: str) -> str:
    """`rr_refine.agent.graph` -> `agent`; the leaf is ``."""
    second = [*module.split("."), ""][1]
    return second if second in ROOMS else ""


def parse(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


def test_the_packages_are_those_on_disk() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(package_folders())
    mapped = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}
    assert mapped == package_folders()
    assert SETUPTOOLS["include-package-data"] is False


def test_every_module_lies_in_a_package() -> None:
    folders = set(package_folders().values())
    assert [m for m in modules() if (ROOT / m).parent not in folders] == []


def test_data_files_are_named_in_the_project() -> None:
    for name, folder in package_folders().items():
        patterns = SETUPTOOLS["package-data"].get(name, [])
        shipped = {p for pattern in patterns for p in folder.glob(pattern) if p.is_file()}
        below = [f for f in package_folders().values() if f != folder and folder in f.parents]
        data = {
            path
            for path in folder.rglob("*")
            if path.is_file()
            and path.suffix not in (".py", ".pyc")
            and not any(other in path.parents for other in below)
            and not any((folder / room) in path.parents for room in ROOMS)
        }
        assert data == shipped, name


@pytest.mark.parametrize("room", ROOMS)
def test_the_links_for_static_tools(room: str) -> None:
    link = ROOT / "src" / "rr_refine" / room
    assert link.is_symlink()
    assert link.readlink() == Path("..", "..", room)
    assert link.resolve() == ROOT / room


def test_no_folder_of_the_root_hides_the_package() -> None:
    assert not (ROOT / "rr_refine").exists()


def test_entry_points() -> None:
    groups = {
        "console_scripts": PROJECT["project"]["scripts"],
        **PROJECT["project"]["entry-points"],
    }
    for group, entries in groups.items():
        for name, target in entries.items():
            module, _, attribute = target.partition(":")
            path = module.replace("rr_refine.", "", 1).replace(".", "/")
            assert any((ROOT / f"{path}{end}").exists() for end in (".py", "/__init__.py")), target
            (installed,) = entry_points(group=group, name=name)
            assert installed.value == target
            assert callable(getattr(importlib.import_module(module), attribute))


def test_the_facade_is_what_it_says() -> None:
    for name in rr_refine.__all__:
        assert getattr(rr_refine, name) is not None
    assert dir(rr_refine) == sorted(rr_refine.__all__)
    public = {n for n in vars(rr_refine) if not n.startswith("_")}
    shadows = {path.stem for path in (ROOT / "src" / "rr_refine").iterdir()}
    helpers = {"annotations", "import_module", "TYPE_CHECKING"}
    assert public - shadows - helpers <= set(rr_refine.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = rr_refine.no_such_name


@pytest.mark.parametrize("module", modules(), ids=str)
def test_every_module_says_what_it_is(module: Path) -> None:
    tree = parse(module)
    docstring = ast.get_docstring(tree)
    assert docstring
    assert len(docstring) > 10, "a docstring that says nothing"
    assert len((ROOT / module).read_text().splitlines()) <= 400
    defined = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.Assign)]
    if defined or module.name != "__init__.py":
        exported = [n for n in tree.body if isinstance(n, ast.Assign) and _names(n) == ["__all__"]]
        assert len(exported) == 1
        names = ast.literal_eval(exported[0].value)
        assert len(set(names)) == len(names)


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def imports(tree: ast.AST) -> Iterator[str]:
    """Names of imported modules, wherever they stand: for type checkers and late ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


BELOW_THE_LOOP = {"", "generators", "reward"}
PRODUCT = {"", "generators", "reward", "agent", "training", "benchmarks", "studio", "cli"}
MAY_IMPORT = {
    "": {""},
    "generators": {"", "generators"},
    "reward": {"", "reward"},
    "agent": BELOW_THE_LOOP | {"agent"},
    "training": BELOW_THE_LOOP | {"training"},
    "benchmarks": BELOW_THE_LOOP | {"agent", "benchmarks"},
    "studio": BELOW_THE_LOOP | {"agent", "studio"},
    "cli": PRODUCT,
    # The small world comes in by entry points, as anybody's parts do: no room imports it.
    "sketch": PRODUCT | {"sketch"},
}


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_go_one_way(module: Path) -> None:
    if module == Path("src/rr_refine/__init__.py"):
        return  # the facade gives names of all rooms, when they are asked for
    room = module.parts[0] if module.parts[0] in ROOMS else ""
    ours = [name for name in imports(parse(module)) if name.split(".")[0] == "rr_refine"]
    assert [name for name in ours if room_of(name) not in MAY_IMPORT[room]] == []


def branches_on_the_small_world(tree: ast.AST) -> list[int]:
    """Lines that import the small world, or decide by its name: `== "sketch"`, `in (…)`, `case`."""
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any(room_of(name) == "sketch" for name in imports(node)):
                lines.add(node.lineno)
            continue
        conditions: list[ast.AST] = []
        if isinstance(node, ast.Compare | ast.MatchValue):
            conditions = [node]
        elif isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            conditions = [node.test]
        elif isinstance(node, ast.comprehension):
            conditions = [*node.ifs]
        for condition in conditions:
            for part in ast.walk(condition):
                if isinstance(part, ast.Constant) and part.value == "sketch":
                    lines.add(part.lineno)
    return sorted(lines)


@pytest.mark.parametrize("module", [m for m in modules() if m.parts[0] != "sketch"], ids=str)
def test_no_room_knows_that_the_small_world_exists(module: Path) -> None:
    """Its names are data, in `rr_refine.defaults`; what it needs comes in by entry points."""
    assert branches_on_the_small_world(parse(module)) == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("from rr_refine.sketch.plan import plan", [1]),
        ("from rr_refine import sketch", [1]),
        ("def f():\n    import rr_refine.sketch.world", [2]),
        ('if name == "sketch":\n    pass', [1]),
        ('x = 1 if "sketch" != name else 2', [1]),
        ('while use in ("diffusers", "sketch"):\n    pass', [1]),
        ('found = [n for n in names if n not in {"sketch"}]', [1]),
        ('if name.startswith("sketch"):\n    pass', [1]),
        ('match name:\n    case "sketch":\n        pass', [2]),
        ('match name:\n    case "fake" | "sketch":\n        pass', [2]),
        ('GENERATOR = "sketch"', []),
        ('"""The sketch models."""\nif name == GENERATOR:\n    use("sketch")', []),
        ("from rr_refine.training import loop", []),
    ],
)
def test_what_counts_as_knowing_it(code: str, lines: list[int]) -> None:
    assert branches_on_the_small_world(ast.parse(code)) == lines


# The process of a server, or of a decoder, inherits our environment, with something added; the HTTP
# library takes proxies and certificates from there, and what is wrong with them has to be told by
# name. The server of LangGraph hands nothing else over from its owner.
MAY_READ_THE_ENVIRONMENT = {
    Path("agent/server.py"),
    Path("reward/evidence/ocr.py"),  # writes one variable, for a library that reads it
    Path("reward/serve.py"),
    Path("reward/vllm_command.py"),
    Path("src/rr_refine/endpoint/environment.py"),
    Path("src/rr_refine/picture_process.py"),
}


def is_command(module: Path) -> bool:
    """The command line, and what other rooms add to it by entry points."""
    return module.parts[0] == "cli" or module.name == "command.py"


@pytest.mark.parametrize("module", [m for m in modules() if not is_command(m)], ids=str)
def test_only_the_command_line_prints_and_reads_the_environment(module: Path) -> None:
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input", "breakpoint")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            assert name not in ("os.getenv", "os.putenv", "logging.basicConfig", "sys.argv")
            assert name not in ("sys.stdout", "sys.stderr", "sys.stdin")
            assert name != "os.environ" or module in MAY_READ_THE_ENVIRONMENT


def test_one_class_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for module in modules():
        for node in parse(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(module))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


# The one way to the terminal, and what prints the program's own text as it is.
MAY_PRINT = {Path("cli/text.py"), Path("cli/completion.py")}
STREAMS = ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
MAY_MAKE_A_CONSOLE = Path("cli/live/console.py")


def raw_prints(tree: ast.AST) -> Iterator[str]:
    """Whatever writes to a terminal by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            stream = ast.unparse(node.value)
            if stream in STREAMS and node.attr in ("write", "writelines", "buffer"):
                yield f"{stream}.{node.attr}"
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in ("print", "os.write", "warnings.warn") or name.endswith("StreamHandler"):
            yield name
        if name.rpartition(".")[2] == "Console":
            yield name


@pytest.mark.parametrize("module", [m for m in modules() if is_command(m)], ids=str)
def test_commands_print_by_say_and_tell_only(module: Path) -> None:
    """`rr_refine.cli.text` cleans what it prints: what files and servers say gets there no
    other way."""
    if module not in MAY_PRINT and module != MAY_MAKE_A_CONSOLE:
        assert list(raw_prints(parse(module))) == [], "print with say, tell or say_json of cli/text"


@pytest.mark.parametrize(
    "code",
    [
        "print(x)",
        "import sys\nsys.stderr.write(x)",
        "sys.stdout.buffer.write(x)",
        "os.write(1, x)",
        "import rich.console\nrich.console.Console()",
        "Console(stderr=True)",
        "logging.StreamHandler()",
        "sys.__stderr__.writelines(x)",
    ],
)
def test_what_counts_as_printing(code: str) -> None:
    assert list(raw_prints(ast.parse(code)))


def test_true_is_no_number_in_any_options() -> None:
    """What people fill in derives from `Given`, which refuses it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for module in modules()
        for node in ast.walk(parse(module))
        if isinstance(node, ast.ClassDef)
    }
    filled_in = [name for name in bases if name.endswith(("Options", "Recipe", "Prices"))]
    assert len(filled_in) > 20
    assert [name for name in filled_in if "Record" in bases[name]] == []
