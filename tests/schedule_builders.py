"""Instances for the tests of the simulator: equal models, and random ones."""

from __future__ import annotations

import random

from localtable.scheduler.simulate.instance import Instance, Model, Sharing, Sleep, Speed, Turn


def equal_models(
    models: int, fitting: int, rounds: int, questions: int, *, sharing: Sharing = "processor", seed: int = 0
) -> Instance:
    """K models of one size of which C fit, a seat each, uneven lengths."""
    rng = random.Random(seed)
    turns = tuple(
        tuple(tuple(Turn(200, rng.randint(20, 200)) for _ in range(models)) for _ in range(rounds))
        for _ in range(questions)
    )
    panel = tuple(Model(f"m{i}", (0,), 10, Speed(0.01, 0.0005, 0.0001), 16, 30.0, 15.0, 1.0) for i in range(models))
    return Instance((10 * fitting,), panel, tuple(range(models)), turns, sharing)


def drawn(seed: int, *, devices: int = 1, questions: int | None = None, models: int | None = None) -> Instance:
    """Unequal models, sleeping or not, some over two devices."""
    rng = random.Random(seed)
    capacity = 100
    number = models or rng.randint(2, 5)
    panel = []
    for i in range(number):
        first = rng.randrange(devices)
        place = (first, first + 1) if first + 1 < devices and rng.random() < 0.2 else (first,)
        sleep = Sleep(rng.uniform(2, 8), rng.uniform(0.5, 2), rng.uniform(0.5, 2), rng.randint(0, 6))
        later_s = rng.uniform(5, 20)
        panel.append(
            Model(
                f"m{i}",
                place,
                rng.randint(20, 90),
                Speed(rng.uniform(0.002, 0.03), rng.uniform(0.0001, 0.001), rng.uniform(0.00001, 0.0003)),
                rng.choice((2, 4, 16)),
                later_s + rng.uniform(0, 30),
                later_s,
                rng.uniform(0, 2),
                sleep if rng.random() < 0.6 else None,
            )
        )
    seats = [*range(number), *(rng.randrange(number) for _ in range(rng.randint(0, 3)))]
    rng.shuffle(seats)
    rounds = rng.randint(1, 3)
    turns = tuple(
        tuple(tuple(Turn(rng.randint(50, 500), rng.randint(5, 400)) for _ in seats) for _ in range(rounds))
        for _ in range(questions or rng.randint(1, 30))
    )
    sharing: Sharing = rng.choice(("processor", "turns"))
    return Instance((capacity,) * devices, tuple(panel), tuple(seats), turns, sharing)
