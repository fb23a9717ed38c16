"""The environment that engine processes start with, in one place, with a reason for every variable.

Most of these are read once, when torch, vLLM or an OpenMP runtime is loaded, so they stand before the first heavy
import: the fork server gets them as its whole environment, and an engine of this process sets what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from localtable.places import home


def environment(
    device: str, folder: Path, inherited: Mapping[str, str] = os.environ, *, threads: int | None = None
) -> dict[str, str]:
    """What an engine process for `device` runs in.

    Args:
        device: cpu, mps, or cuda:N.
        folder: Where vLLM may keep what it caches between runs.
        inherited: The caller's own environment. What it says of threads and allocators stands; what keeps the
            process offline and quiet does not yield.
        threads: OpenMP threads of one engine; by default one for each core.
    """
    return {
        **_threads(device, threads),
        **inherited,
        **_offline(),
        **_vllm(folder),
        **(_on_cpu() if device == "cpu" else {}),
    }


def prepare(device: str) -> None:
    """Set this process's own environment for an engine that runs in it (scripts and tests)."""
    os.environ.update(environment(device, Path(os.environ.get("VLLM_CACHE_ROOT") or home() / "vllm")))


def _offline() -> dict[str, str]:
    return {
        "HF_HUB_OFFLINE": "1",  # weights come from the store; the hub is never asked
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",  # vLLM posts usage data otherwise
        "DO_NOT_TRACK": "1",
        "VLLM_HOST_IP": "127.0.0.1",  # vLLM opens a UDP socket to a public address to find its own otherwise
        "GLOO_SOCKET_IFNAME": "lo",  # the process group of one, too, stays on loopback
        "VLLM_PLUGINS": "",  # plugins are other people's code, found by entry point
    }


def _vllm(folder: Path) -> dict[str, str]:
    return {
        "VLLM_CACHE_ROOT": str(folder),  # what it learns of an architecture costs 10 s and more to learn again
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # its log goes to stdout otherwise, where results go
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # a worker is a process of its own already: 1 start instead of 3
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # tensor-parallel ranks must not inherit the worker's threads
        "VLLM_REGEX_COMPILATION_TIMEOUT_S": "60",  # 5 s by default, which a crowded machine can exceed
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as the driver counts (scheduler/nvidia.py); CUDA puts the fastest first
        "TOKENIZERS_PARALLELISM": "false",  # its threads would not survive the fork, and it says so on every run
    }


def _on_cpu() -> dict[str, str]:
    return {
        # Log-probabilities go through torch.compile: 11 - 17 s of the first request, and a compiler needed.
        "TORCHDYNAMO_DISABLE": "1",
    }


def _threads(device: str, threads: int | None) -> dict[str, str]:
    if device != "cpu":
        return {}
    return {
        # OpenMP threads spin while they wait, and two engines that spin on the same cores ruin each other.
        "OMP_WAIT_POLICY": "PASSIVE",
        "KMP_BLOCKTIME": "0",
        # vLLM's attention kernel spins all the same: with few rows a second thread doubles an engine's CPU time.
        **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
    }
