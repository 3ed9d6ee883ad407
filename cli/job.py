"""From settings to a job: the components are made, the policy is set."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rr_refine.agent.components import (
    COMPANIONS,
    as_critic,
    as_evidence,
    as_generator,
    as_intent_check,
    as_rewriter,
    companion_check,
    make_chain,
)
from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.job import Job
from rr_refine.agent.lineage import Lineage
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.refine import make_job
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.agent.run import Run
from rr_refine.cli.layers import COMMAND_LINE, ENVIRONMENT_PREFIX, own_settings
from rr_refine.cli.settings import Settings, read_settings
from rr_refine.cli.text import tell
from rr_refine.cli.trust import NotTrustedError
from rr_refine.component import shared_companions
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator
from rr_refine.named import folder_here, require_path
from rr_refine.plain_text import dollars_set
from rr_refine.plugins import Group, create, imported
from rr_refine.redaction import is_secret
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence

if TYPE_CHECKING:
    from PIL import Image
    from pydantic import JsonValue

__all__ = [
    "import_rules",
    "job_again",
    "job_from",
    "make_component",
    "make_critic",
    "make_evidence",
    "make_generator",
    "make_intent_check",
    "make_rewriters",
    "named_component",
    "needs_trust",
    "out_folder",
    "policy_from",
    "require_own_keys",
]


def job_from(
    settings: Settings,
    prompt: str,
    images: Sequence[Image.Image | Path],
    *,
    generator: Generator | None = None,
    critic: Critic | None = None,
    policy: Policy | None = None,
    parameters: Mapping[str, JsonValue] | None = None,
    first_prompt: str | None = None,
    lineage: Lineage | None = None,
    repeats: bool = False,
) -> Job:
    """The job that the settings describe.

    Args:
        generator: made already, in place of the one that the settings name.
        critic: likewise.
        parameters: of the request, in place of those in the settings.
        first_prompt: see `JobOptions`, as for `lineage` and `repeats`.
        policy: in place of the one that the settings describe: defaults may have changed since.

    Raises:
        ConfigError: a setting that is wrong, unknown, or without effect.
    """
    described = policy_from(settings)  # what is wrong in the settings is said in any case
    policy = policy or described
    require_own_keys(settings, policy)
    import_rules(settings, policy)
    generator = generator or make_generator(settings)
    critic = critic or make_critic(settings)
    return make_job(
        prompt,
        image=images,
        generator=generator,
        critic=critic,
        rewriters=make_rewriters(settings, policy, generator, critic),
        intent_check=make_intent_check(settings, generator, critic),
        evidence=make_evidence(settings),
        policy=policy,
        seed=settings.number("seed"),
        keep=settings.texts("keep"),
        avoid=settings.texts("avoid"),
        parameters=settings.section("parameters") if parameters is None else dict(parameters),
        settings=settings.public(),
        first_prompt=first_prompt,
        lineage=lineage,
        repeats=repeats,
    )


def job_again(run: Run, *, trusted: bool = False) -> Job:
    """The job of a recorded run, as it was made; see `job_from`.

    Args:
        trusted: whether the user said `--trust`.

    Raises:
        ConfigError: it was made by a program, or names code and is not trusted.
        StoreError: its source picture cannot be read.
    """
    if not run.config.get("settings"):
        raise ConfigError(
            f"run {str(run.path)!r} was made by a program, with components of its own; "
            "only that program can resume it (the same call of arefine() does)"
        )
    config = run.path / "config.json"
    settings = read_settings(config, {}, resume=run.config, trusted=trusted)
    usd, most = own_settings().get("budget.usd"), run.policy.budget.usd
    if usd is not None and usd != most:
        limit = "without a limit of money"
        if most is not None:
            limit = f"with its own limit, {dollars_set(most)}"
        tell(f"note: budget.usd = {usd} of your settings has no effect: the run goes on {limit}")
    request = run.request
    return job_from(
        settings,
        request.prompt,
        run.sources(),
        policy=run.policy,
        parameters=request.parameters,
        first_prompt=request.first_prompt,
        repeats=True,
    )


def needs_trust(run: Run) -> bool:
    """Whether the run goes on only if the user says `--trust`."""
    try:
        settings = read_settings(run.path / "config.json", {}, resume=run.config)
        require_own_keys(settings, run.policy)
    except NotTrustedError:
        return True
    except ConfigError:  # which `--trust` does not change
        pass
    return False


def require_own_keys(settings: Settings, policy: Policy) -> None:
    """Before any part is made: no key goes where a less trusted file says.

    Raises:
        ConfigError: one would.
    """
    for section in ("generator", "critic"):
        named_component(settings, section)
    evidence = () if settings.values["evidence.use"] is None else settings.texts("evidence.use")
    named = (f"rewriter.{name}" for name in policy.rewriters)
    for section in ("intent", *named, *(f"evidence.{name}" for name in evidence)):
        settings.require_own_keys(f"{section}.")


def policy_from(settings: Settings) -> Policy:
    """The preset with what `[loop]`, `[budget]` and `rewriter.use` change.

    Raises:
        ConfigError: see `preset`.
    """
    changes = settings.section("loop")
    if settings.values["rewriter.use"] is not None:
        changes["rewriters"] = list(settings.texts("rewriter.use"))
    return preset(settings.text("preset"), budget=settings.section("budget"), **changes)


def out_folder(settings: Settings) -> Path:
    """The folder that holds runs; only the command line may name one that is a link elsewhere.

    Raises:
        ConfigError: another source does, or it is no text.
    """
    out = settings.text("out")
    return (require_path if settings.sources["out"] == COMMAND_LINE else folder_here)(out)


def import_rules(settings: Settings, policy: Policy) -> None:
    """Import the policy's own rules that lie in the folder that you are in.

    Raises:
        ConfigError: one cannot be imported.
    """
    for key, names in (("stop_rules", policy.stop_rules), ("acceptance", (policy.acceptance,))):
        for name in names:
            _import_module_here(settings, f"loop.{key}", name)


def make_generator(settings: Settings) -> Generator:
    """The generator of `[generator]`.

    Raises:
        ConfigError: it is unknown, or does not take these options.
    """
    return as_generator(make_component(settings, "generators", "generator"))


def make_critic(settings: Settings) -> Critic:
    """The critic of `[critic]`.

    Raises:
        ConfigError: it is unknown, or does not take these options.
    """
    return as_critic(make_component(settings, "critics", "critic"))


def make_rewriters(
    settings: Settings, policy: Policy, generator: Generator, critic: Critic, *beside: Policy
) -> tuple[Rewriter, ...]:
    """The policy's rewriters with the options of `[rewriter.<name>]`.

    Args:
        generator: may bring rewriters along, together with the critic.
        beside: other policies at work; an option has an effect if any of them has its rewriter.

    Raises:
        ConfigError: one is unknown, does not take its options, or is not in use.
    """
    options = settings.section("rewriter")

    def make(name: str) -> Rewriter:
        settings.require_own_keys(f"rewriter.{name}.")
        _import_module_here(settings, "rewriter.use", name)
        mine = {k.partition(".")[2]: v for k, v in options.items() if k.startswith(f"{name}.")}
        return as_rewriter(create("rewriters", name, mine))

    made = make_chain(policy.rewriters, generator, critic, make)
    names = dict.fromkeys(name for known in (policy, *beside) for name in known.rewriters)
    if COMPANIONS in names:
        names |= dict.fromkeys(shared_companions(generator, critic).rewriters)
    unused = sorted(k for k in options if not k.startswith(tuple(f"{name}." for name in names)))
    if unused:
        raise ConfigError(
            f"rewriter.{unused[0]} has no effect: the rewriters are {', '.join(names)}; "
            "name it in rewriter.use"
        )
    return made


def make_intent_check(
    settings: Settings, generator: Generator, critic: Critic
) -> IntentCheck | None:
    """The check of `[intent]`; by default what generator and critic bring along, which may be None.

    Raises:
        ConfigError: it is unknown, or does not take these options.
    """
    if settings.values["intent.use"] is not None:
        return as_intent_check(make_component(settings, "intent_checks", "intent"))
    if options := settings.section("intent"):
        raise ConfigError(f"intent.{min(options)} has no effect: name the check in intent.use")
    return companion_check(generator, critic)


def make_evidence(settings: Settings) -> tuple[Evidence, ...]:
    """What measures the pictures, by `evidence.use`, with the options of `[evidence.<name>]`.

    Raises:
        ConfigError: one is unknown, does not take its options, or is not in use.
    """
    given = settings.values["evidence.use"]
    names = () if given is None else settings.texts("evidence.use")
    options, made = settings.section("evidence"), []
    for name in names:
        settings.require_own_keys(f"evidence.{name}.")
        _import_module_here(settings, "evidence.use", name)
        mine = {
            k.removeprefix(f"{name}."): options.pop(k)
            for k in list(options)
            if k.startswith(f"{name}.")
        }
        made.append(as_evidence(create("evidence", name, mine)))
    if options:
        raise ConfigError(f"evidence.{min(options)} has no effect: name it in evidence.use")
    return tuple(made)


def make_component(settings: Settings, group: Group, section: str) -> object:
    """What a section names, with its options.

    Raises:
        ConfigError: it is unknown, or does not take these options.
    """
    name, options = named_component(settings, section)
    _import_module_here(settings, f"{section}.use", name)
    return create(group, name, options)


def named_component(settings: Settings, section: str) -> tuple[str, dict[str, JsonValue]]:
    """The name that a section gives, and its options.

    Raises:
        ConfigError: a secret would go where a less trusted file says.
    """
    name = settings.text(f"{section}.use")
    options = settings.section(section)
    unused: list[str] = []
    if name == "fake" or settings.sources.get(f"{section}.use") == "default":
        # An exported key is meant for the component that will be named, not for a stand-in.
        sources = {key: settings.sources[f"{section}.{key}"] for key in options if is_secret(key)}
        unused = [key for key, source in sources.items() if source.startswith(ENVIRONMENT_PREFIX)]
    settings.require_own_keys(f"{section}.", [f"{section}.{key}" for key in unused])
    return name, {key: value for key, value in options.items() if key not in unused}


def _import_module_here(settings: Settings, key: str, name: str) -> None:
    """Your own module beside your prompt can be named by a flag, and by a trusted file. It takes
    the place of no installed one. What holds in every folder, such as your own settings file and
    the environment, is not looked for in whatever folder you are in.

    The folder is looked in for this one import: no other file there is taken later for a package
    that is not installed.
    """
    module, dotted, _ = name.partition(":")
    folder = settings.folders.get(settings.sources.get(key, ""))
    here = str(folder or Path.cwd())
    if not dotted or here in sys.path:
        return
    top = module.partition(".")[0]
    if top in sys.modules or not (Path(here, top).is_dir() or Path(here, f"{top}.py").is_file()):
        return
    if find_spec(top) is None:
        if folder is None:
            raise ConfigError(
                f"{key} = {name!r} from {settings.sources.get(key, 'a record')}: {module!r} is not "
                "installed; to take the one in this folder, name it by a flag"
            )
        sys.path.append(here)
        try:
            imported(f"the module {module!r}", partial(import_module, module))
        finally:
            sys.path.remove(here)
