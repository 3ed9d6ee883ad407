"""What may follow a picture: go on, vary it, edit it, again with another seed, use its prompt.

Each function takes a run, or the path of its folder, and gives a `FollowUp`, which `refine` and
`arefine` take in place of a prompt:

    run = refine("two red circles")
    four = refine(vary(run, 4))
    night = refine(edit(run, "change the background to black"))
    run = refine(go_on(run, "the left one should be larger"))

All but `go_on` begin a new run, which records where it comes from; `go_on` goes on with the same.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pydantic import JsonValue, ValidationError

from rr_refine.agent.budget import limits_of
from rr_refine.agent.ending import next_ending
from rr_refine.agent.history import Candidate, Proposal
from rr_refine.agent.job import Job
from rr_refine.agent.lineage import Lineage, LineageKind
from rr_refine.agent.manifest import check_config
from rr_refine.agent.options import JobOptions
from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.review import GoOn, ReviewRequest, require_possible
from rr_refine.agent.revision import number_of
from rr_refine.agent.run import Run, load_run, read_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import ConfigError
from rr_refine.invalid import told_invalid
from rr_refine.terms import Identity

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "FollowUp",
    "FollowUpKind",
    "again",
    "edit",
    "go_on",
    "reopen",
    "require_parts",
    "use_prompt",
    "vary",
]

FollowUpKind: TypeAlias = Literal["go-on"] | LineageKind

_SEEDS: Final = 2**31
_SIZE: Final = ("width", "height", "size")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What comes after a picture of a run. Hand it to `refine` in place of a prompt."""

    kind: FollowUpKind
    run: Run
    """The run that it comes from."""
    candidate: Candidate
    """The picture in it."""
    prompt: str
    """The request of the run to come, or of the same run."""
    options: JobOptions = field(default_factory=JobOptions)
    """What else the run to come gets; options that are given to `refine` go before them."""
    decision: GoOn | None = None
    """Of `go_on`: what is said about the end of the run."""

    @property
    def out(self) -> Path:
        """The folder that holds the run that it comes from, where a new one finds it beside it."""
        path = self.run.path
        return (path if path.name and not path.is_symlink() else path.resolve()).parent

    @property
    def images(self) -> list[Image.Image]:
        """The pictures to edit of the run to come, in order."""
        image = self.options.get("image")
        return cast("list[Image.Image]", image or [])

    def require_effect(self, given: Container[str]) -> None:
        """See that what is given beside it, by name, has a place in the run to come.

        Raises:
            ConfigError: it has none.
        """
        for name in ("rounds", "candidates", "budget", "budget_usd"):
            if name in given and self.kind == "go-on":
                raise ConfigError(
                    f"{name} has no effect: the run goes on as it was made; "
                    "go_on(run, rounds=…) says how many more rounds"
                )
        if "candidates" in given and self.kind == "vary":
            raise ConfigError("candidates has no effect: vary(run, n) says how many are drawn")

    @property
    def policy(self) -> Policy:
        """That of the run to come; the options always hold a whole one."""
        return cast("Policy", self.options["policy"])


def go_on(
    run: Run | Path | str,
    remark: str = "",
    *,
    rounds: int | None = None,
    picture: Candidate | str | None = None,
) -> FollowUp:
    """The same run goes on from its end.

    Args:
        run: a finished run, or its folder.
        remark: what should be otherwise, in words: it becomes a part of the request, and the best
            picture is judged again by it. Without one, a better picture of the same request is
            looked for: with another prompt or, if nobody has one, another seed.
        rounds: most further rounds; as many as the run had, by default. Its other limits count
            anew.
        picture: what to go on from, a candidate or its id; the best by default.

    Raises:
        ConfigError: the run has not come to its end, or failed; it has no such picture.
        StoreError: it cannot be read.
    """
    run = _read(run)
    chosen = _picture(run, picture)
    if rounds is not None:
        _require_whole("rounds", rounds)
    moves = chosen if run.best is None or chosen.id != run.best.id else None
    decision = GoOn(remark=remark.strip(), rounds=rounds, candidate=moves and moves.id)
    _require_end(run, decision)
    options = _same_request(run) | JobOptions(
        seed=run.request.seed,
        policy=run.policy,
        first_prompt=run.request.first_prompt,
        settings=_settings(run),
    )
    return FollowUp("go-on", run, chosen, run.request.prompt, options, decision)


