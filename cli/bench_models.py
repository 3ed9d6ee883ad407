"""The models of a benchmark: generator, critic and judge, from its options and settings."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from rr_refine.benchmarks.arms import Models
from rr_refine.benchmarks.judging import FakeJudge
from rr_refine.benchmarks.measure import AnyJudge
from rr_refine.cli.bench_options import BenchOptions
from rr_refine.cli.job import make_component, make_critic, make_generator, named_component
from rr_refine.cli.settings import DEFAULTS, Settings
from rr_refine.cli.text import tell
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator
from rr_refine.generators.ray import create
from rr_refine.plugins import require_protocol
from rr_refine.redaction import is_secret
from rr_refine.reward.critic import Critic
from rr_refine.reward.pool import pool

__all__ = ["critic_of", "make_judge", "make_models"]

_BATCH: Final = 16
"""Renders and judgements at once by the models in the box, unless said otherwise."""


def make_models(options: BenchOptions, settings: Settings) -> Models:
    """Generator and critic, neither of them connected.

    Raises:
        ConfigError: one is unknown, or does not take its options.
    """
    for part in ("generator", "critic"):
        if settings.values[f"{part}.use"] == "fake":
            tell(f"note: the {part} is a stand-in without a model")
        if settings.values[f"{part}.use"] == DEFAULTS[f"{part}.use"]:
            settings.values.setdefault(f"{part}.batch", _BATCH)
        named_component(settings, part)  # no key goes astray, before anything is made
    if settings.values.get("judge.use") not in (None, "none"):
        named_component(settings, "judge")
    generator = _ray(options, settings) if options.engine == "ray" else make_generator(settings)
    return Models(generator, critic_of(options, settings), settings.section("parameters"))


def make_judge(options: BenchOptions, settings: Settings) -> AnyJudge | None:
    """The judge, not connected; None where nothing is to be judged.

    Raises:
        ConfigError: it is unknown, does not take its options, or has nothing to do.
    """
    use = settings.values.get("judge.use")
    if use in (None, "none"):
        for key in settings.section("judge"):
            if not is_secret(key):
                raise ConfigError(f"judge.{key} has no effect without a judge: give --judge-url")
        if options.noise:
            raise ConfigError(f"--noise {options.noise} has no effect without a judge")
        return None
    judge = make_component(settings, "judges", "judge")
    if isinstance(judge, FakeJudge):
        tell("note: the judge is a stand-in: its marks mean nothing")
    else:
        require_protocol("judges", use, judge)
    return judge  # type: ignore[return-value]  # a protocol, checked by its method


def critic_of(options: BenchOptions, settings: Settings) -> Critic:
    """The critic, or several that share the work.

    Raises:
        ConfigError: it is unknown, or does not take its options.
    """
    urls = options.critic_url or []
    if len(urls) < 2:
        return make_critic(settings)
    critics = []
    for url in urls:
        settings.values["critic.base_url"] = url
        critics.append(make_critic(settings))
    settings.values["critic.base_url"] = list(urls)  # for the record
    return pool(critics)


def _ray(options: BenchOptions, settings: Settings) -> Generator:
    given: dict[str, JsonValue] = {
        "workers": options.workers,
        "num_gpus": options.gpus,
        "address": options.ray_address,
    }
    name, mine = named_component(settings, "generator")
    return create(
        generator=name,
        options=mine,
        **{key: value for key, value in given.items() if value is not None},
    )
