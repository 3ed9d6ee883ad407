"""The jobs of a studio: the settings of the command line, and what the page's form says."""

from __future__ import annotations

from copy import deepcopy

from pydantic import JsonValue

from rr_refine.agent.run import Run
from rr_refine.agent.session import Job
from rr_refine.cli.job import (
    job_again,
    job_from,
    make_critic,
    make_generator,
    make_intent_check,
    make_rewriters,
    policy_from,
)
from rr_refine.cli.settings import Settings
from rr_refine.errors import ConfigError
from rr_refine.studio.form import RunForm
from rr_refine.studio.uploads import read_upload

__all__ = ["SettingsJobMaker"]


class SettingsJobMaker:
    """Makes every job around one generator and one critic; see `studio.form.JobMaker`.

    Raises:
        ConfigError: a setting that is wrong, unknown, or without effect.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.generator = make_generator(settings)
        self.critic = make_critic(settings)
        self.defaults = RunForm(
            prompt="",
            preset=settings.text("preset"),
            seed=settings.number("seed"),
            keep=tuple(settings.texts("keep")),
            avoid=tuple(settings.texts("avoid")),
        )
        # What is wrong with the rest is said now, not to the first visitor.
        make_rewriters(settings, policy_from(settings), self.generator, self.critic)
        make_intent_check(settings, self.generator, self.critic)

    def new(self, form: RunForm) -> Job:
        """The job of a new run."""
        settings = deepcopy(self._settings)
        fields: dict[str, JsonValue] = {
            "preset": form.preset,
            "seed": form.seed,
            "keep": list(form.keep),
            "avoid": list(form.avoid),
            "loop.review": form.review,
        }
        settings.apply(fields, "the page")
        image = None if form.picture is None else read_upload(form.picture)
        return job_from(settings, form.prompt, image, generator=self.generator, critic=self.critic)

    def again(self, run: Run) -> Job:
        """The job of an unfinished run, as it was made."""
        job = job_again(run, generator=self.generator, critic=self.critic)
        for part in ("generator", "critic"):
            mine = getattr(self, part).identity.model_dump(mode="json")
            if run.config.get(part) != mine:
                raise ConfigError(
                    f"this run was made with another {part} than the one of this studio; go on "
                    f"with it by rr-refine resume {run.path}"
                )
        return job
