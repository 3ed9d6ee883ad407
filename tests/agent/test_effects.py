from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.refine import arefine
from rr_refine.agent.store.folder import RunFolder
from rr_refine.agent.store.png import encode_png
from rr_refine.digest import image_digest
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from tests.agent.builders import ScriptedCritic, ScriptedGenerator, critique, t2i
from tests.agent.whole import UnreliableCritic, UnreliableGenerator, policy, run


class OtherModes(ScriptedGenerator):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return (await super().generate(request)).convert(self._mode)


class Looking(ScriptedCritic):
    def __init__(self) -> None:
        super().__init__({(0, 0): critique(t2i(4.0, 4.0))})
        self.modes: list[str] = []

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.modes.append(request.image.mode)
        request.image.putpixel((0, 0), (0, 0, 255))  # which the plan goes by
        return await super().critique(request)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "CMYK", "HSV", "P", "I", "F"])
async def test_a_picture_of_any_mode_is_stored_and_judged_as_rgb(tmp_path: Path, mode: str) -> None:
    critic = Looking()
    run = await arefine(
        "a cat", out=tmp_path, generator=OtherModes(mode), critic=critic, policy="one-shot"
    )
    assert critic.modes == ["RGB"]
    assert run.incumbent is not None
    assert run.image(run.incumbent).mode == "RGB"


class Seeing(UnreliableCritic):
    """Remembers the digests of what it saw, and spoils every picture that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.sources: list[str] = []

    async def critique(self, request: CritiqueRequest) -> Assessment:
        assert request.image.info == {}
        assessment = await super().critique(request)
        self.seen.append(image_digest(request.image))
        for image in filter(None, (request.image, request.source)):
            image.paste("red", (0, 0, *image.size))
        if request.source is not None:
            self.sources.append(image_digest(request.source))
        return assessment


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Digests of the pictures that were encoded, and of those that were decoded."""
    done: dict[str, list[str]] = {"encoded": [], "decoded": []}
    load = RunFolder.load_image

    def encode(image: Image.Image) -> bytes:
        done["encoded"].append(image_digest(image))
        return encode_png(image)

    def decode(folder: RunFolder, name: str) -> Image.Image:
        done["decoded"].append(name)
        return load(folder, name)

    monkeypatch.setattr("rr_refine.agent.store.folder.encode_png", encode)
    monkeypatch.setattr(RunFolder, "load_image", decode)
    return done


async def test_a_picture_is_encoded_once_and_not_read_back(
    tmp_path: Path, work: dict[str, list[str]]
) -> None:
    critic = Seeing()
    done = await run(tmp_path, critic=critic, policy=policy(rounds=3, candidates=2, pairwise=False))
    images = [c.image for c in done.candidates]
    assert len(set(images)) == len(images) == 6
    assert sorted(critic.seen) == sorted(work["encoded"]) == sorted(filter(None, images))
    assert work["decoded"] == []


async def test_the_picture_to_edit_is_not_read_back(
    tmp_path: Path, work: dict[str, list[str]]
) -> None:
    source = Image.new("RGB", (48, 32), "blue")
    critic, making = Seeing(), UnreliableGenerator()
    done = await run(
        tmp_path,
        image=source,
        critic=critic,
        generator=making,
        policy=policy(rounds=3, pairwise=False),
    )
    given = [request.source for request in making.requests]
    assert [image and image_digest(image) for image in given] == [done.request.source] * 3
    assert len(critic.sources) == 3, "each was a copy of its own"
    assert work["decoded"] == []
    assert len(work["encoded"]) == 4


async def test_only_so_many_pictures_wait_for_the_critic(
    tmp_path: Path, work: dict[str, list[str]]
) -> None:
    critic = Seeing()
    done = await run(
        tmp_path, critic=critic, policy=policy(rounds=1, candidates=20, pairwise=False)
    )
    assert sorted(critic.seen) == sorted(filter(None, (c.image for c in done.candidates)))
    assert len(work["decoded"]) == 20 - 8
