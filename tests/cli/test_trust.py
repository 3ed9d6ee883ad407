"""What a settings file that came from elsewhere may not do, at every door and from every layer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rr_refine.agent.run import load_run
from rr_refine.cli.main import main
from rr_refine.errors import ConfigError
from rr_refine.plugins import Group, available, create
from tests.agent.records import only_run
from tests.commands import Commands, Ended

KEY = "sk-4242-do-not-tell"
MODULE = """
open("imported", "a").write("x")
from rr_refine.generators.fake import create as fake_generator
from rr_refine.reward.fake import create as fake_critic
class Generator:
    create = staticmethod(fake_generator)
class Critic:
    create = staticmethod(fake_critic)
class Never:
    def check(self, history):
        return None
class Check:
    identity = None
    def problems(self, *_):
        return ()
"""
FAKES = ("--generator=fake", "--critic=fake", "--rounds=1")

DOORS = {
    "generator.use": '[generator]\nuse = "mark:Generator.create"\n',
    "critic.use": '[critic]\nuse = "mark:Critic.create"\n',
    "judge.use": '[judge]\nuse = "mark:Judge"\n',
    "intent.use": '[intent]\nuse = "mark:Check"\n',
    "rewriter.use": '[rewriter]\nuse = ["rules", "mark:Rewriter"]\n',
    "loop.stop_rules": '[loop]\nstop_rules = ["mark:Never"]\n',
    "loop.acceptance": '[loop]\nacceptance = "mark:Accept"\n',
    "generator.inner.use": '[generator]\ninner = {use = "mark:Generator"}\n',
    "critic.members[0].use": '[critic]\nmembers = [{use = "mark:Critic"}]\n',
    "critic.rewards": '[critic]\nrewards = {"mark:Critic" = 0.5}\n',
}
"""Every place of a settings file where a part is named, or where a part of others may name one."""
COMMANDS = {
    "run": ("a cat",),
    "dry run": ("a cat", "--dry-run"),
    "doctor": ("doctor",),
    "config show": ("config", "show"),
    "studio": ("studio", "--port=0"),
    "bench": ("bench", "sketch", "--limit=1"),
    "preference": ("bench", "preference", "mmrb2", "--data=.", "--out=there"),
}


@pytest.fixture
def here(commands: Commands) -> Commands:
    """A folder with a module that leaves a trace."""
    (commands.folder / "mark.py").write_text(MODULE)
    return commands


def own(here: Commands) -> Path:
    """The user's own settings file."""
    path = Path(here.environment["HOME"], ".rr-refine", "settings.toml")
    path.parent.mkdir(mode=0o755, exist_ok=True)
    return path


def imported(here: Commands) -> bool:
    return (here.folder / "imported").exists()


