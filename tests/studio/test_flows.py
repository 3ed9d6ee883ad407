"""What a visitor does: begin, watch, decide, stop, come back, go on."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.agent.run import load_run
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.fake import FakeCritic
from tests.studio.visitor import Told, Visitor, opened

WORSE = {"text_faithfulness": 1.5, "physical_quality": 1.5}
FIRST = {"text_faithfulness": 2.0, "physical_quality": 2.0}
BETTER = {"text_faithfulness": 2.8, "physical_quality": 2.8}
FINE = {"text_faithfulness": 3.8, "physical_quality": 3.8}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_a_prompt_becomes_a_picture(visitor: Visitor, tmp_path: Path) -> None:
    name = await visitor.begin("two red hats", seed=5, keep=["felt"], avoid=["blue"])
    told = await visitor.watch(name)
    assert told.types[0] == "run-started"
    assert told.types[-1] == "run-finished"
    assert told.numbers == list(range(1, len(told.events) + 1))
    state = told.states[-1]
    assert (state["status"], state["problem"], state["result"]) == ("done", "", True)
    assert state["request"]["prompt"] == "two red hats"
    run = load_run(tmp_path / "runs" / name)
    assert run.status == "done"
    assert run.request.seed == 5
    assert (run.request.keep, run.request.avoid) == (("felt",), ("blue",))
    assert run.best is not None
    assert run.best.image is not None
    whole = await visitor.get(f"/runs/{name}/whole/{run.best.image}.png")
    assert Image.open(io.BytesIO(whole.content)).size == (48, 32)
    saved = await visitor.get(f"/runs/{name}/result.png")
    assert f'filename="{name}.png"' in saved.headers["content-disposition"]
    assert saved.headers["content-type"] == "image/png"
    (tile,) = (await visitor.get("/api/runs")).json()
    assert (tile["name"], tile["prompt"]) == (name, "two red hats")
    assert (tile["status"], tile["image"]) == ("done", run.best.image)
    again = await visitor.watch(name)
    assert again.types == told.types
    assert (await visitor.watch(name, after=len(told.events) - 1)).types == ["run-finished"]


async def test_small_pictures(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", generator__width=1000, generator__height=500) as visitor:
        name = await visitor.begin("a cat", preset="one-shot")
        (rendered,) = (await visitor.watch(name)).of("rendered")
        small = await visitor.get(f"/runs/{name}/small/{rendered.image}.png")
        assert Image.open(io.BytesIO(small.content)).size == (480, 240)


async def test_a_picture_is_changed(visitor: Visitor, tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (20, 30), "orange").save(out, "PNG")
    picture = base64.b64encode(out.getvalue()).decode()
    name = await visitor.begin("make it blue", picture=picture, preset="one-shot")
    told = await visitor.watch(name)
    (started,) = told.of("run-started")
    assert started.task == "edit"
    source = told.states[-1]["request"]["source"]
    shown = await visitor.get(f"/runs/{name}/small/{source}.png")
    assert Image.open(io.BytesIO(shown.content)).size == (20, 30)
    assert load_run(tmp_path / "runs" / name).request.source == source


async def test_several_pictures(visitor: Visitor, tmp_path: Path) -> None:
    files = []
    for colour in ("orange", "blue", "red"):
        out = io.BytesIO()
        Image.new("RGB", (20, 30), colour).save(out, "PNG")
        files.append(base64.b64encode(out.getvalue()).decode())
    first, *more = files
    name = await visitor.begin("put 2 into 1", picture=first, more_pictures=more, preset="one-shot")
    told = await visitor.watch(name)
    request = told.states[-1]["request"]
    sources = load_run(tmp_path / "runs" / name).request.sources
    assert (request["source"], *request["more_sources"]) == sources
    seen = ((255, 165, 0), (0, 0, 255), (255, 0, 0))
    for source, pixel in zip(sources, seen, strict=True):
        shown = await visitor.get(f"/runs/{name}/small/{source}.png")
        assert Image.open(io.BytesIO(shown.content)).getpixel((5, 5)) == pixel
    assert any("the first of the 3 pictures" in event.text for event in told.of("notice"))


async def test_a_photo_from_a_phone(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is turned upright and scaled down; what was done is told, and kept."""
    monkeypatch.setattr("rr_refine.studio.uploads.SOURCE_PIXELS", 300_000)
    exif = Image.Exif()
    exif[0x0112] = 6  # the phone was held upright
    out = io.BytesIO()
    Image.new("RGB", (4000, 3000), "orange").save(out, "JPEG", exif=exif)
    photo = base64.b64encode(out.getvalue()).decode()
    name = await visitor.begin("make it blue", picture=photo, preset="one-shot")
    told = await visitor.watch(name)
    source = await visitor.get(f"/runs/{name}/whole/{told.states[-1]['request']['source']}.png")
    width, height = Image.open(io.BytesIO(source.content)).size
    assert width / height == pytest.approx(3 / 4, abs=0.01)
    assert width * height <= 300_000
    (notice,) = [event.text for event in told.of("notice") if "scaled down" in event.text]
    assert notice.startswith("the picture to edit: ")
    assert "12.0" in notice
    assert notice in (tmp_path / "runs" / name / "events.jsonl").read_text()
    assert notice in [event.text for event in (await visitor.watch(name)).of("notice")]


