"""How long an engine takes to end: asked to, and killed. The pool kills engines of one device for what this prints.

python scripts/bench_closing.py
"""

from __future__ import annotations

import argparse
import os
import time
from multiprocessing.connection import wait
from pathlib import Path
from statistics import median

from localtable.config import load_card
from localtable.engines.base import EngineSpec
from localtable.places import home
from localtable.scheduler.worker import EngineHandle, Ready, Workers
from localtable.weights import WeightStore

MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-1.5b-instruct")
SHARED = Path("/dev/shm")
"""Where processes leave shared memory that they did not clean up."""


def loaded(workers: Workers, spec: EngineSpec) -> EngineHandle:
    handle = workers.start(spec)
    while True:
        wait([handle])  # type: ignore[list-item]  # anything with a fileno will do
        for message in handle.poll():
            assert isinstance(message, Ready), message
            return handle


def seconds_to_end(workers: Workers, spec: EngineSpec, *, kill: bool) -> float:
    handle = loaded(workers, spec)
    began = time.monotonic()
    if kill:
        handle.kill()
    else:
        handle.close(timeout=60.0)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    left = set(os.listdir(SHARED))
    with Workers(home()) as workers:
        workers.prepare("vllm", "cpu")
        for name in MODELS:
            files = WeightStore(home() / "weights").find(load_card(name))
            assert files is not None, f"fetch it first: localtable models fetch {name}"
            spec = EngineSpec("vllm", name, files.folder, "bfloat16", 1024, 8, 1 << 28)
            pairs = [
                (seconds_to_end(workers, spec, kill=False), seconds_to_end(workers, spec, kill=True))
                for _ in range(arguments.repeats)
            ]
            asked, killed = (median(column) for column in zip(*pairs, strict=True))
            print(f"{name}: asked to end {asked:.2f} s, killed {killed:.2f} s (medians of {len(pairs)})", flush=True)
    print(f"left in {SHARED}: {len(set(os.listdir(SHARED)) - left)} files")


if __name__ == "__main__":
    main()
