"""Review at a terminal: every decision, typed; left and taken up again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rr_refine.agent.events import Reviewed
from rr_refine.agent.run import Run, load_run
from tests.agent.records import items, lines, only_run
from tests.commands import Commands
from tests.terminal import Terminal, visible

SMALL = ("--set=generator.width=48", "--set=generator.height=32", "--set=generator.log=log")
FAKES = ("--generator=fake", "--critic=fake", "--set=critic.seed=1")
LONG = ("--set=loop.target=4.0", "--set=loop.patience=9")
REQUEST = ("three red hats", *SMALL, *FAKES, *LONG)
REVIEWED = (*REQUEST, "--review")
ASKED = "review> "


@pytest.fixture
def terminal(commands: Commands) -> Iterator[Terminal]:
    commands.environment["TERM"] = "xterm-256color"
    with Terminal() as terminal:
        yield terminal


def decide(terminal: Terminal, *answers: str) -> None:
    """Answer the next question; the texts may be asked for one by one."""
    terminal.until(ASKED)
    for answer in answers[:-1]:
        terminal.type(f"{answer}\r")
        terminal.until("\r\n")
    terminal.type(f"{answers[-1]}\r")


def the_run(commands: Commands) -> Run:
    return load_run(only_run(commands.folder / "runs"))


def decisions(run: Run) -> list[str]:
    return [e.decision.action for e in run.events() if isinstance(e, Reviewed)]


@pytest.mark.parametrize("display", [(), ("--plain",)])
def test_accept_edit_reject_pick_stop(
    commands: Commands, terminal: Terminal, display: tuple[str, ...]
) -> None:
    with commands.start(*REVIEWED, *display, "--rounds=9", terminal=terminal) as going:
        decide(terminal, "")
        decide(terminal, "edit", " on a table")
        decide(terminal, "reject", "make it night")
        terminal.until("Make it night")
        decide(terminal, "pick", "r0c0")
        decide(terminal, "keep felt brim")
        terminal.until("Felt brim.")
        decide(terminal, "new 77")
        decide(terminal, "stop")
        ended = going.wait()
    assert ended.code == 0, terminal.output
    assert terminal.is_sane
    run = the_run(commands)
    made = ["accept", "edit", "reject", "pick", "keep", "reseed", "stop"]
    assert decisions(run) == made
    assert run.outcome is not None
    assert run.outcome.stop.rule == "user"
    first, accepted, edited, reseeded = run.candidates
    assert edited.origin == "human"
    assert edited.prompt.startswith("three red hats")
    assert edited.prompt.endswith(" on a table")  # typed behind the proposal that stood there
    assert run.candidates[0].verdict is not None
    assert run.candidates[0].verdict.rule == "picked"
    assert "night" in reseeded.prompt
    assert "elt brim" in reseeded.prompt
    assert (first.seed, accepted.seed, reseeded.seed) == (0, 0, 77)


def test_help_lists_the_choices(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*REVIEWED, "--rounds=2", terminal=terminal) as going:
        for word in ("help", "h", "?"):
            decide(terminal, word)
            for choice in ("accept", "edit", "open", "reject", "keep", "pick", "new", "stop"):
                terminal.until(f"\n  {choice} ")
        decide(terminal, "accept")
        assert going.wait().code == 0


def test_a_typed_seed_takes_the_place_of_the_one_offered(
    commands: Commands, terminal: Terminal
) -> None:
    with commands.start(*REVIEWED, "--rounds=3", terminal=terminal) as going:
        decide(terminal, "new")
        terminal.until("(Enter takes ")
        terminal.type("77\r")
        decide(terminal, "n")
        terminal.until("(Enter takes ")
        offered = int(terminal.until(")").removesuffix(")"))
        terminal.type("\r")
        assert going.wait().code == 0
    assert [c.seed for c in the_run(commands).candidates] == [0, 77, offered]


@pytest.mark.parametrize("display", [(), ("--plain",)])
def test_pick_shows_the_pictures(
    commands: Commands, terminal: Terminal, display: tuple[str, ...]
) -> None:
    with commands.start(*REVIEWED, *display, "--rounds=2", terminal=terminal) as going:
        decide(terminal, "pick")
        shown = terminal.until("number of the picture: ")
        terminal.type("1\r")
        decide(terminal, "stop")
        assert going.wait().code == 0
    run = the_run(commands)
    if display:
        image = run.candidates[0].image
        assert image is not None
        assert f"{image}.png" in shown
    else:
        assert shown.count("▀") > 100
    assert f"round 1, mean {run.candidates[0].mean:.2f}, the best so far" in visible(shown)
    assert decisions(run) == ["pick", "stop"]


def test_an_editor(commands: Commands, terminal: Terminal) -> None:
    script = commands.folder / "editor"
    script.write_text('#!/bin/sh\nstty raw -echo\nprintf "a blue\\ncat" > "$1"\n')
    script.chmod(0o755)
    commands.environment["EDITOR"] = str(script)
    with commands.start(*REVIEWED, "--rounds=2", terminal=terminal) as going:
        decide(terminal, "open")
        assert going.wait().code == 0
    assert terminal.is_sane
    assert the_run(commands).candidates[1].prompt == "a blue\ncat"


def test_answers_that_cannot_be_carried_out(commands: Commands, terminal: Terminal) -> None:
    commands.environment["EDITOR"] = "/no/such/editor"
    with commands.start(*REVIEWED, "--rounds=2", terminal=terminal) as going:
        for answer, words in (
            ("frobnicate", "is none of accept, edit"),
            ("open", "editor '/no/such/editor' gave no text"),
        ):
            decide(terminal, answer)
            terminal.until(words)
        for command, prompt, bad, words in (
            ("pick r7c7", "picture: ", ("r7c7", "0", "x"), "there is no picture"),
            ("new -1", "): ", ("abc", str(2**63), "٣", "1.5", "9" * 40), "no seed: type a whole"),
        ):
            decide(terminal, command)
            for answer in bad:  # asked again, in words
                terminal.until(words)
                terminal.until(prompt)
                terminal.type(f"{answer}\r")
            terminal.until(words)
            terminal.until(prompt)
            terminal.type("\x04")  # back to the question
        decide(terminal, "reject", "")  # thought better of it
        decide(terminal, "accept")
        assert going.wait().code == 0
    assert decisions(the_run(commands)) == ["accept"]


@pytest.mark.parametrize("how", ["ctrl-c", "ctrl-d", "sigterm"])
def test_left_in_the_pause_and_taken_up_again(
    commands: Commands, terminal: Terminal, how: str
) -> None:
    with commands.start(*REVIEWED, "--rounds=3", terminal=terminal) as going:
        decide(terminal, "accept")
        terminal.until(ASKED)
        if how == "sigterm":
            going.send(signal.SIGTERM)
        else:
            terminal.type({"ctrl-c": "\x03", "ctrl-d": "\x04"}[how])
        assert going.wait().code == 130
    assert terminal.is_sane
    terminal.until("not finished; go on with: rr-refine resume ")
    folder = only_run(commands.folder / "runs")
    assert load_run(folder).status == "interrupted"
    with commands.start("resume", str(folder), "--trust", terminal=terminal) as going:
        decide(terminal, "edit", "!")
        assert going.wait().code == 0
    assert decisions(load_run(folder)) == ["accept", "edit"]
    assert ASKED not in terminal.output[terminal.output.rfind("edit") :]
    rendered = [line["prompt"] for line in lines(commands.folder / "log")]
    assert len(rendered) == 2 * 3  # no picture was made twice


def test_killed_in_the_pause(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*REVIEWED, "--rounds=2", terminal=terminal) as going:
        terminal.until(ASKED)
        going.send(signal.SIGKILL)
        assert going.wait().code == -9
    folder = only_run(commands.folder / "runs")
    with commands.start("resume", str(folder), "--trust", terminal=terminal) as going:
        decide(terminal, "accept")
        assert going.wait().code == 0
    assert decisions(load_run(folder)) == ["accept"]


def test_what_was_typed_before_the_question_decides_nothing(
    commands: Commands, terminal: Terminal
) -> None:
    slow = "--set=generator.seconds=1"
    with commands.start(*REVIEWED, slow, "--rounds=2", terminal=terminal) as going:
        terminal.until("rendering")
        terminal.type("stop\r")
        decide(terminal, "accept")
        assert going.wait().code == 0
    assert decisions(the_run(commands)) == ["accept"]


def test_stdout_that_is_a_file_holds_the_paths_alone(
    commands: Commands, terminal: Terminal, tmp_path: Path
) -> None:
    stdout = tmp_path / "stdout"
    with commands.start(*REVIEWED, "--rounds=2", terminal=terminal, stdout=stdout) as going:
        decide(terminal, "edit", ", at night")
        ended = going.wait()
    folder = only_run(commands.folder / "runs").relative_to(commands.folder)
    assert ended.stdout.splitlines() == [str(folder / "result.png"), str(folder)]
    assert the_run(commands).candidates[1].prompt.endswith(", at night")


HOSTILE = "a cat \x1b]0;title\x07\x9b2J\u202e[bold]b[/bold] {red}"


def test_a_hostile_proposal_is_inert(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*FAKES, *SMALL, *LONG, "--review", HOSTILE, terminal=terminal) as going:
        decide(terminal, "edit", "!")
        decide(terminal, "stop")
        assert going.wait().code == 0
    shown = visible(terminal.output)
    for obeyed in ("\x1b]", "\x07title", "\x9b", "\u202e"):
        assert obeyed not in shown
    assert "[bold]b[/bold] {red}" in shown


@pytest.mark.parametrize("how", [("--auto",), ("--json", "--review"), ("--review",), ()])
def test_nobody_to_ask(commands: Commands, how: tuple[str, ...]) -> None:
    """Pipes, programs and `--auto` run through."""
    (commands.folder / "rr-refine.toml").write_text("[loop]\nreview = true\n")
    ended = commands.run(*REQUEST, "--rounds=2", *how)
    assert ended.code == 0, ended.stderr
    assert ("no review (" in ended.stderr) == ("--auto" not in how)
    run = the_run(commands)
    assert run.policy.review is False
    assert len(run.candidates) == 2
    assert not [kind for kind, _, _ in items(run.path) if kind == "review"]


@pytest.mark.parametrize("flag", [(), ("--auto",)])
def test_a_question_left_open_is_passed_where_nobody_can_be_asked(
    commands: Commands, terminal: Terminal, flag: tuple[str, ...]
) -> None:
    with commands.start(*REVIEWED, "--rounds=2", terminal=terminal) as going:
        terminal.until(ASKED)
        terminal.type("\x03")
        going.wait()
    folder = only_run(commands.folder / "runs")
    ended = commands.run("resume", str(folder), "--trust", *flag)
    assert ended.code == 0, ended.stderr
    assert decisions(load_run(folder)) == ["accept"]


def test_no_pause_unless_asked_for(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*REQUEST, "--rounds=2", terminal=terminal) as going:
        assert going.wait().code == 0
    assert ASKED not in terminal.output
    assert len(the_run(commands).candidates) == 2


CONTENT = ("three red hats", *SMALL, *FAKES, "--set=loop.target=1.0", "--review", "--rounds=3")
"""The critic is content with any picture."""


@pytest.mark.parametrize("answer", ["", "take", "stop"])
def test_the_critic_is_content_and_a_person_is_asked(
    commands: Commands, terminal: Terminal, answer: str
) -> None:
    with commands.start(*CONTENT, "--plain", terminal=terminal) as going:
        terminal.until("Take the picture, or go on?")
        terminal.until("g goes on")
        decide(terminal, answer)
        assert going.wait().code == 0
    run = the_run(commands)
    assert len(run.candidates) == 1
    assert run.outcome is not None
    assert run.outcome.stop.rule == "target"


@pytest.mark.parametrize("display", [(), ("--plain",)])
def test_go_on_where_the_critic_is_content(
    commands: Commands, terminal: Terminal, display: tuple[str, ...]
) -> None:
    with commands.start(*CONTENT, *display, terminal=terminal) as going:
        decide(terminal, "frobnicate")
        terminal.until("is none of take, go")
        decide(terminal, "go", "make it night")
        terminal.until("Make it night")
        decide(terminal, "accept")  # the prompt that comes of it
        decide(terminal, "take")
        assert going.wait().code == 0, terminal.output
    run = the_run(commands)
    assert [one.remark for one in run.revisions] == ["make it night"]
    assert decisions(run) == ["go-on", "accept", "accept"]
    assert terminal.is_sane


def test_go_on_without_words(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*CONTENT, terminal=terminal) as going:
        decide(terminal, "g", "")
        decide(terminal, "accept")
        decide(terminal, "take")
        assert going.wait().code == 0, terminal.output
    run = the_run(commands)
    assert len(run.candidates) > 1
    assert run.revisions == ()


@pytest.mark.parametrize("display", [(), ("--plain",), ("--pictures=kitty",)])
def test_first_pictures_are_shown_to_choose_from(
    commands: Commands, terminal: Terminal, display: tuple[str, ...]
) -> None:
    with commands.start(*CONTENT, "--candidates=3", *display, terminal=terminal) as going:
        for number in (1, 2, 3):  # before anything is asked
            terminal.until(f"{number}  round 1")
        decide(terminal, "pick 7")
        terminal.until("there is no picture '7'")
        terminal.type("2\r")
        terminal.until("picked: round 1, picture 2")
        decide(terminal, "edit")
        terminal.until("is none of take, go, pick")
        decide(terminal, "take")
        assert going.wait().code == 0, terminal.output
    run = the_run(commands)
    assert run.best is not None
    assert run.best.id == "r0c1"
    assert terminal.is_sane


def test_go_on_from_a_picture_that_was_picked(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*CONTENT, "--candidates=2", "--plain", terminal=terminal) as going:
        decide(terminal, "pick 2")
        decide(terminal, "go make it night")
        terminal.until("Make it night")
        decide(terminal, "stop")
        assert going.wait().code == 0, terminal.output
    (revision,) = the_run(commands).revisions
    assert revision.incumbent == "r0c1"


def test_the_question_at_the_end_stays_open(commands: Commands, terminal: Terminal) -> None:
    with commands.start(*CONTENT, "--plain", terminal=terminal) as going:
        terminal.until(ASKED)
        terminal.type("\x03")
        assert going.wait().code == 130
    run = the_run(commands)
    assert run.status != "done"
    with commands.start("resume", str(run.path), "--trust", "--plain", terminal=terminal) as going:
        decide(terminal, "take")
        assert going.wait().code == 0, terminal.output
    assert the_run(commands).status == "done"
