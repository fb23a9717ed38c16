"""Machines, panels and suites for `simulate_schedules.py`, drawn from what people run.

Cards: bytes, bandwidth and dense 16-bit rate as their makers publish them. Models: parameters, active parameters and
bytes of keys and values per token of open models of that size. Costs of sleeping and loading: vLLM's measurements as
docs/scheduling.md quotes them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from localtable.scheduler.simulate.instance import Instance, Model, Sharing, Sleep, Speed, Turn

GB = 10**9
MEMORY_SHARE = 0.92
"""Of a card's memory, as vLLM takes it by default."""


@dataclass(frozen=True)
class Card:
    """A graphics card."""

    name: str
    gigabytes: int
    bandwidth: float
    """Terabytes a second."""
    teraflops: float


CARDS = (
    Card("RTX 3090", 24, 0.94, 71),
    Card("RTX 4090", 24, 1.01, 165),
    Card("RTX 5090", 32, 1.79, 210),
    Card("RTX A6000", 48, 0.77, 155),
    Card("L40S", 48, 0.86, 362),
    Card("A100", 80, 2.04, 312),
    Card("H100", 80, 3.35, 990),
    Card("RTX PRO 6000", 96, 1.79, 500),
    Card("H200", 141, 4.8, 990),
    Card("two A100 as one", 160, 3.5, 530),
)


@dataclass(frozen=True)
class Kind:
    """A model as published: billions of parameters, of those active in a token, kilobytes of cache per token."""

    name: str
    total: float
    active: float
    cache_kb: float
    bytes_per_weight: tuple[float, ...] = (2.0, 1.0, 0.56)


KINDS = (
    Kind("1B", 1.2, 1.2, 33),
    Kind("1.7B", 2.0, 2.0, 115),
    Kind("3B", 3.2, 3.2, 115),
    Kind("4B", 4.0, 4.0, 147),
    Kind("8B", 8.0, 8.0, 131),
    Kind("8B-b", 8.2, 8.2, 147),
    Kind("12B", 12.2, 12.2, 164),
    Kind("14B", 14.7, 14.7, 205),
    Kind("20B-A3.6B", 20.9, 3.6, 49, (0.61,)),
    Kind("24B", 23.6, 23.6, 164),
    Kind("27B", 27.0, 27.0, 180),
    Kind("30B-A3B", 30.5, 3.3, 98),
    Kind("32B", 32.8, 32.8, 262),
    Kind("70B", 70.6, 70.6, 328),
    Kind("72B", 72.7, 72.7, 328),
    Kind("120B-A5B", 116.8, 5.1, 74, (0.54,)),
)


@dataclass(frozen=True)
class Drawn:
    """An instance, and what it was drawn as."""

    instance: Instance
    seed: int
    what: str


def draw(seed: int, *, devices: int = 1, sharing: Sharing = "processor") -> Drawn:
    """One machine, panel and suite; the models never fit side by side.

    Three of five are drawn so that swaps weigh: 50 to 100 questions, short statements, a fast card, engines that
    can't sleep (as with transformers, on Apple's GPU, or where host memory is short).

    Args:
        seed: Of everything.
        devices: How many of the same card.
        sharing: How engines share one.
    """
    rng = random.Random(seed)
    while True:
        found = _try(rng, devices, sharing, heavy=seed % 5 < 3)
        if found is not None:
            return Drawn(found[0], seed, found[1])


def draw_small(seed: int, *, sharing: Sharing = "processor") -> Drawn:
    """Two or three models, of which one or two fit, and few questions: small enough to be solved exactly."""
    rng = random.Random(seed)
    while True:
        num_models, rounds = rng.randint(2, 3), rng.randint(2, 3)
        questions = rng.randint(2, 4 if rounds == 2 else 3)
        seats = [*range(num_models), *(rng.randrange(num_models) for _ in range(rng.randint(0, 1)))]
        capacity = 24 * GB
        models = []
        for number in range(num_models):
            size = rng.uniform(5, 20)
            moved = size / 20
            sleep = Sleep(0.2 + moved + 0.35 * size, 0.2 + moved, 0.3 + moved, GB) if rng.random() < 0.5 else None
            later_s = rng.uniform(5, 15)
            models.append(
                Model(
                    model_id=f"{number}:{size:.0f} GB",
                    devices=(0,),
                    awake_bytes=int(size * GB),
                    speed=Speed(rng.uniform(0.005, 0.03), rng.uniform(0.0002, 0.001), rng.uniform(0.00005, 0.0004)),
                    max_num_seqs=rng.choice((2, 4, 8)),
                    first_load_s=later_s + rng.uniform(0, 30),
                    later_load_s=later_s,
                    close_s=1.0,
                    sleep=sleep,
                )
            )
        if sum(model.awake_bytes for model in models) > capacity:
            break
    means = [rng.uniform(80, 500) for _ in models]
    turns = _turns(rng, questions, rounds, seats, means, rng.randint(150, 1200))
    what = f"{num_models} models, {len(seats)} seats, {rounds} rounds, {questions} questions"
    return Drawn(Instance((capacity,), tuple(models), tuple(seats), turns, sharing), seed, what)


