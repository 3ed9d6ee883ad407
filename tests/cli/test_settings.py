"""Where a setting comes from, and what may never be shown."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import JsonValue

from rr_refine import cli
from rr_refine.agent.run import load_run
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from tests.agent.records import only_run
from tests.commands import Commands, Ended

SECRET = "sk-4242-do-not-tell"


def shown(ended: Ended) -> dict[str, tuple[str, str]]:
    """The table: key -> (value as JSON, source)."""
    assert ended.code == 0, ended.stderr
    rows = [re.fullmatch(r"(\S+) +(.*)  \((.*)\)", line) for line in ended.stdout.splitlines()]
    return {row[1]: (row[2], row[3]) for row in rows if row is not None}


LAYERS = ("rr-refine.toml", "mine.toml", "RR_REFINE_LOOP__MARGIN", "command line")


@pytest.mark.parametrize("highest", range(4))
@pytest.mark.parametrize("lowest", range(4))
def test_every_layer_goes_over_those_below(commands: Commands, lowest: int, highest: int) -> None:
    arguments: list[str] = []
    for layer in {min(lowest, highest), max(lowest, highest)}:
        value = f"0.{layer + 1}"
        match LAYERS[layer]:
            case "command line":
                arguments += ["--set", f"loop.margin={value}"]
            case name if name.startswith("RR_"):
                commands.environment[name] = value
            case name:
                (commands.folder / name).write_text(f"[loop]\nmargin = {value}\n")
                arguments += ["--config", name] if name == "mine.toml" else []
    table = shown(commands.run("a cat", "--dry-run", *arguments))
    top = max(lowest, highest)
    assert table["loop.margin"] == (f"0.{top + 1}", LAYERS[top])
    assert table["loop.noise"] == ("0.1", "preset refine")
    assert table["out"] == ('"runs"', "default")


def test_flags_are_settings(commands: Commands) -> None:
    (commands.folder / "rr-refine.toml").write_text('seed = 1\nout = "there"\nkeep = ["hat"]\n')
    flags = ("--seed=2", "--rounds=3", "--candidates=4", "--avoid=fog", "--avoid=rain", "--out=o")
    table = shown(commands.run("a cat", "--dry-run", *flags))
    expected = {
        "seed": "2",
        "budget.rounds": "3",
        "loop.candidates": "4",
        "avoid": '["fog", "rain"]',
        "out": '"o"',
    }
    assert {key: table[key] for key in expected} == {
        key: (value, "command line") for key, value in expected.items()
    }
    assert table["keep"] == ('["hat"]', "rr-refine.toml")


def test_another_component_drops_the_options_of_the_first(commands: Commands) -> None:
    (commands.folder / "rr-refine.toml").write_text(
        '[generator]\nuse = "images-api"\nbase_url = "http://localhost:1/v1"\nmodel = "m"\n'
        "[rewriter.llm]\nmodel = 'x'\n[rewriter]\nuse = ['llm', 'rules']\n"
    )
    before = shown(commands.run("config", "show"))
    assert before["generator.model"] == ('"m"', "rr-refine.toml")
    assert before["rewriter.llm.model"] == ('"x"', "rr-refine.toml")
    commands.environment["RR_REFINE_GENERATOR__USE"] = "fake"
    commands.environment["RR_REFINE_GENERATOR__HEIGHT"] = "64"
    table = shown(commands.run("config", "show"))
    assert {k for k in table if k.startswith("generator.")} == {
        "generator.use",
        "generator.height",
    }


def test_options_wait_for_the_component_that_is_named(commands: Commands) -> None:
    """A key in the environment, and the critic's address on the command line."""
    commands.environment["RR_REFINE_CRITIC__API_KEY"] = SECRET
    (commands.folder / "rr-refine.toml").write_text("[critic]\nsamples = 4\n")
    flags = ("--critic-url", "http://localhost:1/v1", "--set=critic.model=m")
    table = shown(commands.run("a cat", "--dry-run", *flags))
    assert table["critic.samples"] == ("4", "rr-refine.toml")
    assert table["critic.api_key"] == ('"***"', "RR_REFINE_CRITIC__API_KEY")


