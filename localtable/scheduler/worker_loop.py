"""What runs inside a worker: one engine, stepped while it has requests, fed and heard over one pipe.

A thread waits on the pipe, for two reasons: requests that arrive during a step join the next decode step, and the
end of the main process, however it ends, is seen at once, even while a model loads.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from multiprocessing.connection import Connection
from typing import NoReturn

from localtable.engines.base import Engine, Tokens
from localtable.engines.registry import create_engine
from localtable.errors import EngineError, EngineLoadError, LocaltableError
from localtable.scheduler.messages import (
    Abort,
    Changed,
    Close,
    Died,
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


class _Inbox:
    """Messages from the main process, collected by a thread."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._messages: deque[ToWorker] = deque()
        self._arrived = threading.Condition()
        threading.Thread(target=self._collect, daemon=True, name="localtable-inbox").start()

    def __bool__(self) -> bool:
        return bool(self._messages)

    def get(self) -> ToWorker:
        """The next message; waits for one."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._messages)
            return self._messages.popleft()

    def _collect(self) -> None:
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                os.killpg(0, signal.SIGKILL)  # the main process is gone: so are this one and its children
            with self._arrived:
                self._messages.append(message)
                self._arrived.notify()


def become_worker(pipe: int, log: str) -> NoReturn:
    """Turn this process, just forked or just started, into a worker: `pipe` is a descriptor, `log` a path."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.enable()
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.set_inheritable(pipe, False)
        code = _run(Connection(pipe))
    except BaseException:  # noqa: BLE001  nothing may climb into the server's loop, of which a fork is a copy
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(pipe: Connection) -> int:
    """Serve one engine over `pipe` until it is closed or dies.

    Returns:
        The process's exit code.
    """
    inbox = _Inbox(pipe)
    pipe.send(os.getpid())
    first = inbox.get()
    assert isinstance(first, Load), first
    started = time.monotonic()
    try:
        engine = create_engine(first.spec)
    except Exception as error:  # noqa: BLE001  the process boundary: whatever it was, the main process must hear of it
        return _die(pipe, error, EngineLoadError, f"loading {first.spec.model_id} with {first.spec.kind} failed")
    pipe.send(Ready(engine.info(), time.monotonic() - started))
    engine.interrupt = inbox.__bool__
    try:
        _serve(pipe, inbox, engine)
    except Exception as error:  # noqa: BLE001  as above
        return _die(pipe, error, EngineError, f"the {first.spec.kind} engine of {first.spec.model_id} failed")
    engine.close()
    return 0


def _serve(pipe: Connection, inbox: _Inbox, engine: Engine) -> None:
    unfinished: set[str] = set()
    while True:
        while inbox or not unfinished:
            message = inbox.get()
            if isinstance(message, Submit):
                engine.submit(message.requests)
                unfinished.update(request.request_id for request in message.requests)
            elif isinstance(message, Abort):
                engine.abort(message.request_ids)
                unfinished.difference_update(message.request_ids)
            elif isinstance(message, Preempt):
                preempted = engine.preempt(message.request_ids)
                unfinished.difference_update(event.request_id for event in preempted)
                pipe.send(Events(preempted, time.monotonic(), engine.samples()))
            elif isinstance(message, Sleep | Wake):
                pipe.send(_change(engine, message))
            elif isinstance(message, Close):
                return
        events = engine.step()
        unfinished.difference_update(e.request_id for e in events if not isinstance(e, Tokens))
        if events:
            pipe.send(Events(events, time.monotonic(), engine.samples()))


def _change(engine: Engine, message: Sleep | Wake) -> Changed:
    began = time.monotonic()
    if isinstance(message, Sleep):
        engine.sleep(message.level)
    else:
        engine.wake()
    return Changed(isinstance(message, Sleep), time.monotonic() - began)


def _die(pipe: Connection, error: Exception, kind: type[LocaltableError], what: str) -> int:
    traceback.print_exc(file=sys.stderr)
    if not isinstance(error, LocaltableError):
        error = kind(f"{what}: {type(error).__name__}: {error}", hint="The worker's log has the traceback.")
    message: FromWorker = Died(error)
    pipe.send(message)
    return 1


if __name__ == "__main__":
    become_worker(int(sys.argv[1]), sys.argv[2])
