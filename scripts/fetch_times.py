"""How long the demo models take from an empty store: seconds by step, one model after the other, then all at once.

Downloading, taking wheels apart, putting the file together and summing overlap, so they are one step; so do
converting and summing. Needs 12 GB of disk and a network; the store it makes is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localtable.cli.models import DEMO_MODELS
from localtable.config import load_card
from localtable.weights import WeightStore
from localtable.weights.progress import Advance


class Stopwatch:
    """A `Progress` that notes how long each kind of step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, what: str, total_bytes: int | None) -> Iterator[Advance]:
        started = time.perf_counter()
        yield lambda _: None
        kind = what.partition(": ")[2].split()[0]
        self.seconds[kind] += time.perf_counter() - started


def cpu_seconds() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=DEMO_MODELS, help="card ids; the demo models by default")
    cards = [load_card(model) for model in parser.parse_args().models]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    print(f"{'model':30} {'look up':>8} {'download':>9} {'convert':>8} {'total':>7} {'CPU':>7}  seconds")
    with tempfile.TemporaryDirectory(prefix="localtable-times-") as folder:
        for card in cards:
            watch = Stopwatch()
            started, worked = time.perf_counter(), cpu_seconds()
            files = WeightStore(Path(folder) / "one").fetch(card, say=say, progress=watch)
            total, worked = time.perf_counter() - started, cpu_seconds() - worked
            download, convert = watch.seconds["downloading"], watch.seconds["converting"]
            rest = total - sum(watch.seconds.values())
            print(f"{card.id:30} {rest:8.1f} {download:9.1f} {convert:8.1f} {total:7.1f} {worked:7.1f}  {files.source}")
        started, worked = time.perf_counter(), cpu_seconds()
        WeightStore(Path(folder) / "all").fetch_all(cards, say=say)
        total, worked = time.perf_counter() - started, cpu_seconds() - worked
        print(f"{'all, two at a time':30} {'':26} {total:8.1f} {worked:7.1f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"largest conversion process: {peak:.1f} GiB resident; load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
