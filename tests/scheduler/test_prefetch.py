"""Weights in the page cache before their engine is loaded: what the kernel really holds, and who is asked for when."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localtable.engines.base import EngineSpec
from localtable.scheduler.prefetch import Prefetcher, ram_free_bytes

MIB = 2**20
SIZE = 48 * MIB

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel through mincore")


def spec(folder: Path | None) -> EngineSpec:
    return EngineSpec("transformers", "model", folder, "float32", 512, 8, 0)


def resident_bytes(file: Path) -> int:
    """How much of a file the page cache holds."""
    size, libc = file.stat().st_size, ctypes.CDLL(None, use_errno=True)
    with file.open("rb") as opened:
        # Writable and private: ctypes wants to write where it takes an address.
        mapped = mmap.mmap(opened.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    assert libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages) == 0, os.strerror(ctypes.get_errno())
    return sum(page & 1 for page in bytes(pages)) * mmap.PAGESIZE


def dropped(file: Path) -> None:
    """Take a file out of the page cache."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of two files that nobody has in memory, and one that isn't weights."""
    for name in ("model-1.safetensors", "model-2.safetensors", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(os.urandom(SIZE))
        dropped(tmp_path / name)
    if resident_bytes(tmp_path / "model-1.safetensors") > SIZE // 10:
        pytest.skip("this file system keeps its files in memory")
    return tmp_path


def test_the_weights_are_in_the_page_cache_afterwards_and_nothing_else(folder: Path) -> None:
    with Prefetcher() as prefetch:
        assert prefetch(spec(folder)).result(30) == 2 * SIZE
        for name in ("model-1.safetensors", "model-2.safetensors"):
            file = folder / name
            assert within(20, lambda file=file: resident_bytes(file) > 0.95 * SIZE), resident_bytes(file)
    assert resident_bytes(folder / "pytorch_model.bin") < SIZE // 10


def test_what_memory_does_not_hold_beside_the_reserve_is_left_on_the_disk(folder: Path) -> None:
    with Prefetcher(free_bytes=lambda: 3 * SIZE, reserve_bytes=SIZE + 1) as prefetch:
        assert prefetch(spec(folder)).result(30) == 0
    assert resident_bytes(folder / "model-1.safetensors") < SIZE // 10
    with Prefetcher(free_bytes=lambda: 3 * SIZE, reserve_bytes=SIZE) as prefetch:
        assert prefetch(spec(folder)).result(30) == 2 * SIZE


def test_it_stops_in_the_middle_of_a_file_and_does_not_begin_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def slow(*arguments: int) -> None:
        asked.release()
        go_on.wait(30)

    monkeypatch.setattr(os, "posix_fadvise", slow)
    prefetch = Prefetcher()
    first, second = prefetch(spec(folder)), prefetch(spec(folder))
    assert asked.acquire(timeout=10)
    closing = threading.Thread(target=prefetch.close)
    closing.start()
    assert within(10, second.cancelled)
    go_on.set()
    closing.join(10)
    assert not closing.is_alive()
    assert 0 < first.result(0) < SIZE
    prefetch.close()


def test_without_weights_there_is_nothing_to_read(tmp_path: Path) -> None:
    with Prefetcher() as prefetch:
        assert prefetch(spec(None)).result(10) == 0
        assert prefetch(spec(tmp_path)).result(10) == 0
        assert prefetch(spec(tmp_path / "missing")).result(10) == 0


def test_only_the_reading_thread_is_slowed_down(folder: Path) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with Prefetcher() as prefetch:
        prefetch(spec(folder)).result(30)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_free_memory_is_some_of_the_machine_s() -> None:
    import psutil

    assert 0 < ram_free_bytes() <= psutil.virtual_memory().total