def require_refused(here: Commands, ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended.stderr
    assert ended.stdout == ""
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    for word in (*words, "--trust"):
        assert word in line
    assert not imported(here)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("key", DOORS)
def test_a_projects_file_names_no_code(here: Commands, key: str, command: str) -> None:
    (here.folder / "rr-refine.toml").write_text(DOORS[key])
    require_refused(here, here.run(*COMMANDS[command]), key, "'mark:", "rr-refine.toml")
    assert sorted(p.name for p in here.folder.iterdir()) == ["mark.py", "rr-refine.toml"]


@pytest.mark.parametrize("address", ["evil.example:6379", "auto"])
def test_nor_the_machines_that_run_it(here: Commands, address: str) -> None:
    """Whoever runs a Ray cluster runs code on the machines that join it."""
    here.environment["RR_REFINE_GENERATOR__USE"] = "rr_refine.generators.ray:create"
    (here.folder / "rr-refine.toml").write_text(f'[generator]\naddress = "{address}"\n')
    require_refused(here, here.run("config", "show"), f"generator.address = '{address}'")
    here.environment["RR_REFINE_GENERATOR__ADDRESS"] = address
    assert here.run("config", "show").code == 0


def test_the_address_of_an_endpoint_is_no_cluster(here: Commands) -> None:
    (here.folder / "rr-refine.toml").write_text('[critic]\naddress = "http://a.example/v1"\n')
    assert here.run("config", "show").code == 0


@pytest.mark.parametrize("key", DOORS)
def test_nor_does_a_file_of_config(here: Commands, key: str) -> None:
    (here.folder / "other.toml").write_text(DOORS[key])
    ended = here.run("a cat", "--dry-run", "--config=other.toml")
    require_refused(here, ended, key, "'mark:", "other.toml")


def test_it_is_written_in_another_way(here: Commands) -> None:
    """JSON, a quoted key, a list, an attribute of an attribute."""
    for name, text in (
        ("a.json", '{"generator": {"use": "os:system", "command": "id > pwned"}}'),
        ("b.json", '{"settings": {"generator.use": "os:system"}}'),
        ("c.toml", '"generator.use" = "os:system"\n'),
        ("d.toml", 'generator.use = ["os:system"]\n'),
        ("e.toml", 'critic.use = "rr_refine.reward:fake.os.system"\n'),
    ):
        (here.folder / name).write_text(text)
        require_refused(here, here.run("a cat", "--config", name), name)
    assert not (here.folder / "pwned").exists()


@pytest.mark.parametrize("layer", ["flag", "environment", "own"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("generator.use", "mark:Generator.create"),
        ("critic.use", "mark:Critic.create"),
        ("loop.stop_rules", "mark:Never"),
    ],
)
def test_the_user_may(here: Commands, layer: str, key: str, value: str) -> None:
    arguments: tuple[str, ...] = ()
    (here.folder / "lib").mkdir()
    match layer:
        case "flag":
            arguments = (f"--set={key}={value}",)
        case "environment":
            here.environment["RR_REFINE_" + key.upper().replace(".", "__")] = value
        case _:
            section, name = key.split(".")
            own(here).write_text(f'[{section}]\n{name} = "{value}"\n')
            here.environment["PYTHONPATH"] = str(here.folder)
    more = () if key == "generator.use" else ("--generator=fake",)
    ended = here.run("a cat", "--dry-run", *arguments, *more)
    if layer != "flag":  # it is not looked for in whatever folder one is in
        assert (ended.code, imported(here)) == (2, False)
        assert "'mark' is not installed" in ended.stderr
        return
    assert (ended.code, imported(here)) == (0, True), ended.stderr


def test_a_file_that_says_what_the_user_says_is_not_refused(here: Commands) -> None:
    installed = "rr_refine.generators.fake:create"
    (here.folder / "rr-refine.toml").write_text(f'[generator]\nuse = "{installed}"\n')
    here.environment["RR_REFINE_GENERATOR__USE"] = installed
    assert here.run("a cat", "--dry-run").code == 0
    del here.environment["RR_REFINE_GENERATOR__USE"]
    assert here.run("a cat", "--dry-run", "--generator=fake").code == 0
    assert here.run("a cat", "--dry-run").code == 2


def test_trust_is_remembered_until_the_file_changes(here: Commands) -> None:
    file = here.folder / "rr-refine.toml"
    file.write_text(DOORS["generator.use"])
    first = here.run("a cat", "--dry-run", "--trust")
    assert first.code == 0, first.stderr
    assert f"note: {file} is trusted until it changes" in first.stderr
    state = Path(here.environment["HOME"], ".rr-refine", "state")
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "trusted.json").stat().st_mode & 0o777 == 0o600
    assert here.run("a cat", "--dry-run").code == 0
    shutil.copy(file, here.folder / "copy.toml")  # the same contents elsewhere are another file
    assert not imported(here)  # a dry run only says that it would be
    require_refused(here, here.run("a cat", "--dry-run", "--config=copy.toml"), "copy.toml")
    file.write_text(file.read_text() + "width = 48\n")
    require_refused(here, here.run("a cat", "--dry-run"), "has changed since you trusted it")


def test_trust_is_for_one_file(here: Commands) -> None:
    (here.folder / "rr-refine.toml").write_text(DOORS["generator.use"])
    (here.folder / "mine.toml").write_text(DOORS["critic.use"])
    both = here.run("a cat", "--dry-run", "--config=mine.toml", "--trust")
    require_refused(here, both, "rr-refine.toml would need it")
    assert here.run("config", "show", "--trust").code == 0
    assert here.run("a cat", "--dry-run", "--config=mine.toml", "--trust").code == 0


def test_nor_for_one_that_nobody_named(here: Commands) -> None:
    """A project's file, which may have come since, where a file of --config needs no trust."""
    (here.folder / "rr-refine.toml").write_text(DOORS["generator.use"])
    (here.folder / "mine.toml").write_text("seed = 3\n")
    ended = here.run("a cat", "--config=mine.toml", "--trust")
    require_refused(here, ended, "rr-refine.toml would need it")
    require_refused(here, here.run("a cat"), "rr-refine.toml")


