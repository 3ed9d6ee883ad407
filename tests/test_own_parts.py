"""The doors, as a stranger uses them: a package of its own is installed, and its parts are found
by their names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PACKAGE = Path(__file__).parents[1] / "examples" / "own_parts"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the package was installed into, with its metadata."""
    source = tmp_path_factory.mktemp("source") / "own_parts"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__*__"))
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(source)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return target


def rr_refine(
    folder: Path, *arguments: str, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, with the packages of `site`."""
    main = "from rr_refine.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", main, *arguments],
        env={**os.environ, "PYTHONPATH": str(site or "")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


RUN = ("a red evening", "--generator", "fake", "--critic", "own-tones", "--rounds", "2", "--json")


def test_the_critic_and_the_rewriter_work_by_name(installed: Path, tmp_path: Path) -> None:
    parts = ("--set", 'rewriter.use=["own-tones"]', "--set", "loop.target=4.0")
    done = rr_refine(tmp_path, *RUN, *parts, site=installed)
    assert done.returncode == 0, done.stderr
    assert "the mean colour is" in done.stdout
    assert "a red evening, bathed in red light" in done.stdout


def test_the_stopping_rule_and_the_acceptance_policy_work_by_name(
    installed: Path, tmp_path: Path
) -> None:
    """The scripted scores fall from round to round in text faithfulness, and rise in quality."""
    scores = [
        {"text_faithfulness": 3.0 - fall, "physical_quality": 2.0 + fall / 2}
        for fall in (0.0, 0.5, 1.0, 1.5)
    ]
    done = rr_refine(
        tmp_path,
        *("a red evening", "--generator=fake", "--critic=fake", "--rounds=4", "--json"),
        *("--set", f"critic.script={json.dumps(scores)}"),
        *("--set", 'loop.stop_rules=["own-downhill"]', "--set", "loop.acceptance=own-text-first"),
        *("--set", "loop.patience=4"),  # the built-in plateau would be first
        site=installed,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = [e["verdict"] for e in events if e["type"] == "decided"]
    assert [(v["rule"], v["reason"]) for v in verdicts] == [
        ("first", "the first judged image"),
        ("worse", "text faithfulness 3.00 -> 2.50"),
        ("worse", "text faithfulness 3.00 -> 2.00"),
    ]
    assert events[-1]["stop"] == {"rule": "own-downhill", "reason": "from 2.50 down to 2.25"}


def test_the_generator_and_the_critic_bring_their_companions_along(
    installed: Path, tmp_path: Path
) -> None:
    pair = ("a red evening", "--generator", "own-tones", "--critic", "own-tones", "--json")
    done = rr_refine(tmp_path, *pair, "--rounds=2", "--set=loop.target=4.0", site=installed)
    assert done.returncode == 0, done.stderr
    assert "note: generator: paints one plain colour\n" in done.stderr
    assert "note: critic: looks at the mean colour and nothing else\n" in done.stderr
    assert "note: critic does not know 'a', 'evening', so no picture passes" in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    rewritten = next(e["proposal"] for e in events if e["type"] == "rewritten")
    assert rewritten["origin"] == "own-tones"
    assert rewritten["prompt"] == "a red evening, bathed in red light"
    (config,) = tmp_path.glob("runs/*/config.json")
    recorded = json.loads(config.read_text())
    assert [one["kind"] for one in recorded["rewriters"]] == ["critic", "own-tones", "rules"]
    assert recorded["intent_check"]["name"] == "own-same-tones"


def test_the_intent_check_works_by_name(installed: Path, tmp_path: Path) -> None:
    """The scripted critic has a request of its own, for another colour than was asked for."""
    parts = ("a red evening", "--generator=fake", "--critic=stub:Blue", "--rounds=2", "--json")
    (tmp_path / "stub.py").write_text(
        "from own_parts.critic import TonesCritic\n"
        "class Blue(TonesCritic):\n"
        "    async def critique(self, request):\n"
        "        said = await super().critique(request)\n"
        "        critiques = tuple(\n"
        "            one.model_copy(update={'refined_request': 'a red evening, or a blue one'})\n"
        "            for one in said.critiques\n"
        "        )\n"
        "        return said.model_copy(update={'critiques': critiques})\n"
    )
    check = ("--set", "intent.use=own-same-tones", "--set", "loop.target=4.0")
    done = rr_refine(tmp_path, *parts, *check, site=installed)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    rejected = [e["rejection"] for e in events if e["type"] == "rewrite-rejected"]
    assert [(r["prompt"], r["reason"]) for r in rejected] == [
        ("a red evening, or a blue one", "it asks for blue")
    ]


def test_they_are_unknown_where_the_package_is_not_installed(tmp_path: Path) -> None:
    done = rr_refine(tmp_path, *RUN)
    assert done.returncode == 2
    assert "unknown critic 'own-tones'" in done.stderr
    rule = ("--set", 'loop.stop_rules=["own-downhill"]')
    done = rr_refine(tmp_path, "a red evening", "--generator=fake", "--critic=fake", *rule)
    assert done.returncode == 2
    assert "unknown stop rule 'own-downhill'" in done.stderr


BENCH = ("bench", "own-tones", "--generator", "fake", "--critic", "own-tones", "--out", "there")


def test_the_benchmark_is_run_by_its_name_and_leaves_a_report(
    installed: Path, tmp_path: Path
) -> None:
    done = rr_refine(tmp_path, *BENCH, "--tones", "red", "--limit", "2", site=installed)
    assert done.returncode == 0, done.stderr
    assert "own-tones: 2 items" in done.stdout
    results = json.loads((tmp_path / "there" / "results.json").read_text())
    assert [arm["arm"] for arm in results["arms"]] == ["one-shot", "refine"]
    assert results["arms"][0]["coverage"]["marked"] == 2
    assert (tmp_path / "there" / "index.html").is_file()
    refused = rr_refine(tmp_path, *BENCH, "--judge", "fake", "--resume", site=installed)
    assert (refused.returncode, "asks no judge" in refused.stderr) == (2, True)


def test_the_benchmark_is_listed_with_its_options(installed: Path, tmp_path: Path) -> None:
    listed = rr_refine(tmp_path, "bench", "--help", site=installed)
    assert "Pictures in one tone, graded by their mean colour." in listed.stdout
    told = rr_refine(tmp_path, "bench", "own-tones", "--help", site=installed)
    assert "Which colour words are asked for." in told.stdout
    assert "--renders" in told.stdout
    missed = rr_refine(tmp_path, "bench", "own-tone", site=installed)
    assert (missed.returncode, 'Did you mean "own-tones"' in missed.stderr) == (2, True)
    alone = rr_refine(tmp_path, "bench", "own-tones")
    assert (alone.returncode, "Unknown command" in alone.stderr) == (2, True)


def test_a_broken_benchmark_disturbs_no_other(installed: Path, tmp_path: Path) -> None:
    site = shutil.copytree(installed, tmp_path / "site")
    (site / "own_parts" / "benchmark.py").write_text("import no_such_module\n")
    listed = rr_refine(tmp_path, "bench", "--help", site=site)
    assert "Compare arms on UniGenBench." in listed.stdout
    called = rr_refine(tmp_path, "bench", "own-tones", site=site)
    assert (called.returncode, "no_such_module" in called.stderr) == (2, True)


TINY = "from own_parts.family import TonesPipeline; TonesPipeline.tiny().save_pretrained('tiny')"
RENDER = ("a red evening", "--generator", "diffusers", "--set", "generator.model=tiny")


def test_the_family_renders_by_the_name_of_its_pipeline(installed: Path, tmp_path: Path) -> None:
    make = [sys.executable, "-c", TINY]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run(make, env=environment, cwd=tmp_path, check=True, capture_output=True)
    judged = ("--critic", "own-tones", "--rounds", "1", "--json")
    done = rr_refine(tmp_path, *RENDER, *judged, site=installed)
    assert done.returncode == 0, done.stderr
    assert '"diffusers:TonesPipeline"' in next(tmp_path.glob("runs/*/manifest.json")).read_text()
    with Image.open(next(tmp_path.glob("runs/*/images/*/*.png"))) as image:
        red, green, blue = image.convert("RGB").resize((1, 1)).tobytes()
    assert red > 200
    assert max(green, blue) < 60


def test_a_family_of_nobody_is_an_error_that_names_the_door(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model_index.json").write_text('{"_class_name": "TonesPipeline"}')
    done = rr_refine(tmp_path, *RENDER, "--critic", "fake")
    assert done.returncode == 2
    assert "has no pipeline 'TonesPipeline'" in done.stderr
    assert "'rr_refine.families'" in done.stderr
