from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.export import Export, RunsExport
from rr_refine.agent.policy import preset
from rr_refine.agent.review import Accept, Pick, Quit
from rr_refine.agent.run import Run, open_run
from rr_refine.errors import ConfigError, CriticUnreadable
from rr_refine.reward.preferences.sources import SOURCES
from rr_refine.training.nft.data import read_rows
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import ingest
from tests.agent.builders import t2i
from tests.agent.records import lines, only_run
from tests.agent.test_replay import EVERYTHING, PLAN, Plan, record, reviewed
from tests.agent.whole import run as fake_run


def exported(out: Path, *runs: Run, **options: Any) -> RunsExport:
    out.mkdir(exist_ok=True)
    made = Export(out, **options)
    for run in runs:
        made.add(run)
    return made.write()


def winners(out: Path) -> set[tuple[str, str, str]]:
    """Who chose, the winner, and the loser."""
    found = set()
    for row in lines(out / "pairs.jsonl"):
        won, lost = row["candidates"] if row["preferred"] == "first" else row["candidates"][::-1]
        found.add((row["chosen_by"], won, lost))
    return found


async def test_what_the_critic_decided(tmp_path: Path) -> None:
    run, out = await record(tmp_path / "runs"), tmp_path / "out"
    report = exported(out, run, licence="CC0-1.0")
    # Near ties, a guarded dimension that fell, and what could not be judged are no preference.
    assert winners(out) == {
        ("critic", "r1c0", "r0c0"),
        ("critic", "r1c0", "r2c1"),
        ("critic", "r1c0", "r3c1"),
    }
    first, *_ = lines(out / "pairs.jsonl")
    assert first["margin"] == pytest.approx((2.9 - 2.0) / 3)
    assert first["preferred_by"]["text_faithfulness"] == "first"
    assert first["licence"] == "CC0-1.0"
    assert (first["generator"], first["critic"]) != ("", "")
    for side, name in zip(("first", "second"), first["candidates"], strict=True):
        candidate = next(c for c in run.candidates if c.id == name)
        with Image.open(out / first[side]) as picture:
            assert picture.tobytes() == run.image(candidate).tobytes()
            assert not picture.info  # no prompt or path comes along
    (rewrite,) = lines(out / "rewrites.jsonl")
    assert run.best is not None
    assert rewrite["prompt"] == [{"role": "user", "content": "a cat"}]
    assert rewrite["completion"] == [{"role": "assistant", "content": run.best.prompt}]
    assert rewrite["reward"] == run.best.reward > rewrite["first_reward"]
    for row in lines(out / "rewrite-pairs.jsonl"):
        assert row["chosen"][0]["content"] != row["rejected"][0]["content"]
    assert [row["prompt"] for row in lines(out / "prompts.jsonl")] == ["a cat"]
    assert report.files["pairs"].left_out["tie"] == 3
    assert RunsExport.model_validate_json((out / "export.json").read_bytes()) == report


async def test_what_the_loop_refused_is_not_preferred(tmp_path: Path) -> None:
    """A higher mean that N/A alone has made: like for like it is worse."""
    plan: Plan = {(0, 0): t2i(3.0, 1.0), (1, 0): {**t2i(2.8, 1.0), "physical_quality": None}}
    policy = preset("refine", budget={"rounds": 2}, guard=(), **EVERYTHING)
    run = await record(tmp_path / "runs", plan, policy=policy)
    first, second = run.candidates
    assert first.mean is not None and second.mean is not None and second.mean > first.mean
    assert second.verdict is not None and second.verdict.rule == "worse"
    report = exported(tmp_path / "out", run)
    assert report.files["pairs"].left_out == {"tie": 1}
    assert not winners(tmp_path / "out")


async def test_a_person_counts_before_the_critic(tmp_path: Path) -> None:
    picked = await reviewed(tmp_path / "runs", Accept(), Pick(candidate="r0c0"), Quit())
    out = tmp_path / "out"
    report = exported(out, picked)
    (row,) = lines(out / "pairs.jsonl")
    assert report.files["pairs"].left_out == {"the critic's, where a person chose": 1}
    assert (row["chosen_by"], row["candidates"], row["preferred"]) == (
        *("person", ["r0c0", "r1c0"], "first"),
    )
    # What the critic thinks of it is kept, and is no margin of the person's choice.
    assert (row["critic_prefers"], row["margin"], row["preferred_by"]) == ("second", None, None)
    (written,) = lines(out / "rewrite-pairs.jsonl")
    assert written["chosen_by"] == "person"
    assert written["chosen"][0]["content"] == picked.candidates[0].prompt


