"""The transformers engine: its decode loop against transformers' own, on models of random weights and on SmolLM2."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from subjects import Subject, build_spec
from tiny import END, VOCAB_SIZE, save_tiny_model

from localtable.engines.base import Completion, Constraint, Failure, Request, Tokens, generate
from localtable.errors import ConfigError, EngineError, EngineLoadError
from localtable.types import Sampling

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from localtable.engines.decode.token_bytes import load_vocabulary  # noqa: E402
from localtable.engines.guides import Guides  # noqa: E402
from localtable.engines.transformers_engine import TransformersEngine  # noqa: E402

UNCACHED = {"enable_prefix_caching": "false"}


def load(folder: Path, **fields: Any) -> TransformersEngine:
    defaults: dict[str, Any] = {"max_model_len": 256, "max_num_seqs": 16, "kv_cache_bytes": 8 * 2**20}
    return TransformersEngine(build_spec("transformers", folder, **defaults | fields))


def request(name: str, prompt: Sequence[int], seed: int = 0, **fields: Any) -> Request:
    sampling = {key: fields.pop(key) for key in tuple(fields) if key in Sampling.__slots__}
    settings: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 10, **sampling}
    return Request(name, tuple(prompt), Sampling(**settings), seed, **fields)


def debate_like(count: int = 6, **fields: Any) -> list[Request]:
    """Prompts of different lengths; most share a beginning, some are equal."""
    shared = [i % 250 for i in range(40)]
    prompts = [shared + [i] * (3 + 4 * (i % 3)) for i in range(count)] + [[9, 8, 7], shared]
    return [request(f"r{i}", prompt, seed=i, **fields) for i, prompt in enumerate(prompts)]


def completed(engine: TransformersEngine, requests: Sequence[Request]) -> list[Completion]:
    done = generate(engine, requests)
    assert all(isinstance(result, Completion) for result in done), done
    return [result for result in done if isinstance(result, Completion)]


def by_transformers(folder: Path, prompt: Sequence[int], max_tokens: int) -> tuple[int, ...]:
    """What transformers' own greedy `generate` says after one prompt, the end id cut off."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    ids = torch.tensor([list(prompt)])
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_tokens, pad_token_id=0
    )
    new = output[0, ids.shape[1] :].tolist()
    return tuple(new[: new.index(END)] if END in new else new)


# ── the same as transformers' own ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arguments", [{}, UNCACHED])
def test_greedy_text_is_what_transformers_generates(tiny_folder: Path, arguments: dict[str, str]) -> None:
    engine = load(tiny_folder, arguments=arguments)
    requests = debate_like(temperature=0.0, max_tokens=12)
    for asked, done in zip(requests, completed(engine, requests), strict=True):
        assert done.token_ids == by_transformers(tiny_folder, asked.prompt_token_ids, 12)


@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("mistral", {"sliding_window": 8}),
        ("gemma3_text", {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}),
        ("qwen2", {"use_sliding_window": False}),
        ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}),
    ],
)
def test_other_kinds_of_models_generate_the_same_too(tmp_path: Path, model_type: str, changes: dict[str, Any]) -> None:
    folder = save_tiny_model(tmp_path, model_type=model_type, **changes)
    engine = load(folder)
    assert engine.info().arguments["enable_prefix_caching"] is ("sliding_window" not in changes)
    requests = debate_like(temperature=0.0, max_tokens=12)
    first = completed(engine, requests)
    again = completed(engine, requests)
    for asked, done, repeated in zip(requests, first, again, strict=True):
        assert done.token_ids == repeated.token_ids == by_transformers(folder, asked.prompt_token_ids, 12)


# ── determinism ─────────────────────────────────────────────────────────────────────────────────────────────


def test_two_engines_give_the_same_to_the_byte(tiny_folder: Path) -> None:
    def transcript() -> list[Completion]:
        engine = load(tiny_folder, max_num_seqs=3)
        said = completed(engine, debate_like(max_tokens=14))
        ballots = [
            request(f"b{i}", (*asked.prompt_token_ids, *done.token_ids, 1, 2), 5, logprob_token_ids=(65, 66))
            for i, (asked, done) in enumerate(zip(debate_like(), said, strict=True))
        ]
        return said + completed(engine, ballots)

    assert transcript() == transcript()


def test_a_row_draws_the_same_alone_and_among_others(tiny_folder: Path) -> None:
    requests = debate_like(temperature=0.8, top_p=0.9)
    together = completed(load(tiny_folder), requests)
    alone = load(tiny_folder, max_num_seqs=1, arguments=UNCACHED)
    assert [done.token_ids for done in together] == [done.token_ids for done in completed(alone, requests)]


# ── keys and values used again ──────────────────────────────────────────────────────────────────────────────


