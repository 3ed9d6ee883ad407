"""stdout is data, stderr is talk, and neither holds what a terminal would obey."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.events import read_event
from rr_refine.agent.run import load_run
from rr_refine.agent.store.folder import RunFolder
from tests.agent.records import items, lines, only_run
from tests.commands import Commands

SIZE = ("--set=generator.width=48", "--set=generator.height=32")
SMALL = ("--generator=fake", *SIZE)
AT_LENGTH = ("--set=critic.seed=1", "--set=loop.target=4.0", "--rounds=2")
LONG = ("three red hats", *SMALL, *AT_LENGTH)


def test_plain_output(commands: Commands) -> None:
    ended = commands.run(*LONG)
    folder = only_run(commands.folder / "runs").relative_to(commands.folder)
    assert ended.code == 0
    assert ended.stdout.splitlines() == [str(folder / "result.png"), str(folder)]
    told = ended.stderr.splitlines()
    assert told[0].startswith("note: the generator and the critic in use are stand-ins")
    assert [line.split()[0] for line in told[1:]] == [
        *("request", "protected", "with"),
        *("round", "image", "scores", "reason", "first", "prompt", "because"),
        *("round", "image", "scores", "reason", "better"),
        *("stopped", "result", "spent", "report", "another"),
    ]


def test_a_failure_is_told_when_it_happens_and_once(commands: Commands) -> None:
    told = commands.run("a cat", *SMALL, '--set=generator.script=["refused"]', "--plain").stderr
    assert told.count("scripted fault") == 1
    assert "failed   round 1: generator refused: scripted fault" in told
    assert "error: generator refused: as told above (run folder: runs/" in told.splitlines()[-1]
    assert "stopped    generator-failed: as told above" in told


def test_what_ends_a_run_is_whole_in_json(commands: Commands) -> None:
    ended = commands.run("a cat", *SMALL, '--set=generator.script=["refused"]', "--json")
    assert "error: generator refused: scripted fault" in ended.stderr.splitlines()[-1]


def test_json_output(commands: Commands) -> None:
    ended = commands.run(*LONG, "--json")
    run = load_run(only_run(commands.folder / "runs"))
    events = tuple(read_event(line) for line in ended.stdout.splitlines())
    assert events == run.events()
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["note"]


def test_no_note_where_nothing_is_a_stand_in(commands: Commands) -> None:
    (commands.folder / "mine.py").write_text(
        "from rr_refine.generators.fake import create as generator\n"
        "from rr_refine.reward.fake import create as critic\n"
        "class Generator: create = generator\n"
        "class Critic: create = critic\n"
    )
    mine = ("--generator=mine:Generator.create", "--critic=mine:Critic.create")
    long = ("three red hats", *SIZE, *AT_LENGTH)
    assert "note" not in commands.run(*long, *mine).stderr
    assert "the critic in use is a stand-in" in commands.run(*long, mine[0]).stderr


HOSTILE = {
    "image tag": "<image> <|vision_start|>",
    "markup": "<script>alert(1)</script> [bold]b[/bold]",
    "escapes": "a cat \x1b[31mred\x1b]0;title\x07 \x9b2J over\b\b",
    "path": "../../etc/passwd ; rm -rf /",
    "emoji": "👩‍👩‍👧‍👦 on 🏖️",
    "right to left": "قطة \u202e evil \u2066 שלום",
    "quotes": "\"''\"“”«»",
    "lines": "\n a cat\n\ton a mat\u2028here\n",
    "huge": "very " * 20_000 + "big cat",
}


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_prompts(commands: Commands, prompt: str) -> None:
    ended = commands.run(*SMALL, "--rounds=2", "--set=loop.target=4.0", stdin=prompt.encode())
    assert ended.code == 0, ended.stderr
    obeyed = {"Cc", "Cf", "Cs", "Co"}
    talk = (ended.stdout + ended.stderr).replace("\n", "")
    assert [c for c in talk if unicodedata.category(c) in obeyed] == []
    assert max(map(len, ended.stderr.splitlines())) < 600
    folder = only_run(commands.folder / "runs")
    assert re.fullmatch(r"[a-z0-9-]{1,80}", folder.name)
    assert load_run(folder).request.prompt == prompt.strip()

    as_json = commands.run(*SMALL, "--json", "--preset=one-shot", stdin=prompt.encode())
    assert all(read_event(line) for line in as_json.stdout.splitlines())
    assert [c for c in as_json.stdout if unicodedata.category(c) == "Cc"] == ["\n"] * 6


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CI": "true"}])
def test_pipes_get_no_colour(commands: Commands, environment: dict[str, str]) -> None:
    commands.environment |= environment
    for arguments in (("--help",), (*LONG, "--dry-run"), ("config", "show"), ("--round", "3")):
        ended = commands.run(*arguments)
        assert "\x1b" not in ended.stdout + ended.stderr


def test_an_edit(commands: Commands) -> None:
    Image.new("CMYK", (40, 30), (0, 90, 90, 0)).save(commands.folder / "photo.jpg")
    edit = ("make it night", "-i", "photo.jpg", "--preset=one-shot", "--generator=fake")
    assert commands.run(*edit, kill="before:generate:1").code == -9
    (commands.folder / "photo.jpg").unlink()  # the run has a picture of its own
    folder = only_run(commands.folder / "runs")
    resumed = commands.run("resume", str(folder))
    assert resumed.code == 0
    run = load_run(folder)
    assert run.request.task == "edit"
    assert run.best is not None
    assert run.image(run.best).size == (40, 30)


def test_resume_of_a_finished_run_does_nothing_and_says_what_came_out(commands: Commands) -> None:
    first = commands.run(*LONG, "--set=generator.log=log")
    folder = only_run(commands.folder / "runs")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    named = str(folder.relative_to(commands.folder))
    again = commands.run("resume", named)
    assert again.code == 0
    assert again.stdout.splitlines()[-1] == named
    assert again.stderr.splitlines()[-4:-1] == first.stderr.splitlines()[-4:-1]
    as_json = commands.run("resume", str(folder), "--json")
    assert [read_event(line).type for line in as_json.stdout.splitlines()] == ["run-finished"]
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert len(lines(commands.folder / "log")) == 2 * 2


def test_the_same_command_resumes_what_was_left_and_else_starts_anew(commands: Commands) -> None:
    assert commands.run(*LONG, kill="before:critique:2").code == -9
    assert commands.run(*LONG).code == 0
    assert load_run(only_run(commands.folder / "runs")).status == "done"
    assert commands.run(*LONG).code == 0
    assert len(list((commands.folder / "runs").iterdir())) == 2


def test_a_failed_run_is_tried_again(commands: Commands) -> None:
    commands.environment["MOOD"] = "bad"
    (commands.folder / "mine.py").write_text(
        "import os\n"
        "from rr_refine.errors import CriticUnavailable\n"
        "from rr_refine.reward.fake import FakeCritic\n"
        "class Critic(FakeCritic):\n"
        "    async def critique(self, request):\n"
        "        if os.environ['MOOD'] == 'bad':\n"
        "            raise CriticUnavailable('HTTP 500')\n"
        "        return await super().critique(request)\n"
    )
    mine = ("three red hats", *SMALL, "--critic=mine:Critic")
    failed = commands.run(*mine)
    folder = only_run(commands.folder / "runs")
    assert failed.code == 1
    assert failed.stdout.splitlines()[-1] == str(folder.relative_to(commands.folder))
    again = f"rr-refine resume {folder.relative_to(commands.folder)} --trust"
    assert f"go on with: {again}" in failed.stderr
    assert "critic-failed: critic unavailable: HTTP 500" in failed.stderr
    assert commands.run("resume", str(folder), "--trust").code == 1
    commands.environment["MOOD"] = "good"
    assert commands.run("resume", str(folder), "--trust").code == 0
    renders = [kind for kind, _, _ in items(folder)].count("render")
    assert renders == len(load_run(folder, trust=True).candidates)


def test_resume_of_a_programs_run(commands: Commands) -> None:
    program = "tests.agent.test_review:reviewed_run"
    killed = commands.run("runs", "log", program=program, kill="before:generate:2")
    assert killed.code == -9
    ended = commands.run("resume", str(only_run(commands.folder / "runs")))
    assert ended.code == 2
    assert "was made by a program" in ended.stderr


def test_a_folder_in_use(commands: Commands) -> None:
    assert commands.run(*LONG, kill="before:critique:2").code == -9
    with RunFolder(only_run(commands.folder / "runs")) as folder:
        resumed = commands.run("resume", str(folder.path))
        for second, words in (
            (resumed, "another process works on"),
            (commands.run(*LONG), "the same request is at work in"),
        ):
            assert second.code == 1
            assert second.stderr.splitlines()[-1].startswith(f"error: store locked error: {words}")
    assert commands.run(*LONG).code == 0


def test_replay(commands: Commands) -> None:
    commands.run(*LONG)
    folder = str(only_run(commands.folder / "runs"))
    before = {p: p.read_bytes() for p in only_run(commands.folder / "runs").rglob("*.*")}
    plain = commands.run("replay", folder, "--policy", "paper")
    assert plain.code == 0
    assert [line.split()[0] for line in plain.stdout.splitlines()] == [
        *("round", "round", "stop", "now", "record"),
    ]
    as_json = commands.run("replay", folder, "--set=loop.target=1.5", "--json")
    result = json.loads(as_json.stdout)
    assert set(result) == {"stop", "incumbent", "candidates", "unsettled"}
    assert result["stop"]["rule"] == "target"
    assert result["incumbent"] == "r0c0"
    further = commands.run("replay", folder, "--set=budget.rounds=9", "--set=loop.target=4.0")
    assert "would have gone on" in further.stderr
    for wrong, words in (
        ("--set=critic.seed=2", "has no effect on a replay"),
        ("--set=budget.usd=0.1", "of the budget, rounds and images count"),
        ("--set=budget.tokens=5", "of the budget, rounds and images count"),
        ("--set=loop.margn=2", "did you mean"),
        ("--policy=refin", "did you mean 'refine'?"),
    ):
        ended = commands.run("replay", folder, wrong)
        assert ended.code == 2
        assert words in ended.stderr
    assert {p: p.read_bytes() for p in only_run(commands.folder / "runs").rglob("*.*")} == before


def test_doctor(commands: Commands) -> None:
    ended = commands.run("doctor", models=True)
    found = dict(line.split(maxsplit=2)[1::-1] for line in ended.stdout.splitlines())
    assert ended.code == 0
    assert {"python", "langgraph", "generator", "critic", "rewriters", "runs"} <= set(found)
    assert set(found.values()) <= {"ok", "--"}
    assert list(commands.folder.iterdir()) == []
    commands.environment["RR_REFINE_CRITIC__USE"] = "openai"
    commands.environment["RR_REFINE_CRITIC__BASE_URL"] = "http://127.0.0.1:9/v1"
    commands.environment["RR_REFINE_CRITIC__MAX_RETRIES"] = "0"
    broken = commands.run("doctor", models=True)
    assert broken.code == 1
    assert any(line.startswith("no  critic") for line in broken.stdout.splitlines())
    unknown = commands.run("doctor", "--critic=fake", "--generator=fake", "--evidence=nothing")
    assert (unknown.code, "no  evidence       unknown evidence" in unknown.stdout) == (1, True)


CARD = """# A critic
```python
def t2i(prompt, image):
    return [
        {"role": "user", "content": [
            {"type": "text", "text": f"Wanted: {prompt}\\nSeen: "},
            {"type": "image_url", "image_url": {"url": image}},
            {"type": "text", "text": "\\nMarks?"},
        ]},
    ]
```
"""


def test_import_template(commands: Commands) -> None:
    (commands.folder / "README.md").write_text(CARD)
    ended = commands.run("critic", "import-template", "README.md", "--store", "kept")
    assert ended.code == 0
    (path,) = ended.stdout.splitlines()
    assert (commands.folder / path).exists()
    assert f"--set critic.template={path}" in ended.stderr
    flags = ("--critic=openai", "--set=critic.model=m", f"--set=critic.template={path}")
    assert commands.run("a cat", "--dry-run", *flags).code == 0


def test_paths_with_spaces_can_be_pasted(commands: Commands) -> None:
    killed = commands.run(*LONG, "--out", "my runs", '--set=generator.script=["oom"]')
    folder: Path = only_run(commands.folder / "my runs").relative_to(commands.folder)
    assert killed.code == 1
    assert f"rr-refine resume '{folder}'" in killed.stderr
