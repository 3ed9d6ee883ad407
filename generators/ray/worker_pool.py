"""The workers of a Ray generator: who is least busy, who died, and who comes instead."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pydantic import Field, JsonValue

from rr_refine.boundary import boundary
from rr_refine.component import connected, has_methods, most_sources
from rr_refine.errors import ConfigError, GeneratorError, GeneratorUnavailable, RefineError
from rr_refine.generators.generator import Generator, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit, fit_of
from rr_refine.plugins import create
from rr_refine.terms import Given, Identity, Task

if TYPE_CHECKING:
    from PIL import Image
    from ray import ObjectRef
    from ray.actor import ActorHandle
    from ray.exceptions import RayError

__all__ = ["RayOptions", "WorkerPool"]

_WorkerInfo: TypeAlias = "tuple[Identity, frozenset[Task], int | None]"
"""Who the generator is, what it does, and how many pictures to edit it takes."""

_START_SECONDS: Final = 300.0
"""How long a worker may take to start; importing torch from a network drive takes a minute."""
_TRIES: Final = 3
"""A request during which so many workers died is given up: it may be what they die of."""


class RayOptions(Given):
    """Options of the Ray generator."""

    generator: str
    """What each worker holds: a generator's name or dotted path, importable where workers run."""
    options: dict[str, JsonValue] = {}
    """The options of that generator. Paths among them are those of the workers' machines."""
    workers: int | None = Field(None, ge=1)
    """Null is one for every `num_gpus` GPUs that the cluster has; one where none is needed."""
    num_gpus: float | None = Field(None, ge=0.0)
    """GPUs that each worker has to itself: whole ones, or a part of one below 1; 0 needs none.
    Null is 1 where Ray sees any, else 0."""
    num_cpus: float = Field(1.0, ge=0.0)
    """Processors that Ray sets aside for each worker; a whole number of them is also the number of
    threads that its torch uses on them. 0 sets none aside."""
    concurrency: int = Field(32, ge=1)
    """Requests that one worker takes at once and can gather into batches; more wait for a turn."""
    address: str | None = Field(None, pattern=r"^(auto|[^/]+:\d+)$")
    """`HOST:PORT` of a Ray cluster that this machine is part of, or `auto`: the one that
    `RAY_ADDRESS` names, or that `ray start` has started here. Null starts Ray on this machine, for
    as long as the generator is in use."""
    replacements: int = Field(8, ge=0)
    """Dead workers that are replaced, in all: machines may get lost, but a crash loop must end."""


