"""Logits → the next token of every row, each by its own settings and its own generator.

Order and meaning are vLLM's: penalty, temperature, min_p, top_k, top_p. The draw takes one uniform number from the
row's generator and inverts the distribution's sum over the candidates in falling order, so it depends neither on the
batch nor on the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from localtable.engines.decode.rows import Row
    from localtable.types import Sampling

NUM_CANDIDATES = 1024
"""Sorting 8 rows of 49k logits takes 15 ms on 2 cores, their first 1024 take 2 ms, and a nucleus rarely has more."""


def sample(logits: torch.Tensor, rows: Sequence[Row]) -> None:
    """Draw one token for every row and let the row accept it.

    Args:
        logits: Of the next place, before everything; float32, [num_rows, vocab_size].
        rows: One for each row of `logits`; none of them done.
    """
    import torch

    finite = torch.isfinite(logits.sum(-1)).tolist()
    for row, is_finite in zip(rows, finite, strict=True):
        if not is_finite:
            row.failure = "the model's logits are not finite here: its weights or its dtype are broken"
    for place, row in enumerate(rows):
        if not row.done and not row.token_ids:
            row.logprobs = first_logprobs(logits[place], row)
    shaped = logits.clone()  # [num_rows, vocab_size]
    for place, row in enumerate(rows):
        if not row.done:
            _shape(shaped[place], row)
    for row, token_id in zip(rows, _draw_all(shaped, rows), strict=True):
        if not row.done:
            row.accept(token_id)


def first_logprobs(logits: torch.Tensor, row: Row) -> dict[int, float]:
    """The log-probabilities that come back with the completion, at temperature 1 and before penalties.

    Args:
        logits: One row's, [vocab_size].
        row: Says which ids are wanted and over which set they are normalised.
    """
    import torch

    constraint = row.request.constraint
    wanted = list(constraint.token_ids if constraint else row.request.logprob_token_ids)
    if not wanted:
        return {}
    chosen = logits[wanted].cpu().double()  # [num_wanted]
    total = torch.logsumexp(chosen if constraint else logits.cpu().double(), -1)  # []
    return dict(zip(wanted, (chosen - total).tolist(), strict=True))


def _shape(logits: torch.Tensor, row: Row) -> None:
    """Apply what forbids or penalises tokens, in place, to one row's logits, [vocab_size]."""
    import torch

    sampling = row.request.sampling
    if row.guide is not None:
        logits[~torch.from_numpy(_allowed(row, logits.shape[-1])).to(logits.device)] = -math.inf
    elif len(row.token_ids) < sampling.min_tokens:
        logits[list(row.stop_ids)] = -math.inf
    if sampling.repetition_penalty != 1.0:
        seen = sorted({*row.request.prompt_token_ids, *row.token_ids})
        values = logits[seen]
        penalty = sampling.repetition_penalty
        logits[seen] = torch.where(values > 0, values / penalty, values * penalty)


def _allowed(row: Row, vocab_size: int) -> NDArray[np.bool_]:
    """Which ids the row's guide allows now, [vocab_size]."""
    assert row.guide is not None
    bits = np.zeros((vocab_size + 31) // 32, dtype=np.int32)
    row.guide.write_mask_into(bits.ctypes.data, bits.size, bits.itemsize)
    return np.unpackbits(bits.view(np.uint8), bitorder="little")[:vocab_size].astype(np.bool_)


def _draw_all(logits: torch.Tensor, rows: Sequence[Row]) -> list[int]:
    import torch

    temperatures = [row.request.sampling.temperature for row in rows]
    drawn = logits.argmax(-1).tolist()  # [num_rows]
    places = [i for i, temperature in enumerate(temperatures) if temperature > 0 and not rows[i].done]
    if not places:
        return [int(token_id) for token_id in drawn]
    chosen = torch.tensor([temperatures[i] for i in places], dtype=logits.dtype, device=logits.device)
    scaled = logits[places] / chosen[:, None]  # [num_drawn, vocab_size]
    totals = torch.logsumexp(scaled, -1, keepdim=True)  # [num_drawn, 1]
    top = scaled.topk(min(NUM_CANDIDATES, scaled.shape[-1]), dim=-1)  # [num_drawn, NUM_CANDIDATES]
    shares = (top.values - totals).cpu().double().exp().numpy()
    candidates = top.indices.cpu().numpy()
    for i, place in enumerate(places):
        row = rows[place]
        uniform = float(torch.rand((), generator=row.generator, dtype=torch.float64))
        index = pick(shares[i], row.request.sampling, uniform, is_whole=shares.shape[-1] == scaled.shape[-1])
        if index is not None:
            drawn[place] = candidates[i, index]
            continue
        order = scaled[i].cpu().sort(descending=True, stable=True)
        whole = (order.values - totals[i].cpu()).double().exp().numpy()  # [vocab_size]
        index = pick(whole, row.request.sampling, uniform, is_whole=True)
        drawn[place] = order.indices[index]
    return [int(token_id) for token_id in drawn]


def pick(shares: NDArray[np.float64], sampling: Sampling, uniform: float, *, is_whole: bool) -> int | None:
    """The place of the token that `uniform` falls on.

    Args:
        shares: Probabilities in falling order, of the whole vocabulary or of its first so many tokens.
        sampling: min_p, top_k and top_p.
        uniform: In [0, 1).
        is_whole: Whether `shares` has every token.

    Returns:
        An index into `shares`; None where tokens beyond it may belong to the candidates.
    """
    num_kept = len(shares)
    is_bounded = is_whole or shares[-1] == 0.0
    if sampling.min_p > 0:
        reaching = int(np.count_nonzero(shares >= sampling.min_p * shares[0]))
        is_bounded |= reaching < num_kept
        num_kept = reaching
    if 0 < sampling.top_k <= num_kept:
        num_kept, is_bounded = sampling.top_k, True
    is_cut = sampling.min_p > 0 or sampling.top_k > 0
    if is_cut and not is_bounded:
        return None
    sums = np.cumsum(shares[:num_kept])
    if sampling.top_p < 1:
        # Where nothing was cut off before, all shares sum to 1, those beyond the first few among them.
        total = sums[-1] if is_cut else 1.0
        needed = int(np.searchsorted(sums, sampling.top_p * total)) + 1
        is_bounded |= needed <= num_kept
        sums = sums[:needed]
    if not is_bounded:
        return None
    return min(int(np.searchsorted(sums, uniform * sums[-1], side="right")), len(sums) - 1)
