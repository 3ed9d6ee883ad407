"""Parts of your own, in the folder that you are in."""

from __future__ import annotations

from tests.commands import Commands

# As packages ask for others that may be missing.
CRITIC = """
from importlib import import_module
from own_words import SCORE
from rr_refine.reward.fake import FakeCritic

def create():
    for name in ("optional_one", "optional_two"):
        try:
            import_module(name)
        except ModuleNotFoundError:
            pass
    return FakeCritic()
"""
PLANTED = "open('planted', 'a').write(__name__)"


def test_a_module_beside_you_can_be_named(commands: Commands) -> None:
    (commands.folder / "own_critic.py").write_text(CRITIC)
    (commands.folder / "own_words.py").write_text("SCORE = 4.0")
    (commands.folder / "optional_one.py").write_text(PLANTED)
    ended = commands.run(
        *("a cat", "--generator", "fake", "--critic", "own_critic:create", "--plain"),
        *("--preset", "one-shot"),
    )
    assert ended.code == 0, ended.stderr
    assert not (commands.folder / "planted").exists()


def test_an_installed_one_that_is_named_brings_no_file_of_the_folder_along(
    commands: Commands,
) -> None:
    """Libraries look for optional packages: a file that is called like one is not taken for it."""
    for name in ("triton", "h2", "pynvml", "socksio", "json", "PIL", "rr_refine"):
        (commands.folder / f"{name}.py").write_text(PLANTED)
    ended = commands.run(
        *("a red circle", "--critic", "rr_refine.reward.fake:create", "--generator", "fake"),
        *("--plain", "--preset", "one-shot"),
    )
    assert ended.code == 0, ended.stderr
    assert not (commands.folder / "planted").exists()


def test_one_that_does_not_load_is_said(commands: Commands) -> None:
    (commands.folder / "own_critic.py").write_text("1 / 0")
    ended = commands.run("a cat", "--generator", "fake", "--critic", "own_critic:create")
    assert ended.code == 2
    assert "'own_critic' cannot be imported: ZeroDivisionError" in " ".join(ended.stderr.split())
