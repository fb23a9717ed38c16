"""Repeat a published finding, and print what the paper reports beside what came out.

    python scripts/reproduce.py --list
    python scripts/reproduce.py debate-ledger --questions mmlu-pro.jsonl
    python scripts/reproduce.py debate-ledger --small

NAME is one of examples/sweeps/ that has `published`, or the path of such a file. The run is a sweep like any other: its
store goes on where it stopped, and `localtable analyze` reads it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rich.console import Console

from localtable.analysis.analyze import analyze
from localtable.analysis.published import judge, needed
from localtable.analysis.writing import analysis_to_json
from localtable.cli.options import run_options
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import work
from localtable.config import load_reproduction, load_suites
from localtable.config.reproduction import Reproduction
from localtable.errors import ConfigError, LocaltableError
from localtable.loading import nearest, path_from, read_mapping
from localtable.places import packaged
from localtable.report.published import print_published
from localtable.report.stored import read_run
from localtable.report.words import printable
from localtable.runner import begin_sweep, plan_sweep

SWEEPS = packaged("examples") / "sweeps"
SMALL_SUITE = packaged("examples") / "suites" / "everyday.jsonl"
"""What a small run asks where no questions are given."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", metavar="NAME", help="which finding")
    parser.add_argument("--list", action="store_true", help="list the findings that are ready")
    parser.add_argument("--small", action="store_true", help="small models and few questions, as the file says")
    parser.add_argument("--questions", action="append", metavar="SUITE", help="in place of the file's; repeatable")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N questions, in place of the file's")
    parser.add_argument("--store", type=Path, metavar="DB", help="NAME.db, or NAME-small.db, by default")
    parser.add_argument("--engine", default="auto", help="auto, vllm, transformers or scripted")
    parser.add_argument("--engine-arg", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the panel's")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    arguments = parser.parse_args()
    if arguments.list or arguments.name is None:
        print_list()
        return 0
    try:
        return reproduce(arguments)
    except LocaltableError as error:
        print(printable(f"Error: {error.message}\n  → {error.hint}"), file=sys.stderr)
        return error.exit_code


def positive(text: str) -> int:
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def print_list() -> None:
    """One line for each finding that is ready."""
    for path in ready():
        reproduction = load_reproduction(path)
        paper, number = reproduction.published.paper, len(reproduction.published.figures)
        print(f"{path.stem:18} {paper.id:22} {number:2} figures  {paper.title}")


def ready() -> list[Path]:
    return [path for path in sorted(SWEEPS.glob("*.yaml")) if "published" in read_mapping(path)]


def path_of(name: str) -> Path:
    if name.endswith((".yaml", ".yml", ".json")):
        return path_from(name, Path.cwd())
    known = {path.stem: path for path in ready()}
    if name not in known:
        raise ConfigError(f"no finding {name!r} is ready", hint=nearest(name, list(known), kind="findings"))
    return known[name]


def reproduce(arguments: argparse.Namespace) -> int:
    """Hold the sweep, or go on with it, and print the comparison."""
    path = path_of(arguments.name)
    reproduction = load_reproduction(path, small=arguments.small, seed=arguments.seed)
    needed(reproduction.published)  # what no analysis has is said before anything runs
    store = arguments.store or Path(f"{path.stem}{'-small' * arguments.small}.db")
    suites = suites_of(arguments, path, reproduction)
    limit = reproduction.loaded.limit if arguments.limit is None else arguments.limit
    options = run_options(arguments.engine, arguments.engine_arg, None, None)
    with stop_on_signal() as should_stop:
        options = replace(options, should_stop=should_stop)
        begin_sweep(store, reproduction.loaded.sweep, islice(load_suites(suites), limit), options)
        work(store, options, (), None, Console(stderr=True), strict=False, quiet=arguments.quiet)
    compare(reproduction, store)
    return 0


def suites_of(arguments: argparse.Namespace, path: Path, reproduction: Reproduction) -> list[Path]:
    """The questions that are asked for, or those of the file, or of any small run."""
    if arguments.questions:
        return [path_from(suite, Path.cwd()) for suite in arguments.questions]
    if arguments.small:
        return [SMALL_SUITE]
    for suite in reproduction.loaded.suites:
        if not suite.exists():
            raise ConfigError(
                f"the questions of {path.stem!r} are not here: {suite}",
                hint=f"The head of {path} says how to make them; name them by --questions. Or try --small.",
            )
    return list(reproduction.loaded.suites)


def compare(reproduction: Reproduction, store: Path) -> None:
    """Print a store's figures beside the published ones."""
    published, sweep = reproduction.published, reproduction.loaded.sweep
    by, families = needed(published)
    table, facts = read_run(store)
    written = analysis_to_json(analyze(table, facts, by=by, families=families))
    judged = judge(published, written, sweep, table.questions)
    models = dict.fromkeys(card.id for c in plan_sweep(sweep).conditions.values() for card in c.panel.cards)
    console = Console(highlight=False)
    print_published(published, judged, written["run"], list(models), reproduction.stand_ins, console)


if __name__ == "__main__":
    sys.exit(main())
