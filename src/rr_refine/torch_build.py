"""The build of torch that is installed, told without the seconds that its import takes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["is_cpu_build"]


def is_cpu_build() -> bool:
    """Whether torch is built for the CPU alone; False where it is not installed."""
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
