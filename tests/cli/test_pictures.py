"""Pictures on the command line: what cannot be used is one line, what was done to one is a note."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from PIL import Image

from rr_refine.picture_file import limit_megapixels
from tests.commands import Commands
from tests.test_picture_colours import FROM_P3, P3
from tests.test_picture_file import EPS, bomb

TOLD = f"the picture to edit: {FROM_P3}"
FAKE = ("--generator", "fake", "--critic", "fake", "--preset", "one-shot")


@pytest.fixture(autouse=True)
def usual_limit() -> Iterator[None]:
    yield
    limit_megapixels(100)


def test_a_converted_photo_is_told_everywhere(commands: Commands) -> None:
    Image.new("RGB", (64, 48), (60, 200, 60)).save(commands.folder / "a.png", icc_profile=P3)
    plain = commands.run("make it blue", "--image", "a.png", *FAKE)
    assert plain.code == 0
    assert f"  note     {TOLD}\n" in plain.stderr
    streamed = commands.run("make it red", "--image", "a.png", "--json", *FAKE)
    events = [json.loads(line) for line in streamed.stdout.splitlines()]
    assert [e["text"] for e in events if e["type"] == "notice"] == [TOLD]
    (record,) = commands.folder.glob("runs/*make-it-blue*/events.jsonl")
    assert FROM_P3 in record.read_text()
    assert FROM_P3 in (record.parent / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("https://example.com/a.png", "is an address: give a file"),
        ("a.eps", "it is PostScript, and no picture that can be used: give PNG"),
        ("bomb.png", "169 megapixels, and 100 is the most: .* raise max_megapixels"),
        ("empty.png", "it is empty"),
        (".", "it is a folder"),
        ("none.png", "does not exist"),
    ],
)
def test_one_line(commands: Commands, image: str, words: str) -> None:
    (commands.folder / "a.eps").write_bytes(EPS)
    (commands.folder / "bomb.png").write_bytes(bomb())
    (commands.folder / "empty.png").touch()
    ended = commands.run("make it blue", "--image", image, *FAKE)
    assert ended.code == 2
    assert len(ended.stderr.splitlines()) == 1
    assert re.search(words, ended.stderr)
    assert not (commands.folder / "runs").exists()


def test_the_limit_is_a_setting(commands: Commands) -> None:
    Image.new("RGB", (1500, 1000)).save(commands.folder / "a.png")
    (commands.folder / "rr-refine.toml").write_text("max_megapixels = 1\n")
    ended = commands.run("make it blue", "--image", "a.png", *FAKE)
    assert ended.code == 2
    assert "1500x1000 pixels are 2 megapixels, and 1 is the most" in ended.stderr
    given = commands.run("x", "--image", "a.png", "--set", "max_megapixels=2", *FAKE)
    assert given.code == 0
    for odd in ("0", "-1", "many"):
        ended = commands.run("x", "--set", f"max_megapixels={odd}", *FAKE)
        assert ended.code == 2
        assert "max_megapixels" in ended.stderr


def test_several_pictures_are_refused_by_name(commands: Commands) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48)).save(commands.folder / name)
    ended = commands.run("make it blue", "--image", "a.png", "-i", "b.png", *FAKE)
    assert ended.code == 2
    assert (
        "--image was given 2 times, and the generator 'fake' is given one picture" in ended.stderr
    )
