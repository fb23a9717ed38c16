"""The error tree. Every error a user can meet says what failed, the value, the bound and what to do.

The command line prints `message` and `hint` and leaves with `exit_code`; nothing else in the package decides
exit codes, so the contract (2 input, 3 something missing or too big, 1 the rest, 130 interrupted) lives here.
"""

from __future__ import annotations

from typing import ClassVar


class LocaltableError(Exception):
    """Base of all errors that are meant for a person."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross from a worker process to its parent; the default would lose the keyword argument.
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[LocaltableError], message: str, hint: str) -> LocaltableError:
    return kind(message, hint=hint)


class ConfigError(LocaltableError):
    """A file, an option or a value that the user gave is wrong."""

    exit_code = 2


class PrerequisiteError(LocaltableError):
    """Something this run needs is not here: weights, a package, a network, a place to write."""

    exit_code = 3


class PlacementError(LocaltableError):
    """Something does not fit: into memory, onto the disk, into a context window."""

    exit_code = 3


class EngineLoadError(LocaltableError):
    """An engine failed or died while it was loading."""

    exit_code = 3


class EngineImportError(EngineLoadError):
    """An engine's packages are installed but can't be imported; another engine may do."""


class EngineError(LocaltableError):
    """An engine failed or died while it was generating."""


class EngineAwayError(EngineError):
    """A server that models are spoken to at serves nobody at present; what is finished has been kept."""

    exit_code = 3


class BallotError(LocaltableError):
    """A ballot that is not valid although its decoding was constrained: a defect, never a model's fault."""


class TemplateError(LocaltableError):
    """A chat template that can't carry what a debate needs."""

    exit_code = 2


class InterruptedRun(LocaltableError):
    """The user asked to stop; everything finished has been kept."""

    exit_code = 130


class StoreError(LocaltableError):
    """A store that is damaged, or that another process works on."""
