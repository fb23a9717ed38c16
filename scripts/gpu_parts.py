"""The parts of `gpu_check.py`: each takes the bench and gives plain figures for the report."""

from __future__ import annotations

import inspect
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench_suite import Kept, cold, drain, suite
from gpu_bench import SEATS, Bench, Loaded, ModelHere, change, prompts, rate, timed, together
from gpu_models import forget_files

from localtable.prompts import HfTokenizer, load_wording
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.runner.models import build_models, longest_turns
from localtable.runner.placements import seat_models
from localtable.scheduler.devices import GPU_SHARE, capped
from localtable.scheduler.memory import EngineSettings, engine_bytes
from localtable.scheduler.seating import Seated
from localtable.store import Store
from localtable.types import FileSource, Panel, Sampling, Seat

UNSUPPORTED = "not supported here"
ROOT = Path(__file__).resolve().parent.parent
COPIES, SWAP_ROUNDS = 3, 3
NEED_TRAINED = frozenset({"test_the_models_own_end_stops_too"})
"""Checks of the contract that made-up weights can't pass: they ask for a model that comes to an end."""
SUBJECTS = ("subject", "model_subject")


class NotRunError(Exception):
    """Why a part has nothing to say here."""


# ── the contract ────────────────────────────────────────────────────────────────────────────────────────────


def part_contract(bench: Bench) -> dict[str, Any]:
    """The tests of the engine contract, each against one real engine on this device."""
    with _importable(ROOT / "tests" / "engines"):
        try:
            import subjects
            import test_contract
        except ImportError as error:
            raise NotRunError(f"the contract's tests are not at hand: {error}") from None
        model = bench.contract
        spec = subjects.build_spec("vllm", model.folder, device=bench.device.torch_name, model_id="contract")
        taken = engine_bytes(model.card, EngineSettings(spec.max_model_len, spec.max_num_seqs), spec.kv_cache_bytes)
        spec = replace(spec, device_bytes=taken.total - taken.context)
        loaded = bench.start(spec)
        try:
            subject = subjects.real_subject_of(spec, ready_engine(subjects.ProcessEngine, loaded))
            skipped = NEED_TRAINED if model.made_up else frozenset()
            results = {
                name: _one_check(check, subject, test_contract.run_dry)
                for name, check in contract_checks(test_contract)
                if name not in skipped
            }
        finally:
            bench.close("contract")
    failed = {name: said for name, said in results.items() if said is not None}
    return {
        "model": model.card.id,
        "passed": len(results) - len(failed),
        "failed": failed,
        "not_run": sorted(skipped),
    }


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def ready_engine(process_engine: Any, loaded: Loaded) -> Any:
    """`subjects.ProcessEngine` on a handle whose first message has been heard."""
    engine = process_engine.__new__(process_engine)
    engine._handle, engine._unfinished, engine._info = loaded.handle, set(), loaded.ready.info
    return engine


def contract_checks(module: Any) -> list[tuple[str, Callable[..., None]]]:
    """The tests that take one engine and nothing else."""
    found = [(name, check) for name, check in vars(module).items() if name.startswith("test_")]
    return [(n, check) for n, check in found if tuple(inspect.signature(check).parameters) in _WANTED]


_WANTED = {(name,) for name in SUBJECTS}


def _one_check(check: Callable[..., None], subject: Any, run_dry: Callable[[Any], Any]) -> str | None:
    """None where it passes, else what it said; the engine is left without requests."""
    try:
        check(subject)
    except Exception as error:  # noqa: BLE001  whatever a check raises, the others follow
        run_dry(subject)
        return f"{type(error).__name__}: {error}"[:400]
    return None


# ── sleep, wake, load ───────────────────────────────────────────────────────────────────────────────────────


def part_sleep(bench: Bench) -> dict[str, Any]:
    """Seconds to load, to fall asleep and to wake at each level, to close and load again; the same words after each."""
    setting, seated = bench.setting(bench.main)
    model_id = bench.main.card.id
    bench.close(model_id)
    forget_files(bench.main.folder)
    loaded = bench.start(setting.spec)
    first_request_s, before = _greedy(loaded)
    results = bench.found
    results |= {
        "model": model_id,
        "predicted_s": asdict(seated.costs),
        "first_load_s": loaded.wall_s,
        "first_request_s": first_request_s,
        "request_s": _greedy(loaded)[0],
    }
    for name, level in (("level_1_first", 1), ("level_1_later", 1), ("level_2", 2)):
        results[name] = _one_sleep(bench, loaded, level, before)
    results["close_s"] = bench.close(model_id)
    again = bench.start(setting.spec)
    results["later_load_s"] = again.wall_s
    seconds, words = _greedy(again)
    results |= {"first_request_after_reload_s": seconds, "same_words_after_reload": words == before}
    results["same_words"] = all(step.get("same_words", True) for step in results.values() if isinstance(step, dict))
    return results


