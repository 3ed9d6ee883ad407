"""What the studio says of a prompt before its run starts."""

from __future__ import annotations

import pytest

from rr_refine.component import Examples
from rr_refine.generators.fake import FakeGenerator
from rr_refine.real_models import WAYS
from rr_refine.request import Request
from rr_refine.reward.fake import FakeCritic
from tests.studio.visitor import Visitor


@pytest.fixture(autouse=True)
def knows_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generator and critic know red hats and nothing else."""

    def unknown(_: object, request: Request) -> tuple[str, ...]:
        return tuple(word for word in request.prompt.split() if word not in ("red", "hat"))

    def is_outside(_: object, request: Request, source: object) -> bool:
        return "hat" not in request.prompt

    for part in (FakeGenerator, FakeCritic):
        monkeypatch.setattr(part, "unknown", unknown, raising=False)
        monkeypatch.setattr(part, "is_outside", is_outside, raising=False)
    examples = Examples("red hat", edit="red")
    monkeypatch.setattr(FakeGenerator, "examples", examples, raising=False)


@pytest.mark.parametrize(
    ("prompt", "notes", "ways"),
    [
        ("red hat", [], []),
        (" ", [], []),
        ("blue hat", ["“blue”", "No picture passes"], []),
        ("cat", ["“cat”", "one picture is made, and no more"], list(WAYS)),
    ],
)
async def test_it_is_told_while_somebody_types(
    visitor: Visitor, prompt: str, notes: list[str], ways: list[str]
) -> None:
    answer = await visitor.post("/api/notes", {"prompt": prompt})
    told = answer.json()
    assert bool(told["notes"]) is bool(notes)
    assert all(note in " ".join(told["notes"]) for note in notes)
    assert told["ways"] == ways


async def test_what_is_no_prompt_is_refused(visitor: Visitor) -> None:
    for body in ({"prompt": 1}, ["a"], {"prompt": "a", "more": 1}, {"prompt": "a" * 300_000}):
        assert (await visitor.post("/api/notes", body)).status_code in (400, 413)


async def test_the_form_has_a_sentence_that_works(visitor: Visitor) -> None:
    models = (await visitor.get("/api/studio")).json()["models"]
    assert (models["example"], models["edit_example"]) == ("red hat", "red")


async def test_after_the_run_it_is_told_as_well(visitor: Visitor) -> None:
    told = await visitor.watch(await visitor.begin("cat"))
    assert told.of("run-finished")[0].stop.rule == "unjudged"
    assert len(told.of("rendered")) == 1
    notices = [event.text for event in told.of("notice")]
    assert any("rr-refine doctor" in text for text in notices)