def test_a_cached_continuation_equals_an_uncached_one(tiny_folder: Path) -> None:
    engine, fresh = load(tiny_folder), load(tiny_folder, arguments=UNCACHED)
    requests = debate_like(max_tokens=12)
    said = completed(engine, requests)
    ballots = [
        request(
            f"b{i}",
            (*asked.prompt_token_ids, *done.token_ids, END, 5, 6),
            max_tokens=1,
            constraint=Constraint("[A-D]", (65, 66, 67, 68)),
        )
        for i, (asked, done) in enumerate(zip(requests, said, strict=True))
    ]
    cached, whole = completed(engine, ballots), completed(fresh, ballots)
    for asked, done, warm, cold in zip(requests, said, cached, whole, strict=True):
        fed = len(done.token_ids) - (done.finish_reason == "length")
        known = len(asked.prompt_token_ids) + fed
        assert warm.cached_tokens >= (known if known >= 16 else 0)
        assert cold.cached_tokens == 0
        assert warm.logprobs == pytest.approx(cold.logprobs, abs=1e-4)


def test_a_cached_ballot_equals_an_uncached_one_on_a_real_model(transformers_subject: Subject) -> None:
    text = "Take your time and think about what the others at this table have said. " * 3
    ballot = transformers_subject.request(
        text, max_tokens=1, constraint=transformers_subject.choice("A", "B", "C", "D"), request_id="cold"
    )
    engine = transformers_subject.engine
    cold = generate(engine, [ballot])[0]
    warm = generate(engine, [replace(ballot, request_id="warm")])[0]
    assert isinstance(cold, Completion)
    assert isinstance(warm, Completion)
    assert warm.cached_tokens == warm.prompt_tokens - 1
    assert warm.logprobs == pytest.approx(cold.logprobs, abs=1e-4)


def test_rows_of_a_batch_share_their_beginning(tiny_folder: Path) -> None:
    done = completed(load(tiny_folder), debate_like())
    assert [completion.cached_tokens for completion in done] == [0, 40, 40, 40, 40, 40, 0, 39]


def test_keys_and_values_stay_within_their_bytes(tiny_folder: Path) -> None:
    per_token = 2 * 2 * 2 * 8 * 4
    engine = load(tiny_folder, max_model_len=64, kv_cache_bytes=2 * 64 * per_token)
    done = completed(engine, debate_like(max_tokens=5, min_tokens=5))
    assert {len(completion.token_ids) for completion in done} == {5}
    with pytest.raises(EngineLoadError, match="max_model_len 64"):
        load(tiny_folder, max_model_len=64, kv_cache_bytes=2 * 63 * per_token)
    load(tiny_folder, max_model_len=64, kv_cache_bytes=64 * per_token, arguments=UNCACHED)


# ── batches queue ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_submitted_meanwhile_forms_the_next_batch_together(tiny_folder: Path) -> None:
    engine = load(tiny_folder)
    lengths = {"max_tokens": 6, "min_tokens": 6}
    engine.submit([request("long", [1, 2, 3], stream=True, **lengths), request("short", [4, 5], max_tokens=2)])
    assert isinstance(engine.step()[0], Tokens)
    engine.submit([request("late", [6, 7])])
    engine.step()
    engine.submit([request("later", [8, 9])])
    batches: list[list[str]] = []
    while events := engine.step():
        done = [event.request_id for event in events if isinstance(event, Completion)]
        batches += [done] if done else []
    assert batches == [["long", "short"], ["late", "later"]]


def test_a_batch_takes_requests_in_their_order_up_to_max_num_seqs(tiny_folder: Path) -> None:
    engine = load(tiny_folder, max_num_seqs=3)
    requests = debate_like()
    engine.submit(requests)
    batches = []
    while events := engine.step():
        batches.append([event.request_id for event in events])
    assert batches == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6", "r7"]]


def test_whoever_drives_it_can_break_into_a_silent_batch(tiny_folder: Path) -> None:
    engine = load(tiny_folder)
    engine.submit([request(f"r{i}", [i, 2, 3], max_tokens=50, min_tokens=50) for i in range(3)])
    engine.interrupt = lambda: True
    assert engine.step() == []
    engine.abort(["r0"])
    engine.interrupt = lambda: False
    assert [event.request_id for event in engine.step()] == ["r1", "r2"]
    assert engine.step() == []


def test_an_id_in_use_is_refused_wherever_its_request_is(tiny_folder: Path) -> None:
    engine = load(tiny_folder)
    engine.submit([request("waiting", [1])])
    with pytest.raises(EngineError, match="waiting"):
        engine.submit([request("waiting", [1])])
    engine.submit([request("running", [1], stream=True, min_tokens=5)])
    engine.step()
    with pytest.raises(EngineError, match="running"):
        engine.submit([request("running", [1])])
    with pytest.raises(EngineError, match="new"):
        engine.submit([request("new", [1]), request("new", [1])])


