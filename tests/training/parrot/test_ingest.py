from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from rr_refine.errors import ConfigError, StoreLockedError
from rr_refine.pictures import load_picture
from rr_refine.reward.preferences.pair import PictureStore, Side, exchange
from rr_refine.reward.preferences.sources import RawPair
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.export import export
from rr_refine.training.parrot.folder import ParrotFolder, opened
from rr_refine.training.parrot.ingest import EvaluationSet, Reread, ingest
from rr_refine.training.parrot.pipeline import produce
from rr_refine.training.parrot.report import summarise
from tests.training.parrot.fakes import FakeTeacher, make_folder, picture, raw_pair


def test_the_winner_is_a_about_as_often_as_b(tmp_path: Path) -> None:
    pairs = make_folder(tmp_path, 400).pairs
    winners = [pair.label for pair in pairs]
    assert 160 < winners.count("A") < 240
    assert winners.count("A") + winners.count("B") == 400
    for pair in pairs:
        assert pair.swapped == (pair.label == "B")  # the first picture always won


def test_the_order_is_the_same_in_every_run(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a", 9).pairs == make_folder(tmp_path / "b", 9).pairs


def test_everything_is_exchanged_together(tmp_path: Path) -> None:
    rows = [
        replace(
            raw_pair(number, "second"),
            first_model="worse",
            second_model="better",
            preferred_by={"text_faithfulness": "second", "physical_quality": "tie"},
        )
        for number in range(20)
    ]
    folder = ParrotFolder(tmp_path)
    ingest(folder, rows)
    assert {pair.swapped for pair in folder.pairs} == {True, False}
    for pair, raw in zip(folder.pairs, rows, strict=True):
        side: Side = "A" if pair.label == "A" else "B"
        assert {"A": pair.model_a, "B": pair.model_b}[side] == "better"
        assert pair.dim_labels == {"text_faithfulness": pair.label, "physical_quality": "tie"}
        shown = load_picture(folder.pictures.path(pair.image(side)))
        assert isinstance(raw.second, Image.Image)
        assert shown.tobytes() == raw.second.tobytes()
        assert exchange(pair.label, "BA") != pair.label


def test_what_tells_nothing_is_dropped_with_a_reason(tmp_path: Path) -> None:
    unknown = EvaluationSet()
    unknown.add("A red  CAT on mat 7!")
    rows: list[RawPair] = [
        raw_pair(1),
        raw_pair(1),
        raw_pair(2, "tie"),
        replace(raw_pair(3), margin=0.5),
        replace(raw_pair(4), margin=None),
        replace(raw_pair(5), instruction=" "),
        replace(raw_pair(6), first=b"no picture"),
        raw_pair(7),
        replace(raw_pair(8), second=raw_pair(8).first),
        replace(raw_pair(9), first=tmp_path / "missing.png"),
    ]
    (count,) = ingest(ParrotFolder(tmp_path), rows, margin=0.6, evaluation=unknown)
    assert (count.read, count.kept) == (10, 1)
    assert count.dropped == {
        "duplicate": 1,
        "tie": 1,
        "margin": 1,
        "no margin": 1,
        "no instruction": 1,
        "broken picture": 2,
        "evaluation set": 1,
        "same picture": 1,
    }
    assert count.broken is not None
    assert "no picture" in count.broken
    assert json.loads((tmp_path / "ingest.jsonl").read_text())["kept"] == 1


def test_an_unknown_margin_is_kept_if_any_is(tmp_path: Path) -> None:
    folder = ParrotFolder(tmp_path)
    ingest(folder, [replace(raw_pair(1), margin=None)])
    assert folder.pairs[0].margin == 0.0


def test_ingesting_goes_on_where_it_ended(tmp_path: Path) -> None:
    rows = [raw_pair(number) for number in range(6)]
    ingest(ParrotFolder(tmp_path), rows, limit=2)
    with (tmp_path / "pairs.jsonl").open("ab") as file:
        file.write(b'{"id": "torn')
    (count,) = ingest(ParrotFolder(tmp_path), rows)
    assert (count.kept, count.dropped) == (4, {"duplicate": 2})
    assert len({pair.id for pair in ParrotFolder(tmp_path).pairs}) == 6


def test_a_wrong_picture_folder_is_the_users_mistake(tmp_path: Path) -> None:
    rows = [replace(raw_pair(1), first=tmp_path / "nowhere.jpg")]
    with pytest.raises(ConfigError, match=r"no picture of 'school' can be read.*nowhere"):
        ingest(ParrotFolder(tmp_path / "out"), rows)


def test_two_processes_cannot_add_pairs_at_once(tmp_path: Path) -> None:
    with opened(tmp_path / "pairs.jsonl"), pytest.raises(StoreLockedError):
        ingest(ParrotFolder(tmp_path), [raw_pair(1)])


def test_pictures_are_kept_once_by_content(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    buffer = io.BytesIO()
    picture(5).save(buffer, "BMP")
    keys = {store.put(picture(5)), store.put(buffer.getvalue())}
    assert len(keys) == 1
    (key,) = keys
    assert store.path(key).relative_to(tmp_path).as_posix() == f"{key[:2]}/{key}.png"
    assert [p.suffix for p in tmp_path.rglob("*") if p.is_file()] == [".png"]


def test_pictures_are_made_small_enough(tmp_path: Path) -> None:
    store = PictureStore(tmp_path, max_pixels=5000)
    kept = load_picture(store.path(store.put(Image.new("RGB", (200, 100)))))
    assert kept.size == (100, 50)


def drawing(shift: int = 0) -> Image.Image:
    image = Image.linear_gradient("L").convert("RGB")
    ImageDraw.Draw(image).ellipse((40 + shift, 60, 140 + shift, 200), fill="red")
    return image


def test_evaluation_sets_know_edits_by_words_and_source(tmp_path: Path) -> None:
    drawing().save(tmp_path / "source.png")
    file = tmp_path / "bench.jsonl"
    line = {"instruction": "Make it blue.", "source": "source.png"}
    file.write_text(json.dumps(line) + "\n\n" + json.dumps({"instruction": "A cat"}))
    known = EvaluationSet.read([file])
    buffer = io.BytesIO()
    drawing().resize((200, 200)).save(buffer, "JPEG", quality=80)
    assert known.holds("make it   BLUE", buffer.getvalue())
    assert not known.holds("make it blue", drawing(90))
    assert not known.holds("make it green", drawing())
    assert not known.holds("make it blue")
    assert known.holds("a cat!")


@pytest.mark.parametrize("text", ["{", '{"source": null}', "[]"])
def test_broken_evaluation_sets_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bench.jsonl").write_text(text)
    with pytest.raises(ConfigError, match="no evaluation set"):
        EvaluationSet.read([tmp_path / "bench.jsonl"])


def winners(folder: ParrotFolder) -> list[int]:
    """The numbers of the pairs."""
    return sorted(int(pair.instruction.split()[-1]) for pair in folder.pairs)


def test_a_limit_draws_at_random_by_the_seed(tmp_path: Path) -> None:
    rows = [raw_pair(number) for number in range(200)]
    drawn = {}
    for name, limit, seed in (("a", 20, 0), ("again", 20, 0), ("b", 20, 1), ("more", 40, 0)):
        folder = ParrotFolder(tmp_path / name)
        (count,) = ingest(folder, rows, limit=limit, seed=seed)
        assert (count.read, count.kept) == (200, limit)
        assert count.dropped == {"not drawn": 200 - limit}
        drawn[name] = winners(folder)
    assert drawn["a"] == drawn["again"] != drawn["b"]
    assert set(drawn["a"]) < set(drawn["more"])
    for numbers in drawn.values():  # not the first ones, nor all from one end
        assert 60 < sum(numbers) / len(numbers) < 140


def test_what_a_draw_loses_is_drawn_anew(tmp_path: Path) -> None:
    rows = [replace(raw_pair(n), first=b"no picture") if n % 2 else raw_pair(n) for n in range(60)]
    rows += [raw_pair(n, "tie") for n in range(60, 70)]
    folder = ParrotFolder(tmp_path)
    (count,) = ingest(folder, rows, limit=20)
    assert (count.read, count.kept, count.dropped["tie"]) == (70, 20, 10)
    (again,) = ingest(ParrotFolder(tmp_path), rows, limit=20)
    assert (again.kept, again.dropped["duplicate"]) == (0, 20)
    (more,) = ingest(ParrotFolder(tmp_path), rows, limit=25)
    assert (more.kept, len(ParrotFolder(tmp_path).pairs)) == (5, 25)
    (every,) = ingest(ParrotFolder(tmp_path), rows, limit=1000)
    assert (every.kept, every.dropped["broken picture"]) == (5, 30)


def test_rows_to_draw_from_can_be_read_again(tmp_path: Path) -> None:
    rows = [raw_pair(number) for number in range(5)]
    with pytest.raises(ValueError, match="more than once"):
        ingest(ParrotFolder(tmp_path), iter(rows), limit=2)
    (count,) = ingest(ParrotFolder(tmp_path), Reread(lambda: iter(rows)), limit=2)
    assert count.kept == 2


def test_pairs_that_contradict_each_other_teach_nothing(tmp_path: Path) -> None:
    one, two, three = raw_pair(1), raw_pair(2), raw_pair(3)
    rows = [
        one,
        replace(one, key="turned", first=one.second, second=one.first),  # the other one won
        two,
        replace(two, key="again", first=two.second, second=two.first, preferred="second"),  # agrees
        three,
        replace(three, key="asked otherwise", instruction="a dog", preferred="second"),
    ]
    (count,) = ingest(ParrotFolder(tmp_path), rows)
    assert (count.kept, count.dropped) == (5, {"contradiction": 1})
    folder = ParrotFolder(tmp_path)
    (left_out,) = folder.contradicted
    assert left_out == folder.pairs[0].id
    teacher = FakeTeacher()
    asyncio.run(produce(folder, teacher, ParrotOptions()))
    assert not any(question.id.startswith(left_out) for question in teacher.asked)
    report = export(folder)
    assert (report.contradicted, report.rows["parrot pairwise"]) == (1, 4)
    assert "1 pairs are left out" in summarise(report)
    (again,) = ingest(ParrotFolder(tmp_path), rows)  # found in what is there, too
    assert again.dropped == {"duplicate": 5, "contradiction": 1}


def test_no_row_of_a_contradiction_teaches(tmp_path: Path) -> None:
    """In whichever order, and however often each side was preferred."""
    one = raw_pair(1)
    rows = [
        one,
        replace(one, key="the same"),
        replace(one, key="turned", first=one.second, second=one.first),
        replace(one, key="the same again"),
    ]
    for _ in range(2):
        (count,) = ingest(ParrotFolder(tmp_path), rows)
        assert count.dropped["contradiction"] == 2
    folder = ParrotFolder(tmp_path)
    assert folder.contradicted == {pair.id for pair in folder.pairs}
    assert len((tmp_path / "contradicted.txt").read_text().splitlines()) == 2
