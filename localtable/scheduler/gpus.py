"""`--gpus SPEC`: machines that are described, not found, so that what a panel would need can be asked anywhere.

A run that is to be as on such a machine takes its part of what is here (`devices.find_machine`).

24GiB        1x24GiB        2xH100-80GB        rtx4090        1xrtx4090,1x48GiB,ram=64GiB        machine.yaml
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from localtable.errors import ConfigError
from localtable.loading import nearest, path_from, read_mapping, validate
from localtable.scheduler.gpu_table import ALIASES, GPUS, GpuCard, stand_in
from localtable.scheduler.machine import GIB, Device, Machine, parse_size

MAX_DEVICES = 64
"""More than one machine takes."""
LEAST_BYTES, MOST_BYTES = GIB, 1024 * GIB
"""Of one device: below, no engine fits beside its own context; above, none is sold."""
MOST_RAM_BYTES = 64 * 1024 * GIB
RAM_PER_GPU_BYTE = 2
"""Host memory where a description says nothing: twice what the GPUs have, as workstations are commonly built."""

_ITEM = re.compile(r"^(?:(?P<count>[+-]?\d+)\s*x\s*)?(?P<what>\S.*)$", re.IGNORECASE)
_EXAMPLES = "For example 24GiB, 2xH100-80GB, rtx4090, 1xrtx4090,1x48GiB,ram=64GiB or a YAML file."


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _DeviceFile(_File):
    """One kind of device of a machine's file."""

    card: str | None = None
    size: str | None = None
    count: Annotated[int, Field(ge=1, le=MAX_DEVICES)] = 1
    free: str | None = None
    host_gb_s: Annotated[float, Field(gt=0, le=10_000)] | None = None
    memory_gb_s: Annotated[float, Field(gt=0, le=100_000)] | None = None
    tflops: Annotated[float, Field(gt=0, le=100_000)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> _DeviceFile:
        if (self.card is None) == (self.size is None):
            raise ValueError("a device has either a card's name or a size")
        return self


class _MachineFile(_File):
    """A machine's file."""

    devices: Annotated[list[_DeviceFile], Field(min_length=1)]
    ram: str | None = None


def parse_gpus(spec: str, base: Path | None = None) -> Machine:
    """A description → the machine.

    Args:
        spec: `[N x](SIZE | NAME)`, several of them with commas between, `ram=SIZE` among them; or the path of a YAML
            file with `devices: [{card | size, count, free, host_gb_s, memory_gb_s, tflops}]` and `ram`. A size is
            what programs get; a name stands for what its driver hands out, a little less than it is sold with.
        base: The folder that a relative path is read from; the working folder by default.

    Raises:
        ConfigError: No such card, a bare number, a size or a number of devices that no machine has, a broken file.
    """
    if spec.strip().lower().endswith((".yaml", ".yml", ".json")):
        return _from_file(path_from(spec.strip(), base or Path.cwd()))
    devices: list[Device] = []
    ram: int | None = None
    for item in spec.split(","):
        key, equals, value = item.partition("=")
        if equals and key.strip().lower() == "ram":
            ram = _ram(value, spec)
            continue
        match = _ITEM.match(item.strip())
        if match is None:
            raise ConfigError(f"--gpus {spec!r} describes no machine", hint=_EXAMPLES)
        count = int(match["count"]) if match["count"] else 1
        if not 1 <= count <= MAX_DEVICES:
            raise ConfigError(f"--gpus {spec!r}: {count} devices; 1 to {MAX_DEVICES} make a machine", hint=_EXAMPLES)
        devices += [_device(match["what"].strip(), spec)] * count
    return _machine(devices, ram, spec)


def _machine(devices: list[Device], ram: int | None, where: str) -> Machine:
    if not 1 <= len(devices) <= MAX_DEVICES:
        raise ConfigError(
            f"--gpus {where!r}: {len(devices)} devices; 1 to {MAX_DEVICES} make a machine", hint=_EXAMPLES
        )
    numbered = tuple(replace(device, index=index) for index, device in enumerate(devices))
    memory = ram or RAM_PER_GPU_BYTE * sum(device.total_bytes for device in numbered)
    return Machine(numbered, memory, memory, described=True)


def _device(what: str, where: str) -> Device:
    """A card by its name, or anything of a size, as fast as a card of that size."""
    card = _card(what)
    if card is not None:
        return _of_card(card)
    if re.fullmatch(r"[+-]?[\d.]+", what):
        raise ConfigError(
            f"--gpus {where!r}: {what} is a number without a unit",
            hint=f"Did you mean 'rtx{what}'?"
            if f"rtx{what}" in GPUS
            else "Write it with its unit, such as 24GiB or 80GB.",
        )
    if re.match(r"[+-]?[\d.]", what) and not re.search(r"[a-z]\d", what, re.IGNORECASE):
        return _of_size(_bounded(what, where))
    known = [card.name for card in GPUS.values()]
    raise ConfigError(
        f"--gpus {where!r}: no card is called {what!r}",
        hint=nearest(what.lower(), known, kind="cards") + " Anything else goes by its size, such as 24GiB.",
    )


def _card(name: str) -> GpuCard | None:
    key = re.sub(r"[\s_]+", "-", name.lower()).removeprefix("nvidia-").removeprefix("geforce-")
    key = re.sub(r"^rtx-(?=\d0\d0)", "rtx", key)
    return GPUS.get(ALIASES.get(key, key))


def _of_card(card: GpuCard) -> Device:
    return Device(
        "cuda",
        card.name,
        card.memory_bytes,
        card.memory_bytes,
        host_bytes_s=card.host_bytes_s,
        memory_bytes_s=card.memory_bytes_s,
        flops=card.flops,
    )


def _of_size(size: int) -> Device:
    like = stand_in(size)
    return Device(
        "cuda",
        f"a GPU as fast as {like.name}",
        size,
        size,
        host_bytes_s=like.host_bytes_s,
        memory_bytes_s=like.memory_bytes_s,
        flops=like.flops,
    )


def _bounded(text: str, where: str) -> int:
    if re.match(r"\s*[+-]", text):
        raise ConfigError(f"--gpus {where!r}: {text} is no size of a device", hint=_EXAMPLES)
    size = parse_size(text)
    if not LEAST_BYTES <= size <= MOST_BYTES:
        raise ConfigError(
            f"--gpus {where!r}: no GPU has {text}; {LEAST_BYTES // GIB} to {MOST_BYTES // GIB} GiB can be planned with",
            hint="Check the unit.",
        )
    return size


def _ram(text: str, where: str) -> int:
    size = parse_size(text)
    if not LEAST_BYTES <= size <= MOST_RAM_BYTES:
        raise ConfigError(f"--gpus {where!r}: no machine has {text.strip()} of memory", hint="Check the unit.")
    return size


def _from_file(path: Path) -> Machine:
    read = validate(_MachineFile, read_mapping(path), str(path))
    devices: list[Device] = []
    for entry in read.devices:
        if entry.card is not None and _card(entry.card) is None:
            raise ConfigError(
                f"{path}: no card is called {entry.card!r}", hint=nearest(entry.card.lower(), list(GPUS), kind="cards")
            )
        device = _device(entry.card, str(path)) if entry.card else _of_size(_bounded(entry.size or "", str(path)))
        free = device.free_bytes if entry.free is None else parse_size(entry.free)
        if free > device.total_bytes:
            raise ConfigError(
                f"{path}: {free / GIB:.1f} GiB free of {device.total_bytes / GIB:.1f} GiB", hint="Lower `free`."
            )
        own = replace(
            device,
            free_bytes=free,
            host_bytes_s=entry.host_gb_s * 1e9 if entry.host_gb_s else device.host_bytes_s,
            memory_bytes_s=entry.memory_gb_s * 1e9 if entry.memory_gb_s else device.memory_bytes_s,
            flops=entry.tflops * 1e12 if entry.tflops else device.flops,
        )
        devices += [own] * entry.count
    return _machine(devices, None if read.ram is None else _ram(read.ram, str(path)), str(path))