def vary(
    run: Run | Path | str,
    n: int = 4,
    *,
    picture: Candidate | str | None = None,
    seed: int | None = None,
) -> FollowUp:
    """A run of one round with `n` seeds of a picture's prompt, judged by the request that the
    picture was judged by. Its result is the one with the highest score.

    Args:
        run: a run, finished or not, or its folder.
        n: how many, 1 to 64.
        picture: whose prompt, a candidate or its id; that of the best by default.
        seed: the first of the seeds; drawn by chance by default.

    Raises:
        ConfigError: `n` is out of range; the run has no such picture.
        StoreError: it cannot be read.
    """
    run = _read(run)
    chosen = _picture(run, picture)
    _require_whole("pictures", n, most=64)
    policy = preset("best-of-n", candidates=n, **_kept(run.policy))
    asked = run.request_at(chosen.revision).prompt
    options = _same_request(run) | _seeded(seed)
    options |= JobOptions(policy=policy, lineage=_lineage(run, chosen, "vary"))
    if chosen.prompt != asked:
        options["first_prompt"] = chosen.prompt
    return FollowUp("vary", run, chosen, asked, options)


def edit(
    run: Run | Path | str,
    instruction: str,
    *,
    picture: Candidate | str | None = None,
) -> FollowUp:
    """A run that edits a picture. The generator must be able to edit.

    Args:
        run: a run, finished or not, or its folder.
        instruction: what should change in the picture.
        picture: which one, a candidate or its id; the best by default.

    Raises:
        ConfigError: the instruction is blank; the run has no such picture.
        StoreError: the picture cannot be read.
    """
    run = _read(run)
    chosen = _picture(run, picture)
    said: object = instruction
    if not isinstance(said, str) or not said.strip():
        raise ConfigError("say what should change in the picture")
    parameters = {k: v for k, v in run.request.parameters.items() if k not in _SIZE}
    options = JobOptions(
        image=[run.image(chosen)],
        seed=run.request.seed,
        parameters=parameters,
        policy=_policy(run),
        lineage=_lineage(run, chosen, "edit"),
    )
    return FollowUp("edit", run, chosen, instruction, options)


def again(
    run: Run | Path | str,
    *,
    picture: Candidate | str | None = None,
    seed: int | None = None,
) -> FollowUp:
    """A new run of the same request, as it is after all remarks, with another seed.

    Args:
        run: a run, finished or not, or its folder.
        picture: the picture that led to it, a candidate or its id; recorded.
        seed: of the first picture; drawn by chance by default.

    Raises:
        ConfigError: the run has no such picture.
        StoreError: it cannot be read.
    """
    run = _read(run)
    chosen = _picture(run, picture)
    asked = run.request_at(number_of(run.revisions)).prompt
    options = _same_request(run) | _seeded(seed)
    options |= JobOptions(policy=_policy(run), lineage=_lineage(run, chosen, "again"))
    return FollowUp("again", run, chosen, asked, options)


def use_prompt(run: Run | Path | str, *, picture: Candidate | str | None = None) -> FollowUp:
    """A new run whose request is the prompt of a picture: later pictures are judged by it.

    Args:
        run: a run, finished or not, or its folder.
        picture: whose prompt, a candidate or its id; that of the best by default.

    Raises:
        ConfigError: the run has no such picture.
        StoreError: it cannot be read.
    """
    run = _read(run)
    chosen = _picture(run, picture)
    options = _same_request(run) | JobOptions(
        seed=chosen.seed, policy=_policy(run), lineage=_lineage(run, chosen, "prompt")
    )
    return FollowUp("prompt", run, chosen, chosen.prompt, options)


def reopen(job: Job, follow_up: FollowUp) -> RunFolder:
    """The folder of a run that goes on, open for work, with what was said about its end in it.

    Args:
        job: that of the run; its parts must be connected.
        follow_up: what `go_on` gave.

    Raises:
        ConfigError: the job is another one, or the run was gone on with meanwhile.
        StoreError: the folder cannot be read or written, or is being worked on.
    """
    assert follow_up.decision is not None
    folder = RunFolder(follow_up.run.path)
    try:
        check_config(folder, job)
        now = read_run(folder)
        _require_end(now, follow_up.decision)
        rounds = 1 + now.candidates[-1].round
        key = next_ending(folder.journal, rounds)
        folder.journal.put("review", key, follow_up.decision.model_dump(mode="json"))
    except BaseException:
        folder.close()
        raise
    return folder


