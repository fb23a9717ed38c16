"""What leaves a store as flat tables: every column with its type, its meaning and where in the store it comes from.

One place for all three: the queries, the schemas of the files (`parquet.py`) and the dictionary in docs/store.md are
made from these lists, so that none can say what another does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from localtable.types import PART_OF_STEP

ColumnType = Literal["string", "bool", "int32", "int64", "double", "timestamp"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its values are what `sql` gives, in Python's form for its type."""

    name: str
    type: ColumnType
    meaning: str
    sql: str
    nullable: bool = False

    @property
    def read(self) -> Callable[[Any], Any] | None:
        """What makes a value of SQLite's the column's own; None where it is that already."""
        return _READ.get(self.type)


_READ: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "double": float,  # exact, also from a number that is still JSON text
    "timestamp": datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Table:
    """One flat table."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    source: str
    """The query from FROM on, in the suite's order; `?1` is a JSON list of conditions, or NULL for all."""
    rows_at_once: int
    """How many rows are in memory together, and make a row group."""

    @property
    def sql(self) -> str:
        """The query that gives the table, row by row."""
        return f"SELECT {', '.join(column.sql for column in self.columns)} {self.source}"


def _tokens(part: str, kind: str) -> Column:
    steps = ", ".join(f"'{step}'" for step, its_part in PART_OF_STEP.items() if its_part == part)
    meanings = {
        "prompt": "prompt tokens of the turn's {}",
        "cached": "those of them whose keys and values were there already",
        "completion": "tokens generated for the turn's {}",
    }
    parts = {"thinking": "thinking", "statement": "statement, a second attempt included", "ballot": "ballots"}
    return Column(
        f"{part}_{kind}_tokens",
        "int64",
        meanings[kind].format(parts[part]),
        f"(SELECT coalesce(sum(generations.{kind}_tokens), 0) FROM steps"
        " JOIN generations ON generations.id = steps.generation"
        f" WHERE steps.turn = turns.id AND steps.step IN ({steps}))",
    )


_DEBATE_KEY = (
    Column("run", "string", "the run's uuid", "run.uuid"),
    Column(
        "prompts_sha256",
        "string",
        "hash of the prompts' wording",
        "coalesce(variants.prompts_sha256, run.prompts_sha256)",
    ),
    Column("question", "string", "the question's id", "questions.name"),
    Column("condition", "string", "`debate`, or the control; in a sweep its variant, too", "conditions.name"),
    Column("repeat", "int32", "from 0", "debates.repeat"),
    Column("state", "string", "of the debate: `finished`, `failed` or `open`", "debates.state"),
)

_TURN_KEY = (
    *_DEBATE_KEY,
    Column("round", "int32", "from 1, the blind one", "turns.round"),
    Column("seat", "string", "the seat's name", "turns.seat"),
    Column("model", "string", "its card's id; `confederate` for a seat that a script plays", "turns.model"),
)

_PARTS = ("thinking", "statement", "ballot")
_AT = Column("at", "string", "`after` or `before` the statement", "ballots.at")
_COUNTS = Column("counts", "bool", "whether it is the turn's vote", "ballots.counts")
_ANSWER = Column("answer", "string", "the right option's letter", "questions.answer", nullable=True)
_NUM_OPTIONS = Column("num_options", "int32", "options of the question", "questions.num_options")

_PERSUADED = Column(
    "persuaded_by",
    "string",
    "the seat that a changed seat names; null for its own reasoning and for no change",
    "ballots.persuaded_by",
    nullable=True,
)
_VOTE = (
    Column("vote", "string", "the letter of the most probable option", "ballots.vote"),
    Column("correct", "bool", "whether the vote is the answer", "ballots.vote = questions.answer", nullable=True),
    Column(
        "confidence",
        "double",
        "the probability of the vote",
        "ballots.distribution -> ('$.' || ballots.vote)",
        nullable=True,
    ),
    _PERSUADED,
)

_ABOVE = (
    " CROSS JOIN run JOIN questions ON questions.id = debates.question"
    " JOIN conditions ON conditions.id = debates.condition"
    " LEFT JOIN variants ON variants.id = conditions.variant"
)
_CHOSEN = " WHERE (?1 IS NULL OR conditions.name IN (SELECT value FROM json_each(?1)))"
# CROSS JOIN fixes the order of the loops: debates outside, so that nothing has to be sorted as a whole.
_TURNS = f"FROM debates{_ABOVE} CROSS JOIN turns ON turns.debate = debates.id"
_BALLOTS = f"{_TURNS} CROSS JOIN ballots ON ballots.turn = turns.id"
_IN_ORDER = " ORDER BY debates.id, turns.round, turns.position"

