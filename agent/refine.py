"""`refine` and `arefine`: the whole loop as one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

from pydantic import ValidationError

from rr_refine import defaults
from rr_refine.agent.acceptance import acceptance_of
from rr_refine.agent.avoiding import require_effect
from rr_refine.agent.components import (
    as_critic,
    as_evidence,
    as_generator,
    as_intent_check,
    companion_check,
    make_chain,
)
from rr_refine.agent.events import Event
from rr_refine.agent.feasible import require_priced
from rr_refine.agent.follow_up import FollowUp, require_parts
from rr_refine.agent.history import Candidate
from rr_refine.agent.job import Job
from rr_refine.agent.options import (
    JobOptions,
    RefineOptions,
    policy_of,
    require_known,
    several,
    words_of,
)
from rr_refine.agent.policy import Policy
from rr_refine.agent.run import Run, open_run
from rr_refine.agent.run_context import run_context
from rr_refine.agent.session import (
    caller_of,
    follow,
    has_checkpointer,
    without_interrupts,
)
from rr_refine.agent.stopping import stop_rule
from rr_refine.agent.store.folder import require_run_id
from rr_refine.digest import image_digest
from rr_refine.errors import (
    ConfigError,
    CriticError,
    GeneratorError,
    RefineError,
)
from rr_refine.generators.prompt_syntax import syntax_of
from rr_refine.invalid import told_invalid
from rr_refine.named import folder_here, require_path
from rr_refine.notices import notices_of
from rr_refine.own_loop import in_a_thread
from rr_refine.pictures import SOURCE_PIXELS, load_picture
from rr_refine.redaction import hidden
from rr_refine.request import MAX_PROMPT, Request
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "arefine",
    "make_job",
    "refine",
    "require_image",
    "run_stream",
]


async def arefine(prompt: str | FollowUp, **options: Unpack[RefineOptions]) -> Run:
    """Generate, critique and refine until a rule says stop; give the recorded run.

    The same call resumes an unfinished run. Cancelling it is safe: the folder holds the best
    image so far.

    Args:
        prompt: what the picture should be, or, with `image`, what should change in it. Or what
            follows a picture of an earlier run: see `rr_refine.agent.follow_up`.
        options: see `RefineOptions`.

    Raises:
        ConfigError: a mistake in the arguments.
        GeneratorError: there is no image at all.
        CriticError: no image could be judged, and `on_failure` is "raise".
        StoreError: the run folder cannot be written; what was finished is kept.
    """
    async with aclosing(run_stream(prompt, **options)) as stream:
        async for item in stream:
            if isinstance(item, Run):
                return item
    raise AssertionError("the stream ends with the run")


async def run_stream(
    prompt: str | FollowUp, **options: Unpack[RefineOptions]
) -> AsyncGenerator[Event | Run]:
    """`arefine` as a stream: every event as it comes, and the recorded run as the last item.

    Closing it early stops the work, as cancelling `arefine` does; the same call goes on with it.
    Who may leave the loop early closes it: `async with contextlib.aclosing(run_stream(…))`. Python
    closes it later otherwise, and at the end of a program not in order: its parts get in each
    other's way, and it prints RuntimeErrors.

    Raises:
        RefineError: as `arefine`.
    """
    require_known(options, call="refine", known=RefineOptions)
    follow_up = prompt if isinstance(prompt, FollowUp) else None
    goes_on = follow_up is not None and follow_up.decision is not None
    if goes_on and (placed := {"out", "run_id", "private"} & options.keys()):
        raise ConfigError(f"{min(placed)} has no effect: the run goes on in its folder")
    if "out" in options:
        out = require_path(options.pop("out"))
    else:
        out = folder_here("runs") if follow_up is None else follow_up.out
    private = options.pop("private", True)
    on_event = options.pop("on_event", None)
    reviewer = options.pop("reviewer", None)
    for name, given in (("on_event", on_event), ("reviewer", reviewer)):
        if given is not None and not callable(given):
            raise ConfigError(f"{name} = {given!r} is no function")
    config = options.pop("config", None)
    most_images = options.pop("most_images", None)
    on_failure = options.pop("on_failure", "raise")
    if on_failure not in ("raise", "return"):
        raise ConfigError(f"on_failure = {on_failure!r}: 'raise' or 'return'")
    job = await asyncio.to_thread(make_job, prompt, **cast("JobOptions", options))
    if follow_up is not None:
        require_parts(follow_up, job, options)
    if job.policy.review and reviewer is None and not has_checkpointer(config):
        raise ConfigError(
            "policy.review is set, so refine() needs a reviewer=…, or config=… of a node whose "
            "graph has a checkpointer"
        )
    opened = run_context(job, out, private=private, follow_up=follow_up, caller=caller_of(config))
    async with (
        opened as context,
        aclosing(follow(context, reviewer=reviewer, config=config)) as events,
    ):
        context.most_images = most_images
        async for event in events:
            with without_interrupts("on_event="):
                handled: object = None if on_event is None else on_event(event)
                if isawaitable(handled):
                    await handled
            yield event
    run, faults = await in_thread(open_run, context.folder.path), context.faults
    require_image(run, faults)
    unjudged = all(candidate.scores is None for candidate in run.candidates)
    rule = None if run.outcome is None else run.outcome.stop.rule
    if unjudged and on_failure == "raise" and rule == "critic-failed":
        raise _as_raised(run, [c for c in run.candidates if c.image], CriticError, faults)
    yield run


def refine(prompt: str | FollowUp, **options: Unpack[RefineOptions]) -> Run:
    """`arefine` for programs that do not await, and for notebooks; see there.

    Where an event loop is running, as in a notebook, the run has a thread and a loop of its own,
    and that loop waits meanwhile: a service awaits `arefine` instead.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(arefine(prompt, **options))
    return in_a_thread(arefine(prompt, **options))