@pytest.mark.parametrize("address", ["http:/\\t/127.0.0.1:9/v1", "//127.0.0.1:9/v1", "127.0.0.1:9"])
def test_no_key_goes_to_an_address_in_a_nested_option(here: Commands, address: str) -> None:
    (here.folder / "rr-refine.toml").write_text(
        f'[critic]\nuse = "weighted"\nrewards = [{{use = "openai", base_url = "{address}"}}]\n'
    )
    here.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    require_refused(here, here.run("a cat", "--generator=fake"), "critic.api_key", "is not sent to")


@pytest.mark.parametrize("mode", [0o666, 0o660])
def test_what_others_may_write_is_not_the_users_word(here: Commands, mode: int) -> None:
    own(here).write_text("seed = 7\n")
    assert "seed" in here.run("config", "show").stdout
    own(here).chmod(mode)
    ended = here.run("config", "show")
    assert (ended.code, ended.stdout) == (2, "")
    assert "can be written by others" in ended.stderr


def test_a_workflow_of_ones_own_is_beside_ones_own_file(here: Commands) -> None:
    """Not in the folder that one is in, which may be somebody else's project."""
    own(here).write_text('[generator]\nuse = "comfyui"\nworkflow = "mine.json"\n')
    (here.folder / "mine.json").write_text("{}")
    ended = here.run("a cat", "--critic=fake", "--dry-run")
    assert ended.code == 2
    assert str(own(here).with_name("mine.json")) in ended.stderr


@pytest.mark.parametrize("name", ["mine.json", "./mine.json", "../mine.json"])
def test_nor_is_that_of_an_exported_variable(here: Commands, name: str) -> None:
    """It holds in every folder, and any may have a workflow of that name."""
    (here.folder / "mine.json").write_text("{}")
    here.environment["RR_REFINE_GENERATOR__WORKFLOW"] = name
    for command in (("a cat", "--generator=comfyui", "--critic=fake"), ("doctor",)):
        ended = here.run(*command)
        assert (ended.code, ended.stdout) == (2, "")
        assert "RR_REFINE_GENERATOR__WORKFLOW" in ended.stderr and "whole path" in ended.stderr
    (own(here).parent / "mine.json").write_text("{}")
    for whole in (str(here.folder / "mine.json"), "~/.rr-refine/mine.json"):
        here.environment["RR_REFINE_GENERATOR__WORKFLOW"] = whole
        ended = here.run("a cat", "--generator=comfyui", "--critic=fake", "--dry-run")
        assert "whole path" not in ended.stderr and "mine.json" in ended.stdout + ended.stderr


def test_a_link_leads_to_where_only_the_user_writes(here: Commands) -> None:
    shared = here.folder / "shared"
    shared.mkdir()
    (shared / "settings.toml").write_text("seed = 7\n")
    own(here).unlink(missing_ok=True)
    own(here).symlink_to(shared / "settings.toml")
    assert "7" in here.run("config", "show").stdout  # as people keep such files elsewhere
    shared.chmod(0o777)
    ended = here.run("config", "show")
    assert (ended.code, ended.stdout) == (2, "")
    assert "can be written by others" in ended.stderr


def test_the_users_file_is_below_the_projects(here: Commands) -> None:
    own(here).write_text("seed = 7\n[loop]\nmargin = 0.5\n")
    (here.folder / "rr-refine.toml").write_text("seed = 8\n")
    table = here.run("config", "show").stdout
    assert "8  (rr-refine.toml)" in table
    assert f"0.5  ({own(here)})" in table


def recorded(here: Commands, *arguments: str) -> Path:
    """A run that was interrupted before its end."""
    ended = here.run("a cat", *FAKES, "--set=generator.width=48", "--out=runs", *arguments)
    assert ended.code == 0, ended.stderr
    run = only_run(here.folder / "runs")
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    return run


