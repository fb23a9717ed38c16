"""What was measured behind the debates: probes out of their generations, influences out of their probes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from localtable.ballots import ballot_orders, pooled
from localtable.errors import BallotError
from localtable.protocol import peers_read
from localtable.protocol.turn import MAX_ATTEMPTS
from localtable.runner.influence.effects import MIN_SAMPLES, effect
from localtable.runner.influence.probes import ballot_step, option_of, seed_of_probes
from localtable.runner.verify.ballots import NUMERICS, LabelBook, read_answers
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import STEP, StoredStep, StoredTurn, read_shares, read_step
from localtable.runner.verify.turns import Place, draws
from localtable.seeds import request_seed
from localtable.store import InfluenceRecord, Store
from localtable.types import InfluenceKind


@dataclass(slots=True)
class StoredProbe:
    """A ballot that was asked once more."""

    id: int
    kind: InfluenceKind
    replaced: str | None
    sample: int
    distribution: dict[str, float]
    session: int
    steps: list[StoredStep] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    """What was measured of a turn."""

    probes: list[StoredProbe] = field(default_factory=list)
    influences: list[InfluenceRecord] = field(default_factory=list)


def read_measured(store: Store, debate: int) -> dict[int, Measured]:
    """By turn: what was measured in a debate.

    Raises:
        ValueError, TypeError: A value is not what this program writes.
        StoreError: The file is damaged.
    """
    found: dict[int, Measured] = {}
    probes: dict[int, StoredProbe] = {}
    for turn, number, kind, replaced, sample, distribution, session in store.query(_PROBES, debate):
        probes[number] = StoredProbe(number, kind, replaced, int(sample), read_shares(distribution), session)
        found.setdefault(turn, Measured()).probes.append(probes[number])
    for number, *row in store.query(_STEPS, debate):
        probes[number].steps.append(read_step(tuple(row)))
    for turn, peer, kind, option, base, without, value, error, samples in store.query(_INFLUENCES, debate):
        found.setdefault(turn, Measured()).influences.append(
            InfluenceRecord(
                turn, peer, kind, option, read_shares(base), read_shares(without), float(value), error, int(samples)
            )
        )
    return found


_PROBES = (
    "SELECT turn, probes.id, kind, replaced, sample, distribution, probes.session FROM turns"
    " JOIN probes ON probes.turn = turns.id WHERE debate = ? ORDER BY probes.id"
)
_STEPS = (
    f"SELECT probe, {STEP} FROM turns JOIN probes ON probes.turn = turns.id JOIN probe_steps ON probe = probes.id"
    " JOIN generations ON generations.id = generation WHERE debate = ? ORDER BY probe, number"
)
_INFLUENCES = (
    "SELECT turn, peer, kind, option, base, without, value, standard_error, samples FROM turns"
    " JOIN influences ON influences.turn = turns.id WHERE debate = ? ORDER BY turn, peer, kind"
)


def check_measured(measured: Measured, turn: StoredTurn, place: Place, book: LabelBook) -> Iterator[Disagreement]:
    """What was measured of a turn.

    Args:
        measured: As it is stored.
        turn: The turn.
        place: Where it stands; its debate has its partner's turns where these are noise.
        book: The ids of labels.
    """
    peers = peers_read(place.debate.panel, turn.seat) if place.round_number > 1 else frozenset()
    for probe in measured.probes:
        where = f"{place.where}, probe {probe.id}"
        if probe.replaced is not None and probe.replaced not in peers:
            yield Disagreement(where, "replaced", probe.replaced, sorted(peers), "the seat reads")
        yield from _check_steps(probe, turn, place, where)
        yield from _check_distribution(probe, turn, place, book, where)
    for influence in measured.influences:
        where = f"{place.where}, {influence.kind} influence of {influence.peer}"
        if influence.peer not in peers:
            yield Disagreement(where, "peer", influence.peer, sorted(peers), "the seat reads")
            continue
        yield from _check_influence(influence, measured, place, where)


def _check_steps(probe: StoredProbe, turn: StoredTurn, place: Place, where: str) -> Iterator[Disagreement]:
    num_orders = len(ballot_orders(place.debate.question.letters, place.debate.panel.ballot))
    said = sum(step.step == "statement" for step in probe.steps)
    expected: list[str] = [ballot_step(probe.kind)] * num_orders
    if probe.kind == "total":
        attempts = min(max(said, 1), MAX_ATTEMPTS)
        expected = [*(["thinking"] if place.seat.thinking.on else []), *["statement"] * attempts, *expected]
    yield from compare(where, "steps", [step.step for step in probe.steps], expected, "its kind says")
    samples, debate = Counter[str](), place.debate
    run_seed = seed_of_probes(debate.panel.seed, probe.kind, probe.sample)
    for step in probe.steps:
        at = f"{where}, generation {step.generation} ({step.step})"
        yield from compare(at, "model", step.model, turn.model, "the turn says")
        seed = request_seed(
            run_seed, debate.repeat, debate.question.id, turn.seat, place.round_number, step.step, samples[step.step]
        )
        yield from compare(at, "seed", step.seed, seed if draws(step, place) else None, "the run's seed says")
        samples[step.step] += 1


def _check_distribution(
    probe: StoredProbe, turn: StoredTurn, place: Place, book: LabelBook, where: str
) -> Iterator[Disagreement]:
    question, rule = place.debate.question, place.debate.panel.ballot
    labels = book.labels(probe.session, turn.model, question)
    if labels is None:
        return  # reported with the session
    try:
        answers = read_answers(probe.steps[-len(ballot_orders(question.letters, rule)) :], question, rule, labels)
        if answers is None:
            return  # reported with the steps
        due = pooled(answers, rule)
    except (BallotError, ValueError, OverflowError) as error:
        yield Disagreement(where, "log-probabilities", f"{error}", "one for each label, sum 1", "a ballot has")
        return
    if not _same(probe.distribution, due):
        yield Disagreement(where, "distribution", probe.distribution, due, "the log-probabilities say")


def _check_influence(
    influence: InfluenceRecord, measured: Measured, place: Place, where: str
) -> Iterator[Disagreement]:
    few = influence.samples < MIN_SAMPLES if influence.kind == "total" else influence.samples != 1
    if few:
        yield Disagreement(
            where, "samples", influence.samples, 1 if influence.kind == "direct" else MIN_SAMPLES, "it has"
        )
        return
    option = option_of(place.debate, place.round_number, influence.peer)
    yield from compare(where, "option", influence.option, option, "the peer's vote says")
    probes = {(probe.kind, probe.replaced, probe.sample): probe.distribution for probe in measured.probes}
    due = effect(0, influence.peer, influence.kind, option, probes, influence.samples)
    if due is None:
        yield Disagreement(where, "samples", influence.samples, "fewer", "the probes say")
        return
    for name in ("base", "without"):
        stored, derived = getattr(influence, name), getattr(due, name)
        if not _same(stored, derived):
            yield Disagreement(where, name, stored, dict(derived), "the probes say")
    for name in ("value", "standard_error"):
        stored, derived = getattr(influence, name), getattr(due, name)
        if (stored is None) != (derived is None) or not abs((stored or 0.0) - (derived or 0.0)) <= NUMERICS:
            yield Disagreement(where, name, stored, derived, "the probes say")


def _same(stored: Mapping[str, float], due: Mapping[str, float]) -> bool:
    return stored.keys() == due.keys() and all(abs(stored[x] - due[x]) <= NUMERICS for x in due)
