"""The file of a workflow: JSON, or a PNG picture that ComfyUI saved, which holds its own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from rr_refine.errors import ConfigError
from rr_refine.files import MAX_PICTURE, parse_json
from rr_refine.generators.comfyui.workflow import Workflow
from rr_refine.named import read_named

__all__ = ["read_workflow"]

_MAX: Final = 4 * 2**20
"""Bytes of a workflow; large ones have some 200,000."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PICTURES: Final = (_PNG, b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")


def read_workflow(path: Path) -> Workflow:
    """Read a workflow.

    Raises:
        ConfigError: there is none in the file, or not in the format that a server takes.
    """
    shown = repr(str(path))
    try:
        data = read_named(path.expanduser(), MAX_PICTURE)
    except FileNotFoundError:
        raise ConfigError(
            f"the workflow {shown} does not exist: give its path from the folder that you are in"
        ) from None
    except (OSError, RuntimeError) as error:  # the last: no such user, in a `~name`
        raise ConfigError(f"the workflow {shown} cannot be read: {error}") from None
    found = None
    if data.startswith(_PICTURES):
        found = _in_png(data[: 2 * _MAX]) if data.startswith(_PNG) else None
        if not found:
            raise ConfigError(
                f"the picture {shown} holds no workflow: ComfyUI writes it into the PNG files that "
                "it saves (not into JPEG or WebP, nor into screenshots); in ComfyUI choose "
                "File > Export (API), and give that file"
            )
    content = found or data
    if len(content) > _MAX:
        raise ConfigError(f"{shown} has {len(content) >> 20:,} MiB, too much for a workflow")
    try:
        given = parse_json(content)
    except ValueError as error:
        raise ConfigError(
            f"{shown} is no workflow, which is a JSON file ({error}): in ComfyUI choose "
            "File > Export (API)"
        ) from None
    return Workflow.read(given, shown)


def _in_png(data: bytes) -> str | None:
    """The text `prompt` of a PNG, which is the workflow in API format; None if there is none."""
    from PIL.PngImagePlugin import PngImageFile

    try:
        text = PngImageFile(io.BytesIO(data)).info.get("prompt")
    except (SyntaxError, ValueError, OSError):  # it is broken
        return None
    return text if isinstance(text, str) else None
