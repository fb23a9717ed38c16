"""vLLM's own OpenAI-compatible server on loopback, as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localtable.engines.environment import environment

START_S = 280
"""Three processes import vLLM, one after the other: 30 s of processor time."""
END_S = 30
NAME = "smollm2"


@contextmanager
def serving(folder: Path, home: Path, log: Path) -> Iterator[str]:
    """A server of a model, until the end of the block; gives its base_url."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16"]
    command += ["--max-model-len", "2048", "--max-num-seqs", "16", "--enforce-eager", "--disable-log-stats"]
    command += ["--structured-outputs-config", '{"backend": "outlines"}']
    variables = {**environment("cpu", home / "vllm"), "VLLM_CPU_KVCACHE_SPACE": "1"}
    del variables["VLLM_ENABLE_V1_MULTIPROCESSING"]  # the server's own way is another process for the engine
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asked first: killed, its two processes leave the memory behind that they share."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no server within {START_S} s: {log.read_text(errors='replace')[-3000:]}")