def _one_sleep(bench: Bench, loaded: Loaded, level: int, before: tuple[int, ...]) -> dict[str, Any] | str:
    if not loaded.ready.info.supports_sleep:
        return UNSUPPORTED
    awake = bench.used()
    sleep_s = change(loaded, level)
    asleep = bench.used()
    wake_s = change(loaded, None)
    seconds, words = _greedy(loaded)
    bench.asleep[f"level_{level}"] = asleep - loaded.used_before
    return {
        "sleep_s": sleep_s,
        "wake_s": wake_s,
        "first_request_s": seconds,
        "freed_bytes": awake - asleep,
        "kept_bytes": asleep - loaded.used_before,
        "same_words": words == before,
    }


def _greedy(loaded: Loaded) -> tuple[float, tuple[int, ...]]:
    """What it says at temperature 0: weights that were not read again would say something else."""
    seconds, done = timed(lambda: together({"it": (loaded.handle, prompts(1, 64, 16, greedy=True))})["it"][1])
    return seconds, done[0].token_ids


# ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────


def part_memory(bench: Bench) -> dict[str, Any]:
    """Bytes that were predicted of the main engine beside those that it takes."""
    setting, seated = bench.setting(bench.main)
    loaded = bench.loaded(bench.main, setting.spec)
    length = min(seated.settings.max_model_len - 8, 1000)
    number = max(seated.settings.max_num_batched_tokens // length, 1)
    together({"it": (loaded.handle, prompts(number, length, 4, salt=1))})  # a step as large as they come
    return {"model": bench.main.card.id, "rows": memory_rows(bench, loaded, seated)}


def memory_rows(bench: Bench, loaded: Loaded, seated: Seated) -> list[dict[str, Any]]:
    predicted, info, said = seated.bytes, loaded.ready.info, loaded.said
    taken = bench.used() - (loaded.used_before if bench.on_gpu else 0)
    weights = said.get("weights", info.weights_bytes)
    graphs = said.get("graphs", 0 if not bench.on_gpu else None)
    rest = taken - sum(size or 0 for size in (weights, info.kv_cache_bytes, graphs))
    rows = [
        ("weights", predicted.weights, weights),
        ("kv_cache", predicted.kv_cache, info.kv_cache_bytes),
        ("graphs", predicted.graphs, graphs),
        ("activations and context", predicted.activations + predicted.context, rest),
        ("awake", predicted.total, taken),
    ]
    if info.activation_bytes is not None:  # part of the rest, as the engine itself saw it
        rows.append(("activations", predicted.activations, info.activation_bytes))
    rows += [(f"asleep, {level}", predicted.asleep, size) for level, size in bench.asleep.items()]
    return [
        {"what": what, "predicted": p, "measured": m, "ratio": round(p / m, 3) if m and m > 0 else None}
        for what, p, m in rows
    ]


# ── two engines ─────────────────────────────────────────────────────────────────────────────────────────────


def part_two_engines(bench: Bench) -> dict[str, Any]:
    """Two engines on one device: what each does alone, and both at once."""
    settings = {model.card.id: bench.setting(model) for model in (bench.main, _other(bench))}
    main, other = settings
    first = bench.loaded(bench.main, settings[main][0].spec)
    second = bench.start(settings[other][0].spec)
    handles = {main: first.handle, other: second.handle}

    def work(salt: int) -> dict[str, list[Any]]:
        return {name: prompts(bench.rows, 128, bench.tokens, salt=salt) for name in handles}

    together({name: (handles[name], asked) for name, asked in work(2).items()})  # what only the first batch needs
    alone = {name: together({name: (handles[name], asked)})[name] for name, asked in work(3).items()}
    both = together({name: (handles[name], asked) for name, asked in work(4).items()})
    taken = bench.used() - (first.used_before if bench.on_gpu else 0)
    results = {
        "models": [main, other],
        "tokens_per_s_alone": {name: rate(*alone[name]) for name in handles},
        "tokens_per_s_together": {name: rate(*both[name]) for name in handles},
        "seconds_one_after_the_other": sum(seconds for seconds, _ in alone.values()),
        "seconds_together": max(seconds for seconds, _ in both.values()),
        "predicted_bytes": sum(seated.bytes.total for _, seated in settings.values()),
        "measured_bytes": taken,
        "load_beside_s": second.wall_s,
    }
    bench.close(other)
    return results


def _other(bench: Bench) -> ModelHere:
    """The second model under an id of its own, in case both are one."""
    return replace(bench.second, card=replace(bench.second.card, id=f"{bench.second.card.id}-beside"))


# ── throughput ──────────────────────────────────────────────────────────────────────────────────────────────


def part_throughput(bench: Bench) -> dict[str, Any]:
    """A suite beside raw vLLM that is given the same prompts at once, in the order in which they came."""
    setting, _ = bench.setting(bench.main)
    loaded = bench.loaded(bench.main, setting.spec)
    kept = Kept(loaded.handle, loaded.ready)
    pairs: list[dict[str, float]] = []
    bench.found["pairs"] = pairs
    cold(kept)
    suite(setting, kept)  # what only the first suite needs: grammars, graphs
    for _ in range(bench.pairs):
        cold(kept)
        seconds, clock = suite(setting, kept)
        asked, answers = list(kept.asked), list(kept.answers.values())
        cold(kept)
        raw_s, _ = drain(kept.inner, asked)
        pairs.append(
            {
                "suite_s": seconds,
                "raw_s": raw_s,
                "raw_by_suite": raw_s / seconds,
                "outside_engines": clock["outside_engines"] / clock["total"],
                "tokens_per_s": rate(seconds, answers),
                "cached": sum(a.cached_tokens for a in answers) / sum(a.prompt_tokens for a in answers),
            }
        )
    return {
        "model": bench.main.card.id,
        "debates": len(setting.questions),
        "seats": len(SEATS),
        "rounds": setting.panel.rounds,
        "pairs": pairs,
        "median_raw_by_suite": statistics.median(pair["raw_by_suite"] for pair in pairs),
    }


# ── swapping ────────────────────────────────────────────────────────────────────────────────────────────────


def part_swap(bench: Bench) -> dict[str, Any]:
    """Three copies of the second model, room for one: a whole run, its activations and its timeline."""
    bench.close_all()
    panel, questions = swap_panel(bench), bench.questions(bench.debates)
    cap, how = swap_cap(bench, panel)
    path = bench.home / f"swap-{time.monotonic_ns()}.db"
    options = RunOptions(home=bench.home, engine="vllm", device_memory_bytes=cap)
    began = time.monotonic()
    begin_suite(path, panel, questions, options, SuiteOptions())
    with open_suite(path, options) as run:
        for _ in run.run():
            pass
    return {
        "models": [card.id for card in panel.cards],
        "device_memory_bytes": cap,
        "swap": how,
        "seconds": time.monotonic() - began,
        **swap_counts(path),
    }


def swap_panel(bench: Bench) -> Panel:
    """Copies under ids of their own: an engine belongs to an id."""
    length = Sampling(max_tokens=bench.tokens, min_tokens=bench.tokens)
    source = FileSource(str(bench.second.folder))
    cards = [replace(bench.second.card, id=f"copy-{n}", sources=(source,)) for n in "abc"[:COPIES]]
    seats = tuple(Seat(name, card, length) for name, card in zip(SEATS, cards, strict=False))
    # Eager, since how often engines change is asked, and graphs are captured anew at each load.
    return Panel("swap", seats, rounds=SWAP_ROUNDS, engine=bench.engine(enforce_eager="true"))


def swap_cap(bench: Bench, panel: Panel) -> tuple[int, list[str]]:
    """Memory in which one of the copies is awake while the others sleep, and no two are; how they make room."""
    tokenizer = HfTokenizer(bench.second.folder)
    models = build_models(
        panel, {card.id: tokenizer for card in panel.cards}, load_wording(panel.prompts), real_templates=True
    )
    needs = longest_turns([models], bench.questions(bench.debates))
    one = panel.cards[0].id
    taken = seat_models("vllm", {one: models[one]}, needs, bench.machine, suite=True)[one].bytes
    asleep = taken.asleep if bench.on_gpu else 0
    cap = taken.total + (COPIES - 1) * asleep + (taken.total - asleep) // 2
    cap = int(cap / GPU_SHARE) if bench.on_gpu else cap
    seated = seat_models("vllm", models, needs, capped(bench.machine, cap), suite=True)
    return cap, sorted({seat.swap for seat in seated.values()})


def swap_counts(path: Path) -> dict[str, Any]:
    """What a swapping run came to, from its store."""
    with Store.open(path, write=False) as store:
        session = store.sessions()[-1]
        phases = {
            phase: {"times": times, "seconds": seconds}
            for phase, times, seconds in store.query(
                "SELECT phase, count(*), sum(ended - began) FROM timeline GROUP BY phase ORDER BY phase"
            )
        }
        counts = store.counts()
    activations = session["activations"]
    return {
        "activations": activations,
        "activations_in_all": sum(activations.values()),
        "fewest_possible": COPIES + (SWAP_ROUNDS - 1) * (COPIES - 1),
        "phases": phases,
        "debates": dict(counts.debates),
        "run_seconds": session["seconds"],
    }
