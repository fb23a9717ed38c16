"""How tokens are drawn, as written in cards and panels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from localtable.types import Sampling


class SamplingFile(BaseModel):
    """The written form of `Sampling`; what is left out has the default of the place it stands in."""

    model_config = ConfigDict(extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=5)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _bounds_in_order(self) -> SamplingFile:
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is above max_tokens {self.max_tokens}")
        return self

    def build(self, base: Sampling | None = None) -> Sampling:
        """`base` with what is given here in place of its own."""
        from dataclasses import replace

        given = {key: value for key, value in self.model_dump().items() if value is not None}
        return replace(base or Sampling(), **given)


def _branch(value: Any) -> str | None:
    if value == "card":
        return "card"
    return "settings" if isinstance(value, dict | SamplingFile) else None


SamplingChoice = Annotated[
    Annotated[SamplingFile, Tag("settings")] | Annotated[Literal["card"], Tag("card")],
    Discriminator(
        _branch,
        custom_error_type="sampling_choice",
        custom_error_message="write `card`, for each card's own, or a mapping of settings",
    ),
]
"""What a panel says of sampling. Told apart by its kind, so that a misspelt setting is the one fault that is named."""
