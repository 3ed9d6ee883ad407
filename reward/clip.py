"""CLIPScore and PickScore: how near a picture is to its request, by two encoders that know both.

Both are cosines of the embeddings of a `CLIPModel` of transformers, in units of their own:

    clipscore   2.5 max(cos, 0)         Hessel et al. 2021 (arXiv 2104.08718), with w = 2.5.
                                        torchmetrics gives 100 max(cos, 0), which is 40 times that.
    pickscore   exp(logit_scale) cos    Kirstain et al. 2023 (arXiv 2305.01569); about 100 cos.

`scale` says which of these is reward 0 and which is 1. What lies outside is cut, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from rr_refine.batching import Batcher, BatchJob
from rr_refine.errors import CriticError
from rr_refine.hub import local_name, require_files
from rr_refine.plugins import factory
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.local_model import (
    LocalModel,
    LocalOptions,
    loading,
    pick_device,
    require_local,
)
from rr_refine.reward.scalar import Scale, Scored
from rr_refine.terms import Identity, Usage

__all__ = ["ClipOptions", "ClipReward", "PickScoreOptions", "clipscore", "pickscore"]

_W: Final = 2.5


class ClipOptions(LocalOptions):
    """Of `clipscore`."""

    kind: ClassVar[Literal["clipscore", "pickscore"]] = "clipscore"
    model: str = Field(default="openai/clip-vit-large-patch14", min_length=1)
    """A folder, or an id of the model hub, of a `CLIPModel` in safetensors."""
    processor: str | None = None
    """Folder or id of its tokenizer and picture processor, where they are not with the model."""
    processor_revision: str | None = None
    """The commit, tag or branch of the processor's id; None for its newest."""
    batch: int = Field(default=8, ge=1, le=64)
    """Most pictures in one call of the model."""
    scale: Scale = (0.0, 1.0)
    """The scores that are reward 0 and reward 1. CLIPScores of pictures lie between 0 and 1."""


class PickScoreOptions(ClipOptions):
    """Of `pickscore`."""

    kind = "pickscore"
    model: str = Field(default="yuvalkirstain/PickScore_v1", min_length=1)
    """A folder, or an id of the model hub, of a `CLIPModel` in safetensors."""
    processor: str | None = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    """Folder or id of its tokenizer and picture processor (as its model card says)."""
    scale: Scale = (0.0, 26.0)
    """The scores that are reward 0 and reward 1. 26 is what the public code of diffusion RL divides
    PickScores by; those of generated pictures lie around 20."""


class ClipReward:
    """A `Reward` of a CLIP model in this process, which the first call loads.

    Text-to-image only: the instruction of an edit does not describe the picture that comes of it.
    """

    def __init__(self, options: ClipOptions) -> None:
        """Nothing is loaded yet.

        Raises:
            MissingExtraError: torch or transformers is not installed.
        """
        require_local(options.kind)
        self._options = options
        self._batcher = Batcher(partial(_load, options), f"rr-refine-{options.kind}")

    @property
    def identity(self) -> Identity:
        """The model, and what its number is mapped by. Device and batch change no number."""
        aside = {"model", "device", "batch", "local_files_only"}
        return Identity(
            kind=self._options.kind,
            name=self._options.model,
            details=self._options.model_dump(mode="json", exclude=aside),
        )

    async def cannot(self, request: CritiqueRequest) -> str | None:
        """See `KnowsLimits`: no edits."""
        if request.task == "t2i":
            return None
        return (
            f"{self._options.kind} compares a picture with its description, which the instruction "
            "of an edit is not: it judges text-to-image only"
        )

    async def score(self, request: CritiqueRequest) -> Scored:
        """See `Reward.score`.

        Raises:
            ConfigError: the model cannot be loaded.
            CriticError: of an edit, or the model failed.
        """
        if why := await self.cannot(request):
            raise CriticError(why)
        kind, (low, high) = self._options.kind, self._options.scale
        found = await self._batcher.submit(request)
        notices: tuple[str, ...] = ()
        if found.tokens > found.limit:
            notices = (
                f"{kind} read {found.limit} of the {found.tokens} tokens of the request, which is "
                "all that its model takes",
            )
        if not low <= found.score <= high:
            bound = "0" if found.score < low else "1"
            notices = (
                *notices,
                f"{kind} {found.score:.4g} is outside of critic.scale = [{low:g}, {high:g}] and "
                f"counts as {bound}",
            )
        return Scored(
            min(1.0, max(0.0, (found.score - low) / (high - low))),
            f"{kind} {found.score:.6g}, cosine {found.cosine:.6g}",
            usage=Usage(calls=1, notices=notices),
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """Of one picture."""

    cosine: float
    score: float
    """In the unit of its kind."""
    tokens: int
    """Of the request."""
    limit: int
    """Of these, at most so many were read."""


_Job: TypeAlias = BatchJob[CritiqueRequest, _Found]


class _Clip(LocalModel[CritiqueRequest, _Found]):
    """Both encoders; a `BatchWorker`."""

    def __init__(self, processor: Any, model: Any, options: ClipOptions) -> None:
        # A CLIPProcessor and a CLIPModel, whose own types do not add up.
        super().__init__(options, "one picture: give another critic.device, or critic.dtype")
        self._processor, self._model, self._kind = processor, model, options.kind
        self._longest: int = model.config.text_config.max_position_embeddings

    def _answer(self, jobs: Sequence[_Job]) -> None:
        from torch.nn.functional import cosine_similarity

        texts = [job.work.prompt for job in jobs]
        tokenizer = self._processor.tokenizer
        counts = [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]
        inputs = self._processor(
            text=texts,
            images=[job.work.image for job in jobs],
            padding=True,
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        ).to(self._model.device, dtype=self._model.dtype)
        marks = tokenizer.num_special_tokens_to_add()
        output = self._model(**inputs)
        # In float32 whatever the weights are in.
        cosines = cosine_similarity(output.text_embeds.float(), output.image_embeds.float())
        factor = float(self._model.logit_scale.float().exp())
        for job, cosine, count in zip(jobs, cosines.tolist(), counts, strict=True):
            score = factor * cosine if self._kind == "pickscore" else _W * max(cosine, 0.0)
            job.result.set_result(_Found(cosine, score, count - marks, self._longest - marks))


def _load(options: ClipOptions) -> _Clip:
    from transformers import AutoConfig, CLIPModel, CLIPProcessor

    clip: Any = CLIPModel  # whose `from_pretrained` may give a pair, which its types do not say
    shared: dict[str, Any] = {"local_files_only": options.local_files_only}
    own = shared | {"revision": options.revision}
    theirs = shared | {"revision": options.processor_revision} if options.processor else own
    with loading(options, "the folder or hub id of a CLIP model") as name:
        beside = local_name(options.processor) if options.processor else name
        require_files(beside)
        config: Any = AutoConfig.from_pretrained(name, trust_remote_code=False, **own)
        if config.model_type != "clip":  # else its weights would be made up
            raise ValueError(f"it is of the type {config.model_type!r}, not 'clip'")
        processor: Any = CLIPProcessor.from_pretrained(beside, trust_remote_code=False, **theirs)
        model, report = clip.from_pretrained(
            name,
            config=config,
            dtype=options.dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **own,
        )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"its file lacks {len(missing)} weights, such as {missing[0]!r}")
        model = model.to(pick_device(options.device)).eval()
    return _Clip(processor, model, options)


clipscore = factory(ClipReward, ClipOptions, "critic")
pickscore = factory(ClipReward, PickScoreOptions, "critic")