def _try(rng: random.Random, devices: int, sharing: Sharing, *, heavy: bool) -> tuple[Instance, str] | None:
    cards = [card for card in CARDS if card.bandwidth > 1.5] if heavy else CARDS
    card = rng.choice([card for card in cards if devices == 1 or card.gigabytes < 160])
    capacity = int(card.gigabytes * GB * MEMORY_SHARE)
    num_models = rng.randint(3, 8)
    num_seats = rng.randint(max(3, num_models), 9)
    rounds = rng.randint(2, 4)
    questions = round(math.exp(rng.uniform(math.log(50), math.log(100 if heavy else 500))))
    question_tokens = rng.randint(150, 1200)
    kinds = [rng.choice(KINDS) for _ in range(num_models)]
    seats = [*range(num_models), *(rng.randrange(num_models) for _ in range(num_seats - num_models))]
    rng.shuffle(seats)
    longest = 250 if heavy else 500
    means = [rng.uniform(60, longest) * (3 if rng.random() < 0.15 else 1) for _ in kinds]
    context = question_tokens + 250 + 1.5 * sum(means[model] for model in seats)
    pcie = rng.uniform(10, 25)
    disk = math.exp(rng.uniform(math.log(0.8), math.log(6)))
    ram = 0 if heavy else rng.choice((0, 32, 64, 128, 256)) * GB
    rows_wanted = rng.choice((16, 32, 64, 128, 256))
    models = []
    for number, kind in enumerate(kinds):
        model = _model(rng, number, kind, card, capacity, devices, context, rows_wanted, pcie, disk, ram)
        if model is None:
            return None
        if model.sleep is not None:
            ram -= int(model.awake_bytes * len(model.devices))
        models.append(model)
    crowded = any(
        sum(model.awake_bytes for model in models if device in model.devices) > capacity for device in range(devices)
    )
    if not crowded:
        return None
    turns = _turns(rng, questions, rounds, seats, means, question_tokens)
    names = "+".join(kind.name for kind in kinds)
    what = f"{devices} × {card.name}, {names}, {num_seats} seats, {rounds} rounds, {questions} questions"
    return Instance((capacity,) * devices, tuple(models), tuple(seats), turns, sharing), what


