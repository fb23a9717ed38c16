"""What there is to compute on: an NVIDIA GPU, Apple's GPU, or the CPU with its memory.

`--gpus` describes machines that aren't there and belongs to planning; what runs, runs on what is found here, under
the cap of `--device-memory`.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass, replace

from localtable.errors import ConfigError, PrerequisiteError

GIB = 1024**3
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(GiB|GB|MiB|MB)\s*$", re.IGNORECASE)
_UNITS = {"gib": GIB, "gb": 10**9, "mib": 1024**2, "mb": 10**6}


@dataclass(frozen=True, slots=True)
class Device:
    """One device that engines can be loaded on."""

    kind: str
    """cuda, mps or cpu."""
    name: str
    total_bytes: int
    free_bytes: int
    cores: int = 0

    @property
    def torch_name(self) -> str:
        return "cuda:0" if self.kind == "cuda" else self.kind


def parse_size(text: str) -> int:
    """`24GiB`, `80GB`, `512MiB` → bytes.

    Raises:
        ConfigError: No number with a unit; a bare number is refused, since GB and GiB differ by 7 %.
    """
    match = _SIZE.match(text)
    if not match or float(match.group(1)) <= 0:
        raise ConfigError(f"{text!r} is no size", hint="Write a number with its unit, such as 24GiB or 80GB.")
    return int(float(match.group(1)) * _UNITS[match.group(2).lower()])


def find_device(cap_bytes: int | None = None) -> Device:
    """The device that engines run on here.

    Args:
        cap_bytes: At most this much of its memory is used.

    Raises:
        PrerequisiteError: The cap is above what the device has.
    """
    device = _cuda() or _mps() or _cpu()
    if cap_bytes is None:
        return device
    if cap_bytes > device.total_bytes:
        raise PrerequisiteError(
            f"--device-memory {cap_bytes / GIB:.1f} GiB is above the {device.total_bytes / GIB:.1f} GiB of "
            f"{device.name}",
            hint="Lower it, or leave it out.",
        )
    return replace(device, total_bytes=cap_bytes, free_bytes=min(cap_bytes, device.free_bytes))


def _cuda() -> Device | None:
    # nvidia-smi comes with the driver and needs no CUDA context; the first visible device is the one that is used.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if visible == "-1":
        return None
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            [*command, f"--id={visible or 0}"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
        name, total, free = (part.strip() for part in answer.strip().splitlines()[0].rsplit(",", 2))
        return Device("cuda", name, int(total) * 1024**2, int(free) * 1024**2)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _mps() -> Device | None:
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return None
    memory = _cpu()
    # Apple's GPU shares the machine's memory and may wire about three quarters of it.
    return replace(memory, kind="mps", name="Apple GPU", total_bytes=memory.total_bytes * 3 // 4)


def _cpu() -> Device:
    import psutil

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    total = min(memory.total, _cgroup_limit() or memory.total)
    return Device("cpu", platform.processor() or platform.machine(), total, min(memory.available, total), cores)


def _cgroup_limit() -> int | None:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as file:
                value = file.read().strip()
        except OSError:
            continue
        if value.isdigit() and int(value) < 2**60:
            return int(value)
    return None
