"""The main process's side of engines: a handle per loaded model, wherever the engine runs.

`Workers` starts them: each in a process of its own, forked from a server that has imported the heavy modules once
(which it can do while the main process still reads files), or, for the scripted engine unless it is told otherwise, in
this process. The pool sees one interface, an `EngineHandle`, and waits for several with
`multiprocessing.connection.wait`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Self

from localtable.engines.base import EngineSpec, Request, SleepLevel
from localtable.engines.environment import environment
from localtable.engines.scripted import has_process
from localtable.errors import EngineError, EngineLoadError, LocaltableError
from localtable.scheduler.inline import InlineEngine
from localtable.scheduler.messages import (
    Abort,
    Close,
    Died,
    EngineHandle,
    Events,
    FromWorker,
    Load,
    Preempt,
    Ready,
    Sleep,
    Submit,
    ToWorker,
    Wake,
)

__all__ = ["Died", "EngineHandle", "EngineProcess", "Events", "ForkServer", "InlineEngine", "Ready", "Workers"]

PRELOAD = {
    "vllm": (
        "localtable.engines.vllm_engine",
        "vllm.v1.engine.llm_engine",
        "vllm.v1.executor.uniproc_executor",
        "vllm.v1.structured_output.backend_outlines",
        "vllm.renderers.hf",
        "outlines_core",
    ),
    "transformers": ("localtable.engines.transformers_engine", "transformers"),
    "scripted": ("localtable.engines.scripted", "outlines_core"),
    "endpoint": ("localtable.engines.endpoint.engine", "httpx"),
}
"""What a fork server of each kind imports; a name that fails here fails again, and is told, in the worker."""

PRELOAD_ON_CPU = {
    "vllm": (
        "vllm.v1.worker.cpu_worker",
        "vllm.model_executor.model_loader.default_loader",
        "vllm.model_executor.layers.quantization.compressed_tensors.compressed_tensors",
    )
}
"""What vLLM imports while it loads a model; on a GPU some of it may touch the device, too early before a fork."""

LOG_TAIL_LINES = 15
LOG_DAYS = 7
"""Logs of earlier runs are deleted after this."""


class EngineProcess(EngineHandle):
    """An engine in a process of its own."""

    def __init__(self, spec: EngineSpec, pipe: Connection, server: ForkServer, log: Path) -> None:
        self.spec = spec
        self.pid: int | None = None
        self._pipe = pipe
        self._server = server
        self._log = log
        self._loaded = False
        self._over = False
        self._send(Load(spec))

    def fileno(self) -> int:
        return self._pipe.fileno()

    def submit(self, requests: Sequence[Request]) -> None:
        self._send(Submit(tuple(requests)))

    def abort(self, request_ids: Sequence[str]) -> None:
        self._send(Abort(tuple(request_ids)))

    def preempt(self, request_ids: Sequence[str]) -> None:
        self._send(Preempt(tuple(request_ids)))

    def sleep(self, level: SleepLevel) -> None:
        self._send(Sleep(level))

    def wake(self) -> None:
        self._send(Wake())

    def poll(self) -> list[FromWorker]:
        messages: list[FromWorker] = []
        while not self._over:
            try:
                if not self._pipe.poll():
                    break
                message = self._pipe.recv()
            except (EOFError, OSError):
                message = Died(self._sudden_death(), sudden=True)
            if isinstance(message, int):
                self.pid = message
                continue
            self._loaded = self._loaded or isinstance(message, Ready)
            if isinstance(message, Died):
                self._end()
            messages.append(message)
        return messages

    def close(self, timeout: float = 5.0) -> None:
        if self._over:
            return
        self._send(Close())
        deadline = time.monotonic() + timeout
        with contextlib.suppress(EOFError, OSError):
            while self._pipe.poll(max(deadline - time.monotonic(), 0)):
                message = self._pipe.recv()
                self.pid = message if isinstance(message, int) else self.pid
        self.kill()

    def kill(self) -> None:
        if self._over:
            return
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._end()

    def _end(self) -> None:
        """Let go of the pipe, which ends a worker that has not begun yet, and wait until the process is gone."""
        self._over = True
        self._pipe.close()
        if self.pid is not None:
            self._server.exit_code(self.pid)

    def _send(self, message: ToWorker) -> None:
        if not self._over:
            # A worker that has just died can't be written to; `poll` says that it died.
            with contextlib.suppress(OSError):
                self._pipe.send(message)

    def _sudden_death(self) -> LocaltableError:
        kind = EngineError if self._loaded else EngineLoadError
        doing = "generating" if self._loaded else "loading"
        code = self._server.exit_code(self.pid) if self.pid is not None else self._server.own_exit_code()
        tail = "\n".join(_tail(self._log) or _tail(self._server.log))
        return kind(
            f"the worker of {self.spec.model_id} died while {doing} ({_why(code)})" + (f":\n{tail}" if tail else ""),
            hint=f"Its log is {self._log}.",
        )


class ForkServer:
    """The process that has imported one engine's modules and forks workers; starts importing when it is made."""

    def __init__(self, modules: Sequence[str], device: str, home: Path, log: Path, threads: int | None = None) -> None:
        self.log = log
        self._exit_codes: dict[int, int] = {}
        ours, theirs = Pipe()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "localtable.scheduler.forkserver"),
                    *(str(theirs.fileno()), json.dumps(list(modules))),
                ],
                env=environment(device, home / "vllm", threads=threads),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal reaches the main process alone
            )
        theirs.close()
        self._control = ours
        self.pid = self._process.pid

    def start(self, spec: EngineSpec, log: Path) -> EngineProcess:
        """A worker that loads `spec`; returns at once."""
        ours, theirs = Pipe()
        with theirs, contextlib.suppress(OSError):  # a server that has died: the closed pipe tells the handle
            self._control.send(str(log))
            send_handle(self._control, theirs.fileno(), self._process.pid)
        return EngineProcess(spec, ours, self, log)

    def exit_code(self, pid: int, timeout: float = 2.0) -> int | None:
        """How a worker that is ending ended; None if that can't be found out in time."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(EOFError, OSError):
            while pid not in self._exit_codes and self._control.poll(max(deadline - time.monotonic(), 0)):
                message = self._control.recv()
                if isinstance(message, tuple):
                    self._exit_codes[message[0]] = message[1]
        return self._exit_codes.get(pid)

    @property
    def ended(self) -> bool:
        """Whether the process is gone, and can start no worker any more."""
        return self._process.poll() is not None

    def own_exit_code(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(2.0)
        return None

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """Starts engines and ends them all; a context manager."""

    def __init__(self, home: Path, threads: int | None = None) -> None:
        """Nothing is started yet.

        Args:
            home: Holds the logs and what vLLM caches between runs.
            threads: Of one engine on a CPU, where several are to work at once; by default one for each core.
        """
        self._home = home
        self._threads = threads
        self._servers: dict[tuple[str, str], ForkServer] = {}
        self._handles: list[EngineHandle] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def prepare(self, kind: str, device: str) -> None:
        """Begin to import what engines of this kind need, in the background."""
        if kind not in ("scripted", "endpoint"):
            self._server(kind, device)

    def start(self, spec: EngineSpec) -> EngineHandle:
        """An engine for `spec`, loading; its first message is `Ready` or `Died`."""
        if spec.kind == "scripted" and not has_process(spec):
            handle: EngineHandle = InlineEngine(spec)
        else:
            log = self._logs() / f"{_safe(spec.model_id)}-{os.getpid()}-{len(self._handles)}.log"
            handle = self._server(spec.kind, spec.device).start(spec, log)
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        """End every engine and server; may be called twice."""
        for handle in self._handles:
            handle.close()
        for server in self._servers.values():
            server.close()
        self._handles.clear()
        self._servers.clear()

    def _server(self, kind: str, device: str) -> ForkServer:
        family = device.partition(":")[0]
        there = self._servers.get((kind, family))
        if there is not None and there.ended:
            there.close()
        if there is None or there.ended:
            log = self._logs() / f"{kind}-{family}-{os.getpid()}.log"
            self._servers[kind, family] = ForkServer(
                modules_to_preload(kind, device), device, self._home, log, self._threads
            )
        return self._servers[kind, family]

    def _logs(self) -> Path:
        logs = self._home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for log in logs.glob("*.log"):
            with contextlib.suppress(OSError):  # another run may be at it too
                if log.stat().st_mtime < time.time() - LOG_DAYS * 86400:
                    log.unlink()
        return logs


def modules_to_preload(kind: str, device: str, platform: str = sys.platform) -> tuple[str, ...]:
    """What a fork server imports; nothing on macOS, where frameworks don't survive a fork, so nothing is forked."""
    if platform == "darwin":
        return ()
    return PRELOAD[kind] + (PRELOAD_ON_CPU.get(kind, ()) if device == "cpu" else ())


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in name)


def _why(code: int | None) -> str:
    if code is None:
        return "how is not known"
    if code >= 0:
        return f"exit code {code}"
    out_of_memory = "; out of memory is the usual reason" if -code == signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{out_of_memory}"


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except FileNotFoundError:
        return []
