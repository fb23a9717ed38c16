"""The README's first command from nothing, step by step, and again with everything there.

    python3 scripts/bench_make_debate.py [--repeats N]

Clones the checkout into an empty folder, with an empty LOCALTABLE_HOME and no .venv, and times `make setup`, the fetch
of the demo models, and `make debate` several times. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def timed(name: str, command: list[str], folder: Path, home: Path) -> float:
    environment = {**os.environ, "LOCALTABLE_HOME": str(home)}
    environment.pop("VIRTUAL_ENV", None)
    started = time.monotonic()
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    print(f"{name:52} {seconds:7.1f} s", flush=True)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "localtable", Path(name) / "home"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        total = timed("make setup, no environment", ["make", "setup"], folder, home)
        total += timed(
            "fetch the demo models, no weights", [".venv/bin/localtable", "models", "fetch", "--demo"], folder, home
        )
        total += timed("make debate, weights present, vLLM's caches cold", ["make", "debate"], folder, home)
        print(f"{'from nothing':52} {total:7.1f} s")
        again = [timed("make debate again", ["make", "debate"], folder, home) for _ in range(args.repeats)]
        print(f"{f'median of {args.repeats}':52} {statistics.median(again):7.1f} s")


if __name__ == "__main__":
    main()
