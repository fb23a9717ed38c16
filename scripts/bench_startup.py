"""Seconds from the command to the first token: vLLM alone as well as it can be done, and localtable's workers.

    python scripts/bench_startup.py [--repeats 3] [--only NAME…] [--list]

Variants are run in turn, round after round, so that what else the machine does hits all alike; medians and ratios to
the first variant are printed. With several models, each counts when all of them have given a token.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from localtable.config import load_card
from localtable.places import home
from localtable.weights import WeightStore

HERE = Path(__file__).parent
MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")

BARE = "bare_vllm.py"
WORKERS = "first_tokens.py"
DEBATE = "first_words.py"
VARIANTS = {
    # name: (models, program, how)
    "one: bare": (1, BARE, "plain"),
    "one: bare, frozen": (1, BARE, "frozen"),
    "one: bare, frozen, trimmed": (1, BARE, "frozen,trimmed"),
    "one: localtable's worker": (1, WORKERS, "together"),
    "one: localtable's debate": (1, DEBATE, "debate"),
    "three: bare, together": (3, BARE, "together"),
    "three: bare, together, spinning": (3, BARE, "together,spinning"),
    "three: bare, one by one": (3, BARE, "one-by-one"),
    "three: bare, frozen, together": (3, BARE, "frozen,together"),
    "three: bare, frozen, one by one": (3, BARE, "frozen,one-by-one"),
    "three: localtable's workers, together": (3, WORKERS, "together"),
    "three: localtable's workers, one by one": (3, WORKERS, "one-by-one"),
    "three: localtable's debate": (3, DEBATE, "debate"),
}


def folders() -> list[str]:
    """The demo models' folders, fetched where they aren't there."""
    store = WeightStore(home() / "weights")
    cards = [load_card(name) for name in MODELS]
    return [str((store.find(card) or store.fetch(card, say=print)).folder) for card in cards]


def measure(program: str, how: str, models: list[str], memory: bool) -> dict[str, float]:
    """Seconds until the last first token and on the way there, CPU seconds, and GiB at the peak where asked for."""
    started = time.time()
    process = subprocess.Popen(
        [sys.executable, str(HERE / program), how, *models],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"VLLM_CACHE_ROOT": str(home() / "vllm")},
    )
    peaks = [0.0]
    if memory:
        threading.Thread(target=watch_memory, args=(process.pid, peaks), daemon=True).start()
    assert process.stdout is not None
    lines = [json.loads(line) for line in process.stdout]
    _, status, used = os.wait4(process.pid, 0)
    if status or len(lines) != len(models):
        raise SystemExit(f"{program} {how} gave {len(lines)} first tokens of {len(models)}")
    return {
        "total": max(line["first"] for line in lines) - started,
        "first": min(line["first"] for line in lines) - started,
        "until_load": min(line["started"] for line in lines) - started,
        "load": sum(line["loaded"] - line["started"] for line in lines),
        "cpu": used.ru_utime + used.ru_stime,
        "peak": max(peaks),
    }


def watch_memory(pid: int, peaks: list[float]) -> None:
    """Note the proportional size of a process and all that descends from it, as long as it lives."""
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        while True:
            family = [top, *top.children(recursive=True)]
            total = 0
            for process in family:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            peaks.append(total / 2**30)
            time.sleep(0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of the variants to run")
    parser.add_argument("--memory", action="store_true", help="watch it, which costs some time itself")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [name for name in VARIANTS if not options.only or any(part in name for part in options.only)]
    if options.list:
        print("\n".join(VARIANTS))
        return
    models = folders()
    results: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for repeat in range(options.repeats + 1):
        for name in chosen:
            count, program, how = VARIANTS[name]
            result = measure(program, how, models[:count], options.memory)
            if repeat:  # the first round fills the page cache and vLLM's own
                results[name].append(result)
                print(f"  {name}: {result['total']:.1f} s", file=sys.stderr)
    for count in (1, 3):
        report({name: runs for name, runs in results.items() if VARIANTS[name][0] == count})


def report(results: dict[str, list[dict[str, float]]]) -> None:
    base = None
    for name, runs in results.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        totals = [run["total"] for run in runs]
        base = base or middle["total"]
        print(
            f"{name:40} {middle['total']:6.1f} s ({min(totals):.1f} – {max(totals):.1f}), "
            f"{middle['total'] / base:.2f}×; CPU {middle['cpu']:.1f} s; before loading {middle['until_load']:.1f}, "
            f"loads {middle['load']:.1f} in all, first token {middle['first']:.1f}"
            + (f"; peak {middle['peak']:.1f} GiB" if middle["peak"] else "")
        )


if __name__ == "__main__":
    main()
