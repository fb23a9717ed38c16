"""Reads a model's weights into the page cache while other models generate, so that its load finds them in memory.

The kernel is asked for the pages (`posix_fadvise`, WILLNEED): nothing is copied and no engine's memory is touched, and
what doesn't fit is dropped by the kernel again. So it can't change a result, only the time until the next engine is
ready. Where a system has no such call, nothing happens.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from localtable.engines.base import EngineSpec

RESERVE_BYTES = 2 * 2**30
"""Memory that is left alone: page cache that pushes out what programs work on costs more than it saves."""
PIECE_BYTES = 128 * 1024
"""Asked for at once. The kernel reads at most its read-ahead window of a request, 128 KiB by default, and forgets the
rest: one request for a whole file reads next to nothing of it."""
NICENESS = 10


class Prefetcher:
    """Reads models one after another in a thread; a context manager, which ends it."""

    def __init__(self, free_bytes: Callable[[], int] | None = None, reserve_bytes: int = RESERVE_BYTES) -> None:
        """Nothing is read yet.

        Args:
            free_bytes: What memory is available, page cache that can be dropped among it; by default the machine's,
                or what the control group leaves of it.
            reserve_bytes: How much of that is not to be filled.
        """
        self._free_bytes = free_bytes or ram_free_bytes
        self._reserve_bytes = reserve_bytes
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="localtable-prefetch")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __call__(self, spec: EngineSpec) -> Future[int]:
        """Read a model's weights, after those that were asked for before; returns at once.

        Args:
            spec: Of the model; without a folder there is nothing to read.

        Returns:
            How many bytes the kernel was asked for, once it was: 0 where memory does not hold them all.
        """
        return self._thread.submit(self._read, spec.folder)

    def close(self) -> None:
        """Stop at once, in the middle of a file too; may be called twice."""
        self._stopped.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _read(self, folder: Path | None) -> int:
        if folder is None or not hasattr(os, "posix_fadvise"):
            return 0
        with contextlib.suppress(OSError):  # of this thread alone, as Linux has it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        read = 0
        # A file that can't be read is for the load to complain of.
        with contextlib.suppress(OSError):
            files = sorted(folder.glob("*.safetensors"))
            if sum(file.stat().st_size for file in files) > self._free_bytes() - self._reserve_bytes:
                return 0
            for file in files:
                read += self._ask_for(file)
        return read

    def _ask_for(self, file: Path) -> int:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            for offset in range(0, size, PIECE_BYTES):
                if self._stopped.is_set():
                    return offset
                os.posix_fadvise(descriptor, offset, PIECE_BYTES, os.POSIX_FADV_WILLNEED)
            return size
        finally:
            os.close(descriptor)


def ram_free_bytes() -> int:
    """Memory that programs and page cache can have."""
    import psutil

    from localtable.scheduler.cgroups import read_limits

    limit = read_limits().free_bytes
    free: int = psutil.virtual_memory().available
    return free if limit is None else min(free, limit)
