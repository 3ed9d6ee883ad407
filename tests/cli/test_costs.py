"""Costs in the terminal, with a critic behind HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.run import load_run
from tests.agent.records import only_run
from tests.benchmarks.preference.files import hub
from tests.benchmarks.preference.files import write as write_pairs
from tests.benchmarks.published.unigenbench.files import write as write_prompts
from tests.cli.test_endpoint import Server, server
from tests.commands import Commands, Ended

__all__ = ["server"]

KEY = "sk-4242-do-not-tell"
PRICES = ("--set=critic.price_input=0", "--set=critic.price_output=100")
"""90 tokens are told, so that a judgement costs $0.009; at most it may cost $0.01."""
ASKED = (
    *("three red hats", "--generator=fake", "--set=generator.width=48", "--rounds=5"),
    *("--set=generator.height=32", "--set=critic.max_tokens=100", "--set=loop.patience=null"),
    *("--set=loop.pairwise=false", "--set=rewriter.use=rules"),
)


def test_a_run_ends_with_its_budget(commands: Commands, server: Server) -> None:
    more = ("--critic-url", server.url, *PRICES, "--budget-usd=0.02")
    ended = commands.run(*ASKED, *more, "--set=critic.price_date=2026-09-20")
    assert ended.code == 0, ended.stderr
    assert server.judged == 2
    assert "$100.00 per million tokens of answers (as of 2026-09-20)" in ended.stderr
    assert "  cost     $0.0090 so far" in ended.stderr
    reason = "budget: $0.0180 of $0.02 spent, and the next request may cost up to $0.0100"
    assert f"stopped    {reason}" in ended.stderr
    assert ", $0.0180" in ended.stderr
    folder = only_run(commands.folder / "runs")
    assert (folder / "result.png").is_file()
    run = load_run(folder)
    assert run.outcome is not None and run.outcome.spend.cost.usd == 0.018

    events = commands.run(*ASKED, *more, "--json", "--out=json").stdout.splitlines()
    told = [json.loads(line) for line in events]
    assert told[-1]["spend"]["cost"]["usd"] == 0.018
    assert [one["cost"]["usd"] for one in told if "cost" in one][:1] == [0.009]
    assert told[-1]["stop"]["rule"] == "budget"

    again = commands.run("more", str(folder), "--again", "--budget-usd=0.01")
    assert again.code == 0, again.stderr
    assert server.judged == 5
    wrong = commands.run("more", str(folder), "--budget-usd=0.01")
    assert "--budget-usd has no effect" in wrong.stderr


@pytest.mark.parametrize(
    ("given", "usd"),
    [
        (("--vary=4",), 0.02),
        (("--again",), 0.02),
        (("--use-prompt",), 0.02),
        (("--edit=make them blue",), 0.02),
        (("--again", "--preset=best-of-n"), 0.02),
        (("--vary=4", "--budget-usd=0.01"), 0.01),
        (("--again", "--preset=one-shot", "--budget-usd=0.01"), 0.01),
        (("--vary=4", "--set=budget.usd=0.03"), 0.03),
    ],
    ids=str,
)
def test_what_follows_keeps_the_limit_of_money(
    commands: Commands, server: Server, given: tuple[str, ...], usd: float
) -> None:
    options = ("--critic-url", server.url, *PRICES, "--budget-usd=0.02", "--out=runs")
    assert commands.run(*ASKED, *options).code == 0
    first = only_run(commands.folder / "runs")
    judged = server.judged
    ended = commands.run("more", str(first), *given)
    assert ended.code == 0, ended.stderr
    (path,) = (one for one in first.parent.iterdir() if one != first)
    run = load_run(path)
    assert run.policy.budget.usd == usd
    assert (server.judged - judged) * 0.009 <= usd
    assert f"limits: this run may use ${usd:g} at most" in " ".join(ended.stderr.split())


def test_a_limit_of_the_environment_holds_for_what_follows(
    commands: Commands, server: Server
) -> None:
    assert commands.run(*ASKED, "--critic-url", server.url, *PRICES).code == 0
    first = only_run(commands.folder / "runs")
    commands.environment["RR_REFINE_BUDGET__USD"] = "0.01"
    ended = commands.run("more", str(first), "--vary=3")
    assert ended.code == 0, ended.stderr
    (path,) = (one for one in first.parent.iterdir() if one != first)
    assert load_run(path).policy.budget.usd == 0.01
    ended = commands.run("more", str(first), "--rounds=1")
    assert "the run goes on without a limit of money" in ended.stderr


@pytest.mark.parametrize("name", ["images", "critic_calls", "tokens", "seconds"])
def test_other_limits_of_the_environment_hold_too(commands: Commands, name: str) -> None:
    fakes = ("--generator=fake", "--critic=fake", "--rounds=1", "--out=runs")
    assert commands.run("a cat", *fakes).code == 0
    first = only_run(commands.folder / "runs")
    commands.environment[f"RR_REFINE_BUDGET__{name.upper()}"] = "2000"
    ended = commands.run("more", str(first), "--again", f"--set=budget.{name}=3000")
    assert ended.code == 0, ended.stderr
    ended = commands.run("more", str(first), "--again")
    assert ended.code == 0, ended.stderr
    runs = [load_run(path) for path in first.parent.iterdir() if path != first]
    assert sorted(getattr(run.policy.budget, name) for run in runs) == [2000, 3000]


@pytest.mark.parametrize("usd", ["0", "-1", "nan", "inf", "much"])
def test_a_budget_that_is_none(commands: Commands, usd: str) -> None:
    ended = commands.run(*ASKED, f"--budget-usd={usd}")
    assert ended.code == 2
    assert "budget" in ended.stderr and "Traceback" not in ended.stderr


def test_a_hosted_model_is_not_looked_for_here(commands: Commands, server: Server) -> None:
    server.model = "google/some-model"
    lines = commands.run("doctor", f"--critic-url={server.url}").stdout.splitlines()
    assert any(line.startswith("ok  critic") and "google/some-model" in line for line in lines)
    assert not any("fetched when it is used" in line for line in lines if "critic" in line)


def test_a_budget_without_a_price(commands: Commands, server: Server) -> None:
    ended = commands.run(*ASKED, "--critic-url", server.url, "--budget-usd=1")
    assert ended.code == 2
    assert "budget.usd = 1 cannot be kept" in ended.stderr
    assert "set critic.price_input and critic.price_output" in ended.stderr
    assert server.judged == 0 and not (commands.folder / "runs").exists()
    checked = commands.run("doctor", f"--critic-url={server.url}", "--set=budget.usd=1")
    assert checked.code == 1
    assert any(
        line.startswith("no  critic") and "price is not known" in line
        for line in checked.stdout.splitlines()
    )


def test_the_doctor_says_what_the_hosted_profile_costs(commands: Commands) -> None:
    commands.environment["HTTPS_PROXY"] = "http://127.0.0.1:9"
    commands.environment["OPENROUTER_API_KEY"] = KEY
    lines = commands.run("doctor", "--profile=hosted").stdout.splitlines()
    (picture,) = (line for line in lines if "a picture" in line)
    assert "gemini-2.5-flash-image: $0.039 a picture" in picture
    assert "as of 2026-03" in picture
    (words,) = (line for line in lines if "tokens of answers" in line)
    assert "$0.30 per million tokens of questions and $2.50 per million" in words
    other = commands.run("doctor", "--profile=hosted", "--set=critic.model=some/other")
    assert any(
        line.startswith("--  critic") and "some/other: its price is not known" in line
        for line in other.stdout.splitlines()
    )


def test_prices_go_with_the_profiles_own_model_and_address(
    commands: Commands, tmp_path: Path
) -> None:
    def shown(*given: str) -> str:
        return commands.run("config", "show", "--profile=hosted", *given).stdout

    assert "critic.price_input" in shown() and "generator.price_image" in shown()
    elsewhere = shown("--set=critic.base_url=https://other.example/v1")
    assert "critic.price_input" not in elsewhere and "generator.price_image" in elsewhere
    assert "generator.price_image" not in shown("--set=generator.model=some/other")


BENCH = (
    "bench",
    "sketch",
    "--split=dev",
    "--generator=fake",
    "--arm=refine",
    "--limit=3",
    "--renders=2",
)
BENCH_CRITIC = ("--set=critic.max_tokens=100", "--set=loop.patience=null", *PRICES)


def bench(commands: Commands, server: Server, *given: str) -> tuple[Ended, dict[str, Any]]:
    """A benchmark, and its provenance where it came to its end."""
    own = (*BENCH, *BENCH_CRITIC, "--critic-url", server.url, "--out=there", *given)
    ended = commands.run(*own)
    results = commands.folder / "there" / "results.json"
    return ended, json.loads(results.read_text())["provenance"] if results.exists() else {}


def test_a_benchmark_says_what_it_costs(commands: Commands, server: Server) -> None:
    ended, made = bench(commands, server)
    assert ended.code == 0, ended.stderr
    spent = round(server.judged * 0.009, 9)
    assert spent > 0
    before, _, _ = ended.stderr.partition("cost   ")
    assert "costs: the-critic: $0.00 per million tokens of questions and $100.00" in before
    assert "there is no limit of money; --budget-usd sets one for all of it" in before
    assert f"cost       ${spent:.4f}, all sessions together" in ended.stderr
    assert made["cost"] == {"usd": spent, "assumed_usd": 0.0, "unpriced": 0}
    assert f"The services in use took ${spent:.4f}, all sessions together." in ended.stdout
    again, made = bench(commands, server, "--resume")  # nothing is asked again
    assert made["cost"]["usd"] == spent
    assert f"${spent:.4f} before" in again.stderr
    report = commands.run("bench", "report", "there", "--out=joined", "--json")
    assert json.loads(report.stdout)["provenance"]["cost"]["usd"] == spent


@pytest.mark.parametrize("way", ["flag", "set", "environment", "file"])
def test_a_limit_of_money_is_for_the_whole_benchmark(
    commands: Commands, server: Server, way: str
) -> None:
    given = {"flag": ("--budget-usd=0.025",), "set": ("--set=budget.usd=0.025",)}.get(way, ())
    if way == "environment":
        commands.environment["RR_REFINE_BUDGET__USD"] = "0.025"
    if way == "file":
        (commands.folder / "rr-refine.toml").write_text("budget.usd = 0.025\n")
    ended, made = bench(commands, server, *given)
    assert ended.code == 1, ended.stderr
    assert server.judged == 2 and made == {}
    assert "all of it may cost $0.025 at most" in ended.stderr
    assert "$0.0180 of $0.025 is spent, and the next request could pass that" in ended.stderr
    assert "--resume goes on" in ended.stderr
    ended, made = bench(commands, server, "--resume", *given)
    assert (ended.code, server.judged) == (1, 2), ended.stderr  # earlier sessions count
    commands.environment.pop("RR_REFINE_BUDGET__USD", None)
    ended, made = bench(commands, server, "--resume", "--budget-usd=1")
    assert ended.code == 0, ended.stderr
    assert made["cost"]["usd"] == round(server.judged * 0.009, 9)
    trials = (commands.folder / "there" / "trials.jsonl").read_text()
    assert "OverBudget" not in trials and "OutOfBudget" not in trials


def test_a_limit_of_money_of_a_benchmark_wants_every_price(
    commands: Commands, server: Server
) -> None:
    own = (*BENCH, "--critic-url", server.url, "--out=there", "--budget-usd=1")
    ended = commands.run(*own)
    assert ended.code == 2
    assert "budget.usd = 1 cannot be kept" in ended.stderr and server.judged == 0
    assert commands.run(*own[:-1], "--budget-usd=0").code == 2
    commands.environment["RR_REFINE_BUDGET__IMAGES"] = "3"
    other = commands.run(*own[:-1])
    assert "budget.images from RR_REFINE_BUDGET__IMAGES has no effect" in other.stderr


def test_sweeps_and_judges_pay_too(commands: Commands, server: Server) -> None:
    own = ("--generator=fake", "--limit=2", "--renders=2", *BENCH_CRITIC)
    sweep = (
        "bench",
        "sweep",
        "sketch",
        "--split=dev",
        *own,
        "--critic-url",
        server.url,
        "--out=there",
    )
    ended = commands.run(*sweep, "--vary=rounds", "--budget-usd=0.02")
    assert (ended.code, server.judged) == (1, 2), ended.stderr
    ended = commands.run(*sweep, "--vary=rounds", "--budget-usd=1", "--resume", "--json")
    assert ended.code == 0, ended.stderr
    cost = json.loads(ended.stdout)["provenance"]["cost"]["usd"]
    assert cost == round(server.judged * 0.009, 9)


PROMPTS = "index,prompt_en,sub_dims_en\n" + "".join(
    f'{index},A hat number {index},"{{""Testpoints"": [""Style""], '
    '""Testpoint Description"": [""plain""]}"\n'
    for index in range(3)
)
JUDGED = (
    *("--set=judge.price_input=0", "--set=judge.price_output=100", "--set=judge.max_tokens=100"),
    *("--attempts=1", "--concurrency=1"),
)


def test_what_a_judge_is_asked_is_paid_and_limited(commands: Commands, server: Server) -> None:
    write_prompts(commands.folder, PROMPTS)
    fakes = ("--generator=fake", "--critic=fake", "--arm=one-shot", "--samples=1")
    bench = ("bench", "unigenbench", "--data=.", *fakes, "--out=there")
    judge = (f"--judge-url={server.url}", *JUDGED)
    ended = commands.run(*bench, *judge, "--budget-usd=0.025")
    assert (ended.code, server.judged) == (1, 2), ended.stderr
    assert "$0.0180 of $0.025 is spent" in ended.stderr
    ended = commands.run(*bench, *judge, "--budget-usd=1", "--resume", "--json")
    cost = json.loads(ended.stdout)["provenance"]["cost"]["usd"]
    assert cost == round(server.judged * 0.009, 9) >= 0.027
    before = server.judged
    again = ("bench", "judge", "there", "--data=.", "--out=again", *judge)
    ended = commands.run(*again, "--budget-usd=0.025")
    assert (ended.code, server.judged - before) == (1, 2), ended.stderr
    results = json.loads((commands.folder / "again" / "results.json").read_text())
    assert results["provenance"]["cost"]["usd"] == 0.018


def test_a_critic_held_against_people_is_paid_and_limited(
    commands: Commands, server: Server
) -> None:
    write_pairs(commands.folder / "t2i.parquet", hub(["A", "B"]))
    own = ("bench", "preference", "mmrb2", "--data=t2i.parquet", "--mode=pointwise", "--out=there")
    critic = (f"--critic-url={server.url}", *PRICES, "--set=critic.max_tokens=100")
    ended = commands.run(*own, *critic, "--concurrency=1", "--budget-usd=0.025", "--json")
    assert (ended.code, server.judged) == (1, 2), ended.stderr
    assert "all of it may cost $0.025 at most" in ended.stderr
    assert "1 of 2 pairs were not asked; --resume goes on" in ended.stderr
    assert "error" not in ended.stderr
    found = json.loads(ended.stdout)
    assert (found["rows"], found["not_asked"], sum(found["labels"].values())) == (2, 1, 1)
    assert found["cost"] == {"usd": 0.018, "assumed_usd": 0.0, "unpriced": 0}
    assert len((commands.folder / "there" / "pairs.jsonl").read_text().splitlines()) == 1
    assert (
        "Not asked, and in no number: 1, by the budget."
        in (commands.folder / "there" / "table.md").read_text()
    )
    ended = commands.run(*own, *critic, "--resume", "--json")
    found = json.loads(ended.stdout)
    assert (found["not_asked"], sum(found["labels"].values())) == (0, 2)
    assert found["cost"]["usd"] == round(server.judged * 0.009, 9)
    assert "there is no limit of money" in ended.stderr
    assert f"cost       ${server.judged * 0.009:.4f}, all sessions together" in ended.stderr
