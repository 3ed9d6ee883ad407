"""Where a run comes from: another run, one of its pictures, and what was done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from rr_refine.agent.picture_name import picture_name
from rr_refine.errors import StoreError
from rr_refine.files import parse_json, read_file
from rr_refine.terms import Record

__all__ = ["Lineage", "LineageKind", "parent_folder"]

LineageKind: TypeAlias = Literal["vary", "edit", "again", "prompt"]
"""What a run does with the picture that it comes from: more seeds of its prompt, an edit of it,
the same request with another seed, or its prompt as a request."""

_NAME: Final = 255


def _one_name(name: str) -> str:
    if name in (".", "..") or any(c in "/\\" or not c.isprintable() for c in name):
        raise ValueError(f"{name!r} is no name of a folder")
    return name


class Lineage(Record):
    """The run and the picture that a run comes from."""

    kind: LineageKind
    run: str = Field(min_length=1, max_length=_NAME)
    """Id of the parent."""
    folder: Annotated[str, AfterValidator(_one_name)] = Field(min_length=1, max_length=_NAME)
    """Name of the parent's folder, which was beside that of the run."""
    candidate: str = Field(pattern=r"^r\d{1,9}c\d{1,9}$")
    """Id of the picture in it."""
    image: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Its digest."""

    @property
    def words(self) -> str:
        """What the run is, in a clause."""
        what = {
            "vary": "more seeds of the prompt of",
            "edit": "an edit of",
            "again": "another seed of the request of",
            "prompt": "a request made of the prompt of",
        }[self.kind]
        return f"{what} {picture_name(self.candidate)} of {self.run}"


def parent_folder(path: Path, lineage: Lineage) -> Path | None:
    """The folder of a run's parent; None where it is not beside that of the run any more: it was
    moved, renamed or deleted.

    Nothing but its id is read. A run may come from somebody else, so no other place is looked at,
    and no link is followed.

    Args:
        path: the folder of the run.
    """
    folder = path.resolve().parent / lineage.folder
    if folder.is_symlink() or not folder.is_dir():
        return None
    try:
        config = parse_json(read_file(folder / "config.json", within=folder))
    except (OSError, ValueError, StoreError):
        return None
    name = config.get("run_id") if isinstance(config, dict) else None
    return folder if (name or folder.name) == lineage.run else None
