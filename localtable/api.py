"""The public API: what the command line does, from Python.

Questions and panels are given as files, as text with options, or as values that were loaded before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from localtable.config import load_panel as _load_panel
from localtable.config import load_question as _load_question
from localtable.config import parse_question
from localtable.config.panel import MAX_ROUNDS
from localtable.errors import ConfigError
from localtable.places import home, packaged
from localtable.report.words import result_line as _result_line
from localtable.runner import RunOptions, hold_debate
from localtable.runner.events import Listener
from localtable.transcript import dump, to_json, write_text
from localtable.types import Panel, Question, Stop, Transcript

__all__ = ["debate", "load_panel", "load_question", "result_line", "save"]

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
    if not isinstance(panel, Panel):
        panel = load_panel(packaged("examples") / "panels/demo.yaml" if panel is None else panel)
    panel = panel if seed is None else replace(panel, seed=_within("seed", seed, 0, 2**53 - 1))
    panel = panel if rounds is None else replace(panel, rounds=_within("rounds", rounds, 1, MAX_ROUNDS))
    run = RunOptions(home=home(), engine=engine, engine_arguments=engine_arguments or {})
    return hold_debate(asked, panel, replace(run, tell=tell) if tell else run)


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
