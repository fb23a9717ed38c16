"""An engine in the main process, for one that loads nothing and never waits: the scripted one.

The pool sees the same handle as for a worker, and the same messages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from localtable.engines.base import Engine, EngineSpec, Request, SleepLevel, Tokens
from localtable.engines.registry import create_engine
from localtable.errors import LocaltableError
from localtable.scheduler.messages import Changed, Died, EngineHandle, Events, FromWorker, Ready


class InlineEngine(EngineHandle):
    """One engine, stepped by `poll`; its descriptor is a pipe that holds a byte while there is something to poll."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self._readable, self._bell = os.pipe()
        self._rung = False
        self._unfinished: set[str] = set()
        self._engine: Engine | None = None
        self._waiting: list[FromWorker] = []
        try:
            self._engine = create_engine(spec)
            self._engine.interrupt = lambda: True  # whoever polls does not wait
            self._waiting.append(Ready(self._engine.info(), 0.0))
        except LocaltableError as error:
            self._waiting.append(Died(error))
        self._ring()

    def fileno(self) -> int:
        return self._readable

    def submit(self, requests: Sequence[Request]) -> None:
        if self._engine is None:
            return
        try:
            self._engine.submit(requests)
        except LocaltableError as error:
            self._die(error)
        self._unfinished.update(request.request_id for request in requests)
        self._ring()

    def abort(self, request_ids: Sequence[str]) -> None:
        if self._engine is not None:
            self._engine.abort(request_ids)
        self._unfinished.difference_update(request_ids)

    def preempt(self, request_ids: Sequence[str]) -> None:
        if self._engine is not None:
            preempted = self._engine.preempt(request_ids)
            self._unfinished.difference_update(event.request_id for event in preempted)
            self._waiting.append(Events(preempted, time.monotonic()))
            self._ring()

    def sleep(self, level: SleepLevel) -> None:
        self._change(lambda engine: engine.sleep(level), asleep=True)

    def wake(self) -> None:
        self._change(lambda engine: engine.wake(), asleep=False)

    def _change(self, change: Callable[[Engine], None], *, asleep: bool) -> None:
        if self._engine is None:
            return
        began = time.monotonic()
        try:
            change(self._engine)
        except LocaltableError as error:
            self._die(error)
        else:
            self._waiting.append(Changed(asleep, time.monotonic() - began))
        self._ring()

    def poll(self) -> list[FromWorker]:
        if self._engine is not None and self._unfinished:
            try:
                events = self._engine.step()
            except LocaltableError as error:
                self._die(error)
            else:
                self._unfinished.difference_update(e.request_id for e in events if not isinstance(e, Tokens))
                self._waiting += [Events(events, time.monotonic())] if events else []
        messages, self._waiting = self._waiting, []
        if not self._unfinished and self._rung:
            os.read(self._readable, 1)
            self._rung = False
        return messages

    def close(self, timeout: float = 5.0) -> None:
        if self._bell < 0:
            return
        if self._engine is not None:
            self._engine.close()
        self._engine = None
        os.close(self._readable)
        os.close(self._bell)
        self._readable = self._bell = -1

    def kill(self) -> None:
        self.close()

    def _die(self, error: LocaltableError) -> None:
        self._waiting.append(Died(error))
        self._unfinished.clear()
        self._engine = None

    def _ring(self) -> None:
        if not self._rung:
            os.write(self._bell, b".")
            self._rung = True
