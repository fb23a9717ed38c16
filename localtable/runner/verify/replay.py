"""Prompts: every turn taken once more through the runner's own steps, with the stored answers in the engine's place.

What comes out is compared: each request's prompt and kind by their hashes, the words of the statement, what was cut,
who persuaded. It needs the models' tokenizers, and no engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from localtable.engines.base import Completion
from localtable.errors import LocaltableError
from localtable.protocol import Condition, Debate, cards_of
from localtable.runner.influence.probes import probe_of
from localtable.runner.inputs import find_run_weights
from localtable.runner.keys import draws_always, request_key
from localtable.runner.models import seat_conditions
from localtable.runner.session import read_tokenizers
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.influence import StoredProbe
from localtable.runner.verify.rows import StoredStep, StoredTurn
from localtable.runner.wordings import kept_wordings
from localtable.store import Run
from localtable.types import Confederate, FinishReason


class Replay:
    """The models of a run as far as their words go."""

    def __init__(self, run: Run, conditions: Mapping[int, Condition], home: Path) -> None:
        """Read the tokenizers.

        Args:
            run: The inputs.
            conditions: By number.
            home: Where weights are.

        Raises:
            PrerequisiteError: Weights are missing, and their tokenizers with them.
            ConfigError: Weights are other ones than the run's.
        """
        self._engine = run.engine
        cards = cards_of(conditions.values())
        files = find_run_weights(
            run, cards, home, "the run", otherwise="verify without --prompts", say=lambda text: None
        )
        tokenizers, wordings = read_tokenizers(cards, files), kept_wordings(run, conditions)
        self._models = seat_conditions(conditions, tokenizers, wordings, real_templates=run.engine != "scripted")

    def check(self, stored: StoredTurn, debate: Debate, condition: int, where: str) -> Iterator[Disagreement]:
        """Take one turn once more.

        Args:
            stored: The turn.
            debate: As it stood when the turn began, its partner's turns with it.
            condition: The number of its condition.
            where: The turn's place.
        """
        seat = next(seat for seat in debate.panel.seats if seat.name == stored.seat)
        if isinstance(seat, Confederate):
            return  # it read nothing, and nothing was asked of it
        try:
            turn = begin_turn(0, debate, seat, self._models[condition][seat.card.id], stream=False)
            found = [*self._check_steps(stored.steps, turn, where)]
        except LocaltableError as error:
            yield Disagreement(where, "the stored answers", error.message, "a turn", "its steps make")
            return
        yield from found
        if found or turn.step is not None:
            return  # what follows from a wrong prompt is wrong, too; steps that are missing are reported elsewhere
        said = turn.finish()
        say = partial(compare, where)
        shared, own = turn.prompt_texts()
        yield from say("statement", stored.statement, said.statement, "its generation says")
        yield from say("reasoning", stored.reasoning, said.reasoning, "its generations say")
        yield from say("peers_cut", stored.peers_cut, said.peers_cut, "the prompt says")
        yield from say("prompt_shared", stored.prompt_shared, shared, "the wording says")
        yield from say("prompt_own", stored.prompt_own, own, "the wording says")
        ballot = next((ballot for ballot in stored.ballots if ballot.counts), None)
        if ballot is not None:
            yield from say("persuaded_by", ballot.persuaded_by, said.ballot.persuaded_by, "its generation says")
            reply = said.ballot.free_reply.text if said.ballot.free_reply else None
            yield from say("free_reply", ballot.free_reply, reply, "its generation says")

    def check_probes(
        self, stored: StoredTurn, probes: Sequence[StoredProbe], debate: Debate, condition: int, where: str
    ) -> Iterator[Disagreement]:
        """Take the probes of a turn once more.

        Args:
            stored: The turn.
            probes: As they are stored.
            debate: As for `check`.
            condition: The number of its condition.
            where: The turn's place.
        """
        seat = next((seat for seat in debate.panel.model_seats if seat.name == stored.seat), None)
        if seat is None or not probes:
            return
        try:
            turn = begin_turn(0, debate, seat, self._models[condition][seat.card.id], stream=False)
            for probe in probes:
                if probe.replaced is None or probe.replaced in turn.peers:
                    again = probe_of(turn, stored.id, (probe.kind, probe.replaced, probe.sample))
                    yield from self._check_steps(probe.steps, again, f"{where}, probe {probe.id}")
        except LocaltableError as error:
            yield Disagreement(where, "the stored answers", error.message, "probes", "their steps make")

    def _check_steps(self, stored: Sequence[StoredStep], turn: TurnAtWork, where: str) -> Iterator[Disagreement]:
        request = turn.next_request()
        for step in stored:
            if request is None or turn.step != step.step:
                return
            draws = draws_always(self._engine, turn.model.card)
            key = request_key(step.identity, request, always_draws=draws)
            at = f"{where}, generation {step.generation} ({step.step})"
            different = [
                *compare(at, "prompt_sha256", step.prompt_sha256, key.prompt_sha256, "the prompt has"),
                *compare(at, "request_sha256", step.request_sha256, key.request_sha256, "the panel has"),
            ]
            if different:
                yield from different
                return
            turn.take(request, _completion(request.request_id, step))
            request = turn.next_request()


def _completion(request_id: str, step: StoredStep) -> Completion:
    finish_reason: FinishReason = "length" if step.finish_reason == "length" else "stop"
    return Completion(
        request_id, step.token_ids, finish_reason, *step.usage, stop_token_id=step.stop_token_id, logprobs=step.logprobs
    )
