"""The metrics once more, in plain Python over transcripts: loops and fractions, nothing shared with what is tested."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import combinations, pairwise, permutations
from pathlib import Path
from statistics import variance

from localtable.runner import finished_transcripts
from localtable.store import Store
from localtable.types import Confederate, Transcript, Turn

Votes = list[dict[str, str]]
"""Round by round: seat → vote."""


def read_transcripts(path: Path, condition: str = "debate") -> list[Transcript]:
    with Store.open(path, write=False) as store:
        return list(finished_transcripts(store, {condition}))


def models(transcript: Transcript) -> list[str]:
    return [seat.name for seat in transcript.panel.seats if not isinstance(seat, Confederate)]


def counting(transcript: Transcript) -> list[str]:
    return [seat.name for seat in transcript.panel.seats if not isinstance(seat, Confederate) or seat.counts]


def votes(transcript: Transcript) -> Votes:
    return [{turn.seat: turn.ballot.vote for turn in round_.turns} for round_ in transcript.rounds]


def turns(transcript: Transcript, number: int) -> list[Turn]:
    return [turn for turn in transcript.rounds[number - 1].turns if turn.seat in models(transcript)]


def share_right(transcript: Transcript, number: int, seats: Iterable[str]) -> Fraction:
    """Of the plurality of some seats: shared first places in proportion."""
    said = votes(transcript)[number - 1]
    counts = Counter(said[seat] for seat in seats)
    leading = [option for option, count in counts.items() if count == max(counts.values())]
    return Fraction(transcript.question.answer in leading, len(leading))


def answered(transcripts: Iterable[Transcript], number: int = 1) -> list[Transcript]:
    """Those with an answer that held a round."""
    return [t for t in transcripts if t.question.answer is not None and len(t.rounds) >= number]


def mean(values: Iterable[Fraction | float | int]) -> float:
    found = list(values)
    return float(sum(found) / len(found))


def individual_accuracy(transcripts: list[Transcript], number: int) -> float:
    return mean(
        turn.ballot.vote == t.question.answer for t in answered(transcripts, number) for turn in turns(t, number)
    )


def majority_accuracy(transcripts: list[Transcript], number: int) -> float:
    return mean(share_right(t, number, counting(t)) for t in answered(transcripts, number))


def oracle_accuracy(transcripts: list[Transcript], number: int) -> float:
    return mean(
        any(turn.ballot.vote == t.question.answer for turn in turns(t, number)) for t in answered(transcripts, number)
    )


def last(transcript: Transcript) -> int:
    return len(transcript.rounds)


def debate_gain(transcripts: list[Transcript]) -> float:
    return mean(share_right(t, last(t), counting(t)) - share_right(t, 1, counting(t)) for t in answered(transcripts))


def recovery(transcripts: list[Transcript]) -> float:
    pairs = [(share_right(t, 1, counting(t)), share_right(t, last(t), counting(t))) for t in answered(transcripts)]
    return float(sum((1 - a) * b for a, b in pairs) / sum(1 - a for a, _ in pairs))


def shapley(transcripts: list[Transcript], seat: str, number: int) -> float:
    """Over every order in which the seats could join: what the seat adds to those who are there."""
    values = []
    for t in answered(transcripts, number):
        orders = list(permutations(counting(t)))
        gained = Fraction(0)
        for order in orders:
            before = order[: order.index(seat)]
            there = share_right(t, number, before) if before else Fraction(1, len(t.question.options))
            gained += share_right(t, number, (*before, seat)) - there
        values.append(gained / len(orders))
    return mean(values)


def variances(transcripts: list[Transcript], number: int) -> tuple[float, float]:
    """Between questions, and within them, of the panel's being right."""
    by_question: dict[str, list[Fraction]] = {}
    for t in answered(transcripts, number):
        by_question.setdefault(t.question.id, []).append(share_right(t, number, counting(t)))
    groups = [values for values in by_question.values() if len(values) > 1]
    within = mean(variance(values) for values in groups)
    noise = mean(variance(values) / len(values) for values in groups)
    return float(variance([Fraction(mean(values)) for values in groups])) - noise, within


