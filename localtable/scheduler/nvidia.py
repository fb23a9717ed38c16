"""NVIDIA's GPUs as CUDA would show them to this process, asked of the driver's own library (NVML).

No CUDA context comes of it, so the process may still fork. nvidia-smi is a front end to the same library and may be
missing where the library is not, so the library alone is asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from localtable.errors import ConfigError, PrerequisiteError
from localtable.scheduler.gpu_table import find_by_driver_name, host_bytes_s
from localtable.scheduler.machine import Device


def nvidia_devices(ram_bytes: int, ram_free_bytes: int) -> list[Device]:
    """The GPUs that this process may use, in the order of their buses; none where there is no driver.

    Args:
        ram_bytes: Of the machine, for GPUs that have no memory of their own.
        ram_free_bytes: What is free of it.

    Raises:
        ConfigError: CUDA_VISIBLE_DEVICES names a GPU that isn't there.
        PrerequisiteError: A GPU that was there does not answer.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []  # no driver, or one without a GPU
    try:
        count = pynvml.nvmlDeviceGetCount()
        wanted = visible_numbers(
            os.environ.get("CUDA_VISIBLE_DEVICES"),
            [_text(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(number))) for number in range(count)],
        )
        return [_device(pynvml, index, number, (ram_bytes, ram_free_bytes)) for index, number in enumerate(wanted)]
    except pynvml.NVMLError as error:
        raise PrerequisiteError(
            f"the NVIDIA driver is here, but a GPU does not answer: {error}",
            hint="`nvidia-smi` says which; leave it out with CUDA_VISIBLE_DEVICES, or restart the machine.",
        ) from None
    finally:
        pynvml.nvmlShutdown()


def visible_numbers(visible: str | None, uuids: Sequence[str]) -> list[int]:
    """Which of a machine's GPUs CUDA_VISIBLE_DEVICES leaves, by their numbers, in its own order.

    Args:
        visible: Its value: numbers, or the beginnings of UUIDs; None where it isn't set. As CUDA reads it, nothing and
            -1 hide all that follows.
        uuids: Of all GPUs.

    Raises:
        ConfigError: It names one that isn't there, one twice, or a part of one (MIG).
    """
    if visible is None:
        return list(range(len(uuids)))
    numbers: list[int] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry in ("", "-1"):
            break
        named = [number for number, uuid in enumerate(uuids) if uuid.startswith(entry)] if entry[0].isalpha() else []
        if entry.isdecimal() and int(entry) < len(uuids):
            named = [int(entry)]
        if len(named) != 1 or named[0] in numbers:
            problem = "a GPU twice" if named else f"{entry!r}, which none of the {len(uuids)} GPUs here is"
            raise ConfigError(
                f"CUDA_VISIBLE_DEVICES={visible} names {problem}",
                hint="`nvidia-smi -L` lists numbers and UUIDs; parts of a GPU (MIG) can't be planned with.",
            )
        numbers += named
    return numbers


def _device(pynvml: Any, index: int, number: int, ram: tuple[int, int]) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    name = _text(pynvml.nvmlDeviceGetName(handle))
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
        # What the driver keeps for itself is in `total`, and CUDA never hands it out.
        total, free = int(memory.used + memory.free), int(memory.free)
    except pynvml.NVMLError_NotSupported:
        total, free = ram  # it shares the machine's memory
    card = find_by_driver_name(name, total)
    return Device(
        "cuda",
        name,
        total,
        free,
        index=index,
        host_bytes_s=_link(pynvml, handle) or (card.host_bytes_s if card else None),
        memory_bytes_s=card.memory_bytes_s if card else None,
        flops=card.flops if card else None,
    )


def _link(pynvml: Any, handle: Any) -> float | None:
    try:
        # The greatest that card and slot can do together: at rest the link runs slower.
        generation = pynvml.nvmlDeviceGetMaxPcieLinkGeneration(handle)
        return host_bytes_s(generation, pynvml.nvmlDeviceGetMaxPcieLinkWidth(handle))
    except pynvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
