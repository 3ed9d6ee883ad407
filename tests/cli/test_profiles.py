from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from rr_refine import cli
from rr_refine.cli.profile import load_profile, profile_names, why_too_small
from rr_refine.cli.settings import read_settings
from rr_refine.errors import ConfigError
from tests.cli.test_settings import shown
from tests.commands import Commands

NAMES = ["gpu-2", "gpu-24", "gpu-80", "hosted", "laptop", "sketch"]
KEY = "sk-4242-do-not-tell"


def test_the_profiles() -> None:
    assert profile_names() == NAMES
    for name in NAMES:
        text = (Path(cli.__file__).parent / "profiles" / f"{name}.toml").read_text()
        assert text.startswith(f"# {name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_checks_every_option_of_a_profile(commands: Commands, name: str) -> None:
    """The components are made, so that an option that they do not know would be an error."""
    pytest.importorskip("diffusers")
    ended = commands.run("two red circles", "--dry-run", "--profile", name, models=True)
    assert ended.code == 0, ended.stderr
    table = shown(ended)
    profile = load_profile(name)
    for key in profile.settings | profile.with_model:
        assert table[key][1] == f"profile {name}"
    assert len(profile.machine.start) == ended.stderr.count("start first: ")
    assert ("this machine has none" in ended.stderr) == (profile.machine.gpus > 0)


def test_the_doctor_says_what_a_machine_lacks(commands: Commands) -> None:
    """Without a network, and at once: nothing is asked twice."""
    commands.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    ended = commands.run("doctor", "--profile", "gpu-80", models=True)
    assert ended.code == 1
    lines = {line[4:18].strip(): line for line in ended.stdout.splitlines()}
    assert "1 GPU of 80 GB; this machine has none" in lines["machine"]
    assert "rr-refine serve TIGER-Lab/RationalRewards-8B-T2I" in lines["start first"]
    assert lines["critic"].startswith("no  ")
    assert "the hub is out of reach" in lines["generator"]
    assert "in up to" not in lines["critic"]
    assert "retry" not in ended.stderr.lower()
    sketch = commands.run("doctor", "--profile", "sketch", models=True)
    assert sketch.code == 0
    assert "ok  machine        fit for profile sketch" in sketch.stdout


def test_the_laptop_names_both_servers(commands: Commands) -> None:
    ended = commands.run("doctor", "--profile", "laptop")
    start = [line for line in ended.stdout.splitlines() if line[4:].startswith("start first")]
    images, critic, tunnel = start
    assert "--port 8000" in images and "rr-refine serve" in critic and "ssh -L 8000" in tunnel


def test_the_doctor_says_what_it_did_not_look_for(commands: Commands) -> None:
    commands.environment["HF_HOME"] = str(commands.folder / "empty")
    given = ("--generator=fake", "--critic=transformers", "--set=critic.model=nobody/nothing")
    ended = commands.run("doctor", *given, models=True)
    assert "--  critic         nobody/nothing is not on this machine" in ended.stdout


def test_a_profile_may_be_named_anywhere_and_lies_below_all_else(commands: Commands) -> None:
    project = commands.folder / "rr-refine.toml"
    project.write_text("profile = 'gpu-80'\n[generator]\nsteps = 20\n")
    table = shown(commands.run("config", "show"))
    assert table["generator.steps"] == ("20", "rr-refine.toml")
    assert table["critic.use"] == ('"openai"', "profile gpu-80")
    other = shown(commands.run("config", "show", "--profile", "gpu-2"))
    assert other["profile"] == ('"gpu-2"', "command line")
    assert other["generator.device"] == ('"cuda:0"', "profile gpu-2")
    assert other["generator.steps"] == ("20", "rr-refine.toml")


def test_options_of_a_model_go_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    own = read_settings(None, {"profile": "gpu-24"})
    assert own.values["generator.steps"] == 4
    flags = {"generator.use": "diffusers", "generator.model": "another/model"}
    other = read_settings(None, {"profile": "gpu-24", **flags})
    assert "generator.steps" not in other.values
    assert other.values["generator.offload"] == "model"


def test_a_slip_in_the_name_is_told(commands: Commands) -> None:
    ended = commands.run("a cat", "--profile", "gpu24")
    assert ended.code == 2
    assert "did you mean 'gpu-24'" in ended.stderr
    with pytest.raises(ConfigError, match="there are gpu-2, gpu-24"):
        load_profile("x")


def test_the_laptop_is_told_all_that_must_run(commands: Commands) -> None:
    ended = commands.run("a fox", "--dry-run", "--profile=laptop")
    told = [line for line in ended.stderr.splitlines() if "start first: " in line]
    for port, command in zip(("8000", "6868"), ("vllm serve", "rr-refine serve"), strict=True):
        assert any(command in line for line in told)
        assert any("ssh -L" in line and f"{port}:localhost:{port}" in line for line in told)


@pytest.fixture
def hosted(commands: Commands) -> Commands:
    """A folder where nobody answers beyond this machine."""
    commands.environment["HTTPS_PROXY"] = "http://127.0.0.1:9"
    return commands


def test_the_hosted_profile_says_that_the_key_is_missing(hosted: Commands) -> None:
    missing = "needs a key for https://openrouter.ai/api/v1 (generator and critic)"
    ended = hosted.run("doctor", "--profile=hosted")
    assert ended.code == 1
    (line,) = (one for one in ended.stdout.splitlines() if one.startswith("no  key"))
    assert missing in line
    assert "OPENROUTER_API_KEY" in line
    assert missing in hosted.run("a fox", "--profile=hosted", "--dry-run").stderr
    ended = hosted.run("a fox", "--profile=hosted")
    assert ended.code == 2
    assert missing in ended.stderr
    assert not (hosted.folder / "runs").exists()


def test_one_key_serves_both_and_what_leaves_the_machine_is_told(hosted: Commands) -> None:
    hosted.environment["OPENROUTER_API_KEY"] = KEY
    table = shown(hosted.run("config", "show", "--profile=hosted"))
    for key in ("generator.api_key", "critic.api_key"):
        assert table[key][1] == "OPENROUTER_API_KEY"
    ended = hosted.run("a fox", "--profile=hosted")
    assert ended.code == 1
    for words in (
        "prompts and the pictures to edit go to https://openrouter.ai/api/v1, by profile hosted",
        "every picture that is drawn and those to edit go to https://openrouter.ai/api/v1",
    ):
        assert words in ended.stderr
    assert KEY not in ended.stdout + ended.stderr
    here = hosted.run("a fox", "--profile=laptop")
    assert "go to" not in here.stderr


def test_the_key_goes_to_no_other_address(hosted: Commands) -> None:
    hosted.environment["OPENROUTER_API_KEY"] = KEY
    other = hosted.run(
        *("config", "show", "--profile=hosted", "--set=generator.base_url=https://other.example/v1")
    )
    table = shown(other)
    assert "generator.api_key" not in table
    assert "critic.api_key" in table
    (hosted.folder / "rr-refine.toml").write_text("[critic]\nbase_url = 'https://o.example/v1'\n")
    assert "critic.api_key" not in shown(hosted.run("config", "show", "--profile=hosted"))


def test_a_project_may_not_choose_the_profile_that_uses_a_key(hosted: Commands) -> None:
    (hosted.folder / "rr-refine.toml").write_text("profile = 'hosted'\n")
    assert hosted.run("config", "show").code == 0
    hosted.environment["OPENROUTER_API_KEY"] = KEY
    refused = hosted.run("a fox")
    assert refused.code == 2
    assert "profile = 'hosted' in rr-refine.toml is refused: it would use a key" in refused.stderr
    assert hosted.run("config", "show", "--trust").code == 0
    assert "critic.api_key" in shown(hosted.run("config", "show"))


@dataclass
class Card:
    total_memory: float


@pytest.mark.parametrize(
    ("name", "cards", "fits"),
    [
        ("gpu-24", [23.6], True),  # as an RTX 4090 says of itself
        ("gpu-24", [15.7], False),
        ("gpu-80", [79.2], True),
        ("gpu-80", [44.4, 44.4], False),
        ("gpu-2", [79.2], False),
        ("gpu-2", [47.4, 47.4], True),
        ("laptop", [], True),
    ],
)
def test_memory_is_compared_as_it_is_sold(
    monkeypatch: pytest.MonkeyPatch, name: str, cards: list[float], fits: bool
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: Card(cards[number] * 2**30)
    )
    why = why_too_small(load_profile(name))
    assert (why is None) == fits, why
