"""What stands outside the debates: the file, the inputs, texts and generations by their hashes, pairs, sessions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localtable.errors import ConfigError
from localtable.protocol import Condition, debate_of
from localtable.runner.keys import combine
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import UNREADABLE
from localtable.runner.wordings import parse_kept
from localtable.store import Run, Store, VariantRow
from localtable.store.merging import shards_of
from localtable.types import LETTERS, variant_name

ROUNDING_S = 0.01
"""Seconds by which the parts of a session may miss their sum: each is rounded to a thousandth."""


def check_file(store: Store) -> Iterator[Disagreement]:
    """SQLite's own checks."""
    for (said,) in store.query("PRAGMA integrity_check"):
        if said != "ok":
            yield Disagreement("the file", "integrity_check", said, "ok", "a whole file says")
    for table, row, parent, _ in store.query("PRAGMA foreign_key_check"):
        yield Disagreement(f"{table} {row}", f"reference to {parent}", "a row", "none", f"{parent} has")


def check_inputs(store: Store, run: Run, conditions: Mapping[int, Condition]) -> Iterator[Disagreement]:
    """The inputs against their hashes, and the rows that follow from them."""
    yield from _check_wording("run", run)
    yield from _check_variants(store, run, conditions)
    yield from compare("run", "questions_sha256", run.questions_sha256, store.questions_sha256(), "the questions have")
    for number, name, options, num_options, answer in store.query(
        "SELECT id, name, options, num_options, answer FROM questions ORDER BY id"
    ):
        try:
            letters = LETTERS[: len(json.loads(options))]
        except UNREADABLE:
            yield Disagreement(f"question {number} ({name})", "options", options, "a list", "a question has")
            continue
        yield from compare(f"question {number} ({name})", "num_options", num_options, len(letters), "the options say")
        if answer is not None and answer not in [*letters]:
            yield Disagreement(f"question {number} ({name})", "answer", answer, [*letters], "the options have")
    there = {number: name for number, (name, _) in store.conditions().items()}
    named = {number: condition.name for number, condition in conditions.items()}
    yield from compare("conditions", "names", there, named, "the panel and the controls say")
    yield from _check_numbers(store, run, conditions)
    yield from _check_partners(store, conditions)


def _check_wording(where: str, row: Run | VariantRow) -> Iterator[Disagreement]:
    """A wording against its hash."""
    try:
        wording = parse_kept(row.prompts, where)
        yield from compare(where, "prompts_sha256", row.prompts_sha256, wording.sha256, "the prompts have")
        yield from compare(where, "prompts_name", row.prompts_name, wording.name, "the prompts say")
    except (ConfigError, ValueError) as error:
        yield Disagreement(where, "prompts", f"{error}", "a wording", "a run has")


def _check_variants(store: Store, run: Run, conditions: Mapping[int, Condition]) -> Iterator[Disagreement]:
    """A sweep's variants: their names and levels, their wordings, which conditions are theirs."""
    factors = {} if run.sweep is None else run.sweep["factors"]
    for variant in run.variants:
        where = f"variant {variant.name}"
        yield from compare(where, "factors", list(variant.levels), list(factors), "the sweep has")
        for factor, level in variant.levels.items():
            if level not in factors.get(factor, {}):
                yield Disagreement(where, f"level of {factor}", level, list(factors.get(factor, {})), "the sweep has")
        yield from compare(where, "name", variant.name, variant_name(variant.levels), "its levels say")
        yield from _check_wording(where, variant)
    for variant in run.variants[:1]:
        for fact in ("panel", "prompts_sha256", "prompts_name"):
            yield from compare("run", fact, getattr(run, fact), getattr(variant, fact), "the baseline has")
    there = {
        number: name
        for number, name in store.query(
            "SELECT conditions.id, variants.name FROM conditions LEFT JOIN variants ON variants.id = variant ORDER BY 1"
        )
    }
    due = {number: condition.debate if run.variants else None for number, condition in conditions.items()}
    yield from compare("conditions", "variants", there, due, "the sweep says")


