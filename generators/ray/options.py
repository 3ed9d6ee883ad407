"""What can be said about a generator on Ray: how many workers, what each holds, and where."""

from __future__ import annotations

from pydantic import Field, JsonValue

from rr_refine.terms import Record

__all__ = ["RayOptions"]


class RayOptions(Record):
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
