"""Stores that several commands read; whoever writes one takes a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_builders import example_store, mixed_store


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four questions with answers, three seats on two models, two rounds, one control."""
    return example_store(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Failed debates, ties, repeats, several conditions, questions without an answer."""
    return mixed_store(tmp_path_factory.mktemp("mixed"))
