"""Shared fixtures: state in a folder of each test's own, real weights fetched once into the user's store."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REAL_HOME = os.environ.get("LOCALTABLE_HOME")
"""Where the weights of real models are kept between runs; tests' own state never goes there."""


def pytest_collection_finish() -> None:
    """Look for garbage less often than by default, and not among what is there by now: a tenth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 20)


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def _own_home(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's state."""
    # Not by `mktemp`, which reads all names in its folder to find the next number: 10 ms where there are thousands.
    monkeypatch.setenv("LOCALTABLE_HOME", tempfile.mkdtemp(dir=_homes))


@pytest.fixture(scope="session")
def real_home() -> Path:
    """The user's own home folder, for its weights and for vLLM's caches."""
    if REAL_HOME:
        return Path(REAL_HOME).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("localtable"))


def _folder(card_id: str, home: Path) -> Path:
    from localtable.config import load_card
    from localtable.weights import WeightStore

    store = WeightStore(home / "weights")
    card = load_card(card_id)
    return (store.find(card) or store.fetch(card, say=print)).folder


@pytest.fixture(scope="session")
def smollm2_folder(real_home: Path) -> Path:
    """SmolLM2-135M-Instruct as a Hugging Face folder, fetched if it isn't there."""
    return _folder("smollm2-135m-instruct", real_home)


@pytest.fixture(scope="session")
def qwen_folder(real_home: Path) -> Path:
    """Qwen2.5-Coder-0.5B-Instruct likewise."""
    return _folder("qwen2.5-coder-0.5b-instruct", real_home)


@pytest.fixture(scope="session")
def served(smollm2_folder: Path, real_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SmolLM2 behind vLLM's own OpenAI-compatible server: its base_url."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from served import serving

    with serving(smollm2_folder, real_home, tmp_path_factory.mktemp("served") / "log") as base_url:
        yield base_url
