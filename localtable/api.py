"""The public API: what the command line does, from Python.

Questions and panels are given as files, as text with options, or as values that were loaded before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from localtable.analysis.analyze import analyze as analyze_table
from localtable.analysis.factor_contrasts import require_comparable
from localtable.analysis.families import DIMENSIONS, FAMILIES, Dimension, Family
from localtable.analysis.writing import analysis_to_json
from localtable.config import load_panel as _load_panel
from localtable.config import load_question as _load_question
from localtable.config import load_suite, load_suites, load_sweep, parse_question
from localtable.config.panel import MAX_ROUNDS
from localtable.errors import ConfigError
from localtable.loading import nearest
from localtable.places import home, packaged
from localtable.report.stored import read_run
from localtable.report.words import result_line as _result_line
from localtable.runner import (
    RunOptions,
    SuiteOptions,
    begin_suite,
    begin_sweep,
    finished_transcripts,
    hold_debate,
    open_suite,
    plan_sweep,
    refuse_large,
)
from localtable.runner.events import Listener
from localtable.store import Store
from localtable.transcript import dump, to_json
from localtable.types import MAX_TURNS_UNASKED, Panel, Question, Stop, Transcript
from localtable.whole_file import write_text

__all__ = [
    "analyze",
    "debate",
    "load_panel",
    "load_question",
    "load_transcripts",
    "result_line",
    "run_suite",
    "run_sweep",
    "save",
]

MAX_REPEATS, MAX_QUESTIONS, MAX_SEED = 1000, 10_000_000, 2**53 - 1

DEBATE_STOP = Stop("unanimous")
"""As on the hosted services: a further round opens only where seats disagree."""


def load_panel(path: str | Path) -> Panel:
    """A panel from a file.

    Raises:
        ConfigError: The file is missing or wrong.
    """
    return _load_panel(Path(path), default_stop=DEBATE_STOP)


def load_question(path: str | Path) -> Question:
    """A question from a file.

    Raises:
        ConfigError: The file is missing or wrong.
    """
    return _load_question(Path(path))


def debate(
    question: str | Path | Question,
    *,
    options: Sequence[str] = (),
    panel: str | Path | Panel | None = None,
    engine: str = "auto",
    engine_arguments: Mapping[str, Any] | None = None,
    seed: int | None = None,
    rounds: int | None = None,
    tell: Listener | None = None,
) -> Transcript:
    """Hold one debate.

    Args:
        question: Its text, to be given with `options`; or a question that was loaded, or the path of its file.
        options: What can be voted for.
        panel: A panel, or its file; the demo panel by default.
        engine: auto, vllm, transformers or scripted.
        engine_arguments: Passed on to the engine.
        seed: In place of the panel's.
        rounds: In place of the panel's.
        tell: Is told what happens, event by event.

    Raises:
        LocaltableError: As the command `localtable debate`; `exit_code` and `hint` say what kind it is.
    """
    asked = _question(question, options)
    panel = _panel(panel, seed, rounds, DEBATE_STOP)
    return hold_debate(asked, panel, _options(engine, engine_arguments, tell))


def run_suite(
    questions: str | Path | Iterable[Question],
    *,
    store: str | Path,
    panel: str | Path | Panel | None = None,
    controls: Sequence[str] = (),
    repeats: int = 1,
    reuse: Sequence[str | Path] = (),
    engine: str = "auto",
    engine_arguments: Mapping[str, Any] | None = None,
    seed: int | None = None,
    rounds: int | None = None,
    tell: Listener | None = None,
) -> Iterator[Transcript]:
    """Hold a debate on every question, as one run in a store.

    Whatever ends the loop over its debates, the same call goes on where it stopped, and gives those that are left;
    `load_transcripts` gives all that a store has.

    Args:
        questions: A suite's file, or questions.
        store: The file that takes the run.
        panel: A panel, or its file; the demo panel by default.
        controls: Conditions beside the debate, by name.
        repeats: Debates of each question, each with seeds of its own.
        reuse: Stores of other runs, whose equal turns are taken over.
        engine: auto, vllm, transformers or scripted.
        engine_arguments: Passed on to the engine.
        seed: In place of the panel's.
        rounds: In place of the panel's.
        tell: Is told what happens, event by event: failed debates among it, which are not given.

    Yields:
        Each debate as it finishes, of every condition.

    Raises:
        LocaltableError: As the command `localtable suite`; `exit_code` and `hint` say what kind it is.
    """
    taken = _panel(panel, seed, rounds, Stop("never"))
    options = _options(engine, engine_arguments, tell)
    asked = load_suite(Path(questions)) if isinstance(questions, str | Path) else questions
    suite = SuiteOptions(tuple(controls), _within("repeats", repeats, 1, MAX_REPEATS))
    begin_suite(Path(store), taken, asked, options, suite)
    yield from _held(Path(store), options, reuse)


def run_sweep(
    sweep: str | Path,
    *,
    store: str | Path,
    limit: int | None = None,
    max_turns: int = MAX_TURNS_UNASKED,
    reuse: Sequence[str | Path] = (),
    engine: str = "auto",
    engine_arguments: Mapping[str, Any] | None = None,
    seed: int | None = None,
    tell: Listener | None = None,
) -> Iterator[Transcript]:
    """Hold a debate on every question under every combination of a sweep's factors, as one run in a store.

    Like `run_suite` it goes on where it stopped.

    Args:
        sweep: Its file.
        store: The file that takes the run.
        limit: The first questions only, in place of the file's own limit.
        max_turns: A sweep that takes more is not begun.
        reuse: Stores of other runs, whose equal turns are taken over.
        engine: auto, vllm, transformers or scripted.
        engine_arguments: Passed on to the engine.
        seed: In place of the panels'.
        tell: Is told what happens, event by event: failed debates among it, which are not given.

    Yields:
        Each debate as it finishes, of every condition: `condition` says of which, `manifest["sweep"]` has its levels.

    Raises:
        LocaltableError: As the command `localtable sweep`; `exit_code` and `hint` say what kind it is.
    """
    path, file, options = Path(store), Path(sweep), _options(engine, engine_arguments, tell)
    loaded = load_sweep(file, seed=None if seed is None else _within("seed", seed, 0, MAX_SEED))
    require_comparable(loaded.sweep.primary, str(file))
    limit = loaded.limit if limit is None else _within("limit", limit, 1, MAX_QUESTIONS)
    num_questions = sum(1 for _ in islice(load_suites(loaded.suites), limit))
    num_turns = plan_sweep(loaded.sweep).num_turns(num_questions * loaded.sweep.repeats)
    refuse_large(path, loaded.sweep, num_turns, max_turns, otherwise="Raise max_turns")
    begin_sweep(path, loaded.sweep, islice(load_suites(loaded.suites), limit), options)
    yield from _held(path, options, reuse)


def _options(engine: str, arguments: Mapping[str, Any] | None, tell: Listener | None) -> RunOptions:
    options = RunOptions(home=home(), engine=engine, engine_arguments=arguments or {})
    return replace(options, tell=tell) if tell else options


def _held(store: Path, options: RunOptions, reuse: Sequence[str | Path]) -> Iterator[Transcript]:
    """The debates that a run still has open, as they finish."""
    with open_suite(store, options, reuse=[Path(path) for path in reuse]) as run:
        for outcome in run.run():
            if outcome.error is None:
                yield run.transcript(outcome)


def analyze(
    store: str | Path,
    *,
    by: Sequence[Dimension] = (),
    families: Sequence[Family] = (),
    conditions: Sequence[str] = (),
    cluster: str | None = None,
) -> dict[str, Any]:
    """What a run shows, and what it can't: the same data as `localtable analyze --json` (docs/contracts.md).

    Args:
        store: The file that has the run; it may still be worked on.
        by: Break figures down, too: tag, model, seat, round, agreement.
        families: Of metrics; all if none is named.
        conditions: By name; all if none is named.
        cluster: Questions that share a tag `CLUSTER:…` are one unit of inference.

    Raises:
        ConfigError: There is no store, or nothing of a name that was given.
        StoreError: It is damaged.
    """
    for named, known, kind in ((by, DIMENSIONS, "dimensions"), (families, FAMILIES, "families")):
        for name in named:
            if name not in known:
                raise ConfigError(f"unknown name {name!r} among the {kind}", hint=nearest(name, list(known), kind=kind))
    table, facts = read_run(Path(store), conditions)
    return analysis_to_json(analyze_table(table, facts, by=by, families=families, cluster=cluster))


def load_transcripts(store: str | Path) -> Iterator[Transcript]:
    """Every finished debate of a store, in the suite's order, one at a time.

    Raises:
        ConfigError: There is no store, or it is of a newer version.
        StoreError: It is damaged.
    """
    with Store.open(Path(store), write=False) as opened:
        yield from finished_transcripts(opened)


def _panel(panel: str | Path | Panel | None, seed: int | None, rounds: int | None, stop: Stop) -> Panel:
    if not isinstance(panel, Panel):
        file = packaged("examples") / "panels/demo.yaml" if panel is None else Path(panel)
        panel = _load_panel(file, default_stop=stop)
    panel = panel if seed is None else replace(panel, seed=_within("seed", seed, 0, MAX_SEED))
    return panel if rounds is None else replace(panel, rounds=_within("rounds", rounds, 1, MAX_ROUNDS))


def _question(question: str | Path | Question, options: Sequence[str]) -> Question:
    if isinstance(question, str):
        return parse_question({"question": question, "options": list(options)}, "the question")
    if options:
        raise ConfigError("the question has its own options; more can't be added", hint="Leave `options` out.")
    return question if isinstance(question, Question) else load_question(question)


def _within(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}", hint=f"Give {low} to {high}.")
    return value


def result_line(transcript: Transcript) -> str:
    """`Majority — Yes (4/6 votes)`.

    Raises:
        ValueError: The debate has no verdict.
    """
    if transcript.verdict is None:
        raise ValueError("the debate was interrupted before its verdict")
    return _result_line(transcript.question, transcript.verdict)


def save(transcript: Transcript, path: str | Path) -> None:
    """Write a transcript as JSON, validated.

    Raises:
        PrerequisiteError: The place can't be written.
    """
    write_text(Path(path), dump(to_json(transcript)))
