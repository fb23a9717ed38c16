"""The sampler, against straightforward references."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from localtable.engines.base import Constraint, Request
from localtable.engines.decode.rows import Row, build_row
from localtable.engines.decode.sampler import NUM_CANDIDATES, first_logprobs, pick, sample
from localtable.types import Sampling

torch = pytest.importorskip("torch")

SETTINGS = st.builds(
    Sampling,
    top_p=st.one_of(st.just(1.0), st.floats(0.01, 0.999)),
    top_k=st.one_of(st.just(0), st.integers(1, 40)),
    min_p=st.one_of(st.just(0.0), st.floats(0.001, 1.0)),
)


def reference(shares: NDArray[np.float64], sampling: Sampling) -> NDArray[np.float64]:
    """vLLM's meaning, written out: min_p, then top_k, then top_p of what is left, then renormalised."""
    kept = np.where(shares >= sampling.min_p * shares.max(), shares, 0.0)
    if sampling.top_k:
        kept[np.argsort(-kept, kind="stable")[sampling.top_k :]] = 0.0
    kept /= kept.sum()
    order = np.argsort(-kept, kind="stable")
    before = np.cumsum(kept[order]) - kept[order]
    kept[order[before >= sampling.top_p]] = 0.0
    result: NDArray[np.float64] = kept / kept.sum()
    return result


def falling_shares(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    logits = np.sort(rng.normal(0, 2, size))[::-1]
    weights = np.exp(logits - logits.max())
    result: NDArray[np.float64] = weights / weights.sum()
    return result


@given(st.integers(0, 2**32), SETTINGS, st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_a_pick_has_the_references_distribution(seed: int, sampling: Sampling, size: int) -> None:
    shares = falling_shares(np.random.default_rng(seed), size)
    wanted = reference(shares, sampling)
    uniforms = (np.arange(1000) + 0.5) / 1000
    picked = [pick(shares, sampling, float(u), is_whole=True) for u in uniforms]
    found = np.bincount(np.array(picked, dtype=np.int64), minlength=size) / len(uniforms)
    assert found == pytest.approx(wanted, abs=1 / 500)


@given(st.integers(0, 2**32), SETTINGS, st.floats(0, 0.999999))
@settings(max_examples=300, deadline=None)
def test_the_first_candidates_give_the_same_pick_or_none(seed: int, sampling: Sampling, uniform: float) -> None:
    shares = falling_shares(np.random.default_rng(seed), 80)
    whole = pick(shares, sampling, uniform, is_whole=True)
    assert pick(shares[:20], sampling, uniform, is_whole=False) in (whole, None)


def test_a_nucleus_within_the_candidates_needs_no_more() -> None:
    shares = np.array([0.5, 0.3, 0.1])
    assert pick(shares, Sampling(top_p=0.75), 0.99, is_whole=False) == 1
    assert pick(shares, Sampling(top_p=0.95), 0.5, is_whole=False) is None
    assert pick(shares, Sampling(top_p=1.0, top_k=2), 0.99, is_whole=False) == 1
    assert pick(shares, Sampling(top_p=1.0, min_p=0.5), 0.99, is_whole=False) == 1


# ── whole rows ──────────────────────────────────────────────────────────────────────────────────────────────


def row(seed: int = 0, prompt: tuple[int, ...] = (1, 2), **fields: Any) -> Row:
    sampling = {name: fields.pop(name) for name in tuple(fields) if name in Sampling.__slots__}
    request = Request(
        "r", prompt, Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 9, **sampling}), seed, **fields
    )
    return build_row(request, frozenset({3}), None)


def test_frequencies_follow_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -30.0, 0.5])
    rows = [row(seed, temperature=2.0) for seed in range(4000)]
    sample(logits.expand(len(rows), -1), rows)
    found = np.bincount([r.token_ids[0] for r in rows], minlength=5) / len(rows)
    assert found == pytest.approx(torch.softmax(logits / 2.0, -1).numpy(), abs=0.03)


def test_a_draw_depends_on_the_rows_seed_and_not_on_its_neighbours() -> None:
    logits = torch.randn(6, 3000, generator=torch.Generator().manual_seed(0))
    together = [row(seed) for seed in range(6)]
    sample(logits, together)
    for place, neighbour in enumerate(together):
        alone = row(place)
        sample(logits[place : place + 1], [alone])
        assert alone.token_ids == neighbour.token_ids


def test_a_nucleus_wider_than_the_candidates_is_sorted_whole() -> None:
    flat = torch.zeros(1, NUM_CANDIDATES * 3)
    rows = [row(seed, top_p=0.9) for seed in range(50)]
    sample(flat.expand(50, -1), rows)
    assert max(r.token_ids[0] for r in rows) > NUM_CANDIDATES
    assert len({r.token_ids[0] for r in rows}) > 40


def test_a_repetition_penalty_hits_what_was_seen_on_both_sides_of_zero() -> None:
    logits = torch.tensor([[1.0, 4.0, -1.0, -9.0, 2.5]])
    greedy = row(temperature=0.0, repetition_penalty=2.0, prompt=(1, 2))
    sample(logits, [greedy])
    assert greedy.token_ids == [4]  # 4.0 / 2 falls below 2.5
    sample(logits, [greedy])
    assert greedy.token_ids == [4, 1]  # 2.5 / 2 falls below 4.0 / 2
    only_seen = row(temperature=0.0, repetition_penalty=3.0, prompt=(0, 1, 2, 4))
    sample(torch.tensor([[-1.0, -3.0, -2.0, -9.0, -0.5]]), [only_seen])
    assert only_seen.token_ids == [4]


def test_no_end_is_drawn_before_min_tokens() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.0, 9.0, 2.0]])
    held = row(temperature=0.0, min_tokens=2, stop_token_ids=(4,))
    for _ in range(3):
        sample(logits, [held])
    assert (held.token_ids, held.stop_token_id, held.num_steps) == ([1, 1], 3, 3)


def test_log_probabilities_know_neither_penalty_nor_temperature() -> None:
    logits = torch.tensor([3.0, 1.0, 0.5, -2.0, 0.0])
    bent = row(temperature=5.0, repetition_penalty=4.0, prompt=(0, 1), logprob_token_ids=(4, 0))
    wanted = torch.log_softmax(logits.double(), -1)
    assert first_logprobs(logits, bent) == pytest.approx({4: wanted[4].item(), 0: wanted[0].item()})
    sample(logits[None], [bent])
    assert bent.logprobs[0] == pytest.approx(wanted[0].item())


def test_constrained_log_probabilities_are_over_the_allowed_ids() -> None:
    from outlines_core import Vocabulary

    from localtable.engines.guides import Guides

    guides = Guides(Vocabulary(3, {"A": [0, 4], "B": [1], "C": [2]}))
    request = Request("r", (1,), Sampling(temperature=0.0, max_tokens=1), 0, constraint=Constraint("[AB]", (0, 4, 1)))
    bound = build_row(request, frozenset({3}), guides)
    sample(torch.tensor([[0.0, 1.0, 50.0, 60.0, 2.0]]), [bound])
    assert bound.token_ids == [4]
    assert sum(math.exp(value) for value in bound.logprobs.values()) == pytest.approx(1)
    assert bound.logprobs[4] - bound.logprobs[1] == pytest.approx(1.0)


def test_broken_logits_fail_their_row_alone() -> None:
    rows = [row(), row(), row()]
    logits = torch.zeros(3, 5)
    logits[1, 2] = math.nan
    sample(logits, rows)
    assert [r.failure is not None for r in rows] == [False, True, False]
    assert rows[1].token_ids == []
