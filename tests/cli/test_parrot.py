from __future__ import annotations

import json
from pathlib import Path

import pytest

from rr_refine.cli.main import main
from rr_refine.training.parrot.folder import ParrotFolder
from tests.training.parrot.fakes import make_folder, picture

CONFIG = """\
[teacher]
use = "tests.training.parrot.fakes:create"

[parrot]
direct = true

[student]
template = "sketch"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def run(*arguments: str) -> int:
    trust = ["--trust" for each in arguments if each.startswith("--config")]
    with pytest.raises(SystemExit) as ended:
        main(["parrot", *arguments, *trust])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def config(tmp_path: Path, text: str = CONFIG) -> str:
    (tmp_path / "parrot.toml").write_text(text)
    return f"--config={tmp_path / 'parrot.toml'}"


def test_from_files_to_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for number in range(3):
        names = [f"{number}-{place}.png" for place in (1, 2)]
        for place, name in enumerate(names):
            picture(2 * number + place).save(tmp_path / name)
        confidence = 0.5 if number == 2 else 0.99
        rows.append(
            {"prompt": f"cat {number}", "path1": names[0], "path2": names[1]}
            | {"confidence": confidence}
        )
    (tmp_path / "train.json").write_text(json.dumps(rows))
    folder = tmp_path / "data"
    assert run("ingest", "hpdv3", str(tmp_path / "train.json"), str(folder)) == 0
    assert "MizzenAI/HPDv3 train: 2 of 3 kept; dropped: margin 1" in capsys.readouterr().out
    assert run("run", str(folder), config(tmp_path)) == 0
    told = capsys.readouterr()
    assert "Rows: parrot pairwise 2, parrot pointwise 4, direct pairwise 2" in told.out
    assert told.out.splitlines()[-1] == str(folder / "sft" / "parrot.jsonl")
    assert "2 of 2 pairs" in told.err
    row = json.loads((folder / "sft" / "parrot.jsonl").read_text().splitlines()[0])
    assert row["prompt"][0]["role"] == "user"  # the sketch student has no system message
    assert run("export", str(folder)) == 0
    row = json.loads((folder / "sft" / "parrot.jsonl").read_text().splitlines()[0])
    assert row["prompt"][0]["role"] == "system"


def test_parts_leave_the_export_to_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path, 2)
    assert run("run", str(tmp_path), config(tmp_path), "--part=1/2") == 0
    assert not (tmp_path / "sft").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("[teacher]\nuse = 'fake'", (), "unknown teacher 'fake'"),
        ("[teacher]\nuse = 'json:loads'\ns = '{}'", (), "is no teacher"),
        ("[parrot]\ntau = 1.6", (), "parrot.tau"),
        ("[parrot]\ntua = 0.6", (), "unknown option 'parrot.tua' (did you mean 'tau'?)"),
        ("[students]\n", (), "unknown option 'config.students' (did you mean 'student'?)"),
        ("[student]\ntemplate = 'none'", (), "there is no template 'none'"),
        ("=", (), "cannot be read"),
        ("", ("--part=2",), "must look like 1/4"),
        ("", ("--part=3/2",), "out of range"),
        ("", ("--part=0/0",), "--part '0/0' has no parts: 1/1 is the whole"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    text: str,
    arguments: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_folder(tmp_path, 1)
    if "[teacher]" not in text:
        text += '\n[teacher]\nuse = "tests.training.parrot.fakes:create"\n'
    assert run("run", str(tmp_path), config(tmp_path, text), *arguments) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.splitlines()[-1].startswith("error: ")


def test_a_folder_without_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", str(tmp_path)) == 2
    assert "rr-refine parrot ingest" in capsys.readouterr().err
    assert ParrotFolder(tmp_path).pairs == []


def test_refusals_do_not_fail_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path, 3)
    text = CONFIG.replace("direct = true", "").replace('create"', 'create"\ndeclines = 2')
    refusing = config(tmp_path, text)
    assert run("run", str(tmp_path), refusing) == 0
    told = capsys.readouterr()
    assert "2 questions were refused" in told.err
    assert "--ask-again" in told.err
    assert "Without an answer for good: refused 2" in told.out
    assert "Rows: parrot pairwise 1" in told.out
    assert run("run", str(tmp_path), refusing) == 0
    assert "were refused" not in capsys.readouterr().err
    assert run("run", str(tmp_path), refusing, "--ask-again") == 0
    assert "2 questions were refused" in capsys.readouterr().err


def test_a_teacher_without_probabilities_fails_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/parrot.md says exit code 1, the reason, and that the next run asks again."""
    make_folder(tmp_path, 2)
    mute = config(tmp_path, CONFIG.replace('create"', 'create"\nprobabilities = false'))
    for _ in range(2):
        assert run("run", str(tmp_path), mute) == 1
        told = capsys.readouterr()
        assert (
            "questions stayed without an answer; run again to ask them; the last: sent no log"
            in (told.err)
        )
        assert "were refused" not in told.err
    assert run("run", str(tmp_path), config(tmp_path)) == 0
