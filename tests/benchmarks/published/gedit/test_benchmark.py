from __future__ import annotations

import csv
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.gedit import GEditLoader
from rr_refine.benchmarks.published.gedit.benchmark import GEdit
from rr_refine.errors import ConfigError, CriticUnreadable, StoreError
from tests.benchmarks.published.gedit.files import KEYS, write_arrow, write_copy

pytest.importorskip("pyarrow")
pytest.importorskip("numpy")

GROUPS = [
    "background_change", "color_alter", "material_alter", "motion_change", "ps_human",
    "style_change", "subject-add", "subject-remove", "subject-replace", "text_change",
    "tone_transfer",
]  # fmt: skip
COLUMNS = [
    "source_image", "edited_image", "instruction", "sementics_score", "quality_score",
    "intersection_exist", "instruction_language",
]  # fmt: skip
A, B, C, D = (KEYS[name] for name in "abcd")
NAN: dict[str, None] = {"semantics": None, "quality": None, "overall": None}


@pytest.fixture
def english(tmp_path: Path) -> GEdit:
    return GEditLoader(data=write_arrow(tmp_path / "train")).load(cache=tmp_path / "cache")


@pytest.fixture
def chinese(tmp_path: Path) -> GEdit:
    return GEditLoader(data=write_arrow(tmp_path / "train"), suite="cn").load(
        cache=tmp_path / "cache"
    )


def answers(semantics: list[float], quality: list[float]) -> Answers:
    return tuple(f'{{"score": {own}, "reasoning": "so"}}' for own in (semantics, quality))


def test_the_judge_is_asked_twice(english: GEdit) -> None:
    edited = Image.new("RGB", (64, 64), "white")
    semantics, quality = english.questions(english.items[2], edited)
    text, source, result = semantics.content
    assert isinstance(text, str) and isinstance(source, Image.Image)
    assert "Make it blue." in text and "<instruction>" not in text
    assert source.getpixel((3, 3)) == (0, 0, 255)
    assert isinstance(result, Image.Image)
    assert (result.size, result.getpixel((0, 0))) == (source.size, (255, 255, 255))
    text, alone = quality.content
    assert isinstance(text, str) and "Make it blue." not in text
    assert alone is result
    assert (semantics.max_tokens, quality.max_tokens) == (1400, 1400)
    assert (semantics.jpeg, quality.jpeg) == (75, 75)


def test_an_original_that_is_gone_cannot_be_asked_about(english: GEdit, tmp_path: Path) -> None:
    item = english.items[0]
    assert isinstance(item.source, Path)
    item.source.unlink()
    with pytest.raises(StoreError, match="does not exist"):
        english.questions(item, Image.new("RGB", (8, 8)))
    english.lay_out(tmp_path / "pictures")  # the others
    there = {path.name for path in (tmp_path / "pictures").rglob("*_SRCIMG.png")}
    assert there == {f"{other.id}_SRCIMG.png" for other in english.items[1:]}


def test_a_mark_is_the_root_of_the_minima(english: GEdit) -> None:
    item = english.items[1]
    mark = english.read(item, answers([9, 4], [9, 10]))  # sqrt(4 x 9) = 6
    assert (mark.score, mark.exact) == (6.0, False)
    assert mark.parts == {"subject-remove": (6.0, 1), "G_SC": (4, 1), "G_PQ": (9, 1)}
    assert english.read(item, answers([10], [10, 10])).exact
    assert english.read(item, answers([0, 9], [9, 9])).score == 0
    assert english.worst(item).model_dump() == {
        "exact": False, "score": 0, "missed": (),
        "parts": {"subject-remove": (0, 1), "G_SC": (0, 1), "G_PQ": (0, 1)},
    }  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        ("", '{"score": [8, 9]}'),
        ('{"score": [8, 9]}', '{"score": [8, 9],}'),
        answers([8, 11], [9, 9]),
        answers([8, 9], [-1, 9]),
    ],
)
def test_what_cannot_be_read_is_never_made_up(english: GEdit, given: Answers) -> None:
    with pytest.raises(CriticUnreadable, match="numbers from 0 to 10") as caught:
        english.read(english.items[0], given)
    assert caught.value.raw == "\n\n".join(given)


