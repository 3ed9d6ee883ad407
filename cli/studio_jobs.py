"""The jobs of a studio: the settings of the command line, and what the page's form says."""

from __future__ import annotations

from copy import deepcopy

from pydantic import JsonValue

from rr_refine.agent.refine import make_job
from rr_refine.agent.run import Run
from rr_refine.agent.session import Job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.job import (
    make_critic,
    make_generator,
    make_intent_check,
    make_rewriters,
    policy_from,
)
from rr_refine.cli.settings import Settings, read_settings
from rr_refine.errors import ConfigError
from rr_refine.studio.order import Order
from rr_refine.studio.uploads import read_upload

__all__ = ["SettingsJobMaker"]


class SettingsJobMaker:
    """Makes every job around one generator and one critic; see `studio.order.JobMaker`.

    Raises:
        ConfigError: a setting that is wrong, unknown, or without effect.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.generator = make_generator(settings)
        self.critic = make_critic(settings)
        self.defaults = Order(
            prompt="",
            preset=settings.text("preset"),
            seed=settings.number("seed"),
            keep=tuple(settings.texts("keep")),
            avoid=tuple(settings.texts("avoid")),
        )
        # What is wrong with the rest is told now, not to the first visitor.
        make_rewriters(settings, policy_from(settings), self.generator, self.critic)
        self.intent_check = make_intent_check(settings, self.generator, self.critic)

    def new(self, order: Order) -> Job:
        """The job of a new run."""
        settings = deepcopy(self._settings)
        said: dict[str, JsonValue] = {
            "preset": order.preset,
            "seed": order.seed,
            "keep": list(order.keep),
            "avoid": list(order.avoid),
            "loop.review": order.review,
        }
        settings.lay(said, "the page")
        policy = policy_from(settings)
        return make_job(
            order.prompt,
            image=None if order.picture is None else read_upload(order.picture),
            generator=self.generator,
            critic=self.critic,
            rewriters=make_rewriters(settings, policy, self.generator, self.critic),
            intent_check=self.intent_check,
            policy=policy,
            seed=order.seed,
            keep=order.keep,
            avoid=order.avoid,
            parameters=settings.section("parameters"),
            settings=settings.public(),
        )

    def again(self, run: Run) -> Job:
        """The job of an unfinished run, as it was made."""
        recorded = run.config.get("settings")
        if not recorded or not isinstance(recorded, dict):
            raise ConfigError(
                "this run was made by a program, with components of its own; only that program "
                "can go on with it"
            )
        for part in ("generator", "critic"):
            mine = getattr(self, part).identity.model_dump(mode="json")
            if run.config.get(part) != mine:
                raise ConfigError(
                    f"this run was made with another {part} than the one of this studio; go on "
                    f"with it by rr-refine resume {run.path}"
                )
        settings = read_settings(run.path / "config.json", {}, resume=True)
        source = None
        if run.request.source is not None:
            with RunFolder(run.path, lock=False) as folder:
                source = folder.load_image(run.request.source)
        return Job(
            request=run.request,
            policy=run.policy,
            generator=self.generator,
            critic=self.critic,
            rewriters=make_rewriters(settings, run.policy, self.generator, self.critic),
            intent_check=make_intent_check(settings, self.generator, self.critic),
            source=source,
            settings=recorded,
        )
