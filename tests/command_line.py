"""`localtable` as a user types it, in this process: how a command ended, and what it said where."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from localtable.cli.main import run


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


def run_command(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Run a command; no end of any shows a traceback."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err, captured.err
    return Ended(code, captured.out, captured.err)
