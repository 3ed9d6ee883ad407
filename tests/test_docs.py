from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cyclopts.exceptions import MissingArgumentError

from rr_refine.cli.main import app
from rr_refine.cli.settings import Settings, read_settings
from tests.commands import Commands
from tests.pages import PAGES, ROOT, blocks, program_of


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_blocks_run(page: Path, commands: Commands) -> None:
    """Their types are checked by CI, see `tests.pages`."""
    program = commands.folder / "page.py"
    program.write_text(program_of(page))
    ended = commands.run(script=program, models=True)
    assert ended.code == 0, ended.stderr


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = "\n".join(blocks(page, "bash", "sh")).replace("\\\n", " ")
        inline = re.findall(r"`(rr-refine [^`\n]+)`", page.read_text())
        for line in [*text.splitlines(), *inline]:
            match = re.search(r"(?:^|&& |bin/)rr-refine (?P<rest>.*)$", line)
            if match and "…" not in match["rest"]:
                found.append((page.name, match["rest"]))
    return found


def test_there_are_commands() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_exist_and_parse(page: str, command: str) -> None:
    tokens = shlex.split(command, comments=True)
    if tokens and tokens[-1] in ("--help", "--version"):
        return
    try:
        app.parse_args(tokens, exit_on_error=False, print_error=False)
    except MissingArgumentError:
        assert len(tokens) <= 2, f"{page}: {command}"  # a command in a sentence, without arguments


def test_every_setting_in_the_docs_is_known(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    read: list[Settings] = []
    for text in blocks(ROOT / "docs" / "settings.md", "toml"):
        assert tomllib.loads(text)
        path.write_text(text)
        read.append(read_settings(path, {}))
    assert read[0].values["rewriter.llm.base_url"] == "http://localhost:8000/v1"


def test_command_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "write_cli.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_graph_in_the_docs_is_the_graph() -> None:
    from rr_refine.agent.graph import build_graph

    (drawn,) = blocks(ROOT / "docs" / "loop.md", "mermaid")
    assert drawn.strip() == build_graph().get_graph().draw_mermaid().strip()


def test_readme_commands_are_the_ones_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("run", "test"):
        assert re.search(rf"<!-- ci: {name} -->\n```bash\n[^\n]+\n```", readme)
