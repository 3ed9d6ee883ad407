"""Bars of libraries: none where the display is plain lines or JSON, whoever draws them."""

from __future__ import annotations

import io
import sys

import pytest

from rr_refine.cli.text import clean_stderr, tell
from tests.commands import Commands
from tests.terminal import Terminal

GENERATOR = """
import sys
from rr_refine.generators.fake import FakeGenerator

def bars():
    import diffusers.utils.logging, huggingface_hub.utils, tqdm, tqdm.auto
    import transformers.utils.logging
    for bar in (
        tqdm.tqdm, tqdm.auto.tqdm, huggingface_hub.utils.tqdm,
        diffusers.utils.logging.tqdm, transformers.utils.logging.tqdm,
    ):
        for _ in bar(range(3), desc="Loading", mininterval=0):
            pass
        for _ in bar(range(3), desc="Loading", leave=False, mininterval=0):
            pass
    sys.stderr.write("Loading 10 %\\r")
    sys.stderr.write("Loading 100 %\\r\\n")
    print("a line of a library", file=sys.stderr)

class Generator(FakeGenerator):
    async def generate(self, *given, **more):
        bars()
        return await super().generate(*given, **more)

def create():
    return Generator()
"""


@pytest.mark.parametrize("how", ["--plain", "--json", "pipe"])
def test_no_bars(commands: Commands, how: str) -> None:
    (commands.folder / "own.py").write_text(GENERATOR)
    command = ("a cat", "--generator=own:create", "--critic=fake", "--rounds=1")
    with Terminal() as terminal:
        if how == "pipe":
            ended = commands.run(*command, models=True)
            code, shown = ended.code, ended.stderr
        else:
            with commands.start(*command, how, terminal=terminal, models=True) as going:
                code = going.wait().code
            shown = terminal.output.replace("\r\n", "\n")
    assert code == 0, shown
    assert shown.count("Loading") == 1 and "Loading 100 %" in shown  # a line like others
    assert "%|" not in shown and "\r" not in shown and "\x1b" not in shown
    assert "\n\n" not in shown
    assert "a line of a library\n" in shown


def test_bars_between_lines_leave_them_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a thread draws one while another prints."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with clean_stderr(bars=False):
        sys.stderr.write("half a ")
        sys.stderr.write("\r 10%|#   |")
        sys.stderr.write("line")
        sys.stderr.write("\r100%|####|")
        sys.stderr.write("\n")
        tell("told")
        sys.stderr.write("\r100%|####|")
        sys.stderr.write("\n")
        tell("told again")
    assert stream.getvalue() == "half a line\ntold\ntold again\n"
    assert sys.stderr is stream