class WorkerPool:
    """Workers that are ready, or on their way. Belongs to one event loop.

    Args:
        options: what each holds, and how many may be replaced.
        needs: `num_gpus` and `num_cpus` of each.
    """

    def __init__(self, options: RayOptions, needs: Mapping[str, float]) -> None:
        self._options = options
        self._needs = needs
        self._workers: list[_Worker] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._info: _WorkerInfo | None = None
        self._deaths = 0
        self._fault: RefineError = GeneratorUnavailable("no Ray worker was started")
        self.repeated = 0
        """Renders that were begun again because a worker died during them."""

    @property
    def identity(self) -> Identity:
        """That of the generator in every worker."""
        assert self._info is not None, "not started"
        return self._info[0]

    @property
    def tasks(self) -> frozenset[Task]:
        """Those of the generator in every worker."""
        assert self._info is not None, "not started"
        return self._info[1]

    @property
    def most_sources(self) -> int | None:
        """That of the generator in every worker."""
        assert self._info is not None, "not started"
        return self._info[2]

    @property
    def ready(self) -> int:
        """How many workers can render."""
        return len(self._workers)

    async def start(self, count: int) -> None:
        """Start `count` workers and wait for them.

        Raises:
            ConfigError: the generator does not take its options, or there are different ones.
            GeneratorUnavailable: not all of them started.
        """
        with boundary(ConfigError, "Ray"):
            for _ in range(count):
                self._start_one()
        while self._starting:
            await asyncio.wait(self._starting)
        if len(self._workers) < count:
            raise self._fault

    async def render(self, request: RenderRequest) -> Image.Image:
        """Render with the least busy worker; if it dies, with another.

        Raises:
            GeneratorError: as the generator does; GeneratorUnavailable if there is no worker, or
                if several died during this render.
        """
        image: Image.Image = await self._ask("render", request)
        return image

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """Ask the least busy worker how it takes the prompt; raises as `render` does."""
        fit: PromptFit = await self._ask("fit_prompt", request)
        return fit

    async def _ask(self, method: Literal["render", "fit_prompt"], request: RenderRequest) -> Any:
        """What a worker answers.

        Raises:
            GeneratorError: as the generator does; GeneratorUnavailable if there is no worker, or
                if several died during this render.
        """
        from ray.exceptions import RayError

        request = replace(request, parameters=dict(request.parameters))  # a proxy has no pickle
        for attempt in range(_TRIES):
            worker = await self._least_busy()
            self.repeated += attempt > 0
            worker.busy += 1
            try:
                return await _answer(getattr(worker.actor, method).remote(request))
            except RayError as error:
                self._discard(worker, error)
            finally:
                worker.busy -= 1
        raise GeneratorUnavailable(
            f"{_TRIES} Ray workers died during the render of {request.prompt[:60]!r}, seed "
            f"{request.seed}; the last: {self._fault}"
        )

    async def shutdown(self) -> None:
        """End all workers."""
        import ray

        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers.clear()

    def _start_one(self) -> None:
        import ray

        make = ray.remote(max_concurrency=self._options.concurrency, **self._needs)(_RenderActor)
        actor = make.remote(self._options.generator, self._options.options)
        task = asyncio.get_running_loop().create_task(self._await_start(_Worker(actor)))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _await_start(self, worker: _Worker) -> None:
        """Wait until a worker holds its generator, which must be what the others hold."""
        import ray
        from ray.exceptions import RayError

        try:
            async with asyncio.timeout(_START_SECONDS):
                info: _WorkerInfo = await _answer(worker.actor.start.remote())
            if info != (self._info or info):
                raise ConfigError(
                    f"the Ray workers would make different pictures: {self._info} and "
                    f"{info}; give all machines the same model, device and versions"
                )
            self._info = info
            self._workers.append(worker)
        except TimeoutError:
            self._fault = GeneratorUnavailable(
                f"a Ray worker did not start within {_START_SECONDS:g} s: is there a machine with "
                f"{', '.join(f'{need} = {each:g}' for need, each in self._needs.items())} to spare?"
            )
        except RefineError as error:
            self._fault = error
        except RayError as error:
            self._replace(error)
        finally:
            if worker not in self._workers:
                ray.kill(worker.actor)

    async def _least_busy(self) -> _Worker:
        while not self._workers:
            if not self._starting:
                raise GeneratorUnavailable(f"no Ray worker is left: {self._fault}")
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        return min(self._workers, key=lambda worker: worker.busy)

    def _discard(self, worker: _Worker, error: RayError) -> None:
        """Replace a worker that died, or that Ray has lost; its other renders may have told us."""
        import ray

        if worker in self._workers:
            self._workers.remove(worker)
            ray.kill(worker.actor)
            self._replace(error)

    def _replace(self, error: RayError) -> None:
        self._fault = GeneratorUnavailable(f"a Ray worker died: {' '.join(str(error).split())}")
        self._deaths += 1
        if self._deaths <= self._options.replacements:
            self._start_one()


@dataclass(eq=False, slots=True)
class _Worker:
    """A process with a generator, as seen from here."""

    actor: ActorHandle
    busy: int = 0
    """Renders that it was given and has not finished."""


class _RenderActor:
    """What runs in the process. Its methods run many times at once, on one event loop."""

    def __init__(self, name: str, options: dict[str, JsonValue]) -> None:
        self._name, self._options = name, options

    async def start(self) -> _WorkerInfo:
        generator = create("generators", self._name, self._options)
        if not has_methods(generator, "generate"):
            raise ConfigError(f"{self._name!r} makes no generator, but {generator!r}")
        self._generator = cast("Generator", generator)
        self._life = connected([generator])
        await self._life.__aenter__()  # it ends with the process
        made = self._generator
        return made.identity, made.tasks, most_sources(made)

    async def render(self, request: RenderRequest) -> Image.Image:
        return await self._generator.generate(request)

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        return await fit_of(self._generator, request) or PromptFit()


async def _answer(ref: ObjectRef[Any]) -> Any:
    """What a call gives or raises in the worker.

    Raises:
        RefineError: the worker's own, or a GeneratorError in place of any other exception there.
        RayError: Ray could not bring an answer.
    """
    import ray
    from ray.exceptions import RayTaskError

    try:
        return await ref
    except asyncio.CancelledError:
        ray.cancel(ref)
        raise
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, RefineError):
            raise cause from None
        raise GeneratorError(f"a Ray worker raised {type(cause).__name__}: {cause}") from error
