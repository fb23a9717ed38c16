"""What a panel asks of a machine, before anything runs: the wishes and the workload of a plan.

Where a model is here its tokenizer counts, as in a run. Of others words are counted in bytes, at four to a token, so
that a plan can be made for them, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from localtable.errors import ConfigError
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer, Wording, load_wording
from localtable.prompts.render import BYTES_PER_TOKEN, RETOKENIZED
from localtable.protocol import DEBATE, Condition, cards_of, peers_read
from localtable.runner.models import Model, build_moderators, longest_turns, seat_conditions
from localtable.runner.placements import wish_for
from localtable.runner.rehearsal import length_of
from localtable.runner.repeated import Repeated, repeated_turns
from localtable.runner.summarizing import length_for
from localtable.runner.sweeps import SweepPlan
from localtable.runner.workloads import build_workloads, counts
from localtable.scheduler.devices import Machine
from localtable.scheduler.plan import Workload
from localtable.scheduler.seating import Wish
from localtable.types import Card, Panel, Participant, Question, Seat, ShownTurn
from localtable.weights import WeightStore

USUAL_QUESTION = Question("usual", "x" * 600, ("x" * 40,) * 4)
"""Where no suite is named: 150 tokens, with four options of ten."""
BALLOT_TOKENS = 100
"""A ballot's turn and its label, at most: 92 were measured (docs/benchmarks.md)."""
PEER_TOKENS = 16
"""Name, vote and marks of a turn that is shown."""


def plan_inputs(
    panel: Panel,
    machine: Machine,
    kind: str,
    questions: Sequence[Question],
    number: int,
    tokenizers: Mapping[str, PromptTokenizer] | None = None,
) -> tuple[list[Wish], list[Workload]]:
    """A panel as the planner sees it.

    Args:
        panel: Who sits there.
        machine: What it is planned for.
        kind: Of the engines.
        questions: The longest one says what has to fit, one of the middle length how much is read; empty: a usual one.
        number: How many questions there are.
        tokenizers: By card id, of models that are here.

    Returns:
        A wish for each model, the moderator's among them, and what they do; models at endpoints take nothing here, and
        are left out.

    Raises:
        ConfigError: All models are at endpoints.
        PlacementError: A turn of a model that is here is longer than its context.
    """
    conditions, wordings = {1: Condition(DEBATE, panel)}, {1: load_wording(panel.prompts)}
    return _inputs(conditions, wordings, {1: ()}, tokenizers, machine, kind, questions, number)


def sweep_inputs(
    plan: SweepPlan,
    machine: Machine,
    kind: str,
    questions: Sequence[Question],
    number: int,
    tokenizers: Mapping[str, PromptTokenizer] | None = None,
) -> tuple[list[Wish], list[Workload]]:
    """A sweep as the planner sees it: every condition, and which of its turns another one has said already.

    Args:
        plan: The sweep's.
        machine: What it is planned for.
        kind: Of the engines.
        questions: At least one, reckoned with likewise.
        number: Debates of each condition.
        tokenizers: By card id, of models that are here.

    Raises:
        ConfigError: A confederate has no vote on one of the first questions.
        PlacementError: As `plan_inputs`.
    """
    repeated = repeated_turns(plan, questions[:2])
    return _inputs(plan.conditions, plan.wordings, repeated, tokenizers, machine, kind, questions, number)


def tokenizers_here(cards: Iterable[Card], home: Path) -> dict[str, PromptTokenizer]:
    """By card id the tokenizers of those models that are fetched.

    Args:
        cards: Of the models.
        home: Holds the weights.

    Raises:
        PrerequisiteError: One can't be read.
    """
    store = WeightStore(home / "weights")
    files = ((card.id, store.find(card)) for card in cards)
    return {card_id: HfTokenizer(found.folder) for card_id, found in files if found is not None}


def _tokenizers(cards: Iterable[Card], known: Mapping[str, PromptTokenizer] | None) -> dict[str, PromptTokenizer]:
    return {card.id: (known or {}).get(card.id) or ByteTokenizer() for card in cards}


def _inputs(
    conditions: Mapping[int, Condition],
    wordings: Mapping[int, Wording],
    repeated: Mapping[int, Repeated],
    tokenizers: Mapping[str, PromptTokenizer] | None,
    machine: Machine,
    kind: str,
    questions: Sequence[Question],
    number: int,
) -> tuple[list[Wish], list[Workload]]:
    """Of conditions by number, each with its wording and those of its turns that another one has said."""
    known = _tokenizers(cards_of(conditions.values()), tokenizers)
    asked = questions or [USUAL_QUESTION]
    question = max(asked, key=length_of)
    sitting = seat_conditions(conditions, known, wordings, real_templates=False)
    here = {n: {i: model for i, model in models.items() if not model.at_endpoint} for n, models in sitting.items()}
    seen: dict[str, Model] = {}
    for card_id, model in chain.from_iterable(models.items() for models in here.values()):
        seen.setdefault(card_id, model)
    moderators = build_moderators(conditions, seen, known, wordings)
    if not seen and not moderators:
        raise ConfigError(
            "every model is spoken to at an endpoint: there is nothing to plan here",
            hint="Hold the debate or the suite: nothing has to be loaded for it.",
        )
    lengths: dict[str, int] = {}
    exact = longest_turns([{i: m for i, m in models.items() if counts(m)} for models in here.values()], asked)
    for card_id, model in chain.from_iterable(models.items() for models in here.values()):
        lengths[card_id] = max(lengths.get(card_id, 0), exact.get(card_id) or _longest(model, question))
    for moderator in moderators.values():
        seen.setdefault(moderator.card.id, moderator)
        lengths[moderator.card.id] = max(lengths.get(moderator.card.id, 0), length_for(moderator))
    wishes = [wish_for(kind, model, lengths[card_id], machine, suite=True) for card_id, model in seen.items()]
    work = build_workloads(conditions, wordings, here, moderators, asked, number, kind=kind, machine=machine)
    workloads = [replace(workload, repeated=repeated[n]) for n, workload in work.items()]
    return wishes, workloads


def _longest(model: Model, question: Question) -> int:
    """Tokens of the longest turn: the later rounds' words, what peers said, what this seat says, two ballots."""
    panel = model.panel
    words = max(_words(model, question, seat, later=panel.rounds > 1) for seat in panel.model_seats)
    shown = max(_shown(panel, seat, RETOKENIZED) for seat in panel.model_seats)
    said = max(seat.sampling.max_tokens + (seat.thinking.max_tokens if seat.thinking.on else 0) for seat in model.seats)
    return min(words + (shown if panel.rounds > 1 else 0) + said + 2 * BALLOT_TOKENS, model.context_length)


def _words(model: Model, question: Question, seat: Seat, *, later: bool) -> int:
    read = [seat.name, *peers_read(model.panel, seat.name)] if later else []
    turns = [ShownTurn(name, question.options[0], "") for name in read]
    shared, own = model.renderer.statement_texts(question, seat, turns)
    return (len(shared.encode()) + len(own.encode())) // BYTES_PER_TOKEN


def _shown(panel: Panel, reader: Seat, factor: float = 1.0) -> int:
    """Tokens of what a seat reads in a later round: its own statement, and its peers' where they are shown."""
    read = {reader.name}
    if panel.visibility.statements == "shown":
        read |= peers_read(panel, reader.name)
    return sum(int(factor * _most_said(seat)) + PEER_TOKENS for seat in panel.seats if seat.name in read)


def _most_said(seat: Participant) -> int:
    return seat.sampling.max_tokens if isinstance(seat, Seat) else len(seat.statement.encode()) // BYTES_PER_TOKEN
