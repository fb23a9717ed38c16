"""kill -9 at many moments, then resume: is a turn lost or held twice, does the end differ from an undisturbed run's?

    python scripts/check_kills.py --kills 50                    # scripted engine: the export has to be equal
    python scripts/check_kills.py --engine vllm --kills 6       # loading, generating, committing, exporting

Every killed process is the real command with all its workers. After each kill the turns in the store must be those
that were there before, and after the last resume `verify` must find nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

COMMAND = [sys.executable, "-m", "localtable.cli.main"]
PANELS = {
    "scripted": ["smollm2-135m-instruct"] * 2 + ["qwen2.5-coder-0.5b-instruct"] * 2,
    "vllm": ["smollm2-135m-instruct"] * 4,
}
CONTROLS = ["--control", "solo-revise", "--control", "self-consistency"]


class Run:
    """A run in a folder of its own."""

    def __init__(self, folder: Path, engine: str, suite: Path, debates: int) -> None:
        self.store = folder / "run.db"
        self.folder = folder
        given = folder.parent  # one panel and one script for all: their paths are in the transcripts
        seats = "\n".join(f"  - {{name: Seat {i}, model: {m}}}" for i, m in enumerate(PANELS[engine]))
        (given / "panel.yaml").write_text(f"name: kills\nsampling: {{max_tokens: 48}}\nseats:\n{seats}\n")
        (given / "script.yaml").write_text("delay_s: 0.01\nturns: []\n")
        self._arguments = [str(suite), "--panel", str(given / "panel.yaml"), "--store", str(self.store)]
        self._arguments += ["--limit", str(debates), "--engine", engine]
        if engine == "scripted":
            self._arguments += ["--engine-arg", f"script={given / 'script.yaml'}", "--engine-arg", "max_num_seqs=8"]
            self._arguments += CONTROLS

    def start(self) -> subprocess.Popen[bytes]:
        """The command that begins it, or goes on with it."""
        log = (self.folder / "log").open("ab")
        return subprocess.Popen([*COMMAND, "suite", *self._arguments, "--quiet"], stderr=log, start_new_session=True)

    def export(self, file: Path) -> None:
        subprocess.run([*COMMAND, "export", str(self.store), "--out", str(file), "--force"], check=True)

    def turns(self) -> dict[tuple[object, ...], tuple[object, ...]]:
        """All turns, by debate, round and seat; what else is in a row is what must not change."""
        if not self.store.exists():
            return {}
        try:
            with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
                rows = connection.execute("SELECT debate, round, seat, id, statement, seed, finished FROM turns")
                return {row[:3]: row[3:] for row in rows}
        except sqlite3.OperationalError:
            return {}  # killed before the tables were there


def kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill the command's process alone, as `kill -9` does; its workers have to see for themselves."""
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def untimed(file: Path) -> list[str]:
    """A store's export without its timings."""
    lines = []
    for line in file.read_text().splitlines():
        data = json.loads(line)
        del data["manifest"]["timings"]
        lines.append(json.dumps(data, sort_keys=True))
    return lines


def wait_for(process: subprocess.Popen[bytes], condition: object, seconds: float) -> None:
    """Until a condition holds, the process ends or the time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if callable(condition) and condition():
            return
        time.sleep(0.002)


def moments(engine: str, run: Run, rng: random.Random, usual_s: float) -> list[tuple[str, object, float]]:
    """What to wait for before a kill: a name, a condition, and the most seconds."""
    log = run.store.with_name("run.db-wal")
    if engine == "scripted":
        return [("a random moment", None, rng.uniform(0.0, usual_s))]

    def size() -> int:
        return log.stat().st_size if log.exists() else 0

    before, held = len(run.turns()), size()
    # vLLM's worker has a log of its own, and turns appear in the store: both say where a run is.
    return [
        ("loading", None, rng.uniform(2.0, 9.0)),
        ("generating", lambda: len(run.turns()) > before, 120.0),
        ("committing", lambda: len(run.turns()) > before and size() != held, 120.0),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=PANELS, default="scripted")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--debates", type=int, default=0)
    parser.add_argument("--suite", type=Path, default=Path("../shared/data/bbh/date_understanding.jsonl"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    debates = arguments.debates or (40 if arguments.engine == "scripted" else 6)
    lost = twice = different = killed = runs = 0
    with tempfile.TemporaryDirectory() as base:
        whole = Run(Path(tempfile.mkdtemp(dir=base)), arguments.engine, arguments.suite, debates)
        began = time.monotonic()
        assert whole.start().wait() == 0, (whole.folder / "log").read_text()
        usual = time.monotonic() - began
        whole.export(whole.folder / "whole.jsonl")
        expected = untimed(whole.folder / "whole.jsonl")
        print(f"undisturbed: {usual:.1f} s, {len(expected)} debates, {len(whole.turns())} turns", flush=True)
        while killed < arguments.kills:
            runs += 1
            run = Run(Path(tempfile.mkdtemp(dir=base)), arguments.engine, arguments.suite, debates)
            finished = False
            while not finished and killed < arguments.kills:
                kinds = moments(arguments.engine, run, rng, usual)
                name, condition, seconds = kinds[killed % len(kinds)]
                process = run.start()
                wait_for(process, condition, seconds)
                if not kill(process):
                    assert process.returncode == 0, (run.folder / "log").read_text()
                    finished = True
                    continue
                killed += 1
                before = run.turns()
                print(f"kill {killed} ({name}): {len(before)} turns there", flush=True)
                again = run.start()
                wait_for(again, lambda: len(run.turns()) > len(before), 60.0)  # noqa: B023  used at once
                kill(again) if arguments.engine == "scripted" and rng.random() < 0.5 else again.wait()
                after = run.turns()
                lost += sum(after.get(key) != value for key, value in before.items())
            assert run.start().wait() == 0, (run.folder / "log").read_text()
            # Exporting is killed too: what it names is whole or not there.
            out = run.folder / "out.jsonl"
            exporting = subprocess.Popen([*COMMAND, "export", str(run.store), "--out", str(out)])
            time.sleep(rng.uniform(0.1, 0.6))
            if kill(exporting):
                assert not out.exists() or len(out.read_text().splitlines()) == len(expected)
            run.export(out)
            found = untimed(out)
            twice += len(found) - len(set(found)) + (len(run.turns()) - len(whole.turns()))
            if arguments.engine == "scripted":
                different += found != expected
            else:
                different += len(found) != len(expected)
            subprocess.run([*COMMAND, "verify", str(run.store)], check=True)
    print(f"{killed} kills in {runs} runs: {lost} turns lost, {twice} twice, {different} exports that differ")
    return int(bool(lost or twice or different))


if __name__ == "__main__":
    sys.exit(main())