def _check_numbers(store: Store, run: Run, conditions: Mapping[int, Condition]) -> Iterator[Disagreement]:
    """Which debates there are."""
    there = shards_of(store)
    place = "((question - 1) * ? + repeat) * ? + condition"
    for debate, number in store.query(
        f"SELECT id, {place} FROM debates WHERE id <> {place}", *(run.repeats, len(conditions)) * 2
    ):
        yield Disagreement(f"debate {debate}", "number", debate, number, "its question, condition and repeat say")
    held = sum(
        count
        for shard, count in store.query(
            "SELECT (id - 1) % ? + 1, count(*) FROM questions GROUP BY 1 ORDER BY 1", run.num_shards
        )
        if shard in there
    )
    debates = dict(store.query("SELECT condition, count(*) FROM debates GROUP BY condition"))
    for number, (name, left_out) in store.conditions().items():
        expected = held * run.repeats - left_out
        yield from compare(f"condition {name}", "debates", debates.get(number, 0), expected, "the questions say")


def _check_partners(store: Store, conditions: Mapping[int, Condition]) -> Iterator[Disagreement]:
    """Noise comes from the debate on another question, with as many options, and from each at most once."""
    noise = {number: debate_of(conditions, number) for number, condition in conditions.items() if condition.noise}
    for (debate,) in store.query(
        "SELECT id FROM debates WHERE (partner IS NOT NULL) <> (condition IN (SELECT value FROM json_each(?)))"
        " ORDER BY id",
        json.dumps(list(noise)),
    ):
        yield Disagreement(f"debate {debate}", "partner", "one or none", "the other", "its condition wants")
    for debate, partner in store.query(
        "SELECT debates.id, debates.partner FROM debates JOIN questions ON questions.id = debates.question"
        " LEFT JOIN debates AS other ON other.id = debates.partner"
        " LEFT JOIN questions AS asked ON asked.id = other.question WHERE debates.partner IS NOT NULL"
        " AND (other.condition IS NOT (?1 ->> ('$.' || debates.condition)) OR other.repeat IS NOT debates.repeat"
        "  OR other.question = debates.question OR asked.num_options IS NOT questions.num_options) ORDER BY debates.id",
        json.dumps(noise),
    ):
        fits = "the plain debate on another question, same repeat, as many options"
        yield Disagreement(f"debate {debate}", "partner", partner, fits, "its noise is")
    for partner, count in store.query(
        "SELECT partner, count(*) FROM debates WHERE partner IS NOT NULL GROUP BY partner HAVING count(*) > 1"
    ):
        yield Disagreement(f"debate {partner}", "debates that it is noise for", count, 1, "it may be noise for")


def check_hashes(store: Store) -> Iterator[Disagreement]:
    """Every text and every generation against the hash that it goes by."""
    for number, sha256, text in store.query("SELECT id, sha256, text FROM texts ORDER BY id"):
        yield from compare(f"text {number}", "sha256", sha256, hashlib.sha256(text.encode()).digest(), "the text has")
    for number, key, *parts in store.query(
        "SELECT id, key, identity, request_sha256, prompt_sha256, seed FROM generations ORDER BY id"
    ):
        identity, request, prompt, seed = parts
        yield from compare(
            f"generation {number}", "key", key, combine(identity, request, prompt, seed), "its parts have"
        )


def check_sessions(store: Store, sessions: Sequence[Mapping[str, Any]], run: Run) -> Iterator[Disagreement]:
    """Sessions against what was done in them."""
    for session in sessions:
        where = f"session {session['id']}"
        if "engine" in session["facts"]:
            yield from compare(where, "engine", session["facts"]["engine"], run.engine, "the run says")
        seconds = session["seconds"]
        parts = [seconds.get(name, 0.0) for name in ("generating", "loading", "outside_engines")]
        if seconds and abs(seconds.get("total", 0.0) - sum(parts)) > ROUNDING_S:
            yield Disagreement(where, "seconds in all", seconds.get("total"), round(sum(parts), 3), "its parts say")
        if session["ended"] is None:
            continue  # killed: its counts may be older than its last turns
        for model, count in store.query(
            "SELECT model, count(*) FROM generations WHERE session = ? AND origin IS NULL GROUP BY model", session["id"]
        ):
            if not session["activations"].get(model, 0):
                yield Disagreement(where, f"activations of {model}", 0, f"1 or more ({count} answers)", "it gave")
