"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from localtable.errors import ConfigError
from localtable.loading import path_from
from localtable.places import packaged
from localtable.types import Panel, Question, Stop

if TYPE_CHECKING:
    from localtable.runner import RunOptions
    from localtable.scheduler.devices import Machine

Command = TypeVar("Command", bound=Callable[..., Any])

DEMO_PANEL = "panels/demo.yaml"


def panel_options(command: Command) -> Command:
    """`--panel`, `-m`, `--rounds`, `--prompts`: for every command that takes a panel; `override` has the last two."""
    return _with(
        command,
        click.option("-p", "--panel", "panel_file", metavar="FILE", help="Who sits there, in place of a ready panel."),
        click.option(
            "-m", "--model", "models", multiple=True, help="A seat for this model, in place of a panel; repeat it."
        ),
        click.option("--rounds", type=click.IntRange(1, 100), help="In place of the panel's own."),
        click.option("--prompts", metavar="PRESET|FILE", help="In place of the panel's own."),
    )


def moderator_option(command: Command) -> Command:
    """`--moderator`: who sums debates up; `with_moderator` seats it."""
    return _with(
        command,
        click.option(
            "--moderator", metavar="MODEL", help="A model that sums the debate up, in place of the panel's own."
        ),
    )


def with_moderator(panel: Panel, moderator: str | None) -> Panel:
    """The panel with the moderator that the command line names: one of its own models, or any card.

    Raises:
        ConfigError: No such model, one at an endpoint, or another under the id of one of the panel's.
    """
    from localtable.config import load_card, refuse_mixed_cards, refuse_moderator

    if moderator is None:
        return panel
    own = {card.id: card for card in panel.cards}
    card = own.get(moderator) or load_card(moderator)
    refuse_mixed_cards((*panel.cards, card), "--moderator")
    refuse_moderator(card, "--moderator")
    return replace(panel, moderator=card)


def machine_options(command: Command) -> Command:
    """`--gpus` and `--device-memory`: the machine that is planned for, or of which a run makes use."""
    return _with(
        command,
        click.option(
            "--gpus",
            metavar="SPEC",
            help="As on this machine: 24GiB, 2xH100-80GB, rtx4090, or a YAML file. A run needs that much to be here.",
        ),
        click.option("--device-memory", metavar="SIZE", help="Use at most this much of each device, such as 24GiB."),
    )


def engine_options(command: Command) -> Command:
    """`--engine`, `--engine-arg`, `--seed` and the machine's: for every command that runs models."""
    return _with(
        machine_options(command),
        click.option("--engine", default="auto", show_default=True, help="auto, vllm, transformers or scripted."),
        click.option(
            "--engine-arg",
            "engine_args",
            multiple=True,
            metavar="KEY=VALUE",
            help="An argument for the engine itself; repeatable.",
        ),
        click.option("--seed", type=click.IntRange(0, 2**53 - 1), help="In place of the panel's own."),
    )


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    """The command with these options, in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def run_options(engine: str, engine_args: Sequence[str], gpus: str | None, device_memory: str | None) -> RunOptions:
    """What the options of a command that runs models come to.

    Raises:
        ConfigError: One of them can't be read.
        PrerequisiteError: The engine's packages are not installed.
    """
    from localtable.engines.registry import choose
    from localtable.places import home
    from localtable.runner import RunOptions

    choose(engine)
    return RunOptions(
        home=home(),
        engine=engine,
        engine_arguments=parse_engine_args(engine_args),
        device_memory_bytes=read_size(device_memory),
        gpus=read_gpus(gpus),
    )


def read_size(text: str | None) -> int | None:
    """`--device-memory` in bytes; None where it isn't given."""
    from localtable.scheduler.devices import parse_size

    return None if text is None else parse_size(text)


def read_gpus(spec: str | None) -> Machine | None:
    """The machine that `--gpus` describes; None where it isn't given."""
    from localtable.scheduler.gpus import parse_gpus

    return None if spec is None else parse_gpus(spec, Path.cwd())


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


def read_shard(text: str | None) -> tuple[int, int]:
    """`--shard`: which of how many slices of a suite.

    Raises:
        ConfigError: It is no slice.
    """
    if text is None:
        return (1, 1)
    number, slash, count = text.partition("/")
    if not slash or not number.isdecimal() or not count.isdecimal() or not 1 <= int(number) <= int(count):
        raise ConfigError(f"--shard {text!r} is no slice", hint="Give I/N with I from 1 to N, such as 2/8.")
    return (int(number), int(count))


def read_question(text: str, options: Sequence[str]) -> Question:
    """QUESTION as the user wrote it: the text itself, or a file's path.

    Raises:
        ConfigError: A file that is missing or broken, a text without options, a file with further options.
    """
    from localtable.config import load_question, parse_question

    if text.endswith((".yaml", ".yml", ".json")) or (not any(map(str.isspace, text)) and is_file(text)):
        if options:
            raise ConfigError(
                f"{text} has its own options; -o can't add to them", hint="Leave -o out, or write the question here."
            )
        return load_question(path_from(text, Path.cwd()))
    if not options:
        raise ConfigError("the question has no options", hint="Give at least two: -o Yes -o No.")
    return parse_question({"question": text, "options": list(options)}, "the question")


def is_file(text: str) -> bool:
    """Whether an argument that may be something else names a file that is there."""
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
