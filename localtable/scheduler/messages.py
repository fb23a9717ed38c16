"""What passes between the main process and a worker: plain frozen values, pickled over a pipe of their own.

`EngineHandle` is the end of it that the pool holds, wherever the engine runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from localtable.engines.base import EngineInfo, EngineSpec, Event, Request, SleepLevel
from localtable.engines.step_meter import StepSample
from localtable.errors import LocaltableError


@dataclass(frozen=True, slots=True)
class Load:
    """To the worker, first: what to load."""

    spec: EngineSpec


@dataclass(frozen=True, slots=True)
class Submit:
    """To the worker: more requests."""

    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Abort:
    """To the worker: requests that nobody wants any more."""

    request_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preempt:
    """To the worker: give these requests back, with what they have said."""

    request_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sleep:
    """To the worker: give back the device's memory."""

    level: SleepLevel


@dataclass(frozen=True, slots=True)
class Wake:
    """To the worker: take it back."""


@dataclass(frozen=True, slots=True)
class Close:
    """To the worker: free the device and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From the worker: the model is loaded."""

    info: EngineInfo
    load_s: float


@dataclass(frozen=True, slots=True)
class Changed:
    """From the worker: it sleeps, or it is awake again."""

    asleep: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Events:
    """From the worker: what one step gave."""

    events: Sequence[Event]
    at: float
    """When the step ended, on `time.monotonic`, which all processes of a machine share."""
    samples: tuple[StepSample, ...] = ()
    """What steps took, since this was told last."""


@dataclass(frozen=True, slots=True)
class Died:
    """The last message of a worker that did not end by being closed."""

    error: LocaltableError
    sudden: bool = False
    """It said nothing: something killed it, and the same again may go well."""


ToWorker = Load | Submit | Abort | Preempt | Sleep | Wake | Close
FromWorker = Ready | Events | Changed | Died


class EngineHandle(ABC):
    """One engine as the pool sees it: messages in, messages out, nothing that blocks."""

    spec: EngineSpec

    @abstractmethod
    def fileno(self) -> int:
        """Readable when `poll` has something; not to be asked for once `Died` was given or the engine is closed."""

    @abstractmethod
    def submit(self, requests: Sequence[Request]) -> None:
        """Hand over requests, at any time, also before `Ready`."""

    @abstractmethod
    def abort(self, request_ids: Sequence[str]) -> None:
        """Forget requests; completions that are already on their way still arrive."""

    @abstractmethod
    def preempt(self, request_ids: Sequence[str]) -> None:
        """Take requests back: each comes as `Preempted`, or as what it had become by then."""

    @abstractmethod
    def sleep(self, level: SleepLevel) -> None:
        """Put an engine to sleep that has nothing to do; `Changed` follows."""

    @abstractmethod
    def wake(self) -> None:
        """Wake it; `Changed` follows."""

    @abstractmethod
    def poll(self) -> list[FromWorker]:
        """What has come since the last call, at once; `Died` comes once and last."""

    @abstractmethod
    def close(self, timeout: float = 5.0) -> None:
        """End the engine and free what it holds; kill it after `timeout` seconds. May be called twice."""

    @abstractmethod
    def kill(self) -> None:
        """End the engine now."""
