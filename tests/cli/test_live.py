"""The live view in a terminal: what it shows, what it leaves behind, and where it steps aside."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest

from rr_refine.agent.run import load_run
from rr_refine.reward.answer_format import write_critique
from tests.agent.records import lines, only_run
from tests.commands import Commands
from tests.terminal import Terminal, visible

FAKES = ("--generator=fake", "--critic=fake", "--set=critic.seed=1", "--set=generator.log=log")
SMALL = ("--set=generator.width=48", "--set=generator.height=32")
LONG = ("--set=loop.target=4.0", "--rounds=2")
REQUEST = ("three red hats", *FAKES, *SMALL, *LONG)
HANGS = ("--set", 'generator.script=["ok", "hang"]')


@pytest.fixture
def terminal(commands: Commands) -> Iterator[Terminal]:
    commands.environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with Terminal(columns=100) as terminal:
        yield terminal


def test_what_it_shows(commands: Commands, terminal: Terminal) -> None:
    slow = ("--set=generator.seconds=1", "--set=budget.images=5", "--set=budget.seconds=900")
    with commands.start(*REQUEST, *slow, terminal=terminal) as going:
        for words in ("three red hats", "round 1/2", "rendering", "/4", "5 images left"):
            terminal.until(words)
        assert terminal.is_sane  # also while it is at work: nothing to put back
        for words in (" left", "▀", "text faithfulness", "━", "✔ better", "round 2/2"):
            terminal.until(words)
        ended = going.wait()
    assert ended.code == 0
    assert terminal.is_sane
    run = load_run(only_run(commands.folder / "runs"))
    first, second = run.candidates
    shown = visible(terminal.output)
    added = second.prompt.removeprefix(first.prompt.split()[-1])
    assert all(word in shown for word in added.split())
    change = second.applicable["physical_quality"] - first.applicable["physical_quality"]
    assert f"{second.applicable['physical_quality']:.2f} {change:+.2f}" in shown
    assert not re.search(r"\br\dc\d", shown)
    assert "Nobody looked" in shown
    for words in ("stopped    max-rounds", "result     round 2", "spent      2 images"):
        assert words in shown
    # What was going on is gone; what came out of it, and where it is, stays.
    end = visible(terminal.output[terminal.output.rfind("stopped") :])
    assert "rendering" not in end
    assert end.endswith(f"{run.path.relative_to(commands.folder)}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_a_render(commands: Commands, terminal: Terminal, number: int) -> None:
    pace = ("--set=generator.seconds=1",) if number == signal.SIGTERM else HANGS
    with commands.start(*REQUEST, *pace, terminal=terminal) as going:
        terminal.until("round 2/2")
        terminal.wait_for(lambda: len(lines(commands.folder / "log")) == 3)
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            going.send(number)
        assert going.wait().code == (-9 if number == signal.SIGKILL else 130)
    assert terminal.is_sane
    assert "Traceback" not in terminal.output
    folder = only_run(commands.folder / "runs")
    if number != signal.SIGKILL:
        told = visible(terminal.output)
        assert f"rr-refine resume {folder.relative_to(commands.folder)}" in told
    with commands.start("resume", str(folder), "--trust", terminal=terminal) as going:
        assert going.wait().code == 0
    assert load_run(folder).status == "done"
    assert terminal.is_sane


def test_an_error_in_the_middle(commands: Commands, terminal: Terminal) -> None:
    answer = '[{"text_faithfulness": 2, "physical_quality": 2}]'
    script = ("--set", f"critic.script={answer}")
    with commands.start(*REQUEST, *script, terminal=terminal) as going:
        assert going.wait().code == 1
    assert terminal.is_sane
    assert "error: the fake critic was called once more" in visible(terminal.output)
    assert "Traceback" not in terminal.output


def test_what_failed_is_named(commands: Commands, terminal: Terminal) -> None:
    script = ("--set", 'generator.script=["ok", "error"]')
    with commands.start(*REQUEST, *script, terminal=terminal) as going:
        assert going.wait().code == 1
    shown = visible(terminal.output)
    assert "failed   round 2: generator error: scripted fault" in shown
    assert re.search("round 2 *✘ refused", shown)


def test_a_narrower_window(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*REQUEST, "--set=generator.seconds=1", terminal=terminal) as going:
        terminal.until("round 2/2")
        terminal.resize(45, 30)
        before = len(terminal.output)
        assert going.wait().code == 0
    after = terminal.output[before:]
    assert "▀" not in after
    assert "stopped    max-rounds" in visible(after)
    assert terminal.is_sane


@pytest.mark.parametrize(
    ("environment", "columns", "flags"),
    [
        ({"NO_COLOR": "1"}, 100, ()),
        ({"TERM": "dumb"}, 100, ()),
        ({"TERM": ""}, 100, ()),
        ({}, 40, ()),
        ({}, 100, ("--plain",)),
    ],
)
def test_where_plain_lines_are_better(
    commands: Commands,
    terminal: Terminal,
    environment: dict[str, str],
    columns: int,
    flags: tuple[str, ...],
) -> None:
    commands.environment |= environment
    terminal.resize(columns, 30)
    with commands.start(*REQUEST, *flags, terminal=terminal) as going:
        assert going.wait().code == 0
    assert "\x1b" not in terminal.output
    words = [line.split()[0] for line in terminal.output.splitlines()[1:]]
    assert words[:5] == ["request", "protected", "with", "round", "image"]
    assert words[-7:-2] == ["stopped", "result", "spent", "report", "another"]


def test_json_is_for_programs(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*REQUEST, "--json", terminal=terminal) as going:
        assert going.wait().code == 0
    assert "\x1b" not in terminal.output


HOSTILE = {
    "escapes": "a cat \x1b[31mred\x1b]0;title\x07 \x9b2J over\b\b \x1b_Gx\x1b\\",
    "markup": "[bold]a cat[/bold] [link=file:///etc]here[/link] [/] :smile:",
    "right to left": "قطة \u202e evil \u2066 שלום",
    "lines": "\n a cat\r\ton a mat\u2028here\x85\n",
    "huge": "very " * 20_000 + "big cat",
}


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_prompts_are_inert(commands: Commands, terminal: Terminal, prompt: str) -> None:
    command = (*REQUEST[1:], "--keep", "[red]hat[/red]\x1b[5m", "--set=rewriter.use=rules")
    with commands.start(prompt, *command, terminal=terminal) as going:
        assert going.wait().code == 0, terminal.output[-2000:]
    shown = visible(terminal.output)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)
    assert len(shown) < 60_000
    assert "[red]hat[/red]" in shown
    if prompt.startswith("[bold]"):
        assert "[bold]a cat[/bold]" in shown
        assert ":smile:" in shown


@pytest.mark.parametrize(
    ("how", "begins"), [("kitty", "\x1b_Ga=T"), ("iterm2", "\x1b]1337;File="), ("sixel", "\x1bPq")]
)
def test_pictures_of_the_terminal(
    commands: Commands, terminal: Terminal, how: str, begins: str
) -> None:
    with commands.start(*REQUEST, f"--pictures={how}", terminal=terminal) as going:
        assert going.wait().code == 0
    assert terminal.output.count(begins) == 3  # two candidates and the result
    assert "▀" not in terminal.output
    # Drawn over blank cells: up from the line below, and back to it.
    assert re.search(r"\x1b7\x1b\[\d+A\r" + re.escape(begins), terminal.output)


def test_no_pictures(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*REQUEST, "--pictures=none", terminal=terminal) as going:
        assert going.wait().code == 0
    assert "▀" not in terminal.output
    assert "✔ better" in terminal.output


WIDTHS = (60, 61, 79, 80, 100, 120, 200)
SCORES = (
    {"text_faithfulness": 2.2, "physical_quality": 3.6},
    {"text_faithfulness": 3.4, "physical_quality": 2.7, "text_rendering": 3.5},
)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("how", ["blocks", "kitty"])
def test_no_score_is_cut(commands: Commands, terminal: Terminal, columns: int, how: str) -> None:
    """At every width: the words of people, the score, its change, and the field's term."""
    terminal.resize(columns, 40)
    script = (f"--set=critic.script={json.dumps(SCORES)}", f"--pictures={how}")
    with commands.start(*REQUEST, *script, terminal=terminal) as going:
        assert going.wait().code == 0
    shown = [line.rstrip() for line in screen_lines(terminal.output)]
    for words in (
        "what you asked for .*3.40 .1.20 *text faithfulness$",
        "looks real and clean .*2.70 -0.90 *physical quality$",
        "written words .*not asked for *text rendering$",
    ):
        found = [line for line in shown if re.search(words, line)]
        assert found, "\n".join(shown)
        assert max(map(len, found)) <= columns


