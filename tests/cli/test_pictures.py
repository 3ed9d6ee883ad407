"""Pictures on the command line: what cannot be used is one line, what was done to one is a note."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from PIL import Image

from rr_refine import load_run
from rr_refine.agent.events import Notice
from rr_refine.agent.store.folder import RunFolder
from rr_refine.picture_file import limit_megapixels
from tests.commands import Commands
from tests.test_picture_colours import FROM_P3, P3
from tests.test_picture_file import EPS, bomb

TOLD = f"the picture to edit: {FROM_P3}"
SEEN_BY_CRITIC = "the critic: it sees the first of the 3 pictures to edit"
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


def test_several_pictures(commands: Commands) -> None:
    """Each is read as one is: upright, on white; all are recorded, in order, and shown."""
    Image.new("RGB", (64, 48), "red").save(commands.folder / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 16), "blue").save(commands.folder / "b.jpg", exif=exif)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(commands.folder / "c.png")
    given = ("--image", "a.png", "-i", "b.jpg", "-i", "c.png")
    ended = commands.run("put 2 into 1", *given, *FAKE)
    assert ended.code == 0
    assert f"  note     {SEEN_BY_CRITIC}" in " ".join(ended.stderr.split("\n"))
    (path,) = commands.folder.glob("runs/*")
    run = load_run(path)
    with RunFolder(path, lock=False) as folder:
        first, second, third = (folder.load_image(name) for name in run.request.sources)
    assert (first.size, second.size) == ((64, 48), (16, 32))
    assert second.getpixel((3, 3))[2] > 200  # type: ignore[index]
    assert third.getpixel((0, 0)) == (255, 255, 255)
    page = (path / "report" / "index.html").read_text()
    assert all(name in page for name in run.request.sources)
    assert SEEN_BY_CRITIC in page
    assert "picture 3: " in page  # what was done to it
    notices = [e for e in run.events() if isinstance(e, Notice)]
    assert any(e.text.startswith("the pictures to edit: picture 3: ") for e in notices)


def test_another_second_picture_is_another_run(commands: Commands) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "blue"), ("c.png", "green")):
        Image.new("RGB", (64, 48), colour).save(commands.folder / name)
    results = set()
    for more in ((), ("b.png",), ("c.png",), ("b.png", "c.png"), ("c.png", "b.png")):
        images = [word for name in ("a.png", *more) for word in ("--image", name)]
        assert commands.run("make it blue", *images, *FAKE).code == 0
    for path in commands.folder.glob("runs/*"):
        run = load_run(path)
        assert run.incumbent is not None
        results.add((run.request.sources, run.incumbent.image))
    assert len({result for _, result in results}) == len(results) == 5


def test_a_run_with_several_goes_on(commands: Commands) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (64, 48), colour).save(commands.folder / name)
    given = ("make it blue", "--image", "a.png", "--image", "b.png", *FAKE)
    assert commands.run(*given).code == 0
    (path,) = commands.folder.glob("runs/*")
    whole = load_run(path)
    manifest = json.loads((path / "manifest.json").read_text())

    def begun() -> None:
        (path / "samples.jsonl").write_text("")
        (path / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))

    begun()
    assert commands.run("resume", str(path)).code == 0
    run = load_run(path)
    assert run.request == whole.request
    assert [c.image for c in run.candidates] == [c.image for c in whole.candidates]
    begun()
    (picture,) = path.glob(f"images/*/{run.request.more_sources[0]}.png")
    picture.unlink()
    ended = commands.run("resume", str(path))
    assert ended.code != 0
    assert picture.stem[:8] in ended.stderr


@pytest.mark.parametrize("number", [2, 3])
def test_more_pictures_than_the_generator_takes(commands: Commands, number: int) -> None:
    Image.new("RGB", (64, 48)).save(commands.folder / "a.png")
    images = ["--image", "a.png"] * number
    ended = commands.run("make it blue", *images, models=True)
    assert ended.code == 2
    words = f"'sketch' takes one picture to edit at a time, and {number} were given"
    assert words in ended.stderr
    assert "Flux2Pipeline" in ended.stderr
    assert not (commands.folder / "runs").exists()
