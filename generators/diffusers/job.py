"""A job: one request on its way through the queue to the pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pydantic import JsonValue

from rr_refine.batching import BatchJob, BatchWorker
from rr_refine.digest import digest
from rr_refine.errors import UnsupportedRequestError
from rr_refine.generators.generator import OnStep, RenderRequest

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Render", "RenderJob", "RenderWorker"]

RenderJob: TypeAlias = "BatchJob[Render, Image.Image]"
RenderWorker: TypeAlias = "BatchWorker[Render, Image.Image]"


@dataclass(frozen=True, slots=True)
class Render:
    """What a job is about: the request, and who wants to know how far it is."""

    request: RenderRequest
    on_step: OnStep | None

    def kind(self) -> str:
        """Renders of one kind can share a pipeline call: same task, parameters and source size.

        Raises:
            UnsupportedRequestError: a parameter cannot be written as JSON.
        """
        source = self.request.source
        parameters: dict[str, JsonValue] = dict(self.request.parameters)
        size: list[JsonValue] = list(source.size) if source else []
        try:
            return digest({"parameters": parameters, "size": size})
        except (TypeError, ValueError) as error:
            raise UnsupportedRequestError(
                f"parameters {parameters!r} are not JSON: {error}"
            ) from error
