"""The simulation that measures coverage and size runs, and finds what it should in its quick form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_statistics.py"


@pytest.mark.timeout(240)
def test_intervals_cover_and_tests_keep_their_level() -> None:
    command = [sys.executable, str(SCRIPT), "--quick", "--workers", "2"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "all targets are met" in answer.stdout
    assert "nan" not in answer.stdout
