"""The cards and panels that ship: their figures agree with each other, and panels suit the memory in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from localtable.config import load_card, load_panel, parse_card
from localtable.loading import read_mapping
from localtable.places import packaged
from localtable.types import Architecture, Card, HubSource, Layers, Stop

GIB = 1024**3
CARD_FILES = sorted(packaged("model_cards").glob("*.yaml"))
CARDS = {path.stem: parse_card(read_mapping(path), str(path), path.parent) for path in CARD_FILES}
PANEL_FILES = sorted((packaged("examples") / "panels").glob("*.yaml"))
SIZED = {path.stem: path for path in PANEL_FILES if re.fullmatch(r"(\d+x)?\d+gib", path.stem)}

RAN = re.compile(r"never run|\d{4}-\d\d-\d\d, \S.*")
BYTES = {"bfloat16": 2}
BYTES_PER_PARAMETER = {"awq": (0.5, 0.7), "mxfp4": (0.5, 0.7), "nvfp4": (0.5625, 0.7), "fp8": (1.0, 1.2)}
"""From experts or layers alone to embeddings and head in 16 bits beside them."""

SEES_IMAGES = {
    "gemma-4-26b-a4b-it",
    "gemma-4-31b-it",
    "ministral-3-8b-instruct-2512",
    "mistral-small-3.2-24b-instruct",
}
"""Their parameters count an encoder that the architecture's figures say nothing about."""


def layers_of(architecture: Architecture) -> Layers:
    return architecture.layers or Layers(full=architecture.num_hidden_layers)


def keeps_all_in_keys_and_values(card: Card) -> bool:
    return card.architecture.kv_lora_rank is None and layers_of(card.architecture).state == 0


