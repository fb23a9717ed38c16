"""Bytes of engines: against vLLM's own cache specifications, against published figures, and at the edges."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from builders import make_card, refused

from localtable.config import load_card, packaged_card_ids
from localtable.scheduler.devices import GIB
from localtable.scheduler.memory import (
    EngineBytes,
    EngineSettings,
    activations_bytes,
    can_split,
    choose_sleep_level,
    cpu_settings,
    engine_bytes,
    graphs_bytes,
    kv_bytes_per_token,
    kv_cache_bytes,
    kv_shape,
    least_cache_bytes,
    missing_figures,
    rank_weights_bytes,
    require_context,
    require_figures,
    useful_bytes,
    weights_bytes,
)
from localtable.scheduler.memory.observation import Observation
from localtable.types import Architecture, Card, Layers, State

SETTINGS = EngineSettings(8192, 8)
LATENT = {"kv_lora_rank": 512, "qk_rope_head_dim": 64}


def shaped(**changes: Any) -> Card:
    """A card whose architecture differs from the 8B's in what a test is about."""
    card = load_card("llama-3.1-8b-instruct")
    return replace(card, architecture=replace(card.architecture, **changes))


WINDOW = shaped(layers=Layers(8, 24), sliding_window=1024)
UNEVEN = shaped(num_hidden_layers=62, layers=Layers(10, 52), sliding_window=1024)
TWO_SIZES = shaped(
    num_hidden_layers=60,
    layers=Layers(10, 50),
    sliding_window=1024,
    num_key_value_heads=16,
    head_dim=256,
    num_global_key_value_heads=4,
    global_head_dim=512,
)
CHUNKED = shaped(model_type="llama4", layers=Layers(12, 36), num_hidden_layers=48, sliding_window=8192)
LATENT_CARD = shaped(**LATENT)
MAMBA = shaped(model_type="bamba", layers=Layers(3, 0, 29), state=State(8448, 4, 128, 64, 128))

# ── against vLLM ────────────────────────────────────────────────────────────────────────────────────────────


