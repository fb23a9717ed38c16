"""Model cards as they are written: what a model is, where its weights come from, what memory planning needs to know.

`card_lookup` finds them, `model_folder` makes one out of a model's own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from localtable.config.endpoint import EndpointFile
from localtable.config.sampling import SamplingFile
from localtable.loading import path_from, validate
from localtable.types import (
    UNKNOWN_ARCHITECTURE,
    Architecture,
    Card,
    FileSource,
    HubSource,
    Layers,
    Reasoning,
    Source,
    State,
    WheelPart,
    WheelSource,
)

MAX_PARAMETERS = 200_000_000_000
"""What this project exists for: models under 200B parameters."""

CARD_ID = r"^[a-z0-9][a-z0-9._-]{0,99}$"
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(gt=0)]


class _File(BaseModel):
    """Strict: an unknown key is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid")


class WheelPartFile(_File):
    """One member of one wheel."""

    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+!_-]+$")]
    member: Annotated[str, StringConstraints(min_length=1)]


class SourceFile(_File):
    """One source; exactly one of hub, wheel and file says which kind it is."""

    hub: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    revision: str | None = None
    wheel: list[WheelPartFile] | None = None
    filename: Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")] | None = None
    bytes: Count | None = None
    file: str | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> SourceFile:
        kinds = [name for name in ("hub", "wheel", "file") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a source is one of hub, wheel and file, this one has {kinds or 'none'}")
        if self.wheel is not None and not (self.wheel and self.filename and self.bytes and self.sha256):
            raise ValueError("a wheel source needs its parts, filename, bytes and sha256")
        return self

    def build(self, base: Path) -> Source:
        if self.hub is not None:
            return HubSource(self.hub, self.revision)
        if self.file is not None:
            return FileSource(str(path_from(self.file, base)), self.sha256)
        assert self.wheel is not None and self.filename and self.bytes and self.sha256
        parts = tuple(WheelPart(p.package, p.version, p.member) for p in self.wheel)
        return WheelSource(parts, self.filename, self.bytes, self.sha256)


class ReasoningFile(_File):
    """How thinking is switched and marked."""

    start: Annotated[str, StringConstraints(min_length=1)]
    end: Annotated[str, StringConstraints(min_length=1)]
    switch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")] | None = None
    on: Any = True
    off: Any = False

    @field_validator("on", "off")
    @classmethod
    def _typed(cls, value: Any) -> Any:
        # Scalars arrive as text; a template tests `enable_thinking` for truth, and "false" is true.
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


class LayersFile(_File):
    """How many layers keep what of a sequence."""

    full: Annotated[int, Field(ge=0)]
    sliding: Annotated[int, Field(ge=0)] = 0
    state: Annotated[int, Field(ge=0)] = 0


class StateFile(_File):
    """The state of one layer without attention."""

    conv_dim: Count
    conv_kernel: Count
    num_heads: Count
    head_dim: Count
    state_size: Count


class ArchitectureFile(_File):
    """Figures of a model's config.json, under the names that Hugging Face gives them."""

    model_type: str
    num_hidden_layers: Count
    hidden_size: Count
    intermediate_size: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    head_dim: Count
    vocab_size: Count
    tie_word_embeddings: bool
    layers: LayersFile | None = None
    sliding_window: Count | None = None
    num_global_key_value_heads: Count | None = None
    global_head_dim: Count | None = None
    kv_lora_rank: Count | None = None
    qk_rope_head_dim: Count | None = None
    state: StateFile | None = None
    num_experts: Count | None = None
    num_experts_per_tok: Count | None = None
    moe_intermediate_size: Count | None = None

    @model_validator(mode="after")
    def _complete(self) -> ArchitectureFile:
        layers = self.layers or LayersFile(full=self.num_hidden_layers)
        if layers.full + layers.sliding + layers.state > self.num_hidden_layers:
            raise ValueError(f"layers add up to more than num_hidden_layers {self.num_hidden_layers}")
        for needed, by in (
            ("sliding_window", layers.sliding > 0),
            ("state", layers.state > 0),
            ("qk_rope_head_dim", self.kv_lora_rank is not None),
        ):
            if by and getattr(self, needed) is None:
                raise ValueError(f"{needed} is missing: what a sequence takes can't be computed without it")
        return self

    def build(self) -> Architecture:
        figures = self.model_dump(exclude={"layers", "state"})
        return Architecture(
            **figures,
            layers=Layers(**self.layers.model_dump()) if self.layers else None,
            state=State(**self.state.model_dump()) if self.state else None,
        )


class CardFile(_File):
    """The written form of a card."""

    id: Annotated[str, StringConstraints(pattern=CARD_ID)]
    name: str
    publisher: str
    license: str
    license_url: str | None = None
    parameters: Count
    active_parameters: Count | None = None
    context_length: Count
    dtype: str = "bfloat16"
    quantization: str | None = None
    architecture: ArchitectureFile
    reasoning: ReasoningFile | None = None
    sampling: SamplingFile = SamplingFile()
    engine: dict[str, Any] = {}
    facts_from: str | None = None
    family: str | None = None
    weights_bytes: Count | None = None
    ran: str | None = None
    sources: Annotated[list[SourceFile], Field(min_length=1)]

    @field_validator("parameters")
    @classmethod
    def _small_enough(cls, value: int) -> int:
        return _under_bound(value)

    @model_validator(mode="after")
    def _active_at_most_total(self) -> CardFile:
        if self.active_parameters is not None and self.active_parameters > self.parameters:
            raise ValueError(f"active_parameters {self.active_parameters} is above parameters {self.parameters}")
        return self


class EndpointCardFile(_File):
    """The written form of a card whose model is spoken to at an endpoint: what nobody says is left out."""

    id: Annotated[str, StringConstraints(pattern=CARD_ID)]
    name: str | None = None
    publisher: str = "unknown"
    license: str = "unknown"
    license_url: str | None = None
    parameters: Count | None = None
    sampling: SamplingFile = SamplingFile()
    facts_from: str | None = None
    family: str | None = None
    ran: str | None = None
    endpoint: EndpointFile

    @field_validator("parameters")
    @classmethod
    def _small_enough(cls, value: int | None) -> int | None:
        return None if value is None else _under_bound(value)

    def build(self) -> Card:
        return Card(
            id=self.id,
            name=self.name or self.id,
            publisher=self.publisher,
            license=self.license,
            license_url=self.license_url,
            parameters=self.parameters or 0,
            active_parameters=self.parameters or 0,
            context_length=0,
            dtype="unknown",
            architecture=UNKNOWN_ARCHITECTURE,
            sampling=self.sampling.build(),
            facts_from=self.facts_from,
            family=self.family,
            ran=self.ran,
            sources=(),
            endpoint=self.endpoint.build(),
        )


def _under_bound(parameters: int) -> int:
    if parameters >= MAX_PARAMETERS:
        raise ValueError(
            f"{parameters // 10**9:,}B parameters; localtable seats models under {MAX_PARAMETERS // 10**9}B"
        )
    return parameters


def parse_card(data: Any, where: str, base: Path) -> Card:
    """Plain data → a card; relative file sources are read from `base`.

    Raises:
        ConfigError: Anything out of bounds, 200B parameters or more among it.
    """
    if isinstance(data, Mapping) and "endpoint" in data:
        return validate(EndpointCardFile, data, where).build()
    read = validate(CardFile, data, where)
    return Card(
        id=read.id,
        name=read.name,
        publisher=read.publisher,
        license=read.license,
        license_url=read.license_url,
        parameters=read.parameters,
        active_parameters=read.active_parameters or read.parameters,
        context_length=read.context_length,
        dtype=read.dtype,
        quantization=read.quantization,
        architecture=read.architecture.build(),
        reasoning=Reasoning(**read.reasoning.model_dump()) if read.reasoning else None,
        sampling=read.sampling.build(),
        engine=read.engine,
        facts_from=read.facts_from,
        family=read.family,
        weights_bytes=read.weights_bytes,
        ran=read.ran,
        sources=tuple(source.build(base) for source in read.sources),
    )
