"""What pages weigh and how fast a browser has them: a debate, a run in one file, the index of a large run.

    python scripts/bench_report.py                    # 6 seats × 3 rounds × 300 tokens; 1,000 and 10,000 debates
    python scripts/bench_report.py --debates 2000     # a smaller index

Debates come from the synthetic store of bench_tally.py, with questions of 180 characters. First paint is Chromium's own
`first-contentful-paint`; a filter is timed from the key to the finished layout.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench_tally import write_store
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browsers import launched, opened

from localtable.cli.report import build_report
from localtable.report.html import debate_page
from localtable.report.html.run import write_folder, write_single
from localtable.runner import numbered_transcripts
from localtable.store import Store
from localtable.transcript import dump, to_json

DEBATE_MB, INDEX_MB, PAINT_S, FILTER_S = 1.5, 10.0, 2.0, 0.2
QUESTION = (
    "Which of these is what most people who work on it would say if they were asked today, and asked again in a year"
)
FACTS: dict[str, Any] = {
    **{name: {} for name in ("versions", "engines", "device", "templates", "labels", "load_seconds")},
    "engine_reason": "",
}
QUERIES = ("which", "question 77", "q1234", "plurality option c", "no such text", "")
REPEATS = 5
FILTER = """(text) => {
  const field = document.getElementById("query");
  const began = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  document.body.getBoundingClientRect();
  return (performance.now() - began) / 1000;
}"""
PAINT = """() => new Promise((found) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) found(entry.startTime / 1000);
}).observe({ type: "paint", buffered: true }))"""


def store_of(folder: Path, debates: int, seats: int, rounds: int, options: int) -> Path:
    """A finished run of bench_tally.py."""
    path = folder / f"{debates}.db"
    write_store(path, argparse.Namespace(debates=debates, seats=seats, rounds=rounds, options=options))
    return completed(path)


def completed(path: Path) -> Path:
    """The same with questions as long as those of published sets, and with what a session says of itself."""
    Store.open(path, write=True).close()  # one that was kept may be of an earlier version
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE questions SET question = substr(?1 || ' ' || name || '? ' || ?1, 1, 180)", (QUESTION,)
        )
        connection.execute("UPDATE sessions SET facts = ?", (json.dumps(FACTS),))
    return path


def debate_bytes(store: Path) -> tuple[int, int]:
    """Of a debate's page and of its transcript, at 300 tokens a turn, five digits an id."""
    with Store.open(store, write=False) as opened_store:
        data = to_json(next(numbered_transcripts(opened_store))[1])
    for round_ in data["rounds"]:
        for turn in round_["turns"]:
            turn["statement"] = ("The evidence points there, " * 60)[:1300]
            turn["token_ids"] = list(range(10_000, 10_300))
    return len(debate_page(data).encode()), len(dump(data).encode())


def measure(browser: Browser, path: Path) -> tuple[float, float, float]:
    """Seconds to the first paint (median), to the loaded page (median), and of the slowest filter."""
    paints, loads, filters = [], [], []
    for _ in range(REPEATS):
        began = time.perf_counter()
        with opened(browser, path) as found:
            loads.append(time.perf_counter() - began)
            paints.append(found.page.evaluate(PAINT))
            filters += [found.page.evaluate(FILTER, query) for query in QUERIES]
    return statistics.median(paints), statistics.median(loads), max(filters)


def megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6


def describe(browser: Browser, path: Path) -> tuple[str, float, float]:
    """How fast it is, in words; the first paint and the slowest filter, seconds."""
    paint, load, slowest = measure(browser, path)
    words = f"first paint {paint:.2f} s, loaded {load:.1f} s, slowest filter {slowest * 1e3:.0f} ms"
    return words, paint, slowest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debates", type=int, default=10_000, help="of the index")
    parser.add_argument("--store", type=Path, help="what `bench_tally.py --keep` has left, in place of a new store")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, launched() as browser:
        folder = Path(name)
        size, kept = (number / 1e6 for number in debate_bytes(store_of(folder, 1, 6, 3, 5)))
        print(
            f"a debate of 6 seats × 3 rounds × 300 tokens: {size:.3f} MB (at most {DEBATE_MB});"
            f" its transcript {kept:.3f} MB"
        )
        small = store_of(folder, 1_000, 4, 2, 4)
        began = time.perf_counter()
        with build_report(small, ()) as (report, debates):
            write_single(folder / "run.html", report, debates)
        wrote = time.perf_counter() - began
        single = folder / "run.html"
        speed, *_ = describe(browser, single)
        print(f"1,000 debates of 4 seats × 2 rounds in one file: {megabytes(single):.1f} MB, {wrote:.0f} s; {speed}")
        if arguments.store is None:
            large = store_of(folder, arguments.debates, 6, 3, 10)
        else:
            large = completed(Path(shutil.copy(arguments.store, folder / "large.db")))
        began = time.perf_counter()
        with build_report(large, ()) as (report, _):
            write_folder(folder / "out", report, ())
        wrote = time.perf_counter() - began
        index = folder / "out" / "index.html"
        index_mb = megabytes(index)
        speed, paint, slowest = describe(browser, index)
        print(f"index of {len(report.index):,} debates: {index_mb:.1f} MB, {wrote:.0f} s; {speed}")
        print(f"at most {INDEX_MB:.0f} MB, first paint {PAINT_S} s, filter {FILTER_S * 1e3:.0f} ms")
    return 0 if size < DEBATE_MB and index_mb < INDEX_MB and paint < PAINT_S and slowest < FILTER_S else 1


if __name__ == "__main__":
    sys.exit(main())
