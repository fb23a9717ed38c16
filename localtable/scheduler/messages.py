"""What passes between the main process and a worker: plain frozen values, pickled over a pipe of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localtable.engines.base import EngineInfo, EngineSpec, Event, Request
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
class Close:
    """To the worker: free the device and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From the worker: the model is loaded."""

    info: EngineInfo
    load_s: float


@dataclass(frozen=True, slots=True)
class Events:
    """From the worker: what one step gave."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Died:
    """The last message of a worker that did not end by being closed."""

    error: LocaltableError


ToWorker = Load | Submit | Abort | Close
FromWorker = Ready | Events | Died
