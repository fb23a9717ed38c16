"""The performance core, measured: a suite against raw vLLM, one request or one debate at a time, and a barrier.

    python scripts/bench_suite.py raw --model smollm2-135m-instruct --kv 1GiB --debates 24 --pairs 3

Everything runs in one worker process with one loaded engine, so that a ratio compares what was asked and nothing else;
the prefix cache is emptied before each run. Statements have a fixed length (`min_tokens` = `max_tokens`), except where
a part says otherwise. Raw vLLM gets the very token prompts of the suite just before it, all at once.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path

from localtable.config import load_card, load_suite
from localtable.engines.base import Completion, EngineSpec, Event, Request, SleepLevel, Tokens
from localtable.places import home
from localtable.prompts import HfTokenizer, load_wording
from localtable.protocol import DEBATE, Condition
from localtable.runner.inputs import describe_run, find_weights
from localtable.runner.keys import request_key
from localtable.runner.loop import Loop
from localtable.runner.models import Model, build_models, longest_turns
from localtable.runner.placements import build_placements, seat_models
from localtable.scheduler.devices import find_machine
from localtable.scheduler.messages import EngineHandle, Events, FromWorker, Ready
from localtable.scheduler.pool import EnginePool, Placement
from localtable.scheduler.worker import PRELOAD, PRELOAD_ON_CPU, ForkServer
from localtable.store import Store
from localtable.types import BallotRule, Panel, Question, Sampling, Seat

COLD = "cold"


@dataclass
class Setting:
    """What is debated, by whom, how long the statements are."""

    questions: list[Question]
    panel: Panel
    model: Model
    spec: EngineSpec


@dataclass
class Kept(EngineHandle):
    """A loaded engine that outlives pools; writes down what passes, and can answer ballots by itself."""

    inner: EngineHandle
    ready: Ready
    asked: list[Request] = field(default_factory=list)
    answers: dict[tuple[object, ...], Completion] = field(default_factory=dict)
    replay: dict[tuple[object, ...], Completion] | None = None
    _said_ready: bool = False
    _due: list[Event] = field(default_factory=list)
    _origins: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.spec = self.inner.spec
        self._bell, self._ring = os.pipe()

    def begin(self, replay: dict[tuple[object, ...], Completion] | None = None) -> None:
        self._said_ready, self.asked, self.answers, self.replay = False, [], {}, replay

    def fileno(self) -> int:
        # What is due without the engine must wake the pool too.
        return self._bell if self._due or not self._said_ready else self.inner.fileno()

    def submit(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._origins[request.request_id] = _place(request)
        own = [r for r in requests if self.replay is not None and not r.resumable]
        rest = [r for r in requests if r not in own]
        for request in own:
            assert self.replay is not None
            self._due.append(replace(self.replay[_place(request)], request_id=request.request_id))
        self.asked += requests
        if rest:
            self.inner.submit(rest)

    def abort(self, request_ids: Sequence[str]) -> None:
        self.inner.abort(request_ids)

    def poll(self) -> list[FromWorker]:
        messages: list[FromWorker] = []
        if not self._said_ready:
            self._said_ready = True
            messages.append(self.ready)
        if self._due:
            due, self._due = self._due, []
            messages.append(Events(due, time.monotonic()))
        for message in self.inner.poll():
            if isinstance(message, Events):
                events = [self._noted(event) for event in message.events]
                message = Events(events, message.at)
            messages.append(message)
        return messages

    def preempt(self, request_ids: Sequence[str]) -> None:
        self.inner.preempt(request_ids)

    def sleep(self, level: SleepLevel) -> None:
        self.inner.sleep(level)

    def wake(self) -> None:
        self.inner.wake()

    def _noted(self, event: Event) -> Event:
        if not isinstance(event, Completion):
            return event
        place = self._origins.pop(event.request_id)
        if self.replay is not None:
            # The words of the recorded run, so that everything behind them is the same.
            event = replace(self.replay[place], request_id=event.request_id)
        self.answers[place] = event
        return event

    def close(self, timeout: float = 5.0) -> None:
        pass

    def kill(self) -> None:
        pass


def _place(request: Request) -> tuple[object, ...]:
    origin = request.origin
    assert origin is not None
    return (origin.question_id, origin.seat, origin.round_number, origin.step, origin.sample)


def load(setting: Setting, home_: Path) -> tuple[ForkServer, Kept]:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    modules = PRELOAD[setting.spec.kind]
    if setting.spec.kind == "vllm":
        modules = (*modules, *PRELOAD_ON_CPU["vllm"], "cold_cache")
    server = ForkServer(modules, "cpu", home_, Path(tempfile.mkstemp(suffix=".log")[1]))
    handle = server.start(setting.spec, Path(tempfile.mkstemp(suffix=".log")[1]))
    while True:
        wait([handle], 1.0)  # type: ignore[list-item]
        for message in handle.poll():
            if isinstance(message, Ready):
                return server, Kept(handle, message)
            raise SystemExit(f"the engine did not load: {message}")


def drain(handle: EngineHandle, requests: Sequence[Request]) -> tuple[float, list[Completion]]:
    """Raw vLLM: everything at once, until everything is there."""
    began = time.monotonic()
    handle.submit(requests)
    done: list[Completion] = []
    while len(done) < len(requests):
        wait([handle], 1.0)  # type: ignore[list-item]
        for message in handle.poll():
            if isinstance(message, Events):
                done += [event for event in message.events if not isinstance(event, Tokens)]  # type: ignore[misc]
            elif not isinstance(message, Ready):
                raise SystemExit(f"the engine is gone: {message}")
    return time.monotonic() - began, done


def cold(kept: Kept) -> None:
    drain(kept.inner, [Request(COLD, (1,), Sampling(max_tokens=1), 1)])


def suite(
    setting: Setting,
    kept: Kept,
    questions: Sequence[Question] | None = None,
    *,
    replay: dict[tuple[object, ...], Completion] | None = None,
) -> tuple[float, dict[str, float]]:
    """The real loop, store and pool; seconds from its first look at the store to the last commit."""
    kept.begin(replay)
    pool = EnginePool(
        {setting.spec.model_id: Placement(setting.spec, 0)},
        capacities=[0],
        start=lambda spec: kept,
        turns="machine",
    )
    condition = Condition(DEBATE, setting.panel)
    run = describe_run("vllm", setting.panel, {}, setting.model.renderer.wording)
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "run.db", run, questions or setting.questions, [DEBATE]) as store,
    ):
        store.begin_session({})
        loop = Loop(
            store,
            {1: condition},
            {1: {setting.spec.model_id: setting.model}},
            pool,
            key_of=lambda model_id, request: request_key(model_id, request, always_draws=False),
            tell=lambda event: None,
            should_stop=lambda: False,
        )
        began = time.monotonic()
        pool.clock.started = pool.clock._last = began
        for outcome in loop.run():
            if outcome.error is not None:
                raise outcome.error
        seconds = time.monotonic() - began
    return seconds, pool.clock.seconds()


# ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────


def part_raw(setting: Setting, kept: Kept, pairs: int) -> None:
    """Suite ÷ raw vLLM in order of arrival; time outside engines."""
    _against_raw(setting, kept, pairs, "arrival")


def part_sorted(setting: Setting, kept: Kept, pairs: int) -> None:
    """Suite ÷ raw vLLM in the best order for prefixes."""
    _against_raw(setting, kept, pairs, "sorted")


def _against_raw(setting: Setting, kept: Kept, pairs: int, order: str) -> None:
    ratios: list[float] = []
    outside: list[float] = []
    asked: list[Request] = []
    for number in range(pairs):
        seconds: dict[str, float] = {}
        # The requests of the suite before it: raw vLLM can't go first until there are some.
        for name in ("raw", "suite") if number % 2 else ("suite", "raw"):
            cold(kept)
            if name == "suite":
                seconds[name], clock = suite(setting, kept)
                outside.append(clock["outside_engines"] / clock["total"])
                mine, asked = list(kept.answers.values()), list(kept.asked)
            else:
                queue = sorted(asked, key=lambda r: r.prompt_token_ids) if order == "sorted" else asked
                seconds[name], done = drain(kept.inner, queue)
        ratios.append(seconds["raw"] / seconds["suite"])
        print(
            f"suite {seconds['suite']:.1f} s ({_cached(mine):.0%} of prompt tokens cached), raw in order {order} "
            f"{seconds['raw']:.1f} s ({_cached(done):.0%}): {ratios[-1]:.3f}; outside engines {outside[-1]:.2%}",
            flush=True,
        )
    print(f"suite ÷ raw, order {order}: median {statistics.median(ratios):.3f}, {_spread(ratios)}")
    print(f"outside engines ÷ total: median {statistics.median(outside):.2%}")


def _cached(answers: Sequence[Completion]) -> float:
    return sum(a.cached_tokens for a in answers) / sum(a.prompt_tokens for a in answers)


def part_serial(setting: Setting, kept: Kept, pairs: int) -> None:
    """Suite ÷ one request at a time, on every eighth debate, scaled."""
    ratios = []
    for _ in range(pairs):
        cold(kept)
        seconds, _ = suite(setting, kept)
        few = {q.id for q in setting.questions[:: max(len(setting.questions) // 3, 1)]}
        requests = [r for r in kept.asked if r.origin is not None and r.origin.question_id in few]
        requests.sort(key=lambda r: (r.origin.question_id, r.origin.round_number, r.origin.seat) if r.origin else ())
        cold(kept)
        one = sum(drain(kept.inner, [request])[0] for request in requests)
        scaled = one * len(setting.questions) / len(few)
        ratios.append(scaled / seconds)
        print(f"suite {seconds:.1f} s, one request at a time {scaled:.1f} s: {ratios[-1]:.2f}", flush=True)
    print(f"suite ÷ one request at a time: median {statistics.median(ratios):.2f}, {_spread(ratios)}")


def part_single(setting: Setting, kept: Kept, pairs: int) -> None:
    """Suite ÷ one debate at a time, on a few debates, scaled."""
    ratios = []
    for _ in range(pairs):
        cold(kept)
        seconds, _ = suite(setting, kept)
        few = setting.questions[:: max(len(setting.questions) // 4, 1)]
        cold(kept)
        one = sum(suite(setting, kept, [question])[0] for question in few)
        scaled = one * len(setting.questions) / len(few)
        ratios.append(scaled / seconds)
        print(f"suite {seconds:.1f} s, one debate at a time {scaled:.1f} s: {ratios[-1]:.2f}", flush=True)
    print(f"suite ÷ one debate at a time: median {statistics.median(ratios):.2f}, {_spread(ratios)}")


def part_barrier(setting: Setting, kept: Kept, pairs: int) -> None:
    """Suite ÷ a barrier after every step over all debates, statements of uneven lengths."""
    uneven = _uneven(setting)
    ratios = []
    for number in range(pairs):
        seconds: dict[str, float] = {}
        for name in ("suite", "barrier") if number % 2 else ("barrier", "suite"):
            cold(kept)
            if name == "suite" or not kept.asked:
                seconds["suite"] = suite(uneven, kept)[0]
                asked = list(kept.asked)
                cold(kept)
            if name == "barrier":
                waves = itertools.groupby(sorted(asked, key=_wave), key=_wave)
                seconds["barrier"] = sum(drain(kept.inner, list(wave))[0] for _, wave in waves)
        ratios.append(seconds["barrier"] / seconds["suite"])
        print(f"suite {seconds['suite']:.1f} s, barrier {seconds['barrier']:.1f} s: {ratios[-1]:.3f}", flush=True)
    print(f"suite ÷ barrier: median {statistics.median(ratios):.3f}, {_spread(ratios)}")


def part_ballots(setting: Setting, kept: Kept, pairs: int) -> None:
    """What ballots add: the suite, less the suite with its statements replayed and its ballots answered at once."""
    shares = []
    for number in range(pairs):
        cold(kept)
        first, _ = suite(setting, kept)
        recorded = dict(kept.answers)
        seconds = {}
        for name in ("with", "without") if number % 2 else ("without", "with"):
            cold(kept)
            if name == "with":
                seconds[name] = suite(setting, kept, replay=None)[0]
            else:
                seconds[name] = suite(setting, kept, replay=recorded)[0]
        whole = (first + seconds["with"]) / 2
        shares.append(whole / seconds["without"] - 1)
        print(f"with ballots {whole:.1f} s, without {seconds['without']:.1f} s: {shares[-1]:.1%}", flush=True)
    print(f"ballots add: median {statistics.median(shares):.1%}, {_spread(shares)}")


def part_engines(setting: Setting, kept: Kept, pairs: int) -> None:
    """The same suite on the transformers engine."""
    files = find_weights(setting.panel.cards, home(), say=print)
    models = {setting.spec.model_id: setting.model}
    needs = {setting.spec.model_id: setting.spec.max_model_len}
    plain = replace(setting.model, panel=replace(setting.panel, engine={}))
    models, machine = {**models, setting.spec.model_id: plain}, find_machine()
    placements = build_placements(
        models, seat_models("transformers", models, needs, machine, suite=True), files, machine
    )
    other = replace(setting, spec=placements[setting.spec.model_id].spec)
    server, twin = load(other, home())
    print(f"transformers: {other.spec.max_num_seqs} rows, {other.spec.dtype}", flush=True)
    ratios = []
    try:
        for _ in range(pairs):
            cold(kept)
            seconds, _ = suite(setting, kept)
            slower, _ = suite(other, twin)
            ratios.append(slower / seconds)
            print(f"vLLM {seconds:.1f} s, transformers {slower:.1f} s: {ratios[-1]:.2f}", flush=True)
    finally:
        twin.inner.close()
        server.close()
    print(f"transformers ÷ vLLM, time of a suite: median {statistics.median(ratios):.2f}, {_spread(ratios)}")


def part_rows(setting: Setting, kept: Kept, pairs: int) -> None:
    """Throughput by the number of turns at once."""
    for rows in (8, 16, 32, 48, 64) * pairs:
        cold(kept)
        kept.ready = replace(kept.ready, info=replace(kept.ready.info, max_num_seqs=rows))
        seconds, _ = suite(setting, kept)
        print(f"{rows} rows: {seconds:.1f} s", flush=True)


PARTS: dict[str, Callable[[Setting, Kept, int], None]] = {
    "raw": part_raw,
    "sorted": part_sorted,
    "serial": part_serial,
    "single": part_single,
    "barrier": part_barrier,
    "ballots": part_ballots,
    "engines": part_engines,
    "rows": part_rows,
}


def _wave(request: Request) -> tuple[int, int]:
    assert request.origin is not None
    steps = ("before", "thinking", "statement", "ballot", "label_mass", "free_reply", "persuaded")
    return request.origin.round_number, steps.index(request.origin.step)


def _uneven(setting: Setting) -> Setting:
    """A fixed length of its own for each seat, from a quarter to twice of what the others have."""
    rng = random.Random(0)
    usual = setting.panel.model_seats[0].sampling.max_tokens
    lengths = [usual // 4, usual // 2, usual, 2 * usual]
    rng.shuffle(lengths)
    seats = tuple(
        replace(seat, sampling=replace(seat.sampling, max_tokens=n, min_tokens=n))
        for seat, n in zip(setting.panel.model_seats, itertools.cycle(lengths), strict=False)
    )
    panel = replace(setting.panel, seats=seats)
    return replace(setting, panel=panel, model=replace(setting.model, panel=panel))


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f} in {len(values)}"


def build(arguments: argparse.Namespace) -> Setting:
    card = load_card(arguments.model)
    length = Sampling(max_tokens=arguments.tokens, min_tokens=arguments.tokens)
    seats = tuple(Seat(name, card, length) for name in ("Ada", "Bob", "Cy", "Dee"))
    engine = {"kv_cache_memory_bytes": arguments.kv, "max_num_seqs": str(arguments.rows), **dict(arguments.engine_arg)}
    rule = BallotRule(orders=arguments.orders, label_mass=arguments.label_mass)
    panel = Panel("bench", seats, rounds=2, engine=engine, prompts=arguments.prompts, ballot=rule)
    questions = list(_questions(Path(arguments.questions), arguments.debates))
    files = find_weights(panel.cards, home(), say=print)
    tokenizer = HfTokenizer(files[card.id].folder)
    models = build_models(panel, {card.id: tokenizer}, load_wording(panel.prompts), real_templates=True)
    needs = longest_turns([models], questions)
    needs = {name: need + 2 * arguments.tokens for name, need in needs.items()}  # room for the uneven part
    machine = find_machine()
    placements = build_placements(models, seat_models("vllm", models, needs, machine, suite=True), files, machine)
    return Setting(questions, panel, models[card.id], placements[card.id].spec)


def _questions(folder: Path, number: int) -> Iterator[Question]:
    files = sorted(folder.glob("*.jsonl"))
    return itertools.islice(
        (question for same in zip(*map(load_suite, files), strict=False) for question in same), number
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--questions", default="../shared/data/bbh", help="a folder of suites, taken in turn")
    parser.add_argument("--debates", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--kv", default="1GiB")
    parser.add_argument("--prompts", default="argue", help="a preset, or a file of wording")
    parser.add_argument("--orders", type=int, default=1, help="of the options, in which each ballot is asked")
    parser.add_argument("--label-mass", action="store_true", help="measured for each ballot")
    parser.add_argument(
        "--engine-arg", action="append", default=[], type=lambda text: text.split("=", 1), metavar="NAME=VALUE"
    )
    arguments = parser.parse_args()
    setting = build(arguments)
    print(
        f"{arguments.model}, {len(setting.questions)} debates of 4 seats and 2 rounds, {arguments.tokens} tokens each, "
        f"KV {arguments.kv}, {arguments.rows} rows, {os.cpu_count()} cores",
        flush=True,
    )
    server, kept = load(setting, home())
    info = kept.ready.info
    print(f"vLLM {info.versions['vllm']}, {info.num_kv_blocks} blocks of {info.block_size} tokens", flush=True)
    try:
        for part in arguments.parts:
            print(f"── {part}", flush=True)
            PARTS[part](setting, kept, arguments.pairs)
    finally:
        kept.inner.close()
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
