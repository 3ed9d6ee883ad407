"""What a service takes for its answers, in US dollars. Prices are given; none is guessed."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from rr_refine.plain_text import dollars_set
from rr_refine.terms import Given

__all__ = ["PicturePrices", "Prices"]

_MILLION = 1e6


class Prices(Given):
    """Options of a part behind an endpoint that tell what a question and its answer cost."""

    price_input: float | None = Field(None, ge=0, allow_inf_nan=False)
    """US dollars for a million tokens of questions; null is unknown. 0 for a server of your own."""
    price_output: float | None = Field(None, ge=0, allow_inf_nan=False)
    """US dollars for a million tokens of answers."""
    price_date: str | None = Field(None, pattern=r"^\d{4}-\d{2}(-\d{2})?$")
    """When the prices were read, such as `2026-09-20`: services change them."""
    price_source: str | None = Field(None, max_length=300)
    """Where."""
    price_told: bool = False
    """Whether `usage.cost` of the answers is what was charged, in US dollars, as OpenRouter has it.
    It counts in place of what the tokens come to; the prices still bound what a request may cost.
    """

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        if self.price_input is None and self.price_output is not None:
            raise ValueError("`price_output` has an effect with `price_input` only")
        if self.price_input is not None and not (self.has_price or self.price_output is not None):
            raise ValueError("`price_input` has an effect with `price_output` only")
        if not (self.has_price or self.price_told) and (self.price_date or self.price_source):
            raise ValueError("`price_date` and `price_source` have no effect without a price")
        return self

    @property
    def has_price(self) -> bool:
        """Whether the most that a request may cost is known before it is sent."""
        return self.price_input is not None and self.price_output is not None

    def cost(self, asked: int, answered: int | None) -> float | None:
        """What an answer costs; None where no price is known.

        Args:
            asked: tokens of the question.
            answered: tokens of the answer; None where nobody knows.
        """
        if self.price_input is None or self.price_output is None or answered is None:
            return None
        return (asked * self.price_input + answered * self.price_output) / _MILLION

    def words(self, section: str) -> str:
        """The prices, for people; or how to give them.

        Args:
            section: the config section of these options.
        """
        if not (self.has_price or self.price_told):
            return f"its price is not known: set {self._asked(section)}"
        parts = self._parts() or ["what each answer says"]
        read = "undated" if self.price_date is None else f"as of {self.price_date}"
        source = f", by {self.price_source}" if self.price_source else ""
        return f"{' and '.join(parts)} ({read}{source})"

    def _asked(self, section: str) -> str:
        return f"{section}.price_input and {section}.price_output (US dollars per million tokens)"

    def _parts(self) -> list[str]:
        sides = (("questions", self.price_input), ("answers", self.price_output))
        prices = [(side, dollars_set(usd)) for side, usd in sides if usd is not None]
        return [f"{usd} per million tokens of {side}" for side, usd in prices]


class PicturePrices(Prices):
    """Those of a service that makes pictures."""

    price_image: float | None = Field(None, ge=0, allow_inf_nan=False)
    """US dollars for a picture. Where the service counts tokens instead, and `price_output` is set,
    the most that one costs: what the answer tells counts then. Questions cost `price_input`."""

    @property
    def has_price(self) -> bool:
        """Whether the most that a request may cost is known before it is sent."""
        return self.price_image is not None

    def cost(self, asked: int, answered: int | None, pictures: int = 1) -> float | None:
        """See `Prices.cost`; by tokens where they are known and have a price."""
        by_tokens = super().cost(asked, answered)
        if by_tokens is not None or self.price_image is None:
            return by_tokens
        return pictures * self.price_image + asked * (self.price_input or 0.0) / _MILLION

    def assumes(self, asked: int | None, answered: int | None) -> bool:
        """Whether what an answer of so many tokens costs is no more than the most that it can be.

        Args:
            asked: tokens of the question; None where nobody knows, as for the answer.
        """
        by_tokens = self.price_output is not None and answered is None
        return by_tokens or (bool(self.price_input) and asked is None)

    def _asked(self, section: str) -> str:
        return f"{section}.price_image (US dollars for a picture)"

    def _parts(self) -> list[str]:
        if self.price_image is None:
            return super()._parts()
        most = "up to " if self.price_output is not None else ""
        return [f"{most}{dollars_set(self.price_image)} a picture", *super()._parts()]
