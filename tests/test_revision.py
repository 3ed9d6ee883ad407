from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.revision import head

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("kind", ["detached", "loose", "packed", "tree"])
def test_what_a_checkout_is_at(kind: str, tmp_path: Path) -> None:
    git = tmp_path / ".git"
    if kind == "tree":
        git = tmp_path / "elsewhere/worktrees/one"
        write(tmp_path / "elsewhere/refs/heads/one", f"{COMMIT}\n")
        write(git / "commondir", "../..\n")
        write(tmp_path / ".git", f"gitdir: {git}\n")
    write(git / "HEAD", f"{COMMIT}\n" if kind == "detached" else "ref: refs/heads/one\n")
    if kind == "loose":
        write(git / "refs/heads/one", f"{COMMIT}\n")
    if kind == "packed":
        write(
            git / "packed-refs",
            f"# pack-refs\n{'f' * 40} refs/heads/two\n{COMMIT} refs/heads/one\n",
        )
    assert head(tmp_path) == COMMIT


def test_no_checkout(tmp_path: Path) -> None:
    assert head(tmp_path) is None
    write(tmp_path / ".git/HEAD", "ref: refs/heads/unborn\n")
    assert head(tmp_path) is None
