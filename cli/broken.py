"""Commands of installed packages that cannot be loaded: listed, and an error when called."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from rr_refine.errors import ConfigError, RefineError

__all__ = ["add_broken"]


def add_broken(app: App, name: str, error: RefineError) -> None:
    """Add a command that says why it cannot be loaded, so that the others work."""

    def broken(*_: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> None:
        raise ConfigError(str(error)) from error

    app.command(broken, name=name, help=f"Cannot be loaded: {error.__cause__ or error}")
