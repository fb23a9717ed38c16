"""Devices and the machine that has them, found or described, as values; sizes as they are written.

What finds them is in `devices.py`, what reads their descriptions in `gpus.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from localtable.errors import ConfigError, PrerequisiteError

GIB = 1024**3
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(GiB|GB|MiB|MB)\s*$", re.IGNORECASE)
_UNITS = {"gib": GIB, "gb": 10**9, "mib": 1024**2, "mb": 10**6}

GPU_SHARE = 0.98
"""Of a GPU's memory: the most that engines are planned into. The rest is for what allocators lose between their
blocks."""


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