def test_a_closed_engine_takes_nothing(tiny_folder: Path) -> None:
    engine = load(tiny_folder)
    engine.submit([request("r", [1])])
    engine.close()
    engine.close()
    assert engine.step() == []
    with pytest.raises(EngineError, match="closed"):
        engine.submit([request("r", [1])])


# ── constraints ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_constraint_holds_over_many_tokens(tiny_folder: Path) -> None:
    engine = load(tiny_folder)
    digits = tuple(range(48, 58))
    requests = [
        request(f"r{i}", [i, 1, 2], i, temperature=2.0, max_tokens=8, constraint=Constraint("[0-9]{2,4}", digits))
        for i in range(12)
    ]
    lengths = set()
    for done in completed(engine, requests):
        text = bytes(done.token_ids).decode()
        assert text.isdigit()
        assert done.finish_reason == "stop"
        assert done.stop_token_id in (END, None)
        lengths.add(len(text))
    assert lengths <= {2, 3, 4}
    assert len(lengths) > 1


def test_a_vocabulary_knows_bytes_and_fallbacks(tmp_path: Path) -> None:
    pieces = {"<unk>": 0, "</s>": 1, "<0x41>": 2, "A": 3, "\u2581A": 4, "\u2581": 5, "<0xC3>": 6, "<0xA9>": 7, "<t>": 8}
    data = {
        "model": {"type": "BPE", "vocab": pieces, "merges": [], "byte_fallback": True},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace"}, {"type": "ByteFallback"}]},
        "added_tokens": [
            {"id": 0, "content": "<unk>", "special": True},
            {"id": 1, "content": "</s>", "special": True},
            {"id": 8, "content": "<t>", "special": False},
        ],
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data))
    guides = Guides(load_vocabulary(path, end_id=1, vocab_size=9))
    guides.start(Constraint("A", (2, 3)))
    guides.start(Constraint(" A", (4, 5)))
    guides.start(Constraint("é", (6,)))
    guides.start(Constraint("<t>", (8,)))
    with pytest.raises(ValueError, match=r"says \{3\}"):
        guides.start(Constraint("A", (3,)))
    path.write_text(json.dumps(data | {"decoder": {"type": "WordPiece"}}))
    with pytest.raises(ValueError, match="WordPiece"):
        load_vocabulary(path, end_id=1, vocab_size=9)


def test_without_a_tokenizer_only_constraints_fail(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    (folder / "tokenizer.json").unlink()
    bound, free = generate(
        load(folder), [request("bound", [1], constraint=Constraint("A", (65,))), request("free", [1])]
    )
    assert isinstance(bound, Failure)
    assert "tokenizer.json" in bound.message
    assert isinstance(free, Completion)


# ── loading ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_without_a_model_is_a_load_error(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(EngineLoadError, match=r"config\.json"):
        load(tmp_path / "nowhere")
    with pytest.raises(EngineLoadError, match=r"config\.json"):
        TransformersEngine(replace(build_spec("transformers", tiny_folder), folder=None))
    shutil.copy(tiny_folder / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(EngineLoadError, match="safetensors"):
        load(tmp_path)


def test_broken_files_are_load_errors(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineLoadError, match="can't be loaded"):
        load(folder)
    weights.write_bytes(whole)
    (folder / "config.json").write_text("{")
    with pytest.raises(EngineLoadError, match="can't be loaded"):
        load(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    with pytest.raises(EngineLoadError, match="can't be loaded"):
        load(folder)


def test_missing_and_misshapen_tensors_are_load_errors(tiny_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    tensors = load_file(folder / "model.safetensors")
    gone = tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineLoadError, match="up_proj"):
        load(folder)
    tensors["model.layers.1.mlp.up_proj.weight"] = gone[:10].clone()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineLoadError, match="can't be loaded"):
        load(folder)


def test_code_in_a_model_folder_is_not_run(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    trace = tmp_path / "it-ran"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    with pytest.raises(EngineLoadError):
        load(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "abacus"}, "abacus"),
        ({"arguments": {"max_num_batched_token": 1}}, "max_num_batched_token"),
        ({"arguments": {"enable_prefix_caching": "perhaps"}}, "enable_prefix_caching"),
    ],
)
def test_devices_and_arguments_that_are_not_there(tiny_folder: Path, fields: dict[str, Any], told: str) -> None:
    with pytest.raises((EngineLoadError, ConfigError), match=told) as caught:
        load(tiny_folder, **fields)
    assert caught.value.hint


def test_broken_weights_fail_requests_and_not_the_engine(tiny_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][:] = math.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    failed = generate(load(folder), [request("r", [1, 2])])[0]
    assert isinstance(failed, Failure)
    assert "not finite" in failed.message


def test_ids_reach_to_the_models_vocabulary(tiny_folder: Path) -> None:
    last, beyond = generate(load(tiny_folder), [request("last", [VOCAB_SIZE - 1]), request("beyond", [VOCAB_SIZE])])
    assert isinstance(last, Completion)
    assert isinstance(beyond, Failure)
