"""The doors, as a stranger uses them: a package of its own is installed, and its parts are found
by their names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_they_are_unknown_where_the_package_is_not_installed(tmp_path: Path) -> None:
    done = rr_refine(tmp_path, *RUN)
    assert done.returncode == 2
    assert "unknown critic 'own-tones'" in done.stderr
