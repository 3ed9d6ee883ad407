from __future__ import annotations

from tests.agent.records import only_run
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake", "--set=generator.width=48")
ONE_SHOT = (*FAKES, "--set=generator.height=32", "--preset=one-shot")


def test_a_report_anew(commands: Commands) -> None:
    ended = commands.run("a cat", *ONE_SHOT)
    run = only_run(commands.folder / "runs").relative_to(commands.folder)
    page = run / "report" / "index.html"
    assert f"report     {page}" in ended.stderr.splitlines()
    before = (commands.folder / page).read_bytes()
    (commands.folder / page).write_text("old")
    again = commands.run("report", str(run))
    assert (again.code, again.stdout, again.stderr) == (0, f"{page}\n", "")
    assert (commands.folder / page).read_bytes() == before


def test_json_is_data_alone(commands: Commands) -> None:
    ended = commands.run("a cat", *ONE_SHOT, "--json")
    assert "report" not in ended.stderr
    assert (only_run(commands.folder / "runs") / "report" / "index.html").exists()


def test_a_gallery(commands: Commands) -> None:
    for prompt in ("a cat", "a dog"):
        commands.run(prompt, *ONE_SHOT)
    runs = sorted((commands.folder / "runs").iterdir())
    names = [str(run.relative_to(commands.folder)) for run in runs]
    whole = commands.run("report", "runs")
    assert (whole.code, whole.stdout) == (0, "runs/gallery.html\n")
    both = commands.run("report", *names, "--out", "pages/both.html")
    assert (both.code, both.stdout) == (0, "pages/both.html\n")
    text = (commands.folder / "pages" / "both.html").read_text("utf-8")
    assert all(f'href="../{name}/report/index.html"' in text for name in names)
    default = commands.run("report", *names)
    assert default.stdout == f"{commands.folder}/runs/gallery.html\n"


def test_a_broken_run_is_left_out(commands: Commands) -> None:
    for prompt in ("a cat", "a dog"):
        commands.run(prompt, *ONE_SHOT)
    broken = min((commands.folder / "runs").iterdir())
    (broken / "config.json").write_text("{")
    ended = commands.run("report", "runs")
    assert ended.code == 1
    assert ended.stderr.startswith("left out: ")
    assert broken.name in ended.stderr
    assert ">1 run, 0 improved<" in (commands.folder / "runs" / "gallery.html").read_text("utf-8")
    alone = commands.run("report", str(broken.relative_to(commands.folder)))
    assert alone.code == 1
    assert alone.stderr.startswith("error: store error: ")


def test_mistakes(commands: Commands) -> None:
    (commands.folder / "empty").mkdir()
    for arguments, message in (
        ((), "error: give a run folder, or a folder that holds runs\n"),
        (("nowhere",), "error: 'nowhere' is no folder\n"),
        (("empty",), "error: there is no run in 'empty'\n"),
    ):
        ended = commands.run("report", *arguments)
        assert (ended.code, ended.stdout, ended.stderr) == (2, "", message)


def test_a_report_that_could_not_be_written(commands: Commands) -> None:
    killed = commands.run("a cat", *ONE_SHOT, kill="before:critique:1")
    assert killed.code == -9
    run = only_run(commands.folder / "runs")
    (run / "report").write_text("a file where the folder should be")
    ended = commands.run("resume", str(run))
    assert ended.code == 0
    assert f"report     not written; to see why: rr-refine report {run}" in ended.stderr
    assert commands.run("report", str(run)).code == 1


def test_a_page_of_somebody_else_is_no_gallery(commands: Commands) -> None:
    commands.run("a cat", *ONE_SHOT)
    for arguments, page in ((("runs",), "runs/gallery.html"), (("runs", "--out=a.html"), "a.html")):
        file = commands.folder / page
        file.write_text("<!doctype html><title>My gallery</title>")
        ended = commands.run("report", *arguments)
        assert ended.code == 2
        assert f"'{page}' is no gallery of ours and stays as it is" in ended.stderr
        assert "My gallery" in file.read_text()
        file.unlink()
        assert [commands.run("report", *arguments).code for _ in range(2)] == [0, 0]
