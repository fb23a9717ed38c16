"""Workers: what they deliver, and that they never outlive anybody. Two engine loads (SmolLM2), the rest is scripted."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil
import pytest

from localtable.engines.base import Completion, EngineSpec, Origin, Request, Tokens
from localtable.errors import ConfigError, EngineError, EngineLoadError
from localtable.scheduler.inline import InlineEngine
from localtable.scheduler.messages import Died, EngineHandle, Events, FromWorker, Ready
from localtable.scheduler.worker import EngineProcess, ForkServer, Workers
from localtable.types import Sampling

PARENT = Path(__file__).with_name("parent.py")


def scripted(**arguments: Any) -> EngineSpec:
    return EngineSpec("scripted", "model", None, "bfloat16", 512, 8, 0, arguments=arguments)


def real(folder: Path, **arguments: Any) -> EngineSpec:
    return EngineSpec("vllm", "smollm2", folder, "bfloat16", 512, 8, 64 * 2**20, arguments=arguments)


def request(name: str, max_tokens: int = 4, **fields: Any) -> Request:
    return Request(name, tuple(range(10, 40)), Sampling(max_tokens=max_tokens, min_tokens=max_tokens), 1, **fields)


def collect(handle: EngineHandle, is_enough: Callable[[list[Any]], bool], seconds: float = 120) -> list[Any]:
    """Messages, events unpacked, until there are enough."""
    deadline, got = time.monotonic() + seconds, []
    while not is_enough(got):
        assert time.monotonic() < deadline, f"only {got}"
        wait([handle], 1)
        for message in handle.poll():
            got += message.events if isinstance(message, Events) else [message]
    return got


def has(kind: type, count: int = 1) -> Callable[[list[Any]], bool]:
    return lambda got: sum(isinstance(item, kind) for item in got) >= count


def gone(pid: int, seconds: float) -> bool:
    """Whether the process has ended within `seconds` (a zombie that nobody reaps has)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(params=["forks", "spawns"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForkServer]:
    """A server that has imported nothing heavy and forks, or one that has imported nothing and so does not fork."""
    modules = ["localtable.scheduler.worker_loop"] if request.param == "forks" else []
    made = ForkServer(modules, "cpu", tmp_path, tmp_path / "server.log")
    yield made
    made.close()


class Parent:
    """`parent.py` in a process group of its own, and what it says."""

    def __init__(self, kind: str, folder: Path | None, home: Path, *tracer: str) -> None:
        command = [*tracer, sys.executable, str(PARENT), kind, str(folder), str(home)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def hear(self, key: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            fact: dict[str, Any] = json.loads(line)
            if key in fact:
                return fact
        raise AssertionError(f"the parent ended without saying {key!r}")


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    made = Parent("scripted", None, tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


# ── with a real model: one load ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def workers(real_home: Path) -> Iterator[Workers]:
    with Workers(real_home) as made:
        yield made


@pytest.fixture(scope="module")
def engine(workers: Workers, smollm2_folder: Path) -> EngineHandle:
    handle = workers.start(real(smollm2_folder))
    [ready] = collect(handle, has(Ready))
    assert ready.info.kind == "vllm"
    assert ready.info.block_size == 32
    assert ready.info.num_kv_blocks > 0
    return handle


def test_requests_come_back_from_a_worker(engine: EngineHandle) -> None:
    engine.submit([request("a"), request("b", stream=True)])
    got = collect(engine, has(Completion, 2))
    done = {item.request_id: item for item in got if isinstance(item, Completion)}
    streamed = tuple(i for item in got if isinstance(item, Tokens) for i in item.token_ids)
    assert set(done) == {"a", "b"}
    assert streamed == done["b"].token_ids
    assert len(done["a"].token_ids) == 4


def test_a_request_joins_while_another_runs(engine: EngineHandle) -> None:
    engine.submit([request("long", max_tokens=150)])
    time.sleep(0.5)
    engine.submit([request("short")])
    got = [item.request_id for item in collect(engine, has(Completion, 2))]
    assert got == ["short", "long"]


def test_an_aborted_request_comes_back_no_more(engine: EngineHandle) -> None:
    engine.submit([request("unwanted", max_tokens=400), request("wanted", max_tokens=20)])
    time.sleep(0.2)
    engine.abort(["unwanted", "never heard of"])
    got = [item.request_id for item in collect(engine, has(Completion))]
    engine.submit([request("next")])
    got += [item.request_id for item in collect(engine, has(Completion))]
    assert got == ["wanted", "next"]


def test_a_folder_without_a_model_is_a_load_error(workers: Workers, tmp_path: Path) -> None:
    [died] = collect(workers.start(real(tmp_path)), has(Died))
    assert isinstance(died.error, EngineLoadError)
    assert died.error.exit_code == 3
    assert "config.json" in str(died.error)


def test_weights_that_are_cut_off_are_a_load_error(workers: Workers, smollm2_folder: Path, tmp_path: Path) -> None:
    for path in smollm2_folder.iterdir():
        if path.suffix != ".safetensors" and path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    [died] = collect(workers.start(real(tmp_path)), has(Died))
    assert isinstance(died.error, EngineLoadError)
    assert "could not load" in str(died.error)


def test_an_unknown_engine_argument_names_the_nearest(workers: Workers, smollm2_folder: Path) -> None:
    [died] = collect(workers.start(real(smollm2_folder, max_num_seq="8")), has(Died))
    assert isinstance(died.error, ConfigError)
    assert "max_num_seqs" in died.error.hint


def test_a_killed_worker_is_reported_at_once(engine: EngineHandle) -> None:
    """Last of this engine."""
    engine.submit([request("lost", max_tokens=400)])
    pid = engine.pid  # type: ignore[attr-defined]  an EngineProcess here
    os.kill(pid, signal.SIGKILL)
    started = time.monotonic()
    died = collect(engine, has(Died))[-1]
    assert time.monotonic() - started < 2
    assert isinstance(died.error, EngineError)
    assert "SIGKILL" in str(died.error)
    assert engine.poll() == []
    engine.close()
    engine.close()


# ── with a real model, under a tracer: the other load ───────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows every socket, also those long closed")
def test_loading_and_generating_stay_on_this_machine(smollm2_folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    tracer = ("strace", "-f", "--seccomp-bpf", "-e", "trace=connect,bind,sendto,sendmsg", "-o", str(trace))
    parent = Parent("vllm", smollm2_folder, tmp_path, *tracer)
    worker = parent.hear("ready")["worker"]
    assert parent.hear("done")["done"] == [True]
    os.killpg(parent.process.pid, signal.SIGKILL)
    parent.process.wait()
    assert gone(worker, 2)
    addresses = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace.read_text())
    assert addresses, "vLLM binds loopback ports; no address at all means that nothing was traced"
    assert {v4 or v6 for v4, v6 in addresses} <= {"127.0.0.1", "::1"}


# ── processes and their ends: no model needed ───────────────────────────────────────────────────────────────


def test_a_worker_dies_with_its_parent(parent: Parent) -> None:
    server, worker = parent.hear("server")["server"], parent.hear("ready")["worker"]
    parent.process.kill()
    assert gone(worker, 2)
    assert gone(server, 2)


def test_a_server_that_still_imports_dies_with_its_parent(tmp_path: Path) -> None:
    parent = Parent("vllm", tmp_path, tmp_path)
    server = parent.hear("server")["server"]
    parent.process.kill()
    parent.process.wait()
    assert gone(server, 2)


def test_ctrl_c_to_the_whole_group_leaves_the_worker_alone(parent: Parent) -> None:
    worker = parent.hear("ready")["worker"]
    parent.hear("done")
    os.killpg(parent.process.pid, signal.SIGINT)
    parent.hear("interrupted")
    assert parent.hear("done")["done"] == [True]
    assert not gone(worker, 0.2)


def test_a_worker_that_is_closed_ends(server: ForkServer, tmp_path: Path) -> None:
    handle = server.start(scripted(), tmp_path / "log")
    collect(handle, has(Ready))
    handle.close()
    handle.close()
    assert handle.pid is not None
    assert gone(handle.pid, 1)


def test_a_worker_can_be_closed_before_it_has_begun(server: ForkServer, tmp_path: Path) -> None:
    handle = server.start(scripted(), tmp_path / "log")
    handle.kill()
    handle.kill()
    other = server.start(scripted(), tmp_path / "log")
    collect(other, has(Ready))
    deadline = time.monotonic() + 10  # a fresh interpreter reads its first message before it sees that it is alone
    while (left := [p.pid for p in psutil.Process(server.pid).children()]) != [other.pid]:
        assert time.monotonic() < deadline, f"{left} besides {other.pid}"
        time.sleep(0.05)


def test_a_server_that_dies_is_told(server: ForkServer, tmp_path: Path) -> None:
    os.kill(server.pid, signal.SIGKILL)
    handle = server.start(scripted(), tmp_path / "log")
    [died] = collect(handle, has(Died))
    assert isinstance(died.error, EngineLoadError)
    assert "SIGKILL" in str(died.error)


def test_a_module_that_can_not_be_imported_is_in_the_log(tmp_path: Path) -> None:
    server = ForkServer(["localtable.nothing_of_this_name"], "cpu", tmp_path, tmp_path / "server.log")
    collect(server.start(scripted(), tmp_path / "log"), has(Ready))
    server.close()
    assert "localtable.nothing_of_this_name could not be imported" in (tmp_path / "server.log").read_text()


def test_an_engine_that_can_not_load_is_told_in_plain_words(server: ForkServer, tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("load_fails: no such model\n")
    [died] = collect(server.start(scripted(script=str(script)), tmp_path / "log"), has(Died))
    assert isinstance(died.error, EngineLoadError)
    assert "no such model" in str(died.error)
    assert "Traceback" in (tmp_path / "log").read_text()


def test_an_engine_that_fails_in_a_step_is_told_in_plain_words(server: ForkServer, tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("turns: [{seat: Ada, fail: crash}]\n")
    handle = server.start(scripted(script=str(script)), tmp_path / "log")
    handle.submit([request("a", origin=Origin("q", 0, "Ada", 1, "statement"))])
    died = collect(handle, has(Died))[-1]
    assert isinstance(died.error, EngineError)
    assert "Traceback" not in str(died.error)
    assert "Traceback" in (tmp_path / "log").read_text()


@pytest.fixture
def scripted_workers(tmp_path: Path) -> Iterator[Workers]:
    with Workers(tmp_path) as made:
        yield made


@pytest.mark.parametrize("said", [True, "true"])
def test_the_scripted_engine_has_a_worker_of_its_own_where_it_is_asked_for(
    scripted_workers: Workers, said: object
) -> None:
    handle = scripted_workers.start(scripted(process=said))
    assert isinstance(handle, EngineProcess)
    handle.submit([request("a"), request("b")])
    ready, *done = collect(handle, has(Completion, 2))
    assert isinstance(ready, Ready)
    assert {completion.request_id for completion in done} == {"a", "b"}
    assert handle.pid is not None
    os.kill(handle.pid, signal.SIGKILL)
    died = collect(handle, has(Died))[-1]
    assert died.sudden
    assert isinstance(died.error, EngineError)
    assert "SIGKILL" in str(died.error)


@pytest.mark.parametrize("arguments", [{}, {"process": False}, {"process": "no"}])
def test_otherwise_the_scripted_engine_is_in_this_process(scripted_workers: Workers, arguments: Any) -> None:
    handle = scripted_workers.start(scripted(**arguments))
    assert isinstance(handle, InlineEngine)
    assert isinstance(messages_of(handle)[0], Ready)


def test_a_worker_s_argument_that_is_none_is_told_as_any_other(scripted_workers: Workers) -> None:
    [died] = messages_of(scripted_workers.start(scripted(process="perhaps")))
    assert isinstance(died, Died)
    assert isinstance(died.error, ConfigError)
    assert not died.sudden


def test_a_server_that_has_died_is_replaced(scripted_workers: Workers) -> None:
    first = scripted_workers.start(scripted(process=True))
    collect(first, has(Ready))
    assert isinstance(first, EngineProcess)
    server = psutil.Process(psutil.Process(first.pid).ppid())
    server.kill()
    assert gone(server.pid, 2)
    second = scripted_workers.start(scripted(process=True))
    assert isinstance(collect(second, has(Ready))[0], Ready)
    second.close()
    first.close()


# ── the engine in this process ──────────────────────────────────────────────────────────────────────────────


def messages_of(handle: EngineHandle) -> list[FromWorker]:
    assert wait([handle], 1) == [handle]
    return handle.poll()


def test_an_inline_engine_looks_like_a_worker() -> None:
    handle = InlineEngine(scripted())
    [ready] = messages_of(handle)
    assert isinstance(ready, Ready)
    assert wait([handle], 0) == []
    handle.submit([request("a"), request("b")])
    assert {event.request_id for event in collect(handle, has(Completion, 2))} == {"a", "b"}
    assert wait([handle], 0) == []
    handle.close()
    handle.close()


def test_an_inline_engine_reports_that_it_can_not_load(tmp_path: Path) -> None:
    handle = InlineEngine(scripted(script=str(tmp_path / "missing.yaml")))
    [died] = messages_of(handle)
    assert isinstance(died, Died)
    handle.close()