def make_job(prompt: str | FollowUp, **options: Unpack[JobOptions]) -> Job:
    """Put a job together.

    Raises:
        ConfigError: a mistake in the arguments.
    """
    require_known(options, call="make_job", known=JobOptions)
    start: Policy | None = None
    said = options
    if isinstance(prompt, FollowUp):
        prompt.require_effect(options)
        start = prompt.policy
        options, prompt = {**prompt.options, **options}, prompt.prompt
    if not isinstance(prompt, str):
        raise ConfigError(f"prompt = {prompt!r} is no text")
    chosen = policy_of(said, start)
    keep, avoid = (words_of(name, options.get(name, ())) for name in ("keep", "avoid"))
    parameters: object = options.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise ConfigError(f"parameters = {parameters!r}: give a table, such as {{'width': 512}}")
    for name, given in parameters.items():
        if name in ("width", "height") and isinstance(given, int | float) and given < 1:
            raise ConfigError(f"parameters.{name} = {given!r}: pictures are 1 pixel or more")
        if hidden(given, name) != given:
            raise ConfigError(
                f"parameters.{name} may hold a secret, and parameters are recorded with every "
                "picture: give it to the generator as an option"
            )
    first_prompt, lineage = options.get("first_prompt"), options.get("lineage")
    for name, text in (
        ("prompt", prompt),
        ("first_prompt", first_prompt or ""),
        ("keep", "".join(keep)),
        ("avoid", "".join(avoid)),
    ):
        if len(text) > MAX_PROMPT:
            raise ConfigError(f"{name} has {len(text):,} characters; {MAX_PROMPT:,} are the most")
    sources = _load(options.get("image"))
    digests = [image_digest(source) for source in sources]
    try:
        request = Request(
            prompt=prompt,
            first_prompt=first_prompt,
            source=digests[0] if digests else None,
            more_sources=tuple(digests[1:]),
            keep=keep,
            avoid=avoid,
            seed=options.get("seed", 0),
            parameters=dict(parameters),
        )
    except ValidationError as error:
        raise ConfigError(told_invalid(error)) from error
    if not options.get("repeats", False):
        require_effect(request.prompt, keep, avoid)
    if first_prompt is not None and chosen.rewrite_first:
        raise ConfigError("first_prompt has no effect: the policy rewrites the first prompt")
    acceptance_of(chosen.acceptance)  # what is named wrongly is said now
    for name in chosen.stop_rules:
        stop_rule(name)
    generator = options.get("generator", defaults.GENERATOR)
    if "critic" not in options and generator != defaults.GENERATOR:
        raise ConfigError(
            "a generator of your own needs a critic that knows its pictures: give critic=… "
            "('fake' invents scores, to try the loop)"
        )
    generator = as_generator(generator)
    syntax = syntax_of(generator, request.prompt)
    if syntax.prompt != request.prompt:
        if not syntax.prompt.strip():
            raise ConfigError(f"{request.prompt!r} holds no words beside what is taken out of it")
        changed = {**syntax.parameters, **request.parameters}
        request = request.model_copy(update={"prompt": syntax.prompt, "parameters": changed})
    critic = as_critic(options.get("critic", defaults.CRITIC))
    rewriters = make_chain(several(options.get("rewriters", chosen.rewriters)), generator, critic)
    require_priced(chosen.budget, (generator, critic, *rewriters))
    check = options.get("intent_check")
    run_id, parent = _ids(options)
    return Job(
        request=request,
        policy=chosen,
        generator=generator,
        critic=critic,
        rewriters=rewriters,
        intent_check=(
            companion_check(generator, critic) if check is None else as_intent_check(check)
        ),
        evidence=tuple(map(as_evidence, several(options.get("evidence", ())))),
        sources=sources,
        notices=(*_told(sources), *syntax.notices),
        settings={k: hidden(value, k) for k, value in options.get("settings", {}).items()},
        run_id=run_id,
        parent=parent,
        lineage=lineage,
    )


