"""One debate, from a question to a transcript: a run of one, in a store that is never written to a disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from localtable.engines.registry import choose_for
from localtable.errors import EngineImportError, InterruptedRun, LocaltableError
from localtable.prompts import load_wording
from localtable.protocol import DEBATE, Condition, Debate, build_round, cards_of
from localtable.runner.confederates import with_votes
from localtable.runner.events import Note
from localtable.runner.inputs import describe_run, find_weights, with_engine_arguments
from localtable.runner.open_debates import replay
from localtable.runner.session import Inputs, RunOptions, open_session
from localtable.runner.transcripts import to_transcript
from localtable.store import IN_MEMORY, Store
from localtable.types import Panel, Question, Transcript, Turn


def hold_debate(
    question: Question,
    panel: Panel,
    options: RunOptions,
    *,
    on_partial: Callable[[Transcript], None] = lambda transcript: None,
) -> Transcript:
    """Hold one debate, from loading to verdict; `auto` goes on with transformers where vLLM doesn't import.

    Args:
        question: What is debated.
        panel: Who sits at the table.
        options: What the command says.
        on_partial: Called with what there is, before an error or an interruption goes on to the caller.

    Raises:
        PrerequisiteError: Weights or packages are missing.
        PlacementError: A prompt or a model doesn't fit.
        EngineLoadError, EngineError: An engine died; `on_partial` has been given what was finished.
        InterruptedRun: `should_stop` said so; likewise.
    """
    try:
        return _hold(question, panel, options, on_partial)
    except EngineImportError as error:
        if options.engine != "auto":
            raise
        taken = replace(options, engine="transformers", engine_reason=error.message)
        return _hold(question, panel, taken, on_partial)


def _hold(
    question: Question, panel: Panel, options: RunOptions, on_partial: Callable[[Transcript], None]
) -> Transcript:
    panel = with_engine_arguments(panel, options.engine_arguments)
    chosen = choose_for(options.engine, panel.cards)
    if options.engine_reason:
        chosen = chosen._replace(reason=options.engine_reason)
    scripted = chosen.kind == "scripted"
    condition = Condition(DEBATE, panel)
    cards = cards_of([condition])
    files = {} if scripted else find_weights(cards, options.home, say=lambda text: options.tell(Note(text)))
    wording = load_wording(panel.prompts)
    run = describe_run(chosen.kind, panel, files, wording)
    inputs = Inputs({1: condition}, chosen, files, {1: wording})
    with (
        Store.create(IN_MEMORY, run, with_votes([question], [panel]), [DEBATE]) as store,
        open_session(store, inputs, options, suite=False) as session,
    ):
        try:
            (outcome,) = session.run()
            if outcome.error is not None:
                raise outcome.error
        except InterruptedRun:
            _tell_partial(store, condition, on_partial)
            raise
        except LocaltableError as error:
            if store.debate(1).state == "finished":  # it failed at the summary, which costs no debate
                options.tell(Note(f"not summed up: {error.message}"))
                return _as_far_as_it_is(store, condition)[0]
            _tell_partial(store, condition, on_partial)
            raise
        return to_transcript(store.run(), condition, outcome.debate, store.sessions()[-1], outcome.summary)


def _tell_partial(store: Store, condition: Condition, on_partial: Callable[[Transcript], None]) -> None:
    transcript, debate, turns = _as_far_as_it_is(store, condition)
    if not turns and not debate.rounds:
        return
    rounds = debate.rounds
    if turns and debate.open_round is not None:
        rounds = (*rounds, build_round(debate, debate.open_round, list(turns.values())))
    manifest = {**transcript.manifest, "interrupted": True}
    ended = store.debate(1).state == "finished"  # and its summary was interrupted
    verdict = transcript.verdict if ended else None
    on_partial(replace(transcript, rounds=rounds, verdict=verdict, manifest=manifest))


def _as_far_as_it_is(store: Store, condition: Condition) -> tuple[Transcript, Debate, dict[str, Turn]]:
    """The debate's complete rounds as a transcript that templates sum up, and the turns of its open round."""
    row = store.debate(1)
    debate, turns = replay(Debate(store.question(row.question), condition.panel, row.repeat), store.turns(1))
    return to_transcript(store.run(), condition, debate, store.sessions()[-1]), debate, turns