DEBATES = Table(
    "debates",
    "A row for each debate of the run, unfinished and failed ones too.",
    (
        *_DEBATE_KEY,
        Column("reason", "string", "why it failed", "debates.reason", nullable=True),
        Column(
            "engine",
            "string",
            "`vllm`, `transformers` or `scripted`; `endpoint` where all models are spoken to at servers",
            "run.engine",
        ),
        Column("seed", "int64", "the panel's", "json_extract(coalesce(variants.panel, run.panel), '$.seed')"),
        Column(
            "variant",
            "string",
            "in a sweep: whose debate or control it is",
            "variants.name",
            True,
        ),
        Column("levels", "string", "JSON: the variant's level of each factor", "variants.levels", True),
        Column("question_place", "int32", "the question's place in the suite, from 1", "questions.id"),
        _NUM_OPTIONS,
        Column("options", "string", "JSON: the options' texts, A first", "questions.options"),
        _ANSWER,
        Column("tags", "string", "JSON: the question's tags", "questions.tags"),
        Column(
            "partner",
            "string",
            "noise-peers: the question whose turns were shown",
            "(SELECT other.name FROM debates AS noise JOIN questions AS other ON other.id = noise.question"
            " WHERE noise.id = debates.partner)",
            nullable=True,
        ),
        Column(
            "num_turns",
            "int32",
            "finished turns; of an open or failed debate those so far",
            "(SELECT count(*) FROM turns WHERE turns.debate = debates.id)",
        ),
        Column("rounds", "int32", "rounds held; null, as all that follows, before the verdict", "debates.rounds", True),
        Column("verdict", "string", "`unanimous`, `majority`, `plurality` or `tie`", "debates.verdict", True),
        Column("leading", "string", "JSON: the leading options' letters", "debates.leading", True),
        Column("num_leading", "int32", "how many lead: above 1 on a tie", "json_array_length(debates.leading)", True),
        Column(
            "answer_leads",
            "bool",
            "whether the answer is among the leading options",
            "CASE WHEN debates.leading IS NOT NULL AND questions.answer IS NOT NULL"
            " THEN instr(debates.leading, '\"' || questions.answer || '\"') > 0 END",
            nullable=True,
        ),
        Column("votes", "int32", "votes of each leading option", "debates.votes", True),
        Column("of", "int32", "votes in all", "debates.of", True),
        Column("agreement", "bool", "whether the leading share reached the panel's", "debates.agreement", True),
    ),
    f"FROM debates{_ABOVE}{_CHOSEN} ORDER BY debates.id",
    rows_at_once=16_384,
)

TURNS = Table(
    "turns",
    "A row for each finished turn, with the ballot that counts.",
    (
        *_TURN_KEY,
        Column("position", "int32", "place in the order in which the next round shows turns, from 1", "turns.position"),
        _NUM_OPTIONS,
        _ANSWER,
        _AT,
        *_VOTE,
        Column("stated", "string", "the vote that the statement itself names", "turns.stated", nullable=True),
        Column("changed_mind", "bool", "against the seat's own previous round", "turns.changed_mind"),
        Column("statement", "string", "what was said", "said.text"),
        Column("finish_reason", "string", "of the statement: `stop` or `length`", "turns.finish_reason"),
        Column("truncated", "bool", "whether the statement was cut at its bound", "turns.truncated"),
        Column("attempts", "int32", "2 where an empty statement was asked for once more", "turns.attempts"),
        Column("names_letter", "bool", "whether the statement names a letter unasked", "turns.names_letter"),
        Column("peers_cut", "int32", "peers' turns that this seat read shortened", "turns.peers_cut"),
        Column("reasoning_truncated", "bool", "whether thinking was ended by its budget", "turns.reasoning_truncated"),
        Column("seed", "int64", "of the statement", "turns.seed"),
        Column(
            "prompt_sha256",
            "string",
            "hash of the token ids that the turn continued (4 bytes each, little endian); null for a confederate",
            "(SELECT lower(hex(generations.prompt_sha256)) FROM steps"
            " JOIN generations ON generations.id = steps.generation WHERE steps.turn = turns.id"
            " AND steps.step IN ('thinking', 'statement') ORDER BY steps.number LIMIT 1)",
            nullable=True,
        ),
        *(_tokens(part, kind) for part in _PARTS for kind in ("prompt", "cached", "completion")),
        Column("reused", "bool", "whether no engine worked for it", "turns.reused"),
        Column("finished", "timestamp", "when it was finished, in UTC", "turns.finished"),
    ),
    f"{_BALLOTS} AND ballots.counts = 1 JOIN texts AS said ON said.id = turns.statement{_CHOSEN}{_IN_ORDER}",
    rows_at_once=4_096,  # statements are in it: at 1,000 tokens each about 16 MB
)

