"""What can be said about a diffusers generator: how to load it, and how to call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from rr_refine.errors import UnsupportedRequestError
from rr_refine.terms import Given

__all__ = ["CALL_NAMES", "DiffusersOptions", "LoraOptions", "RenderOptions"]

CALL_NAMES: Final = {"steps": "num_inference_steps"}
"""Our words for parameters that diffusers calls otherwise."""


class RenderOptions(Given):
    """How a pipeline is called. Unset means: as the pipeline has it.

    Every field can be overridden per request, by its name in `RenderRequest.parameters`; `null`
    there goes back to the pipeline's own default. What has no effect on the pipeline is an error.
    """

    steps: int | None = Field(None, ge=1, le=1000)
    """Inference steps. Distilled models want few (FLUX.1-schnell 4), others 20 to 50."""
    guidance_scale: float | None = Field(None, ge=0.0)
    """Guidance: classifier-free (SD, SD3, Sana, PixArt, Z-Image; above 1 it is on and doubles the
    cost of a step) or distilled into the model (FLUX.1-dev, Kontext, FLUX.2)."""
    true_cfg_scale: float | None = Field(None, ge=0.0)
    """Classifier-free guidance of pipelines whose `guidance_scale` is something else (Qwen-Image,
    FLUX.1). Above 1 it is on; a missing `negative_prompt` is then filled in."""
    negative_prompt: str | None = None
    """What to steer away from. Needs classifier-free guidance."""
    width: int | None = Field(None, ge=8, le=16384)
    """Pixels, a multiple of what the model works in (8 to 32); together with `height`."""
    height: int | None = Field(None, ge=8, le=16384)
    """Pixels; together with `width`. An edit without them follows its source's proportions."""
    max_side: int | None = Field(None, ge=16, le=16384)
    """Edits only: a larger source is shrunk so that its longer side has this many pixels."""
    parameters: dict[str, JsonValue] = {}
    """Anything else that the pipeline's `__call__` takes, by its name there."""

    @model_validator(mode="after")
    def _one_place_for_each(self) -> Self:
        for field in (*RenderOptions.model_fields, *CALL_NAMES.values()):
            if field in self.parameters:
                ours = next((our for our, name in CALL_NAMES.items() if name == field), field)
                raise ValueError(f"{field!r} does not belong in 'parameters': set {ours!r} instead")
        return self

    @classmethod
    def of_request(cls, parameters: Mapping[str, JsonValue]) -> RenderOptions:
        """Read a request's flat parameters.

        Raises:
            UnsupportedRequestError: a value that is out of range or of the wrong type.
        """
        fields = cls._own_fields()
        known = {name: value for name, value in parameters.items() if name in fields}
        rest = {name: value for name, value in parameters.items() if name not in fields}
        try:
            return cls.model_validate({**known, "parameters": rest})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ", ".join(rest)
            value = parameters.get(name, rest)
            raise UnsupportedRequestError(f"{name} = {value!r}: {first['msg']}") from error

    def call_parameters(self) -> dict[str, JsonValue]:
        """What is set, flat, by the names of a pipeline's `__call__`."""
        own = self.model_dump(include=self._own_fields(), exclude_unset=True)
        return {CALL_NAMES.get(name, name): value for name, value in own.items()} | self.parameters

    @staticmethod
    def _own_fields() -> set[str]:
        return set(RenderOptions.model_fields) - {"parameters"}


class LoraOptions(Given):
    """One LoRA on top of the model."""

    model: str
    """A `.safetensors` file, a folder with one, or a hub id."""
    weight_name: str | None = None
    """The file in it: by default the only one of a folder, and of a hub repository
    `pytorch_lora_weights.safetensors`."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    scale: float = 1.0
    """How strongly it is applied."""
    name: str | None = None
    """The adapter's name in the pipeline; `lora-0`, `lora-1`, … by default. A tag in a prompt,
    `<lora:NAME:0.8>`, calls it by this name, or by that of its file."""

    def adapter(self, index: int) -> str:
        """The adapter's name, of the LoRA at that place."""
        return self.name or f"lora-{index}"


class DiffusersOptions(RenderOptions):
    """Options of the diffusers generator: which model, loaded how, called how."""

    model: str
    """Hub id (`black-forest-labs/FLUX.1-dev`), a folder in diffusers' layout, or a single
    `.safetensors` file with all weights, of a kind that diffusers can read."""
    pipeline: str | None = None
    """Name of a diffusers pipeline class, where not the one that the model names."""
    edit_pipeline: str | None = None
    """A second pipeline class for edits, made of the same components: `FluxKontextPipeline` on a
    Flux model whose transformer can do both. Costs no memory."""
    revision: str | None = None
    """Branch, tag or commit of a hub id. Pin a commit where results must stay comparable."""
    variant: str | None = None
    """Weight files with this suffix, such as `fp16`."""
    local_files_only: bool = False
    """Never ask the hub; take what is in its cache. Holds for LoRAs too."""
    device: str = "auto"
    """`auto` (an accelerator if there is one), or a torch device: `cuda:1`, `mps`, `cpu`."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """`auto` is bfloat16 on an accelerator, float32 on a CPU. Some models overflow in float16 and
    render black."""
    offload: Literal["none", "model", "sequential"] = "none"
    """Keep weights in main memory and move them in when needed: whole components (`model`, little
    slower), or layer by layer (`sequential`, much slower, least memory)."""
    lora: tuple[LoraOptions, ...] = ()
    """LoRAs, all active."""
    config: str | None = None
    """For a single file only: folder or hub id in diffusers' layout, of the same kind of model, for
    what the file lacks; by default the one that diffusers knows for it."""
    compile: bool = False
    """`torch.compile` the denoiser: the first render of each size takes a minute, later ones are
    faster."""
    batch: int = Field(1, ge=1, le=64)
    """Most images in one pipeline call. Rounding differs with the batch, so that in larger ones an
    image may differ from its single run by its last bits; 1 repeats it exactly."""
    quiet: bool = False
    """No bars and no notes while the model is loaded, and none of the pipeline about
    words that its text encoder cuts off: for small ones."""

    @model_validator(mode="after")
    def _names_of_loras_differ(self) -> Self:
        names = [lora.adapter(index) for index, lora in enumerate(self.lora)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{names.count(name)} LoRAs have the name {name!r}: give others")
        return self
