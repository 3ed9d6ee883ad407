from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Self

import pytest
from pydantic import Field, JsonValue, SecretStr, model_validator

from rr_refine import plugins
from rr_refine.errors import ConfigError, MissingExtraError, StoreError
from rr_refine.generators.diffusers.family import family_of
from rr_refine.plugins import Group
from rr_refine.terms import Record
from rr_refine.training.nft.config import NftRecipe
from tests.installed import install

HERE = __name__


class Options(Record):
    """Options of a component of the user's."""

    size: int = Field(8, ge=1)
    margin: float = 0.1
    key: SecretStr | None = None
    needed: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size == 13:
            raise ValueError("13 brings bad luck")
        return self


class Strict(Record):
    """Options with one that must be given."""

    key: SecretStr | None = None
    address: str


class Component:
    """A component of the user's."""

    def __init__(self, size: int = 1) -> None:
        if size < 0:
            raise TypeError("a bug of the component's own")
        self.size = size

    @classmethod
    def create(cls, size: int = 2) -> Component:
        """Make one in another way."""
        return cls(size)

    async def critique(self) -> None:
        """What makes it a critic."""


def test_names_of_a_group() -> None:
    assert {"diffusers", "fake", "images-api"} <= set(plugins.available("generators"))
    assert {"fake", "openai", "transformers"} <= set(plugins.available("critics"))
    assert {"critic", "llm", "rules"} <= set(plugins.available("rewriters"))


@pytest.mark.parametrize(
    ("path", "options", "size"),
    [
        (f"{HERE}:Component", {}, 1),
        (f"{HERE}:Component", {"size": 5}, 5),
        (f"{HERE}:Component.create", {}, 2),
    ],
)
def test_a_dotted_path(path: str, options: dict[str, JsonValue], size: int) -> None:
    made = plugins.create("critics", path, options)
    assert isinstance(made, Component)
    assert made.size == size


@pytest.mark.parametrize(
    ("group", "name", "words"),
    [
        ("generators", "fakee", r"unknown generator 'fakee' \(did you mean 'fake'\?\); there are "),
        ("critics", "", "unknown critic ''; there are "),
        ("rewriters", "no_such_package.mod:X", "rewriter .* cannot be imported: No module named"),
        ("critics", "json:Nothing", "critic 'json:Nothing' cannot be imported: .*Nothing"),
        ("critics", "json:", "cannot be imported"),
        ("critics", ":loads", "cannot be imported"),
        ("critics", "json:__name__", "is not callable"),
        ("critics", f"{HERE}:nothing.at.all", "cannot be imported"),
    ],
)
def test_no_such_component(group: Group, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plugins.create(group, name, {})


def test_options_that_a_component_does_not_take() -> None:
    with pytest.raises(ConfigError, match=r"does not take these options: .*'colour'"):
        plugins.create("critics", f"{HERE}:Component", {"colour": "red"})


def test_a_components_own_error_is_told_as_what_it_is() -> None:
    with pytest.raises(ConfigError) as caught:
        plugins.create("critics", f"{HERE}:Component", {"size": -1})
    assert str(caught.value) == (
        f"critic '{HERE}:Component' raised TypeError: a bug of the component's own"
    )
    assert isinstance(caught.value.__cause__, TypeError)


def create(kind: str) -> None:
    """A component that cannot be made."""
    raise {
        "os": OSError(5, "the disk\nis broken"),
        "exit": SystemExit("no licence"),
        "ours": MissingExtraError("this", "torch"),
        "store": StoreError("it is full"),
        "interrupt": KeyboardInterrupt(),
    }[kind]


@pytest.mark.parametrize("group", ["stop_rules", "judges", "templates"])
@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("os", ConfigError, r"'tests.test_plugins:create' raised OSError: .*the disk is broken"),
        ("exit", ConfigError, r"'tests.test_plugins:create' raised SystemExit: no licence"),
        ("ours", MissingExtraError, "this needs the 'torch' extra"),
        ("store", StoreError, "^it is full$"),
        ("interrupt", KeyboardInterrupt, "^$"),
    ],
)
def test_a_component_that_cannot_be_made(
    group: Group, kind: str, error: type[BaseException], words: str
) -> None:
    with pytest.raises(error, match=words):
        plugins.create(group, f"{HERE}:create", {"kind": kind})


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("def broken(:", ConfigError, r"judge 'bad_(\d):X' cannot be imported: SyntaxError: "),
        ("len()", ConfigError, "cannot be imported: TypeError: len"),
        ("raise RuntimeError('no GPU')", ConfigError, "imported: RuntimeError: no GPU"),
        ("raise SystemExit('old')", ConfigError, "imported: SystemExit: old"),
        ("raise KeyboardInterrupt", KeyboardInterrupt, "^$"),
        (
            "from rr_refine.errors import MissingExtraError as E; raise E('it', 'x')",
            MissingExtraError,
            "it needs the 'x' extra",
        ),
    ],
)
def test_a_module_that_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    error: type[BaseException],
    words: str,
) -> None:
    (tmp_path / "bad_1.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bad_1", raising=False)
    with pytest.raises(error, match=words) as caught:
        plugins.create("judges", "bad_1:X", {})
    assert "\n" not in str(caught.value)