def test_what_is_left_is_not_cut(commands: Commands, terminal: Terminal) -> None:
    terminal.resize(60, 40)
    limits = ("--set=budget.images=5", "--set=budget.critic_calls=9", "--set=budget.seconds=900")
    with commands.start(*REQUEST, *limits, "--set=generator.seconds=1", terminal=terminal) as going:
        assert going.wait().code == 0
    shown = " ".join(visible_words(terminal.output))
    assert re.search(
        r"4 images left · \d critic calls left · [\d:]+ so far · at most [\d:]+ left", shown
    )


@pytest.mark.parametrize(("columns", "rows"), [(60, 24), (80, 24), (100, 40), (200, 60)])
def test_pictures_use_the_room(
    commands: Commands, terminal: Terminal, columns: int, rows: int
) -> None:
    terminal.resize(columns, rows)
    square = ("--set=generator.width=48", "--set=generator.height=48")
    with commands.start("three red hats", *FAKES, *square, *LONG, terminal=terminal) as going:
        assert going.wait().code == 0
    blocks = [line.count("▀") for line in screen_lines(terminal.output)]
    assert max(blocks) == min(rows, columns - 59 if columns >= 79 else columns)


def screen_lines(output: str) -> list[str]:
    """The lines without the escape sequences of the program, pictures among them."""
    text = re.sub("\x1b_G[^\x1b]*\x1b\\\\|\x1b[78]|\x1b\\[[0-9;?]*[A-Za-z]", "", output)
    return re.split("[\r\n]+", text)