def vllm_specs(a: Architecture, settings: EngineSettings) -> dict[str, Any]:
    """Every layer's specification as vLLM's own layers would give it."""
    import torch
    from vllm.v1.kv_cache_interface import (
        ChunkedLocalAttentionSpec,
        FullAttentionSpec,
        MambaSpec,
        MLAAttentionSpec,
        SlidingWindowSpec,
    )

    layers = a.layers or Layers(a.num_hidden_layers)
    dtype = torch.float8_e4m3fn if settings.kv_cache_dtype == "fp8" else torch.bfloat16
    tokens, count = kv_shape(shaped_as(a), settings).block_tokens, settings.tensor_parallel_size

    def attention(heads: int, size: int) -> dict[str, Any]:
        return {"num_kv_heads": max(1, heads // count), "head_size": size, "dtype": dtype}

    full: Any
    if a.kv_lora_rank is not None:
        size = a.kv_lora_rank + (a.qk_rope_head_dim or 0)
        full = MLAAttentionSpec(block_size=tokens, num_kv_heads=1, head_size=size, dtype=dtype)
    else:
        heads = a.num_global_key_value_heads or a.num_key_value_heads
        block = settings.block_size if a.state is None else tokens
        full = FullAttentionSpec(block_size=block, **attention(heads, a.global_head_dim or a.head_dim))
    specs: dict[str, Any] = {f"full.{i}": full for i in range(layers.full)}
    if layers.sliding:
        kept = attention(a.num_key_value_heads, a.head_dim) | {"block_size": settings.block_size}
        chunk = a.sliding_window or 0
        window: Any = (
            ChunkedLocalAttentionSpec(attention_chunk_size=chunk, **kept)
            if a.model_type == "llama4"
            else SlidingWindowSpec(sliding_window=chunk, **kept)
        )
        specs |= {f"window.{i}": window for i in range(layers.sliding)}
    if a.state is not None:
        s = a.state
        float32 = a.model_type.startswith(("nemotron_h", "qwen3_5"))
        state = MambaSpec(
            block_size=tokens,
            shapes=((s.conv_kernel - 1, s.conv_dim // count), (s.num_heads // count, s.head_dim, s.state_size)),
            dtypes=(torch.bfloat16, torch.float32 if float32 else torch.bfloat16),
            mamba_cache_mode="align",
            num_prefill_checkpoint_blocks=0 if a.model_type.startswith("qwen") else 1,
        )
        assert state.page_size_bytes <= full.page_size_bytes, "vLLM enlarges blocks until a state fits into one"
        assert state.page_size_bytes > full.page_size_bytes - settings.block_size * full.page_size_bytes // tokens
        specs |= {f"state.{i}": replace(state, page_size_padded=full.page_size_bytes) for i in range(layers.state)}
    return specs


def shaped_as(a: Architecture) -> Card:
    return replace(make_card(), architecture=a)


CASES: list[tuple[str, Card]] = [
    *((card_id, load_card(card_id)) for card_id in packaged_card_ids()),
    ("window", WINDOW),
    ("uneven groups", UNEVEN),
    ("two sizes of heads", TWO_SIZES),
    ("chunked", CHUNKED),
    ("latent", LATENT_CARD),
    ("mamba", MAMBA),
]


@pytest.mark.parametrize(("name", "card"), CASES, ids=[name for name, _ in CASES])
@pytest.mark.parametrize(
    "changes", [{}, {"kv_cache_dtype": "fp8"}, {"max_model_len": 3000, "max_num_batched_tokens": 512}, {"count": 2}]
)
def test_blocks_are_vllms_own(name: str, card: Card, changes: dict[str, Any]) -> None:
    pytest.importorskip("vllm")
    from vllm.v1.core import kv_cache_utils
    from vllm.v1.kv_cache_layout import KVCacheLayout

    changes = dict(changes)
    count = changes.pop("count", 1)
    if count > 1 and not can_split(card, count):
        pytest.skip("heads can't be dealt out")
    settings = replace(SETTINGS, tensor_parallel_size=count, **changes)
    shape = kv_shape(card, settings)
    config: Any = SimpleNamespace(
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=False),
        attention_config=SimpleNamespace(hisparse_config=None),
        parallel_config=SimpleNamespace(decode_context_parallel_size=1),
        model_config=SimpleNamespace(max_model_len=settings.max_model_len),
        max_in_flight_tokens=settings.in_flight_tokens,
        speculative_config=None,
        cache_config=SimpleNamespace(
            mamba_cache_mode="align", get_resolved_kv_cache_layout=lambda: KVCacheLayout.LBNHC
        ),
    )
    groups = kv_cache_utils.get_kv_cache_groups(config, vllm_specs(card.architecture, settings))
    block = kv_cache_utils._get_kv_cache_bytes_per_block(groups, KVCacheLayout.LBNHC)
    whole = kv_cache_utils._max_memory_usage_bytes_from_groups(config, groups)
    assert shape.block_bytes == block
    assert shape.blocks(settings.max_model_len) * shape.block_bytes == whole


# ── against figures that are published elsewhere ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("card_id", "kib"),
    [
        ("qwen3-8b", 144),  # 36 layers, 8 heads of 128
        ("llama-3.3-70b-instruct-fp8", 320),
        ("gpt-oss-20b", 24),  # full layers only
        ("glm-4.7-flash", 47 * 576 * 2 / 1024),
        ("nemotron-3-nano-30b-a3b", 6),
    ],
)
def test_bytes_per_token(card_id: str, kib: float) -> None:
    assert kv_shape(load_card(card_id), SETTINGS).bytes_per_token == pytest.approx(kib * 1024)


def test_a_cache_in_eight_bits_holds_twice_as_much() -> None:
    card = load_card("qwen3-8b")
    narrow = replace(SETTINGS, kv_cache_dtype="fp8")
    wide = least_cache_bytes(card, SETTINGS, sequences=4)
    assert least_cache_bytes(card, narrow, sequences=4) == wide // 2
    assert kv_shape(card, narrow).sequences(wide, 8192) == 8
    assert kv_shape(card, SETTINGS).sequences(wide, 8192) == 4
    assert kv_shape(card, SETTINGS).sequences(wide - 1, 8192) == 3


def test_what_a_window_takes_has_an_end_and_what_full_layers_take_has_none() -> None:
    shape = kv_shape(WINDOW, replace(SETTINGS, max_model_len=100_000, max_num_batched_tokens=1024))
    grown = (shape.blocks(90_000) - shape.blocks(80_000)) * shape.block_bytes
    assert grown == pytest.approx(10_000 * shape.bytes_per_token, rel=0.01)
    assert shape.bytes_per_token == 8 * 2 * 8 * 128 * 2
    # The window, and what is under way in two steps, of three groups of eight layers.
    kept = shape.blocks(90_000) - shape.full_groups * math.ceil(90_000 / shape.block_tokens)
    assert kept == 3 * (math.ceil((1023 + 2048) / 16) + 1)


def test_states_are_fixed_and_more_of_them_are_kept_for_prompts_that_begin_alike() -> None:
    shape = kv_shape(MAMBA, SETTINGS)
    alone = kv_shape(MAMBA, replace(SETTINGS, enable_prefix_caching=False))
    assert (shape.state_blocks, alone.state_blocks) == (3, 1)
    assert shape.blocks(8192) - alone.blocks(8192) == 2 * shape.state_groups
    assert shape.state_groups == 10, "29 layers in groups of 3, as many as attend"


def test_models_without_attention_have_a_state_alone() -> None:
    card = shaped(layers=Layers(0, 0, 32), state=State(8448, 4, 128, 64, 128))
    shape = kv_shape(card, SETTINGS)
    assert shape.bytes_per_token == 0
    assert shape.block_bytes == 32 * (3 * 8448 * 2 + 128 * 64 * 128 * 2)


# ── what the runner asks ────────────────────────────────────────────────────────────────────────────────────


def test_a_cache_for_tokens_is_whole_blocks_and_the_empty_one() -> None:
    card = load_card("smollm2-135m-instruct")
    per_token = 2 * 30 * 3 * 64 * 2
    assert kv_bytes_per_token(card) == per_token
    assert kv_cache_bytes(card, "bfloat16", 1000, 32) == 33 * 32 * per_token
    assert kv_cache_bytes(card, "float32", 1000, 32) == 2 * 33 * 32 * per_token
    assert kv_cache_bytes(MAMBA, "bfloat16", 8000, 16, sequences=8) > kv_cache_bytes(MAMBA, "bfloat16", 8000, 16)


def test_an_engine_has_fixed_parts_and_a_cache() -> None:
    assert EngineBytes(5, 7, 2).total == 14
    assert EngineBytes(5, 7, 2, graphs=1, context=3).fixed == 11
    assert EngineBytes(5, 7).total == 12 + GIB // 2


# ── weights ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_weights_are_what_the_card_says_of_its_files_or_parameters_in_a_dtype() -> None:
    card = load_card("qwen3-8b")
    assert weights_bytes(card, "bfloat16") == 2 * card.parameters
    assert weights_bytes(card, "float32") == 4 * card.parameters
    quantised = load_card("gpt-oss-20b")
    assert weights_bytes(quantised, "bfloat16") == quantised.weights_bytes
    assert weights_bytes(replace(card, weights_bytes=10), "bfloat16") == 10
    assert weights_bytes(replace(card, weights_bytes=10), "float32") == 4 * card.parameters


def test_four_bits_are_reckoned_where_a_card_names_the_quantisation_alone() -> None:
    card = load_card("qwen3-32b-awq")
    assert card.weights_bytes is not None
    bare = replace(card, weights_bytes=None)
    assert weights_bytes(bare, "bfloat16") == pytest.approx(card.weights_bytes, rel=0.03)


def test_tensor_parallel_ranks_have_their_part_and_what_is_everywhere() -> None:
    card = load_card("llama-3.3-70b-instruct-fp8")
    whole = weights_bytes(card, "bfloat16")
    assert rank_weights_bytes(card, "bfloat16", 1) == whole
    half = rank_weights_bytes(card, "bfloat16", 2)
    assert whole / 2 < half < whole / 2 * 1.001
    # Sixteen ranks share eight heads of keys and values: each has a whole one, twice its part.
    copied = rank_weights_bytes(card, "bfloat16", 16) - whole // 16
    assert copied > 80 * 2 * 8192 * 128 * 2 / 2


def test_models_are_split_where_heads_come_out_even() -> None:
    assert [n for n in (1, 2, 3, 4, 8, 16) if can_split(load_card("llama-3.1-8b-instruct"), n)] == [1, 2, 4, 8, 16]
    assert not can_split(load_card("smollm2-135m-instruct"), 2), "nine heads"
    assert can_split(LATENT_CARD, 4)
    assert not can_split(shaped(state=State(8448, 4, 6, 64, 128), layers=Layers(4, 0, 28)), 4)


# ── the rest of an engine ───────────────────────────────────────────────────────────────────────────────────


def test_activations_grow_with_the_batch_and_with_the_vocabulary() -> None:
    card = load_card("qwen3-8b")
    small = activations_bytes(card, replace(SETTINGS, max_num_batched_tokens=2048))
    assert activations_bytes(card, SETTINGS) > 3 * small
    wide = activations_bytes(card, replace(SETTINGS, max_num_batched_tokens=2048, max_num_seqs=1024))
    assert wide > 1024 * card.architecture.vocab_size * 4
    assert activations_bytes(card, replace(SETTINGS, tensor_parallel_size=4)) < activations_bytes(card, SETTINGS)


def test_graphs_are_for_gpus_that_capture() -> None:
    card = load_card("llama-3.1-8b-instruct")
    assert graphs_bytes(card, replace(SETTINGS, max_num_seqs=256)) == pytest.approx(0.5 * GIB, rel=0.2)
    assert graphs_bytes(card, replace(SETTINGS, enforce_eager=True)) == 0
    assert graphs_bytes(card, cpu_settings(1024, 64)) == 0


def test_an_8b_engine_as_people_know_it() -> None:
    card = load_card("llama-3.1-8b-instruct")
    engine = engine_bytes(card, replace(SETTINGS, max_num_seqs=256), 4 * GIB)
    assert engine.weights == pytest.approx(15 * GIB, rel=0.01)
    assert 20 * GIB < engine.total < 22.5 * GIB
    assert GIB < engine.asleep < 1.6 * GIB, "vLLM issues 28714 and 32714 saw 1.1 to 1.2 GiB"
    assert engine.weights < engine.host_asleep < 2 * engine.weights


def test_on_a_cpu_nothing_sleeps_and_there_is_no_context() -> None:
    engine = engine_bytes(load_card("smollm2-135m-instruct"), cpu_settings(1024, 64), GIB)
    assert (engine.graphs, engine.context, engine.asleep, engine.host_asleep) == (0, 0, 0, 0)


def test_what_was_observed_goes_before_the_formulas() -> None:
    card = load_card("llama-3.1-8b-instruct")
    computed = engine_bytes(card, SETTINGS, GIB)
    seen = engine_bytes(card, SETTINGS, GIB, Observation(weights_bytes=7, activations_bytes=0))
    assert (seen.weights, seen.activations) == (7, 0)
    assert seen.context == computed.context


def test_every_packaged_card_can_be_planned_with() -> None:
    for card_id in packaged_card_ids():
        card = load_card(card_id)
        assert missing_figures(card) == [], card_id
        assert weights_bytes(card, card.dtype) < useful_bytes(card) < weights_bytes(card, card.dtype) + 20 * GIB


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (shaped(model_type="deepseek_v3"), "architecture.kv_lora_rank"),
        (shaped(model_type="gemma3_text"), "architecture.sliding_window"),
        (shaped(model_type="qwen3_next"), "architecture.state"),
        (shaped(num_experts=8), "architecture.num_experts_per_tok, architecture.moe_intermediate_size"),
        (replace(shaped(), quantization="compressed-tensors"), "weights_bytes"),
    ],
)
def test_a_card_without_the_figures_that_planning_needs_says_which(card: Card, said: str) -> None:
    assert said in refused(require_figures, card).message
    refused(useful_bytes, card)


def test_a_card_that_lists_its_layers_has_said_what_they_keep() -> None:
    require_figures(shaped(model_type="exaone4", layers=Layers(32)))


@pytest.mark.parametrize("tokens", [0, -1, 131_073])
def test_a_context_that_the_model_does_not_have_is_refused(tokens: int) -> None:
    require_context(shaped(), 131_072)
    assert "131,072" in refused(require_context, shaped(), tokens).message


def test_a_format_of_unknown_size_is_refused() -> None:
    assert "nvfp4" in refused(kv_shape, shaped(), replace(SETTINGS, kv_cache_dtype="nvfp4")).message


def test_host_memory_that_is_too_small_for_sleeping_leaves_level_2() -> None:
    engine = EngineBytes(16 * GIB, GIB, host_asleep=22 * GIB)
    assert choose_sleep_level(engine, 64 * GIB) == 1
    assert choose_sleep_level(engine, 24 * GIB) == 1
    assert choose_sleep_level(engine, 24 * GIB - 1) == 2
