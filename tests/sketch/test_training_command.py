"""`rr-refine train sketch` says in one line what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.cli.main import main
from rr_refine.sketch.training.critic import train as critic
from rr_refine.sketch.training.generator import train as generator

pytest.importorskip("diffusers")
pytest.importorskip("trl")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been trained."""
    found: list[str] = []

    def note(name: str) -> object:
        def train(folder: Path, *_: object) -> Path:
            found.append(name)
            (folder / {"generator": "autoencoder.pt", "critic": "tower.pt"}[name]).touch()
            return folder

        return train

    monkeypatch.setattr(generator, "train_generator", note("generator"))
    monkeypatch.setattr(critic, "train_critic", note("critic"))
    return found


def run(out: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["train", "sketch", f"--out={out}", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_quick_folder_is_no_beginning_of_a_real_training(
    tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(out, "--quick", "--only=generator") == 0
    capsys.readouterr()
    for arguments in (["--only=critic"], []):
        assert run(out, *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(
            f"error: '{out}' was made with --quick, so a generator that is worth"
        )
        assert line.endswith("add --quick, or give another --out")
    assert run(out, "--quick", "--only=critic") == 0
    assert trained == ["generator", "critic"]


def test_a_real_training_is_not_marked_later(tmp_path: Path, trained: list[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run(out, "--only=generator") == 0
    run(out, "--quick", "--only=generator")
    assert run(out, "--only=generator") == 0


def test_a_critic_without_a_generator(
    tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run(out, "--only=critic", "--renders=5") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--renders 5: there is no finished generator in '{out / 'generator'}'" in line
    assert trained == []
    assert run(out, "--only=critic") == 0
    assert "the critic learns from drawings alone" in capsys.readouterr().err
    (out / "generator").mkdir()
    (out / "generator" / "model_index.json").write_text("{}")
    assert run(out, "--only=critic") == 2
    assert "generator = " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["renders", "renders/11-0-0.png"])
def test_a_link_in_the_folder_is_refused_before_anything_is_written(
    tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    away.mkdir()
    (out / "renders").mkdir(parents=True)
    if name == "renders":
        (out / name).rmdir()
    (out / name).symlink_to(away)
    assert run(out, "--quick") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a link" in line
    assert trained == []
    assert not [*away.iterdir()]
