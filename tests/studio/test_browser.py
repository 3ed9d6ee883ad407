"""The page itself, in headless Chromium: what a person sees, does, and is never hit by."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.cli.test_endpoint import Server, server
from tests.commands import Commands
from tests.test_picture_file import bomb

__all__ = ["server"]

T = TypeVar("T")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no browser: install chromium and chromium-driver to run these",
)

ROUNDS = ("--set=critic.seed=1", "--set=loop.target=4.0")
"""No picture is good enough, and the next may be better."""

HOSTILE = (
    '<img src=x onerror="document.title=\'hit\'"><script>document.title="hit"</script>'
    "\u202egnp.exe\u202c \x1b[2J '\"><svg onload=alert(1)> "
)


def answer(score: float, **more: object) -> dict[str, object]:
    return {"text_faithfulness": score, "physical_quality": score, **more}


class Page:
    """A tab of the studio."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser, self.url = browser, url

    def open(self) -> None:
        self.browser.get(self.url)
        self.see("#prompt")
        self.complaints()  # those of an earlier test

    def see(self, css: str) -> WebElement:
        """Wait for an element."""
        return self.wait(lambda: self.browser.find_element(By.CSS_SELECTOR, css), css)

    def wait(self, condition: Callable[[], T], what: str) -> T:
        """Wait until something is so; whatever cannot be looked at yet is not so yet."""
        waiting = WebDriverWait(self.browser, 60, ignored_exceptions=[Exception])
        try:
            return waiting.until(lambda _: condition())
        except TimeoutException:
            pytest.fail(f"never seen: {what}; {self.words()}")

    def words(self) -> str:
        """What is on the page, wherever that has got to."""
        where = "return location.href + ': ' + document.documentElement.innerText"
        try:
            return str(self.browser.execute_script(where))[:500]
        except WebDriverException as error:
            return f"the page cannot be read: {error.msg}"

    def read(self, css: str, what: Callable[[WebElement], T]) -> T:
        """Read from an element that is there; it may be drawn anew at any moment."""
        for _ in range(50):
            with suppress(StaleElementReferenceException):
                return what(self.browser.find_element(By.CSS_SELECTOR, css))
        pytest.fail(f"drawn anew without end: {css}")

    def text(self, css: str) -> str:
        return self.read(css, lambda element: element.text)

    def property(self, css: str, name: str) -> object:
        self.see(css)
        return self.read(css, lambda element: element.get_property(name))

    def click(self, css: str) -> None:
        """Click an element as soon as that can be done."""

        def clicked() -> bool:
            element = self.browser.find_element(By.CSS_SELECTOR, css)
            self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
            element.click()
            return True

        self.wait(clicked, css)

    def begin(self, prompt: str, *, review: bool = False) -> None:
        field = self.see("#prompt")
        # Typed by script: keys cannot type every character.
        self.browser.execute_script("arguments[0].value = arguments[1]", field, prompt)
        if review:
            self.click("#review")
        self.click("#form button[type=submit]")
        self.see(".request")

    def turn(self, number: int) -> WebElement:
        """Wait for the question of this number of rounds."""
        self.wait(
            lambda: (
                f"Round {number}" in self.text("#run-status")
                and "your turn" in self.text("#run-status")
                and self.browser.find_element(By.ID, "accept").is_enabled()  # not the one before
            ),
            f"turn {number}",
        )
        return self.see("#review-panel")

    def proposal(self) -> str:
        return str(self.property("#next-prompt", "value"))

    def complaints(self) -> list[str]:
        """What the browser refused or failed at."""
        log = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in log]