async def test_nothing_comes_twice(tmp_path: Path) -> None:
    runs = [await record(tmp_path / name) for name in "ab"]
    one, two = tmp_path / "one", tmp_path / "two"
    exported(one, runs[0])
    report = exported(two, *runs)
    for name in ("rewrites", "rewrite-pairs", "pairs", "prompts"):
        assert len(lines(two / f"{name}.jsonl")) == len(lines(one / f"{name}.jsonl"))
        assert report.files[name].left_out["duplicate"] > 0
    # Of the same two pictures with other scores, both choices are left out.
    turned: Plan = {
        key: scores and {d: score and 5 - score for d, score in scores.items()}
        for key, scores in PLAN.items()
    }
    against = exported(tmp_path / "out", runs[0], await record(tmp_path / "c", turned))
    assert against.files["pairs"].left_out["contradiction"] >= 2
    assert not [w for w in winners(tmp_path / "out") if w[1:] == ("r1c0", "r0c0")]


async def test_what_nobody_judged_teaches_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(CriticUnreadable):
        await record(tmp_path / "runs", dict.fromkeys(PLAN))
    report = exported(tmp_path / "out", open_run(only_run(tmp_path / "runs")))
    assert report.files["rewrites"].left_out == {"not judged": 1}
    assert report.files["prompts"].rows == 1
    good = await record(tmp_path / "more")
    low = exported(tmp_path / "low", good, least=0.9)
    assert low.files["rewrites"].left_out == {"reward too low": 1}
    with pytest.raises(ConfigError, match="none of 0 to 1"):
        Export(tmp_path, least=3.0)


async def test_a_picture_that_is_gone_costs_its_pairs_only(tmp_path: Path) -> None:
    run, out = await record(tmp_path / "runs"), tmp_path / "out"
    lost = next(c for c in run.candidates if c.id == "r2c1")
    assert lost.image is not None
    (run.path / "images" / lost.image[:2] / f"{lost.image}.png").unlink()
    report = exported(out, run)
    assert ("critic", "r1c0", "r2c1") not in winners(out)
    assert report.files["pairs"].left_out["broken picture"] == 1
    assert report.files["rewrites"].rows == 1


async def test_parrot_and_rl_read_it(tmp_path: Path) -> None:
    """Edits too: their sources are beside the file."""
    source = Image.new("RGB", (16, 16), "teal")
    runs = [await fake_run(tmp_path / "runs", f"make {n} hats", image=source) for n in range(4)]
    out = tmp_path / "out"
    report = exported(out, *runs)
    assert report.files["pairs"].rows == 4
    folder = ParrotFolder(tmp_path / "parrot")
    (count,) = ingest(folder, SOURCES["recorded"].read(out, "mine", "train"))
    assert (count.read, count.kept) == (4, 4)
    by_words = {row["instruction"]: row for row in lines(out / "pairs.jsonl")}
    for pair in folder.pairs:
        row = by_words[pair.instruction]
        won = row["first" if row["preferred"] == "first" else "second"]
        assert pair.image(pair.label if pair.label != "tie" else "A") in won
        assert pair.source is not None
        assert pair.source in row["source"]
        assert (pair.task, pair.licence) == ("edit", "unknown")
    (again,) = ingest(folder, SOURCES["recorded"].read(out / "pairs.jsonl", "mine", "train"))
    assert again.dropped == {"duplicate": 4}
    prompts = read_rows(str(out / "prompts.jsonl"))
    assert [row.prompt for row in prompts] == [run.request.prompt for run in runs]
    assert prompts[0].kind == "edit"
    picture = prompts[0].picture(None)
    assert picture is not None
    assert picture.tobytes() == source.tobytes()
    row = json.loads((out / "pairs.jsonl").read_text().splitlines()[0])
    (out / "pairs.jsonl").write_text(json.dumps(row | {"first": "../secret.png"}) + "\n")
    with pytest.raises(ConfigError, match="outside of it"):
        list(SOURCES["recorded"].read(out, "mine", "train"))
