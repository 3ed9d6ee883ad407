from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

import rr_refine.reward
from rr_refine.errors import ConfigError
from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.reward.template import (
    Rubric,
    RubricName,
    Slot,
    Template,
    Text,
    builtin_template,
    load_template,
    save_template,
)
from rr_refine.terms import Task, dimensions_of

REQUEST, SOURCE, IMAGE = Slot(slot="request"), Slot(slot="source"), Slot(slot="image")


def make(words: str = "Judge.", name: str = "mine") -> Template:
    rubric = Rubric(user=(Text(text=words), IMAGE, REQUEST))
    return Template(name=name, rubrics={"t2i": rubric})


def words_of(name: RubricName) -> str:
    return "".join(p.text for p in builtin_template().rubric(name).user if isinstance(p, Text))


def skeleton(name: RubricName, *, score: str) -> str:
    """The answer format that the builtin template states, filled in as it says."""
    words = words_of(name)
    begin = words.index("# User Request Analysis")
    form = words[begin : words.index("\n\nThe picture:") if name == "t2i" else None]
    form = re.split(r"\n\n(?:The source picture|Image A, then)", form)[0]
    form = re.sub(r"<a number from 1\.0 to 4\.0, or N/A>", "N/A", form)
    form = re.sub(r"<a number from 1\.0 to 4\.0>", score, form)
    form = re.sub(r"<Image A, Image B, It's a tie, or N/A>", "N/A", form)
    form = re.sub(r"<Image A, Image B, or It's a tie>", "It's a tie", form)
    return re.sub(r"<([^>]*)>", r"\1", form) + "\n"


@pytest.mark.parametrize("task", ["t2i", "edit"])
def test_an_answer_in_the_stated_format_parses(task: Task) -> None:
    critique = parse_critique(skeleton(task, score="3.5"), task)
    expected = {d: None if d == "text_rendering" else 3.5 for d in dimensions_of(task)}
    assert critique.scores == expected
    assert all(critique.rationales.values())
    assert critique.summary == "the judgement in a few sentences"
    assert critique.refinement_comments == "which faults the new request cures, and how"
    assert critique.refined_request == "the new request, or None"


@pytest.mark.parametrize("task", ["t2i", "edit"])
def test_a_pairwise_answer_in_the_stated_format_parses(task: Task) -> None:
    name: RubricName = "pairwise-t2i" if task == "t2i" else "pairwise-edit"
    answer = parse_comparison(skeleton(name, score="2.5"), task)
    assert answer.winner == "tie"
    assert answer.scores_a == answer.scores_b
    assert set(answer.scores_a) == set(dimensions_of(task))


@pytest.mark.parametrize("name", get_args(RubricName))
def test_the_builtin_rubrics_leave_nothing_unfilled(name: RubricName) -> None:
    rubric = builtin_template().rubric(name)
    slots = [part.slot for part in rubric.user if isinstance(part, Slot)]
    assert slots[-1] == "request"
    assert slots.count("request") == 1
    assert "{{" not in words_of(name)
    assert "<!--" not in words_of(name) + (rubric.system or "")
    before, after = (p.text for p in rubric.user[-3:] if isinstance(p, Text))
    assert before.endswith("\n<user_request>\n")
    assert after.startswith("\n</user_request>\n")


def test_the_builtin_template_says_that_n_a_and_none_exist() -> None:
    for name in ("t2i", "edit"):
        words = words_of(name)
        assert words.index("## Justification") < words.index("## Score")
        assert "If the request wants nothing written, the score is N/A" in words
        assert "If there is nothing to improve, write None" in words


def test_the_digest_is_of_the_words_alone() -> None:
    assert make(name="one").digest == make(name="other").digest
    assert make("Judge.").digest != make("Judge!").digest
    assert re.fullmatch("[0-9a-f]{64}", builtin_template().digest)


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("t2i", (IMAGE,), "no place for the user's request"),
        ("t2i", (REQUEST,), "needs the pictures image once each, and has none"),
        ("t2i", (REQUEST, IMAGE, IMAGE), "and has image, image"),
        ("edit", (REQUEST, IMAGE), "needs the pictures source, image once"),
        ("pairwise-t2i", (REQUEST, IMAGE), "needs the pictures image_a, image_b once"),
    ],
)
def test_a_rubric_with_the_wrong_slots_is_refused(
    name: RubricName, parts: tuple[Slot, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Template(name="wrong", rubrics={name: Rubric(user=parts)})


def test_a_missing_rubric_is_named() -> None:
    with pytest.raises(ConfigError, match=r"template 'mine' has no 'edit' rubric \(it has 't2i'\)"):
        make().rubric("edit")


def test_stored_templates_are_found_by_digest_and_path(tmp_path: Path) -> None:
    template = make()
    path = save_template(template, tmp_path / "store")
    assert path.name == f"{template.digest}.json"
    for name in (template.digest, template.digest[:8]):
        assert load_template(name, tmp_path / "store") == template
    assert load_template(str(path)) == template
    renamed = path.rename(tmp_path / "mine.json")
    assert load_template(str(renamed), tmp_path / "store") == template
    assert load_template("builtin", tmp_path) is builtin_template()


def test_a_template_by_entry_point_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rr_refine.reward.template.available", lambda _: ["own"])
    monkeypatch.setattr("rr_refine.reward.template.create", lambda *_: make())
    assert load_template("own") == make()
    monkeypatch.setattr("rr_refine.reward.template.create", lambda *_: "beef")
    with pytest.raises(ConfigError, match=r"'own' of rr_refine\.templates gives 'beef'"):
        load_template("own")


def test_templates_that_cannot_be_loaded(tmp_path: Path) -> None:
    store = tmp_path / "store"
    template = make()
    path = save_template(template, store)
    with pytest.raises(
        ConfigError, match="no template 'beef'; there are 'builtin', 'sketch', '" + path.stem[:12]
    ):
        load_template("beef", store)
    with pytest.raises(ConfigError, match=r"there is no template 'nowhere\.json'"):
        load_template("nowhere.json")
    (store / f"{path.stem[:10]}{'0' * 54}.json").write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match="give more digits"):
        load_template(path.stem[:8], store)
    readme = tmp_path / "README.md"
    readme.write_text("# A critic", "utf-8")
    with pytest.raises(ConfigError, match="import-template FILE"):
        load_template(str(readme))
    path.write_text(path.read_text("utf-8").replace("Judge.", "Praise."), "utf-8")
    with pytest.raises(ConfigError, match="was changed after it was imported"):
        load_template(str(path))


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file", "utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_template(make(), tmp_path / "store")


def test_every_public_name_of_the_package_is_there() -> None:
    for name in rr_refine.reward.__all__:
        assert getattr(rr_refine.reward, name).__name__ == name
    assert sorted(dir(rr_refine.reward)) == sorted(rr_refine.reward.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = rr_refine.reward.Nonsense
