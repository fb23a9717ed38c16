"""A study as a user makes it: files of YAML, the public commands, what they print as JSON.

Only who answers is not a model: scripted seats whose behaviour is known, so that it is known too what has to be found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from command_line import run_command

OPTIONS = ("Paris", "Rome", "Oslo", "Bern", "Riga")
SAID = "So it seems to me."
"""What scripted seats say: as many tokens for all, and no option named."""
ASKED = 16
"""Questions of a study: as many as the sign-flip test goes through all signs of."""
SURELY = 2 / 2**ASKED
"""Its p-value where all of them differ alike: two of all ways to flip their signs are as far out."""


@dataclass
class Study:
    """A folder with a suite, a panel or a sweep, a script, and the store of what was held."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    questions: list[dict[str, Any]] = field(default_factory=list)

    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(dedent(text), encoding="utf-8")

    def ask(
        self, count: int = ASKED, num_options: int = 3, *, answer: str | None = None, **keys: Sequence[Any]
    ) -> None:
        """A suite of so many questions.

        Args:
            count: Of questions.
            num_options: Of each; no other question has the same texts.
            answer: Of all of them; if not given, each option is the right one in turn.
            keys: Further keys of the questions, a value for each.
        """
        self.questions = [
            {
                "id": f"q{n}",
                "question": f"Which is number {n}?",
                "options": [f"{option} {n}" for option in OPTIONS[:num_options]],
                "answer": answer or "ABCDE"[n % num_options],
                **{key: values[n] for key, values in keys.items()},
            }
            for n in range(count)
        ]
        lines = (json.dumps(question) for question in self.questions)
        self.write("suite.jsonl", "".join(f"{line}\n" for line in lines))

    def play(self, *turns: Iterable[Mapping[str, Any]]) -> None:
        """Write the script: of turns that fit the first is played."""
        script = [dict(turn) for some in turns for turn in some]
        self.write("script.yaml", yaml.safe_dump({"turns": json.loads(json.dumps(script))}))

    def votes(
        self,
        seat: str | None,
        *by_round: str,
        on: Sequence[Mapping[str, Any]] | None = None,
        sure: float = 0.8,
        **keys: Any,
    ) -> list[dict[str, Any]]:
        """A seat's turns: what it votes for before anything that it follows.

        Args:
            seat: Its name; None for every seat.
            by_round: `right`, or `wrong`, `wrong2` and so on for the options behind the right one; one for all rounds.
            on: Some of the questions.
            sure: What its vote has of the probability; the other options share the rest.
            keys: Of the script's turns.
        """
        found = []
        asked = self.questions if on is None else on
        all_alike = on is None and len({question["answer"] for question in asked}) == 1
        for question in asked[:1] if all_alike else asked:
            for number, kind in enumerate(by_round, start=1):
                where = {
                    "question": None if all_alike else question["id"],
                    "seat": seat,
                    "round": number if len(by_round) > 1 else None,
                }
                turn = {"distribution": _shares(question, kind, sure), "statement": SAID, **keys}
                found.append({**{key: at for key, at in where.items() if at is not None}, **turn})
        return found

    # ── commands ──────────────────────────────────────────────────────────────────────────────────────────

    def suite(self, *controls: str) -> None:
        """`localtable suite`, with controls beside the debate."""
        beside = [argument for control in controls for argument in ("--control", control)]
        self._hold("suite", "suite.jsonl", "-p", "panel.yaml", *beside)

    def sweep(self) -> None:
        self._hold("sweep", "sweep.yaml")

    def _hold(self, *command: str) -> None:
        engine = ("--engine", "scripted", "--engine-arg", "script=script.yaml")
        ended = run_command(self.capsys, *command, "--store", "run.db", *engine, "--strict", "--quiet")
        assert ended.code == 0, ended.err

    def analyze(self, *options: str) -> Figures:
        return Figures(self._json("analyze", "run.db", *options))

    def tally(self, *options: str) -> Any:
        """What `localtable tally` says of the debate's rules, by the rule."""
        (condition,) = self._json("tally", "run.db", *options)["conditions"]
        return {rule["rule"]: rule for rule in condition["rules"]} | {"disagreement": condition["disagreement"]}

    def _json(self, *command: str) -> Any:
        ended = run_command(self.capsys, *command, "--json", "-")
        assert ended.code == 0, ended.err
        return json.loads(ended.out)


def _shares(question: Mapping[str, Any], kind: str, sure: float) -> dict[str, float]:
    letters = "ABCDE"[: len(question["options"])]
    behind = 0 if kind == "right" else int(kind.removeprefix("wrong") or 1)
    vote = letters[(letters.index(question["answer"]) + behind) % len(letters)]
    rest = (1 - sure) / (len(letters) - 1)
    return {letter: sure if letter == vote else rest for letter in letters}


@dataclass(frozen=True)
class Figures:
    """What `localtable analyze --json` has said."""

    data: Mapping[str, Any]

    def figure(self, name: str, **by: Any) -> Any:
        """The one of exactly this; the condition is the debate unless said."""
        wanted = {"condition": "debate", **by}
        (found,) = [figure for figure in self.data["metrics"] if figure["name"] == name and figure["by"] == wanted]
        return found

    def value(self, name: str, **by: Any) -> float:
        found = self.figure(name, **by)
        assert found["value"] is not None, found["reason"]
        return float(found["value"])

    def test(self, name: str) -> Any:
        """A comparison by its name."""
        (found,) = [test for test in self.data["tests"] if test["name"] == name]
        return found
