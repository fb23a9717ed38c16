"""What there is to compute on: NVIDIA GPUs, Apple's GPU, or the CPU with its memory.

`--gpus` describes a machine (`gpus.py`). A plan takes it as it is; what runs, runs on what is found here, as if it were
that machine and no more. `--device-memory` caps each device of either.
"""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from localtable.errors import ConfigError, PrerequisiteError

GIB = 1024**3
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(GiB|GB|MiB|MB)\s*$", re.IGNORECASE)
_UNITS = {"gib": GIB, "gb": 10**9, "mib": 1024**2, "mb": 10**6}

GPU_SHARE = 0.98
"""Of a GPU's memory: the most that engines are planned into. The rest is for what allocators lose between their
blocks."""
SAME_SIZE = 0.99
"""Of a described size: a device that has so much of it is of that size, since the cards' table (`gpu_table.py`) is
rounded."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device that engines can be loaded on."""

    kind: str
    """cuda, mps or cpu."""
    name: str
    total_bytes: int
    """What programs can get of it: a card sold with 24 GB hands out some 23.6 GiB."""
    free_bytes: int
    cores: int = 0
    index: int = 0
    """Its number among those that this process sees."""
    host_bytes_s: float | None = None
    """Bytes per second between it and host memory, each way; None: as fast as cards of its size are."""
    memory_bytes_s: float | None = None
    """Bytes per second that its processors read from its own memory."""
    flops: float | None = None
    """Dense operations per second in bfloat16."""

    @property
    def torch_name(self) -> str:
        return f"cuda:{self.index}" if self.kind == "cuda" else self.kind

    @property
    def empty_bytes(self) -> int:
        """What engines could be planned into if no other program were on it."""
        return int(self.total_bytes * GPU_SHARE) if self.kind == "cuda" else self.total_bytes

    @property
    def usable_bytes(self) -> int:
        """What engines may be planned into."""
        return min(self.free_bytes, self.empty_bytes)

    @property
    def taken_bytes(self) -> int:
        """What other programs hold."""
        return max(0, self.total_bytes - self.free_bytes)

    def __str__(self) -> str:
        return f"{self.torch_name} ({self.name}, {self.total_bytes / GIB:.1f} GiB)"


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices that engines can be spread over, with the host's memory behind them."""

    devices: tuple[Device, ...]
    """One at least, all of one kind."""
    ram_bytes: int
    """Of the host; where the devices use it as theirs (cpu, mps), the same memory."""
    ram_free_bytes: int
    described: bool = False
    """It comes from a description and was not looked for."""

    @property
    def kind(self) -> str:
        return self.devices[0].kind

    @property
    def capacities(self) -> list[int]:
        """Bytes that engines may take, by device."""
        return [device.usable_bytes for device in self.devices]

    def __str__(self) -> str:
        names: dict[str, int] = {}
        for device in self.devices:
            name = f"{device.name}, {device.total_bytes / GIB:.1f} GiB"
            names[name] = names.get(name, 0) + 1
        said = "; ".join(f"{count} × {name}" if count > 1 else name for name, count in names.items())
        return said if self.kind != "cuda" else f"{said}; {self.ram_bytes / GIB:.0f} GiB of host memory"


def parse_size(text: str) -> int:
    """`24GiB`, `80GB`, `512MiB` → bytes.

    Raises:
        ConfigError: No number with a unit; a bare number is refused, since GB and GiB differ by 7 %.
    """
    match = _SIZE.match(text)
    if not match or float(match.group(1)) <= 0:
        raise ConfigError(f"{text!r} is no size", hint="Write a number with its unit, such as 24GiB or 80GB.")
    return int(float(match.group(1)) * _UNITS[match.group(2).lower()])


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
    from localtable.scheduler.nvidia import nvidia_devices

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
    from localtable.scheduler.nvidia import nvidia_devices

    return nvidia_devices(0, 0)[index].free_bytes


def capped(machine: Machine, cap_bytes: int | None) -> Machine:
    """A machine of which each device gives at most so much.

    Raises:
        PrerequisiteError: The cap is above what a device has.
    """
    return replace(machine, devices=tuple(_capped(device, cap_bytes) for device in machine.devices))


def _capped(device: Device, cap_bytes: int | None) -> Device:
    if cap_bytes is None:
        return device
    if cap_bytes > device.total_bytes:
        raise PrerequisiteError(
            f"--device-memory {cap_bytes / GIB:.1f} GiB is above the {device.total_bytes / GIB:.1f} GiB of "
            f"{device.name}",
            hint="Lower it, or leave it out.",
        )
    return replace(device, total_bytes=cap_bytes, free_bytes=min(cap_bytes, device.free_bytes))


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