def test_made_up_answers_are_readable_and_differ(english: GEdit) -> None:
    for item in english.items:
        marks = [
            english.read(item, english.write_answers(item, Random(seed))) for seed in range(40)
        ]
        assert len({mark.score for mark in marks}) > 5


JUDGED: dict[str, Answers | None] = {
    D: answers([9, 9], [4, 5]),  # text_change: SC 9, PQ 4, O 6
    A: answers([8, 9], [2, 5]),  # text_change: SC 8, PQ 2, O 4
    B: ("I cannot.", '{"score": [8, 9]}'),
    C: answers([7, 8], [7, 7]),  # color_alter: 7, 7, 7
}


def test_the_official_statistics(english: GEdit) -> None:
    official = english.official(JUDGED)
    assert official["full"] == {
        **dict.fromkeys(GROUPS, NAN),
        "color_alter": {"semantics": 7.0, "quality": 7.0, "overall": 7.0},
        "text_change": {"semantics": 8.5, "quality": 3.0, "overall": 5.0},
        "average": NAN,  # of a group there is nothing, so that the script prints nan
    }
    assert official["intersection"] == {
        **dict.fromkeys(GROUPS, NAN),
        "color_alter": {"semantics": 7.0, "quality": 7.0, "overall": 7.0},
        "text_change": {"semantics": 8.0, "quality": 2.0, "overall": 4.0},  # A alone
        "average": NAN,
    }
    # The root of less than 0 is an error to the script, more than 10 is not.
    assert english.official({A: answers([-4], [9])}) == english.official({})
    assert english.official({A: answers([12], [12])})["full"] != english.official({})["full"]
    assert english.official({}) == {
        name: {**dict.fromkeys(GROUPS, NAN), "average": NAN} for name in ("full", "intersection")
    }


