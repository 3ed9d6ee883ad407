from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from rr_refine.agent.store.folder import RunFolder
from rr_refine.benchmarks.answers import JudgeAnswer, write_answers
from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.item import Mark
from rr_refine.benchmarks.page import state_of
from rr_refine.benchmarks.report import write_report
from rr_refine.benchmarks.results import summarise
from rr_refine.benchmarks.trial import Trial
from tests.agent.report.dom import Element, parse
from tests.benchmarks.trials import JUDGED, marked, of_parts, point, trial

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ARMS = make_arms(2, names=["one-shot", "refine"])
HOSTILE = (
    "</script><script>document.title='hit'</script><!--<img src=x onerror=\"document.title='hit'\">"
    "\u202egnp.exe \x1b[2J & '\">"
)
WORST = of_parts(A=(0, 2))


def exact(score: float, *, is_exact: bool) -> Mark:
    return Mark(exact=is_exact, score=score)


@pytest.mark.parametrize(
    ("first", "result", "state"),
    [
        (marked(2.0), marked(3.0), "improved"),
        (marked(3.0), marked(2.0), "worsened"),
        (marked(3.0), marked(3.0), "unchanged"),
        (exact(3.0, is_exact=True), exact(3.5, is_exact=False), "worsened"),
        (exact(3.5, is_exact=False), exact(3.0, is_exact=True), "improved"),
        ("CriticTimeout: 60 s", marked(3.0), "improved"),
        (marked(3.0), "CriticTimeout: 60 s", "failed"),
        (marked(3.0), None, "failed"),
    ],
)
def test_what_became_of_the_first_picture(
    first: Mark | str, result: Mark | str | None, state: str
) -> None:
    assert state_of(trial("refine", "a", point(result), first=point(first))) == state


def test_a_run_that_ended_with_an_error_failed() -> None:
    ended = trial("refine", "a", point(marked(4.0)), error="StoreError: disk full")
    assert state_of(ended) == "failed"


def run(out: Path, arm: str, item: str, prompt: str, *, gain: int, edit: bool = False) -> Trial:
    """A run folder as the loop leaves it, and its trial: 1 of 2 at first, then `gain` more."""
    made: list[str] = []
    with RunFolder(out / "runs" / arm / item) as folder:
        prompts = [prompt] if not gain else [prompt, f"{prompt} in full"]
        for number, text in enumerate(prompts):
            made.append(folder.put_image(Image.new("RGB", (40, 30), (number, len(item), 9))))
            folder.journal.put("render", str(number), {"image": made[-1], "prompt": text})
        source = folder.put_image(Image.new("RGB", (9, 9), "red")) if edit else None
        folder.write_json("config.json", {"request": {"prompt": prompt, "source": source}})
    return trial(
        arm,
        item,
        point(of_parts(A=(1 + gain, 2)), len(made), made[-1]),
        first=point(of_parts(A=(1, 2)), 1, made[0]),
        worst=WORST,
        labels={"theme": "art" if item < "c" else HOSTILE},
    )


def write(out: Path, *more: Trial) -> Element:
    """Four items: improved, worsened, unchanged with refine, and one without a picture."""
    gains = {"a": 1, "b": -1, "c": 0}
    trials = [
        *(run(out, "one-shot", item, f"a cat {item}", gain=0) for item in gains),
        *(run(out, "refine", i, f"a cat {i}", gain=g, edit=i == "a") for i, g in gains.items()),
        *(
            trial(
                arm, "d", point(None), worst=WORST, labels={"theme": "art"}, error=f"X: {HOSTILE}"
            )
            for arm in ("one-shot", "refine")
        ),
        *more,
    ]
    results = summarise(lambda: trials, ARMS, JUDGED, dimensions=["A"])
    write_report(out, results, lambda: trials)
    return parse((out / "index.html").read_text("utf-8"))


