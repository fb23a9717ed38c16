"""What a paper reports, beside the sweep that repeats it: `published` and `small` in a sweep's file.

Nothing of it changes what a sweep holds. `localtable.analysis.published` holds the figures against a run's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Metric = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

Same = Literal["interval", "equivalent", "at_most", "more", "less"]
"""What counts as the same; docs/sweeps.md says when each is met, missed, or can't be told."""

Source = Literal["read", "derived", "abstract", "second-hand"]
"""Where a figure was found: in the authors' own tables or data, computed from these, in the paper's abstract, or in
what others write of the paper."""

_NEEDS_MARGIN = ("interval", "equivalent")
_ONE_SIDED = ("more", "less")


class _File(BaseModel):
    """Strict: an unknown key is a mistake, not a wish. Frozen, since what was read is used as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(_File):
    """`paper`."""

    id: Text
    """`arXiv:2609.35279`, or a repository with its commit."""
    title: Text
    read: Text
    """Where its figures were read."""


class Data(_File):
    """`data`: the questions that the paper asked."""

    name: Text
    ids: Text | None = None
    """What ids of these questions begin with; None where no suite of them can be told by its ids."""


class PublishedFigure(_File):
    """One of `figures`: a figure of `localtable analyze`, or a comparison of conditions, and what is reported of it."""

    name: Text
    metric: Metric
    of: Mapping[str, Text] = {}
    """Levels of the variant that it is of, by factor; the baseline's where nothing is said."""
    control: Text | None = None
    """The control of that variant that it is of."""
    by: Mapping[str, Text] = {}
    """What else tells the figure apart, such as `round: last`."""
    against: Text | None = None
    """Compared with this control of the same variant, or with what `analyze` calls so (`its first round`)."""
    factor: Text | None = None
    between: tuple[Text, Text] | None = None
    """Compared between these two levels of `factor`."""
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    """The reported interval, or the range over the paper's settings."""
    n: Annotated[int, Field(ge=1)] | None = None
    models: tuple[Text, ...] | Literal["any"] = ()
    """Cards of the models that it was reported of; `any` where the paper says it of models as such; none where no card
    is one of theirs."""
    source: Source
    same: Same
    margin: Annotated[Number, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _one_place(self) -> PublishedFigure:
        if (self.factor is None) != (self.between is None):
            raise ValueError("`factor` and `between` belong together")
        if self.factor is not None and (self.against, self.control, self.of, self.by) != (None, None, {}, {}):
            raise ValueError("levels of a factor are compared over all variants, without of, control, by, against")
        if self.against is not None and (self.control is not None or self.by):
            raise ValueError("`against` compares a variant in its last round, without control and by")
        return self

    @model_validator(mode="after")
    def _something_to_meet(self) -> PublishedFigure:
        if (self.low is None) != (self.high is None):
            raise ValueError("`low` and `high` belong together")
        ascending = [number for number in (self.low, self.value, self.high) if number is not None]
        if ascending != sorted(ascending):
            raise ValueError("low, value and high ascend")
        if self.same not in _ONE_SIDED and not ascending:
            raise ValueError(f"{self.same!r} needs a value, or low and high")
        if self.same in ("equivalent", "at_most") and self.value is None:
            raise ValueError(f"{self.same!r} needs a value")
        if self.same in _NEEDS_MARGIN and not self.margin:
            raise ValueError(f"{self.same!r} needs a margin above 0")
        if self.same in _ONE_SIDED and self.margin:
            raise ValueError(f"{self.same!r} has no margin")
        return self

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The reported interval; of a value without one the value itself."""
        return (self.value, self.value) if self.low is None else (self.low, self.high)


class Published(_File):
    """`published`."""

    paper: Paper
    models: Text
    """That the paper ran, in words."""
    data: Data
    differs: tuple[Text, ...]
    """What this sweep does otherwise than the paper."""
    figures: Annotated[tuple[PublishedFigure, ...], Field(min_length=1)]


class Small(_File):
    """`small`: what a trial on small models changes."""

    models: Annotated[Mapping[str, Text], Field(min_length=1)]
    """The card that sits in for each card of the sweep."""
    limit: Annotated[int, Field(ge=1)]
    panel: Mapping[str, Any] = {}
    """A patch of the panel, and of each panel of a factor `panel`."""
