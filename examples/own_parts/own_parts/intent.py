"""An intent check: a rewrite must not ask for colours that nobody asked for."""

from __future__ import annotations

from own_parts.critic import asked_tones
from rr_refine.request import Request
from rr_refine.terms import Identity

__all__ = ["SameTones"]


class SameTones:
    """Rejects a prompt with another colour word."""

    identity = Identity(kind="own-same-tones", name="own-same-tones", details={"version": 1})

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        """See `rr_refine.agent.intent.IntentCheck`."""
        asked = asked_tones(request.prompt)
        return tuple(f"it asks for {tone}" for tone in asked_tones(prompt) if tone not in asked)