def write_csv(path: Path, rows: list[list[object]], columns: list[str] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def csv_row(
    group: str, key: str, semantics: object, quality: object,
    *, within: object = True, language: str = "en",
) -> list[object]:  # fmt: skip
    place = f"/results/m/fullset/{group}/{language.replace('zh', 'cn')}/{key}"
    return [f"{place}_SRCIMG.png", f"{place}.png", 'Do, "it"', semantics, quality, within, language]


def test_a_whole_table_has_an_average(tmp_path: Path, english: GEdit) -> None:
    # SC is 1 to 11, PQ 9: the mean of SC is 6.000. Of the intersection, every group once more
    # with SC 4: (1 + 4) / 2 = 2.5, …, (11 + 4) / 2 = 7.5 in full; 4 in the intersection.
    rows = [csv_row(group, f"{n}", n + 1, 9, within=False) for n, group in enumerate(GROUPS)]
    rows += [csv_row(group, f"x{n}", 4, 9) for n, group in enumerate(GROUPS)]
    official, marks = english.score_file(write_csv(tmp_path / "m_combined_gpt_score.csv", rows))
    full, intersection = official["full"], official["intersection"]
    assert isinstance(full, dict) and isinstance(intersection, dict)
    # (sqrt(9) + sqrt(36)) / 2 = 4.5 for the first; (sqrt(18) + 6) / 2 = 5.121 for the second
    assert full["background_change"] == {"semantics": 2.5, "quality": 9.0, "overall": 4.5}
    assert full["color_alter"] == {"semantics": 3.0, "quality": 9.0, "overall": 5.121}
    # Sum of the roots of 1 to 11 is 25.7849; (3 x 25.7849 / 11 + 6) / 2 = 6.516
    assert full["average"] == {"semantics": 5.0, "quality": 9.0, "overall": 6.516}
    assert intersection["average"] == {"semantics": 4.0, "quality": 9.0, "overall": 6.0}
    assert marks == {}  # of edits that were not loaded


def test_a_file_of_an_interrupted_run(tmp_path: Path, english: GEdit) -> None:
    rows = [
        csv_row("text_change", A, 2, 8),
        csv_row("text_change", A, 4, 9),  # twice: officially both count
        csv_row("text_change", A, 9, 9, language="cn"),  # the other language
        csv_row("color_alter", C, 12.5, 8, within=False),  # above the scale
    ]
    official, marks = english.score_file(write_csv(tmp_path / "combined.csv", rows))
    full, intersection = official["full"], official["intersection"]
    assert isinstance(full, dict) and isinstance(intersection, dict)
    # O: (sqrt(16) + sqrt(36)) / 2 = 5
    assert full["text_change"] == {"semantics": 3.0, "quality": 8.5, "overall": 5.0}
    assert full["color_alter"] == {"semantics": 12.5, "quality": 8.0, "overall": 10.0}
    assert intersection["color_alter"] == NAN
    assert set(marks) == {A, C}
    assert marks[C] is None
    mark = marks[A]
    assert mark is not None and mark.score == 6.0  # the last


@pytest.mark.parametrize("language", ["cn", "zh"])
def test_a_chinese_file_in_either_spelling(tmp_path: Path, chinese: GEdit, language: str) -> None:
    rows = [csv_row("color_alter", C, 4, 9, language=language), csv_row("color_alter", C, 1, 1)]
    official, marks = chinese.score_file(write_csv(tmp_path / "combined.csv", rows))
    full = official["full"]
    assert isinstance(full, dict)
    assert full["color_alter"] == {"semantics": 4.0, "quality": 9.0, "overall": 6.0}
    assert set(marks) == {C}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (csv_row("paint", A, 1, 1), "row 1: '.*paint.*' does not end with <group>"),
        (csv_row("text_change", A, "", 1), "row 1: '' is no score"),
        (csv_row("text_change", A, 1, -4), "row 1: '-4' is no score"),
        (csv_row("text_change", A, 1, "nan"), "row 1: 'nan' is no score"),
        (csv_row("text_change", A, 1, 1, within=""), "row 1: intersection_exist is ''"),
        (csv_row("text_change", A, 1, 1, language="cn"), "has no row in 'en'"),
    ],
)
def test_rows_that_are_refused(
    tmp_path: Path, english: GEdit, row: list[object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        english.score_file(write_csv(tmp_path / "combined.csv", [row]))


def test_files_that_are_no_table(tmp_path: Path, english: GEdit) -> None:
    columns = [name.replace("sementics", "semantics") for name in COLUMNS]
    with pytest.raises(ConfigError, match="no column 'sementics_score'"):
        english.score_file(write_csv(tmp_path / "combined.csv", [], columns))
    with pytest.raises(ConfigError, match="cannot read"):
        english.score_file(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no CSV file in UTF-8"):
        english.score_file(tmp_path / "latin.csv")


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_what_is_written_is_what_the_official_script_reads(tmp_path: Path, english: GEdit) -> None:
    folder, pictures = tmp_path / "judgements" / "refine", tmp_path / "pictures" / "refine"
    english.write_judgements(folder, pictures, JUDGED)
    results = folder / "gpt4o" / "eval_results_new"
    assert sorted(path.name for path in results.iterdir()) == sorted(
        f"refine_{group}_gpt_score.csv" for group in [*GROUPS, "combined"]
    )
    place = f"{pictures}/fullset/text_change/en"
    assert read_csv(results / "refine_text_change_gpt_score.csv") == [
        COLUMNS,
        [f"{place}/{A}_SRCIMG.png", f"{place}/{A}.png", "Write OPEN.", "8", "2", "True", "en"],
        [f"{place}/{D}_SRCIMG.png", f"{place}/{D}.png", "Write SHUT.", "9", "4", "False", "en"],
    ]
    # What failed has no row, and a group without rows still has its file.
    assert read_csv(results / "refine_subject-remove_gpt_score.csv") == [COLUMNS]
    combined = results / "refine_combined_gpt_score.csv"
    assert [line[1].split("/")[-1] for line in read_csv(combined)[1:]] == [
        f"{C}.png", f"{A}.png", f"{D}.png",
    ]  # fmt: skip
    official, marks = english.score_file(combined)
    assert official == english.official(JUDGED)
    assert {key: mark and mark.score for key, mark in marks.items()} == {C: 7.0, A: 4.0, D: 6.0}
    assert not (folder / "zh").exists()


def test_chinese_is_written_for_a_script_that_says_zh(tmp_path: Path, chinese: GEdit) -> None:
    folder = tmp_path / "refine"
    judged: dict[str, Answers | None] = {A: answers([8, 9], [2, 5]), C: None}
    chinese.write_judgements(folder, tmp_path / "pictures", judged)
    name = "gpt4o/eval_results_new/refine_text_change_gpt_score.csv"
    (_, own), (_, other) = read_csv(folder / name), read_csv(folder / "zh" / "refine" / name)
    assert (own[-1], other[-1]) == ("cn", "zh")
    assert own[:-1] == other[:-1]
    assert own[1].endswith(f"fullset/text_change/cn/{A}.png")  # pictures keep theirs
    assert own[2] == "写上“开”。"


def test_an_edit_of_unknown_intersection_is_not_in_it(tmp_path: Path) -> None:
    benchmark = GEditLoader(data=write_copy(tmp_path / "gedit")).load()
    benchmark.write_judgements(tmp_path / "m", tmp_path, {A: answers([4], [9])})
    combined = tmp_path / "m" / "gpt4o" / "eval_results_new" / "m_combined_gpt_score.csv"
    # An empty cell would officially count as true.
    assert [line[5] for line in read_csv(combined)] == ["intersection_exist", "False"]


def test_originals_are_laid_out_beside_the_pictures(tmp_path: Path, english: GEdit) -> None:
    folder = tmp_path / "pictures"
    english.lay_out(folder)
    names = [f"{english.picture(item).removesuffix('.png')}_SRCIMG.png" for item in english.items]
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*")) == sorted(names)
    assert names[1] == f"fullset/subject-remove/en/{B}_SRCIMG.png"
    with Image.open(folder / names[1]) as image:  # came as JPEG
        assert (image.format, image.size) == ("PNG", (16, 12))
    before = (folder / names[0]).stat().st_mtime_ns
    (folder / names[2]).unlink()
    english.lay_out(folder)
    assert (folder / names[0]).stat().st_mtime_ns == before
    assert (folder / names[2]).is_file()


def test_preflight_says_what_the_official_script_would_stumble_over(
    tmp_path: Path, english: GEdit
) -> None:
    folder = tmp_path / "pictures"
    english.lay_out(folder)
    names = [english.picture(item) for item in english.items]
    for name in names:
        Image.new("RGB", (64, 48), "white").save(folder / name)
    assert english.preflight(folder) == []
    (folder / names[0]).unlink()
    original = folder / names[1].replace(".png", "_SRCIMG.png")
    original.write_bytes(original.read_bytes()[:40])
    Image.new("RGB", (64, 48)).save(folder / names[2], "JPEG")
    Image.new("RGB", (64, 64)).save(folder / names[3])
    missing, broken, jpeg, squeezed = english.preflight(folder)
    assert missing == f"{names[0]} is missing"
    assert broken.startswith(f"{names[1].replace('.png', '_SRCIMG.png')} cannot be read: ")
    assert jpeg == f"{names[2]} holds JPEG, not PNG"
    assert squeezed == f"{names[3]} is 64x64, its original 16x12: it will be squeezed into that"


def test_the_official_numbers_by_dimension(english: GEdit) -> None:
    assert english.official_values(english.official(JUDGED)) == {
        "overall": None,  # the script prints nan
        "color_alter": 7.0,
        "text_change": 5.0,
        "G_SC": None,
        "G_PQ": None,
    }
