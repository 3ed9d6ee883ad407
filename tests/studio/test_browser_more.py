"""What follows a picture, in the browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.studio.test_browser import HOSTILE, ROUNDS, Page, answer, browser, pytestmark, visited

__all__ = ["browser", "pytestmark"]

WORDS = {
    "vary": "More seeds of the prompt of round 1 of ",
    "again": "Another seed of the request of round 1 of ",
    "prompt": "A request made of the prompt of round 1 of ",
    "edit": "An edit of round 1 of ",
}
FIRST = "[data-candidate=r0c0] .more"


def run_shown(page: Page) -> str:
    return page.browser.current_url.rpartition("#/")[2]


def done(page: Page, other_than: str = "") -> str:
    """Wait until another run is shown, and done; gives its name."""
    page.wait(lambda: run_shown(page) not in ("", other_than), "another run")
    page.wait(lambda: page.text("#run-status") == "Done", "its end")
    return run_shown(page)


@pytest.mark.parametrize("kind", ["vary", "again", "prompt", "edit"])
def test_a_picture_is_followed_by_a_run(
    browser: webdriver.Chrome, tmp_path: Path, kind: str
) -> None:
    with visited(browser, tmp_path, "--preset=one-shot") as page:
        page.begin("a red cat")
        first = done(page)
        page.click(f"{FIRST} summary")
        if kind == "vary":
            page.see(f"{FIRST} input[type=number]").clear()
            page.see(f"{FIRST} input[type=number]").send_keys("3")
        if kind == "edit":
            page.see(f"{FIRST} [data-kind=edit] textarea").send_keys("make it blue")
        button = "" if kind in ("again", "prompt") else " button"
        page.click(f"{FIRST} [data-kind={kind}]{button}")
        second = done(page, first)
        page.wait(lambda: page.property(".lineage img", "naturalWidth") == 48, "its parent")
        assert page.text(".lineage").startswith(WORDS[kind])
        assert first in page.text(".lineage")
        if kind == "vary":
            found = browser.find_elements(By.CSS_SELECTOR, "[data-round='0'] .candidate img")
            assert len(found) == 3
        if kind == "edit":
            assert page.text(".request") == "make it blue"
            assert page.property(".sources img", "naturalWidth") == 48
        page.wait(lambda: "from a picture" in page.text("#tiles [aria-current]"), "the tile")
        page.click(".lineage a")
        page.wait(lambda: run_shown(page) == first, "the way back")
        assert second != first
        assert page.complaints() == []


@pytest.mark.parametrize("words", ["", HOSTILE])
def test_on_with_a_run(browser: webdriver.Chrome, tmp_path: Path, words: str) -> None:
    script = json.dumps([answer(3.8)] * 9)
    with visited(browser, tmp_path, f"--set=critic.script={script}") as page:
        page.begin("a red cat")
        first = done(page)
        field = page.see(".result .more [data-kind=go-on] textarea")
        browser.execute_script("arguments[0].value = arguments[1]", field, words)
        page.click(".result .more [data-kind=go-on] button")
        page.see("[data-round='1']")
        page.wait(lambda: page.text("#run-status") == "Done", "its end")
        assert run_shown(page) == first
        assert "You went on from the end" in page.text("#rounds")
        if words:
            assert "<svg onload=alert(1)>" in page.text(".head")
        assert browser.title == "rr-refine studio"
        assert page.complaints() == []


def test_a_picture_of_a_run_that_goes_on_can_be_varied_and_not_gone_on_with(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    with visited(browser, tmp_path, *ROUNDS) as page:
        page.begin("a cat", review=True)
        page.turn(1)
        first = run_shown(page)
        page.click(f"{FIRST} summary")
        assert not page.see(f"{FIRST} .go-on").is_displayed()
        page.see(f"{FIRST} [data-kind=edit] textarea").send_keys("what I wrote")
        page.click("#accept")
        page.turn(2)
        assert page.property(f"{FIRST} [data-kind=edit] textarea", "value") == "what I wrote"
        page.click(f"{FIRST} [data-kind=vary] button")
        done(page, first)


def test_the_critic_is_content_and_the_person_is_not(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    script = json.dumps([answer(3.8)] * 9)
    with visited(browser, tmp_path, f"--set=critic.script={script}") as page:
        page.begin("a red cat", review=True)
        page.turn(1)
        assert page.text("#turn-title") == "Your turn: take it, or go on?"
        assert page.text("#accept") == "Take it"
        page.click("#another-way summary")
        page.see("#another-way-field").send_keys("It should be larger")
        page.click("#another-way button")
        page.wait(lambda: "It should be larger" in page.text(".head"), "the remark")
        page.wait(lambda: page.text("#turn-title") == "Your turn: the next prompt", "a prompt")
        page.click("#accept")
        page.see("[data-round='1']")


def test_prompts_that_share_little_stand_in_two_lines(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    with visited(browser, tmp_path, *ROUNDS) as page:
        page.begin("a red cat", review=True)
        page.turn(1)
        assert not browser.find_elements(By.CSS_SELECTOR, "#review-panel .apart")
        page.see("#next-prompt").clear()
        page.see("#next-prompt").send_keys("two blue dogs on some grass")
        page.click("#accept")
        page.turn(2)
        shown = "[data-round='1'] .apart"
        assert page.text(f"{shown} del") == "a red cat"
        assert page.text(f"{shown} ins") == "two blue dogs on some grass"
        find = "return document.querySelector(arguments[0]).offsetTop"
        old, new = (browser.execute_script(find, f"{shown} {tag}") for tag in ("del", "ins"))
        assert old < new


def test_what_cannot_follow_is_told(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path, "--preset=one-shot", "--set=studio.max_runs=1") as page:
        page.begin("a cat")
        done(page)
        page.click(f"{FIRST} summary")
        text = "document.querySelector(arguments[0]).value = '  '"
        browser.execute_script(text, f"{FIRST} [data-kind=edit] textarea")
        page.click(f"{FIRST} [data-kind=edit] button")
        trouble = f"{FIRST} .trouble"
        page.wait(lambda: "say what should change" in page.text(trouble), "why not")
        assert page.see(f"{FIRST} [data-kind=vary] button").is_enabled()
