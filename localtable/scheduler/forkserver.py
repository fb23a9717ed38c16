"""The fork server: imports the heavy modules once and forks a worker from itself whenever one is asked for.

multiprocessing has one too, but a single one per process, whose `start` blocks until everything is imported, which
swallows an ImportError and which imports the user's main module again in every child. This one runs as
`python -m localtable.scheduler.forkserver`, in an environment of its own, and says what it could not import. Where a
fork is not safe (nothing imported yet, as on macOS, or CUDA already initialised) it starts fresh interpreters.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from select import POLLHUP, poll

from localtable.scheduler.worker_loop import become_worker


def main() -> None:
    """Serve until the main process goes away: `… FILE_DESCRIPTOR JSON_LIST_OF_MODULES`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = Connection(int(sys.argv[1]))
    modules = json.loads(sys.argv[2])
    gc.disable()  # a quarter of the import time goes into collecting what is never garbage
    _preload(modules, control.fileno())
    gc.freeze()  # vLLM collects five times while it loads: without this each one walks, and unshares, all of it
    _Server(control, forks=bool(modules) and not _has_cuda()).serve()


def _has_cuda() -> bool:
    """Whether an import has initialised CUDA, which a forked child could not use: by torch, or by its device file."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        return True
    descriptors = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return any(os.path.realpath(path).startswith("/dev/nvidia-uvm") for path in descriptors)


def _preload(modules: Sequence[str], control: int) -> None:
    """Import `modules`; die at once if the main process does, which an import would not notice."""
    done = threading.Event()
    watch = threading.Thread(target=_die_with, args=(control, done.is_set), daemon=True)
    watch.start()
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001  a broken installation raises anything, and raises it again in the worker
            sys.stderr.write(f"localtable: {name} could not be imported ahead:\n{traceback.format_exc()}")
    done.set()
    watch.join()  # a thread would not survive the forks


def _die_with(descriptor: int, is_done: Callable[[], bool]) -> None:
    watched = poll()
    watched.register(descriptor, POLLHUP)
    while not is_done():
        if any(event & POLLHUP for _, event in watched.poll(50)):
            os._exit(1)


class _Server:
    """Starts workers on request, reaps what ended, and says how it ended."""

    def __init__(self, control: Connection, *, forks: bool) -> None:
        """Without `forks` each worker is a fresh interpreter that imports for itself."""
        self._control = control
        self._start = self._fork if forks else self._spawn
        self._children: set[int] = set()
        self._woken, wakes = socket.socketpair()
        self._woken.setblocking(False)
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._wakes = wakes

    def serve(self) -> None:
        while True:
            ready = wait([self._control, self._woken])
            if self._woken in ready:
                self._woken.recv(4096)
                self._reap()
            if self._control in ready:
                try:
                    log = self._control.recv()
                    pipe = recv_handle(self._control)
                except (EOFError, OSError):
                    return  # the main process is gone; the workers see that for themselves
                os.set_inheritable(pipe, True)
                self._children.add(self._start(pipe, log))
                os.close(pipe)

    def _fork(self, pipe: int, log: str) -> int:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._control, self._woken, self._wakes):
                end.close()
            become_worker(pipe, log)
        return pid

    def _spawn(self, pipe: int, log: str) -> int:
        command = [sys.executable, "-m", "localtable.scheduler.worker_loop", str(pipe), log]
        return os.posix_spawn(sys.executable, command, os.environ)

    def _reap(self) -> None:
        for pid in list(self._children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # While the dead worker is not reaped its group can't be anybody else's.
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            self._children.remove(pid)
            self._control.send((pid, os.waitstatus_to_exitcode(status)))


def _kill_group(pid: int) -> None:
    # Nobody left; macOS says the second of a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
