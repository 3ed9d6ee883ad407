"""Your pictures in the browser: searched, compared, saved, deleted; and the form's choices."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from zipfile import ZipFile

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.studio.test_browser import ROUNDS, Page, answer, browser, pytestmark, visited

__all__ = ["browser", "pytestmark"]

FAST = ("--preset=one-shot",)


def titles(page: Page) -> list[str]:
    find = "return [...document.querySelectorAll('#tiles .title')].map((one) => one.textContent)"
    found: list[str] = page.browser.execute_script(find)
    return found


def made(page: Page, *prompts: str) -> None:
    for prompt in prompts:
        page.see("a.new").click()
        page.see("#prompt")
        page.begin(prompt)
        page.see(".end")


def choose(page: Page, *numbers: int) -> None:
    page.click("#choose")
    for number in numbers:
        page.click(f"#tiles li:nth-child({number + 1}) input")
    page.wait(lambda: f"{len(numbers)} chosen" in page.text("#chosen"), "what is chosen")


def test_search(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *FAST) as page:
        made(page, "a red cat", "a blue dog", "<b>red</b> bird")
        page.see("#search").send_keys("RED")
        page.wait(lambda: set(titles(page)) == {"a red cat", "<b>red</b> bird"}, "two")
        page.see("#search").send_keys(" nothing")
        page.wait(lambda: "No picture of yours" in page.text("#no-tiles"), "that there is none")
        page.see("#search").clear()
        page.see("#search").send_keys("d")
        page.wait(lambda: len(titles(page)) == 3, "all")
        assert page.complaints() == []


def test_delete_and_put_back(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *FAST) as page:
        made(page, "a cat", "a dog", "a bird")
        page.click("#delete")  # the run that is shown
        page.see("#prompt")
        page.wait(lambda: sorted(titles(page)) == ["a cat", "a dog"], "two")
        page.click("#put-back")
        page.wait(lambda: len(titles(page)) == 3, "all")
        choose(page, 0, 1)
        page.click("#delete-chosen")
        page.wait(lambda: titles(page) == ["a cat"], "one")
        assert "2 runs are in the folder .trash" in page.text("#undo")
        assert len(list((tmp_path / "here" / "runs" / ".trash").iterdir())) == 2
        page.click("#put-back")
        page.wait(lambda: len(titles(page)) == 3, "all again")
        assert page.complaints() == []


def test_what_goes_on_has_no_button_to_delete_it(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *ROUNDS) as page:
        page.begin("a cat", review=True)
        page.turn(1)
        assert not browser.find_elements(By.ID, "delete")
        choose(page, 0)
        page.click("#delete-chosen")
        page.wait(lambda: "this run is going on" in page.text("#pictures .trouble"), "why not")
        page.click("#stop-here")
        page.see("#delete")


def test_several_are_saved(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    with visited(browser, tmp_path, *FAST) as page:
        made(page, "a cat", "a dog")
        choose(page, 0, 1)
        page.click("#export-chosen")
        archive = tmp_path / "pictures.zip"
        page.wait(archive.exists, "the file")
        time.sleep(0.2)
        with ZipFile(archive) as file:
            names = file.namelist()
            listing = json.loads(file.read("pictures.json"))
        assert len(names) == 3
        assert {one["prompt"] for one in listing["pictures"]} == {"a cat", "a dog"}
        assert page.complaints() == []


def test_two_runs_side_by_side(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *FAST) as page:
        made(page, "a <i>cat</i>", "a dog")
        choose(page, 0, 1)
        page.click("#compare-chosen")
        page.see("#comparison table")
        shown = page.text("#comparison")
        assert "a <i>cat</i>" in shown
        assert "a dog" in shown
        assert "two requests: their scores cannot be compared" in shown
        images = "return [...document.querySelectorAll('#comparison img')].map(i => i.naturalWidth)"
        page.wait(lambda: browser.execute_script(images) == [48, 48], "both")
        assert page.complaints() == []


def test_two_sources_are_two_requests(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *FAST) as page:
        made(page, "a cat")
        first = browser.current_url.rpartition("#/")[2]
        page.see(".result .more [data-kind=edit] textarea").send_keys("a cat")
        page.click(".result .more [data-kind=edit] button")
        page.see(".lineage")
        page.see(".end")
        second = browser.current_url.rpartition("#/")[2]
        places = f"#/compare/{first}:best/{second}:best"
        browser.execute_script("location.hash = arguments[0]", places)
        page.see("#comparison table")
        assert "two requests: their scores cannot be compared" in page.text("#comparison")


def test_two_pictures_of_a_run_side_by_side(browser: webdriver.Chrome, tmp_path: Path) -> None:
    script = json.dumps([answer(2.0), answer(2.8), answer(1.5)])
    more = (f"--set=critic.script={script}", "--set=budget.rounds=2", "--set=loop.target=4.0")
    with visited(browser, tmp_path, *more) as page:
        page.begin("a cat")
        page.see(".end")
        page.click("[data-candidate=r0c0] .compare")
        chosen = "[data-candidate=r0c0] .compare"
        page.wait(lambda: page.text(chosen) == "Chosen: now another", "the choice")
        assert page.text("[data-candidate=r1c0] .compare") == "Compare with the chosen one"
        page.click("[data-candidate=r1c0] .compare")
        page.see("#comparison table")
        assert "cannot be compared" not in page.text("#comparison")
        rows = page.text("#comparison table")
        assert "2.00" in rows
        assert "2.80" in rows
        size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.execute_script(wide) <= 0
        top = "return [...document.querySelectorAll('.two img')].map(i => i.offsetTop)"
        first, second = browser.execute_script(top)
        assert first == second  # beside one another on a phone too
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert page.complaints() == []


def test_a_comparison_of_nothing_is_told(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *FAST) as page:
        made(page, "a cat")
        run = browser.current_url.rpartition("#/")[2]
        wrong = {f"{run}:best/gone:best": "no run", f"{run}:best/{run}:r7c7": "no such picture"}

        def told(words: str) -> bool:
            return words in page.text("#comparison .trouble")

        for places, words in wrong.items():
            browser.execute_script("location.hash = arguments[0]", f"#/compare/{places}")
            page.wait(partial(told, words), words)


def test_the_choices_of_the_form(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, *ROUNDS) as page:
        page.click("#form details summary")
        presets = Select(page.see("#preset"))
        groups = browser.find_elements(By.CSS_SELECTOR, "#preset optgroup")
        assert [g.get_attribute("label") for g in groups] == ["What it is for", "Methods"]
        presets.select_by_value("text-heavy")
        assert "misspelt" in page.text("#about-preset")
        presets.select_by_value("refine")
        page.see("#candidates").send_keys("3")
        page.see("#width").send_keys("64")
        page.see("#height").send_keys("40")
        assert not browser.find_elements(By.ID, "negative")  # this generator has none
        page.begin("a cat", review=True)
        page.turn(1)
        pictures = browser.find_elements(By.CSS_SELECTOR, "[data-round='0'] .candidate img")
        assert len(pictures) == 3
        assert page.property("#best", "naturalWidth") == 64
        page.wait(
            lambda: len(browser.find_elements(By.CSS_SELECTOR, "#pick .thumb")) == 2, "a grid"
        )
        page.click("#pick .thumb")
        page.wait(lambda: "went on from another picture" in page.text("#rounds"), "the choice")
        assert page.complaints() == []