def test_presets_show_what_they_make_of_the_rest(commands: Commands) -> None:
    table = shown(commands.run("a cat", "--dry-run", "--preset", "paper"))
    assert table["preset"] == ('"paper"', "command line")
    assert table["budget.rounds"] == ("2", "preset paper")
    assert table["rewriter.use"] == ('["critic"]', "preset paper")


INTENTS = sorted((Path(cli.__file__).parent / "intents").glob("*.toml"))


@pytest.mark.parametrize("path", INTENTS, ids=lambda path: path.stem)
def test_an_intent_is_a_file_of_settings(commands: Commands, path: Path) -> None:
    """The same whether it is named, or given as a file by somebody who copied it."""
    named = shown(commands.run("config", "show", "--preset", path.stem))
    given = shown(commands.run("config", "show", "--config", str(path)))
    assert {key: value for key, (value, _) in named.items()} == {
        key: value for key, (value, _) in given.items()
    }
    assert named["preset"] == ('"refine"', f"preset {path.stem}")
    lines = path.read_text().splitlines()
    assert lines[0].startswith(f"# {path.stem}: ")
    assert all("#" in line for line in lines if " = " in line and "preset" not in line)


def test_the_four_intents() -> None:
    assert [path.stem for path in INTENTS] == ["careful", "edit-preserving", "quick", "text-heavy"]


def test_an_intent_is_where_one_starts_from(commands: Commands) -> None:
    """What anybody set goes over it, wherever it was set."""
    (commands.folder / "rr-refine.toml").write_text("preset = 'careful'\n[budget]\nrounds = 3\n")
    table = shown(commands.run("a cat", "--dry-run", "--candidates=2"))
    assert table["budget.rounds"] == ("3", "rr-refine.toml")
    assert table["loop.candidates"] == ("2", "command line")
    assert table["loop.patience"] == ("3", "preset careful")


def test_a_run_does_not_depend_on_the_file_of_its_intent(commands: Commands) -> None:
    fakes = ("--generator=fake", "--critic=fake", "--set=generator.width=48")
    assert commands.run("a cat", "--preset=quick", *fakes).code == 0
    run = load_run(only_run(commands.folder / "runs"))
    assert run.policy.preset == "refine"
    assert run.policy.budget.rounds == 2
    settings = run.config["settings"]
    assert isinstance(settings, dict)
    assert settings["preset"] == "refine"
    assert settings["budget.rounds"] == 2
    replayed = commands.run("replay", str(run.path), "--policy", "careful")
    assert replayed.code == 0, replayed.stderr


def test_a_dry_run_does_nothing(commands: Commands) -> None:
    assert commands.run("a cat", "--dry-run").code == 0
    assert list(commands.folder.iterdir()) == []
    assert commands.run("a cat", "--dry-run", "--set", "generator.widht=3").code == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RR_REFINE_FOO", "unknown setting 'foo' from RR_REFINE_FOO"),
        ("RR_REFINE_LOOP__MARGN", "did you mean 'loop.margin'?"),
        ("RR_REFINE_CRITIC__SAMPELS", "did you mean 'samples'?"),
        ("RR_REFINE_GENERATOR_WIDTH", "unknown setting 'generator_width'"),
    ],
)
def test_an_unknown_variable_is_refused(commands: Commands, name: str, words: str) -> None:
    commands.environment[name] = "1"
    ended = commands.run("a cat")
    assert ended.code == 2
    assert words in ended.stderr
    assert list(commands.folder.iterdir()) == []


