"""What a whole analysis costs: time and peak memory, on the synthetic store of bench_tally.py.

    python scripts/bench_analyze.py                          # 10,000 debates × 6 seats × 3 rounds × 10 options
    python scripts/bench_analyze.py --debates 1000 --keep run.db --by tag

Reading and analysing run in a process of their own, so that its peak memory is theirs; `localtable analyze` is timed
from start to end, JSON written.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_tally import peak_mib, write_store

from localtable.analysis.analyze import analyze
from localtable.analysis.families import FAMILIES, Dimension
from localtable.report.stored import read_run

TOTAL_S, PEAK_MIB = 30.0, 1024.0


def measure(path: Path, by: list[Dimension], each: bool) -> None:
    """Read and analyse; prints the figures as JSON."""
    began = time.perf_counter()
    table, facts = read_run(path)
    loaded = time.perf_counter()
    after_load = peak_mib()
    analysis = analyze(table, facts, by=by)
    ended, processor = time.perf_counter(), time.process_time()
    peak = peak_mib()
    seconds = {}
    for family in FAMILIES if each else ():
        start = time.perf_counter()
        analyze(table, facts, families=[family])
        seconds[family] = time.perf_counter() - start
    print(
        json.dumps(
            {
                "load_s": loaded - began,
                "analyze_s": ended - loaded,
                "processor_s": processor,
                "load_mib": after_load,
                "peak_mib": peak,
                "turns": int(table.conditions[0].turns.present.sum()),
                "figures": len(analysis.findings),
                "tests": len(analysis.tests),
                "by_family_s": seconds,
            }
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("debates", 10_000), ("seats", 6), ("rounds", 3), ("options", 10), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--by", action="append", default=[], help="as of `localtable analyze`")
    parser.add_argument("--keep", type=Path, help="leave the store there, or read the one that is there")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--each", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.by, arguments.each)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.keep or Path(folder) / "run.db"
        if not path.exists():
            began = time.perf_counter()
            write_store(path, arguments)
            print(f"written in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 2**20:,.0f} MiB")
        by = [text for name in arguments.by for text in ("--by", name)]
        runs = [measured(path, *by, *(["--each"] if i == 0 else [])) for i in range(arguments.repeat)]
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "localtable.cli.main",
            "analyze",
            path,
            *by,
            "--json",
            Path(folder) / "out.json",
        ]
        subprocess.run(command, check=True, capture_output=True)
        command_s = time.perf_counter() - began
    best = min(runs, key=lambda run: run["load_s"] + run["analyze_s"])
    total, peak = best["load_s"] + best["analyze_s"], max(run["peak_mib"] for run in runs)
    print(f"{best['turns']:,} turns, {os.cpu_count()} cores, the best of {arguments.repeat}")
    print(f"  {best['figures']:,} figures with intervals, {best['tests']} tests")
    print(f"  loading   {best['load_s']:.2f} s, peak {best['load_mib']:,.0f} MiB")
    print(f"  analysing {best['analyze_s']:.2f} s")
    print(f"  both      {total:.2f} s (at most {TOTAL_S:.0f}), peak {peak:,.0f} MiB (at most {PEAK_MIB:,.0f})")
    print(f"  processor time {best['processor_s']:.2f} s, imports included: what it takes where nothing else works")
    print(f"  `localtable analyze` from start to end: {command_s:.2f} s")
    for name, seconds in sorted(runs[0]["by_family_s"].items(), key=lambda item: -item[1]):
        print(f"    {name:22} {seconds:.2f} s, tests included")
    return int(max(total, command_s) > TOTAL_S or peak > PEAK_MIB)


def measured(path: Path, *arguments: str) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, __file__, "--measure", path, *arguments], check=True, capture_output=True, text=True
    ).stdout
    figures: dict[str, Any] = json.loads(answer)
    return figures


if __name__ == "__main__":
    sys.exit(main())
