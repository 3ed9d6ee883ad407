"""Texts of files and servers at the terminal: none gets there as it is."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue
from rich.text import Text

from rr_refine import plain_text
from rr_refine.benchmarks.table import rows
from rr_refine.cli.exits import guarded
from rr_refine.cli.live.console import CleanConsole
from rr_refine.cli.text import clean_stderr, overwrite, quoted, say, say_json, tell, terminal
from rr_refine.plain_text import csv_cell, dollars_set, is_hidden, one_line
from tests.agent.records import only_run
from tests.commands import Commands

HOSTILE = (
    "\x1b[31m[red]\x1b]8;;http://x\x07link\x1b]0;title\x07\x9b2J\x7f\x08\r\nfake line\v\f"
    "\u202egnp\u2066\u2069\u200b\u200e\ufeff\u2028\u2029\U000e0041\ud800"
)


def hidden(text: str) -> list[str]:
    return [hex(ord(c)) for c in text if c != "\n" and is_hidden(c)]


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("print_", [say, tell])
def test_a_line_is_one_line(print_: Callable[[str], None], capsys: Captured) -> None:
    print_(f"before {HOSTILE} after")
    out, err = capsys.readouterr()
    printed = out + err
    assert hidden(printed) == []
    assert printed.count("\n") == 1
    assert "[red]" in printed
    assert "fake line" in printed


def test_json_stays_what_it_says(capsys: Captured) -> None:
    value = {"a": HOSTILE, HOSTILE: ["ä", "😀"]}
    say_json(json.dumps(value, ensure_ascii=False, indent=1))
    printed = capsys.readouterr().out
    assert hidden(printed) == []
    assert json.loads(printed) == value


@pytest.mark.parametrize("name", ["plain", "a b", f"x{HOSTILE}'\\", "\udcff", "ä\u202e"])
def test_a_path_can_be_pasted(name: str, capsys: Captured) -> None:
    path = Path(name.replace("/", "").replace("\ud800", ""))
    tell(quoted(path))
    shown = capsys.readouterr().err.rstrip("\n")
    assert hidden(shown) == []
    echo = subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True)
    assert echo.stdout == str(path).encode("utf-8", "surrogateescape")
    say(path)
    printed = capsys.readouterr().out.rstrip("\n")
    assert hidden(printed) == []
    assert printed in (str(path), shown)


def test_a_bar_is_one_line(capsys: Captured) -> None:
    overwrite(f"1 of 2 {HOSTILE}", last=True)
    assert hidden(capsys.readouterr().err.removeprefix("\r\x1b[K")) == []


def test_what_others_print(capsys: Captured) -> None:
    with clean_stderr():
        handler = logging.StreamHandler()
        logger = logging.getLogger("tests.hostile")
        logger.addHandler(handler)
        logger.propagate = False  # a worker of the tests cannot send half a character
        logger.warning("a server said %s", HOSTILE)
        logger.removeHandler(handler)
        sys.stderr.write(f"{HOSTILE}\n")
        sys.stderr.writelines([HOSTILE])
        sys.stderr.write("\r50 %")
        terminal().write("\x1b[K")
    err = capsys.readouterr().err
    assert err.endswith("\r50 %\x1b[K")
    assert hidden(err.removesuffix("\r50 %\x1b[K")) == []
    assert err.count("fake line") == 3


def test_the_trace_of_a_fault(capsys: Captured) -> None:
    def broken() -> int:
        raise ZeroDivisionError(HOSTILE)

    assert guarded(broken) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert "Traceback" in err
    assert hidden(err) == []


def test_the_live_view_draws_no_hidden_characters(capsys: Captured) -> None:
    CleanConsole().print(Text(HOSTILE), HOSTILE)
    err = capsys.readouterr().err
    assert hidden(err) == []
    assert err.count("[red]") == 2


# -- spreadsheets and tables -------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1",
    "-",
    "=",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_a_formula_behind_a_semicolon() -> None:
    """In many countries it ends a cell."""
    assert csv_cell("x;=1+1; y;-z;@a;+b") == "x;'=1+1; y;'-z;'@a;'+b"


@pytest.mark.parametrize("blank", ["\u3164", "\u115f", "\u1160", "\uffa0", "\u2800"])
def test_letters_that_are_blank_are_hidden(blank: str) -> None:
    assert is_hidden(blank)
    assert one_line(f"a{blank}b") == "ab"


@pytest.mark.parametrize("value", [1, -1.5, None, "-1.5", "+2", "-1e-3", "a=b", "", "1-2", True])
def test_other_cells_stay(value: object) -> None:
    assert csv_cell(value) == value


def test_no_cell_steers_a_terminal() -> None:
    assert csv_cell("a\x1b[31mb\u202ec\nd") == "a[31mbc\nd"


def test_every_writer_of_spreadsheets_uses_it() -> None:
    root = Path(__file__).parents[2]
    writers = [
        path
        for room in ("src/rr_refine", "agent", "benchmarks", "training", "cli", "reward", "studio")
        for path in (root / room).rglob("*.py")
        if "csv.writer(" in path.read_text() or "DictWriter(" in path.read_text()
    ]
    assert len(writers) == 3
    for path in writers:
        assert "map(csv_cell, " in path.read_text(), path


def test_a_cell_of_a_markdown_table_is_text() -> None:
    table = rows([["a"], [f"<script>|{HOSTILE}"]])
    assert hidden(table) == []
    assert len(table.splitlines()) == 3
    assert "\\<script>\\|" in table


# -- whole commands ----------------------------------------------------------------------------

FREE = ("prompt", "name", "reason", "message", "why", "origin", "kind", "model", "run_id", "parent")


def poisoned(value: JsonValue, *, everywhere: bool, key: str = "") -> JsonValue:
    match value:
        case dict():
            return {k: poisoned(v, everywhere=everywhere, key=k) for k, v in value.items()}
        case list():
            return [poisoned(v, everywhere=everywhere, key=key) for v in value]
        case str() if everywhere or key in FREE:
            return f"{value}{HOSTILE[:-1]}"
    return value


def poison(run: Path, *, everywhere: bool) -> None:
    for name in ("config.json", "manifest.json"):
        data = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps(poisoned(data, everywhere=everywhere)))
    for name in ("samples.jsonl", "events.jsonl"):
        lines = [json.loads(line) for line in (run / name).read_text().splitlines()]
        texts = [json.dumps(poisoned(line, everywhere=everywhere)) for line in lines]
        (run / name).write_text("".join(f"{text}\n" for text in texts))


def test_a_run_folder_full_of_escapes(commands: Commands) -> None:
    ended = commands.run(
        "two cats", "--set", "generator.use=fake", "--set", "critic.use=fake", "--rounds", "2"
    )
    run = only_run(commands.folder / "runs")
    assert ended.code in (0, 1)
    for everywhere in (False, True):
        poison(run, everywhere=everywhere)
        named = run.rename(run.with_name(f"{run.name}\x1b[31m\u202e"))
        for arguments in (
            ["resume", str(named)],
            ["resume", str(named), "--json"],
            ["replay", str(named)],
            ["replay", str(named), "--json"],
            ["report", str(named)],
            ["report", str(named.parent)],
            ["refine", "--config", str(named / "config.json"), "--dry-run"],
            ["config", "show", "--config", str(named / "config.json")],
        ):
            done = commands.run(*arguments)
            assert done.stdout + done.stderr, shlex.join(arguments)
            assert hidden(done.stdout) == [], arguments
            assert hidden(done.stderr) == [], arguments
        run = named.rename(run)


def test_a_settings_file_full_of_escapes(commands: Commands) -> None:
    text = "".join(f"\\U{ord(c):08x}" for c in HOSTILE[:-1])
    for key in ("preset", "critic.use", "generator.model", f"x{text[:10]}", "out", "keep"):
        (commands.folder / "hostile.toml").write_text(f'"{key}" = "{text}"\n')
        done = commands.run("a cat", "--config", "hostile.toml", "--dry-run")
        assert "fake line" in done.stdout + done.stderr or key.startswith("x"), key
        assert "cannot be read" not in done.stderr
        assert hidden(done.stdout + done.stderr) == []


def test_one_line_keeps_spaces_and_words() -> None:
    assert one_line("a  b\tc — 日本語 😀") == "a  b c — 日本語 😀"


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        *[(0.3, "$0.30"), (0.1, "$0.10"), (2, "$2.00"), (1000.0, "$1,000.00"), (0, "$0.00")],
        *[(0.0025, "$0.0025"), (1.255, "$1.255"), (1e-7, "$0.0000001"), (1e18, f"${10**18:,}.00")],
    ],
)
def test_a_price_has_two_decimals_at_least(usd: float, words: str) -> None:
    assert dollars_set(usd) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [("a'b", '"a\'b"'), (None, "None"), ([1, "x"], "[1, 'x']"), ("a\x1b", "'a\\x1b'")],
)
def test_a_value_of_an_error_is_quoted(value: object, words: str) -> None:
    assert plain_text.quoted(value) == words


@pytest.mark.parametrize("value", ["a" * 10**6, ["a" * 10**6], {"a": list(range(10**5))}], ids=type)
def test_a_long_value_is_told_by_its_beginning(value: object) -> None:
    assert len(plain_text.quoted(value)) < 200 and "characters)" in plain_text.quoted(value)
