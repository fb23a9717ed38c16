"""Prompts: every turn taken once more through the runner's own steps, with the stored answers in the engine's place.

What comes out is compared: each request's prompt and kind by their hashes, the words of the statement, what was cut,
who persuaded. It needs the models' tokenizers, and no engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from localtable.engines.base import Completion
from localtable.errors import LocaltableError
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer
from localtable.prompts.wording import WordingFile, parse_wording
from localtable.protocol import Condition, Debate
from localtable.runner.inputs import find_run_weights
from localtable.runner.keys import request_key
from localtable.runner.models import build_models
from localtable.runner.session import models_of
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import StoredStep, StoredTurn
from localtable.store import Run
from localtable.types import FinishReason, Panel


class Replay:
    """The models of a run as far as their words go."""

    def __init__(self, run: Run, panel: Panel, conditions: Mapping[int, Condition], home: Path) -> None:
        """Read the tokenizers.

        Args:
            run: The inputs.
            panel: The run's.
            conditions: By number.
            home: Where weights are.

        Raises:
            PrerequisiteError: Weights are missing, and their tokenizers with them.
            ConfigError: Weights are other ones than the run's.
        """
        self._scripted = run.engine == "scripted"
        files = find_run_weights(
            run, panel, home, "the run", otherwise="verify without --prompts", say=lambda text: None
        )
        tokenizers: dict[str, PromptTokenizer] = {
            card.id: HfTokenizer(files[card.id].folder) if files else ByteTokenizer() for card in panel.cards
        }
        # The store's own wording: the file that it came from needn't be here.
        wording = parse_wording(WordingFile.model_validate(run.prompts), "run.prompts")
        models = build_models(panel, tokenizers, wording, real_templates=not self._scripted)
        self._models = {number: models_of(models, condition) for number, condition in conditions.items()}

    def check(self, stored: StoredTurn, debate: Debate, condition: int, where: str) -> Iterator[Disagreement]:
        """Take one turn once more.

        Args:
            stored: The turn.
            debate: As it stood when the turn began, its partner's turns with it.
            condition: The number of its condition.
            where: The turn's place.
        """
        seat = next(seat for seat in debate.panel.seats if seat.name == stored.seat)
        try:
            turn = begin_turn(0, debate, seat, self._models[condition][seat.card.id], stream=False)
            found = [*self._check_steps(stored, turn, where)]
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

    def _check_steps(self, stored: StoredTurn, turn: TurnAtWork, where: str) -> Iterator[Disagreement]:
        request = turn.next_request()
        for step in stored.steps:
            if request is None or turn.step != step.step:
                return
            key = request_key(step.identity, request, always_draws=self._scripted)
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