def seat_value(transcripts: list[Transcript], seat: str, number: int) -> float:
    return mean(
        share_right(t, number, counting(t)) - share_right(t, number, [s for s in counting(t) if s != seat])
        for t in answered(transcripts, number)
    )


# ── what changes ────────────────────────────────────────────────────────────────────────────────────────────


def steps(transcripts: list[Transcript], number: int) -> Iterator[tuple[Transcript, str, str, str]]:
    """Every model's seat in a later round: the vote before and the vote now."""
    for t in transcripts:
        if len(t.rounds) >= number:
            before, now = votes(t)[number - 2], votes(t)[number - 1]
            yield from ((t, seat, before[seat], now[seat]) for seat in models(t))


def rate(
    transcripts: list[Transcript],
    number: int,
    among: Callable[[Transcript, str, str], bool],
    counted: Callable[[Transcript, str, str], bool],
) -> float:
    judged = [(t, a, b) for t, _, a, b in steps(transcripts, number) if t.question.answer is not None]
    mine = [(t, a, b) for t, a, b in judged if among(t, a, b)]
    return mean(counted(t, a, b) for t, a, b in mine)


def correction_rate(transcripts: list[Transcript], number: int) -> float:
    return rate(transcripts, number, lambda t, a, _: a != t.question.answer, lambda t, _, b: b == t.question.answer)


def vulnerability(transcripts: list[Transcript], number: int) -> float:
    return rate(transcripts, number, lambda t, a, _: a == t.question.answer, lambda t, _, b: b != t.question.answer)


def change_rate(transcripts: list[Transcript], number: int) -> float:
    return mean(a != b for _, _, a, b in steps(transcripts, number))


def change_by_confidence(transcripts: list[Transcript], low: float, high: float) -> float:
    """Over all later rounds, by what the vote before was given."""
    cases = []
    for t in transcripts:
        for number in range(2, len(t.rounds) + 1):
            before = {turn.seat: turn.ballot for turn in turns(t, number - 1)}
            for turn in turns(t, number):
                if low < (before[turn.seat].confidence or 0.0) <= high:
                    cases.append(turn.ballot.vote != before[turn.seat].vote)
    return mean(cases)


def drift(transcripts: list[Transcript]) -> float:
    """From first to last."""
    moves = []
    for t in answered(transcripts):
        first, ended = votes(t)[0], votes(t)[-1]
        moves += [(ended[s] == t.question.answer) - (first[s] == t.question.answer) for s in models(t)]
    return mean(moves)


def rounds_to_stability(transcripts: list[Transcript]) -> float:
    def settled(t: Transcript) -> int:
        said = [{seat: v for seat, v in by_seat.items() if seat in models(t)} for by_seat in votes(t)]
        return max([1, *(number for number in range(2, len(said) + 1) if said[number - 1] != said[number - 2])])

    return mean(settled(t) for t in transcripts)


# ── who follows whom ────────────────────────────────────────────────────────────────────────────────────────


def mode_of_others(said: dict[str, str], seat: str) -> str | None:
    counts = Counter(vote for other, vote in said.items() if other != seat).most_common()
    single = len(counts) == 1 or (len(counts) > 1 and counts[0][1] > counts[1][1])
    return counts[0][0] if single else None


def modal_adoption(transcripts: list[Transcript], right: bool | None = None) -> float:
    cases = []
    for t in transcripts:
        said = votes(t)
        for before, now in pairwise(said):
            for seat in models(t):
                mode = mode_of_others(before, seat)
                if mode is None or mode == before[seat]:
                    continue
                if right is not None and (t.question.answer is None or (mode == t.question.answer) != right):
                    continue
                cases.append(now[seat] == mode)
    return mean(cases)


