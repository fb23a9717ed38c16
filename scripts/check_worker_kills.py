"""kill -9 of workers at many moments of running suites: is a turn lost or held twice, is a process left behind?

    python scripts/check_worker_kills.py --kills 30                   # scripted engine, in processes of its own
    python scripts/check_worker_kills.py --engine vllm --kills 5      # three copies of SmolLM2

Every run is the real command with three models of which one fits, so that it swaps. Workers are killed while they
load, generate, and as they make room for the next one; the command itself lives, and has to end well: every debate
finished, every turn there once, `verify` clean, none of its processes left.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import yaml

COMMAND = [sys.executable, "-m", "localtable.cli.main"]
CARD = Path(__file__).parent.parent / "model_cards/smollm2-135m-instruct.yaml"
MODELS = ("smol-a", "smol-b", "smol-c")
DEBATES = {"scripted": 24, "vllm": 4}
MEMORY = {"scripted": ("1.5GiB", "1GiB"), "vllm": ("1GiB", "300MiB")}
"""The cap and one engine's cache; one engine fits, two don't."""
SLOW = {"scripted": 1.0, "vllm": 10.0}
"""How long loading takes, by that of the scripted engine."""


class Run:
    """A suite in a folder of its own."""

    def __init__(self, folder: Path, engine: str, suite: Path, limit: int) -> None:
        card = yaml.safe_load(CARD.read_text())
        for name in MODELS:
            (folder / f"{name}.yaml").write_text(yaml.safe_dump({**card, "id": name, "name": name}))
        seats = "\n".join(f"  - {{name: Seat {name[-1].upper()}, model: ./{name}.yaml}}" for name in MODELS)
        (folder / "panel.yaml").write_text(f"name: kills\nrounds: 3\nsampling: {{max_tokens: 16}}\nseats:\n{seats}\n")
        (folder / "script.yaml").write_text("delay_s: 0.03\nload_s: 0.3\nturns: []\n")
        self.store, self._log = folder / "run.db", folder / "log"
        cap, cache = MEMORY[engine]
        self._command = [*COMMAND, "suite", str(suite), "--panel", str(folder / "panel.yaml")]
        self._command += ["--store", str(self.store), "--limit", str(limit), "--engine", engine]
        self._command += ["--device-memory", cap, "--engine-arg", f"kv_cache_memory_bytes={cache}"]
        if engine == "scripted":
            self._command += ["--engine-arg", "process=true", "--engine-arg", f"script={folder / 'script.yaml'}"]
            self._command += ["--engine-arg", "max_num_seqs=4"]
        self.seen: set[psutil.Process] = set()
        """Every process that it ever had."""

    def start(self) -> psutil.Popen:
        return psutil.Popen(self._command, stderr=self._log.open("ab"), start_new_session=True)

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()
        return []

    def turns(self) -> int:
        return len(self.query("SELECT 1 FROM turns"))

    def worker(self, command: psutil.Popen) -> psutil.Process | None:
        """The newest worker that lives: a child of the server that forks them."""
        workers: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            self.seen.update(command.children(recursive=True))
            servers = [child for child in command.children() if "localtable.scheduler.forkserver" in child.cmdline()]
            workers = [worker for server in servers for worker in server.children()]
        return max(workers, key=lambda worker: worker.pid, default=None)

    def left(self, seconds: float) -> list[psutil.Process]:
        """Processes of it that live although the command has ended."""
        until = time.monotonic() + seconds
        while (alive := [p for p in self.seen if lives(p)]) and time.monotonic() < until:
            time.sleep(0.05)
        return alive


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def moments(rng: random.Random) -> Iterator[str]:
    """What a worker is doing when it is killed, in turn; the moment within that is drawn."""
    while True:
        yield from rng.sample(["loading", "generating", "swapping"], 3)


def wait_for_moment(
    kind: str, run: Run, command: psutil.Popen, rng: random.Random, *, of_each: int, slow: float
) -> psutil.Process | None:
    """Until a worker is doing that; None when there is none any more.

    Args:
        kind: What it is doing.
        run: The run.
        command: Its process.
        rng: Draws the moment within.
        of_each: Turns of one model in one round: with so many more, a model has run dry and makes room.
        slow: What a loading takes here, by that of the scripted engine.
    """
    before, first = run.turns(), run.worker(command)
    while command.poll() is None:
        newest, turns = run.worker(command), run.turns()
        if kind == "generating" and newest is not None and turns > before:
            time.sleep(rng.uniform(0.0, 0.15 * slow))
            return run.worker(command)
        if kind == "loading" and newest is not None and newest != first:
            time.sleep(rng.uniform(0.0, 0.4 * slow))
            return run.worker(command)
        if kind == "swapping" and newest is not None and turns > before and turns % of_each == 0:
            time.sleep(rng.uniform(0.0, 0.02 * slow))
            return newest
        time.sleep(0.002)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=DEBATES, default="scripted")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--per-run", type=int, default=3, help="Most kills of one run.")
    parser.add_argument("--debates", type=int, default=0)
    parser.add_argument("--suite", type=Path, default=Path("../shared/data/bbh/date_understanding.jsonl"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    debates = arguments.debates or DEBATES[arguments.engine]
    expected = debates * 3 * len(MODELS)
    lost = twice = orphans = unfinished = killed = runs = 0
    kinds: Counter[str] = Counter()
    moment = moments(rng)
    with tempfile.TemporaryDirectory() as base:
        while killed < arguments.kills:
            runs += 1
            run = Run(Path(tempfile.mkdtemp(dir=base)), arguments.engine, arguments.suite, debates)
            began, here = time.monotonic(), 0
            command = run.start()
            while command.poll() is None and here < arguments.per_run and killed < arguments.kills:
                kind = next(moment)
                worker = wait_for_moment(kind, run, command, rng, of_each=debates, slow=SLOW[arguments.engine])
                if worker is None:
                    continue
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
                    killed, here = killed + 1, here + 1
                    kinds[kind] += 1
                    print(f"kill {killed} ({kind}): {run.turns()} turns there", flush=True)
            while command.poll() is None:
                run.worker(command)
                time.sleep(0.05)
            assert command.returncode == 0, run.said()
            left = run.left(5.0)
            states = {state: n for state, n in run.query("SELECT state, count(*) FROM debates GROUP BY state")}
            rows = run.query("SELECT debate, round, seat, count(*) FROM turns GROUP BY debate, round, seat")
            lost += expected - len(rows)
            twice += sum(int(str(row[3])) - 1 for row in rows)
            orphans += len(left)
            unfinished += states != {"finished": debates}
            subprocess.run([*COMMAND, "verify", str(run.store)], check=True)
            loads = run.query("SELECT count(*) FROM timeline WHERE phase = 'load'")[0][0]
            seconds = time.monotonic() - began
            print(f"run {runs}: {here} kills, {loads} loads, {states}, {len(rows)} turns, {seconds:.1f} s", flush=True)
    print(
        f"{killed} kills in {runs} runs ({', '.join(f'{kinds[k]} {k}' for k in sorted(kinds))}): "
        f"{runs - unfinished} runs complete, {lost} turns lost, {twice} twice, {orphans} orphans"
    )
    return int(bool(lost or twice or orphans or unfinished))


if __name__ == "__main__":
    sys.exit(main())
