"""Keys of requests: what decides an answer changes them, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from builders import make_card
from hypothesis import given
from hypothesis import strategies as st

from localtable.engines.base import Constraint, EngineSpec, Origin, Request
from localtable.runner.keys import VERSIONS, combine, engine_identity, request_key
from localtable.types import Card, Sampling

CARD = make_card("toy", quantization="awq")
SPEC = EngineSpec("vllm", "toy", Path("/weights"), "bfloat16", 4096, 64, 10**9, 7, "cuda:0", {"kv_cache_dtype": "fp8"})
INSTALLED = {"vllm": "0.25.1", "torch": "2.9", "outlines-core": "0.2", "transformers": "5.0", "python": "3.12"}
WEIGHTS = "a" * 64

REQUEST = Request(
    request_id="1/1/Ada/ballot/0/0",
    prompt_token_ids=(1, 2, 3),
    sampling=Sampling(),
    seed=11,
    stop_token_ids=(256,),
    constraint=Constraint("[AB]", (65, 66), ("A", "B")),
    logprob_token_ids=(65,),
    origin=Origin("q", 0, "Ada", 1, "ballot"),
)
GREEDY = replace(REQUEST, sampling=Sampling(temperature=0.0))


def identity(
    spec: EngineSpec = SPEC,
    card: Card = CARD,
    weights: str | None = WEIGHTS,
    installed: Mapping[str, str] = INSTALLED,
    **changes: Any,
) -> str:
    return engine_identity(replace(spec, **changes), card, weights, installed)


def key(request: Request = REQUEST, engine: str = "engine", *, always_draws: bool = False, **changes: Any) -> bytes:
    return request_key(engine, replace(request, **changes), always_draws=always_draws).sha256


# ── engines ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_decides_an_engine_s_answers_changes_its_identity() -> None:
    others = {
        "weights": identity(weights="b" * 64),
        "dtype": identity(dtype="float16"),
        "quantization": identity(card=replace(CARD, quantization=None)),
        "keys and values": identity(arguments={"kv_cache_dtype": "auto"}),
        "another argument": identity(arguments={**SPEC.arguments, "enforce_eager": "true"}),
        "device": identity(device="cpu"),
        "engine": identity(kind="transformers"),
        **{name: identity(installed={**INSTALLED, name: "9.9"}) for name in ("vllm", "torch", "outlines-core")},
    }
    assert len({identity(), *others.values()}) == len(others) + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"model_id": "other"},
        {"folder": Path("/elsewhere")},
        {"max_model_len": 8192},
        {"max_num_seqs": 1},
        {"kv_cache_bytes": 1},
        {"seed": 8},
        {"device": "cuda:3"},
        {"card": replace(CARD, id="other", name="Other", license="MIT", context_length=1)},
        {"installed": {**INSTALLED, "transformers": "9", "python": "4", "numpy": "3"}},
        {"installed": dict(reversed(INSTALLED.items()))},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_what_decides_nothing_leaves_the_identity_as_it_is(changes: dict[str, Any]) -> None:
    assert identity(**changes) == identity()


def test_arguments_are_the_same_in_every_order_and_whether_a_file_or_a_command_gave_them() -> None:
    one, other = {"a": 1, "b": True}, {"b": "True", "a": "1"}
    assert identity(arguments=one) == identity(arguments=other)


@pytest.mark.parametrize("kind", VERSIONS)
def test_every_engine_s_own_version_decides(kind: str) -> None:
    versions = {name: "1" for names in VERSIONS.values() for name in names}
    spec = replace(SPEC, kind=kind, arguments={})
    same = {identity(spec, installed={**versions, name: "2"}) for name in versions if name not in VERSIONS[kind]}
    assert same <= {identity(spec, installed=versions)}
    changed = {identity(spec, installed={**versions, name: "2"}) for name in VERSIONS[kind]}
    assert len(changed) == len(VERSIONS[kind])
    assert identity(spec, installed=versions) not in changed


def scripted(folder: Path, name: str, text: str, card: Card = CARD) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return identity(replace(SPEC, kind="scripted", arguments={"script": str(folder / name)}), card, None)


def test_a_script_s_text_decides_and_not_its_path(tmp_path: Path) -> None:
    first = scripted(tmp_path, "script.yaml", "turns: [{vote: A}]")
    assert scripted(tmp_path / "there", "other.yaml", "turns: [{vote: A}]") == first
    assert scripted(tmp_path, "script.yaml", "turns: [{vote: B}]") != first
    assert identity(replace(SPEC, kind="scripted", arguments={}), CARD, None) != first


def test_without_weights_the_model_s_name_decides(tmp_path: Path) -> None:
    names = {scripted(tmp_path, "s.yaml", "turns: []", replace(CARD, id=name)) for name in ("one", "two")}
    assert len(names) == 2


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_figure_of_the_sampling_decides() -> None:
    figures = [field.name for field in fields(Sampling)]
    changed = [replace(Sampling(), **{name: getattr(Sampling(), name) + 1}) for name in figures]
    keys = {key(sampling=sampling) for sampling in changed}
    assert len(keys | {key()}) == len(figures) + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt_token_ids": (1, 2, 4)},
        {"prompt_token_ids": (1, 2)},
        {"prompt_token_ids": (3, 2, 1)},
        {"prompt_token_ids": (1, 2, 3 * 2**16)},
        {"seed": 12},
        {"stop_token_ids": ()},
        {"stop_token_ids": (256, 257)},
        {"constraint": None},
        {"constraint": Constraint("[AC]", (65, 66))},
        {"constraint": Constraint("[AB]", (65, 67))},
        {"logprob_token_ids": ()},
    ],
    ids=str,
)
def test_what_decides_an_answer_changes_the_key(changes: dict[str, Any]) -> None:
    assert key(**changes) != key()


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "2/1/Ada/ballot/0/2"},
        {"origin": None},
        {"origin": Origin("other", 3, "Bob", 2, "ballot", 1)},
        {"stream": True},
        {"constraint": Constraint("[AB]", (65, 66), ("B", "A"))},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_who_asks_and_what_for_leaves_the_key_as_it_is(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()
    assert key(GREEDY, **changes) == key(GREEDY)


def test_the_engine_decides() -> None:
    assert key(engine="one") != key(engine="two")


def test_the_seed_decides_where_something_is_drawn_and_nowhere_else() -> None:
    assert key(seed=12) != key(seed=11)
    assert key(GREEDY, seed=12) == key(GREEDY, seed=11)
    assert request_key("engine", GREEDY, always_draws=False).seed is None
    assert key(GREEDY, seed=12, always_draws=True) != key(GREEDY, seed=11, always_draws=True)
    assert request_key("engine", GREEDY, always_draws=True).seed == 11


@given(st.lists(st.integers(0, 2**32 - 1)), st.lists(st.integers(0, 2**32 - 1)))
def test_two_prompts_have_one_key_only_if_they_are_equal(one: list[int], other: list[int]) -> None:
    same = key(prompt_token_ids=tuple(one)) == key(prompt_token_ids=tuple(other))
    assert same == (one == other)


def test_a_key_is_made_of_the_parts_that_a_store_keeps() -> None:
    made = request_key(identity(), REQUEST, always_draws=False)
    assert combine(made.identity, made.request_sha256, made.prompt_sha256, made.seed) == made.sha256
    assert made.prompt_sha256 == hashlib.sha256(b"".join(i.to_bytes(4, "little") for i in (1, 2, 3))).digest()
    assert len({made.sha256, made.request_sha256, made.prompt_sha256}) == 3


def test_a_key_is_the_same_in_every_process() -> None:
    """A change of this figure makes every store's answers unknown to `--reuse`: it must be meant."""
    made = request_key("engine", REQUEST, always_draws=False)
    kind = [vars_of(REQUEST.sampling), [256], ["[AB]", [65, 66]], [65]]
    assert made.request_sha256 == hashlib.sha256(json.dumps(kind).encode()).digest()


def vars_of(sampling: Sampling) -> dict[str, Any]:
    return {field.name: getattr(sampling, field.name) for field in fields(sampling)}
