"""GenEval: its prompts, its layout, and the detector's results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.benchmarks.protocol import AsksJudge, Layout, OfficialScore, ScoresFiles
from rr_refine.benchmarks.published.geneval import GenEvalLoader
from rr_refine.benchmarks.published.geneval.benchmark import SUITES, GenEval
from rr_refine.benchmarks.published.geneval.files import official_parse
from rr_refine.errors import ConfigError, StoreError

NAME = "evaluation_metadata.jsonl"
LINES = [
    b'{"tag": "single_object", "include": [{"class": "bench", "count": 1}], '
    b'"prompt": "a photo of a bench"}',
    # Other blanks and an escape: they stay as they are.
    b'{"tag":"colors",  "include":[{"class":"cup","count":1,"color":"red"}],'
    b'"prompt":"a photo of a red\\u0020cup"}',
    b'{"tag": "colors", "include": [{"class": "vase", "count": 1, "color": "blue"}], '
    b'"prompt": "a photo of a blue vase"}',
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "copy" / "prompts" / NAME
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\n".join(LINES) + b"\n")
    return file


@pytest.fixture
def published(data: Path) -> GenEval:
    return GenEvalLoader(data=data, samples=2).load()


def draw(published: GenEval, folder: Path) -> None:
    for item in published.items:
        path = folder / published.picture(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)


def test_items(data: Path) -> None:
    published = GenEvalLoader(data=data).load()
    assert published.name == SUITES[0]
    assert published.dimensions == ("single_object", "colors")
    assert published.files == {NAME: hashlib.sha256(data.read_bytes()).hexdigest()}
    assert published.notes == ()
    assert len(published.items) == 3 * 4
    item = published.items[6]
    assert (item.id, item.group, item.seed) == ("00001_0002", "00001", 42 + 2)
    assert item.prompt == "a photo of a red cup"
    assert item.labels == {"tag": "colors"}
    assert item.source is None
    assert published.picture(item) == "00001/samples/0002.png"


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_file_is_found(data: Path, up: int) -> None:
    folder = data if up == 0 else data.parents[up - 1]
    assert len(GenEvalLoader(data=folder, samples=1).load().items) == 3


def test_the_first_prompts_with_all_their_samples(data: Path) -> None:
    published = GenEvalLoader(data=data, samples=2).load(limit=2)
    assert [i.id for i in published.items] == [
        "00000_0000",
        "00000_0001",
        "00001_0000",
        "00001_0001",
    ]


def test_the_layout(published: GenEval, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for _ in range(2):
        published.lay_out(folder)
    assert [(folder / f"{n:05d}" / "metadata.jsonl").read_bytes() for n in range(3)] == LINES
    draw(published, folder)
    assert published.preflight(folder) == []


def test_preflight(published: GenEval, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    published.lay_out(folder)
    draw(published, folder)
    (folder / "00000" / "samples" / "0001.png").unlink()
    (folder / "00000" / "samples" / "notes.png").write_bytes(b"no picture's name")
    (folder / "00001" / "samples" / "0000.png").write_bytes(b"not a picture")
    (folder / "00001" / "samples" / "00000.png").write_bytes(b"of the official generator")
    (folder / "00001" / "metadata.jsonl").unlink()
    (folder / "00002" / "metadata.jsonl").write_bytes(LINES[0])
    lines = published.preflight(folder)
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "00001/metadata.jsonl is missing",
        "00001/samples/00000.png is of no item, but the official script counts it",
        "00002/metadata.jsonl is not this prompt's",
        "00000/samples/0001.png is missing",
    ]
    assert "00001/samples/0000.png" in lines[-1] and "cannot be read" in lines[-1]


def test_fewer_items(published: GenEval, tmp_path: Path) -> None:
    published.items = published.items[3:]  # the second sample of prompt 1, and prompt 2
    published.lay_out(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("0*")) == ["00001", "00002"]
    draw(published, tmp_path)
    (tmp_path / "00001" / "samples" / "0000.png").write_bytes(b"of another shard")
    assert published.preflight(tmp_path) == []


def test_nothing_is_asked(published: GenEval) -> None:
    assert all(isinstance(published, part) for part in (Layout, ScoresFiles))
    assert not isinstance(published, AsksJudge | OfficialScore)
    assert published.grade is None
    worst = published.worst(published.items[0])
    assert (worst.exact, worst.score, worst.parts) == (False, 0, {"single_object": (0, 1)})


def result(request: int, sample: str, tag: str, correct: object) -> str:
    return json.dumps(
        {
            "filename": f"out/{request:05d}/samples/{sample}.png",
            "tag": tag,
            "prompt": f"prompt {request}",
            "correct": correct,
            "reason": "" if correct else "expected bench>=1, found 0",
            "metadata": json.dumps({"tag": tag, "prompt": f"prompt {request}"}),
            "details": "{}",
        }
    )


def test_results_of_the_detector(published: GenEval, tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    lines = [
        result(1, "0000", "colors", True),
        result(1, "0001", "colors", False),
        result(2, "00000", "colors", False),  # as the official generator names them
        result(0, "0000", "single_object", True),
        result(9, "0000", "position", False),  # of no item of ours
        result(0, "grid", "single_object", True).replace("samples/", ""),
    ]
    file.write_text("\n".join(lines) + "\n\n")
    official, marks = published.score_file(file)
    # Pictures 3/6; prompts 0 and 1 of the four 0, 1, 2, 9. Tasks 1/3, 2/2 and 0/1: their mean is
    # 4/9, where that of pictures is 1/2.
    assert official == {
        "total_images": 6,
        "total_prompts": 4,
        "correct_images": 0.5,
        "correct_prompts": 0.5,
        "tasks": {
            "colors": {"score": 1 / 3, "correct": 1, "total": 3},
            "single_object": {"score": 1.0, "correct": 2, "total": 2},
            "position": {"score": 0.0, "correct": 0, "total": 1},
        },
        "overall": (1 / 3 + 1 + 0) / 3,
    }
    assert {name: mark.exact for name, mark in marks.items() if mark} == {
        "00001_0000": True,
        "00001_0001": False,
        "00002_0000": False,
        "00000_0000": True,
    }
    mark = marks["00001_0000"]
    assert mark is not None
    assert (mark.score, mark.parts) == (1, {"colors": (1, 1)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no results"),
        ("overall 0.5\n", "line 1 of .* is no result of evaluate_images.py"),
        (result(0, "0000", "colors", True) + "\n{}\n", "line 2 of .*: filename is missing"),
        (result(0, "0000", "colors", "yes"), "line 1 of .*: correct = 'yes' is neither"),
    ],
)
def test_a_file_of_another_kind(
    published: GenEval, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        published.score_file(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        published.score_file(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("line", "correct"),
    [
        (result(0, "0000", "colors", True), True),
        (result(0, "0000", "colors", False), False),
        (result(0, "0000", "colors", "true"), None),
        (result(0, "0000", "colors", 1), None),
        ('{"tag": "colors"}', None),
        ("[true]", None),
        ("colors = 50.00%", None),
        ("[" * 100_000, None),
    ],
)
def test_one_result(line: str, correct: bool | None) -> None:
    assert official_parse(line) is correct


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (LINES[0] + b"\n\n" + LINES[1], "line 2 of .* is not of the published form"),
        (b'{"tag": "colors"}', "line 1 of .*: prompt is missing"),
    ],
)
def test_broken_prompts(data: Path, text: bytes, message: str) -> None:
    data.write_bytes(text)
    with pytest.raises(ConfigError, match=message):
        GenEvalLoader(data=data).load()


def test_what_is_asked_for_wrongly(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="samples = 0"):
        GenEvalLoader(data=data, samples=0).load()
    with pytest.raises(ConfigError, match="limit = 0"):
        GenEvalLoader(data=data).load(limit=0)
    with pytest.raises(ConfigError, match=f"holds no {NAME}"):
        GenEvalLoader(data=tmp_path).load()


def test_a_folder_that_cannot_be_written(published: GenEval, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write .*metadata\.jsonl"):
        published.lay_out(tmp_path / "pictures")
