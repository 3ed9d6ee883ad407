"""A Postgres of one's own, in a temporary folder, for as long as it is needed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["WHY_NOT", "postgres"]


def _programs() -> Path | None:
    """Where `initdb` and `pg_ctl` are: Debian has them in no folder of PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if named := shutil.which("initdb"):
        found.append(Path(named).resolve().parent)
    return found[0] if found else None


def _user() -> str | None:
    """Who runs it: root may not. None for whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


WHY_NOT = None if _programs() else "no Postgres: apt-get install postgresql"
"""Why there can be none; None if there can be one."""


@contextmanager
def postgres() -> Iterator[str]:
    """Start one; gives how to connect. It listens to a socket in its own folder only."""
    programs, user = _programs(), _user()
    assert programs is not None, WHY_NOT
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
    if user is not None:
        shutil.chown(folder, user)

    def do(program: str, *arguments: str) -> None:
        with (folder.parent / f"{folder.name}.log").open("w+") as log:
            ended = subprocess.run(
                [programs / program, "-D", folder / "data", *arguments],
                user=user,
                extra_groups=None if user is None else [],
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=60,
                check=False,
            )
            log.seek(0)
            assert ended.returncode == 0, log.read()

    try:
        do("initdb", "--username=test", "--auth=trust", "--encoding=UTF8", "--no-sync")
        do("pg_ctl", "start", "-w", "-l", f"{folder}/log", "-o", f"-h '' -k {folder} -c fsync=off")
        try:
            yield f"host={folder} user=test dbname=postgres"
        finally:
            do("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.log").unlink()
