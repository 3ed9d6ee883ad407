"""Help, version, and one line for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rr_refine.agent.policy import PRESETS
from rr_refine.cli.profile import profile_names
from tests.commands import Commands

ROOT = Path(__file__).parents[2]


def test_help(commands: Commands) -> None:
    ended = commands.run("--help")
    assert (ended.code, ended.stderr) == (0, "")
    for word in ("resume", "replay", "serve", "doctor", "--preset", "--dry-run", "Better images"):
        assert word in ended.stdout
    for command in ("resume", "replay", "studio", "serve", "doctor", "critic", "config"):
        ended = commands.run(command, "--help")
        assert (ended.code, ended.stderr) == (0, "")
        assert f"rr-refine {command}" in ended.stdout


def test_help_names_every_preset_and_profile(commands: Commands) -> None:
    words = [word.strip(",.;") for word in commands.run("--help").stdout.split()]
    intents = [path.stem for path in (ROOT / "cli" / "intents").glob("*.toml")]
    assert {*intents, *PRESETS, *profile_names()} <= set(words)


def test_a_word_like_a_command_is_a_prompt_and_a_hint(commands: Commands) -> None:
    ended = commands.run("studoi", "--dry-run")
    assert ended.code == 0
    assert "note: 'studoi' is taken as a prompt (did you mean 'studio'?)" in ended.stderr


def test_version(commands: Commands) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ended = commands.run("--version")
    assert (ended.code, ended.stdout, ended.stderr) == (0, f"{project['version']}\n", "")


MISTAKES: list[tuple[list[str], str]] = [
    (["a cat", "--round", "3"], "Did you mean --rounds?"),
    (["a cat", "--frobnicate"], "--frobnicate"),
    (["a cat", "--rounds", "many"], 'unable to convert "many"'),
    (["a cat", "--rounds", "0"], "budget.rounds = 0"),
    (["a cat", "--rounds", "1.5"], "--rounds '1.5' is no whole number"),
    (["a cat", "--seed=-1.7"], "--seed '-1.7' is no whole number"),
    (["more", "runs/x", "--vary=1.5"], "--vary '1.5' is no whole number"),
    (["bench", "sketch", "--workers=1.5"], "--workers '1.5' is no whole number"),
    (["bench", "longtext", "--data=x", "--samples=1.5"], "--samples '1.5' is no whole number"),
    (["a cat", "--rounds"], "--rounds requires an argument"),
    (["a", "cat"], "cat"),
    (["a cat", "--seed", "-1"], "seed = -1"),
    (["a cat", "--generator=fake", "--critic=fake", "--negative=fog"], "takes no negative prompt"),
    (["a cat", "--preset", "refin"], "did you mean 'refine'?"),
    (["a cat", "--preset", "paper", "--rounds", "5"], "which fixes it"),
    (["a cat", "--preset", "one-shot", "--candidates", "2"], "which fixes it"),
    (["a cat", "--generator", "fke"], "did you mean 'fake'?"),
    (["a cat", "--generator", "no_such:thing"], "No module named 'no_such'"),
    (["a cat", "--generator", "os:sep"], "is not callable"),
    (["a cat", "--generator", "pathlib:PurePath"], "is no generator"),
    (["a cat", "--critic", "opena"], "did you mean 'openai'?"),
    (["a cat", "--critic", "pathlib:PurePath"], "is no critic"),
    (["a cat", "--critic-url", "nowhere"], "critic.base_url = 'nowhere'"),
    (["a cat", "--set", "loop.margn=1"], "did you mean 'loop.margin'?"),
    (["a cat", "--set", "loop.margin=9"], "margin = 9"),
    (["a cat", "--set", "nonsense"], "must look like key=value"),
    (["a cat", "--set", "=1"], "must look like key=value"),
    (["a cat", "--generator=fake", "--set", "generator.widht=64"], "did you mean 'width'?"),
    (["a cat", "--generator=fake", "--set", "generator.width=3"], "generator.width = 3"),
    (["a cat", "--set", "rewriter.use=rulez"], "did you mean 'rules'?"),
    (["a cat", "--set", "rewriter.llm.model=m"], "has no effect"),
    (["a cat", "--set", "loop.review=maybe"], "review = 'maybe'"),
    (["a cat", "--review", "--auto"], "--review asks and --auto does not"),
    (["a cat", "--pictures", "oil"], "--pictures"),
    (["a cat", "--preset", "carefull"], "did you mean 'careful'?"),
    (["config", "show", "--preset", "quik"], "did you mean 'quick'?"),
    (["completion", "tcsh"], "tcsh"),
    (["bench", "sketch", "--set", "loop.review=true"], "nobody is there to decide"),
    (["a cat", "--set", "seed=1.5"], "must be a whole number"),
    (["a cat", "--set", "keep=[1]"], "must be a list of texts"),
    (["a cat", "--set", "out=3"], "must be text"),
    (["a cat", "--image", "missing.png"], "does not exist"),
    (["a cat", "--image", "."], "cannot be read"),
    (["a cat", "--image", "text.txt"], "cannot be read"),
    (["a cat", "--config", "missing.toml"], "cannot be read"),
    (["a cat", "--config", "text.txt"], "cannot be read"),
    (["a cat", "--keep", " "], "keep = ' ' is blank"),
    (["a cat", "--avoid", ""], "avoid = '' is blank"),
    ([""], "blank"),
    ([" \n\t "], "blank"),
    ([], "blank"),
    (["resume"], "DIRECTORY"),
    (["studio", "--token", "correct-horse-battery"], "--token-file FILE"),
    (["studio", "--set", "studio.token=correct-horse-battery"], "--token-file FILE"),
    (["studio", "--token-file", "no-such-file"], "'no-such-file' cannot be read"),
    (["studio", "--token-file", "text.txt"], "16 characters or more"),
    (["studio", "--set", "studio.max_runs=0"], "lets no run in"),
    (["studio", "--port", "99999"], "cannot listen"),
    (["studio", "--preset", "refin"], "did you mean 'refine'?"),
    (["studio", "--generator", "fke"], "did you mean 'fake'?"),
    (["config", "shwo"], 'Did you mean "show"?'),
    (["critic", "import-template", "missing.md"], "cannot be read"),
    (["critic", "import-template", "text.txt"], "no Python code block"),
    (["\x1b[31ma cat", "--\x1b]0;gotcha\x07"], "gotcha"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_a_mistake_is_told_in_one_line(
    commands: Commands, arguments: list[str], words: str
) -> None:
    (commands.folder / "text.txt").write_text("only words")
    before = sorted(commands.folder.iterdir())
    ended = commands.run(*arguments)
    assert ended.code == 2
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert "\x1b" not in ended.stderr
    assert sorted(commands.folder.iterdir()) == before


def test_without_a_prompt_at_a_terminal() -> None:
    """A terminal is asked for nothing: it is told what to type."""
    controller, terminal = os.openpty()
    program = "from rr_refine.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], stdin=terminal, capture_output=True, text=True, timeout=60
    )
    os.close(controller)
    os.close(terminal)
    assert ended.returncode == 2
    assert ended.stderr.startswith('error: give a prompt, such as rr-refine "')


def test_the_prompt_may_come_through_a_pipe(commands: Commands) -> None:
    asked = ("--json", "--preset=one-shot", "--generator=fake")
    ended = commands.run(*asked, stdin="  ein Füchslein \n".encode())
    assert ended.code == 0
    assert json.loads(ended.stdout.splitlines()[0])["prompt"] == "ein Füchslein"


def test_bytes_that_are_no_text(commands: Commands) -> None:
    piped = commands.run(stdin=b"a \xff\xfe cat")
    typed = commands.run("a \udcff\udcfe cat")
    for ended in (piped, typed):
        assert ended.code == 2
        assert ended.stderr.startswith("error: ")
        assert len(ended.stderr.splitlines()) == 1
        assert "UTF-8" in ended.stderr


def test_a_prompt_that_looks_like_an_option(commands: Commands) -> None:
    ended = commands.run("--preset=one-shot", "--json", "--", "-5 degrees", models=True)
    assert json.loads(ended.stdout.splitlines()[0])["prompt"] == "-5 degrees"


def test_folders_that_are_no_runs(commands: Commands) -> None:
    (commands.folder / "empty").mkdir()
    for command in ("resume", "replay", "more"):
        for folder, words, code in (
            ("nowhere", "does not exist", 2),
            ("empty", "is no run folder", 1),
        ):
            ended = commands.run(command, folder)
            assert ended.code == code
            assert words in ended.stderr
            assert len(ended.stderr.splitlines()) == 1
    (commands.folder / "file").write_text("")
    ended = commands.run("a cat", "--out", "file", models=True)
    assert ended.code == 1
    assert ended.stderr.splitlines()[-1].startswith("error: store error: cannot create run folder")


_JUDGE = ["bench", "judge", "there", "--out", "new"]
_BENCH = ["bench", "longtext", "--data", "x"]


@pytest.mark.parametrize(
    ("command", "option", "least", "most"),
    [
        (["parrot", "run", "there"], "--concurrency", 1, 10_000),
        (["parrot", "ingest", "hpdv3", "x", "there"], "--limit", 1, 10**9),
        (["parrot", "sft", "sketch"], "--max-steps", 1, 10**9),
        (["parrot", "evaluate", "x", "hpdv3", "--data=x", "--out=y"], "--concurrency", 1, 10_000),
        (["parrot", "evaluate", "x", "hpdv3", "--data=x", "--out=y"], "--limit", 1, 10**9),
        (["bench", "preference", "hpdv3", "--data=x", "--out=y"], "--limit", 1, 10**9),
        (["bench", "preference", "hpdv3", "--data=x", "--out=y"], "--concurrency", 1, 10_000),
        (["bench", "score", "longtext", "--data=x", "--judgements=y"], "--samples", 1, 10_000),
        (["bench", "preflight", "longtext", "--data=x", "--pictures=y"], "--limit", 1, 10**9),
        (_JUDGE, "--samples", 1, 10_000),
        (_JUDGE, "--limit", 1, 10**9),
        (_JUDGE, "--attempts", 1, 10_000),
        (_JUDGE, "--noise", 0, 10**9),
        (_JUDGE, "--concurrency", 1, 10_000),
        (_BENCH, "--renders", 1, 10_000),
        (_BENCH, "--workers", 1, 10_000),
        (["bench", "sweep", "longtext", "--data", "x"], "--concurrency", 1, 10_000),
        (["bench", "sweep", "longtext", "--data", "x"], "--limit", 1, 10**9),
        (["train", "nft", "--recipe", "x"], "--epochs", 1, 10**9),
        (["train", "sketch"], "--renders", 0, 10**6),
    ],
)
def test_whole_numbers_have_a_range(
    commands: Commands, command: list[str], option: str, least: int, most: int
) -> None:
    for wrong, words in (
        (least - 1, f"must be at least {least}"),
        (-3, f"must be at least {least}"),
        (most + 1, f"must be at most {most:,}"),
        (10**30, f"must be at most {most:,}"),
    ):
        ended = commands.run(*command, f"{option}={wrong}")
        assert (ended.code, ended.stdout) == (2, "")
        assert ended.stderr == f"error: {option} {wrong} {words}\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["bench", "longtext", "--data", "x", "--samples=0"], "samples = 0: give at least 1"),
        (["bench", "longtext", "--data", "x", "--samples=-3"], "samples = -3: give at least 1"),
        (["bench", "geneval", "--data", "x", f"--samples={10**12}"], "give at most 10,000"),
        (["train", "nft", "--recipe", "qwen-image", "--seed=-1"], "seed = -1"),
        (["train", "nft", "--recipe", "qwen-image", f"--seed={2**64}"], f"seed = {2**64}"),
        (["a cat", "--generator=fake", f"--rounds={10**30}"], f"rounds = {10**30}"),
        (["a cat", "--generator=fake", f"--set=loop.patience={10**30}"], f"patience = {10**30}"),
        (["a cat", "--generator=fake", f"--set=budget.images={10**30}"], f"images = {10**30}"),
        (["a cat", "--generator=fake", f"--set=budget.tokens={10**30}"], f"{10**18} is the most"),
        (["serve", "x", "--port=-1"], "port = -1"),
        (["serve", "x", "--port=65536"], "port = 65536"),
        (["serve", "x", "--tensor-parallel-size=0"], "tensor_parallel_size = 0"),
        (["serve", "x", "--max-model-len=-3"], "max_model_len = -3"),
        (["studio", "--port=-1", "--generator=fake", "--critic=fake"], "port -1"),
        (["studio", "--set", "studio.max_runs=0", "--generator=fake"], "max_runs = 0"),
        (["mcp", "--set", "studio.max_runs=0", "--generator=fake"], "max_runs = 0"),
        (["mcp", "--set", "studio.max_runs=-3", "--generator=fake"], "max_runs = -3"),
    ],
)
def test_whole_numbers_of_parts_have_a_range(
    commands: Commands, command: list[str], words: str
) -> None:
    ended = commands.run(*command)
    assert (ended.code, ended.stdout) == (2, "")
    assert words in ended.stderr
