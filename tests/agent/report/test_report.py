"""What the page of a run says, for runs of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.policy import preset
from rr_refine.agent.report.reader import read_summary
from rr_refine.agent.report.report import report_page
from rr_refine.agent.run import Run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import ConfigError, CriticError, CriticUnreadable, GeneratorError, StoreError
from rr_refine.reward.critique import Critique
from tests.agent import whole
from tests.agent.builders import SPLIT, CountingRewriter, ScriptedCritic, ScriptedGenerator, t2i
from tests.agent.builders import critique as critique_of
from tests.agent.records import only_run
from tests.agent.report.dom import Element, require_sound


def page_of(path: Path) -> Element:
    """The page of a run, sound, with every picture where it says."""
    with RunFolder(path, lock=False) as folder:
        root = require_sound(report_page(read_summary(folder)))
    for image in root.find("img"):
        assert (path / "report" / image.attributes["src"]).resolve().is_file()
    return root


def words(element: Element) -> str:
    return " ".join(element.text.split())


def pairs(root: Element, name: str) -> dict[str, str]:
    """The terms and values of the list with this class."""
    (found,) = root.find("dl", class_=name)
    terms, values = found.find("dt"), found.find("dd")
    return {words(a): words(b) for a, b in zip(terms, values, strict=True)}


async def scripted(out: Path, plan: dict[tuple[int, int], Critique | CriticError]) -> Run:
    """A run over the prompts 0, 1, …, judged as planned."""
    rounds = 1 + max(number for number, _ in plan)
    return await whole.run(
        out,
        generator=ScriptedGenerator(),
        critic=ScriptedCritic(plan, SPLIT),
        rewriters=[CountingRewriter()],
        policy=whole.policy(rounds=rounds),
    )


WHY = {"text_faithfulness": "No hats.", "physical_quality": "Bent.", "text_rendering": None}
LOW = critique_of(t2i(2.0, 2.5), rationales=dict(WHY))  # type: ignore[arg-type]
HIGH = critique_of(t2i(3.0, 2.4))


async def test_what_is_wrong_is_told_first(tmp_path: Path) -> None:
    seen = "A hat is there. Missed: two hats."
    low = critique_of(t2i(2.0, 2.5), rationales={**WHY, "text_faithfulness": seen})  # type: ignore[dict-item]
    run = await scripted(tmp_path, {(0, 0): low, (1, 0): HIGH})
    (why,) = page_of(run.path).find("tr", class_="why")[0].find("strong")
    assert words(why) == "… Missed: two hats."


async def test_a_run_that_improved(tmp_path: Path) -> None:
    run = await scripted(tmp_path, {(0, 0): LOW, (1, 0): HIGH})
    root = page_of(run.path)
    assert words(root.find("h1")[0]) == "One new prompt took the picture from 2.25 to 2.70 of 4."
    assert "Stopped by the rule max rounds: 2 of 2 rounds done" in words(root)
    (request,) = root.find("div", class_="words request")
    assert request.text == whole.PROMPT
    assert [one.text for one in root.find("ul", class_="chips")[0].find("li")] == ["three"]

    (pair,) = root.find("div", class_="pair")
    assert [words(one) for one in pair.find("span", class_="tag")] == ["first image", "result"]
    (slider,) = pair.find("input", type="range")
    assert "first image" in slider.attributes["aria-label"]

    strip = root.find("nav", class_="strip")[0].find("li")
    assert [words(one) for one in strip] == ["round 1 2.25 was best", "round 2 2.70 result"]
    assert [one.attributes.get("class") for one in strip] == [None, "won"]
    assert all(image.attributes["loading"] == "lazy" for image in root.find("nav")[0].find("img"))

    first, second = root.find("section", class_="round")
    assert words(first.find("p", class_="verdict yes")[0]) == "Taken: the first judged image"
    table = [[words(cell) for cell in row.find("td")] for row in first.find("tr")[1:]]
    assert table == [
        ["", "2.00", "", ""],
        ["No hats."],
        ["", "2.50", "", ""],
        ["Bent."],
        ["", "N/A", "", ""],
        ["", "2.25", "", ""],
    ]
    changes = [words(one) for one in second.find("td", class_="number delta")]
    assert changes == ["+1.00", "−0.10", "+0.45"]
    (taken,) = second.find("p", class_="verdict yes")
    assert words(taken).startswith("Taken against round 1: mean")
    (changed,) = second.find("div", class_="words diff")
    assert [(i.tag, i.text) for i in changed.all()] == [("ins", "*")]
    assert "by the rewriter counting, after the critique of round 1" in words(second)
    assert [one.text for one in second.find("pre")] == ["as it came"]

    (curve,) = root.find("svg", role="img")
    assert words(curve.find("title")[0]) == "Mean scores: round 1: 2.25, round 2: 2.70"
    assert [one.attributes["class"] for one in curve.find("circle")] == ["taken", "taken"]
    facts = pairs(root, "facts")
    assert facts["generator"] == "scripted: generator"
    assert facts["preset"] == "refine"
    assert facts["seeds"] == "from 0, same"


async def test_a_near_tie_is_settled_side_by_side(tmp_path: Path) -> None:
    run = await scripted(tmp_path, {(0, 0): LOW, (1, 0): LOW})
    second = page_of(run.path).find("section", class_="round")[1]
    verdict = words(second.find("p", class_="verdict no")[0])
    assert verdict.endswith("side by side: no winner in both orders")
    assert [words(s) for s in second.find("summary")] == [
        "The critic’s own words",
        "Side by side with round 1, in both orders",
    ]


async def test_a_failed_critique_keeps_its_raw_text(tmp_path: Path) -> None:
    error = CriticUnreadable("no score in it", "A lovely picture.")
    run = await scripted(tmp_path, {(0, 0): LOW, (1, 0): error})
    root = page_of(run.path)
    assert words(root.find("h1")[0]).startswith("It failed before its end: ")
    second = root.find("section", class_="round")[1]
    verdicts = [words(p) for p in second.find("p", class_="verdict no")]
    assert verdicts == ["Refused against round 1: critic unreadable: no score in it"]
    assert second.find("table") == []
    assert [one.text for one in second.find("pre")] == ["A lovely picture."]
    assert words(root.find("nav")[0].find("li")[1]) == "round 2 – failed"


async def test_several_candidates_and_a_failed_render(tmp_path: Path) -> None:
    run = await whole.run(
        tmp_path,
        generator=whole.UnreliableGenerator([None, GeneratorError("the wires")]),
        policy=whole.policy(rounds=2, candidates=2),
    )
    root = page_of(run.path)
    rounds = root.find("section", class_="round")
    assert [len(one.find("article")) for one in rounds] == [2, 2]
    failed = rounds[0].find("article", id="r0c1")[0]
    assert "generator error: the wires" in words(failed)
    assert failed.find("img") == []
    assert words(failed.find("span", class_="missing")[0]) == "no picture"


async def test_an_edit_shows_the_picture_it_started_from(tmp_path: Path) -> None:
    source = Image.new("RGB", (20, 10), "red")
    run = await whole.run(tmp_path, "make it night", image=source, policy="one-shot")
    root = page_of(run.path)
    tags = [words(one) for one in root.find("span", class_="tag")]
    assert tags == ["your picture", "result"]
    shown = root.find("div", class_="pair")[0].find("img")[0].attributes
    assert (shown["width"], shown["height"]) == ("20", "10")
    names = [words(one) for one in root.find("th", scope="row")]
    assert "image faithfulness" in names


async def test_one_shot(tmp_path: Path) -> None:
    run = await whole.run(tmp_path, policy="one-shot")
    root = page_of(run.path)
    assert words(root.find("h1")[0]).startswith("One image was made, which the critic gives ")
    assert root.find("nav") == root.find("svg", role="img") == root.find("input") == []


async def test_no_image_at_all(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError):
        await whole.run(tmp_path, generator=whole.UnreliableGenerator([GeneratorError("no")] * 2))
    root = page_of(only_run(tmp_path))
    assert words(root.find("h1")[0]) == "No image came out of this run."
    assert root.find("img") == []


async def test_a_run_cut_off_in_its_second_round(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await whole.run(tmp_path, critic=whole.UnreliableCritic([None, ConfigError("wrong key")]))
    root = page_of(only_run(tmp_path))
    assert "Not finished: it failed, and can be resumed." in words(root)
    second = root.find("section", class_="round")[1]
    assert "Round 2 not finished" in words(second)
    assert "Not weighed yet." in words(second)
    assert len(second.find("img")) == 1
    sums = pairs(root, "sums")
    assert sums["images"] == "2"
    assert "seconds" not in sums  # they are not known before the end


async def test_a_run_cut_off_before_any_round(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await whole.run(tmp_path, critic=whole.UnreliableCritic([ConfigError("wrong key")]))
    root = page_of(only_run(tmp_path))
    assert words(root.find("h1")[0]) == "No round is finished yet."
    assert len(root.find("section", class_="round")) == 1
    assert words(root.find("span", class_="badge")[0]) == "not finished"


async def test_a_picture_that_is_gone(tmp_path: Path) -> None:
    run = await whole.run(tmp_path)
    assert run.best is not None and run.best.image is not None
    RunFolder(run.path, lock=False).image_path(run.best.image).unlink()
    root = page_of(run.path)
    assert words(root.find("p", class_="missing wide")[0]) == "no picture"


async def test_several_samples_each_have_their_words(tmp_path: Path) -> None:
    from rr_refine.reward.fake import FakeCritic, FakeCriticOptions

    critic = FakeCritic(FakeCriticOptions(samples=3))
    run = await whole.run(tmp_path, critic=critic, policy=preset("one-shot"))
    root = page_of(run.path)
    assert [words(one) for one in root.find("h4")] == [f"Sample {n} of 3" for n in (1, 2, 3)]
    assert len(root.find("pre", aria_label="What the critic wrote about round 1")) == 3
    assert run.best is not None
    assessment = run.assessment(run.best)
    assert assessment is not None
    for critique, pre in zip(assessment.critiques, root.find("pre"), strict=False):
        assert pre.text == critique.raw
    errors = [words(one) for one in root.find("td", class_="number error")]
    assert len([e for e in errors if e.startswith("±")]) == len(run.best.errors)


async def test_broken_records_are_told(tmp_path: Path) -> None:
    run = await whole.run(tmp_path)
    journal = run.path / "samples.jsonl"
    journal.write_text(journal.read_text().replace('"critic": {"kind"', '"critic": {"kimd"'))
    with RunFolder(run.path, lock=False) as folder, pytest.raises(StoreError, match="cannot be"):
        read_summary(folder)
