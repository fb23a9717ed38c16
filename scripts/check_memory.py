"""Predicted bytes beside what vLLM itself reports: published configurations with made-up weights, and the demo models.

    python scripts/check_memory.py [--cards ID…] [--demo ID…] [--json FILE]

Of each card a configuration is made of its figures, cut to a few layers, and loaded by vLLM's CPU build with
`load_format="dummy"`. Compared are the bytes of a block of its cache, the tokens in one, the blocks of a sequence of
full length, and the bytes of the parameters. The demo models are loaded as localtable loads them; a batch of prompts
as large as a step takes is run, and the most that its tensors take at a time are the activations. What the process
itself has grown to is printed beside.
Each loads in a process of its own, one after another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from localtable.config import load_card
from localtable.scheduler.memory import EngineSettings, cpu_settings, engine_bytes, kv_shape, weights_bytes
from localtable.types import Card, Layers

CARDS = (
    "llama-3.1-8b-instruct",
    "llama-3.2-3b-instruct",
    "qwen3-8b",
    "qwen3-30b-a3b",
    "phi-4",
    "smollm3-3b",
    "olmo-3-7b-instruct",
    "gpt-oss-20b",
    "gemma-4-26b-a4b-it",
    "gemma-4-31b-it",
    "glm-4.7-flash",
    "granite-4.0-h-tiny",
    "nemotron-3-nano-30b-a3b",
    "qwen3-next-80b-a3b-instruct-fp8",
)
DEMO = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
MAX_MODEL_LEN = 4096
NUM_SEQS = 8
CACHE_BYTES = 512 * 2**20
MOST_EXPERTS = 16
"""What models with more are scaled down to."""


def cut(card: Card) -> Card:
    """The same model with few layers of each kind, few experts, and no quantisation."""
    a = card.architecture
    layers = a.layers or Layers(a.num_hidden_layers)
    counts = [count for count in (layers.full, layers.sliding, layers.state) if count]
    few = {1: 2, 2: 1, 3: 1}[len(counts)]
    least = min(counts)

    def share(count: int) -> int:
        return round(count / least) * few if count else 0

    kept = Layers(share(layers.full), share(layers.sliding), share(layers.state))
    total = kept.full + kept.sliding + kept.state
    experts = None if a.num_experts is None else min(a.num_experts, MOST_EXPERTS)
    embeddings = a.vocab_size * a.hidden_size * (1 if a.tie_word_embeddings else 2)
    rest = card.parameters - embeddings
    if experts and a.num_experts:
        all_experts = 3 * a.hidden_size * (a.moe_intermediate_size or a.intermediate_size) * a.num_hidden_layers
        rest -= all_experts * (a.num_experts - experts)
    return replace(
        card,
        parameters=embeddings + rest * total // a.num_hidden_layers,
        active_parameters=1,
        quantization=None,
        weights_bytes=None,
        context_length=MAX_MODEL_LEN,
        architecture=replace(a, num_hidden_layers=total, layers=kept, num_experts=experts),
    )


def layer_types(layers: Layers) -> list[str]:
    """As Hugging Face names them: of each kind as many as there are."""
    return [
        *["linear_attention"] * layers.state,
        *["sliding_attention"] * layers.sliding,
        *["full_attention"] * layers.full,
    ]


def hf_config(card: Card) -> dict[str, Any]:
    """The figures of a config.json."""
    a = card.architecture
    config: dict[str, Any] = {
        "num_hidden_layers": a.num_hidden_layers,
        "hidden_size": a.hidden_size,
        "intermediate_size": a.intermediate_size,
        "num_attention_heads": a.num_attention_heads,
        "num_key_value_heads": a.num_key_value_heads,
        "head_dim": a.head_dim,
        "vocab_size": a.vocab_size,
        "tie_word_embeddings": a.tie_word_embeddings,
        "max_position_embeddings": max(card.context_length, MAX_MODEL_LEN),
        "dtype": "bfloat16",
        # Special tokens of the class's own defaults may lie outside a smaller vocabulary.
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    config |= {} if a.layers is None else {"layer_types": layer_types(a.layers)}
    config |= {} if a.sliding_window is None else {"sliding_window": a.sliding_window}
    if a.num_experts is not None:
        per_token = min(a.num_experts_per_tok or 1, a.num_experts)
        names = ("num_experts", "num_local_experts", "n_routed_experts")
        config |= dict.fromkeys(names, a.num_experts) | {"num_experts_per_tok": per_token}
        config["moe_intermediate_size"] = a.moe_intermediate_size
    extra = EXTRA.get(a.model_type)
    return config if extra is None else config | extra(card)


def _granite(card: Card) -> dict[str, Any]:
    a = card.architecture
    assert a.state is not None and a.layers is not None
    inner = a.state.num_heads * a.state.head_dim
    return {
        "layer_types": ["mamba" if kind == "linear_attention" else "attention" for kind in layer_types(a.layers)],
        "mamba_n_heads": a.state.num_heads,
        "mamba_d_head": a.state.head_dim,
        "mamba_d_state": a.state.state_size,
        "mamba_d_conv": a.state.conv_kernel,
        "mamba_n_groups": (a.state.conv_dim - inner) // (2 * a.state.state_size),
        "mamba_expand": inner // a.hidden_size,
        "shared_intermediate_size": 1024,
        "position_embedding_type": "nope",
    }


def _nemotron(card: Card) -> dict[str, Any]:
    a = card.architecture
    assert a.state is not None and a.layers is not None
    return {
        "mamba_num_heads": a.state.num_heads,
        "mamba_head_dim": a.state.head_dim,
        "ssm_state_size": a.state.state_size,
        "conv_kernel": a.state.conv_kernel,
        "n_groups": (a.state.conv_dim - a.state.num_heads * a.state.head_dim) // (2 * a.state.state_size),
    }


def _qwen_next(card: Card) -> dict[str, Any]:
    a = card.architecture
    assert a.state is not None
    values = a.state.num_heads * a.state.head_dim
    return {
        "linear_conv_kernel_dim": a.state.conv_kernel,
        "linear_key_head_dim": a.state.state_size,
        "linear_value_head_dim": a.state.head_dim,
        "linear_num_value_heads": a.state.num_heads,
        "linear_num_key_heads": (a.state.conv_dim - values) // (2 * a.state.state_size),
        "shared_expert_intermediate_size": a.moe_intermediate_size,
    }


def _glm_lite(card: Card) -> dict[str, Any]:
    a = card.architecture
    return {
        "kv_lora_rank": a.kv_lora_rank,
        "qk_rope_head_dim": a.qk_rope_head_dim,
        "q_lora_rank": 768,
        "qk_nope_head_dim": 192,
        "v_head_dim": 256,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "mlp_layer_types": ["dense", *["sparse"] * (a.num_hidden_layers - 1)],
        "num_nextn_predict_layers": 0,
    }


def _gemma(card: Card) -> dict[str, Any]:
    a = card.architecture
    return {
        "global_head_dim": a.global_head_dim,
        "num_global_key_value_heads": a.num_global_key_value_heads,
        "attention_k_eq_v": True,
        "hidden_size_per_layer_input": 0,
        "enable_moe_block": a.num_experts is not None,
        "top_k_experts": a.num_experts_per_tok,
    }


EXTRA: dict[str, Callable[[Card], dict[str, Any]]] = {
    "gemma4": _gemma,
    "granitemoehybrid": _granite,
    "nemotron_h": _nemotron,
    "qwen3_next": _qwen_next,
    "glm4_moe_lite": _glm_lite,
    "qwen2": lambda _: {"use_sliding_window": False},
}


TEXT_ONLY = {"gemma4": "gemma4_text"}
"""Kinds whose language part has a configuration of its own."""


def settings_for(engine: Any) -> EngineSettings:
    """What an engine was really started with."""
    config = engine.vllm_config
    return replace(
        cpu_settings(config.model_config.max_model_len, config.scheduler_config.max_num_seqs),
        max_num_batched_tokens=config.scheduler_config.max_num_batched_tokens,
        dtype=str(config.model_config.dtype).removeprefix("torch."),
        enable_prefix_caching=bool(config.cache_config.enable_prefix_caching),
    )


def reported_cache(engine: Any) -> dict[str, float]:
    """The blocks of an engine's cache as vLLM reckons with them."""
    from vllm.v1.core.kv_cache_utils import get_max_concurrency_for_kv_cache_config

    core = engine.engine_core.engine_core
    cache = core.scheduler.kv_cache_config
    blocks: int = cache.num_blocks
    return {
        # Every tensor says the size of the whole pool, which all groups share.
        "block_bytes": max(tensor.size for tensor in cache.kv_cache_tensors) / blocks,
        "block_tokens": max(
            (
                group.kv_cache_spec.block_size
                for group in cache.kv_cache_groups
                if "Full" in type(group.kv_cache_spec).__name__ or "MLA" in type(group.kv_cache_spec).__name__
            ),
            default=0,
        ),
        "sequence_blocks": blocks / get_max_concurrency_for_kv_cache_config(engine.vllm_config, cache),
        "blocks": blocks,
    }