def _load(
    image: Image.Image | Path | str | Sequence[Image.Image | Path | str] | None,
) -> tuple[Image.Image, ...]:
    """The pictures to edit, in order."""
    if image is None:
        return ()
    given = image if isinstance(image, Sequence) and not isinstance(image, str) else [image]
    return tuple(load_picture(one, most_pixels=SOURCE_PIXELS) for one in given)


def _told(sources: Sequence[Image.Image]) -> Iterator[str]:
    """What was done to each picture on the way in."""
    for number, source in enumerate(sources, 1):
        for notice in notices_of(source):
            yield f"picture {number}: {notice}" if len(sources) > 1 else notice


def _ids(options: JobOptions) -> tuple[str | None, str | None]:
    """The run's id and its parent's, where the caller gave them."""
    run_id, parent, lineage = options.get("run_id"), options.get("parent"), options.get("lineage")
    for name, given in (("run_id", run_id), ("parent", parent)):
        if given is not None:
            require_run_id(name, given)
    if lineage is not None:
        if parent not in (None, lineage.run):
            raise ConfigError(f"parent = {parent!r}, and the picture is one of {lineage.run!r}")
        parent = lineage.run
    if run_id is not None and run_id == parent:
        raise ConfigError(f"run_id and parent are both {run_id!r}: no run is its own parent")
    return run_id, parent


def require_image(run: Run, faults: Sequence[RefineError] = ()) -> None:
    """Raise what went wrong where a run ended without any image.

    Args:
        faults: what it failed with in this process; the cause of what is raised is among them.

    Raises:
        GeneratorError: of the kind that the first candidate failed with.
    """
    if run.best is not None:
        return
    if not any(candidate.failure for candidate in run.candidates):
        raise GeneratorError(f"{run.path} holds no image")
    raise _as_raised(run, run.candidates, GeneratorError, faults)


def _as_raised(
    run: Run,
    candidates: Sequence[Candidate],
    base: type[RefineError],
    faults: Sequence[RefineError],
) -> RefineError:
    """The first failure of the candidates as an error, with its cause where it is known."""
    failure = next(candidate.failure for candidate in candidates if candidate.failure)
    raised = failure.as_error(base, f"{failure.message} (run folder: {run.path})")
    fault = next((fault for fault in faults if str(fault) == failure.message), None)
    raised.__cause__ = fault and (fault.__cause__ or fault)
    return raised
