"""Seeds and orders, all derived from the run's one seed by hashing names.

Nothing here depends on the order of execution, so a slice of a suite, a resumed run and a re-run draw the same.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache


@lru_cache(maxsize=8192)  # a turn asks for the same orders and seeds several times
def derive(*parts: str | int) -> int:
    """A number below 2**53 (exact in every JSON reader) drawn from `parts` by SHA-256.

    The parts are serialised as JSON, so that ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 11


def request_seed(
    run_seed: int, repeat: int, question_id: str, seat: str, round_number: int, step: str, sample: int = 0
) -> int:
    """The seed of one request to an engine."""
    return derive("request", run_seed, repeat, question_id, seat, round_number, step, sample)


def resumed_seed(seed: int, num_said: int) -> int:
    """What a request goes on with that was preempted after so many tokens.

    Another one than it began with: a generator that starts over would tie later tokens to earlier ones.
    """
    return derive("resumed", seed, num_said) if num_said else seed


def speaking_order(run_seed: int, question_id: str, repeat: int, num_seats: int) -> tuple[int, ...]:
    """The order in which a question's turns are shown: the panel's own order, rotated.

    One order serves every seat of a question, so that prompts share a prefix; it rotates over questions and
    repeats, so that nobody always speaks first.

    Returns:
        Indices of seats, first speaker first.
    """
    shift = (derive("order", run_seed, question_id) + repeat) % num_seats
    return tuple((shift + i) % num_seats for i in range(num_seats))
