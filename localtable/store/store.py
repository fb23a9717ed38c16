"""The store as the rooms above see it: a run's inputs go in once, turns one by one, and everything comes out again.

Writes gather in one transaction until `commit`, which the runner calls after each tick, before any debate advances.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from localtable.errors import StoreError
from localtable.store import inputs
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
    to_turn,
    unpack,
)
from localtable.store.file import connect, create, translated
from localtable.store.rows import Counts, DebateRow, Generation, Noise, Run, SessionKind, TurnRecord, VariantRow
from localtable.types import PART_OF_STEP, Ballot, FreeReply, OrderedBallot, Question, Turn, Usage, Verdict

MAX_RECENT_TEXTS = 64


class Store:
    """One run's store, open for reading or for writing."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Use `Store.open` or `Store.create`."""
        self.path = path
        self._connection = connection
        self._in_transaction = False
        self._began = ""
        """When the transaction did: the time of everything in it."""
        self._session: int | None = None
        self._texts: dict[str, int] = {}
        """Numbers of texts that were stored last: what seats share comes several times in a row."""

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

    def close(self) -> None:
        """Drop what is not committed and close the file; may be called twice."""
        if self._in_transaction:
            with translated(self.path):
                self._give_up()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def session(self) -> int | None:
        """The session of this process; None where it has begun none."""
        return self._session

    # ── inputs ────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Run:
        """The run's inputs."""
        row = self._row("SELECT * FROM run")
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
        for name, levels, panel, prompts_name, sha256, prompts in self._rows(
            "SELECT name, levels, panel, prompts_name, prompts_sha256, prompts FROM variants ORDER BY id"
        ):
            yield VariantRow(name, json.loads(levels), json.loads(panel), prompts_name, sha256, json.loads(prompts))

    def change_engine(self, kind: str) -> None:
        """Give a run that has no turns yet another engine; committed at once."""
        with self._whole_transaction():
            self._connection.execute("UPDATE run SET engine = ?", (kind,))

    def conditions(self) -> dict[int, tuple[str, int]]:
        """By number: the condition's name, and how many questions it leaves out."""
        return {row[0]: (row[1], row[2]) for row in self._rows("SELECT id, name, left_out FROM conditions ORDER BY id")}

    def questions(self) -> Iterator[Question]:
        """All questions, in the suite's order."""
        for row in self._rows(f"SELECT {QUESTION} FROM questions ORDER BY id"):
            yield to_question(row)

    def questions_sha256(self) -> str:
        """Over all questions as they are stored, in order."""
        with translated(self.path):
            return inputs.questions_sha256(self._connection)

    def option_counts(self) -> list[int]:
        """How many options questions have: each number once."""
        return [row[0] for row in self._rows("SELECT DISTINCT num_options FROM questions ORDER BY 1")]

    def question(self, number: int) -> Question:
        """One question by its place."""
        return to_question(self._row(f"SELECT {QUESTION} FROM questions WHERE id = ?", number))

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
        self._write(
            "UPDATE sessions SET facts = ?, seconds = ?, activations = ?, ended = ? WHERE id = ?",
            (dump(facts), dump(seconds), dump(activations), now() if ended else None, self._session),
        )

    def add_timeline(self, intervals: Iterable[tuple[str, Sequence[int], str, float, float]]) -> None:
        """Keep what this session's engines did: model, devices, phase, and its begin and end in seconds."""
        for model, devices, phase, began, ended in intervals:
            self._write(
                "INSERT INTO timeline VALUES (?, ?, ?, ?, ?, ?)",
                (self._session, model, dump(list(devices)), phase, round(began, 3), round(ended, 3)),
            )

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions, the first one first, as plain data."""
        plain, written = ("id", "uuid", "started", "ended", "kind"), ("facts", "seconds", "activations")
        rows = self._rows(f"SELECT {', '.join(plain + written)} FROM sessions ORDER BY id")
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
        rows = self._rows("SELECT condition, count(*) FROM debates WHERE state = 'open' GROUP BY condition")
        return {row[0]: row[1] for row in rows}

    def open_debates(self, after: int, limit: int) -> list[tuple[int, int]]:
        """The next unfinished debates behind a number, each with its condition."""
        sql = "SELECT id, condition FROM debates WHERE state = 'open' AND id > ? ORDER BY id LIMIT ?"
        return [(row[0], row[1]) for row in self._rows(sql, after, limit)]

    def all_debates(self, state: str | None = None) -> Iterator[DebateRow]:
        """Debates in the suite's order, of one state or of all."""
        where = "" if state is None else "WHERE state = ?"
        arguments = () if state is None else (state,)
        for row in self._rows(f"SELECT {DEBATE} FROM debates {where} ORDER BY id", *arguments):
            yield to_debate(row)

    def debate(self, number: int) -> DebateRow:
        """One debate."""
        return to_debate(self._row(f"SELECT {DEBATE} FROM debates WHERE id = ?", number))

    def finish_debate(self, number: int, verdict: Verdict) -> None:
        """Note a debate's verdict."""
        self._write(
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
        self._write(
            "UPDATE debates SET state = 'failed', reason = ?, session = ? WHERE id = ?", (reason, self._session, number)
        )

    def reopen_failed(self) -> int:
        """Make all failed debates open again, with the turns that they have; nothing is forgotten but the reasons.

        Returns:
            How many there were.
        """
        found = self._write(
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
        cursor = self._write(
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
        turn = record.turn
        with translated(self.path):
            self._begin()
        cursor = self._write(
            "INSERT INTO turns (debate, round, seat, model, position, prompt_shared, prompt_own, statement, reasoning,"
            " reasoning_truncated, stated, changed_mind, finish_reason, truncated, seed, attempts, names_letter,"
            " peers_cut, reused, finished, session)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.debate,
                record.round_number,
                turn.seat,
                record.model,
                turn.position,
                self._text(record.prompt_shared),
                self._text(record.prompt_own),
                self._text(turn.statement),
                None if turn.reasoning is None else self._text(turn.reasoning),
                int(turn.reasoning_truncated),
                turn.stated,
                int(turn.changed_mind),
                turn.finish_reason,
                int(turn.truncated),
                turn.seed,
                turn.attempts,
                int(turn.names_letter),
                turn.peers_cut,
                int(record.reused),
                self._began,
                self._session,
            ),
        )
        number = cursor.lastrowid
        assert number is not None
        steps = [(number, place, step, generation) for place, (step, generation) in enumerate(record.steps)]
        self._connection.executemany("INSERT INTO steps VALUES (?, ?, ?, ?)", steps)
        # A confederate's vote has no step, and stands behind what it says.
        before_counts = bool(record.steps) and all(step != "ballot" for step, _ in record.steps)
        self._ballot(number, "before" if before_counts else "after", turn.ballot, counts=True)
        if turn.ballot_before is not None:
            self._ballot(number, "before", turn.ballot_before, counts=False)

    def _ballot(self, turn: int, at: str, ballot: Ballot, *, counts: bool) -> None:
        self._write(
            "INSERT INTO ballots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                turn,
                at,
                int(counts),
                ballot.vote,
                dump(ballot.tied),
                dump(ballot.distribution),
                ballot.persuaded_by,
                ballot.label_mass,
                ballot.free_reply.text if ballot.free_reply else None,
                ballot.free_reply.vote if ballot.free_reply else None,
                ballot.source,
                ballot.listed_mass,
            ),
        )
        self._connection.executemany(
            "INSERT INTO ballot_orders VALUES (?, ?, ?, ?, ?)",
            [(turn, at, i, "".join(o.order), dump(o.distribution)) for i, o in enumerate(ballot.orders)],
        )

    def _text(self, text: str) -> int:
        known = self._texts.pop(text, None)
        if known is not None:
            self._texts[text] = known  # the latest again: what seats are told stays, what they say goes
            return known
        sha256 = hashlib.sha256(text.encode()).digest()
        cursor = self._write("INSERT OR IGNORE INTO texts (sha256, text) VALUES (?, ?)", (sha256, text))
        number = cursor.lastrowid if cursor.rowcount else None
        if number is None:
            (number,) = self._row("SELECT id FROM texts WHERE sha256 = ?", sha256)
        self._texts[text] = int(number)
        if len(self._texts) > MAX_RECENT_TEXTS:
            del self._texts[next(iter(self._texts))]
        return int(number)

    def turns(self, debate: int) -> list[tuple[int, Turn]]:
        """A debate's finished turns with their rounds, in the order in which they are shown."""
        ballots = self._ballots(debate)
        usage, ids = self._usage(debate)
        return [
            (row[1], to_turn(row, ballots[row[0]], usage.get(row[0], {}), ids.get(row[0])))
            for row in self._rows(
                "SELECT turns.id, round, seat, position, said.text, thought.text, reasoning_truncated, stated,"
                " changed_mind, finish_reason, truncated, seed, attempts, names_letter, peers_cut"
                " FROM turns JOIN texts AS said ON said.id = statement"
                " LEFT JOIN texts AS thought ON thought.id = reasoning WHERE debate = ? ORDER BY round, position",
                debate,
            )
        ]

    def _ballots(self, debate: int) -> dict[int, dict[bool, Ballot]]:
        found: dict[int, dict[bool, Ballot]] = {}
        orders: dict[tuple[int, str], list[OrderedBallot]] = {}
        of_debate = "WHERE turn IN (SELECT id FROM turns WHERE debate = ?)"
        for turn, at, listed, distribution in self._rows(
            f"SELECT turn, at, listed, distribution FROM ballot_orders {of_debate} ORDER BY turn, at, number", debate
        ):
            answer = OrderedBallot(tuple(listed), json.loads(distribution))
            orders.setdefault((turn, at), []).append(answer)
        for turn, at, counts, vote, tied, distribution, by, mass, reply, reply_vote, *source in self._rows(
            "SELECT turn, at, counts, vote, tied, distribution, persuaded_by, label_mass, free_reply, free_vote,"
            " source, listed_mass"
            f" FROM ballots {of_debate}",
            debate,
        ):
            ballot = Ballot(
                vote,
                json.loads(distribution),
                tuple(json.loads(tied)),
                by,
                mass,
                tuple(orders.get((turn, at), ())),
                None if reply is None else FreeReply(reply, reply_vote),
                *source,
            )
            found.setdefault(turn, {})[bool(counts)] = ballot
        return found

    def _usage(self, debate: int) -> tuple[dict[int, dict[str, Usage]], dict[int, tuple[int, ...]]]:
        usage: dict[int, dict[str, Usage]] = {}
        ids: dict[int, tuple[int, ...]] = {}
        for turn, step, prompt, cached, completion, packed in self._rows(
            "SELECT turns.id, step, prompt_tokens, cached_tokens, completion_tokens, token_ids FROM turns"
            " JOIN steps ON steps.turn = turns.id JOIN generations ON generations.id = generation"
            " WHERE debate = ? ORDER BY turns.id, number",
            debate,
        ):
            part = PART_OF_STEP[step]
            parts = usage.setdefault(turn, {})
            parts[part] = parts.get(part, Usage()) + Usage(prompt, cached, completion)
            if step == "statement":
                ids[turn] = unpack(packed)
        return usage, ids

    # ── counts ────────────────────────────────────────────────────────────────────────────────────────────

    def counts(self) -> Counts:
        """How far the run is, and what was generated for it; what was measured behind it is not of it."""
        debates = {"open": 0, "finished": 0, "failed": 0}
        debates |= dict(self._rows("SELECT state, count(*) FROM debates GROUP BY state"))
        turns, reused = self._row("SELECT count(*), coalesce(sum(reused), 0) FROM turns")
        (ballots,) = self._row("SELECT count(*) FROM ballots")
        tokens = self._row(
            f"SELECT {TOKENS} FROM generations WHERE origin IS NULL"
            " AND session NOT IN (SELECT id FROM sessions WHERE kind <> 'run')"
        )
        return Counts(debates, turns, reused, ballots, *tokens)

    # ── SQL ───────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self) -> None:
        """Make what was written since the last time durable."""
        if self._in_transaction:
            with translated(self.path):
                try:
                    self._connection.execute("COMMIT")
                except sqlite3.Error:
                    self._give_up()
                    raise
            self._in_transaction = False

    def query(self, sql: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, for the rooms that read stores."""
        return self._rows(sql, *arguments)

    def write(self, sql: str, arguments: Sequence[Any]) -> int | None:
        """Change a row, or add one; for the other files of this room.

        Returns:
            The number of the row that was added last.
        """
        return self._write(sql, arguments).lastrowid

    @contextmanager
    def _whole_transaction(self) -> Iterator[None]:
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")

    def _write(self, sql: str, arguments: Sequence[Any]) -> sqlite3.Cursor:
        with translated(self.path):
            self._begin()
            try:
                return self._connection.execute(sql, arguments)
            except sqlite3.Error:
                self._give_up()
                raise

    def _begin(self) -> None:
        if not self._in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
            self._in_transaction = True
            self._began = now()

    def _give_up(self) -> None:
        """Drop what is not committed: SQLite has done so already on a full disk."""
        self._in_transaction = False
        self._texts.clear()
        if self._connection.in_transaction:
            self._connection.rollback()

    def _rows(self, sql: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        with translated(self.path):
            yield from self._connection.execute(sql, arguments)

    def _row(self, sql: str, *arguments: Any) -> tuple[Any, ...]:
        with translated(self.path):
            row: tuple[Any, ...] | None = self._connection.execute(sql, arguments).fetchone()
        if row is None:
            raise StoreError(
                f"{self.path} lacks a row that others refer to: {sql} {arguments}",
                hint=f"`localtable verify {self.path}` says what else is wrong.",
            )
        return row
