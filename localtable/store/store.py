"""The store as the rooms above see it: a run's inputs go in once, turns one by one, and everything comes out again.

Writes gather in one transaction until `commit`, which the runner calls after each tick, before any debate advances.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from localtable.store import inputs
from localtable.store.connection import Connection
from localtable.store.conversion import (
    DEBATE,
    GENERATION,
    QUESTION,
    TOKENS,
    dump,
    now,
    pack,
    to_debate,
    to_generation,
    to_question,
)
from localtable.store.file import connect, create, translated
from localtable.store.rows import Counts, DebateRow, Generation, Noise, Run, SessionKind, TurnRecord, VariantRow
from localtable.store.turns import RecentTexts, insert_turn, turns_of
from localtable.types import Question, Turn, Verdict


class Store(Connection):
    """One run's store, open for reading or for writing."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Use `Store.open` or `Store.create`."""
        super().__init__(connection, path)
        self._session: int | None = None
        self._texts = RecentTexts()

    @classmethod
    def open(cls, path: Path, *, write: bool) -> Self:
        """A store that holds a run.

        Raises:
            ConfigError: There is none, it is of a newer version, or it is read-only and to be written.
            StoreError: It is damaged.
        """
        return cls(connect(path, write=write), path)

    @classmethod
    def create(
        cls,
        path: Path,
        run: Run,
        questions: Iterable[Question],
        conditions: Sequence[str],
        *,
        variants: Mapping[str, str] | None = None,
        noise: Iterable[Noise] = (),
    ) -> Self:
        """A new store with a run's inputs and a row for every debate, all of it or nothing.

        Args:
            path: Of the file.
            run: The inputs but for the questions.
            questions: Read one by one; their place is their number.
            conditions: Names, the debate first.
            variants: In a sweep: by condition the variant that it belongs to.
            noise: Conditions whose debates take their peers' turns from another question's.

        Raises:
            ConfigError: The place can't be written; a question's id stands twice; there is no question.
        """
        store = cls(create(path), path)
        with store._whole_transaction():
            inputs.insert_questions(store._connection, questions)
            inputs.insert_run(store._connection, run)
            inputs.insert_debates(store._connection, run, conditions, variants or {}, noise)
        return store

    @property
    def session(self) -> int | None:
        """The session of this process; None where it has begun none."""
        return self._session

    # ── inputs ────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Run:
        """The run's inputs."""
        row = self.row("SELECT * FROM run")
        return Run(
            uuid=row[1],
            created=row[2],
            engine=row[3],
            panel=json.loads(row[4]),
            cards=json.loads(row[5]),
            weights=json.loads(row[6]),
            prompts_name=row[7],
            prompts_sha256=row[8],
            prompts=json.loads(row[9]),
            controls=tuple(json.loads(row[10])),
            repeats=row[11],
            questions_sha256=row[12],
            shard=row[13],
            num_shards=row[14],
            sweep=None if row[15] is None else json.loads(row[15]),
            variants=tuple(self._variants()),
        )

    def _variants(self) -> Iterator[VariantRow]:
        for name, levels, panel, prompts_name, sha256, prompts in self.query(
            "SELECT name, levels, panel, prompts_name, prompts_sha256, prompts FROM variants ORDER BY id"
        ):
            yield VariantRow(name, json.loads(levels), json.loads(panel), prompts_name, sha256, json.loads(prompts))

    def change_engine(self, kind: str) -> None:
        """Give a run that has no turns yet another engine; committed at once."""
        with self._whole_transaction():
            self._connection.execute("UPDATE run SET engine = ?", (kind,))

    def conditions(self) -> dict[int, tuple[str, int]]:
        """By number: the condition's name, and how many questions it leaves out."""
        return {row[0]: (row[1], row[2]) for row in self.query("SELECT id, name, left_out FROM conditions ORDER BY id")}

    def questions(self) -> Iterator[Question]:
        """All questions, in the suite's order."""
        for row in self.query(f"SELECT {QUESTION} FROM questions ORDER BY id"):
            yield to_question(row)

    def questions_sha256(self) -> str:
        """Over all questions as they are stored, in order."""
        with translated(self.path):
            return inputs.questions_sha256(self._connection)

    def option_counts(self) -> list[int]:
        """How many options questions have: each number once."""
        return [row[0] for row in self.query("SELECT DISTINCT num_options FROM questions ORDER BY 1")]

    def question(self, number: int) -> Question:
        """One question by its place."""
        return to_question(self.row(f"SELECT {QUESTION} FROM questions WHERE id = ?", number))

    # ── sessions ──────────────────────────────────────────────────────────────────────────────────────────

    def begin_session(self, facts: Mapping[str, Any], kind: SessionKind = "run") -> int:
        """Note that a process works on the run from now on; committed at once."""
        with self._whole_transaction():
            cursor = self._connection.execute(
                "INSERT INTO sessions (uuid, started, facts, kind) VALUES (?, ?, ?, ?)",
                (uuid.uuid4().hex, now(), dump(facts), kind),
            )
        self._session = cursor.lastrowid
        assert self._session is not None
        return self._session

    def update_session(
        self,
        facts: Mapping[str, Any],
        seconds: Mapping[str, float],
        activations: Mapping[str, int],
        *,
        ended: bool,
    ) -> None:
        """What is known of the session by now."""
        self.write(
            "UPDATE sessions SET facts = ?, seconds = ?, activations = ?, ended = ? WHERE id = ?",
            (dump(facts), dump(seconds), dump(activations), now() if ended else None, self._session),
        )

    def add_timeline(self, intervals: Iterable[tuple[str, Sequence[int], str, float, float]]) -> None:
        """Keep what this session's engines did: model, devices, phase, and its begin and end in seconds."""
        for model, devices, phase, began, ended in intervals:
            self.write(
                "INSERT INTO timeline VALUES (?, ?, ?, ?, ?, ?)",
                (self._session, model, dump(list(devices)), phase, round(began, 3), round(ended, 3)),
            )

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions, the first one first, as plain data."""
        plain, written = ("id", "uuid", "started", "ended", "kind"), ("facts", "seconds", "activations")
        rows = self.query(f"SELECT {', '.join(plain + written)} FROM sessions ORDER BY id")
        return [
            dict(zip(plain, row, strict=False)) | dict(zip(written, map(json.loads, row[len(plain) :]), strict=True))
            for row in rows
        ]

    # ── debates ───────────────────────────────────────────────────────────────────────────────────────────

    def num_open(self) -> int:
        """How many debates are unfinished."""
        return sum(self.num_open_by_condition().values())

    def num_open_by_condition(self) -> dict[int, int]:
        """How many debates of each condition are unfinished."""
        rows = self.query("SELECT condition, count(*) FROM debates WHERE state = 'open' GROUP BY condition")
        return {row[0]: row[1] for row in rows}

    def open_debates(self, after: int, limit: int) -> list[tuple[int, int]]:
        """The next unfinished debates behind a number, each with its condition."""
        sql = "SELECT id, condition FROM debates WHERE state = 'open' AND id > ? ORDER BY id LIMIT ?"
        return [(row[0], row[1]) for row in self.query(sql, after, limit)]

    def all_debates(self, state: str | None = None) -> Iterator[DebateRow]:
        """Debates in the suite's order, of one state or of all."""
        where = "" if state is None else "WHERE state = ?"
        arguments = () if state is None else (state,)
        for row in self.query(f"SELECT {DEBATE} FROM debates {where} ORDER BY id", *arguments):
            yield to_debate(row)

    def debate(self, number: int) -> DebateRow:
        """One debate."""
        return to_debate(self.row(f"SELECT {DEBATE} FROM debates WHERE id = ?", number))

    def finish_debate(self, number: int, verdict: Verdict) -> None:
        """Note a debate's verdict."""
        self.write(
            "UPDATE debates SET state = 'finished', rounds = ?, verdict = ?, leading = ?, votes = ?, of = ?,"
            " agreement = ?, session = ? WHERE id = ?",
            (
                verdict.rounds,
                verdict.kind,
                dump(verdict.options),
                verdict.votes,
                verdict.of,
                int(verdict.agreement),
                self._session,
                number,
            ),
        )

    def fail_debate(self, number: int, reason: str) -> None:
        """Note that a debate can't be finished; it is kept and counted, and no other takes its place."""
        self.write(
            "UPDATE debates SET state = 'failed', reason = ?, session = ? WHERE id = ?", (reason, self._session, number)
        )

    def reopen_failed(self) -> int:
        """Make all failed debates open again, with the turns that they have; nothing is forgotten but the reasons.

        Returns:
            How many there were.
        """
        found = self.write(
            "UPDATE debates SET state = 'open', reason = NULL, session = NULL WHERE state = 'failed'", ()
        ).rowcount
        self.commit()
        return found

    # ── generations ───────────────────────────────────────────────────────────────────────────────────────

    def find_generation(self, sha256: bytes) -> tuple[int, Generation] | None:
        """What an engine gave for an equal request, if any did."""
        row = self._connection.execute(f"SELECT id, {GENERATION} FROM generations WHERE key = ?", (sha256,)).fetchone()
        return None if row is None else (row[0], to_generation(row[1:]))

    def add_generation(self, generation: Generation) -> int:
        """Keep what an engine gave.

        Returns:
            Its number.
        """
        key = generation.key
        cursor = self.write(
            f"INSERT INTO generations ({GENERATION}, session)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key.sha256,
                generation.model,
                key.identity,
                key.request_sha256,
                key.prompt_sha256,
                key.seed,
                generation.prompt_tokens,
                generation.cached_tokens,
                generation.completion_tokens,
                pack(generation.token_ids),
                generation.finish_reason,
                generation.stop_token_id,
                dump(generation.logprobs),
                generation.seconds,
                generation.origin,
                dump(generation.preempted_at),
                self._session,
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    # ── turns ─────────────────────────────────────────────────────────────────────────────────────────────

    def add_turn(self, record: TurnRecord) -> None:
        """Keep a finished turn."""
        insert_turn(self, self._texts, record, self._session)

    def turns(self, debate: int) -> list[tuple[int, Turn]]:
        """A debate's finished turns with their rounds, in the order in which they are shown."""
        return turns_of(self, debate)

    # ── counts ────────────────────────────────────────────────────────────────────────────────────────────

    def counts(self) -> Counts:
        """How far the run is, and what was generated for it; what was measured behind it is not of it."""
        debates = {"open": 0, "finished": 0, "failed": 0}
        debates |= dict(self.query("SELECT state, count(*) FROM debates GROUP BY state"))
        turns, reused = self.row("SELECT count(*), coalesce(sum(reused), 0) FROM turns")
        (ballots,) = self.row("SELECT count(*) FROM ballots")
        tokens = self.row(
            f"SELECT {TOKENS} FROM generations WHERE origin IS NULL"
            " AND session NOT IN (SELECT id FROM sessions WHERE kind <> 'run')"
        )
        return Counts(debates, turns, reused, ballots, *tokens)

    def _give_up(self) -> None:
        super()._give_up()
        self._texts.forget()