def _model(
    rng: random.Random,
    number: int,
    kind: Kind,
    card: Card,
    capacity: int,
    devices: int,
    context: float,
    rows_wanted: int,
    pcie: float,
    disk: float,
    ram: float,
) -> Model | None:
    """The model in a precision that fits on one device, else over two."""
    overhead = rng.uniform(1.2, 2.5) * GB
    for parts in (1, 2)[: min(devices, 2)]:
        fitting = [b for b in kind.bytes_per_weight if kind.total * GB * b / parts + overhead < 0.9 * capacity]
        if fitting:
            break
    else:
        return None
    per_weight = rng.choice(fitting)
    weights = kind.total * GB * per_weight / parts
    row_bytes = context * kind.cache_kb * 1000 / parts
    rows = min(rows_wanted, int((capacity - weights - overhead) / row_bytes))
    if rows < 4:
        return None
    # Two devices: each step waits for both, and what they exchange takes time.
    scale = parts * (0.85 if parts > 1 else 1.0)
    bandwidth, rate = card.bandwidth * 1e12 * 0.7 * scale, card.teraflops * 1e12 * 0.45 * scale
    read = kind.active * GB * per_weight
    # A mixture's batch reads most experts: about half of all weights on the mean over batch sizes.
    step_s = (read if kind.active == kind.total else max(read, kind.total * GB * per_weight / 2)) / bandwidth + 0.002
    speed = Speed(
        step_s=step_s,
        row_s=context * kind.cache_kb * 1000 / bandwidth + 2 * kind.active * GB / rate,
        prefill_s=2 * kind.active * GB / rate,
    )
    size = weights * parts / GB
    start_s = rng.uniform(8, 20)
    later_s = min(max(start_s + size / rng.uniform(3, 8), 10), 150)
    first_s = min(max(start_s + rng.uniform(5, 40) + size / disk, later_s), 200)
    sleep, kept = None, int(rng.uniform(0.7, 1.6) * GB)
    if ram >= weights * parts:
        moved = weights / GB / pcie
        sleep = Sleep(
            first_s=0.2 + moved + 0.35 * weights / GB,
            later_s=0.2 + moved,
            wake_s=0.3 + moved,
            asleep_bytes=kept,
        )
    if parts == 1:
        place: tuple[int, ...] = (rng.randrange(devices),)
    else:
        first = rng.randrange(devices - 1)
        place = (first, first + 1)
    return Model(
        model_id=f"{number}:{kind.name}",
        devices=place,
        awake_bytes=int(weights + overhead + rows * row_bytes),
        speed=speed,
        max_num_seqs=rows,
        first_load_s=first_s,
        later_load_s=later_s,
        close_s=rng.uniform(0.5, 2.0),
        sleep=sleep,
    )


def _turns(
    rng: random.Random,
    questions: int,
    rounds: int,
    seats: Sequence[int],
    means: Sequence[float],
    question_tokens: int,
) -> tuple[tuple[tuple[Turn, ...], ...], ...]:
    """Statements of log-normal lengths, cut at four times the mean; later prompts hold the round before."""
    spreads = [rng.uniform(0.25, 0.8) for _ in means]
    suite = []
    for _ in range(questions):
        asked = max(30, int(rng.gauss(question_tokens, question_tokens / 4)))
        debate: list[tuple[Turn, ...]] = []
        before: list[int] = []
        for _ in range(rounds):
            said = [_length(rng, means[model], spreads[model]) for model in seats]
            shared = asked + sum(before) + 30 * len(before)
            opened, met = [], set[int]()
            for seat, model in enumerate(seats):
                # What the seats of a model share is read once; its own part and the ballot's words are each seat's.
                opened.append(Turn(170 + (0 if model in met else shared), said[seat] + 1))
                met.add(model)
            debate.append(tuple(opened))
            before = said
        suite.append(tuple(debate))
    return tuple(suite)


def _length(rng: random.Random, mean: float, spread: float) -> int:
    drawn = mean * math.exp(rng.gauss(-spread * spread / 2, spread))
    return int(min(max(drawn, 5), 4 * mean))


def seven_seats(questions: int, *, sleeps: bool, sharing: Sharing) -> tuple[Instance, tuple[float, ...]]:
    """Three different models at seven seats on one 48 GB card, as in Halo's public voting templates.

    `templates/multi_voting_5m.yaml` of mlsys-io/Halo_demo: Llama-3.1-8B and R1-Distill-Llama-8B in turn, and
    Llama-3.3-70B in 4 bits, 512 tokens each; here as a debate of three rounds.

    Returns:
        The instance, and billions of parameters by model.
    """
    rng = random.Random(7)
    card, context, rows = Card("L40S", 48, 0.86, 362), 2500.0, 32
    kinds = (
        Kind("Llama-3.1-8B", 8.0, 8.0, 131, (2.0,)),
        Kind("R1-Distill-Llama-8B", 8.0, 8.0, 131, (2.0,)),
        Kind("Llama-3.3-70B-AWQ", 70.6, 70.6, 328, (0.53,)),
    )
    capacity = int(card.gigabytes * GB * MEMORY_SHARE)
    ram = 256 * GB if sleeps else 0
    models = [
        _model(rng, number, kind, card, capacity, 1, context, rows, pcie=20, disk=2, ram=ram)
        for number, kind in enumerate(kinds)
    ]
    seats = (0, 1, 0, 1, 0, 1, 2)
    turns = _turns(rng, questions, 3, seats, (300, 400, 300), 600)
    found = tuple(model for model in models if model is not None)
    return Instance((capacity,), found, seats, turns, sharing), tuple(kind.total for kind in kinds)
