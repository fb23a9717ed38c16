"""How long `localtable --help` takes, and whether it imports anything heavy.

python scripts/bench_help.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

HEAVY = (
    "torch",
    "vllm",
    "transformers",
    "outlines",
    "numpy",
    "pydantic",
    "rich",
    "huggingface_hub",
    "httpx",
    "jsonschema",
)
RUNS = 20


def main() -> None:
    command = [sys.executable, "-m", "localtable.cli.main", "--help"]
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    code = (
        "import sys; from localtable.cli.main import run; run(['--help']); "
        f"print('heavy:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    print(f"localtable --help: median {statistics.median(seconds):.3f} s, slowest {max(seconds):.3f} s of {RUNS}")
    print(loaded.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
