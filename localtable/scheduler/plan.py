"""What a panel will need on a machine, and how long it will take: the layout, simulated under the scheduler's rule.

The same functions seat models here and in a run (`seating.py`), and the same rule moves them (`policy.py`). What is
estimated: how long statements are, and how fast a machine is on which nothing has run yet.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from localtable.errors import PlacementError
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import GIB, Device, Machine
from localtable.scheduler.seating import Seated, Wish, seat_all, seatings
from localtable.scheduler.simulate.bounds import lower_bound
from localtable.scheduler.simulate.instance import Closing, Instance, Model, Sleep, Turn
from localtable.scheduler.simulate.result import Result
from localtable.scheduler.simulate.simulation import simulate

SHORTEST = 0.5
"""A statement's length as a share of its bound: from this to the whole of it, evenly."""
USUAL_QUESTIONS = 200
MAX_SIMULATED, MAX_SIMULATED_TURNS = 256, 4_000
"""Questions up to which every debate is simulated, and turns; the time of more grows in proportion to theirs."""
MOST_COMPARED = 8
"""Conditions by which ways to seat their models are compared."""
UNCERTAIN, MEASURED = 0.5, 0.2
"""Of the predicted time, either way: with formulas alone, and where this machine has been measured."""
STEPS_GIB = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256)
"""More memory on each device, to find out how much a panel lacks that doesn't fit."""
ADVISED_GIB = (8, 16, 24, 48, 80)
"""More memory on each device that is advised where it would save time."""
WORTHWHILE = 0.9
"""Of the predicted time: what a change has to come down to, to be advised."""


