"""An engine specification → the arguments that vLLM is started with.

Three layers: what localtable relies on and nobody may change, what the device needs, what the user asked for. A name
that vLLM does not know is an error here, since vLLM itself would only complain deep inside a worker.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localtable.engines.base import EngineSpec
from localtable.errors import ConfigError
from localtable.loading import nearest

MAX_LOGPROBS = 128
"""A ballot asks for one log-probability per allowed id: 64 seats, and some labels with two ids."""

CPU_BLOCK_SIZE = 32
"""Tokens. vLLM's own 128 caches 62 % of a ballot's prompt on a CPU, 32 caches 94 % (2 cores, SmolLM2)."""

CPU_BATCHED_TOKENS = 4096
"""vLLM's own default for one CPU worker."""

SHARE_STEPS = 10_000
"""To which part of a device its share is given: 8 MiB of 80 GiB."""

_OURS = {
    "load_format": "safetensors",  # "auto" would also unpickle *.bin
    "trust_remote_code": False,
    "generation_config": "vllm",  # a model folder must not change the sampling that the panel states
    "disable_log_stats": True,
    "use_tqdm_on_load": False,
    "max_logprobs": MAX_LOGPROBS,
    "logprobs_mode": "raw_logprobs",  # after the grammar's mask, before penalties and temperature
}

_REFUSED = {
    "model": "the panel's cards name the models",
    "tokenizer": "prompts are rendered with the model folder's own",
    "skip_tokenizer_init": "the ballot's grammar needs the tokenizer",
    "trust_remote_code": "code from a model folder is never run",
    "load_format": "only safetensors are read, anything else can carry code",
    "generation_config": "the panel's sampling settings are the only ones",
    "override_generation_config": "the panel's sampling settings are the only ones",
    "logprobs_mode": "a ballot's distribution needs raw_logprobs",
    "structured_outputs_config": "ballots are constrained by outlines",
    "data_parallel_size": "localtable starts one engine per model; shard the suite instead",
}


def engine_arguments(spec: EngineSpec) -> dict[str, Any]:
    """Keyword arguments for vLLM's `EngineArgs`.

    Raises:
        ConfigError: An argument that vLLM does not have, or one that localtable must keep as it is.
    """
    from vllm.config import StructuredOutputsConfig

    user = _checked(spec.arguments)
    arguments = {
        **_OURS,
        "model": str(spec.folder),
        "dtype": spec.dtype,
        "max_model_len": spec.max_model_len,
        "max_num_seqs": spec.max_num_seqs,
        "kv_cache_memory_bytes": spec.kv_cache_bytes,
        "seed": spec.seed % 2**32,  # numpy takes no larger one
        "structured_outputs_config": StructuredOutputsConfig(backend="outlines"),
    }
    max_model_len = user.get("max_model_len", spec.max_model_len)
    device = _cpu_arguments(max_model_len) if spec.device == "cpu" else _gpu_arguments(spec)
    arguments |= device | user
    if spec.device == "cpu":
        _refuse_on_cpu(arguments)
    return arguments


def shown(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as a manifest can hold them."""
    plain = {k: v if isinstance(v, str | int | float | bool | None) else str(v) for k, v in arguments.items()}
    return plain | {"structured_outputs_config": "outlines"}


def visible_devices(device: str, count: int, visible: str | None = None) -> str:
    """CUDA_VISIBLE_DEVICES for an engine on `count` devices from cuda:N on, among those that are visible now."""
    first = int(device.partition(":")[2] or 0)
    if not visible:
        return ",".join(str(first + i) for i in range(count))
    names = visible.split(",")
    if first + count > len(names):
        raise ConfigError(
            f"{device} with tensor_parallel_size={count} needs {first + count} devices, "
            f"CUDA_VISIBLE_DEVICES={visible} names {len(names)}",
            hint="Lower tensor_parallel_size, or make more devices visible.",
        )
    return ",".join(names[first : first + count])


def weights_bytes(folder: Path) -> int:
    """Size of the weights on disk, which is their size in memory as long as the dtype is kept."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    from vllm.engine.arg_utils import EngineArgs

    known = [field.name for field in dataclasses.fields(EngineArgs)]
    for name in arguments:
        if name in _REFUSED:
            raise ConfigError(f"the engine argument {name!r} can't be set: {_REFUSED[name]}", hint="Remove it.")
        if name not in known:
            raise ConfigError(
                f"vLLM has no engine argument {name!r}", hint=nearest(name, known, kind="engine arguments")
            )
    types = {field.name: str(field.type) for field in dataclasses.fields(EngineArgs)}
    return {name: _typed(value, types[name]) for name, value in arguments.items()}


def _typed(value: Any, annotation: str) -> Any:
    """A value as it came from YAML or the command line, where all scalars are text, as vLLM's type for it."""
    if not isinstance(value, str) or not re.search(r"\b(int|float|bool|dict|list)\b", annotation):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _cpu_arguments(max_model_len: int) -> dict[str, Any]:
    return {
        "enforce_eager": True,
        "block_size": CPU_BLOCK_SIZE,
        # A prompt split over two steps rolls its generator back, which a CPU generator can't: the engine would die.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(int(max_model_len), CPU_BATCHED_TOKENS),
    }


def _refuse_on_cpu(arguments: Mapping[str, Any]) -> None:
    if arguments["enable_chunked_prefill"]:
        raise ConfigError(
            "enable_chunked_prefill=true can't be used on a CPU: per-request seeds kill the engine there",
            hint="Remove it.",
        )
    if arguments["max_num_batched_tokens"] < arguments["max_model_len"]:
        raise ConfigError(
            f"max_num_batched_tokens={arguments['max_num_batched_tokens']} is below "
            f"max_model_len={arguments['max_model_len']}, and a CPU takes a prompt in one step",
            hint="Raise the one or lower the other.",
        )


def _gpu_arguments(spec: EngineSpec) -> dict[str, Any]:
    """For CUDA: sleep, and the share of the device that vLLM checks before it starts.

    vLLM compares gpu_memory_utilization with free memory even where kv_cache_memory_bytes is set (0.24 - 0.32,
    vllm/v1/worker/gpu_worker.py, init_device), so its default of 0.92 would fail beside another engine. Where nobody
    planned, there is no other one, and the default stands.
    """
    from vllm.platforms import current_platform

    sleep = {"enable_sleep_mode": current_platform.is_sleep_mode_available()}
    if spec.device_bytes is None:
        return sleep
    share = spec.device_bytes / current_platform.get_device_total_memory()
    # Rounded down: of a device that is planned to the last byte it must not be one more.
    return {**sleep, "gpu_memory_utilization": math.floor(share * SHARE_STEPS) / SHARE_STEPS}