async def test_review(tmp_path: Path) -> None:
    """Reject, accept, edit, keep, pick and stop, in one run."""
    script: list[Any] = [FIRST, FIRST, BETTER, WORSE]  # the first picture again after the remark
    async with opened(tmp_path / "runs", critic__script=script, budget__rounds=9) as visitor:
        name = await visitor.begin("a red cat", review=True)

        async def turn(question: int, **decision: object) -> Told:
            answer = await visitor.decide(name, question, **decision)
            assert answer.status_code == 200, answer.text
            while True:
                told = await visitor.ask(name)
                if told.states[-1]["question"] == question + 1:
                    return told

        told = await visitor.ask(name)
        assert told.states[-1]["question"] == 1
        first = told.of("review-requested")[-1].request
        assert [c.id for c in first.candidates] == ["r0c0"]
        told = await turn(1, action="reject", reason="in a garden")
        second = told.of("review-requested")[-1].request
        assert second.proposal.prompt != first.proposal.prompt
        assert told.of("revised")[-1].revision.prompt == "a red cat. In a garden"
        assert [(e.candidate, e.revision) for e in told.of("judged")] == [("r0c0", 1), ("r0c0", 2)]
        told = await turn(2, action="accept")
        assert told.of("round-started")[-1].prompt == second.proposal.prompt
        told = await turn(3, action="edit", prompt="my own words")
        assert told.of("round-started")[-1].prompt == "my own words"
        assert told.of("round-started")[-1].origin == "human"
        told = await turn(4, action="keep", text="red cat")
        assert "red cat" in told.of("review-requested")[-1].request.proposal.prompt
        told = await turn(5, action="pick", candidate="r0c0")
        assert told.of("review-requested")[-1].request.incumbent.id == "r0c0"
        assert (await visitor.decide(name, 6, action="stop")).status_code == 200
        told = await visitor.watch(name)
        assert told.states[-1]["status"] == "done"
        (end,) = told.of("run-finished")
        assert (end.stop.rule, end.best.id) == ("user", "r0c0")
        told_decisions = [event.decision.action for event in told.of("reviewed")]
        assert told_decisions == ["reject", "accept", "edit", "keep", "pick", "stop"]


async def test_reseed_gives_another_picture(tmp_path: Path) -> None:
    script: list[Any] = [FIRST, FINE]
    async with opened(tmp_path / "runs", critic__script=script) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
        assert (await visitor.decide(name, 1, action="reseed", seed=77)).status_code == 200
        # The critic is content then, and the person is asked once more.
        await visitor.until(lambda: visitor.studio.live(name).state.question == 2)
        assert (await visitor.decide(name, 2, action="accept")).status_code == 200
        told = await visitor.watch(name)
        assert [event.seed for event in told.of("rendered")] == [0, 77]


async def test_decisions_that_cannot_be(tmp_path: Path) -> None:
    script: list[Any] = [FIRST]
    async with opened(tmp_path / "runs", critic__script=script) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
        for question, decision, words in (
            (1, {"action": "pick", "candidate": "r7c7"}, "cannot be picked"),
            (1, {"action": "edit", "prompt": ""}, "no decision: edit.prompt is empty"),
            (1, {"action": "accept", "colour": 1}, "there is no field accept.colour"),
            (1, {"action": "dance"}, "no decision: action = 'dance' is none of"),
            (1, {"action": "reseed", "seed": "x"}, "reseed.seed = 'x' is no whole number"),
            (1, {"action": "reseed", "seed": -1}, "reseed.seed = -1: it must be 0 or more"),
            (1, {}, "no decision: action is missing"),
            (0, {"action": "accept"}, "decided already"),
            (2, {"action": "accept"}, "decided already"),
        ):
            answer = await visitor.decide(name, question, **decision)
            assert answer.status_code == 400, decision
            assert words in answer.json()["error"]
        bodies: list[object] = ["x", [], {"question": 1}, {"decision": {"action": "accept"}}]
        for body in bodies:
            answer = await visitor.post(f"/api/runs/{name}/decision", body)
            assert answer.status_code == 400
        state = await visitor.studio.state(name)
        assert (state.status, state.question) == ("waiting", 1)
        two = await asyncio.gather(
            *(visitor.decide(name, 1, action="stop") for _ in range(2))
        )  # two tabs decide at once
        assert 200 in [answer.status_code for answer in two]
        assert (await visitor.watch(name)).of("run-finished")[0].stop.rule == "user"
        late = await visitor.decide(name, 1, action="accept")
        assert late.status_code == 404


