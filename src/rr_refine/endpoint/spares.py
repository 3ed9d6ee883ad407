"""Fields that a server need not take: what is sent in place of those that it refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from rr_refine.endpoint.words import Said

__all__ = ["Spare", "Spared"]


@dataclass(frozen=True, slots=True)
class Spare:
    """What is done when a server does not take a field of the body."""

    instead: str | None = None
    """The field that carries its value then; None leaves it out."""
    effect: str = ""
    """What follows from that, and which option says so from the start: a clause."""


@dataclass(slots=True)
class Spared:
    """What one server does not take, as far as it said so."""

    fields: dict[str, str | None] = field(default_factory=dict)
    """Field -> what is sent in its place, or None."""
    notices: dict[str, None] = field(default_factory=dict)
    """The same in words, in order."""

    def applied(self, body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The body as this server takes it."""
        sent: dict[str, JsonValue] = {}
        for name, value in body.items():
            known: str | None = name
            while known in self.fields:
                known = self.fields[known]
            if known is not None:
                sent[known] = value
        return sent

    def learn(
        self, said: Said, sent: Mapping[str, JsonValue], spares: Mapping[str, Spare], shown: str
    ) -> bool:
        """Learn from a refusal; False where it is about no field that can be spared.

        Args:
            sent: the body that was refused.
            shown: the server's words, fit for a message.
        """
        if self.applied(sent) != sent:
            return True  # another request has learned it meanwhile
        name = said.refused_field([name for name in sent if name in spares])
        if name is None:
            return False
        spare = spares[name]
        instead = None if spare.instead in self.fields else spare.instead
        self.fields[name] = instead
        done = "left out" if instead is None else f"sent as {instead!r}"
        effect = f"; {spare.effect}" if spare.effect else ""
        self.notices[
            f"the endpoint does not take {name!r}, which is {done} from now on{effect} ({shown})"
        ] = None
        return True
