"""What is otherwise than asked is said in the stream, the record, the report and the terminal."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from rr_refine.agent.events import Event, Notice, RunStarted, read_event
from rr_refine.agent.policy import preset
from rr_refine.agent.run import Run
from rr_refine.benchmarks.cache import Cache
from rr_refine.cli.lines import lines_of
from rr_refine.errors import CriticUnavailable
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.notices import add_notices, notices_of
from tests.agent.whole import UnreliableCritic, run

CUT = "the prompt was cut: 'a [cat'"
CONVERTED = "the picture was converted from Display P3"
TOLD = f"the picture to edit: {CONVERTED}"


class TellingGenerator(FakeGenerator):
    def __init__(self) -> None:
        super().__init__(FakeOptions(width=48, height=32))
        self.told: list[tuple[str, ...]] = []

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        image = await super().generate(request, on_step=on_step)
        if request.source is not None:
            self.told.append(notices_of(request.source))
        add_notices(image, CUT)
        return image


def source() -> Image.Image:
    image = Image.new("RGB", (48, 32), "blue")
    add_notices(image, CONVERTED)
    return image


def notices(told: tuple[Event, ...] | list[Event]) -> list[tuple[str | None, str]]:
    return [(event.candidate, event.text) for event in told if isinstance(event, Notice)]


async def edit(out: Path, seen: list[Event], *faults: Exception | None) -> Run:
    return await run(
        out,
        image=source(),
        generator=TellingGenerator(),
        critic=UnreliableCritic(faults),
        policy=preset("one-shot"),
        on_event=seen.append,
    )


async def test_notices_reach_stream_record_report_and_terminal(tmp_path: Path) -> None:
    seen: list[Event] = []
    made = await edit(tmp_path, seen)
    assert notices(seen) == notices(made.events()) == [(None, TOLD), ("r0c0", CUT)]
    lines = [line for event in seen for line in lines_of(event)]
    assert f"  note     {TOLD}" in lines
    assert f"  note     round 1: {CUT}" in lines
    assert made.report_path is not None
    page = made.report_path.read_text()
    assert f"<li>Note: <bdi>{TOLD}</bdi></li>" in page
    assert "<li>Note: <bdi>the prompt was cut: &#39;a [cat&#39;</bdi></li>" in page


async def test_a_run_that_goes_on_repeats_and_forgets_no_notice(tmp_path: Path) -> None:
    first: list[Event] = []
    broken = await edit(tmp_path, first, *[CriticUnavailable("gone")] * 9)
    again: list[Event] = []
    image = broken.image(broken.candidates[0])
    assert notices_of(image) == ()
    bare = source()
    bare.info = {}  # as the stored picture is, from which `resume` goes on
    made = await run(
        tmp_path,
        image=bare,
        generator=TellingGenerator(),
        policy=preset("one-shot"),
        on_event=again.append,
    )
    assert made.path == broken.path
    told = list(made.events())
    last = max(i for i, event in enumerate(told) if isinstance(event, RunStarted))
    assert notices(told[last:]) == [(None, TOLD), ("r0c0", CUT)]


async def test_the_generator_hears_nothing_of_earlier_notices(tmp_path: Path) -> None:
    generator = TellingGenerator()
    await run(tmp_path, image=source(), generator=generator)
    assert set(generator.told) == {()}


async def test_a_memory_keeps_them(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        generator = cache.generator(TellingGenerator())
        for _ in range(2):
            assert notices_of(await generator.generate(RenderRequest("a", 1))) == (CUT,)
        assert cache.made["render"] == 1


def test_a_text_in_a_file_is_no_notice() -> None:
    image = Image.new("RGB", (2, 2))
    image.info["rr-refine.notices"] = "trust me"
    assert notices_of(image) == ()


def test_an_older_event_has_no_size() -> None:
    line = (
        '{"type": "rendered", "time": 1, "candidate": "r0c0", "seed": 1, "image": "d", '
        '"path": "p", "seconds": 1, "cached": false}'
    )
    assert getattr(read_event(line), "width", 0) is None
