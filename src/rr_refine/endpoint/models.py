"""The models that an endpoint lists, in the forms that servers list them in."""

from __future__ import annotations

from pydantic import AliasChoices, BaseModel, Field, model_validator

from rr_refine.errors import ConfigError

__all__ = ["ModelList", "is_same_model", "only_model", "shown_models"]


class _Model(BaseModel):
    id: str = Field(validation_alias=AliasChoices("id", "name", "model"), max_length=1000)
    max_model_len: object = None
    """Tokens of a question and its answer together: vLLM and SGLang tell it, and hold to it."""


class ModelList(BaseModel):
    """The body of `/models`: OpenAI's `data`, a bare list (Together), Ollama's null for none."""

    data: list[_Model]

    @model_validator(mode="before")
    @classmethod
    def _from_any(cls, body: object) -> object:
        if isinstance(body, list) and body:
            return {"data": body}
        if isinstance(body, dict) and body.get("data", "") is None:
            return {"data": body.get("models") or []}
        if isinstance(body, dict) and "data" not in body and "models" in body:
            return {"data": body["models"]}
        return body

    @property
    def names(self) -> list[str]:
        """The models' names, sorted."""
        return sorted(model.id for model in self.data)

    @property
    def contexts(self) -> dict[str, int]:
        """How many tokens question and answer may have together, of the models that tell it."""
        lengths = ((model.id, model.max_model_len) for model in self.data)
        return {name: n for name, n in lengths if type(n) is int and n > 0}


def is_same_model(asked: str, listed: str) -> bool:
    """Whether a listed name is the model that was asked for: Ollama adds `:latest`, OpenRouter
    takes `:free` and its like, Google puts `models/` before it.
    """
    one, other = (name.lower().removeprefix("models/") for name in (asked, listed))
    return other in (one, f"{one}:latest", one.rpartition(":")[0])


def only_model(served: list[str], url: str, section: str) -> str:
    """The one model of a list that is not empty.

    Raises:
        ConfigError: there are several.
    """
    if len(served) > 1:  # LM Studio always lists one for search
        served = [one for one in served if "embed" not in one.lower()] or served
    if len(served) > 1:
        raise ConfigError(
            f"{url} serves {shown_models(served)}; name one of them with {section}.model"
        )
    return served[0]


def shown_models(models: list[str]) -> str:
    """The names in quotes, the first twenty of them."""
    names = ", ".join(repr(name) for name in models[:20]) or "nothing"
    return names + (f", … ({len(models)} in all)" if len(models) > 20 else "")
