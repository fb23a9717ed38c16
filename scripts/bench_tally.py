"""What reading a store into arrays and every decision rule on it cost: time and peak memory, on a synthetic store.

    python scripts/bench_tally.py                          # 10,000 debates × 6 seats × 3 rounds × 10 options
    python scripts/bench_tally.py --debates 1000 --keep run.db

The store is written through the store's own interface, in a temporary folder. Reading and tallying run in a process of
their own, so that its peak memory is theirs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from localtable.analysis.rules import RULES, every_rule, tally
from localtable.analysis.table import load_table
from localtable.config import load_card
from localtable.prompts import load_wording
from localtable.protocol import build_conditions
from localtable.runner.inputs import conditions_of, describe_run
from localtable.store import Generation, Key, Store, TurnRecord
from localtable.types import LETTERS, Ballot, Panel, Question, Sampling, Seat, Turn, Verdict

TOTAL_S, PEAK_MIB = 10.0, 1024.0
STATEMENT_TOKENS = 256


def questions(number: int, options: int) -> Iterator[Question]:
    for place in range(number):
        texts = tuple(f"Option {letter}" for letter in LETTERS[:options])
        yield Question(f"q{place}", f"Question {place}?", texts, answer=LETTERS[place % options])


def write_store(path: Path, arguments: argparse.Namespace) -> None:
    """A finished run with drawn ballots; every row as a real run would have it, the tokens alone are made up."""
    card = load_card("smollm2-135m-instruct")
    seats = tuple(Seat(f"Seat {number}", card, Sampling()) for number in range(1, arguments.seats + 1))
    panel = Panel("bench", seats, rounds=arguments.rounds)
    run = describe_run("scripted", panel, {}, load_wording("argue"))
    names = [condition.name for condition in build_conditions(panel, ())]
    draw = np.random.default_rng(1)
    with Store.create(path, run, questions(arguments.debates, arguments.options), names) as store:
        store.begin_session({})
        for debate in range(1, arguments.debates + 1):
            for number in range(1, arguments.rounds + 1):
                for position, seat in enumerate(seats, start=1):
                    add_turn(
                        store, debate, number, position, seat.name, draw.dirichlet(np.full(arguments.options, 0.3))
                    )
            options = (LETTERS[debate % arguments.options],)
            store.finish_debate(debate, Verdict("plurality", options, 1, arguments.seats, False, arguments.rounds))
            if debate % 100 == 0:
                store.commit()
        store.update_session({}, {}, {}, ended=True)
        store.commit()


def add_turn(store: Store, debate: int, number: int, position: int, seat: str, drawn: np.ndarray) -> None:
    distribution = dict(zip(LETTERS, (drawn / drawn.sum()).tolist(), strict=False))
    vote = max(distribution, key=distribution.__getitem__)
    name = f"{debate} {number} {seat}"
    steps = tuple(
        (step, store.add_generation(generation(f"{name} {step}", tokens)))
        for step, tokens in (("statement", STATEMENT_TOKENS), ("ballot", 1))
    )
    turn = Turn(
        seat=seat,
        position=position,
        statement=f"{name}: {'so it is, ' * 80}",
        ballot=Ballot(vote, distribution),
        changed_mind=False,
        finish_reason="stop",
        truncated=False,
        seed=1,
        usage=None,
        stated=vote,
    )
    store.add_turn(TurnRecord(debate, number, turn, "smollm2-135m-instruct", f"{debate} {number}", name, steps, False))


def generation(name: str, tokens: int) -> Generation:
    digest = hashlib.sha256(name.encode()).digest()
    logprobs = {number: -1.0 for number in range(10 if tokens == 1 else 0)}
    key = Key(digest, "identity", digest, digest, 1)
    return Generation(key, "smollm2-135m-instruct", 700, 600, tokens, (1,) * tokens, "stop", None, logprobs, 0.1)


def measure(path: Path) -> None:
    """Read and tally; prints the figures as JSON."""
    began = time.perf_counter()
    with Store.open(path, write=False) as store:
        run = store.run()
        table = load_table(store, conditions_of(run, str(path)))
    loaded = time.perf_counter()
    after_load = peak_mib()
    chosen = every_rule()
    seconds = {}
    for rule in chosen:
        start = time.perf_counter()
        tally(table.conditions[0], [rule], None)
        seconds[rule.text] = time.perf_counter() - start
    start = time.perf_counter()
    tally(table.conditions[0], chosen, None)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "load_s": loaded - began,
                "tally_s": ended - start,
                "load_mib": after_load,
                "peak_mib": peak_mib(),
                "turns": int(table.conditions[0].turns.present.sum()),
                "by_rule_s": seconds,
            }
        )
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("debates", 10_000), ("seats", 6), ("rounds", 3), ("options", 10), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--keep", type=Path, help="leave the store there, or read the one that is there")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.keep or Path(folder) / "run.db"
        if not path.exists():
            began = time.perf_counter()
            write_store(path, arguments)
            print(f"written in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 2**20:,.0f} MiB")
        runs = [measured(path) for _ in range(arguments.repeat)]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "localtable.cli.main", "tally", path], check=True, capture_output=True)
        command_s = time.perf_counter() - began
    best = min(runs, key=lambda run: run["load_s"] + run["tally_s"])
    total, peak = best["load_s"] + best["tally_s"], max(run["peak_mib"] for run in runs)
    print(
        f"{best['turns']:,} turns, {os.cpu_count()} cores, the best of {arguments.repeat}; {len(RULES)} rules are known"
    )
    print(f"  loading         {best['load_s']:.2f} s, peak {best['load_mib']:,.0f} MiB")
    print(f"  all rules       {best['tally_s']:.2f} s")
    print(f"  both            {total:.2f} s (at most {TOTAL_S:.0f}), peak {peak:,.0f} MiB (at most {PEAK_MIB:,.0f})")
    print(f"  `localtable tally` from start to end: {command_s:.2f} s")
    for name, seconds in sorted(best["by_rule_s"].items(), key=lambda item: -item[1]):
        print(f"    {name:22} {seconds:.3f} s")
    return int(total > TOTAL_S or peak > PEAK_MIB)


def measured(path: Path) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, __file__, "--measure", path], check=True, capture_output=True, text=True
    ).stdout
    figures: dict[str, Any] = json.loads(answer)
    return figures


if __name__ == "__main__":
    sys.exit(main())
