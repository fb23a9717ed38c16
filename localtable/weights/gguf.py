"""GGUF → a folder in Hugging Face form: weights in bfloat16, tokenizer, configuration. Done once, then kept.

The work happens in `gguf_convert`, a process of its own; this side starts it, sums its output while it is written
and turns its end into a result or an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from localtable.errors import PrerequisiteError
from localtable.weights.folder import model_file_names
from localtable.weights.hashing import FileSum, feed, sha256_of
from localtable.weights.source import Workplace

MAGIC = b"GGUF"
TOKENIZER_BYTES = 30_000_000
"""More than any tokenizer's files have."""


def converted_bytes(parameters: int) -> int:
    """How much disk the result takes: two bytes a parameter, and the small files."""
    return 2 * parameters + TOKENIZER_BYTES


def is_gguf(path: Path) -> bool:
    """Whether the file says of itself that it is one."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def convert_gguf(source: Path, out: Path, work: Workplace) -> tuple[FileSum, ...]:
    """Convert `source` into the empty folder `out`.

    Returns:
        The files written, with their sums.

    Raises:
        PrerequisiteError: The file is broken, or of a kind that can't be converted faithfully.
    """
    command = [sys.executable, "-m", "localtable.weights.gguf_convert", str(source), str(out)]
    # Offline: everything is in the file. No bars: their escapes would bury a traceback. One thread: it works on rows
    # of a million weights, and threads would wait for each other longer than they work.
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TQDM_DISABLE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment
        ) as process,
    ):
        try:
            weights, refusal = _follow(process, out / "model.safetensors", work)
            returned = process.wait()
        except BaseException:
            process.kill()
            raise
        if returned != 0 or weights is None:
            complaints.seek(0)
            raise _failure(source, returned, refusal, complaints.read())
    rest = [name for name in model_file_names(out) if name != weights.name]
    small = [FileSum(name, (out / name).stat().st_size, sha256_of(out / name)) for name in rest]
    return tuple(sorted([weights, *small], key=lambda file: file.name))


def _follow(process: subprocess.Popen[str], path: Path, work: Workplace) -> tuple[FileSum | None, str | None]:
    """Read the process's reports and sum the weights while they are still in memory."""
    assert process.stdout is not None
    digest = hashlib.sha256()
    summed = total = 0
    refusal = None
    with work.progress.step(f"{work.model}: converting to safetensors", converted_bytes(work.parameters)) as advance:
        for line in process.stdout:
            report = json.loads(line)
            refusal = report.get("refused", refusal)
            if "written" in report:
                feed(digest, path, summed, report["written"], advance)
                summed, total = report["written"], report["of"]
    complete = total > 0 and summed == total == path.stat().st_size
    return (FileSum(path.name, total, digest.hexdigest()) if complete else None), refusal


def _failure(source: Path, returned: int, refusal: str | None, complaints: str) -> PrerequisiteError:
    if refusal is not None:
        return PrerequisiteError(
            f"{source.name} can't be converted: {refusal}",
            hint="Take the model's own safetensors (a hub or file source), or another GGUF of it.",
        )
    if returned < 0:
        name = signal.Signals(-returned).name
        memory = ", most likely for lack of memory" if -returned == signal.SIGKILL else ""
        return PrerequisiteError(
            f"converting {source.name} was ended by {name}{memory}", hint="Free some memory and run the command again."
        )
    tail = " | ".join(line.strip() for line in complaints.splitlines() if line.strip())[-400:]
    return PrerequisiteError(
        f"{source.name} is no GGUF file that can be read (exit {returned}): {tail or 'no word why'}",
        hint="Fetch the file again, or name another one.",
    )
