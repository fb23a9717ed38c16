"""A study in a working folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from study import Study


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Study:
    monkeypatch.chdir(tmp_path)
    return Study(tmp_path, capsys)