def require_parts(follow_up: FollowUp, job: Job, named: Container[str]) -> None:
    """Where generator or critic was not named: see that the default is what the run was made with.

    Raises:
        ConfigError: it is not.
    """
    for part, mine in (("generator", job.generator.identity), ("critic", job.critic.identity)):
        if part in named:
            continue
        try:
            made = Identity.model_validate(follow_up.run.config.get(part))
        except ValidationError as error:
            raise ConfigError(
                f"config.json of the run does not say which {part} it was made with "
                f"({told_invalid(error, part)}): give {part}=…"
            ) from error
        if made.kind != mine.kind:
            raise ConfigError(
                f"the run was made with the {part} {made.name!r}: give {part}=…, that or another"
            )


def _require_whole(what: str, given: object, most: int | None = None) -> None:
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole or not 1 <= cast("int", given) <= (most or sys.maxsize):
        limits = "1 or more" if most is None else f"1 to {most}"
        raise ConfigError(f"{given!r} {what}: give a whole number, {limits}")


def _read(run: Run | Path | str) -> Run:
    # The folder may be somebody else's, and a new run imports what its policy names.
    return run if isinstance(run, Run) else load_run(run)


def _picture(run: Run, picture: Candidate | str | None) -> Candidate:
    """The candidate that is meant, if it has a picture."""
    name = picture.id if isinstance(picture, Candidate) else picture
    there = {c.id: c for c in run.candidates if c.image is not None}
    if name is None and run.best is not None:
        return run.best
    if not there:
        raise ConfigError(f"run {str(run.path)!r} has no picture yet")
    if name not in there:
        raise ConfigError(f"there is no picture {name!r} in this run; it has {', '.join(there)}")
    return there[str(name)]


def _require_end(run: Run, decision: GoOn) -> None:
    """See that a run can go on in this way.

    Raises:
        ConfigError: it cannot.
    """
    if run.outcome is None or not run.outcome.ok or run.best is None:
        raise ConfigError(
            f"run {str(run.path)!r} has not come to its end: resume it first (rr-refine resume)"
        )
    question = ReviewRequest(
        round=1 + run.candidates[-1].round,
        original=run.request.prompt,
        revisions=run.revisions,
        proposal=Proposal(prompt=run.best.prompt, origin=run.best.origin),
        incumbent=run.incumbent,
        candidates=run.candidates,
        stop=run.outcome.stop,
    )
    require_possible(question, decision)


def _same_request(run: Run) -> JobOptions:
    """What belongs to a request, besides its prompt and seed."""
    request = run.request
    options = JobOptions(
        keep=request.keep, avoid=request.avoid, parameters=request.parameters, repeats=True
    )
    if request.sources:
        options["image"] = run.sources()
    return options


def _kept(policy: Policy) -> dict[str, Any]:
    """What a policy of another preset takes over."""
    names = ("target", "evidence", "rewriters", "render_timeout", "critique_timeout")
    return {name: getattr(policy, name) for name in names} | {"budget": limits_of(policy.budget)}


def _policy(run: Run) -> Policy:
    """That of a new run: what follows a run of seeds refines again."""
    varied = run.lineage is not None and run.lineage.kind == "vary"
    return preset("refine", **_kept(run.policy)) if varied else run.policy


def _settings(run: Run) -> dict[str, JsonValue]:
    settings = run.config.get("settings")
    return settings if isinstance(settings, dict) else {}


def _seeded(seed: int | None) -> JobOptions:
    return JobOptions(seed=secrets.randbelow(_SEEDS) if seed is None else seed)


def _lineage(run: Run, candidate: Candidate, kind: LineageKind) -> Lineage:
    assert candidate.image is not None
    return Lineage(
        kind=kind,
        run=run.id,
        folder=run.path.resolve().name,
        candidate=candidate.id,
        image=candidate.image,
    )