class Counted:
    """The parameters as vLLM has loaded them: on a CPU it packs them anew at once and forgets their tensors."""

    nbytes = 0

    def __init__(self) -> None:
        from vllm.model_executor.model_loader import base_loader

        process = base_loader.process_weights_after_loading

        def count(model: Any, *arguments: Any) -> None:
            self.nbytes = sum(p.nbytes for p in model.parameters())
            process(model, *arguments)

        base_loader.process_weights_after_loading = count


def check_dummy(card_id: str) -> dict[str, Any]:
    """One published configuration, cut, in this process."""
    from localtable.engines import environment

    environment.prepare("cpu")
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    from vllm import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    from localtable.engines.vllm_startup import skip_needless_work

    skip_needless_work()
    counted = Counted()
    whole, card = load_card(card_id), cut(load_card(card_id))
    a = card.architecture
    with tempfile.TemporaryDirectory() as folder:
        model_type = TEXT_ONLY.get(a.model_type, a.model_type)
        config = AutoConfig.for_model(model_type, **hf_config(card))
        config.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]]
        config.save_pretrained(folder)
        chunked = {} if a.state is not None else {"enable_chunked_prefill": False}
        engine = LLMEngine.from_engine_args(
            EngineArgs(
                model=folder,
                load_format="dummy",
                skip_tokenizer_init=True,
                generation_config="vllm",
                enforce_eager=True,
                block_size=32,
                dtype="bfloat16",
                max_model_len=MAX_MODEL_LEN,
                max_num_seqs=NUM_SEQS,
                max_num_batched_tokens=MAX_MODEL_LEN,
                kv_cache_memory_bytes=CACHE_BYTES,
                hf_overrides={"num_hidden_layers": a.num_hidden_layers},
                disable_log_stats=True,
                **chunked,
            )
        )
    shape = kv_shape(card, settings_for(engine))
    kinds = whole.architecture.layers
    alike = kinds is None or kinds.full + kinds.sliding + kinds.state == whole.architecture.num_hidden_layers
    return {
        "card": card_id,
        # Where layers without a cache hold most of the weights, few layers are not a like part of the whole.
        "comparable": alike and whole.architecture.kv_lora_rank is None,
        "layers": f"{a.num_hidden_layers} of {whole.architecture.num_hidden_layers}",
        "predicted": {
            "block_bytes": shape.block_bytes,
            "block_tokens": shape.block_tokens,
            "sequence_blocks": shape.blocks(MAX_MODEL_LEN),
            "blocks": CACHE_BYTES // shape.block_bytes,
            "weights": weights_bytes(card, "bfloat16"),
        },
        "reported": reported_cache(engine) | {"weights": counted.nbytes},
    }