def each(cards: Mapping[str, Card]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("card", cards.values(), ids=cards)


every_card = each(CARDS)
COUNTABLE = {name: card for name, card in CARDS.items() if keeps_all_in_keys_and_values(card)}
OTHERS = {name: card for name, card in CARDS.items() if name not in COUNTABLE}


def embeddings(a: Architecture) -> int:
    return a.vocab_size * a.hidden_size * (1 if a.tie_word_embeddings else 2)


def attention(a: Architecture) -> int:
    """Query, key, value and output of every layer, in heads' full width."""
    layers = layers_of(a)
    kinds = (
        (layers.sliding, a.num_key_value_heads, a.head_dim),
        (layers.full, a.num_global_key_value_heads or a.num_key_value_heads, a.global_head_dim or a.head_dim),
    )
    return sum(n * 2 * a.hidden_size * dim * (a.num_attention_heads + kv) for n, kv, dim in kinds)


def expert_layers(a: Architecture) -> int:
    """All layers, unless some neither attend nor keep a state: those hold the experts then."""
    layers = layers_of(a)
    return a.num_hidden_layers - layers.full - layers.sliding - layers.state or a.num_hidden_layers


def experts(a: Architecture, count: int) -> int:
    """`count` experts in each of their layers; Nemotron's have no gate, so two matrices instead of three."""
    assert a.moe_intermediate_size is not None
    matrices = 2 if a.model_type == "nemotron_h" else 3
    return expert_layers(a) * count * matrices * a.hidden_size * a.moe_intermediate_size


def feed_forward(a: Architecture) -> int:
    if a.num_experts is not None:
        return experts(a, a.num_experts)
    return a.num_hidden_layers * 3 * a.hidden_size * a.intermediate_size


def weights(card: Card) -> int:
    return card.weights_bytes or card.parameters * BYTES[card.dtype]


# ── what there is ───────────────────────────────────────────────────────────────────────────────────────────


def test_there_are_cards_of_many_families_and_all_sizes() -> None:
    assert len(CARDS) >= 15, "twelve for GPUs beside the three demo models"
    assert len({card.family for card in CARDS.values()}) >= 8
    sizes = [card.parameters for card in CARDS.values()]
    assert min(sizes) < 10**9
    assert 100 * 10**9 < max(sizes) < 200 * 10**9
    for low, high in ((1, 5), (5, 10), (10, 20), (20, 30), (30, 40), (60, 90)):
        assert any(low * 10**9 <= size < high * 10**9 for size in sizes), f"none from {low}B to {high}B"


def test_there_are_cards_of_every_way_to_keep_a_sequence() -> None:
    architectures = [card.architecture for card in CARDS.values()]
    assert any(a.num_key_value_heads < a.num_attention_heads and a.layers is None for a in architectures)
    assert any(layers_of(a).sliding and layers_of(a).full for a in architectures)
    assert any(a.kv_lora_rank for a in architectures)
    assert {a.model_type for a in architectures if layers_of(a).state} >= {"granitemoehybrid", "nemotron_h"}
    assert any(a.num_global_key_value_heads for a in architectures)


def test_there_are_quantised_cards_of_every_usual_kind() -> None:
    assert {card.quantization for card in CARDS.values()} - {None} == set(BYTES_PER_PARAMETER)


# ── each card ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", CARD_FILES, ids=lambda path: path.stem)
def test_a_card_lies_under_its_id(path: Path) -> None:
    assert CARDS[path.stem].id == path.stem
    assert load_card(path.stem).id == path.stem


@every_card
def test_a_card_says_whose_model_it_is_and_where_its_figures_come_from(card: Card) -> None:
    assert card.family
    assert card.license not in ("", "unknown")
    assert card.facts_from
    assert re.search(r"config\.json|Config\b", card.facts_from), "figures come from a published configuration"
    assert card.ran is not None
    assert RAN.fullmatch(card.ran), card.ran
    assert any(isinstance(source, HubSource) for source in card.sources)


@each(COUNTABLE)
def test_parameters_agree_with_the_architecture(card: Card) -> None:
    """Norms, biases and routers are left out of the count: at most 1 %. Encoders come on top."""
    a = card.architecture
    counted = embeddings(a) + attention(a) + feed_forward(a)
    above = 0.055 if card.id in SEES_IMAGES else 0.01
    assert 0.999 * counted <= card.parameters <= (1 + above) * counted


@pytest.mark.parametrize("layers", [-1, 1])
def test_the_count_tells_one_layer_more_or_less(layers: int) -> None:
    card = CARDS["qwen3-8b"]
    a = replace(card.architecture, num_hidden_layers=card.architecture.num_hidden_layers + layers)
    counted = embeddings(a) + attention(a) + feed_forward(a)
    assert not 0.999 * counted <= card.parameters <= 1.01 * counted


@each(OTHERS)
def test_what_can_be_counted_is_most_of_a_latent_or_hybrid_model(card: Card) -> None:
    """Latent projections, state layers, shared experts and encoders come on top: at most a third."""
    a = card.architecture
    least = embeddings(a) + feed_forward(a) + (0 if a.kv_lora_rank else attention(a))
    assert 0.999 * least <= card.parameters <= 1.33 * least


@every_card
def test_what_a_token_does_not_use_are_experts(card: Card) -> None:
    a = card.architecture
    if a.num_experts is None:
        assert card.active_parameters == card.parameters
        assert a.num_experts_per_tok is None
        return
    assert a.num_experts_per_tok is not None
    unused = experts(a, a.num_experts - a.num_experts_per_tok)
    # A first layer without experts, as GLM's, is counted as if it had some.
    assert 0.97 * unused <= card.parameters - card.active_parameters <= 1.001 * unused


@every_card
def test_a_quantised_card_says_how_many_bytes_its_weights_have(card: Card) -> None:
    assert card.dtype in BYTES
    if card.quantization is None:
        assert card.weights_bytes is None
        return
    assert card.weights_bytes is not None
    low, high = BYTES_PER_PARAMETER[card.quantization]
    assert low <= card.weights_bytes / card.parameters <= high


@every_card
def test_a_states_convolution_takes_what_the_recurrence_takes_and_more(card: Card) -> None:
    state = card.architecture.state
    assert (state is not None) == (layers_of(card.architecture).state > 0)
    if state is not None:
        assert state.conv_dim >= state.num_heads * state.head_dim + 2 * state.state_size


@every_card
def test_sliding_layers_have_a_window_below_the_context(card: Card) -> None:
    window = card.architecture.sliding_window
    assert (window is not None) == (layers_of(card.architecture).sliding > 0)
    if window is not None:
        assert window < card.context_length


# ── the panels ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.stem)
def test_every_example_panel_is_whole(path: Path) -> None:
    panel = load_panel(path, default_stop=Stop())
    for card in panel.cards:
        assert card == load_card(card.id)


def test_there_is_a_panel_for_every_usual_memory() -> None:
    assert set(SIZED) == {"8gib", "16gib", "24gib", "48gib", "80gib", "2x80gib"}


@pytest.mark.parametrize("name", SIZED)
def test_a_sized_panel_seats_different_families_that_fit_one_by_one(name: str) -> None:
    """Each model fits one of the GPUs with a GiB to spare, and no smaller memory in the list would hold them all."""
    panel = load_panel(SIZED[name], default_stop=Stop())
    assert 3 <= len(panel.seats) <= 6
    assert len({card.family for card in panel.cards}) == len(panel.seats)
    device = int(name.removesuffix("gib").rpartition("x")[2])
    largest = max(weights(card) for card in panel.cards) / GIB
    assert largest <= device - 1.5
    smaller = max((size for size in (4, 8, 16, 24, 48) if size < device), default=0)
    assert largest > smaller - 1.5


def test_the_panel_of_six_sizes_spans_8_to_120_billion() -> None:
    panel = load_panel(packaged("examples") / "panels/six-sizes.yaml", default_stop=Stop())
    sizes = sorted(card.parameters / 10**9 for card in panel.cards)
    assert len(sizes) == len({card.family for card in panel.cards}) == 6
    assert 8 <= sizes[0] < 10
    assert 100 < sizes[-1] <= 120
    assert all(larger > 1.3 * smaller for smaller, larger in pairwise(sizes))