def test_a_bad_first_picture_is_no_success(commands: Commands, terminal: Terminal) -> None:
    bad = [{"text_faithfulness": 1.0, "physical_quality": 1.2}] * 2
    script = (f"--set=critic.script={json.dumps(bad)}", "--set=loop.pairwise=false")
    with commands.start(*REQUEST, *script, terminal=terminal) as going:
        assert going.wait().code == 0
    assert "first try" in terminal.output
    assert "better" not in terminal.output
    assert not re.search("\x1b\\[1;32m", terminal.output)  # bold green


def test_a_picture_that_is_taken_as_it_is_is_not_called_better(
    commands: Commands, terminal: Terminal
) -> None:
    worse = [{"text_faithfulness": 2.5, "physical_quality": 2.5}, *SCORES[:1]]
    script = (f"--set=critic.script={json.dumps(worse)}", "--set=loop.acceptance=always")
    with commands.start(*REQUEST, *script, terminal=terminal) as going:
        assert going.wait().code == 0
    assert "· taken" in visible(terminal.output)
    assert "better" not in terminal.output


SEEN = "The picture shows: " + "; ".join(f"a small red hat at place {n}" for n in range(30))
MISSED = "Missed: two red hearts; three blue stars."
OLD = "two red hearts and three blue stars"
NEW = (
    "grey ground, a blue star at the top left, another one at the right; a red heart at the top, "
    "one below; three blue stars in all, two red hearts in all"
)


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("display", [(), ("--plain",)])
def test_the_reason_is_what_is_missed(
    commands: Commands, terminal: Terminal, columns: int, display: tuple[str, ...]
) -> None:
    terminal.resize(columns, 40)
    answer = write_critique(
        {"text_faithfulness": 2.0, "physical_quality": 3.5, "text_rendering": None},
        NEW,
        why={
            "text_faithfulness": f"{SEEN}. {MISSED}",
            "physical_quality": "Fine.",
            "text_rendering": "-",
        },
    )
    script = json.dumps([answer, answer])
    command = ("--set", f"critic.script={script}", "--set=loop.pairwise=false", *display)
    with commands.start(OLD, *REQUEST[1:], *command, terminal=terminal) as going:
        assert going.wait().code == 0
    shown = " ".join(visible_words(terminal.output))
    assert f"what you asked for (text faithfulness): … {MISSED}" in shown
    assert "at place 1" not in shown
    if not display:  # and a prompt that shares little with the last is not mixed with it
        assert f"was {OLD} prompt {NEW}" in shown


def visible_words(output: str) -> list[str]:
    """Word by word, without pictures."""
    lines = screen_lines(output.replace("▀", ""))
    return [word for line in lines for word in line.split()]
