from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.agent.follow_up import again
from rr_refine.agent.report.gallery import GalleryEntry, entry_of, find_runs, write_gallery
from rr_refine.agent.report.reader import read_summary
from rr_refine.agent.run import Run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import ConfigError, StoreError
from tests.agent import whole
from tests.agent.report.dom import Element, require_sound


def entry(path: Path) -> GalleryEntry:
    with RunFolder(path, lock=False) as folder:
        return entry_of(read_summary(folder))


def cards(root: Element) -> list[Element]:
    return root.find("li", class_="card")


async def three_runs(out: Path) -> dict[str, Run]:
    """By their names: one that improved, one that did not, and one that failed."""
    with pytest.raises(ConfigError):
        await whole.run(out, "c", critic=whole.UnreliableCritic([None, ConfigError("no")]))
    return {
        "improved": await whole.run(out, whole.PROMPT),
        "unchanged": await whole.run(out, "b", policy="one-shot"),
    }


async def test_a_gallery(tmp_path: Path) -> None:
    runs = await three_runs(tmp_path / "runs")
    paths = list(find_runs(tmp_path))
    assert len(paths) == 3
    page = tmp_path / "gallery.html"
    write_gallery(page, [entry(path) for path in paths if isinstance(path, Path)])
    root = require_sound(page.read_text("utf-8"))
    assert root.find("h1")[0].text == "3 runs, 1 improved"
    by_state = {card.attributes["data-state"]: card.attributes for card in cards(root)}
    assert set(by_state) == {"improved", "unchanged", "failed"}
    improved = runs["improved"]
    assert improved.best is not None
    gain = (improved.best.mean or 0) - (improved.candidates[0].mean or 0)
    assert float(by_state["improved"]["data-gain"]) == pytest.approx(gain)
    assert float(by_state["unchanged"]["data-gain"]) == 0
    assert [o.attributes["value"] for o in root.find("select", id="state")[0].find("option")] == [
        *("", "improved", "unchanged", "failed"),
    ]
    for card in cards(root):
        (link,) = card.find("a")
        assert (tmp_path / link.attributes["href"]).is_file()
        for image in card.find("img"):
            assert (tmp_path / image.attributes["src"]).is_file()
            assert image.attributes["loading"] == "lazy"
    assert [
        len(c.find("img")) for c in cards(root) if c.attributes["data-state"] == "improved"
    ] == [2]


async def test_a_run_links_to_the_one_that_it_comes_from(tmp_path: Path) -> None:
    parent = await whole.run(tmp_path / "runs", whole.PROMPT)
    child = await whole.run(tmp_path / "runs", again(parent))  # type: ignore[arg-type]
    page = tmp_path / "gallery.html"

    def links() -> list[str]:
        write_gallery(page, [entry(child.path)])
        (card,) = cards(require_sound(page.read_text()))
        (meta,) = [one for one in card.find("p") if parent.id in one.text]
        return [link.attributes["href"] for link in meta.find("a")]

    (link,) = links()
    assert (tmp_path / link).resolve() == parent.report_path
    (parent.path / "report" / "index.html").unlink()
    assert links() == []


async def test_runs_are_found_at_any_depth_and_pictures_are_not_searched(tmp_path: Path) -> None:
    run = await whole.run(tmp_path / "a" / "b")
    assert list(find_runs(run.path)) == [run.path]
    assert list(find_runs(tmp_path)) == [run.path]
    assert list(find_runs(run.path / "images")) == []
    (tmp_path / "again").symlink_to(tmp_path / "a")
    assert list(find_runs(tmp_path)) == [run.path]


async def test_a_long_prompt_is_cut(tmp_path: Path) -> None:
    run = await whole.run(tmp_path, "very " * 20_000 + "big", policy="one-shot")
    assert len(entry(run.path).prompt) == 2000


def test_a_gallery_is_for_its_user_alone(tmp_path: Path) -> None:
    """It holds prompts, and the folder may be open to others."""
    tmp_path.chmod(0o755)
    write_gallery(tmp_path / "gallery.html", [])
    assert (tmp_path / "gallery.html").stat().st_mode & 0o777 == 0o600


def test_a_gallery_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_gallery(tmp_path / "file" / "gallery.html", [])
