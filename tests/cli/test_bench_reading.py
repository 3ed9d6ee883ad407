"""LongText-Bench, GenEval 2 and WISE from the command line, with a judge on loopback: run, judged
again, scored from their files, split into shards and joined.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.benchmarks.published.geneval2 import files as geneval2
from tests.benchmarks.published.longtext import files as longtext
from tests.benchmarks.published.wise import files as wise
from tests.commands import Commands

FAKES = ("--generator", "fake", "--critic", "fake", "--arm", "one-shot")

Asked: TypeAlias = "list[dict[str, Any]]"


@contextmanager
def judge(answer: Callable[[str], str], *, likelihoods: bool = True) -> Iterator[tuple[str, Asked]]:
    """A server that answers what `answer` makes of the words of a question."""
    asked: Asked = []

    class Judge(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"data": [{"id": "reader"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            content = body["messages"][-1]["content"]
            text = answer("".join(part.get("text", "") for part in content))
            cut = body.get("max_tokens") == 1
            choice: dict[str, Any] = {"message": {"content": text}, "finish_reason": "stop"}
            if cut:
                choice["finish_reason"] = "length"
            if likelihoods and body.get("logprobs"):
                tops = [{"token": text, "logprob": -0.25}, {"token": "None", "logprob": -1.5}]
                choice["logprobs"] = {"content": [{**tops[0], "top_logprobs": tops}]}
            usage = {"prompt_tokens": 9, "completion_tokens": 1 if cut else 5}
            self._send({"choices": [choice], "usage": usage})

        def log_message(self, *_: object) -> None:
            """Silent."""

        def _send(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_longtext_is_read_by_a_judge(commands: Commands) -> None:
    longtext.write(commands.folder)
    command = ("bench", "longtext", "--data", "textbench", *FAKES)
    with judge(lambda _: "GRAND opening\nto be") as (url, asked):
        ended = commands.run(*command, "--judge-url", url, "--samples", "2", "--out", "there")
        assert ended.code == 0, ended.stderr
        assert "ready for the official script" in ended.stderr
        for part in ("1", "2"):
            shard = ("--shard", f"{part}/2", "--samples", "2", "--out", part)
            assert commands.run(*command, "--judge-url", url, *shard).code == 0
        chinese = commands.run(
            *("bench", "judge", "there/pictures/one-shot", "--benchmark", "longtext"),
            *("--data", "textbench", "--suite", "zh", "--judge-url", url, "--out", "zh"),
        )
    assert (chinese.code, "'0003_1.png' is the first name" in chinese.stderr) == (2, True)
    assert all("temperature" not in body for body in asked)
    assert asked[0]["messages"][0]["content"][0]["type"] == "image_url"
    found = results(commands.folder / "there")
    # Of 4 words 2, and of 6 two: (2 + 2) / (4 + 6), over all pictures alike.
    assert found["official_values"] == {"one-shot": {"overall": 0.4}}
    (arm,) = found["arms"]
    assert arm["overall"]["value"] == pytest.approx(0.4)
    assert arm["dimensions"]["poster"]["value"] == pytest.approx(1 / 3)
    assert {p.name for p in (commands.folder / "there/pictures/one-shot").iterdir()} == {
        "0007_1.png", "0007_2.png", "0110_1.png", "0110_2.png",
    }  # fmt: skip
    joined = commands.run("bench", "report", "2", "1", "--data", "textbench", "--out", "all")
    assert joined.code == 0, joined.stderr
    whole, own = results(commands.folder / "all"), found
    assert whole["official"] == own["official"]
    assert whole["arms"][0]["dimensions"] == own["arms"][0]["dimensions"]
    scored = commands.run(
        *("bench", "score", "longtext", "--data", "textbench", "--samples", "2", "--json"),
        *("--judgements", "all/judgements/one-shot/results.jsonl"),
    )
    assert json.loads(scored.stdout)["official"] == own["official"]["one-shot"]
    compared = commands.run("bench", "compare", "there", "1")
    assert "2 items in common" in compared.stdout
    listed = commands.run("bench", "list", ".")
    assert "there  longtext en, 4 items" in listed.stdout


def test_pictures_that_the_judge_refuses_are_counted(commands: Commands) -> None:
    longtext.write(commands.folder)
    command = ("bench", "longtext", "--data", "textbench", *FAKES, "--samples", "2")
    with judge(lambda _: "I'm sorry, but I can't help with that.") as (url, _):
        ended = commands.run(*command, "--judge-url", url, "--out", "there")
    told = "the judge refused 4 of 4 pictures, by its words; they count as wrong, as officially"
    assert f"one-shot: {told}." in ended.stdout
    assert results(commands.folder / "there")["official"]["one-shot"]["notes"] == [told]


def say(question: str) -> str:
    """A judge that sees three of everything."""
    return "three" if question.startswith("How many") else "Yes"


def test_geneval2_takes_likelihoods_where_the_judge_tells_them(commands: Commands) -> None:
    geneval2.write(commands.folder)
    command = ("bench", "geneval2", "--data", "GenEval2", *FAKES)
    with judge(say) as (url, asked):
        ended = commands.run(*command, "--judge-url", url, "--out", "there")
        assert ended.code == 0, ended.stderr
        again = commands.run(
            *("bench", "judge", "there/pictures/one-shot", "--benchmark", "geneval2"),
            *("--data", "GenEval2", "--suite", "tifa", "--judge-url", url, "--out", "hard"),
        )
        assert again.code == 0, again.stderr
    assert all(body["max_tokens"] == 1 and body["temperature"] == 0 for body in asked)
    found = results(commands.folder / "there")
    (values,) = found["official_values"].values()
    scores = json.loads(
        (commands.folder / "there/judgements/one-shot/score_lists.json").read_text()
    )
    sure = pytest.approx(0.7788, abs=1e-4)
    assert scores == [[sure] * 3, [0, sure, sure, sure], [0, sure, sure]]
    assert values["overall"] == pytest.approx(100 * 0.7788 / 3, abs=0.01)
    (arm,) = found["arms"]
    assert arm["overall"]["value"] * 100 == pytest.approx(values["overall"])
    assert arm["dimensions"]["soft_tifa_am"]["value"] * 100 == pytest.approx(values["soft_tifa_am"])
    paths = json.loads((commands.folder / "there/pictures/one-shot/image_paths.json").read_text())
    assert len(paths) == 3 and all(Path(path).is_file() for path in paths.values())
    hard = results(commands.folder / "hard")
    assert hard["official"]["one-shot"]["tifa"] == pytest.approx(100 * (1 + 3 / 4 + 2 / 3) / 3)
    answers = (commands.folder / "there/judgements/one-shot/answers.jsonl").read_text()
    assert json.loads(json.loads(answers.splitlines()[0])["answer"]) == {
        "three": -0.25, "None": -1.5,
    }  # fmt: skip


def test_geneval2_says_soon_that_a_judge_tells_no_likelihoods(commands: Commands) -> None:
    geneval2.write(commands.folder)
    command = ("bench", "geneval2", "--data", "GenEval2", *FAKES)
    with judge(say, likelihoods=False) as (url, asked):
        refused = commands.run(*command, "--judge-url", url, "--out", "there")
        assert (refused.code, "give --suite tifa" in refused.stderr) == (2, True)
        assert len(asked) <= 10  # each question once at most
        hard = commands.run(*command, "--suite", "tifa", "--judge-url", url, "--out", "hard")
        assert hard.code == 0, hard.stderr


def test_wise_gives_an_official_number_of_whole_suites_only(commands: Commands) -> None:
    wise.write(commands.folder, range(390, 410))
    command = ("bench", "wise", "--data", "WISE", *FAKES)
    with judge(lambda text: f"Score: {int('number 40' in text)}") as (url, asked):
        ended = commands.run(*command, "--judge-url", url, "--out", "there", "--limit", "15")
    assert ended.code == 0, ended.stderr
    assert asked[0]["messages"][0]["role"] == "system"
    assert asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "note: 985 ids of the suite are not among the items" in ended.stderr
    why = "calculate_verified.py gives no number: 985 of 1000 ids have no line (1, 2, 3, 4, 5, …)"
    assert f"one-shot: {why}" in ended.stdout.replace("\\_", "_")
    found = results(commands.folder / "there")
    assert found["official_values"] == {"one-shot": {"overall": None}}
    assert found["extra_views"]["one-shot"]["there"] == {
        "overall": None, "CULTURE": 0.0909, "TIME": 1.0, "samples": 15,
    }  # fmt: skip
    (arm,) = found["arms"]
    assert arm["overall"]["value"] == pytest.approx(5 / 15)
    scored = commands.run(
        *("bench", "score", "wise", "--data", "WISE", "--suite", "culture", "--json"),
        *("--judgements", "there/judgements/one-shot"),
    )
    assert "389 of 400 ids have no line" in str(json.loads(scored.stdout)["official"]["notes"])