def check_demo(card_id: str) -> dict[str, Any]:
    """One real model, loaded as localtable loads it, in this process."""
    from localtable.engines import environment
    from localtable.engines.base import EngineSpec, Request, generate
    from localtable.engines.vllm_engine import VllmEngine
    from localtable.places import home
    from localtable.types import Sampling
    from localtable.weights import WeightStore

    card = load_card(card_id)
    files = WeightStore(home() / "weights").find(card)
    if files is None:
        raise SystemExit(f"{card_id} is not here: localtable models fetch {card_id}")
    environment.prepare("cpu")
    counted = Counted()
    spec = EngineSpec("vllm", card_id, files.folder, card.dtype, 1024, NUM_SEQS, CACHE_BYTES)
    started = time.monotonic()
    engine = VllmEngine(spec)
    load_s = time.monotonic() - started
    loaded, info = rss(), engine.info()
    settings = settings_for(engine._engine)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    # Prompts that fill a step with its most tokens, all different.
    count, length = settings.max_num_batched_tokens // 1000, 1000
    sampling = Sampling(temperature=0.7, top_p=0.95, max_tokens=4)
    requests = [
        Request(str(i), tuple((7 * i + j * (i + 3)) % 40_000 + 10 for j in range(length)), sampling, i)
        for i in range(count)
    ]
    began = time.monotonic()
    generate(engine, requests)
    seconds = time.monotonic() - began
    cache = reported_cache(engine._engine)
    after, peak = rss(), rss("VmHWM")
    again = [replace(request, prompt_token_ids=request.prompt_token_ids[::-1]) for request in requests]
    activations = peak_of_tensors(lambda: generate(engine, again))
    block = kv_shape(card, settings).block_bytes
    predicted = engine_bytes(card, settings, CACHE_BYTES // block * block)
    assert info.weights_bytes is not None
    return {
        "card": card_id,
        "load_s": load_s,
        "prompt_tokens_per_s": count * length / seconds,
        "predicted": {
            "weights": predicted.weights,
            "kv_cache": predicted.kv_cache,
            "activations": predicted.activations,
        },
        "reported": {
            "weights": info.weights_bytes,
            "parameters": counted.nbytes,
            "kv_cache": int(cache["block_bytes"] * cache["blocks"]),
            "activations": activations,
        },
        "rss": {"loaded": loaded, "after": after, "peak": peak},
    }


def peak_of_tensors(work: Callable[[], Any]) -> int:
    """The most that tensors take which are made while something works: what vLLM measures on a GPU, where PyTorch
    keeps count of it."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in seen.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    now = most = 0
    for _, size in sorted(changes):
        now += size
        most = max(most, now)
    return most


def rss(name: str = "VmRSS") -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {name}")


def run_one(kind: str, card_id: str) -> dict[str, Any]:
    """In a process of its own: vLLM gives nothing back."""
    command = [sys.executable, __file__, f"--{kind}-here", card_id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"card"')]
    if done.returncode or not lines:
        reasons = [line for line in done.stderr.splitlines() if "Error" in line] or done.stderr.splitlines()
        return {"card": card_id, "failed": reasons[-1].strip()[:200] if reasons else f"exit {done.returncode}"}
    return dict(json.loads(lines[-1]))


def print_dummy(row: Mapping[str, Any]) -> None:
    if "failed" in row:
        print(f"{row['card']:34} not loaded by vLLM's CPU build: {row['failed']}")
        return
    p, r = row["predicted"], row["reported"]
    weights = f"{p['weights'] / r['weights']:.3f}" if row["comparable"] else "–"
    print(
        f"{row['card']:34} {row['layers']:>8}   block {p['block_bytes']:>9,} / {r['block_bytes']:>11,.0f} bytes, "
        f"{p['block_tokens']:>5} / {r['block_tokens']:>5} tokens; sequence {p['sequence_blocks']:>5} / "
        f"{r['sequence_blocks']:>7.1f} blocks; weights {weights}"
    )


def print_demo(row: Mapping[str, Any]) -> None:
    if "failed" in row:
        print(f"{row['card']:34} {row['failed']}")
        return
    p, r, mib = row["predicted"], row["reported"], 2**20
    parts = "; ".join(
        f"{name} {p[name] / mib:,.0f} / {r[name] / mib:,.0f} MiB" for name in ("weights", "kv_cache", "activations")
    )
    total = sum(p.values()) / sum(r[name] for name in p)
    said = ", ".join(f"{name} {value / mib:,.0f}" for name, value in row["rss"].items())
    print(f"{row['card']:34} {parts}; together {total:.3f}; RSS {said} MiB; loaded in {row['load_s']:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cards", nargs="*", default=CARDS, metavar="ID")
    parser.add_argument("--demo", nargs="*", default=DEMO, metavar="ID")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--cards-here", metavar="ID", help=argparse.SUPPRESS)
    parser.add_argument("--demo-here", metavar="ID", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cards_here or options.demo_here:
        row = check_dummy(options.cards_here) if options.cards_here else check_demo(options.demo_here)
        print(json.dumps(row), flush=True)
        os._exit(0)
    print("predicted / reported")
    rows: dict[str, list[dict[str, Any]]] = {"dummy": [], "demo": []}
    for card_id in options.cards:
        rows["dummy"].append(run_one("cards", card_id))
        print_dummy(rows["dummy"][-1])
    for card_id in options.demo:
        rows["demo"].append(run_one("demo", card_id))
        print_demo(rows["demo"][-1])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