BALLOTS = Table(
    "ballots",
    "A row for each ballot: two for a turn with `ballot: {at: both}`.",
    (
        *_TURN_KEY,
        _AT,
        _COUNTS,
        _NUM_OPTIONS,
        _ANSWER,
        *_VOTE,
        Column("tied", "string", "JSON: letters that shared the first place exactly", "ballots.tied"),
        Column("num_tied", "int32", "how many: 0, or above 1", "json_array_length(ballots.tied)"),
        Column(
            "label_mass",
            "double",
            "probability of all letters together, before they are made to sum to 1; where it was measured",
            "ballots.label_mass",
            nullable=True,
        ),
        Column("free_reply", "string", "an unconstrained answer, where it was asked for", "ballots.free_reply", True),
        Column("free_vote", "string", "the letter that the parser makes of it", "ballots.free_vote", True),
        Column(
            "source",
            "string",
            "what the vote was read from: `exact`, or at an endpoint `logprobs`, `structured` or `parsed`",
            "ballots.source",
        ),
        Column(
            "listed_mass",
            "double",
            "of `logprobs`: probability of all letters that the server listed, before they are made to sum to 1",
            "ballots.listed_mass",
            nullable=True,
        ),
        Column(
            "num_orders",
            "int32",
            "in how many orders of the options it was asked",
            "max(1, (SELECT count(*) FROM ballot_orders AS asked"
            " WHERE asked.turn = ballots.turn AND asked.at = ballots.at))",
        ),
    ),
    f"{_BALLOTS}{_CHOSEN}{_IN_ORDER}, ballots.at",
    rows_at_once=16_384,
)

DISTRIBUTIONS = Table(
    "distributions",
    "A row for each ballot, order of its options, and option; asked in several orders, also for their mean.",
    (
        *_TURN_KEY,
        _AT,
        _COUNTS,
        Column(
            "order",
            "int32",
            "which order of the options the ballot showed: 0 is the question's own; null: the mean of several",
            "CASE WHEN part.value THEN NULL ELSE coalesce(asked.number, 0) END",
            nullable=True,
        ),
        Column(
            "place",
            "int32",
            "the option's place in that order, from 1",
            "CASE WHEN part.value THEN NULL WHEN asked.number IS NULL THEN option.key + 1"
            " ELSE instr(asked.listed, char(65 + option.key)) END",
            nullable=True,
        ),
        Column("letter", "string", "the option's letter, in the question's own order", "char(65 + option.key)"),
        Column("option", "string", "its text", "option.value"),
        Column("is_answer", "bool", "whether it is the answer", "char(65 + option.key) = questions.answer", True),
        Column("is_vote", "bool", "whether it is the ballot's vote", "char(65 + option.key) = ballots.vote"),
        Column(
            "probability",
            "double",
            "at temperature 1, before penalties; a ballot's sum to 1",
            "CASE WHEN part.value OR asked.number IS NULL THEN ballots.distribution ELSE asked.distribution END"
            " -> ('$.' || char(65 + option.key))",
            nullable=True,
        ),
    ),
    f"{_BALLOTS} LEFT JOIN ballot_orders AS asked ON asked.turn = ballots.turn AND asked.at = ballots.at"
    " CROSS JOIN json_each('[0,1]') AS part"
    f" CROSS JOIN json_each(questions.options) AS option{_CHOSEN} AND (NOT part.value OR asked.number = 0)"
    f"{_IN_ORDER}, ballots.at, part.value, asked.number, option.key",
    rows_at_once=16_384,
)

INFLUENCES = Table(
    "influences",
    "A row for each measured turn, peer that it read, and kind of influence; docs/influence.md has what they mean.",
    (
        *_TURN_KEY,
        _NUM_OPTIONS,
        _ANSWER,
        Column("peer", "string", "the seat whose turn was replaced by a neutral one", "influences.peer"),
        Column(
            "peer_model",
            "string",
            "its card's id; `confederate` where a script played it",
            "(SELECT read.model FROM turns AS read WHERE read.debate = debates.id AND read.seat = influences.peer"
            " LIMIT 1)",
        ),
        Column("kind", "string", "`direct` or `total`", "influences.kind"),
        Column("option", "string", "the letter that the peer had voted for in what was read", "influences.option"),
        Column(
            "value", "double", "how much more probable the option is with the peer than without", "influences.value"
        ),
        Column(
            "standard_error", "double", "of the mean over samples; null of `direct`", "influences.standard_error", True
        ),
        Column("samples", "int32", "pairs that the value is the mean of", "influences.samples"),
        Column("base", "string", "JSON: the distribution with everybody shown", "influences.base"),
        Column("without", "string", "JSON: the distribution with the peer replaced", "influences.without"),
        Column("changed_mind", "bool", "against the seat's own previous round", "turns.changed_mind"),
        _PERSUADED,
    ),
    f"{_BALLOTS} AND ballots.counts = 1 CROSS JOIN influences ON influences.turn = turns.id{_CHOSEN}{_IN_ORDER},"
    " influences.peer, influences.kind",
    rows_at_once=16_384,
)

TABLES = (DEBATES, TURNS, BALLOTS, DISTRIBUTIONS, INFLUENCES)
