"""What a panel asks of a machine, told without tokenizers or weights: the wishes and the workload of a plan.

Words are counted in bytes, at four to a token, so that a plan can be made for models that are not here. A run reckons
with its real prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from localtable.errors import ConfigError
from localtable.prompts import ByteTokenizer, PromptTokenizer, load_wording
from localtable.prompts.render import BYTES_PER_TOKEN, RETOKENIZED
from localtable.protocol import cards_of, peers_read
from localtable.runner.models import Model, build_models, seat_conditions
from localtable.runner.placements import wish_for
from localtable.runner.repeated import Repeated, repeated_turns
from localtable.runner.sweeps import SweepPlan
from localtable.scheduler.devices import Machine
from localtable.scheduler.plan import SHORTEST, Workload
from localtable.scheduler.seating import Wish
from localtable.types import Card, Panel, Participant, Question, Seat, ShownTurn

USUAL_QUESTION = Question("usual", "x" * 600, ("x" * 40,) * 4)
"""Where no suite is named: 150 tokens, with four options of ten."""
BALLOT_TOKENS = 100
"""A ballot's turn and its label: 92 were measured (docs/benchmarks.md)."""
PEER_TOKENS = 16
"""Name, vote and marks of a turn that is shown."""


def plan_inputs(
    panel: Panel, machine: Machine, kind: str, questions: Sequence[Question], number: int
) -> tuple[list[Wish], list[Workload]]:
    """A panel as the planner sees it.

    Args:
        panel: Who sits there.
        machine: What it is planned for.
        kind: Of the engines.
        questions: Whose longest one is reckoned with; empty: a usual one.
        number: How many questions there are.

    Returns:
        A wish for each model, and what they do; models at endpoints take nothing here, and are left out.

    Raises:
        ConfigError: All models are at endpoints.
    """
    wording = load_wording(panel.prompts)
    models = build_models(panel, _tokenizers(panel.cards), wording, real_templates=False)
    return _inputs([models], [()], machine, kind, questions, number)


def sweep_inputs(
    plan: SweepPlan, machine: Machine, kind: str, questions: Sequence[Question], number: int
) -> tuple[list[Wish], list[Workload]]:
    """A sweep as the planner sees it: every condition, and which of its turns another one has said already.

    Args:
        plan: The sweep's.
        machine: What it is planned for.
        kind: Of the engines.
        questions: At least one; the longest one is reckoned with.
        number: Debates of each condition.

    Raises:
        ConfigError: A confederate has no vote on one of the first questions.
    """
    cards = cards_of(plan.conditions.values())
    sitting = seat_conditions(plan.conditions, _tokenizers(cards), plan.wordings, real_templates=False)
    repeated = repeated_turns(plan, questions[:2])
    return _inputs(list(sitting.values()), [repeated[number] for number in sitting], machine, kind, questions, number)


def _tokenizers(cards: Iterable[Card]) -> dict[str, PromptTokenizer]:
    return {card.id: ByteTokenizer() for card in cards}


def _inputs(
    sitting: Sequence[Mapping[str, Model]],
    repeated: Sequence[Repeated],
    machine: Machine,
    kind: str,
    questions: Sequence[Question],
    number: int,
) -> tuple[list[Wish], list[Workload]]:
    """Of conditions with their models, and their turns that others have said."""
    question = max(questions, key=lambda q: len(q.question) + sum(map(len, q.options)), default=USUAL_QUESTION)
    lengths: dict[str, int] = {}
    seen: dict[str, Model] = {}
    here = [{card_id: model for card_id, model in models.items() if not model.at_endpoint} for models in sitting]
    if not any(here):
        raise ConfigError(
            "every model is spoken to at an endpoint: there is nothing to plan here",
            hint="Hold the debate or the suite: nothing has to be loaded for it.",
        )
    for models in here:
        for card_id, model in models.items():
            lengths[card_id] = max(lengths.get(card_id, 0), _longest(model, question))
            seen.setdefault(card_id, model)
    wishes = [wish_for(kind, model, lengths[card_id], machine, suite=True) for card_id, model in seen.items()]
    workloads = [
        replace(_workload(models, question, number), repeated=again)
        for models, again in zip(here, repeated, strict=True)
        if models
    ]
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


def _workload(models: Mapping[str, Model], question: Question, number: int) -> Workload:
    model = next(iter(models.values()))
    panel = model.panel
    seats, seen = tuple(seat for seat in panel.model_seats if seat.card.endpoint is None), panel.visibility
    said = tuple(seat.sampling.max_tokens + (seat.thinking.max_tokens if seat.thinking.on else 0) for seat in seats)
    least = tuple(
        max(1, seat.sampling.min_tokens, int(SHORTEST * bound)) for seat, bound in zip(seats, said, strict=True)
    )
    # Seats of one model share what all seats read; each has its own words and its ballot.
    sharing = len(seats) / len(models)
    all_alike = seen == replace(seen, reads="everyone", votes="shown", statements="shown", order="fixed")
    first = _words(model, question, seats[0], later=False) / sharing
    later = (_words(model, question, seats[0], later=True) + _shown(panel, seats[0])) / (sharing if all_alike else 1)
    prompts = [int(first if number == 0 else later) + BALLOT_TOKENS for number in range(panel.rounds)]
    return Workload(tuple(seat.card.id for seat in seats), panel.rounds, number, said, least, tuple(prompts))
