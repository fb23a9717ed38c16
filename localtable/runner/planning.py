"""What a panel asks of a machine, told without tokenizers or weights: the wishes and the workload of a plan.

Words are counted in bytes, at four to a token, so that a plan can be made for models that are not here. A run reckons
with its real prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

from localtable.prompts import ByteTokenizer, load_wording
from localtable.prompts.render import RETOKENIZED
from localtable.runner.models import Model, build_models
from localtable.runner.placements import wish_for
from localtable.scheduler.devices import Machine
from localtable.scheduler.plan import SHORTEST, Workload
from localtable.scheduler.seating import Wish
from localtable.types import Panel, Question, ShownTurn

BYTES_PER_TOKEN = 4
"""English in tokenizers of today; code and other scripts have more tokens."""
USUAL_QUESTION = Question("usual", "x" * 600, ("x" * 40,) * 4)
"""Where no suite is named: 150 tokens, with four options of ten."""
BALLOT_TOKENS = 100
"""A ballot's turn and its label: 92 were measured (docs/benchmarks.md)."""
PEER_TOKENS = 16
"""Name, vote and marks of a turn that is shown."""


def plan_inputs(
    panel: Panel, machine: Machine, kind: str, questions: Sequence[Question], number: int
) -> tuple[list[Wish], Workload]:
    """A panel as the planner sees it.

    Args:
        panel: Who sits there.
        machine: What it is planned for.
        kind: Of the engines.
        questions: Whose longest one is reckoned with; empty: a usual one.
        number: How many questions there are.

    Returns:
        A wish for each model, and what they do.
    """
    wording = load_wording(panel.prompts)
    models = build_models(panel, {card.id: ByteTokenizer() for card in panel.cards}, wording, real_templates=False)
    question = max(questions, key=lambda q: len(q.question) + sum(map(len, q.options)), default=USUAL_QUESTION)
    lengths = {card_id: _longest(model, question) for card_id, model in models.items()}
    wishes = [wish_for(kind, model, lengths[card_id], machine, suite=True) for card_id, model in models.items()]
    return wishes, _workload(panel, models, question, number)


def _longest(model: Model, question: Question) -> int:
    """Tokens of the longest turn: the later rounds' words, what peers said, what this seat says, two ballots."""
    seats = model.panel.seats
    words = max(_words(model, question, seat_number, later=model.panel.rounds > 1) for seat_number in range(len(seats)))
    shown = sum(int(RETOKENIZED * seat.sampling.max_tokens) + PEER_TOKENS for seat in seats)
    said = max(seat.sampling.max_tokens + (seat.thinking.max_tokens if seat.thinking.on else 0) for seat in model.seats)
    return min(words + (shown if model.panel.rounds > 1 else 0) + said + 2 * BALLOT_TOKENS, model.context_length)


def _words(model: Model, question: Question, seat_number: int, *, later: bool) -> int:
    panel = model.panel
    turns = [ShownTurn(seat.name, question.options[0], "") for seat in panel.seats] if later else []
    shared, own = model.renderer.statement_texts(question, panel.seats[seat_number], turns)
    return (len(shared.encode()) + len(own.encode())) // BYTES_PER_TOKEN


def _workload(panel: Panel, models: dict[str, Model], question: Question, number: int) -> Workload:
    said = tuple(
        seat.sampling.max_tokens + (seat.thinking.max_tokens if seat.thinking.on else 0) for seat in panel.seats
    )
    least = tuple(
        max(1, seat.sampling.min_tokens, int(SHORTEST * bound)) for seat, bound in zip(panel.seats, said, strict=True)
    )
    model = next(iter(models.values()))
    # Seats of one model share what all seats read; each has its own words and its ballot.
    sharing = len(panel.seats) / len(models)
    shown = sum(seat.sampling.max_tokens + PEER_TOKENS for seat in panel.seats)
    first = _words(model, question, 0, later=False) / sharing
    later = (_words(model, question, 0, later=True) + shown) / sharing
    prompts = [int(first if number == 0 else later) + BALLOT_TOKENS for number in range(panel.rounds)]
    return Workload(tuple(seat.card.id for seat in panel.seats), panel.rounds, number, said, least, tuple(prompts))
