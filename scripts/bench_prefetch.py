"""Seconds that a load takes with weights on the disk, in the page cache, and read ahead by the prefetcher.

    python scripts/bench_prefetch.py [--engine vllm] [--model qwen2.5-coder-1.5b-instruct] [--repeats 3]

The three cases take turns, so that what else the machine does hits all alike. Before the first and the last one the
weights are taken out of the page cache (POSIX_FADV_DONTNEED), and how much of them is there is asked of the kernel.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import statistics
import time
from multiprocessing.connection import wait
from pathlib import Path

from localtable.config import load_card
from localtable.engines.base import EngineSpec
from localtable.places import home
from localtable.scheduler.messages import Died, Ready
from localtable.scheduler.prefetch import Prefetcher
from localtable.scheduler.worker import Workers
from localtable.weights import WeightStore

CASES = ("cold", "warm", "prefetched")


def resident(files: list[Path]) -> float:
    """The share of the files that the page cache holds."""
    there = pages = 0
    for file in files:
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        found = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(mapped)), found)
        there += sum(page & 1 for page in bytes(found))
        pages += len(found)
    return there / pages


def drop(files: list[Path]) -> None:
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def load_s(workers: Workers, spec: EngineSpec) -> float:
    began = time.monotonic()
    handle = workers.start(spec)
    try:
        while True:
            wait([handle], 60)  # type: ignore[list-item]
            for message in handle.poll():
                if isinstance(message, Ready):
                    return time.monotonic() - began
                assert not isinstance(message, Died), message.error
    finally:
        handle.close()


def prefetch_s(spec: EngineSpec, files: list[Path]) -> float:
    """Until the page cache holds the weights."""
    began = time.monotonic()
    with Prefetcher() as prefetch:
        assert prefetch(spec).result() > 0, "memory does not hold the weights beside the reserve"
        while resident(files) < 0.97 and time.monotonic() - began < 60:
            time.sleep(0.05)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("vllm", "transformers"), default="vllm")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b-instruct")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    card = load_card(arguments.model)
    store = WeightStore(home() / "weights")
    folder = (store.find(card) or store.fetch(card, say=print)).folder
    files = sorted(folder.glob("*.safetensors"))
    spec = EngineSpec(arguments.engine, card.id, folder, "bfloat16", 1024, 8, 2**28)
    print(f"{card.name}, {sum(file.stat().st_size for file in files) / 2**30:.2f} GiB, {arguments.engine}", flush=True)
    seconds: dict[str, list[float]] = {case: [] for case in CASES}
    with Workers(home()) as workers:
        load_s(workers, spec)  # what is imported and compiled once is paid here
        for _ in range(arguments.repeats):
            for case in CASES:
                if case != "warm":
                    drop(files)
                ahead = prefetch_s(spec, files) if case == "prefetched" else 0.0
                there = resident(files)
                seconds[case].append(load_s(workers, spec))
                said = f", read ahead in {ahead:.1f} s" if ahead else ""
                print(f"  {case}: {there:.0%} in the page cache{said}; loaded in {seconds[case][-1]:.2f} s", flush=True)
    medians = {case: statistics.median(found) for case, found in seconds.items()}
    print(", ".join(f"{case} {median:.2f} s" for case, median in medians.items()), "(medians)")


if __name__ == "__main__":
    main()