@dataclass(frozen=True, slots=True)
class Summaries:
    """What a moderator takes for each debate."""

    model_id: str
    prompt_tokens: int
    """Of all prompts, that no cache holds."""
    tokens: int
    """The bound of all that it writes, with the texts that it is asked for again."""
    least_tokens: int
    """The shortest that it is reckoned with."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What the debates of a panel take, as far as time goes."""

    seats: tuple[str, ...]
    """Card ids, one for each seat whose model runs here; none where a moderator alone does."""
    rounds: int
    questions: int
    statement_tokens: tuple[int, ...]
    """The bound of each seat's statement, thinking included."""
    least_tokens: tuple[int, ...]
    """The shortest that each seat's statement is reckoned with."""
    prompt_tokens: tuple[tuple[int, ...], ...]
    """By round and seat: of all prompts of a turn, that no cache holds."""
    anew_tokens: tuple[tuple[int, ...], ...]
    """The same where the model was put away after the round before, and its cache is lost."""
    repeated: tuple[tuple[bool, ...], ...] = ()
    """By round and seat: whether another workload's debate on the question gets the same answer to the same request;
    empty: no turn does."""
    summaries: Summaries | None = None
    """None: nobody sums up, or templates do."""

    @property
    def model_ids(self) -> set[str]:
        """Of those that sit or sum up."""
        return {*self.seats, *([self.summaries.model_id] if self.summaries else [])}

    @property
    def num_turns(self) -> int:
        """Of all debates, those that are repeated included."""
        return self.questions * self.rounds * len(self.seats)

    @property
    def num_repeated(self) -> int:
        """Turns that take nothing."""
        return self.questions * sum(map(sum, self.repeated))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to expect."""

    machine: Machine
    workloads: tuple[Workload, ...]
    """One for each panel that debates on every question: a sweep has several."""
    seated: dict[str, Seated]
    """By card id."""
    simulated: Result
    predicted_s: float
    low_s: float
    high_s: float
    lower_bound_s: float
    cramped: bool = False
    """They swap although they would fit side by side: with caches so small that it would take longer."""
    advice: tuple[str, ...] = ()

    @property
    def swaps(self) -> int:
        """Activations beyond the first of each model."""
        return self.simulated.num_activations - len(self.seated)

    @property
    def seconds(self) -> dict[str, float]:
        """The predicted time by part, of the device that is busy longest; what the rest is idle for is left out."""
        busiest = max(self.simulated.seconds, key=lambda parts: sum(s for name, s in parts.items() if name != "idle"))
        swapping: dict[str, float] = {name: s for name, s in busiest.items() if name not in ("generate", "idle")}
        idle = busiest.get("idle", 0.0)
        return {"generate": max(self.predicted_s - sum(swapping.values()) - idle, 0.0), **swapping}


def make_plan(
    wishes: Sequence[Wish], workloads: Sequence[Workload], machine: Machine, calibration: Calibration | None = None
) -> Plan:
    """The layout that is quickest under the rule, of those that seat all models, or nearly so.

    Args:
        wishes: One for each model.
        workloads: What they do, all of them on the same questions.
        machine: What there is.
        calibration: What is known of this machine; None for one that is described.

    Raises:
        PlacementError: A model fits nowhere; `smallest_change` says what would help.
        ConfigError: A card lacks figures.
    """
    found = seatings(wishes, machine, calibration)
    seated = quickest(found, workloads, machine)
    plan = _predict(seated, tuple(workloads), machine)
    return replace(plan, cramped=_swaps(seated) and not _swaps(found[0]))


def quickest(found: Sequence[dict[str, Seated]], workloads: Sequence[Workload], machine: Machine) -> dict[str, Seated]:
    """Which of several ways to seat models takes the least time; a run asks it as a plan does.

    Args:
        found: The ways, at least one; the first is taken where no other one saves a tenth of the time.
        workloads: What the models do; that turns are repeated is left out, which a run doesn't know beforehand.
        machine: What they sit on.
    """
    if len(found) == 1:
        return found[0]
    kept = telling([workload.model_ids for workload in workloads])
    each = tuple(replace(workloads[number], repeated=()) for number in kept)
    seconds = [_simulate(seated, each, machine).predicted_s for seated in found]
    best = min(range(len(found)), key=lambda way: seconds[way])
    return found[best if seconds[best] < WORTHWHILE * seconds[0] else 0]


def telling(sitting: Sequence[Set[str]]) -> list[int]:
    """Of which conditions the time says which seating is the quickest: of the first few, and all models' own.

    Args:
        sitting: By condition, the models that sit or sum up there.

    Returns:
        Their places. A sweep's hundreds of conditions are much alike, and each takes its time to rehearse.
    """
    seen: set[str] = set()
    kept = []
    for number, models in enumerate(sitting):
        if number < MOST_COMPARED or not models <= seen:
            kept.append(number)
            seen |= models
    return kept


def _swaps(seated: Mapping[str, Seated]) -> bool:
    return any(seat.spot.crowded for seat in seated.values())


def with_advice(plan: Plan, wishes: Sequence[Wish], calibration: Calibration | None = None) -> Plan:
    """A plan with what would help it."""
    advice = []
    if plan.swaps:
        better = _first_better(wishes, plan, calibration)
        if better is not None:
            gib, other = better
            each = " on each device" if len(plan.machine.devices) > 1 else ""
            said = "no model would be swapped" if not other.swaps else f"{_in_words(other.swaps)} would be left"
            advice.append(
                f"with {gib} GiB more{each} {said}, and the run would take {spoken(other.predicted_s)} in place of "
                f"{spoken(plan.predicted_s)}"
            )
    if plan.machine.kind == "cuda" and all(wish.kv_cache_dtype == "auto" for wish in wishes):
        smaller = make_plan(
            [replace(wish, kv_cache_dtype="fp8") for wish in wishes], plan.workloads, plan.machine, calibration
        )
        if smaller.predicted_s < WORTHWHILE * plan.predicted_s:
            advice.append(
                "a cache in fp8 (engine: {kv_cache_dtype: fp8}) holds twice as many turns: "
                f"{_in_words(smaller.swaps)}, {spoken(smaller.predicted_s)}"
            )
    return replace(plan, advice=tuple(advice))


def smallest_change(
    wishes: Sequence[Wish], machine: Machine, calibration: Calibration | None = None
) -> tuple[str, ...]:
    """What would make a panel run that doesn't: the smallest of each kind of change, the first one the smallest."""
    changes = []
    alone = [wish for wish in wishes if not _fits([wish], machine, calibration)]
    small = [wish for wish in alone if _fits([replace(wish, kv_cache_dtype="fp8")], machine, calibration)]
    if machine.kind == "cuda" and alone and len(small) == len(alone):
        changes.append("a cache in fp8 (engine: {kv_cache_dtype: fp8})")
    shorter = [_longest_that_fits(wish, machine, calibration) for wish in alone]
    if alone and all(length is not None for length in shorter):
        least = min(length for length in shorter if length is not None)
        changes.append(f"prompts and statements of at most {least:,} tokens (fewer seats, shorter statements)")
    for gib in STEPS_GIB:
        if _fits(alone, _larger(machine, gib), calibration):
            each = " on each device" if len(machine.devices) > 1 else ""
            changes.append(f"{gib} GiB more{each}")
            break
    for count in (2, 4, 8):
        if count > len(machine.devices) and machine.kind == "cuda" and _fits(alone, _more(machine, count), calibration):
            changes.append(f"{count} such devices")
            break
    if len(alone) < len(wishes):
        changes.append(f"the panel without {', '.join(wish.card.id for wish in alone)}")
    return tuple(changes)


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The contract of `plan --json`."""
    return {
        "fits": True,
        "engines": [_engine_to_json(model_id, seat) for model_id, seat in plan.seated.items()],
        "cramped": plan.cramped,
        "activations": plan.simulated.activations,
        "predicted_s": round(plan.predicted_s, 1),
        "low_s": round(plan.low_s, 1),
        "high_s": round(plan.high_s, 1),
        "lower_bound_s": round(plan.lower_bound_s, 1),
        "seconds": {name: round(seconds, 1) for name, seconds in plan.seconds.items()},
        "workload": _workload_to_json(plan.workloads),
        "advice": list(plan.advice),
    }


def _workload_to_json(workloads: Sequence[Workload]) -> dict[str, Any]:
    first = workloads[0]
    if len(workloads) == 1:
        return {name: value for name, value in asdict(first).items() if name != "repeated"}
    turns = sum(workload.num_turns for workload in workloads)
    new = turns - sum(workload.num_repeated for workload in workloads)
    debates = sum(workload.questions for workload in workloads)
    return {"conditions": len(workloads), "debates": debates, "turns": turns, "new_turns": new}


def _engine_to_json(model_id: str, seat: Seated) -> dict[str, Any]:
    taken = seat.bytes
    return {
        "model": model_id,
        "devices": list(seat.spot.devices),
        "tensor_parallel_size": seat.settings.tensor_parallel_size,
        "max_model_len": seat.wish.max_model_len,
        "max_num_seqs": seat.wish.max_num_seqs,
        "prefix_caching": seat.settings.enable_prefix_caching,
        "weights_bytes": taken.weights,
        "kv_cache_bytes": taken.kv_cache,
        "activation_bytes": taken.activations,
        "overhead_bytes": taken.graphs + taken.context,
        "asleep_bytes": taken.asleep,
        "swap": seat.swap,
    }


def _in_words(swaps: int) -> str:
    return {0: "no swap", 1: "1 swap"}.get(swaps, f"{swaps} swaps")


def spoken(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# ── simulated ───────────────────────────────────────────────────────────────────────────────────────────────


class _Simulated(NamedTuple):
    """Some of the questions, simulated, and what that says of all."""

    instance: Instance
    result: Result
    more: float
    """All questions ÷ those that were simulated."""
    predicted_s: float


def _simulate(seated: dict[str, Seated], workloads: tuple[Workload, ...], machine: Machine) -> _Simulated:
    all_questions = workloads[0].questions
    turns = sum(workload.num_turns for workload in workloads) // all_questions
    questions = min(all_questions, MAX_SIMULATED, max(MAX_SIMULATED_TURNS // max(turns, 1), 1))
    instance = _instance(seated, workloads, machine, questions)
    result = simulate(instance)
    # Swaps don't grow with the questions, work does.
    swapping = max(sum(s for name, s in parts.items() if name not in ("generate", "idle")) for parts in result.seconds)
    more = all_questions / questions
    return _Simulated(instance, result, more, swapping + (result.makespan_s - swapping) * more)


def _predict(seated: dict[str, Seated], workloads: tuple[Workload, ...], machine: Machine) -> Plan:
    instance, result, more, predicted = _simulate(seated, workloads, machine)
    measured = all(seat.observed and seat.observed.speed for seat in seated.values())
    spread = MEASURED if measured else UNCERTAIN
    return Plan(
        machine,
        workloads,
        seated,
        result,
        predicted,
        predicted * (1 - spread),
        predicted * (1 + spread),
        lower_bound(instance, times=more).seconds,
    )


def _instance(seated: dict[str, Seated], workloads: Sequence[Workload], machine: Machine, questions: int) -> Instance:
    numbers = {model_id: number for number, model_id in enumerate(seated)}
    share = questions / workloads[0].questions
    rng = random.Random(0)
    panels = tuple(tuple(numbers[model_id] for model_id in workload.seats) for workload in workloads)
    return Instance(
        capacities=tuple(machine.capacities),
        models=tuple(_model(model_id, seat, share) for model_id, seat in seated.items()),
        seats=panels[0] if len(workloads) == 1 else tuple(numbers.values()),
        # Question by question, as a run begins them.
        turns=tuple(_debate(workload, rng) for _ in range(questions) for workload in workloads),
        sharing="turns" if machine.kind == "cpu" else "processor",
        panels=panels * questions if len(workloads) > 1 else (),
        closings=_closings(workloads, numbers, questions, rng),
    )


def _closings(
    workloads: Sequence[Workload], numbers: Mapping[str, int], questions: int, rng: random.Random
) -> tuple[Closing | None, ...]:
    """The summary of each debate, as they stand in an instance."""

    def closing(wanted: Summaries | None) -> Closing | None:
        if wanted is None:
            return None
        written = rng.randint(wanted.least_tokens, wanted.tokens)
        return Closing(numbers[wanted.model_id], Turn(wanted.prompt_tokens, written))

    if all(workload.summaries is None for workload in workloads):
        return ()
    return tuple(closing(workload.summaries) for _ in range(questions) for workload in workloads)


def _debate(workload: Workload, rng: random.Random) -> tuple[tuple[Turn, ...], ...]:
    """By round and seat. A turn that is repeated takes nothing, but needs its model as the one that is generated."""
    lengths = list(zip(workload.least_tokens, workload.statement_tokens, strict=True))
    repeated = workload.repeated or ((False,) * len(lengths),) * workload.rounds
    rounds = []
    for kept, anew, again in zip(workload.prompt_tokens, workload.anew_tokens, repeated, strict=True):
        said = [rng.randint(least, most) for least, most in lengths]
        turns = zip(again, kept, said, anew, strict=True)
        rounds.append(tuple(Turn(0, 0) if a else Turn(read, s, max(lost - read, 0)) for a, read, s, lost in turns))
    return tuple(rounds)


def _model(model_id: str, seat: Seated, share: float) -> Model:
    """An engine as it is simulated, for a share of all questions."""
    costs, sleep = seat.costs, None
    if seat.swap in ("sleep_1", "sleep_2"):
        first, wake = (costs.first_sleep, costs.wake_1) if seat.swap == "sleep_1" else (costs.later_sleep, costs.wake_2)
        sleep = Sleep(first, costs.later_sleep, wake + costs.warm_up, seat.bytes.asleep)
    return Model(
        model_id,
        seat.spot.devices,
        seat.spot.total_bytes,
        seat.speed,
        seat.rows,
        costs.first_load + costs.warm_up,
        costs.later_load + costs.warm_up,
        close_s=costs.close,
        sleep=sleep,
        # Between two rounds of a model that is swapped lie the turns of all debates; of others those of its rows.
        cache_tokens=seat.cache_tokens * (share if seat.swap != "none" else 1.0),
    )


# ── other machines ──────────────────────────────────────────────────────────────────────────────────────────


def _fits(wishes: Sequence[Wish], machine: Machine, calibration: Calibration | None) -> bool:
    try:
        for wish in wishes:
            seat_all([wish], machine, calibration)
    except PlacementError:
        return False
    return True


def _longest_that_fits(wish: Wish, machine: Machine, calibration: Calibration | None) -> int | None:
    for share in (0.75, 0.5, 0.25):
        length = int(wish.max_model_len * share)
        if length and _fits([replace(wish, max_model_len=length)], machine, calibration):
            return length
    return None


def _first_better(wishes: Sequence[Wish], plan: Plan, calibration: Calibration | None) -> tuple[int, Plan] | None:
    """The smallest step of memory that saves a tenth of the time; None where none does."""
    for gib in ADVISED_GIB:
        found = make_plan(wishes, plan.workloads, _larger(plan.machine, gib), calibration)
        if found.predicted_s < WORTHWHILE * plan.predicted_s:
            return gib, found
    return None


def _larger(machine: Machine, gib: int) -> Machine:
    more = gib * GIB
    devices = tuple(
        replace(device, total_bytes=device.total_bytes + more, free_bytes=device.free_bytes + more)
        for device in machine.devices
    )
    return replace(machine, devices=devices)


def _more(machine: Machine, count: int) -> Machine:
    first: Device = machine.devices[0]
    return replace(machine, devices=tuple(replace(first, index=index) for index in range(count)))
