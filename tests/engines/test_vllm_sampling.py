"""The nucleus found without sorting is vLLM's own."""

import math
from collections.abc import Callable
from typing import Any

import pytest

VOCAB_SIZE = 5000
torch = pytest.importorskip("torch")
pytest.importorskip("vllm")


@pytest.fixture(scope="module")
def by_sorting() -> Callable[..., Any]:
    from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p_pytorch

    assert apply_top_k_top_p_pytorch.__module__.startswith("vllm."), "an engine of this very process has replaced it"
    return apply_top_k_top_p_pytorch


def logits_of(scale: float, rows: int = 24) -> Any:
    drawn = torch.randn(rows, VOCAB_SIZE, generator=torch.Generator().manual_seed(int(scale * 10))) * scale
    drawn[3, 40:] = -math.inf  # a row under a grammar
    return drawn


@pytest.mark.parametrize("scale", [0.3, 2.0, 5.0], ids=["flat", "middling", "peaked"])
@pytest.mark.parametrize("top_k", ["none", "some", "all"])
def test_same_tokens_are_kept(by_sorting: Callable[..., Any], scale: float, top_k: str) -> None:
    from localtable.engines.vllm_sampling import keep_nucleus

    logits = logits_of(scale)
    p = torch.linspace(0.01, 1.0, len(logits))
    k = None
    if top_k != "none":
        k = torch.full((len(logits),), 20)
        k[5] = 1
        k[6] = 2000
        if top_k == "some":
            k[::2] = VOCAB_SIZE
    expected = by_sorting(logits.clone(), k, p, True)
    left = keep_nucleus(logits, k, p)
    done = torch.ones(len(logits), dtype=torch.bool)
    done[left] = False
    same = (logits == expected)[done]
    # At the very edge of a nucleus two sums of the same numbers may round to different sides.
    assert (~same).sum() <= 1
    assert done.sum() >= (len(logits) - 1 if top_k == "all" or scale == 5.0 else 1)


def test_ties_at_top_k_are_all_kept(by_sorting: Callable[..., Any]) -> None:
    from localtable.engines.vllm_sampling import keep_nucleus

    logits = torch.zeros(1, VOCAB_SIZE)
    logits[0, :7] = 3.0
    k, p = torch.tensor([5]), torch.tensor([1.0])
    expected = by_sorting(logits.clone(), k, p, True)
    assert len(keep_nucleus(logits, k, p)) == 0
    assert torch.equal(logits, expected)
    assert int((logits > -math.inf).sum()) == 7


def test_a_row_without_top_p_is_not_touched() -> None:
    from localtable.engines.vllm_sampling import keep_nucleus

    logits = logits_of(1.0)
    before = logits.clone()
    assert len(keep_nucleus(logits, None, torch.ones(len(logits)))) == 0
    assert torch.equal(logits, before)


def test_vllm_uses_it_once_told_and_only_once(by_sorting: Callable[..., Any]) -> None:
    from vllm.v1.sample.ops import topk_topp_sampler as sampler

    from localtable.engines.vllm_sampling import find_nucleus_faster

    find_nucleus_faster()
    applied = sampler.apply_top_k_top_p_pytorch
    find_nucleus_faster()
    assert sampler.apply_top_k_top_p_pytorch is applied
    logits, p = logits_of(0.3), torch.full((24,), 0.9)
    expected = by_sorting(logits.clone(), None, p, True)
    assert torch.equal(applied(logits, None, p, True), expected)