def test_the_config_of_a_run_makes_the_run_again(commands: Commands) -> None:
    first = commands.run(
        *("three red hats", "--seed=5", "--keep=red", "--out=first", "--preset=best-of-n"),
        *(
            "--generator=fake",
            "--set=generator.width=48",
            "--set=generator.height=32",
            "--set=critic.seed=3",
        ),
    )
    folder = only_run(commands.folder / "first")
    again = ("three red hats", "--config", str(folder / "config.json"), "--out=second")
    assert first.code == commands.run(*again).code == 0
    other = only_run(commands.folder / "second")
    assert (folder / "result.png").read_bytes().find(b"three red hats") > 0
    one, two = (json.loads((f / "config.json").read_text()) for f in (folder, other))
    assert one["settings"].pop("out") == "first"
    assert two["settings"].pop("out") == "second"
    assert (one.pop("run_id"), two.pop("run_id")) == (folder.name, other.name)
    assert one == two
    images = [sorted(p.name for p in f.glob("images/*/*.png")) for f in (folder, other)]
    assert images[0] == images[1]


@pytest.fixture
def secrets(commands: Commands) -> Commands:
    (commands.folder / "rr-refine.toml").write_text(
        f"[critic]\napi_key = '{SECRET}'\n"
        "[rewriter]\nuse = ['llm', 'rules']\n[rewriter.llm]\nmodel = 'm'\nmax_retries = 0\n"
    )
    commands.environment["RR_REFINE_CRITIC__USE"] = "tests.cli.test_settings:KeyedCritic.create"
    commands.environment["RR_REFINE_REWRITER__LLM__BASE_URL"] = "http://127.0.0.1:9/v1"
    commands.environment["RR_REFINE_REWRITER__LLM__API_KEY"] = SECRET
    return commands


class KeyedCritic:
    """A part of one's own that takes a key."""

    @staticmethod
    def create(api_key: str, **options: JsonValue) -> FakeCritic:
        return FakeCritic(FakeCriticOptions.model_validate(options))


def test_keys_are_masked(secrets: Commands) -> None:
    for arguments in (["config", "show"], ["a cat", "--dry-run"]):
        ended = secrets.run(*arguments)
        table = shown(ended)
        assert table["critic.api_key"] == ('"***"', "rr-refine.toml")
        assert table["rewriter.llm.api_key"][0] == '"***"'
        assert SECRET not in ended.stdout + ended.stderr


class Refusing(BaseHTTPRequestHandler):
    """A server that lists no models and repeats the key in its errors."""

    keys: ClassVar[set[str | None]] = set()

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.add(self.headers["Authorization"])
        self.send_response(400)
        self.end_headers()
        self.wfile.write(f"no model for {self.headers['Authorization']}".encode())

    def log_message(self, *_: object) -> None:
        pass


def test_keys_are_in_no_file_of_the_run(secrets: Commands) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        secrets.environment["RR_REFINE_REWRITER__LLM__BASE_URL"] = url
        ended = secrets.run("three red hats", "--rounds=2", "--set=loop.target=4.0", models=True)
        server.shutdown()
    assert ended.code == 0, ended.stderr
    folder = only_run(secrets.folder / "runs")
    assert "rejected llm" in ended.stderr
    assert Refusing.keys == {f"Bearer {SECRET}"}
    assert SECRET not in ended.stdout + ended.stderr
    assert [p.name for p in files(folder) if SECRET.encode() in p.read_bytes()] == []


def files(folder: Path) -> list[Path]:
    found = [p for p in folder.rglob("*") if p.is_file()]
    assert {"config.json", "samples.jsonl", "events.jsonl"} <= {p.name for p in found}
    return found


def test_a_wrong_key_is_not_shown(commands: Commands) -> None:
    for flags in (
        ("--critic=openai", "--set=critic.model=m", f'--set=critic.api_key=["{SECRET}"]'),
        ("--set=rewriter.use=llm", f'--set=rewriter.llm.api_key=["{SECRET}"]'),
        (f"--set=critic.api_key={SECRET}",),
    ):
        ended = commands.run("a cat", *flags)
        assert ended.code == 2
        assert "api_key" in ended.stderr
        assert SECRET not in ended.stderr


def test_an_exported_key_does_not_disturb_the_default(commands: Commands) -> None:
    commands.environment["RR_REFINE_CRITIC__API_KEY"] = SECRET
    ended = commands.run("two red circles", "--preset=one-shot", models=True)
    assert ended.code == 0, ended.stderr