def lines(root: Element) -> list[dict[str, Any]]:
    (data,) = root.find("script", id="trials")
    return [json.loads(line) for line in str(data.children[0]).splitlines() if line]


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("samples.jsonl", '"image":', '"picture":', "its run has no 'image'"),
        ("samples.jsonl", '"prompt":', '"words":', "its run has no 'prompt'"),
        ("samples.jsonl", '"key":', '"lock":', "its run cannot be read: "),
        ("config.json", '"request"', '"wish"', "its run has no 'request'"),
        ("config.json", '"prompt"', '"words"', "its run cannot be read: "),
        ("config.json", "{", "[", "its run cannot be read: "),
    ],
)
def test_a_foreign_run_is_one_line(
    tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    broken = run(tmp_path, "refine", "e", "a cat e", gain=0)
    file = tmp_path / broken.run / name
    text = file.read_text("utf-8").replace(" ", "")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    found = lines(write(tmp_path, run(tmp_path, "one-shot", "e", "a cat e", gain=0), broken))
    assert found[-1]["fault"].startswith(told)
    assert [one["fault"] for one in found if one["item"] != "d"] == [""] * 7 + [found[-1]["fault"]]
    assert found[-2]["request"] == "a cat e"


def test_every_trial_is_in_the_page(tmp_path: Path) -> None:
    found = lines(write(tmp_path))
    assert [(one["arm"], one["item"], one["state"]) for one in found] == [
        *((0, item, "unchanged") for item in "abc"),
        *((1, "a", "improved"), (1, "b", "worsened"), (1, "c", "unchanged")),
        *((0, "d", "failed"), (1, "d", "failed")),
    ]
    improved = found[3]
    assert improved["prompt"] == "a cat a in full"
    assert improved["result"][1:] == [1.0, True]
    assert improved["first"][1:] == [0.5, False]
    for picture in (improved["first"], improved["result"]):
        file = tmp_path / improved["run"] / "images" / picture[0][:2] / f"{picture[0]}.png"
        assert file.is_file()
    assert found[2]["first"] is None, "the same picture once"
    assert [one["item"] for one in found if "request" in one] == list("abcd")
    assert found[0]["request"] == "a cat a"
    assert found[1]["missed"] == "A"
    assert found[6]["result"] is None


def test_names_become_urls(tmp_path: Path) -> None:
    odd = run(tmp_path, "refine", "50% #1?", "x", gain=0)
    same = run(tmp_path, "one-shot", "50% #1?", "x", gain=0)
    found = lines(write(tmp_path, odd, same))[-1]
    assert found["run"] == "runs/one-shot/50%25%20%231%3F"
    assert (tmp_path / unquote(found["run"])).is_dir()


def test_a_run_folder_that_is_gone(tmp_path: Path) -> None:
    gone = [
        trial(arm, "gone", point(of_parts(A=(1, 2))), worst=WORST) for arm in ("one-shot", "refine")
    ]
    found = lines(write(tmp_path, *gone))[-1]
    assert (found["item"], found["prompt"], found["state"]) == ("gone", "", "unchanged")


def test_nothing_that_is_written_becomes_markup(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", *hostile(tmp_path / "plain", "nothing"))
    found = write(tmp_path / "hostile", *hostile(tmp_path / "hostile", HOSTILE))
    assert found.shape == plain.shape
    (style,), script = found.find("style"), found.find("script")[-1]
    (policy,) = found.find("meta", http_equiv="Content-Security-Policy")
    for element in (style, script):
        sha = hashlib.sha256(str(element.children[0]).encode()).digest()
        assert f"'sha256-{base64.b64encode(sha).decode()}'" in policy.attributes["content"]
    assert policy.attributes["content"].startswith("default-src 'none'; img-src 'self' file:;")
    text = lines(found)[-2]["request"]
    assert text.startswith("</script><script>document.title='hit'")
    assert "[U+202E]gnp.exe ␛[2J" in text
    assert "http" not in {
        one.attributes.get(name, "")[:4] for one in found.all() for name in ("src", "href")
    }


def hostile(out: Path, text: str) -> list[Trial]:
    return [run(out, arm, "z", text, gain=0) for arm in ("one-shot", "refine")]


def test_the_numbers_are_those_of_the_tables(tmp_path: Path) -> None:
    root = write(tmp_path)
    (first, *_) = root.find("table")
    assert [cell.text for cell in first.find("tr")[1].find("th")] == ["one-shot"]
    # refine: 2, 0, 1 and 0 of 8.
    assert "37.5 % [" in first.find("tr")[2].text
    assert "Without what has no mark" in [title.text for title in root.find("h2")]
    assert "5" * 64 in root.text
    assert len(root.find("svg")) == 3


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("no browser: install chromium and chromium-driver to run this")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


def test_looking_through_the_items(browser: webdriver.Chrome, tmp_path: Path) -> None:
    more = [
        trial(
            arm, f"n{number:03}", point(of_parts(A=(1, 2))), worst=WORST, labels={"theme": "rest"}
        )
        for number in range(100)
        for arm in ("one-shot", "refine")
    ]
    write(tmp_path, *hostile(tmp_path, HOSTILE), *more)
    browser.get((tmp_path / "index.html").as_uri())

    def choose(name: str, value: str) -> None:
        Select(browser.find_element(By.CSS_SELECTOR, name)).select_by_visible_text(value)

    def count() -> str:
        return browser.find_element(By.ID, "count").text

    def shown() -> list[str]:
        found = browser.find_elements(By.CSS_SELECTOR, ".item .meta bdi")
        return [str(one.get_property("textContent")) for one in found]

    assert count() == "105 of 105"
    assert len(shown()) == 60, "a page at a time"
    browser.execute_script("document.querySelector('#more').click()")
    assert len(shown()) == 105
    choose("#state", "improved")
    assert shown() == ["a"]
    (loaded,) = WebDriverWait(browser, 10).until(
        lambda _: [
            i
            for i in browser.find_elements(By.CSS_SELECTOR, ".try img")[-1:]
            if i.get_property("naturalWidth") == 40
        ]
    )
    assert loaded.get_attribute("loading") == "lazy"
    choose("#arm", "one-shot")
    assert count() == "0 of 105"
    choose("#state", "failed")
    assert shown() == ["d"]
    choose("#arm", "all")
    choose("#state", "all")
    choose("#order", "most lost first")
    assert shown()[0] == "b"
    choose("#order", "most gained first")
    assert shown()[0] == "a"
    browser.find_element(By.ID, "search").send_keys("CAT in full")
    WebDriverWait(browser, 10).until(lambda _: count() == "2 of 105")
    assert set(shown()) == {"a", "b"}
    assert browser.title == "hats – rr-refine", "nothing that was written ran"
    noise = [line["message"] for line in browser.get_log("browser")]  # type: ignore[no-untyped-call]
    assert [line for line in noise if "ERR_FILE_NOT_FOUND" not in line] == []


def test_looking_through_the_answers(browser: webdriver.Chrome, tmp_path: Path) -> None:
    def said(item: str, number: int, text: str, **fields: Any) -> JudgeAnswer:
        known: dict[str, Any] = {"turn": 0, "question": 1, "readable": True, **fields}
        asked = "Is it <b>red</b>?"
        return JudgeAnswer(
            item=item, image="0" * 64, attempt=number, asked=asked, answer=text, **known
        )

    many = [said(f"n{number:02}", 1, f"Score: {number}") for number in range(60)]
    for arm, answers in {
        "one-shot": many,
        "refine": [
            said("a", 1, HOSTILE, readable=False, error="no line counts"),
            said("a", 2, "Score: 4"),
            said("a", 1, "Score: 5", turn=1),
        ],
    }.items():
        write_answers(tmp_path, arm, answers)
    write(tmp_path, *hostile(tmp_path, "cats"))
    browser.get((tmp_path / "judgements.html").as_uri())

    def choose(name: str, value: str) -> None:
        Select(browser.find_element(By.CSS_SELECTOR, name)).select_by_visible_text(value)

    def counted(text: str) -> None:
        WebDriverWait(browser, 10).until(
            lambda _: browser.find_element(By.ID, "count").text == text
        )

    counted("63 of 63")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#list > li")) == 40, "a page at a time"
    choose("#arm", "refine")
    counted("3 of 63")
    choose("#state", "could not be read")
    counted("1 of 63")
    (answer,) = browser.find_elements(By.CSS_SELECTOR, "#list > li > pre")
    assert "</script><script>" in str(answer.get_property("textContent"))
    assert browser.title.startswith("Answers of the judge")
    browser.find_element(By.CSS_SELECTOR, "#list summary").click()
    (asked,) = WebDriverWait(browser, 10).until(
        lambda _: browser.find_elements(By.CSS_SELECTOR, "#list details pre")
    )
    assert asked.get_property("textContent") == "Is it <b>red</b>?"
    choose("#state", "asked once more (noise)")
    counted("1 of 63")
    choose("#arm", "all")
    choose("#state", "all")
    browser.find_element(By.ID, "search").send_keys("n07 score")
    counted("1 of 63")
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
