"""Figures of well-known GPUs, for machines that are described and not there, and for what a driver does not say.

Read in the vendor's data sheets and white papers, or on pages that repeat them; arithmetic is dense, in bfloat16 with
float32 sums: data sheets print twice that, "with sparsity". What CUDA hands out is less than what a card is sold with:
`memory_bytes` is the "total capacity" of PyTorch's own messages where one was found, and else 98.5 % of the size, the
share of the RTX 4090 and of the H100.
"""

from __future__ import annotations

from dataclasses import dataclass

from localtable.scheduler.machine import GIB

_HANDED_OUT = 0.985


@dataclass(frozen=True, slots=True)
class GpuCard:
    """One kind of GPU."""

    name: str
    """As a specification names it."""
    driver_names: tuple[str, ...]
    """What NVML's name of it holds, in small letters, all of them."""
    size_gb: int
    """What it is sold with."""
    memory_bytes: int
    """What CUDA hands out."""
    memory_bytes_s: float
    pcie: int
    """Generation; 16 lanes."""
    flops: float
    source: str

    @property
    def host_bytes_s(self) -> float:
        return HOST_BYTES_S[self.pcie]


HOST_BYTES_S = {3: 11e9, 4: 22e9, 5: 52e9}
"""Bytes per second between a GPU and pinned host memory over 16 lanes, each way. Measured through vLLM's sleep mode: 21
to 23 GB/s on A100 (vLLM's blog, 2025-10-26, and llm-d's fast model actuation), 52 GB/s on H20 (vLLM pull request
58066); generation 3 is half of 4."""


def host_bytes_s(generation: int, lanes: int) -> float:
    """The same for any link; generations beyond those measured count as the fastest of them."""
    slower = 1 << max(0, 3 - generation)
    return HOST_BYTES_S[min(max(generation, 3), 5)] * lanes / 16 / slower


def _gpu(
    name: str,
    driver_names: tuple[str, ...],
    size_gb: int,
    memory_bandwidth_gb: float,
    pcie: int,
    tflops: float,
    source: str,
    *,
    seen_gib: float | None = None,
) -> GpuCard:
    memory = (seen_gib or size_gb * _HANDED_OUT) * GIB
    return GpuCard(name, driver_names, size_gb, int(memory), memory_bandwidth_gb * 1e9, pcie, tflops * 1e12, source)


GPUS: dict[str, GpuCard] = {
    card.name: card
    for card in (
        _gpu("rtx3090", ("rtx 3090",), 24, 936, 4, 71, "GA102 white paper v2, p. 44"),
        _gpu("rtx4090", ("rtx 4090",), 24, 1008, 4, 165.2, "Ada white paper; 165 measured", seen_gib=23.64),
        _gpu("rtx5090", ("rtx 5090",), 32, 1792, 5, 209.5, "RTX Blackwell white paper; 179 to 240 measured"),
        _gpu("rtx-a6000", ("rtx a6000",), 48, 768, 4, 154.8, "GA102 white paper v2, p. 15"),
        _gpu(
            "rtx-pro-6000",
            ("rtx pro 6000",),
            96,
            1792,
            5,
            500,
            "product page: 4000 TOPS in FP4 with sparsity, an eighth of it dense in bfloat16",
        ),
        # Error correction takes its share of GDDR6: 7.5 % of an L40S.
        _gpu("l4", ("nvidia l4",), 24, 300, 4, 121, "L4 data sheet", seen_gib=22.2),
        _gpu("l40s", ("l40s",), 48, 864, 4, 362.05, "L40S data sheet", seen_gib=44.39),
        _gpu("a100-40gb", ("a100", "40gb"), 40, 1555, 4, 312, "A100 data sheet"),
        _gpu("a100-80gb", ("a100", "80gb"), 80, 2039, 4, 312, "A100 data sheet, SXM"),
        _gpu("h100-pcie", ("h100 pcie",), 80, 2000, 5, 756, "H100 PCIe product brief; data sheet"),
        _gpu("h100-80gb", ("h100",), 80, 3350, 5, 989.4, "H100 data sheet, SXM", seen_gib=79.11),
        _gpu("h200", ("h200",), 141, 4800, 5, 989.4, "H200 data sheet"),
    )
}

ALIASES = {
    "h100": "h100-80gb",
    "h100-sxm": "h100-80gb",
    "a100": "a100-80gb",
    "h200-141gb": "h200",
    "a6000": "rtx-a6000",
}

STAND_INS = ("rtx4090", "rtx5090", "rtx-a6000", "a100-80gb", "rtx-pro-6000", "h200")
"""Whose speed a GPU has of which nothing but its size is known, in the order of their sizes."""


def stand_in(memory_bytes: int) -> GpuCard:
    """The card whose speed a GPU of this size is reckoned with: the smallest that is as large."""
    return next((GPUS[name] for name in STAND_INS if GPUS[name].size_gb * GIB >= memory_bytes), GPUS[STAND_INS[-1]])


def find_by_driver_name(name: str, memory_bytes: int) -> GpuCard | None:
    """The card that a driver's name means, such as "NVIDIA A100-SXM4-80GB"."""
    low = name.lower()
    fitting = [card for card in GPUS.values() if all(part in low for part in card.driver_names)]
    near = [card for card in fitting if abs(card.memory_bytes - memory_bytes) < 0.1 * card.memory_bytes]
    return max(near, key=lambda card: len(" ".join(card.driver_names)), default=None)
