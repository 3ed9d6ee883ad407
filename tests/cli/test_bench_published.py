"""A published benchmark from the command line: killed, drained, gone on with, put together."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from rr_refine.benchmarks.published.imgedit import ImgEditLoader
from tests.agent.records import lines
from tests.benchmarks.published.imgedit.files import write_archive
from tests.benchmarks.published.unigenbench.files import answer, write
from tests.cli.test_signals import wait_for
from tests.commands import Commands, Ended

FAKES = ("--generator", "fake", "--critic", "fake", "--set", "generator.log=log")
DATA = ("--data", ".")
BENCH = ("bench", "unigenbench", "--data", ".", "--samples", "2", *FAKES)
ARMS = ("--arm", "one-shot", "--arm", "refine")
PROMPTS = "".join(
    f'{index},A hat number {index},"{{""Testpoints"": [""Style"", ""Attribute - Color""], '
    '""Testpoint Description"": [""plain"", ""red""]}"\n'
    for index in range(6)
)


@pytest.fixture
def here(commands: Commands) -> Commands:
    write(commands.folder, f"index,prompt_en,sub_dims_en\n{PROMPTS}")
    return commands


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """The arms of results.json, by name."""
    found = json.loads((folder / "results.json").read_text())
    return {arm["arm"]: arm for arm in found["arms"]}


def numbers(folder: Path, *, timed: bool = True) -> dict[str, object]:
    """All of results.json but how and when it was made, nor in what time where it is not timed."""
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    del found["provenance"]
    for arm in () if timed else found["arms"]:
        del arm["seconds"]
    return found


def pictures(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def more_than(log: Path, count: int) -> bool:
    return len(lines(log)) > count


ALL = {f"{index}_{sample}.png" for index in range(6) for sample in range(2)}


def test_killed_twice_drained_once_and_whole_in_the_end(here: Commands) -> None:
    command = (*BENCH, *ARMS, "--judge", "fake", "--out", "there", "--concurrency", "2")
    slow = ("--set", "generator.seconds=0.05")
    log, there = here.folder / "log", here.folder / "there"
    ends = []
    for attempt, number in enumerate((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)):
        before = len(lines(log))
        with here.start(*command, *slow, *(("--resume",) if attempt else ())) as going:
            wait_for(partial(more_than, log, before + 4))
            going.send(number)
            ends.append(going.wait())
    assert [end.code for end in ends] == [-signal.SIGKILL, -signal.SIGKILL, 130]
    assert "stopping after the steps under way" in ends[2].stderr
    assert "--resume goes on" in ends[2].stderr
    assert "Traceback" not in ends[2].stderr
    refused = here.run(*command, *slow)
    assert (refused.code, "go on with --resume" in refused.stderr) == (2, True)
    ended = here.run(*command, *slow, "--resume", "--noise", "3")
    assert ended.code == 0, ended.stderr
    assert "preflight  refine: ready for the official script" in ended.stderr
    for arm in ("one-shot", "refine"):
        assert pictures(there / "pictures" / arm) == ALL  # and nothing else
    checked = here.run(
        *("bench", "preflight", "unigenbench", "--data", ".", "--samples", "2"),
        *("--pictures", "there/pictures/refine"),
    )
    assert (checked.code, checked.stdout) == (0, "12 pictures expected, 0 problems\n")
    arms = results(there)
    assert {arm["items"] for arm in arms.values()} == {12}
    # A kill may cost the render that was under way, in each of two runs; a drain costs none.
    begun = [line for line in lines(log) if line["event"] == "start"]
    rendered = [(made["prompt"], made["seed"]) for made in begun]
    assert len(rendered) - len(set(rendered)) <= 2 * 2
    assert "Judge noise: scores of the same 3 pictures" in ended.stdout


def test_official_numbers_are_those_of_the_judgement_file(here: Commands) -> None:
    ended = here.run(*BENCH, *ARMS, "--judge", "fake", "--out", "there", "--json")
    assert ended.code == 0, ended.stderr
    whole = json.loads(ended.stdout)
    assert whole["provenance"]["judge"]["name"] == "stand-in"
    assert set(whole["provenance"]["files"]) == {"test_prompts_en.csv"}
    scored = here.run(
        *("bench", "score", "unigenbench", "--data", ".", "--samples", "2", "--json"),
        *("--judgements", "there/judgements/refine/en.csv"),
    )
    assert scored.code == 0, scored.stderr
    seen = json.loads(scored.stdout)
    assert seen["official"] == whole["official"]["refine"]
    assert seen["ours"]["judged"] == 12
    (refine,) = [arm for arm in whole["arms"] if arm["arm"] == "refine"]
    assert seen["ours"]["failures_as_zero"]["micro"] == pytest.approx(refine["score"]["value"])
    assert seen["ours"]["failures_as_zero"]["macro"] == pytest.approx(refine["overall"]["value"])


def test_shards_make_a_whole(here: Commands) -> None:
    command = (*BENCH, "--arm", "one-shot", "--judge", "fake")
    assert here.run(*command, "--out", "whole").code == 0
    for part in ("1", "2", "3"):
        ended = here.run(*command, "--out", part, "--shard", f"{part}/3")
        assert ended.code == 0, ended.stderr
    assert pictures(here.folder / "1/pictures/one-shot") == {
        name for name in ALL if int(name[0]) % 3 == 0
    }
    whole = numbers(here.folder / "whole", timed=False)
    seconds = [results(here.folder / part)["one-shot"]["seconds"] for part in ("1", "2", "3")]
    for order in ("123", "312", "231"):
        joined = here.run("bench", "report", *order, *DATA, "--out", order)
        assert joined.code == 0, joined.stderr
        found = numbers(here.folder / order, timed=False)
        assert found == whole, order  # to the last digit
        assert results(here.folder / order)["one-shot"]["seconds"] == pytest.approx(fmean(seconds))
        assert found["official"]
        assert "| overall |" in (here.folder / order / "table.md").read_text()
        assert pictures(here.folder / order / "pictures/one-shot") == ALL
        judgements = (f"{name}/judgements/one-shot" for name in ("whole", order))
        one, two = (here.folder / name for name in judgements)
        assert (one / "answers.jsonl").read_bytes() == (two / "answers.jsonl").read_bytes()
        assert (one / "en.json").read_bytes() == (two / "en.json").read_bytes()
    again = here.run("bench", "judge", "123", "--judge", "fake", "--out", "again")
    assert (again.code, "the folders that it is joined of" in again.stderr) == (2, True)
    short = here.run("bench", "report", "3", "1", *DATA, "--out", "short")
    assert short.code == 1
    for text in (short.stdout, (here.folder / "short/index.html").read_text()):
        assert "Part 2 of 3 is missing" in text
    twice = here.run("bench", "report", "1", "1", "--out", "both")
    assert twice.code == 2
    assert "same item, '0_0'" in twice.stderr
    (here.folder / "test_prompts_en.csv").rename(here.folder / "moved.csv")
    lost = here.run("bench", "report", "1", "2", "3", "--out", "lost")
    assert "Give the benchmark's own files with --data." in lost.stdout
    assert numbers(here.folder / "lost", timed=False)["arms"] == whole["arms"]
    given = here.run("bench", "report", *"123", "--data", "moved.csv", "--out", "given")
    assert given.code == 0, given.stderr
    assert numbers(here.folder / "given", timed=False)["arms"] == whole["arms"]
    (here.folder / "moved.csv").rename(here.folder / "test_prompts_en.csv")
    for wrong, words in (("3/2", "out of range"), ("half", "must look like 1/4")):
        refused = here.run(*command, "--out", "other", "--shard", wrong)
        assert refused.code == 2
        assert words in refused.stderr


class Judge(BaseHTTPRequestHandler):
    """An endpoint whose answer the test sets; every third one is unreadable."""

    asked = 0
    broken = False

    def do_GET(self) -> None:
        self._send({"data": [{"id": "a-judge"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Judge.asked += 1
        unreadable = Judge.broken or Judge.asked % 3 == 0
        (text,) = ("I like it.",) if unreadable else answer(1, 0)
        message = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        self._send(message)

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _send(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def judge(*, broken: bool = False) -> Iterator[str]:
    Judge.asked, Judge.broken = 0, broken
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run_with(here: Commands, url: str, *more: str) -> Ended:
    return here.run(*BENCH, "--arm", "one-shot", "--judge-url", url, "--out", "there", *more)


def test_pictures_first_and_a_judge_later(here: Commands) -> None:
    first = here.run(*BENCH, "--arm", "one-shot", "--out", "there")
    assert first.code == 0, first.stderr
    assert "nothing is judged" in first.stderr
    assert pictures(here.folder / "there/pictures/one-shot") == ALL
    made = len(lines(here.folder / "log"))
    with judge() as url:
        then = run_with(here, url, "--resume")
        assert then.code == 0, then.stderr
        assert len(lines(here.folder / "log")) == made  # no picture was made again
        assert Judge.asked > 12  # unreadable answers were asked for again
        again = run_with(here, url, "--resume")
        assert again.code == 0
    arm = results(here.folder / "there")["one-shot"]
    assert arm["coverage"] == {"items": 12, "pictures": 12, "marked": 12, "missing": {}}
    assert isinstance(arm["overall"], dict)
    assert arm["overall"]["value"] == 0.5  # Style 12/12, Attribute 0/12
    for another, words in (
        (("--judge", "fake"), "marks of two judges cannot be compared"),
        ((), "go on with the same judge"),  # or its marks would be lost from the results
    ):
        refused = here.run(*(*BENCH, "--arm", "one-shot", *another, "--out", "there", "--resume"))
        assert refused.code == 2
        assert words in refused.stderr


def test_failed_judgements_are_counted_and_owed_again(here: Commands) -> None:
    with judge(broken=True) as url:
        ended = run_with(here, url, "--attempts", "2")
        assert Judge.asked == 24
        assert ended.code == 1
        assert "12 failed; --resume tries them again; the last: " in ended.stderr
        allowed = run_with(here, url, "--resume", "--attempts", "2", "--fail-on-error", "1")
        assert allowed.code == 0, allowed.stderr
    arm = results(here.folder / "there")["one-shot"]
    assert isinstance(arm["overall"], dict)
    assert arm["overall"]["value"] == 0  # counted as zero
    with (here.folder / "there/judgements/one-shot/en.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["result_json"] for row in rows} == {"null"}  # as the official script has them
    whole = json.loads((here.folder / "there/results.json").read_text())
    assert whole["official"]["one-shot"]["primary_dimensions"] == {}  # and drops them
    with judge() as url:
        mended = run_with(here, url, "--resume")
    assert mended.code == 0, mended.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--set", "seed=3"), "--set seed has no effect"),
        (("--set", "budget.images=3"), "give --renders"),
        (("--workers", "2"), "without --engine ray"),
        (("--renders", "0"), "--renders 0 must be at least 1"),
        (("--fail-on-error", "2"), "is a share of 0 to 1"),
        (("--arm", "refined"), "unknown arm 'refined'"),
        (("--judge", "none", "--noise", "3"), "leaves --judge-url"),
        (("--judge", "tests.benchmarks.world:Eye"), "is no judge: see the protocol"),
        (("--suite", "zh"), "test_prompts_zh.csv"),
        (("--judge", "none", "--judge-model", "m"), "leaves --judge-url"),
        (("--noise", "3"), "--noise 3 has no effect without a judge"),
        (("--set", "judge.attempts=3"), "judge.attempts has no effect without a judge"),
        (("--set", "rewriter.nonsense=1"), "rewriter.nonsense has no effect"),
        (("--arm", "one-shot", "--set", "loop.patience=7"), "without the arm 'refine'"),
    ],
)
def test_mistakes_are_said_before_anything_runs(
    here: Commands, more: tuple[str, ...], words: str
) -> None:
    ended = here.run(*BENCH, "--out", "there", *more)
    assert (ended.code, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert not (here.folder / "there" / "runs").exists()


def test_a_judge_that_is_the_critic_is_marked(here: Commands) -> None:
    with judge() as url:
        ended = here.run(
            *("bench", "unigenbench", "--data", ".", "--samples", "1", "--limit", "1"),
            *("--generator", "fake", "--critic-url", url, "--judge-url", url),
            *("--arm", "one-shot", "--out", "there"),
        )
    assert ended.code == 1  # it cannot judge as a critic
    whole = json.loads((here.folder / "there/results.json").read_text())
    assert whole["provenance"]["judge_is_critic"] is True
    assert "the critic itself" in ended.stdout


def test_options_of_a_rewriter_reach_it(here: Commands) -> None:
    with judge() as url:  # which, as a rewriter, says nothing that can be used
        ended = here.run(
            *(*BENCH, "--limit", "1", "--arm", "refine", "--set", "rewriter.use=llm"),
            *("--set", f"rewriter.llm.base_url={url}", "--out", "there"),
        )
        assert ended.code == 0, ended.stderr
        assert Judge.asked > 0


def test_a_key_in_the_environment_does_not_disturb_the_stand_in(here: Commands) -> None:
    here.environment["RR_REFINE_JUDGE__API_KEY"] = "sk-secret"
    ended = here.run(*BENCH, "--limit", "1", "--arm", "one-shot", "--judge", "fake", "--out", "o")
    assert ended.code == 0, ended.stderr


def test_edits_go_the_same_way(commands: Commands) -> None:
    data = write_archive(commands.folder)
    ended = commands.run(
        *("bench", "imgedit", "--data", str(data), *FAKES, "--judge", "fake", "--out", "there")
    )
    assert ended.code == 0, ended.stderr
    assert "preflight  refine: ready for the official script" in ended.stderr
    keys = {item.id for item in ImgEditLoader(data=data).load().items}
    assert pictures(commands.folder / "there/pictures/refine") == {f"{key}.png" for key in keys}
    whole = json.loads((commands.folder / "there/results.json").read_text())
    scored = commands.run(
        *("bench", "score", "imgedit", "--data", str(data), "--json"),
        *("--judgements", "there/judgements/refine/result.json"),
    )
    assert json.loads(scored.stdout)["official"] == whole["official"]["refine"]


def test_a_judgement_file_is_scored_without_the_pictures(commands: Commands) -> None:
    edits = {
        "1082": {"id": "animal/1.jpg", "prompt": "Smooth it.", "edit_type": "adjust"},
        "1068": {"id": "animal/2.jpg", "prompt": "Remove it.", "edit_type": "remove"},
        "22": {"id": "style/3.jpg", "prompt": "As an etching.", "edit_type": "adjust"},
    }
    said = {
        "1082": "Prompt Compliance: 1\nVisual Seamlessness: 1\nPhysical & Detail Fidelity: 2",
        "1068": "Prompt Compliance: 4.",  # the official parser takes no full stop
        "22": "A: 5\nB: 4\nC: 4",
    }
    (commands.folder / "basic_edit.json").write_text(json.dumps(edits))
    (commands.folder / "result.json").write_text(json.dumps(said))
    ended = commands.run(
        *("bench", "score", "imgedit", "--data", ".", "--judgements", "result.json", "--json")
    )
    assert ended.code == 0, ended.stderr
    scored = json.loads(ended.stdout)
    # 1082: 4 / 3 = 1.33; 22: 13 / 3 = 4.33; adjust: 5.66 / 2 = 2.83; remove has none and is gone.
    assert scored["official"] == {"adjust": 2.83}
    # The tolerant parser wants the type's own three labels, and those of 22 are none.
    assert scored["further"]["tolerant"]["types"] == {"adjust": 1.33}
    assert (scored["ours"]["judged"], scored["ours"]["failed"]) == (2, 1)


def test_geneval_has_no_judge(commands: Commands) -> None:
    line = '{"tag": "counting", "include": [], "prompt": "two benches"}\n'
    (commands.folder / "evaluation_metadata.jsonl").write_text(line)
    command = ("bench", "geneval", "--data", ".", *FAKES, "--out", "there")
    refused = commands.run(*command, "--judge", "fake")
    assert (refused.code, "leave out the judge" in refused.stderr) == (2, True)
    ended = commands.run(*command, "--arm", "one-shot")
    assert ended.code == 0, ended.stderr
    folder = commands.folder / "there/pictures/one-shot/00000"
    assert (folder / "metadata.jsonl").read_text() == line.strip()
    assert len(pictures(folder / "samples")) == 4


def test_every_answer_can_be_read_afterwards(here: Commands) -> None:
    with judge() as url:
        ended = here.run(
            *(*BENCH, "--arm", "one-shot", "--judge-url", url, "--out", "there"),
            *("--attempts", "1", "--concurrency", "1", "--fail-on-error", "1"),
        )
    assert ended.code == 0, ended.stderr
    folder = here.folder / "there/judgements/one-shot"
    said = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert {one["item"] for one in said} == {name.removesuffix(".png") for name in ALL}
    assert all("A hat number" in one["asked"] for one in said)
    unread = {one["item"] for one in said if not one["readable"]}
    assert len(unread) == 4  # every third
    assert {one["answer"] for one in said if one["item"] in unread} == {"I like it."}
    with (folder / "en.csv").open() as file:
        rows = list(csv.DictReader(file))
    failed = [row for row in rows if row["result_json"] == "null"]
    assert len(failed) == 4
    assert {row["output"] for row in failed} == {"I like it."}  # as in the official file
    page = (here.folder / "there/judgements.html").read_text()
    assert page.count("I like it.") == 4
    assert 'href="judgements.html"' in (here.folder / "there/index.html").read_text()


def test_pictures_are_judged_again_without_a_render(here: Commands) -> None:
    assert here.run(*BENCH, *ARMS, "--judge", "fake", "--out", "there").code == 0
    before = len(lines(here.folder / "log"))
    same = here.run("bench", "judge", "there", *DATA, "--judge", "fake", "--out", "same")
    assert same.code == 0, same.stderr
    one, two = (numbers(here.folder / name) for name in ("there", "same"))
    assert one == two
    with judge(broken=True) as url:
        other = here.run("bench", "judge", "there", *DATA, "--judge-url", url, "--out", "other")
    assert other.code == 1
    assert "24 have no mark; the same command tries them again; the last: " in other.stderr
    assert "no answer of the judge about" in other.stderr
    with judge() as url:
        one_by_one = ("--judge-url", url, "--concurrency", "1")
        again = here.run("bench", "judge", "there", *DATA, *one_by_one, "--out", "other")
    assert again.code == 0, again.stderr
    assert "judge a-judge" in again.stdout
    moved = f"judge.base_url is {url} now. The models call themselves the same"
    assert moved in again.stderr  # the other judge stood at another port
    assert moved in (here.folder / "other/results.json").read_text()
    assert pictures(here.folder / "other/pictures/refine") == ALL
    assert len(lines(here.folder / "log")) == before  # nothing was rendered
    compared = here.run("bench", "compare", "there", "other", "--json")
    assert compared.code == 0, compared.stderr
    found = json.loads(compared.stdout)
    assert found["notes"] == ["They differ in the judge: 'stand-in' and 'a-judge'."]
    assert [arm["items"] for arm in found["arms"]] == [12, 12]
    folders = (here.folder / name for name in ("there", "other"))
    scores = [results(folder)["one-shot"]["score"] for folder in folders]
    assert [found["arms"][0][side]["score"] for side in ("first", "second")] == scores
    mixed = here.run("bench", "judge", "there", *DATA, "--judge", "fake", "--out", "other")
    assert (mixed.code, "marks of two judges" in mixed.stderr) == (2, True)


def test_files_that_a_folder_names_are_not_read(here: Commands) -> None:
    """They are of whoever made the folder: any file of this machine, or all of them."""
    command = (*BENCH, "--arm", "one-shot", "--limit", "1", "--judge", "fake", "--out", "there")
    assert here.run(*command).code == 0
    (here.folder / "secret").write_text("a-secret-line\n")
    path = here.folder / "there/results.json"
    for name, options in (
        ("unigenbench", {"data": str(here.folder / "secret"), "suite": "en"}),
        ("gedit", {"data": "/", "suite": "en"}),
        ("imgedit", {"data": str(here.folder), "prompts": str(here.folder / "secret")}),
        ("geneval", {"data": str(here.folder / "secret")}),
    ):
        found = json.loads(path.read_text())
        found["provenance"]["source"] = {"name": name, "options": options, "limit": None}
        path.write_text(json.dumps(found))
        joined = here.run("bench", "report", "there", "--out", name)
        assert joined.code == 0, joined.stderr
        assert "which is not read because a file says so: give --data" in joined.stdout
        again = here.run("bench", "judge", "there", "--judge", "fake", "--out", "again")
        assert (again.code, "because a file says so: give --data" in again.stderr) == (2, True)
        assert "a-secret-line" not in joined.stdout + joined.stderr + again.stderr
        assert all(
            b"a-secret" not in f.read_bytes() for f in (here.folder / name).iterdir() if f.is_file()
        )


def test_pictures_of_somebody_else(here: Commands) -> None:
    assert here.run(*BENCH, "--arm", "one-shot", "--judge", "fake", "--out", "there").code == 0
    theirs = here.folder / "theirs"
    (here.folder / "there/pictures/one-shot").rename(theirs)
    (theirs / "0_0.png").unlink()
    (theirs / "0_1.png").write_bytes(b"no picture")
    command = ("bench", "judge", "theirs", "--benchmark", "unigenbench", "--samples", "2")
    ended = here.run(*command, "--data", ".", "--judge", "fake", "--out", "judged")
    assert ended.code == 1
    assert "how they were made is not known" in ended.stdout
    assert "2 have no mark" in ended.stderr
    compared = here.run("bench", "compare", "there", "judged")
    assert compared.code == 0, compared.stderr
    assert "12 items in common" in compared.stdout
    rest = here.run(*BENCH, "--arm", "one-shot", "--judge", "fake", "--shard", "2/2", "--out", "2")
    assert rest.code == 0, rest.stderr
    half = (*BENCH, "--arm", "one-shot", "--judge", "fake", "--shard", "1/2", "--out", "1")
    assert here.run(*half).code == 0
    apart = here.run("bench", "compare", "1", "2")
    assert "no items in common: all items of each, not paired" in apart.stdout
    nothing = here.run(*command, "--data", ".", "--judge", "fake", "--suite", "zh", "--out", "x")
    assert nothing.code == 2
    empty = here.run(*command[:2], "there", *command[3:], "--data", ".", "--out", "x")
    assert (empty.code, "has no picture of unigenbench en: '0_0.png'" in empty.stderr) == (2, True)
    listed = here.run("bench", "list", ".")
    assert "unigenbench    Compare arms on UniGenBench." in listed.stdout
    assert "judged  unigenbench en, 12 items" in listed.stdout


def test_a_lost_picture_is_not_judged_again_and_the_others_are(here: Commands) -> None:
    assert here.run(*BENCH, "--arm", "one-shot", "--judge", "fake", "--out", "there").code == 0
    (picture,) = (here.folder / "there/runs/one-shot/2_1/images").glob("*/*.png")
    picture.unlink()
    ended = here.run("bench", "judge", "there", *DATA, "--judge", "fake", "--out", "again")
    assert ended.code == 1
    assert "1 have no mark; the same command tries them again; the last: lost file:" in ended.stderr
    coverage = results(here.folder / "again")["one-shot"]["coverage"]
    assert coverage == {
        **{"items": 12, "pictures": 11, "marked": 11},
        "missing": {"no picture (lost file)": 1},
    }
    assert pictures(here.folder / "again/pictures/one-shot") == ALL - {"2_1.png"}
    (here.folder / "evaluation_metadata.jsonl").write_text('{"tag": "counting", "prompt": "a"}\n')
    assert here.run("bench", "geneval", "--data", ".", *FAKES, "--out", "unjudged").code == 0
    command = ("bench", "judge", "unjudged", *DATA, "--judge", "sketch", "--prompts", "words.py")
    words = here.run(*command, "--out", "y")
    assert (words.code, "benchmark 'geneval' has no option --prompts" in words.stderr) == (2, True)
    nobody = here.run("bench", "judge", "there", *DATA, "--out", "x")
    assert (nobody.code, nobody.stderr.splitlines()) == (
        2,
        ["error: there is no judge: give --judge-url"],
    )


def test_folders_that_are_no_whole_benchmark_are_told_in_words(here: Commands) -> None:
    assert here.run(*BENCH, "--arm", "one-shot", "--judge", "fake", "--out", "there").code == 0
    whole = json.loads((here.folder / "there/results.json").read_text())
    texts = {
        "bare": "{}",
        "text": "hi",
        "nobody": json.dumps({**whole, "arms": []}),
        "lost": json.dumps(whole),  # its trials are
    }
    for name, text in texts.items():
        (here.folder / name).mkdir()
        (here.folder / name / "results.json").write_text(text)
    for name, words in (
        ("bare", "'bare/results.json' cannot be read: provenance is missing"),
        ("text", "'text/results.json' cannot be read: it is no JSON"),
        ("nobody", "'nobody/results.json' cannot be read: arms has 0 entries"),
        ("lost", "'lost' has no trials of arm 'one-shot'"),
    ):
        compared = here.run("bench", "compare", name, "there")
        assert (compared.code, words in compared.stderr) == (2, True), compared.stderr
        assert "pydantic" not in compared.stderr
    listed = here.run("bench", "list", ".")
    assert listed.code == 0, listed.stderr
    assert listed.stderr.count("cannot be read") == 3
    nowhere = here.run("bench", "list", "nowhere")
    assert "'nowhere' is no folder" in nowhere.stderr


def test_a_blank_prompt_fails_alone(here: Commands) -> None:
    file = here.folder / "test_prompts_en.csv"
    file.write_text(file.read_text().replace("A hat number 3", " "))
    ended = here.run(*BENCH, "--arm", "one-shot", "--judge", "fake", "--out", "there")
    assert ended.code == 1
    assert "2 failed" in ended.stderr
    assert results(here.folder / "there")["one-shot"]["failed"] == 2


def test_noise_is_of_as_many_pictures_as_were_asked_for(here: Commands) -> None:
    with judge() as url:  # every third answer cannot be read, the first time or the second
        ended = here.run(
            *(*BENCH, "--arm", "one-shot", "--judge-url", url, "--out", "there", "--noise", "5"),
            *("--attempts", "1", "--concurrency", "1", "--fail-on-error", "1"),
        )
    assert ended.code == 0, ended.stderr
    assert json.loads((here.folder / "there/results.json").read_text())["noise"]["pictures"] == 5


def test_errors_in_a_judgement_file_are_told(here: Commands) -> None:
    data = write_archive(here.folder)
    file = here.folder / "result.json"
    file.write_text(json.dumps({"673": "Style Fidelity: 2", "1082": {"error": "Rate limit"}}))
    ended = here.run("bench", "score", "imgedit", "--data", str(data), "--judgements", str(file))
    assert ended.code == 0, ended.stderr
    assert "1 of 2 rows are errors of the judging script" in ended.stderr
    assert "'Rate limit'" in ended.stderr


def test_no_torch_is_needed(here: Commands) -> None:
    blocked = ("torch", "transformers", "diffusers", "datasets", "trl", "accelerate")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked})); "
        "from rr_refine.cli.main import main; sys.exit(main())"
    )
    for command in (
        (*BENCH, "--arm", "one-shot", "--judge", "fake", "--out", "there"),
        ("bench", "report", "there", "--out", "again"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", program, *command],
            cwd=here.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
