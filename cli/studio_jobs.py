"""The jobs of a studio: the settings of the command line, and what the page's form says."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from rr_refine.agent.budget import limit_in_words, within
from rr_refine.agent.follow_up import FollowUp
from rr_refine.agent.job import Job
from rr_refine.agent.options import JobOptions
from rr_refine.agent.policy import Policy, fixes, preset
from rr_refine.agent.refine import make_job
from rr_refine.agent.run import Run
from rr_refine.cli.intent import apply_intent, intents, preset_name
from rr_refine.cli.job import (
    import_rules,
    job_from,
    make_critic,
    make_evidence,
    make_generator,
    make_intent_check,
    make_rewriters,
    policy_from,
    require_own_keys,
)
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import quoted
from rr_refine.errors import ConfigError
from rr_refine.generators.sources import require_sources
from rr_refine.plain_text import dollars_set
from rr_refine.studio.form import RunForm
from rr_refine.studio.uploads import read_uploads

__all__ = ["SettingsJobMaker"]

_PARTS: Final = {
    "rewriters": "rewriter.use",
    "stop_rules": "loop.stop_rules",
    "acceptance": "loop.acceptance",
}
"""Fields of a policy that name parts, with their settings."""


class SettingsJobMaker:
    """Makes every job around one generator and one critic; see `studio.form.JobMaker`.

    Args:
        asks: whether somebody can be asked; else no job has review.

    Raises:
        ConfigError: a setting that is wrong, unknown, or without effect.
    """

    def __init__(self, settings: Settings, *, asks: bool = True) -> None:
        self._settings, self._asks = settings, asks
        policy = policy_from(settings)
        require_own_keys(settings, policy)
        import_rules(settings, policy)
        self.generator = make_generator(settings)
        self.critic = make_critic(settings)
        self.defaults = RunForm(
            prompt="",
            preset=preset_name(settings),
            seed=settings.number("seed"),
            keep=tuple(settings.texts("keep")),
            avoid=tuple(settings.texts("avoid")),
            review=policy.review,
            budget_usd=policy.budget.usd,
        )
        set_here = settings.section("budget")
        limits = policy.budget.model_dump(exclude_none=True)
        self._limits = {name: limit for name, limit in limits.items() if name in set_here}
        self.intents: Mapping[str, str] = intents()
        # What is wrong with the rest is said now, not to the first visitor.
        make_rewriters(settings, policy, self.generator, self.critic)
        make_intent_check(settings, self.generator, self.critic)
        make_evidence(settings)

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
        if form.candidates is not None:
            fields["loop.candidates"] = form.candidates
        if (usd := form.budget_usd) is not None:
            limit = self.defaults.budget_usd
            if limit is not None and usd > limit:
                raise ConfigError(
                    f"budget_usd = {usd:g}: a run may spend {dollars_set(limit)} at most, as "
                    "budget.usd was set when this was started"
                )
            fields["budget.usd"] = usd
        for name in ("width", "height", "negative_prompt"):
            if (given := getattr(form, name)) is not None:
                fields[f"parameters.{name}"] = given
        settings.apply(fields, "the page")
        apply_intent(settings)
        name = settings.text("preset")
        if fixes(name, "budget.rounds"):  # fewer than the owner's limit, which holds without it
            own, most = preset(name).budget.rounds, self._limits.get("rounds")
            if most is not None and own <= most:
                settings.values["budget.rounds"] = own
        files = [file for file in (form.picture, *form.more_pictures) if file is not None]
        require_sources(self.generator, len(files))  # before they are decoded
        images = read_uploads(files)
        return job_from(settings, form.prompt, images, generator=self.generator, critic=self.critic)

    def again(self, run: Run) -> Job:
        """The job of an unfinished run, as it was made, around the parts of this studio.

        The folder may come from anywhere: no part is made because it is named there.
        """
        recorded = run.config.get("settings")
        if not isinstance(recorded, dict) or not recorded:
            raise ConfigError(
                "this run was made by a program, with parts of its own; only that program can go "
                "on with it"
            )
        here = f"go on with it by rr-refine resume {quoted(run.path)}"
        self._require_own_parts(run, here)
        for part in ("generator", "critic"):
            mine = getattr(self, part).identity.model_dump(mode="json")
            if run.config.get(part) != mine:
                raise ConfigError(
                    f"this run was made with another {part} than the one of this studio; {here}"
                )
        budget = run.policy.budget
        lower = within(budget, self._limits)
        if name := next((n for n in self._limits if getattr(lower, n) != getattr(budget, n)), None):
            allowed = limit_in_words(name, self._limits[name])
            raise ConfigError(
                f"this run may take more than the {allowed} that budget.{name} of this studio "
                f"allows; {here}"
            )
        request = run.request
        options = JobOptions(
            image=run.sources(),
            first_prompt=request.first_prompt,
            repeats=True,
            policy=run.policy,
            seed=request.seed,
            keep=request.keep,
            avoid=request.avoid,
            parameters=request.parameters,
            settings=recorded,
        )
        if run.lineage is not None:
            options["lineage"] = run.lineage
        return self._job(request.prompt, run.policy, options)

    def after(self, follow_up: FollowUp) -> Job:
        """The job of a new run that comes from a picture, around the parts of this studio.

        The folder of the picture may come from anywhere, as for `again`.
        """
        here = f"go on from it by rr-refine more {quoted(follow_up.run.path)}"
        self._require_own_parts(follow_up.run, here)
        policy = follow_up.policy
        budget = within(policy.budget, self._limits)
        policy = policy.model_copy(update={"budget": budget})
        options = follow_up.options | JobOptions(policy=policy, settings=self._settings.public())
        job = self._job(follow_up.prompt, policy, options)
        if not self._asks:
            job = replace(job, policy=job.policy.model_copy(update={"review": False}))
        return job

    def _require_own_parts(self, run: Run, instead: str) -> None:
        """See that the policy of a run names no part that this studio's settings do not.

        Raises:
            ConfigError: it does; says what to do instead.
        """
        default = preset(run.policy.preset)
        for field, key in _PARTS.items():
            named = _names(getattr(run.policy, field))
            own = _names(self._settings.values.get(key))
            if named not in (_names(getattr(default, field)), own):
                raise ConfigError(
                    f"this run was made with {field} = {named!r}, which the settings of this "
                    f"studio do not name; {instead}"
                )

    def _job(self, prompt: str, policy: Policy, options: JobOptions) -> Job:
        settings, generator, critic = self._settings, self.generator, self.critic
        own = JobOptions(
            generator=generator,
            critic=critic,
            rewriters=make_rewriters(settings, policy, generator, critic, policy_from(settings)),
            evidence=make_evidence(settings),
        )
        if (check := make_intent_check(settings, generator, critic)) is not None:
            own["intent_check"] = check
        return make_job(prompt, **(options | own))


def _names(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value] if value else []
