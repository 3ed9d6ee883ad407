"""The size of what came back is in the record, and is told where it is not the source's."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from rr_refine.agent.events import Notice, Rendered
from rr_refine.agent.policy import preset
from rr_refine.agent.store.folder import RunFolder
from tests.agent.whole import run


async def test_an_edit_of_another_size(tmp_path: Path) -> None:
    made = await run(
        tmp_path,
        image=Image.new("RGB", (96, 64), "blue"),
        parameters={"width": 48, "height": 32},
        policy=preset("one-shot"),
    )
    events = made.events()
    (rendered,) = [event for event in events if isinstance(event, Rendered)]
    assert (rendered.width, rendered.height) == (48, 32)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert told == ["it has 48x32 pixels, and the picture to edit has 96x64"]
    with RunFolder(made.path, lock=False) as folder:
        ((_, item),) = folder.journal.items("render")
    assert isinstance(item, dict)
    assert (item["width"], item["height"], item["notices"]) == (48, 32, told)


async def test_results_say_that_they_are_srgb(tmp_path: Path) -> None:
    made = await run(tmp_path, policy=preset("one-shot"))
    assert made.result_path is not None
    with Image.open(made.result_path) as image:
        assert image.info["srgb"] == 0
    assert made.best is not None
    assert made.image(made.best).info == {}
