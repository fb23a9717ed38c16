"""Engines, each loaded once for the whole session, and a model small enough to be made on the spot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from subjects import (
    MAX_NUM_SEQS,
    ProcessEngine,
    Subject,
    build_spec,
    endpoint_subject_of,
    real_subject_of,
    scripted_subject_of,
)
from tiny import save_tiny_model

from localtable.engines.base import Engine
from localtable.scheduler.worker import Workers

# Read when torch is loaded: on a crowded machine OpenMP threads that spin make tiny models a hundred times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def workers(real_home: Path) -> Iterator[Workers]:
    """Real engines run in worker processes here as in a run, so the contract is tried through the worker too."""
    with Workers(real_home) as made:
        yield made


@pytest.fixture(scope="session")
def scripted_subject() -> Iterator[Subject]:
    from localtable.engines.scripted import ScriptedEngine

    spec = build_spec("scripted", None)
    subject = scripted_subject_of(spec, ScriptedEngine(spec))
    yield subject
    _close_twice(subject.engine)


@pytest.fixture(scope="session")
def transformers_subject(smollm2_folder: Path, workers: Workers) -> Iterator[Subject]:
    spec = build_spec("transformers", smollm2_folder)
    subject = real_subject_of(spec, ProcessEngine(workers.start(spec)))
    yield subject
    _close_twice(subject.engine)


@pytest.fixture(scope="session")
def vllm_subject(smollm2_folder: Path, workers: Workers) -> Iterator[Subject]:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    spec = build_spec("vllm", smollm2_folder)
    subject = real_subject_of(spec, ProcessEngine(workers.start(spec)))
    yield subject
    _close_twice(subject.engine)


@pytest.fixture(scope="session")
def endpoint_subject(served: str, workers: Workers) -> Iterator[Subject]:
    arguments = {"base_url": served, "model": "smollm2", "max_concurrent": MAX_NUM_SEQS}
    spec = build_spec("endpoint", None, arguments=arguments)
    subject = endpoint_subject_of(spec, ProcessEngine(workers.start(spec)))
    yield subject
    _close_twice(subject.engine)


def _close_twice(engine: Engine) -> None:
    engine.close()
    engine.close()


@pytest.fixture(scope="session", params=["scripted", "transformers", "vllm"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Every engine in turn."""
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


@pytest.fixture(scope="session", params=["scripted", "transformers", "vllm", "endpoint"])
def any_subject(request: pytest.FixtureRequest) -> Subject:
    """Every engine in turn, also the one whose tokens nobody sees."""
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


@pytest.fixture(scope="session", params=["transformers", "vllm"])
def model_subject(request: pytest.FixtureRequest) -> Subject:
    """The engines that have a model."""
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights over bytes: a real model, loaded in milliseconds."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))
