"""What is certainly in vain: told before anything is rendered, and before a folder is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rr_refine.agent.budget import Budget
from rr_refine.agent.lineage import Lineage
from rr_refine.component import prices_of
from rr_refine.errors import ConfigError, UnsupportedRequestError
from rr_refine.generators.generator import Generator
from rr_refine.generators.sources import require_sources
from rr_refine.request import Request
from rr_refine.reward.critic import Critic, CritiqueRequest, why_not

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["require_feasible", "require_priced"]


async def require_feasible(
    request: Request,
    generator: Generator,
    critic: Critic,
    sources: Sequence[Image.Image],
    *,
    lineage: Lineage | None = None,
) -> None:
    """See that generator and critic can do what is asked at all; both must be connected.

    Args:
        sources: the pictures to edit.
        lineage: what it comes from.

    Raises:
        UnsupportedRequestError: the generator does not do this task.
        ConfigError: it does not, and that is the edit of a result; it takes fewer pictures to edit,
            or the critic can judge none of what comes.
        CriticError: the critic cannot be asked.
    """
    from PIL import Image

    name = generator.identity.name
    if request.task not in generator.tasks:
        if lineage is not None and lineage.kind == "edit":
            raise ConfigError(
                f"{name!r} makes pictures from words and cannot edit one: give a generator that "
                "can, or vary the picture"
            )
        raise UnsupportedRequestError(
            f"{name!r} cannot do the task {request.task!r}, only "
            f"{', '.join(sorted(generator.tasks))}; choose another generator"
        )
    require_sources(generator, len(sources))
    source = sources[0] if sources else None
    # In the place of what will be rendered.
    seen = Image.new("RGB", (32, 32)) if source is None else source
    asked = CritiqueRequest(request.prompt, seen, source, more_sources=tuple(sources[1:]))
    if why := await why_not(critic, asked):
        raise ConfigError(f"the critic {critic.identity.name!r} cannot judge this: {why}")


def require_priced(budget: Budget, parts: Iterable[object]) -> None:
    """See that a limit in US dollars can be kept: what each service takes must be known.

    Raises:
        ConfigError: a price is not known.
    """
    for part in parts if budget.usd is not None else ():
        for price in prices_of(part):
            if not price.bounded:
                raise ConfigError(f"budget.usd = {budget.usd:g} cannot be kept: {price.words}")
