"""What there is to compute on: NVIDIA GPUs, Apple's GPU, or the CPU with its memory.

`--gpus` describes a machine (`gpus.py`). A plan takes it as it is; what runs, runs on what is found here, as if it were
that machine and no more. `--device-memory` caps each device of either. Rooms above take the values of `machine.py` from
here, too.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import replace

from localtable.errors import PrerequisiteError
from localtable.scheduler.machine import GIB, GPU_SHARE, Device, Machine, capped, parse_size
from localtable.scheduler.nvidia import nvidia_devices

__all__ = ["GIB", "GPU_SHARE", "Device", "Machine", "capped", "find_machine", "free_bytes", "parse_size"]

SAME_SIZE = 0.99
"""Of a described size: a device that has so much of it is of that size, since the cards' table (`gpu_table.py`) is
rounded."""


def find_machine(cap_bytes: int | None = None, like: Machine | None = None) -> Machine:
    """What engines run on here: the GPUs that this process may use, or the CPU.

    Args:
        cap_bytes: At most this much of each device's memory is used.
        like: A described machine. As many devices are used as it has, and of each and of host memory no more than it
            has. Where there is no GPU, its devices share out the memory that is free.

    Raises:
        ConfigError: CUDA_VISIBLE_DEVICES names a GPU that isn't there.
        PrerequisiteError: The cap or the description is above what is here, or a GPU that was there does not answer.
    """
    cpu = _cpu()
    devices = nvidia_devices(cpu.total_bytes, cpu.free_bytes) or [_mps(cpu) or cpu]
    ram, ram_free = cpu.total_bytes, cpu.free_bytes
    if like is not None:
        devices = _gpus_like(devices, like) if devices[0].kind == "cuda" else _shares_like(devices[0], like)
        ram, ram_free = min(ram, like.ram_bytes), min(ram_free, like.ram_free_bytes)
    return capped(Machine(tuple(devices), ram, ram_free), cap_bytes)


def _gpus_like(devices: Sequence[Device], like: Machine) -> list[Device]:
    """The first of the GPUs here, each with no more memory than the described one in its place."""
    if len(like.devices) > len(devices):
        raise PrerequisiteError(
            f"--gpus describes {_count(len(like.devices))}, and {_count(len(devices))} can be used here",
            hint="Describe fewer. CUDA_VISIBLE_DEVICES says which can be used.",
        )
    for device, wanted in zip(devices, like.devices, strict=False):
        if device.total_bytes < wanted.total_bytes * SAME_SIZE:
            raise PrerequisiteError(
                f"--gpus describes a device of {wanted.total_bytes / GIB:.1f} GiB where {device} is",
                hint="Describe a smaller one.",
            )
    return [
        replace(
            device,
            total_bytes=min(device.total_bytes, wanted.total_bytes),
            free_bytes=min(device.free_bytes, wanted.free_bytes),
        )
        for device, wanted in zip(devices, like.devices, strict=False)
    ]


def _shares_like(device: Device, like: Machine) -> list[Device]:
    """Shares of the one memory that is here, one for each described device; each has all the cores."""
    wanted = sum(share.free_bytes for share in like.devices)
    if wanted > device.free_bytes:
        raise PrerequisiteError(
            f"--gpus describes {_count(len(like.devices))} with {wanted / GIB:.1f} GiB in all, to be shares of the "
            f"memory of {device}, of which {device.free_bytes / GIB:.1f} GiB are free",
            hint="Describe smaller or fewer ones, or close other programs.",
        )
    return [
        replace(device, total_bytes=share.total_bytes, free_bytes=share.free_bytes, index=index)
        for index, share in enumerate(like.devices)
    ]


def _count(devices: int) -> str:
    return f"{devices} devices" if devices > 1 else "one device"


def free_bytes(index: int) -> int:
    """What a GPU says is free now.

    Raises:
        PrerequisiteError: It does not answer.
    """
    return nvidia_devices(0, 0)[index].free_bytes


def _mps(memory: Device) -> Device | None:
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return None
    # Apple's GPU shares the machine's memory and may wire about three quarters of it.
    total = memory.total_bytes * 3 // 4
    return replace(memory, kind="mps", name="Apple GPU", total_bytes=total, free_bytes=min(total, memory.free_bytes))


def _cpu() -> Device:
    import psutil

    from localtable.scheduler.cgroups import read_limits

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = read_limits()
    total = min(memory.total, limits.memory_bytes or memory.total)
    free = min(memory.available, total if limits.free_bytes is None else limits.free_bytes)
    if limits.cores is not None:
        cores = max(1, min(cores, math.ceil(limits.cores)))
    return Device("cpu", platform.processor() or platform.machine(), total, free, cores)