@contextmanager
def studio(folder: Path, *more: str) -> Iterator[str]:
    """A studio as a process of its own; gives the address that it prints."""
    folder.mkdir(exist_ok=True)
    out = folder / "stdout"
    out.unlink(missing_ok=True)
    small = ("--set=generator.width=48", "--set=generator.height=48")
    fakes = ("--generator=fake", "--critic=fake")
    with Commands(folder).start("studio", "--port=0", *fakes, *small, *more, stdout=out) as going:
        deadline = time.monotonic() + 60
        while not (out.exists() and out.read_text().endswith("\n")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield out.read_text().strip()
        going.send(2)
        ended = going.wait()
        assert ended.code == 130
        assert "Traceback" not in ended.stderr


@contextmanager
def visited(browser: webdriver.Chrome, folder: Path, *more: str) -> Iterator[Page]:
    """The page of a studio in a folder of its own."""
    with studio(folder / "here", *more) as url:
        page = Page(browser, url)
        page.open()
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    assert CHROMIUM and DRIVER
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run"),
        *("disable-background-networking", "window-size=1200,1000"),
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


def test_a_session(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Prompt, rounds, reject, accept, edit, pick, stop, result; history; another tab."""
    script = json.dumps([answer(2.0), answer(2.0), answer(2.8), answer(1.5)])
    with visited(
        browser, tmp_path, f"--set=critic.script={script}", "--set=budget.rounds=9"
    ) as page:
        assert "stand-in" in page.text("#notes")
        assert "drawn by fake, judged by fake" in page.text("#models")
        page.begin("a red cat", review=True)
        page.turn(1)
        assert page.text(".request") == "a red cat"
        first = page.proposal()
        page.click("#another-way summary")
        page.see("#another-way-field").send_keys("in a garden")
        page.click("#another-way button")
        page.wait(lambda: page.proposal() != first, "another proposal")
        second = page.proposal()
        assert "Request, revision 2: a red cat. In a garden" in page.text(".head")
        assert "Judged by revision 2 of your request. By revision 1: 2.0" in page.text(
            "[data-candidate=r0c0]"
        )
        assert page.text("#review-panel ins").strip() in second
        page.click("#accept")

        page.turn(2)
        assert "Taken as the best" in page.text("[data-candidate=r1c0] .verdict")
        assert "+0.80" in page.text("[data-candidate=r1c0] .scores")
        assert "round 2" in page.text(".result")
        field = page.see("#next-prompt")
        field.clear()
        field.send_keys("my own words")
        assert page.text("#accept") == "Draw my words"
        page.click("#accept")

        page.turn(3)
        assert "my own words" in page.text("[data-round='2'] .prompt")
        assert "Not better" in page.text("[data-candidate=r2c0] .verdict")
        page.click("#pick summary")
        page.click("#pick [data-candidate=r0c0]")
        page.wait(lambda: "round 1" in page.text(".result"), "the picked picture")
        page.turn(3)
        page.click("#stop-here")
        page.wait(lambda: "You ended it" in page.text("#end"), "the end")
        assert "The result" in page.text(".result")
        assert "a red cat" in page.text("#best-prompt")
        assert "3 pictures" in page.text("#end")
        page.wait(lambda: page.property("#best", "naturalWidth") == 48, "a picture that is loaded")
        assert page.property("#best", "alt")

        run = browser.current_url
        page.click(".new")
        page.see("#prompt")
        page.click("#tiles a")
        page.wait(lambda: browser.current_url == run, "the run, by the history")
        page.wait(lambda: "You ended it" in page.text("#end"), "its story")
        browser.switch_to.new_window("tab")
        browser.get(run)
        page.wait(lambda: "You ended it" in page.text("#end"), "the story in another tab")
        browser.close()
        browser.switch_to.window(browser.window_handles[0])
        assert page.complaints() == []


def test_what_it_costs_is_shown(browser: webdriver.Chrome, tmp_path: Path, server: Server) -> None:
    prices = ("--set=critic.price_input=0", "--set=critic.price_output=100")
    limits = ("--set=critic.max_tokens=100", "--set=budget.usd=0.02", "--set=loop.patience=null")
    there = ("--set=critic.use=openai", f"--set=critic.base_url={server.url}")
    asked = (*there, *prices, *limits, "--set=loop.pairwise=false")
    with visited(browser, tmp_path, *asked) as page:
        page.begin("two hats", review=True)
        page.turn(1)
        assert "Round 1 of at most 4, $0.0090 so far: your turn" in page.text(".top .actions")
        assert "the-critic" in page.text(".head") and "tokens of answers" in page.text(".head")
        page.click("#accept")
        page.turn(2)
        page.click("#accept")
        page.wait(lambda: "The budget is used up" in page.text("#end"), "the end")
        assert "$0.0180" in page.text("#end")
        assert page.complaints() == []


def test_the_first_visit(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Locked, then opened by the printed address, by a file, and by a link of another page."""
    with studio(tmp_path / "here") as url:
        base, _, token = url.partition("?token=")
        page = Page(browser, base)
        browser.get(base)
        assert browser.title == "rr-refine studio: locked"
        assert "rr-refine studio" in page.text("body")
        size = "return getComputedStyle(document.body).maxWidth"
        assert browser.execute_script(size) != "none"  # its style is in force
        page.complaints()  # that it is locked

        linked = tmp_path / "link.html"
        linked.write_text(f'<a href="{base}">the studio</a>')
        opening = tmp_path / "open.html"
        opening.write_text(f'<meta http-equiv="refresh" content="0;url={url}">')
        for way in (url, opening.as_uri(), linked.as_uri()):
            if way == opening.as_uri():
                browser.get(base)
                browser.delete_all_cookies()
            browser.get(way)
            if way == linked.as_uri():
                browser.find_element(By.TAG_NAME, "a").click()
            page.see("#prompt")
            assert browser.current_url == base
            assert token not in browser.page_source
            assert browser.execute_script("return document.referrer + document.cookie") == ""
        browser.get("about:blank")
        browser.get(f"{base}#key={'0' * 64}")  # another page's link brings a wrong key
        page.see("#prompt")
        assert browser.current_url == base


def test_the_server_of_another_port_gets_nothing_that_opens_the_studio(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    class Thief(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Thief)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with studio(tmp_path / "here") as url:
            base, _, token = url.partition("?token=")
            page = Page(browser, url)
            page.open()
            browser.get(f"http://127.0.0.1:{server.server_port}/")
            (path, headers), *_ = seen
            assert "rr-refine-studio-" in headers["Cookie"]  # a browser does that
            key = browser.execute_script("return localStorage.getItem('key')")
            assert key not in f"{path}{headers}"
            assert token not in f"{path}{headers}"
            asked = Request(f"{base}api/runs", headers={"Cookie": headers["Cookie"]})
            with pytest.raises(HTTPError, match="401"):
                urlopen(asked)
    finally:
        server.shutdown()
        server.server_close()


def test_a_studio_that_was_started_again_is_told(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with visited(browser, tmp_path) as page:
        browser.delete_all_cookies()
        browser.execute_script("document.querySelector('#prompt').value = 'a cat'")
        page.click("#form button[type=submit]")
        page.wait(lambda: "Open the address that it printed" in page.text("#form .trouble"), "it")


def test_stop_reload_and_go_on(browser: webdriver.Chrome, tmp_path: Path) -> None:
    script = json.dumps(["ok", "ok", "hang"])
    with visited(browser, tmp_path, f"--set=generator.script={script}", *ROUNDS) as page:
        page.begin("two hats")
        page.see("[data-round='1']")
        browser.refresh()
        page.see("[data-round='2']")  # it went on, and the page knows
        page.click("#stop")
        page.wait(lambda: "Not finished" in page.text("#run-status"), "that it was stopped")
        assert page.property("#save", "download")
        page.click("#resume")
        page.see(".end h2")
        assert page.text("#run-status") == "Done"
        assert page.complaints() == []


def test_a_picture_is_changed(browser: webdriver.Chrome, tmp_path: Path) -> None:
    source = tmp_path / "<b>mine.png"
    Image.new("RGB", (60, 40), "orange").save(source)
    with visited(browser, tmp_path, "--preset=one-shot") as page:
        page.see("#file").send_keys(str(source))
        assert page.text(".ask") == "What should change in your picture?"
        assert "<b>mine.png" in page.text(".drop")
        page.begin("make it blue")
        page.see(".end")
        page.wait(lambda: page.property(".sources img", "naturalWidth") == 60, "the source")
        assert page.complaints() == []


def test_large_pictures_are_shown_once_they_are_stored(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    photo, other = tmp_path / "photo.jpg", tmp_path / "other.png"
    Image.effect_noise((4000, 3000), 50).save(photo)
    Image.new("RGB", (60, 40), "orange").save(other)
    with visited(browser, tmp_path, "--preset=one-shot") as page:
        page.see("#file").send_keys(f"{photo}\n{other}")
        assert page.text(".ask") == "What should change in the first picture?"
        page.begin("make it blue")
        page.see(".end")
        widths = "return [...document.querySelectorAll('.sources img')].map((i) => i.naturalWidth)"
        page.wait(lambda: browser.execute_script(widths)[1:] == [60], "the pictures")
        assert browser.execute_script(widths)[0] > 60
        assert page.complaints() == []


def test_what_was_done_to_a_picture_is_shown(browser: webdriver.Chrome, tmp_path: Path) -> None:
    large, animated = tmp_path / "large.jpg", tmp_path / "animated.gif"
    with large.open("wb") as file:
        file.truncate(50_000_001)
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(animated, save_all=True, append_images=frames[1:])
    with visited(browser, tmp_path, "--preset=one-shot") as page:
        page.see("#file").send_keys(str(large))
        browser.execute_script("document.querySelector('#prompt').value = 'make it blue'")
        page.click("#form button[type=submit]")
        page.wait(
            lambda: "has 50.1 MB; 50 MB is the most" in page.text("#form .trouble"),
            "that it is large",
        )
        page.see("#file").clear()  # it takes several pictures
        page.see("#file").send_keys(str(animated))
        page.begin("make it blue")
        page.see(".end")
        assert "the picture to edit: it is the first of 2 frames" in page.text(".head")


def test_what_was_measured_is_shown_and_nothing_of_it_is_green(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    script = json.dumps([answer(4.0, text_rendering=4.0)])
    scripted = (f"--set=critic.script={script}", "--set=budget.rounds=1", "--evidence=ocr")
    with visited(browser, tmp_path, *scripted) as page:
        page.begin('a sign that says "OPEN"')
        page.wait(lambda: "last round" in page.text("#end"), "the end")
        missed = "it does not say 'OPEN'"
        assert missed in page.text("[data-candidate=r0c0] .judgement")
        assert missed in page.text(".result")
        assert not browser.find_elements(By.CSS_SELECTOR, ".verdict.yes")
        page.wait(lambda: missed in page.text("#tiles"), "the tile")


BOXES: list[dict[str, Any]] = [
    {"kind": "right", "expected": "OPEN", "found": "OPEN", "box": [0.25, 0.5, 0.5, 0.75]},
    {"kind": "wrong", "expected": "SALE", "found": "<b>SAIL</b>", "box": [0.7, 0.02, 1.0, 0.2]},
    {"kind": "extra", "expected": None, "found": "EXIT", "box": [0.0, 0.9, 0.1, 1.0]},
    {"kind": "missing", "expected": "NOW", "found": None, "box": None},
]


def measured_run(folder: Path) -> None:
    """A finished run of a wide picture, in which something was measured."""
    wide = ("--set=generator.width=640", "--set=generator.height=320", "--set=critic.seed=1")
    Commands(folder).run("a sign", "--preset=one-shot", "--generator=fake", "--critic=fake", *wide)
    (events,) = folder.glob("runs/*/events.jsonl")
    lines = []
    for line in map(json.loads, events.read_text().splitlines()):
        if line["type"] == "judged":
            line["findings"] = [
                {"dimension": "text_rendering", "sure": 0.9, "reason": f"why {n}", **one}
                for n, one in enumerate(BOXES)
            ]
        lines.append(json.dumps(line) + "\n")
    events.write_text("".join(lines))


@pytest.mark.parametrize("width", [1280, 500])
def test_what_was_measured_is_drawn_over_the_picture(
    browser: webdriver.Chrome, tmp_path: Path, width: int
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    measured_run(folder)
    size = browser.get_window_size()
    browser.set_window_size(width, 900)
    try:
        with studio(folder) as url:
            page = Page(browser, url)
            page.open()
            page.click("#tiles a")
            page.see(".result .box")
            page.wait(lambda: page.property("#best", "complete"), "the picture")
            find = "return arguments[0].getBoundingClientRect().toJSON()"
            for place in (".result", ".candidate"):
                whole = browser.execute_script(find, page.see(f"{place} .boxed img"))
                assert whole["width"] / whole["height"] == pytest.approx(2, rel=0.02)
                boxes = browser.find_elements(By.CSS_SELECTOR, f"{place} .box")
                assert len(boxes) == 3  # what is nowhere has none
                for element, finding in zip(boxes, BOXES, strict=False):
                    left, top, right, bottom = finding["box"]
                    at = browser.execute_script(find, element)
                    for side, share in (("left", left), ("right", right)):
                        expected = whole["left"] + share * whole["width"]
                        assert at[side] == pytest.approx(expected, abs=2)
                    for side, share in (("top", top), ("bottom", bottom)):
                        expected = whole["top"] + share * whole["height"]
                        assert at[side] == pytest.approx(expected, abs=2)
            labels = browser.find_elements(By.CSS_SELECTOR, ".result .box .label")
            assert [one.text for one in labels] == ["✓ OPEN", "✗ <b>SAIL</b>", "+ EXIT"]
            told = page.property(".result .box.wrong .hidden", "textContent")
            assert told == "not as asked: why 1"
            assert browser.execute_script(
                "return document.documentElement.scrollWidth <= innerWidth"
            )
            page.click("#show-boxes")
            assert not page.see(".result .boxes").is_displayed()
            assert not page.see(".candidate .boxes").is_displayed()
            browser.refresh()
            page.see(".result .box")
            assert not page.property("#show-boxes", "checked")
            page.click("#show-boxes")
            assert page.see(".result .boxes").is_displayed()
            assert page.complaints() == []
    finally:
        browser.set_window_size(size["width"], size["height"])


def test_a_picture_that_cannot_be_shown_is_explained(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    with visited(browser, tmp_path, "--preset=one-shot") as page:
        page.begin("a cat")
        page.see(".end")
    for file in (tmp_path / "here" / "runs").glob("*/images/*/*.png"):
        file.write_bytes(bomb())
    with studio(tmp_path / "here") as url:  # the thumbnails of before are gone with it
        page = Page(browser, url)
        page.open()
        page.click("#tiles a")
        page.wait(lambda: "megapixels" in page.text(".candidate .blank"), "why")


def test_mistakes_are_told_at_the_form(browser: webdriver.Chrome, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("only words")
    with visited(browser, tmp_path) as page:
        page.see("#file").send_keys(str(text))
        page.browser.execute_script("document.querySelector('#prompt').value = 'a cat'")
        page.click("#form button[type=submit]")
        page.wait(lambda: "no picture" in page.text("#form .trouble"), "what is wrong")
        assert page.property("#prompt", "value") == "a cat"
    # The studio is closed now.
    page.click("#form button[type=submit]")
    page.wait(lambda: "does not answer" in page.text("#form .trouble"), "that it is gone")


@pytest.mark.parametrize("long", [False, True])
def test_hostile_words_stay_words(browser: webdriver.Chrome, tmp_path: Path, *, long: bool) -> None:
    """In prompt, protected words, critic's words, rewrite, diff, history and decision."""
    prompt = HOSTILE * (1000 if long else 1)
    script = json.dumps([answer(2.0), answer(2.8), answer(1.5)])
    more = (f"--set=critic.script={script}", "--set=rewriter.use=rules", "--preset=refine")
    with visited(browser, tmp_path, *more, f"--set=keep={json.dumps([HOSTILE])}") as page:
        page.begin(prompt, review=True)
        page.turn(1)
        page.click("#another-way summary")
        page.see("#another-way-field").send_keys("<b>bold</b>")
        page.see("#another-way-field").send_keys(Keys.ENTER)
        page.wait(lambda: "<b>bold</b>" in page.text("[data-round='0'] .remarks").lower(), "it")
        page.turn(1)
        page.click("#accept")
        page.turn(2)
        page.click("#stop-here")
        page.see(".end")
        for css in (".request", "[data-round='1'] .prompt", "#tiles .title", ".chip"):
            shown = page.property(css, "textContent")
            assert isinstance(shown, str)
            assert "<img src=x onerror=" in shown
            assert not set(shown) & set("\u202e\u202c\x1b")
        inside = "return document.querySelectorAll('main script, main svg, main b b, [onerror]')"
        assert browser.execute_script(f"{inside}.length") == 0
        assert browser.title == "rr-refine studio"
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.execute_script(wide) <= 0
        assert page.complaints() == []


def test_no_text_becomes_html_even_by_a_mistake_of_ours(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    attempts = """
        const caught = [];
        for (const attempt of [
            () => { document.body.innerHTML = "<b>x</b>"; },
            () => { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); },
            () => { const s = document.createElement("script"); s.src = "/x.js"; },
        ]) {
            try { attempt(); caught.push("done"); } catch (error) { caught.push(error.name); }
        }
        return caught;
    """
    with visited(browser, tmp_path) as page:
        assert browser.execute_script(attempts) == ["TypeError"] * 3
        loaded = "return performance.getEntriesByType('resource').map((e) => e.name)"
        base = page.url.partition("?")[0]
        assert all(name.startswith(base) for name in browser.execute_script(loaded))


def test_with_the_keyboard_alone_on_a_narrow_screen(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    with visited(browser, tmp_path, "--preset=one-shot") as page:
        size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        active = browser.switch_to.active_element
        assert active.get_attribute("id") == "prompt"
        active.send_keys("a cat", Keys.CONTROL, Keys.ENTER)
        page.see(".end")
        assert "Done" in str(page.property("#status", "textContent"))
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.execute_script(wide) <= 0
        unnamed = """return [...document.querySelectorAll("img:not([alt])")].length"""
        assert browser.execute_script(unnamed) == 0
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
