"""Pictures that are there are judged again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.published.imgedit import ImgEditLoader
from rr_refine.benchmarks.rejudge import judge_again, pictures_of_layout
from rr_refine.benchmarks.trial import Trial
from tests.benchmarks.published.imgedit.files import write_archive
from tests.benchmarks.test_judging import Scripted


async def test_a_broken_source_costs_its_own_item_alone(tmp_path: Path) -> None:
    bench = ImgEditLoader(data=write_archive(tmp_path)).load()
    theirs, out = tmp_path / "theirs", tmp_path / "out"
    theirs.mkdir()
    for number, item in enumerate(bench.items):
        Image.new("RGB", (8, 6), (9 * number, 9, 9)).save(theirs / bench.picture(item))
    broken = bench.items[3].source
    assert isinstance(broken, Path)
    broken.write_bytes(b"no picture")
    pictures = pictures_of_layout(theirs, bench)
    threads = []

    def trials(out: Path) -> Iterator[Callable[[], Trial]]:
        for bring in pictures.trials(out):

            def brought(bring: Callable[[], Trial] = bring) -> Trial:
                threads.append(threading.current_thread())
                return bring()

            yield brought

    judge = Scripted("Prompt Compliance: 4")
    with Cache(out / "cache") as cache:
        given = replace(pictures, trials=trials)
        (arm,) = (await judge_again(bench, given, judge, cache, out)).arms
    assert (arm.coverage.pictures, arm.coverage.marked) == (6, 5)
    assert arm.coverage.missing == {"ConfigError": 1}
    assert len(judge.asked) == 5
    assert threading.main_thread() not in threads, "pictures are decoded beside the event loop"


async def test_a_link_out_of_their_folder_is_not_followed(tmp_path: Path) -> None:
    bench = ImgEditLoader(data=write_archive(tmp_path)).load()
    theirs, out, private = tmp_path / "theirs", tmp_path / "out", tmp_path / "private.png"
    theirs.mkdir()
    Image.new("RGB", (8, 6)).save(private)
    first, *others = bench.items
    (theirs / bench.picture(first)).symlink_to(private)
    for item in others:
        Image.new("RGB", (8, 6), "red").save(theirs / bench.picture(item))
    judge = Scripted("Prompt Compliance: 4")
    with Cache(out / "cache") as cache:
        pictures = pictures_of_layout(theirs, bench)
        (arm,) = (await judge_again(bench, pictures, judge, cache, out)).arms
    (why,) = arm.coverage.missing
    assert "names the picture" in why
    assert len(judge.asked) == len(others)