def test_options_are_parsed() -> None:
    assert plugins.parse_options(Options, {"size": 9}, "critic") == Options(size=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sise": 1}, "unknown option 'critic.sise' (did you mean 'size'?)"),
        ({"xyzzy": 1}, "unknown option 'critic.xyzzy'"),
        (
            {"size": 0},
            "critic.size = 0: Input should be greater than or equal to 1",
        ),
        (
            {"margin": "wide"},
            "critic.margin = 'wide': Input should be a valid number, unable to "
            "parse string as a number",
        ),
        ({"margin": float("nan")}, "critic.margin = nan: Input should be a finite number"),
        ({"size": 13, "key": "sesame"}, "critic: 13 brings bad luck"),
        ({"key": 1234}, "critic.key: Input should be a valid string"),
        ({"needed": {"key": "sesame"}}, "critic.needed: Input should be a valid string"),
    ],
)
def test_options_that_are_wrong(options: dict[str, JsonValue], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugins.parse_options(Options, options, "critic")
    assert str(caught.value) == message


def test_a_missing_option_shows_no_other() -> None:
    with pytest.raises(ConfigError) as caught:
        plugins.parse_options(Strict, {"key": "sesame"}, "critic")
    assert str(caught.value) == "critic.address: Field required"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "module",
    ["rr_refine.generators", "rr_refine.generators.fake", "rr_refine.generators.images_api"],
)
def test_looking_a_component_up_is_cheap(module: str) -> None:
    """Naming a generator loads no other one's libraries, and never the test tools."""
    code = (
        f"import sys, {module}\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'openai', 'langgraph', 'pytest', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("group", "name"),
    [
        *[("generators", "fake"), ("critics", "openai"), ("rewriters", "rules")],
        *[("intent_checks", "none"), ("stop_rules", "target"), ("acceptance", "better")],
        *[("templates", "sketch"), ("judges", "fake"), ("teachers", "openai")],
    ],
)
def test_a_package_cannot_take_the_name_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: Group, name: str
) -> None:
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    install(tmp_path, {group: {name: "stranger:create"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="is declared by 'rr-refine' and 'strange'") as caught:
        plugins.create(group, name, {})
    assert f"{name!r}" in str(caught.value)


def test_a_package_that_calls_itself_ours_is_told_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, {"critics": {"fake": "stranger:create"}})
    info = tmp_path / "strange-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rr-refine\nVersion: 9\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="uninstall 'rr-refine in ") as caught:
        plugins.create("critics", "fake", {})
    assert f"declared by 'rr-refine' and 'rr-refine in {info}'" in str(caught.value)


@pytest.mark.parametrize(("group", "name"), [("trainers", "sketch"), ("benchmarks", "geneval")])
def test_nor_that_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str
) -> None:
    install(tmp_path, {group: {name: "stranger:create"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="is declared by 'rr-refine' and 'strange'"):
        plugins.entry_point(group, name)


def test_nor_that_of_a_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {"families": {"FluxPipeline": "stranger:create"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"'FluxPipeline' .*, which is ours"):
        family_of("FluxPipeline")


def test_installed_packages_are_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[None] = []

    def counted() -> object:
        scans.append(None)
        return entry_points()

    monkeypatch.setattr(plugins, "entry_points", counted)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(3):
        assert "strange" not in plugins.available("critics")
        assert plugins.entry_point("critics", "fake") is not None
    assert len(scans) == 1
    install(tmp_path, {"critics": {"strange": "stranger:create"}})  # while we run
    assert "strange" in plugins.available("critics")
    assert plugins.entry_point("critics", "strange") is not None
    assert len(scans) == 2


@pytest.mark.parametrize(
    ("group", "name", "options", "told"),
    [
        ("critics", "fake", {"samples": True}, "critic.samples = True: True is no number"),
        ("critics", "sketch", {"batch": True}, "critic.batch = True: True is no number"),
        ("generators", "sketch", {"batch": True}, "generator.batch = True: True is no number"),
        ("generators", "sketch", {"true_cfg_scale": False}, "generator.true_cfg_scale = False"),
    ],
)
def test_true_is_no_number(
    group: Group, name: str, options: dict[str, JsonValue], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        plugins.create(group, name, options)


NFT: dict[str, JsonValue] = {
    "model": "m",
    "pipeline": "FluxPipeline",
    "data": "d",
    "call": {},
    "critic": {"use": "fake"},
}


def test_true_is_no_number_in_a_list() -> None:
    with pytest.raises(ConfigError, match=r"betas = \[True, 0.9\]: True is no number"):
        plugins.parse_options(NftRecipe, {**NFT, "betas": [True, 0.9]}, "recipe")
