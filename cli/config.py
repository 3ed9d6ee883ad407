"""`rr-refine config show`: each setting, its value, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from rr_refine.agent.budget import Budget
from rr_refine.cli.options import SettingsOptions
from rr_refine.cli.settings import Settings
from rr_refine.cli.text import plain, say
from rr_refine.redaction import hidden

__all__ = ["settings_table", "show"]


def show(*, preset: str | None = None, options: SettingsOptions = SettingsOptions()) -> None:
    """Show each setting, its value and where it comes from; keys are masked.

    Args:
        preset: A preset by name, as for a run.
    """
    say(*settings_table(options.read({"preset": preset})))


def settings_table(settings: Settings) -> Iterator[str]:
    """One line per setting: those that were set, and what the preset makes of the rest.

    Raises:
        ConfigError: the policy is not valid.
    """
    from rr_refine.cli.job import policy_from

    policy = policy_from(settings)
    rows: dict[str, tuple[JsonValue, str]] = {
        key: (value, settings.sources[key]) for key, value in settings.values.items()
    }
    for name, value in policy.model_dump(mode="json").items():
        if name not in ("preset", "budget", "rewriters"):
            rows.setdefault(f"loop.{name}", (value, f"preset {policy.preset}"))
    for name in Budget.model_fields:
        value = getattr(policy.budget, name)
        rows.setdefault(f"budget.{name}", (value, f"preset {policy.preset}"))
    if rows["rewriter.use"][0] is None:
        rows["rewriter.use"] = (list(policy.rewriters), f"preset {policy.preset}")
    width = max(len(key) for key in rows)
    for key in sorted(rows, key=lambda k: (k.count("."), k)):
        value, source = rows[key]
        shown = json.dumps(hidden(value, key), ensure_ascii=False)
        yield f"{key:<{width}}  {plain(shown)}  ({source})"
