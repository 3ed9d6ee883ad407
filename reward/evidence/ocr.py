"""Lettering by optical character recognition: RapidOCR, whose models come with the package."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from pydantic import Field

from rr_refine.errors import ConfigError, EvidenceError
from rr_refine.plugins import factory
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.evidence.evidence import Box, Finding, Findings
from rr_refine.reward.evidence.text_match import TextLine, match_texts
from rr_refine.terms import Given, Identity
from rr_refine.wanted_text import WantedText, wanted_texts

if TYPE_CHECKING:
    from rapidocr import RapidOCR

__all__ = ["OcrEvidence", "OcrOptions", "create"]

_SIZES: Final = (768, 512)
"""Pixels of the shorter side at which a picture is read: letters 8 pixels high are not read, and
large ones on a curve are not found. The second is for what was missed at the first."""

_LONGEST: Final = 8192
"""Most pixels of the longer side: a narrow strip would grow beyond memory."""


class OcrOptions(Given):
    """Options of the evidence `ocr`: the config section `[evidence.ocr]`."""

    threads: int = Field(default=1, ge=1, le=64)
    """Processor threads of one reading."""
    sure: float = Field(default=0.8, ge=0.0, le=1.0)
    """What was read less surely than this counts as not measured: a misspelling, and a text that is
    not found beside lettering which may hold it."""


class OcrEvidence:
    """Reads what is written in a picture, and compares it with what the request wants written.

    A picture whose request asks for no lettering is not read.

    Args:
        options: see `OcrOptions`.

    Raises:
        ConfigError: the packages are not installed.
    """

    def __init__(self, options: OcrOptions) -> None:
        self._options = options
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ocr")
        self._reader: RapidOCR | None = None
        try:
            self._versions = {name: version(name) for name in ("rapidocr", "onnxruntime")}
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"evidence 'ocr' needs {error.name}: pip install 'rr-refine[ocr]'"
            ) from error

    @property
    def identity(self) -> Identity:
        """The packages, whose models are part of them, and what decides."""
        details = {**self._versions, "sure": self._options.sure, "sizes": list(_SIZES), "rules": 2}
        return Identity(kind="ocr", name="rapidocr", details=details)

    async def examine(self, request: CritiqueRequest) -> Findings:
        """See `Evidence.examine`.

        Raises:
            EvidenceError: the picture could not be read.
        """
        wanted = wanted_texts(request.prompt)
        if not wanted:
            return Findings(evidence=self.identity)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._look, request.image, wanted)
        return Findings(evidence=self.identity, findings=tuple(self._judged(found)))

    async def aclose(self) -> None:
        """Let go of the models."""
        self._reader = None

    def _look(self, picture: Image.Image, wanted: tuple[WantedText, ...]) -> tuple[Finding, ...]:
        found: tuple[Finding, ...] = ()
        for size in _SIZES:
            look = match_texts(wanted, self._read(picture, size))
            if not found or _misses(look) < _misses(found):
                found = look
            if not _misses(found):
                break
        return found

    def _judged(self, found: Sequence[Finding]) -> Iterator[Finding]:
        """What hangs on lettering that was hard to read is not measured: what is read in it, and
        what is not found, where it is long enough to hold that.
        """
        hard = [one for one in found if one.found and one.sure < self._options.sure]
        for finding in found:
            reason = None
            if finding.kind == "wrong" and finding in hard:
                reason = f"{finding.reason}, but that was hard to read"
            elif finding.kind == "missing":
                asked = _length(finding.expected)
                long = [repr(one.found) for one in hard if _length(one.found) >= asked]
                if long:
                    reason = f"{finding.reason}, as far as {' and '.join(long)} could be read"
            told = {"kind": "abstained", "reason": reason}
            yield finding if reason is None else finding.model_copy(update=told)

    def _read(self, picture: Image.Image, size: int) -> list[TextLine]:
        try:
            if self._reader is None:
                self._reader = _reader(self._options.threads)
            times = min(size / min(picture.size), _LONGEST / max(picture.size))
            width, height = (max(1, round(side * times)) for side in picture.size)
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
            found: Any = self._reader(picture)
            if found.boxes is None or found.txts is None:
                return []
            return [
                TextLine(text=str(text), box=_box(points, picture.size), sure=float(sure))
                for points, text, sure in zip(found.boxes, found.txts, found.scores, strict=True)
            ]
        except Exception as error:  # of three libraries, one of them in C++
            raise EvidenceError(f"the lettering could not be read: {error}") from error


def _reader(threads: int) -> RapidOCR:
    # It would keep an identity of this machine in the user's cache, and send events with it. The
    # variable counts on import, the call in case it was imported before.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import_module("onnxruntime").disable_telemetry_events()
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _length(text: str | None) -> int:
    """Letters and digits of a text."""
    return sum(sign.isalnum() for sign in text or "")


def _misses(findings: tuple[Finding, ...]) -> int:
    return sum(one.is_miss for one in findings)


def _box(points: Any, size: tuple[int, int]) -> Box:
    xs, ys = ([float(point[i]) / size[i] for point in points] for i in (0, 1))
    left, top, right, bottom = (min(max(v, 0.0), 1.0) for v in (min(xs), min(ys), max(xs), max(ys)))
    return left, top, right, bottom


create = factory(OcrEvidence, OcrOptions, "evidence.ocr")
