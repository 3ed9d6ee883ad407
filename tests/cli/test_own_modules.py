"""Parts of your own, in the folder that you are in."""

from __future__ import annotations

from pathlib import Path

import pytest

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


TELLS = """
from rr_refine.reward.fake import create as critic
def create():
    open({place!r}, "a").write("x")
    return critic()
"""
NAMES_IT = '[critic]\nuse = "own_critic:create"\n[generator]\nuse = "fake"\n'
RUN = ("a cat", "--plain", "--preset", "one-shot")


@pytest.mark.parametrize("way", ["link", "--config", "link to its folder"])
def test_what_a_trusted_file_names_is_looked_for_where_it_was_trusted(
    commands: Commands, way: str
) -> None:
    """Another folder may have a module of that name, and a way to the trusted file."""
    here, mine = commands.folder, commands.folder / "mine"
    mine.mkdir()
    (mine / "own_critic.py").write_text(TELLS.format(place=str(here / "good")))
    (here / "own_critic.py").write_text(TELLS.format(place=str(here / "planted")))
    (mine / "rr-refine.toml").write_text(NAMES_IT)
    commands.folder = mine
    assert commands.run(*RUN, "--trust").code == 0
    commands.folder = here
    file = {"link": "rr-refine.toml", "--config": "mine/rr-refine.toml"}.get(
        way, "l/rr-refine.toml"
    )
    if way == "link":
        (here / file).symlink_to(mine / "rr-refine.toml")
    elif way != "--config":
        (here / "l").symlink_to(mine)
    for command in (RUN, ("doctor",)):
        ended = commands.run(*command, *(() if way == "link" else ("--config", file)))
        assert not (here / "planted").exists(), ended.stderr
    assert len((here / "good").read_text()) > 1


def test_the_variables_of_a_langgraph_server_are_no_settings(commands: Commands) -> None:
    commands.environment["RR_REFINE_SERVER_ROOT"] = str(commands.folder)
    assert commands.run("config", "show").code == 0


@pytest.mark.parametrize("said", ["own file", "own file and project", "environment", "all three"])
def test_what_holds_in_every_folder_is_looked_for_in_none(commands: Commands, said: str) -> None:
    (commands.folder / "own_critic.py").write_text(TELLS.format(place="planted"))
    own = Path(commands.environment["HOME"], ".rr-refine")
    own.mkdir(mode=0o700)
    if said != "environment":
        (own / "settings.toml").write_text(NAMES_IT)
    if "project" in said or said == "all three":
        (commands.folder / "rr-refine.toml").write_text(NAMES_IT)
    if said in ("environment", "all three"):
        commands.environment["RR_REFINE_CRITIC__USE"] = "own_critic:create"
    ended = commands.run(*RUN, "--generator", "fake")
    assert ended.code == 2
    assert "own_critic" in ended.stderr
    assert not (commands.folder / "planted").exists()


NAMED = {
    "environment": {"RR_REFINE_GENERATOR__MODEL": "org/model"},
    "LoRA of the environment": {
        "RR_REFINE_GENERATOR__MODEL": "./other",
        "RR_REFINE_GENERATOR__LORA": '[{"model": "org/model"}]',
    },
    "own file": {},
}


@pytest.mark.parametrize("said", NAMED)
def test_a_models_name_that_holds_in_every_folder_is_no_folder_here(
    commands: Commands, said: str
) -> None:
    """Such a name is meant for the hub; somebody's project may have a folder of that name."""
    (commands.folder / "org" / "model").mkdir(parents=True)
    commands.environment |= NAMED[said]
    if not NAMED[said]:
        own = Path(commands.environment["HOME"], ".rr-refine")
        own.mkdir(mode=0o700)
        (own / "settings.toml").write_text('[generator]\nuse = "diffusers"\nmodel = "org/model"\n')
    for command in (("a cat", "--dry-run"), ("doctor",)):
        ended = commands.run(*command, "--generator=diffusers", "--critic=fake")
        assert ended.code != 0, ended.stdout
        assert "'org/model' comes from the environment, your own settings" in (
            " ".join((ended.stdout + ended.stderr).split())
        )


@pytest.mark.parametrize("way", ["flag", "path", "project"])
def test_a_folder_that_is_named_for_here_is_taken(commands: Commands, way: str) -> None:
    (commands.folder / "org" / "model").mkdir(parents=True)
    given = ("--model=org/model",) if way == "flag" else ("--generator=diffusers",)
    commands.environment |= {
        "flag": NAMED["environment"],
        "path": {"RR_REFINE_GENERATOR__MODEL": "./org/model"},
        "project": {},
    }[way]
    if way == "project":
        (commands.folder / "rr-refine.toml").write_text('[generator]\nmodel = "org/model"\n')
    ended = commands.run("a cat", "--dry-run", *given, "--critic=fake")
    assert (ended.code, "model_index.json" in ended.stderr) == (2, True), ended.stderr
