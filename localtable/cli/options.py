"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from localtable.errors import ConfigError
from localtable.loading import path_from
from localtable.places import packaged
from localtable.types import Panel, Question, Stop

Command = TypeVar("Command", bound=Callable[..., Any])

DEMO_PANEL = "panels/demo.yaml"


def engine_options(command: Command) -> Command:
    """`--engine`, `--engine-arg`, `--seed`, `--device-memory`: for every command that runs models."""
    for option in reversed(
        (
            click.option("--engine", default="auto", show_default=True, help="auto, vllm, transformers or scripted."),
            click.option(
                "--engine-arg",
                "engine_args",
                multiple=True,
                metavar="KEY=VALUE",
                help="An argument for the engine itself; repeatable.",
            ),
            click.option("--seed", type=click.IntRange(0, 2**53 - 1), help="In place of the panel's own."),
            click.option("--device-memory", metavar="SIZE", help="Use at most this much, such as 24GiB."),
        )
    ):
        command = option(command)
    return command


def parse_engine_args(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts → a mapping.

    Raises:
        ConfigError: A text without `=`.
    """
    arguments: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--engine-arg {pair!r} has no KEY=VALUE form", hint="For example max_model_len=4096.")
        arguments[key.replace("-", "_")] = value
    return arguments


def read_question(text: str, options: Sequence[str]) -> Question:
    """QUESTION as the user wrote it: the text itself, or a file's path.

    Raises:
        ConfigError: A file that is missing or broken, a text without options, a file with further options.
    """
    from localtable.config import load_question, parse_question

    if text.endswith((".yaml", ".yml", ".json")) or (not any(map(str.isspace, text)) and _is_file(text)):
        if options:
            raise ConfigError(
                f"{text} has its own options; -o can't add to them", hint="Leave -o out, or write the question here."
            )
        return load_question(path_from(text, Path.cwd()))
    if not options:
        raise ConfigError("the question has no options", hint="Give at least two: -o Yes -o No.")
    return parse_question({"question": text, "options": list(options)}, "the question")


def _is_file(text: str) -> bool:
    try:
        return path_from(text, Path.cwd()).is_file()
    except ConfigError:  # a question may have no space in it and be no path either
        return False


def read_panel(path: str | None, models: Sequence[str], default_stop: Stop) -> Panel:
    """The panel of a file, of `-m` models, or the demo panel.

    Raises:
        ConfigError: Both a file and models, or anything wrong in either.
    """
    from localtable.config import load_card, load_panel, parse_panel

    if path and models:
        raise ConfigError("both --panel and -m name who sits at the table", hint="Use one of them.")
    if not models:
        file = path_from(path, Path.cwd()) if path else packaged("examples") / DEMO_PANEL
        return load_panel(file, default_stop=default_stop)
    names = [load_card(model).name for model in models]
    counts, seen, seats = Counter(names), Counter[str](), []
    for model, name in zip(models, names, strict=True):
        seen[name] += 1
        seats.append({"name": f"{name} {seen[name]}" if counts[name] > 1 else name, "model": model})
    return parse_panel({"name": "models", "seats": seats}, "-m", Path.cwd(), default_stop=default_stop)


def override(panel: Panel, *, rounds: int | None, seed: int | None, prompts: str | None) -> Panel:
    """The panel with what the command line says in place of its own."""
    panel = panel if rounds is None else replace(panel, rounds=rounds)
    panel = panel if seed is None else replace(panel, seed=seed)
    return panel if prompts is None else replace(panel, prompts=prompts)