def change(run: Path, section: str, **values: object) -> None:
    config = json.loads((run / "config.json").read_text())
    config[section] |= values
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("settings", "generator.use", "mark:Generator.create"),
        ("settings", "critic.use", "mark:Critic.create"),
        ("settings", "intent.use", "mark:Check"),
        ("policy", "stop_rules", ["mark:Never"]),
        ("policy", "acceptance", "mark:Accept"),
        ("policy", "rewriters", ["rules", "mark:Rewriter"]),
    ],
)
def test_a_run_folder_names_no_code(
    here: Commands, section: str, key: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded(here)
    change(run, section, **{key: value})
    require_refused(here, here.run("resume", str(run)), key, "'mark:", "config.json")
    with pytest.raises(ConfigError, match=rf"{section}.{key} = 'mark:.*trust=True"):
        load_run(run)
    assert load_run(run, trust=True).path == run
    if section == "settings":
        ended = here.run("a dog", "--config", str(run / "config.json"))
        require_refused(here, ended, key, "config.json")


def test_a_run_with_parts_of_ones_own_goes_on_with_trust(here: Commands) -> None:
    run = recorded(here, "--set=loop.stop_rules=mark:Never")
    (here.folder / "imported").unlink()
    require_refused(here, here.run("resume", str(run)), "'mark:Never'")
    ended = here.run("resume", str(run), "--trust")
    assert ended.code == 0, ended.stderr
    assert imported(here)


KEYED = {
    "generator": ("generator", "images-api", "generator.api_key"),
    "critic": ("critic", "openai", "critic.api_key"),
    "rewriter": ("rewriter.llm", None, "rewriter.llm.api_key"),
}


@pytest.mark.parametrize("part", KEYED)
@pytest.mark.parametrize("where", ["rr-refine.toml", "other.toml"])
@pytest.mark.parametrize("source", ["environment", "own", "flag"])
def test_a_key_goes_where_its_owner_says(
    here: Commands, part: str, where: str, source: str
) -> None:
    section, use, key = KEYED[part]
    head = '[rewriter]\nuse = "llm"\n' if use is None else ""
    body = f'{head}[{section}]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    if use is not None:
        body += f'use = "{use}"\n'
    (here.folder / where).write_text(body)
    arguments = ["a cat", "--dry-run", *(["--config", where] if where == "other.toml" else [])]
    if part != "generator":
        arguments += ["--generator=fake"]
    if part == "rewriter":
        arguments += ["--critic=fake"]
    assert here.run(*arguments).code == 0  # without a key, it is only an address
    variable = "RR_REFINE_" + key.upper().replace(".", "__")
    more: list[str] = []
    match source:
        case "environment":
            here.environment[variable] = KEY
        case "own":
            own(here).write_text(
                f'{"" if use is None else f"{section}.use = {use!r}"}\n{key} = "{KEY}"\n'
            )
        case _:
            more = [f"--set={key}={KEY}"]
    refused = here.run(*arguments, *more)
    require_refused(here, refused, key, "http://127.0.0.1:9/v1", where)
    assert KEY not in refused.stderr
    url = f"{section}.base_url=http://127.0.0.1:9/v1"
    assert here.run(*arguments, *more, f"--set={url}").code == 0
    assert here.run(*arguments, *more, "--trust").code == 0
    assert here.run(*arguments, *more).code == 0  # remembered
    (here.folder / where).write_text(f"{body}\n# changed\n")
    require_refused(here, here.run(*arguments, *more), key)


def test_a_key_is_refused_before_any_part_is_made(here: Commands) -> None:
    body = 'use = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    (here.folder / "rr-refine.toml").write_text(f"[critic]\n{body}")
    here.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    arguments = ("a cat", "--set=generator.use=mark:Generator.create")
    require_refused(here, here.run(*arguments), "critic.api_key")
    assert here.run(*arguments, "--dry-run", "--trust").code == 0
    assert imported(here)


@pytest.mark.parametrize("where", ["rr-refine.toml", "flag", "this machine"])
def test_where_pictures_go_is_said_where_a_file_says_it(here: Commands, where: str) -> None:
    host = "127.0.0.1:9" if where == "this machine" else "pictures.invalid"
    url = f"http://{host}/v1"
    settings = {"critic.use": "openai", "critic.model": "m", "critic.base_url": url}
    flags = [f"--set={key}={value}" for key, value in settings.items()]
    if where != "flag":
        lines = [f'{key} = "{value}"\n' for key, value in settings.items()]
        (here.folder / "rr-refine.toml").write_text("".join(lines))
        flags = []
    said = here.run("a cat", "--generator=fake", "--set=critic.timeout=1", *flags).stderr
    note = f"note: prompts and pictures may go to {url}: rr-refine.toml says so in critic.base_url"
    assert (note in said.splitlines()) == (where == "rr-refine.toml"), said


def test_a_benchmark_says_it_as_well(here: Commands) -> None:
    url = "http://pictures.invalid/v1"
    (here.folder / "rr-refine.toml").write_text(
        f'[critic]\nuse = "openai"\nmodel = "m"\nbase_url = "{url}"\n'
    )
    (here.folder / "data").mkdir()
    command = ("bench", "preference", "hpdv3", "--data", "data", "--out", "out")
    said = here.run(*command).stderr
    assert f"may go to {url}: rr-refine.toml says so in critic.base_url" in said


@pytest.mark.parametrize("file", [True, False], ids=["file", "flags"])
@pytest.mark.parametrize(("part", "use"), [("generator", "images-api"), ("critic", "openai")])
def test_a_benchmark_of_the_loop_says_it_of_each_part(
    here: Commands, part: str, use: str, file: bool
) -> None:
    url = "http://pictures.invalid/v1"
    given = {"use": use, "model": "m", "base_url": url}
    given = {f"{part}.{key}": value for key, value in given.items()}
    text = "".join(f'{key} = "{value}"\n' for key, value in given.items())
    flags = [] if file else [f"--set={key}={value}" for key, value in given.items()]
    (here.folder / "rr-refine.toml").write_text(text if file else "")
    (here.folder / "test_prompts_en.csv").write_text(
        'index,prompt_en,sub_dims_en\n0,A hat,"{""Testpoints"": [""Style""], '
        '""Testpoint Description"": [""plain""]}"\n'
    )
    others = {"generator": "fake", "critic": "fake"}
    flags += [f"--{name}={fake}" for name, fake in others.items() if name != part]
    command = ("bench", "unigenbench", "--data=.", "--arm=one-shot", "--out=out", *flags)
    said = here.run(*command).stderr
    note = f"may go to {url}: rr-refine.toml says so in {part}.base_url"
    assert (note in said) == file, said


def test_a_files_own_key_goes_to_its_own_address(here: Commands) -> None:
    body = f'use = "openai"\nmodel = "m"\napi_key = "{KEY}"\n'
    (here.folder / "rr-refine.toml").write_text(
        f'[critic]\n{body}base_url = "http://127.0.0.1:9/v1"\n'
    )
    flags = ("a cat", "--dry-run", "--generator=fake")
    assert here.run(*flags).code == 0
    # The key of the user's --config does not go where the folder's file says.
    (here.folder / "mine.toml").write_text(f"[critic]\n{body}")
    require_refused(here, here.run(*flags, "--config=mine.toml"), "critic.api_key")


def test_a_run_folder_takes_no_key(here: Commands) -> None:
    run = recorded(here)
    change(run, "settings", **{"critic.use": "openai", "critic.base_url": "http://127.0.0.1:9/v1"})
    here.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    require_refused(here, here.run("resume", str(run)), "critic.api_key", "127.0.0.1:9")
    here.environment["RR_REFINE_CRITIC__BASE_URL"] = "http://127.0.0.1:9/v1"
    assert "is not sent" not in here.run("resume", str(run)).stderr  # the user says the same


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[studio]\ntoken = "known-to-somebody-else"\n', "studio.token"),
        ("private = false\n", "private"),
        ('out = "/tmp/elsewhere"\n', "out"),
        ('out = "../elsewhere"\n', "out"),
        ('out = "link/elsewhere"\n', "out"),
        ("max_megapixels = 101\n", "max_megapixels"),
        ("max_megapixels = 1e9\n", "max_megapixels"),
        ('[generator]\nuse = "fake"\nlog = "/tmp/elsewhere"\n', "generator.log"),
        ('[generator]\nuse = "fake"\nlog = ".bashrc"\n', "generator.log"),
        ('[critic]\nuse = "fake"\nlog = "../elsewhere"\n', "critic.log"),
        ('[critic]\nuse = "fake"\nlog = ".venv/bin/activate"\n', "critic.log"),
        (
            '[critic]\nuse = "weighted"\nrewards = [{use = "fake", log = "/tmp/elsewhere"}]\n',
            "critic.rewards[0].log",
        ),
        ('[generator]\nuse = "ray"\noptions = {log = "/tmp/x"}\n', "generator.options.log"),
    ],
)
def test_what_else_a_projects_file_may_not_set(here: Commands, text: str, key: str) -> None:
    (here.folder / "link").symlink_to("/tmp")
    (here.folder / "rr-refine.toml").write_text(text)
    require_refused(here, here.run("config", "show"), f"{key} = ", "rr-refine.toml")
    assert "known-to" not in here.run("config", "show").stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5000, "cannot be read"),
        ("#" * 1_000_001, "is larger than 1,000,000 bytes"),
        ("\0", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read(here: Commands, text: str, words: str) -> None:
    (here.folder / "rr-refine.toml").write_text(text)
    ended = here.run("config", "show")
    assert (ended.code, ended.stderr.count("\n")) == (2, 1)
    assert words in ended.stderr


GROUPS: list[Group] = [
    *("generators", "critics", "rewriters", "intent_checks", "stop_rules"),
    *("acceptance", "judges", "teachers", "templates", "families"),
]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "path",
    ["os:getcwd", "os:system", "subprocess:run", "subprocess:Popen", "venv:create", "pathlib:Path"],
)
def test_what_is_no_part_is_never_called(
    group: Group, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = path.split(":")
    if not path[path.index(":") + 1].isupper():

        def called(*_: object, **__: object) -> None:
            raise AssertionError("it was called")

        called.__module__ = module
        monkeypatch.setattr(f"{module}.{name}", called)
    with pytest.raises(ConfigError, match=f"^'{path}' is no "):
        create(group, path, {})


def test_parrots_file_names_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PARROT_API_KEY", KEY)
    file = tmp_path / "parrot.toml"

    def told(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["parrot", "run", str(tmp_path / "data"), f"--config={file}", *arguments])
        return ended.value.code, capsys.readouterr().err

    file.write_text('[teacher]\nuse = "mark:create"\n')
    code, words = told()
    assert code == 2
    assert "teacher.use = 'mark:create'" in words
    assert "--trust" in words
    code, words = told("--trust")
    assert "No module named 'mark'" in words
    file.write_text('[teacher]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n')
    code, words = told()
    assert code == 2
    assert "PARROT_API_KEY from the environment is not sent to 'http://127.0.0.1:9/v1'" in words
    assert "is not sent" not in told("--teacher-url=http://127.0.0.1:9/v1")[1]


def test_every_installed_part_needs_no_trust(here: Commands) -> None:
    (here.folder / "rr-refine.toml").write_text('[generator]\nuse = "fake"\n[critic]\nuse = "fake"')
    assert here.run("a cat", "--dry-run").code == 0
    assert "fake" in available("generators")


def test_a_file_may_lower_a_bound_or_keep_to_the_users(here: Commands) -> None:
    file = here.folder / "rr-refine.toml"
    file.write_text("max_megapixels = 50\n")
    assert "50  (rr-refine.toml)" in here.run("config", "show").stdout
    file.write_text("max_megapixels = 150\n")
    assert here.run("config", "show").code == 2
    own(here).write_text("max_megapixels = 200\n")
    assert "150  (rr-refine.toml)" in here.run("config", "show").stdout
    here.environment["RR_REFINE_MAX_MEGAPIXELS"] = "300"
    assert "300  (RR_REFINE_MAX_MEGAPIXELS)" in here.run("config", "show").stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_megapixels", 1000), ("generator.log", ".bashrc"), ("critic.log", "log")],
)
def test_nor_does_a_run_folder(here: Commands, key: str, value: object) -> None:
    run = recorded(here)
    change(run, "settings", **{key: value})
    require_refused(here, here.run("resume", str(run)), key, "config.json")
    if key == "max_megapixels":
        here.environment["RR_REFINE_MAX_MEGAPIXELS"] = "1000"
        assert here.run("resume", str(run)).code == 0


def test_a_dry_run_makes_nothing_that_a_trusted_file_names(here: Commands) -> None:
    trap = "def create():\n    open('made', 'w')\n    return Never()\n"
    (here.folder / "mark.py").write_text(MODULE + trap)
    (here.folder / "rr-refine.toml").write_text('[loop]\nstop_rules = ["mark:create"]\n')
    for _ in range(2):
        ended = here.run("a cat", *FAKES, "--dry-run", "--trust")
        assert ended.code == 0, ended.stderr
        assert "loop.stop_rules" in ended.stdout
        assert "not checked" in ended.stderr and "'mark:create'" in ended.stderr
        assert not imported(here) and not (here.folder / "made").exists()
    assert here.run("a cat", *FAKES).code == 0
    assert (here.folder / "made").exists()


def test_doctor_makes_nothing_where_a_key_would_go_astray(here: Commands) -> None:
    body = 'use = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    (here.folder / "rr-refine.toml").write_text(f"[critic]\n{body}")
    here.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    arguments = ("doctor", "--set=generator.use=mark:Generator.create")
    require_refused(here, here.run(*arguments), "critic.api_key")
    require_refused(here, here.run(*arguments, "--set=loop.patience=-1"), "critic.api_key")
