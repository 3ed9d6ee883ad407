"""The generator on top of Ray: each request goes to the least busy of several workers."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import signal
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from rr_refine.boundary import boundary
from rr_refine.errors import ConfigError, GeneratorUnavailable, MissingExtraError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.generators.ray.worker_pool import RayOptions, WorkerPool
from rr_refine.plugins import create as create_part
from rr_refine.plugins import factory
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["RayGenerator", "create"]

logger = logging.getLogger(__name__)

_LISTENER_SECONDS: Final = 10.0


class RayGenerator:
    """Renders on several GPUs or machines, with one generator in each of several processes.

    Ray starts the processes, gives each its GPU and carries the pictures, without loss. A worker
    that dies is replaced, and what it was at is rendered by another. A program that has called
    `ray.init` itself keeps its Ray; otherwise it is started, or joined, for the time between
    `connect` and `aclose`.

    Args:
        options: the generator, how many of it, and where.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, options: RayOptions) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("rendering on several GPUs or machines", "ray")
        self._options = options
        self._pool: WorkerPool | None = None
        self._opening = asyncio.Lock()
        self._owns_ray = False

    @property
    def identity(self) -> Identity:
        """That of the generator in the workers: the pictures are the same.

        Raises:
            ConfigError: it is not known yet; await `connect` first, or render.
        """
        return self._connected().identity

    @property
    def tasks(self) -> frozenset[Task]:
        """Those of the generator in the workers.

        Raises:
            ConfigError: they are not known yet; await `connect` first, or render.
        """
        return self._connected().tasks

    @property
    def most_sources(self) -> int | None:
        """That of the generator in the workers; as `tasks`."""
        return self._connected().most_sources

    @cached_property
    def wrapped(self) -> object | None:
        """The workers' generator, made here and never connected: for what it brings along, see
        `rr_refine.component`. None where only the workers can make it.
        """
        try:
            with boundary(ConfigError, "the workers' generator"):
                return create_part("generators", self._options.generator, self._options.options)
        except ConfigError as error:
            logger.warning("nothing is known of the Ray workers' generator here: %s", error)
            return None

    @property
    def workers(self) -> int:
        """How many can render now; those that are still starting do not count."""
        return 0 if self._pool is None else self._pool.ready

    @property
    def repeated(self) -> int:
        """Renders that were begun again since `connect`, because a worker died during them."""
        return 0 if self._pool is None else self._pool.repeated

    async def connect(self) -> None:
        """Join the cluster, or start Ray here, and wait until every worker holds its generator.

        Raises:
            ConfigError: the generator does not take its options, the workers' would not make the
                same pictures, or the cluster is too small for so many.
            GeneratorUnavailable: there is no Ray, or a worker does not start.
        """
        async with self._opening:
            if self._pool is None:
                try:
                    self._pool = await self._open()
                except BaseException:
                    self._leave_ray()
                    raise

    async def generate(
        self,
        request: RenderRequest,
        *,
        on_step: OnStep | None = None,  # noqa: ARG002  would be a message between processes a step
    ) -> Image.Image:
        """Render one image; `on_step` is never called.

        Raises:
            GeneratorUnavailable: no worker is left, or several died one after the other during
                this render.
            GeneratorError: as the generator in the workers does.
            ConfigError: as for `connect`.
        """
        if self._pool is None:
            await self.connect()
        return await self._connected().render(request)

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """How the generator in the workers takes the prompt; nothing is known where it cannot tell.

        Raises:
            GeneratorError: as for `generate`.
        """
        if self._pool is None:
            await self.connect()
        return await self._connected().fit_prompt(request)

    async def aclose(self) -> None:
        """End the workers, and Ray if it was started here. A later call starts them again."""
        pool, self._pool = self._pool, None
        self._opening = asyncio.Lock()  # the next call may come from another event loop
        if pool is not None:
            await pool.shutdown()
        self._leave_ray()

    def _connected(self) -> WorkerPool:
        if self._pool is None:
            raise ConfigError(
                f"what {self._options.generator!r} can do is not known before a worker holds it: "
                "connect first"
            )
        return self._pool

    async def _open(self) -> WorkerPool:
        import ray

        options = self._options
        if not ray.is_initialized():
            with boundary(GeneratorUnavailable, f"Ray at {options.address or 'local'!r}"):
                await _require_listener(options.address)
                _init_ray(options.address)
            self._owns_ray = True
        workers, needs = _plan(options, ray.cluster_resources())
        pool = WorkerPool(options, needs)
        try:
            await pool.start(workers)
        except BaseException:
            await pool.shutdown()
            raise
        return pool

    def _leave_ray(self) -> None:
        import ray

        if self._owns_ray:
            ray.shutdown()
        self._owns_ray = False


create = factory(RayGenerator, RayOptions, "generator")


async def _require_listener(address: str | None) -> None:
    """Fail at once where nobody listens: Ray itself would try for minutes, and talk about it."""
    host, _, port = (address or "").rpartition(":")
    if host:
        async with asyncio.timeout(_LISTENER_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
        await writer.wait_closed()


def _init_ray(address: str | None) -> None:
    """Start or join Ray, in this thread: the kernel ends what Ray starts when its thread ends."""
    import ray
    import ray._private.worker

    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address=address or "local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    # Ray's own handler exits at once, where ours drains.
    if handler is not None and signal.getsignal(signal.SIGTERM) is not handler:
        signal.signal(signal.SIGTERM, handler)
    # What Ray's daemons have to say (a worker died, …) goes to standard output, which holds our
    # data; `log_to_driver` does not cover it, and there is no other switch.
    ray._private.worker._worker_logs_enabled = False


def _plan(options: RayOptions, resources: Mapping[str, float]) -> tuple[int, dict[str, float]]:
    """How many workers, and what each needs.

    Raises:
        ConfigError: the cluster has not so much.
    """
    num_gpus = options.num_gpus
    if num_gpus is None:
        num_gpus = 1.0 if resources.get("GPU") else 0.0
    workers = options.workers
    if workers is None:
        workers = max(1, int(resources.get("GPU", 0.0) / num_gpus)) if num_gpus else 1
    for kind, option, each in (
        ("GPU", "num_gpus", num_gpus),
        ("CPU", "num_cpus", options.num_cpus),
    ):
        there = resources.get(kind, 0.0)
        if workers * each > there:
            raise ConfigError(
                f"{workers} workers of {option} = {each:g} need more than the {there:g} {kind}s "
                f"that Ray has: lower generator.workers or generator.{option}"
            )
    return workers, {"num_gpus": num_gpus, "num_cpus": options.num_cpus}