def conformity(transcripts: list[Transcript], peers: Callable[[Transcript, str], bool] | None = None) -> float:
    cases = []
    for t in transcripts:
        said = votes(t)
        for before, now in pairwise(said):
            for seat in models(t):
                for peer, vote in before.items():
                    if vote != before[seat] and (peers is None or peers(t, peer)):
                        cases.append(now[seat] == vote)
    return mean(cases)


def obstinacy(transcripts: list[Transcript]) -> float:
    cases = []
    for t in transcripts:
        for before, now in pairwise(votes(t)):
            for seat in models(t):
                cases += [now[seat] == before[seat] for vote in before.values() if vote != before[seat]]
    return mean(cases)


def plurality_margin(transcripts: list[Transcript], number: int) -> float:
    """Lead ÷ votes, 0 for a tie."""
    leads = []
    for t in transcripts:
        if len(t.rounds) >= number:
            said = Counter(votes(t)[number - 1][seat] for seat in counting(t)).most_common(2)
            second = said[1][1] if len(said) > 1 else 0
            leads.append(Fraction(said[0][1] - second, len(counting(t))))
    return mean(leads)


# ── agreement and errors ────────────────────────────────────────────────────────────────────────────────────


def unanimity_rate(transcripts: list[Transcript], number: int) -> float:
    return mean(
        len({turn.ballot.vote for turn in turns(t, number)}) == 1 for t in transcripts if len(t.rounds) >= number
    )


def error_agreement(transcripts: list[Transcript], number: int) -> float:
    same = []
    for t in answered(transcripts, number):
        wrong = [turn.ballot.vote for turn in turns(t, number) if turn.ballot.vote != t.question.answer]
        same += [a == b for a, b in combinations(wrong, 2)]
    return mean(same)


def effective_votes(transcripts: list[Transcript], number: int) -> float:
    rows = [
        [float(turn.ballot.vote != t.question.answer) for turn in sorted(turns(t, number), key=lambda u: u.seat)]
        for t in answered(transcripts, number)
    ]
    columns = list(zip(*rows, strict=True))
    means = [mean(column) for column in columns]
    variances = [mean((x - m) ** 2 for x in column) for column, m in zip(columns, means, strict=True)]
    together = [
        mean((x - means[i]) * (y - means[j]) for x, y in zip(columns[i], columns[j], strict=True))
        for i, j in combinations(range(len(columns)), 2)
    ]
    correlation = mean(together) / mean(variances)
    return len(columns) / (1 + (len(columns) - 1) * correlation)


def jury(transcripts: list[Transcript], number: int) -> float:
    """Over every outcome of independent seats."""
    found = answered(transcripts, number)
    names = models(found[0])
    chances = [mean(votes(t)[number - 1][seat] == t.question.answer for t in found) for seat in names]
    total = 0.0
    for bits in range(2 ** len(names)):
        right = [bool(bits >> i & 1) for i in range(len(names))]
        p = math.prod(c if r else 1 - c for c, r in zip(chances, right, strict=True))
        total += p * (1.0 if 2 * sum(right) > len(names) else 0.5 if 2 * sum(right) == len(names) else 0.0)
    return total


def brier(transcripts: list[Transcript], number: int) -> float:
    return mean(
        ((turn.ballot.confidence or 0.0) - (turn.ballot.vote == t.question.answer)) ** 2
        for t in answered(transcripts, number)
        for turn in turns(t, number)
    )


def tokens(transcripts: list[Transcript], kind: str) -> float:
    def of(turn: Turn) -> int:
        assert turn.usage is not None
        return sum(getattr(usage, kind) for usage in turn.usage.values())

    return mean(sum(of(turn) for round_ in t.rounds for turn in round_.turns) for t in transcripts)


def stated_agreement(transcripts: list[Transcript], number: int) -> float:
    said = [turn for t in transcripts for turn in turns(t, number) if turn.stated is not None]
    return mean(turn.stated == turn.ballot.vote for turn in said)
