"""A run's inputs on their way into its store: questions, the run's own row, its variants, a row for every debate."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence

from localtable.errors import ConfigError
from localtable.seeds import derive
from localtable.store.conversion import dump, now
from localtable.store.rows import Noise, Run
from localtable.types import Question


def insert_questions(connection: sqlite3.Connection, questions: Iterable[Question]) -> None:
    """Number the questions from 1, in their order.

    Raises:
        ConfigError: An id stands twice, or there is no question.
    """
    count = 0
    for question in questions:
        row = (
            question.id,
            question.question,
            dump(question.options),
            len(question.options),
            question.context,
            question.answer,
            dump(question.tags),
        )
        try:
            connection.execute(
                "INSERT INTO questions (name, question, options, num_options, context, answer, tags)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        except sqlite3.IntegrityError:
            raise ConfigError(
                f"the id {question.id!r} stands twice among the questions", hint="Ids are unique in a run."
            ) from None
        count += 1
    if count == 0:
        raise ConfigError("the suite holds no question", hint="One question a line, as JSON.")


def insert_run(connection: sqlite3.Connection, run: Run) -> None:
    """The run's row, after the questions: their hash is part of it."""
    connection.execute(
        "INSERT INTO run VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.uuid or uuid.uuid4().hex,
            run.created or now(),
            run.engine,
            dump(run.panel),
            dump(run.cards),
            dump(run.weights),
            run.prompts_name,
            run.prompts_sha256,
            dump(run.prompts),
            dump(run.controls),
            run.repeats,
            questions_sha256(connection),
            run.shard,
            run.num_shards,
            None if run.sweep is None else dump(run.sweep),
        ),
    )
    connection.executemany(
        "INSERT INTO variants (name, levels, panel, prompts_name, prompts_sha256, prompts) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (v.name, dump(v.levels), dump(v.panel), v.prompts_name, v.prompts_sha256, dump(v.prompts))
            for v in run.variants
        ],
    )


def questions_sha256(connection: sqlite3.Connection) -> str:
    """Over all questions, in order."""
    digest = hashlib.sha256()
    columns = "name, question, options, context, answer, tags"
    for row in connection.execute(f"SELECT {columns} FROM questions ORDER BY id"):
        digest.update(dump(row).encode())
    return digest.hexdigest()


def insert_debates(
    connection: sqlite3.Connection,
    run: Run,
    conditions: Sequence[str],
    variants: Mapping[str, str],
    noise: Iterable[Noise],
) -> None:
    """A row for every condition, and for every question, repeat and condition of the run's shard."""
    connection.executemany(
        "INSERT INTO conditions (name, variant) VALUES (?, (SELECT id FROM variants WHERE name = ?))",
        [(name, variants.get(name)) for name in conditions],
    )
    # Question by question: what shares a prefix, or whole first rounds, is then met together.
    connection.execute(
        "WITH RECURSIVE repeats (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM repeats WHERE n + 1 < :repeats)"
        " INSERT INTO debates (id, question, condition, repeat)"
        " SELECT ((questions.id - 1) * :repeats + n) * :conditions + conditions.id, questions.id, conditions.id, n"
        " FROM questions, repeats, conditions WHERE (questions.id - 1) % :shards = :shard - 1 ORDER BY 1",
        {"repeats": run.repeats, "conditions": len(conditions), "shards": run.num_shards, "shard": run.shard},
    )
    for pairs in noise:
        _pair(connection, pairs)


def _pair(connection: sqlite3.Connection, noise: Noise) -> None:
    """Give every debate of a noise condition a partner among the questions with as many options.

    The questions of a group stand in a ring in an order drawn from the seed, and each takes the next one's turns:
    a derangement, whatever the group's size. Who is alone in its group is left out and counted.
    """
    connection.create_function("drawn", 1, lambda name: derive("noise", noise.seed, name), deterministic=True)
    numbers = "SELECT id FROM conditions WHERE name = ?"
    ((condition,), (debate,)) = (connection.execute(numbers, (name,)).fetchone() for name in noise[:2])
    connection.execute(
        "WITH placed AS (SELECT id, num_options, drawn(name) AS place FROM questions),"
        " ring AS (SELECT id, coalesce(lead(id) OVER same, first_value(id) OVER same) AS next"
        "  FROM placed WINDOW same AS (PARTITION BY num_options ORDER BY place, id"
        "  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))"
        " UPDATE debates SET partner = (SELECT plain.id FROM ring"
        "  JOIN debates AS plain ON plain.question = ring.next AND plain.condition = ?"
        "  AND plain.repeat = debates.repeat WHERE ring.id = debates.question AND ring.next <> ring.id)"
        " WHERE condition = ?",
        (debate, condition),
    )
    alone = "partner IS NULL AND condition = ?1"
    connection.execute(
        f"UPDATE conditions SET left_out = (SELECT count(*) FROM debates WHERE {alone}) WHERE id = ?1", (condition,)
    )
    connection.execute(f"DELETE FROM debates WHERE {alone}", (condition,))