async def test_two_runs_do_not_mix(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", generator__seconds=0.2, loop__target=4.0) as visitor:
        prompts = ["a red cat", "a blue dog"]
        names = await asyncio.gather(*(visitor.begin(prompt) for prompt in prompts))
        heard = await asyncio.gather(*(visitor.watch(name) for name in names))
        for name, prompt, told in zip(names, prompts, heard, strict=True):
            assert told.states[-1]["name"] == name
            assert told.states[-1]["status"] == "done"
            assert len(told.of("run-started")) == len(told.of("run-finished")) == 1
            assert all(prompt in event.prompt for event in told.of("round-started"))
            assert all(name in event.path for event in told.of("rendered"))
            assert len(told.steps) > 0
        images = [{event.image for event in told.of("rendered")} for told in heard]
        assert images[0].isdisjoint(images[1])
        (image, *_) = images[0]
        assert (await visitor.get(f"/runs/{names[0]}/whole/{image}.png")).status_code == 200
        assert (await visitor.get(f"/runs/{names[1]}/whole/{image}.png")).status_code == 404


async def test_the_same_form_twice_is_two_runs(visitor: Visitor) -> None:
    names = await asyncio.gather(*(visitor.begin("a cat", preset="one-shot") for _ in range(2)))
    assert len(set(names)) == 2
    for told in await asyncio.gather(*(visitor.watch(name) for name in names)):
        assert told.states[-1]["status"] == "done"


async def test_a_decision_reaches_its_own_run(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", loop__target=4.0, critic__seed=1) as visitor:
        names = [await visitor.begin(prompt, review=True) for prompt in ("a cat", "a dog")]
        for name in names:
            await visitor.ask(name)
        await visitor.decide(names[0], 1, action="stop", reason="enough of cats")
        (end,) = (await visitor.watch(names[0])).of("run-finished")
        assert end.stop.reason == "enough of cats"
        assert (await visitor.studio.state(names[1])).status == "waiting"


async def test_stop_keeps_the_best_and_the_run_can_go_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    slow: dict[str, Any] = {
        "generator__script": ["ok", "hang"],
        "generator__log": str(log),
        "critic__seed": 1,
        "loop__target": 4.0,
        "budget__rounds": 2,
    }
    async with opened(tmp_path / "runs", **slow) as visitor:
        name = await visitor.begin("three red hats")
        await visitor.until(lambda: log.exists() and log.read_text().count("start") == 2)
        watching = asyncio.create_task(visitor.watch(name))
        assert (await visitor.post(f"/api/runs/{name}/stop", {})).status_code == 200
        state = (await watching).states[-1]
        assert (state["status"], state["result"]) == ("unfinished", True)
        assert (await visitor.post(f"/api/runs/{name}/stop", {})).status_code == 404
        run = load_run(tmp_path / "runs" / name)
        assert run.status == "interrupted"
        assert run.best is not None
        assert run.best.id == "r0c0"
        assert (await visitor.get(f"/runs/{name}/result.png")).status_code == 200

        resumed = await visitor.post(f"/api/runs/{name}/resume", {})
        assert resumed.json() == {"name": name}
        told = await visitor.watch(name)
        assert told.states[-1]["status"] == "done", told.states[-1]["problem"]
        prompts = [json.loads(line) for line in log.read_text().splitlines()]
        first = [e for e in prompts if e["event"] == "start" and e["prompt"] == "three red hats"]
        assert len(first) == 1
        done = await visitor.post(f"/api/runs/{name}/resume", {})
        assert done.status_code == 400
        assert "is done" in done.json()["error"]


async def test_closing_the_studio_leaves_runs_that_go_on_in_the_next_one(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    async with opened(out, loop__target=4.0, critic__seed=1) as visitor:
        name = await visitor.begin("a red cat", review=True)
        watching = asyncio.create_task(visitor.watch(name))
        await visitor.ask(name)
    await watching  # the stream ended with the studio
    assert load_run(out / name).status == "interrupted"
    async with opened(out, loop__target=4.0, critic__seed=1) as visitor:
        (tile,) = (await visitor.get("/api/runs")).json()
        assert tile["status"] == "unfinished"
        assert (await visitor.post(f"/api/runs/{name}/resume", {})).status_code == 200
        told = await visitor.ask(name)
        assert len(told.of("rendered")) == 1
        both = [visitor.post(f"/api/runs/{name}/resume", {}) for _ in range(2)]
        assert [a.status_code for a in await asyncio.gather(*both)] == [200, 200]
        await visitor.decide(name, 1, action="stop")
        assert (await visitor.watch(name)).states[-1]["status"] == "done"


async def test_a_page_that_comes_back_hears_what_it_missed(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", loop__target=4.0, critic__seed=1) as visitor:
        name = await visitor.begin("a red cat", review=True)
        told = await visitor.ask(name)  # the stream is closed here
        missed = await visitor.ask(name, after=3)
        assert missed.types == told.types[3:]
        assert missed.numbers[0] == 4
        await visitor.decide(name, 1, action="stop")
        assert (await visitor.watch(name)).types[: len(told.types)] == told.types


async def test_other_models_do_not_go_on_with_a_run(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    async with opened(out, critic__seed=1, loop__target=4.0) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
    async with opened(out, critic__seed=2, loop__target=4.0) as visitor:
        answer = await visitor.post(f"/api/runs/{name}/resume", {})
        assert answer.status_code == 400
        assert "another critic" in answer.json()["error"]


async def test_what_is_in_vain_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(_critic: FakeCritic, _request: CritiqueRequest) -> str:
        return "no cats here"

    out = tmp_path / "runs"
    async with opened(out, critic__seed=1, loop__target=4.0) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
        monkeypatch.setattr(FakeCritic, "cannot", cannot, raising=False)
        begun = await visitor.post("/api/runs", {"prompt": "a cat"})
    async with opened(out, critic__seed=1, loop__target=4.0) as visitor:
        resumed = await visitor.post(f"/api/runs/{name}/resume", {})
        assert len((await visitor.get("/api/runs")).json()) == 1
    for answer in (begun, resumed):
        assert answer.status_code == 400
        assert "cannot judge this: no cats here" in answer.json()["error"]


async def test_faults_are_told(tmp_path: Path) -> None:
    script: list[Any] = ["garbage", "garbage"]
    async with opened(tmp_path / "runs", critic__script=script) as visitor:
        name = await visitor.begin("a red cat")
        told = await visitor.watch(name)
        assert told.states[-1]["status"] == "failed"
        assert told.of("critic-failed")[0].error == "CriticUnreadable"
        assert told.of("judged") == []
    async with opened(tmp_path / "more", generator__script=["oom"]) as visitor:
        name = await visitor.begin("a red cat")
        told = await visitor.watch(name)
        assert told.states[-1]["status"] == "failed"
        assert (await visitor.get(f"/runs/{name}/result.png")).status_code == 404


async def test_an_error_of_the_program_ends_one_run_only(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError("oh")
        yield

    with monkeypatch.context() as patch:
        patch.setattr("rr_refine.studio.live_run.run_job", broken)
        await visitor.begin("a cat")
        await visitor.until(lambda: "broke off" in caplog.text)
    other = await visitor.begin("a cat", preset="one-shot")
    assert (await visitor.watch(other)).states[-1]["status"] == "done"


async def test_the_models_are_named(visitor: Visitor) -> None:
    told = (await visitor.get("/api/studio")).json()
    assert (told["models"]["generator"], told["models"]["critic"]) == ("fake", "fake")
    assert "stand-in" in " ".join(told["models"]["notes"])
    assert told["tasks"] == ["edit", "t2i"]
    assert "refine" in [one["name"] for one in told["presets"]]
    assert told["defaults"]["preset"] == "refine"


async def test_events_that_cannot_be_read_are_said_before_the_stream_begins(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    async with opened(out) as visitor:
        name = await visitor.begin("a red cat", preset="one-shot")
        await visitor.watch(name)
    with (out / name / "events.jsonl").open("a") as file:
        file.write(" " * (17 << 20) + "\n")
    async with opened(out) as visitor:
        answer = await visitor.get(f"/api/runs/{name}/events")
        assert answer.status_code >= 400
        assert "line" in answer.json()["error"]


async def test_a_run_may_end_before_its_events_are_read(visitor: Visitor) -> None:
    name = await visitor.begin("a red cat", review=True)
    messages = await visitor.studio.follow(name)
    await visitor.studio.live(name).cancel()
    assert [kind async for kind, _, _ in messages][-1] == "state"
