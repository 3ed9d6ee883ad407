"""Which commit of the repository is installed."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

__all__ = ["commit"]


@cache
def commit() -> str | None:
    """The commit of the installed package: of the address that it was installed from, or what its
    checkout is at now, whatever was changed in it since. None where it cannot be told.
    """
    try:
        said = json.loads(distribution("rr-refine").read_text("direct_url.json") or "{}")
        pinned = said.get("vcs_info", {}).get("commit_id")
        if pinned or not said.get("dir_info", {}).get("editable"):
            return None if pinned is None else str(pinned)
        return head(Path(url2pathname(urlparse(said["url"]).path)))
    except (PackageNotFoundError, ValueError, KeyError, AttributeError, OSError):
        return None


def head(checkout: Path) -> str | None:
    """What a git checkout is at, by reading its files; None where there is nothing to read.

    Raises:
        OSError: a file cannot be read.
    """
    git = checkout / ".git"
    if git.is_file():  # a second work tree
        git = checkout / git.read_text().partition("gitdir:")[2].strip()
    if not git.is_dir():
        return None
    shared = git / "commondir"
    homes = [git, *([git / shared.read_text().strip()] if shared.is_file() else [])]
    name = (git / "HEAD").read_text().strip()
    if name.startswith("ref:"):
        ref = name.removeprefix("ref:").strip()
        loose = [home / ref for home in homes if (home / ref).is_file()]
        packed = [home / "packed-refs" for home in homes if (home / "packed-refs").is_file()]
        lines = [line for file in packed for line in file.read_text().splitlines()]
        found = [line.split(" ")[0] for line in lines if line.endswith(f" {ref}")]
        name = loose[0].read_text().strip() if loose else next(iter(found), "")
    return name if re.fullmatch("[0-9a-f]{40,64}", name) else None
