"""What a store is as arrays: of the run, of a condition, of its turns and of its ballots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from localtable.types import CONFEDERATE, Panel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Small = NDArray[np.int8]
    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]

Table = TypeVar("Table", bound="Ballots | Turns | ConditionTable | Orders | Influences")
Placed = TypeVar("Placed", bound="Orders | Influences")


@dataclass(frozen=True, slots=True)
class SeatColumn:
    """Who sits at one place of a condition's last axis."""

    name: str
    model: str
    """The card's id; `confederate` for a seat that a script plays, which is never asked how good it is."""
    counts: bool = True
    """Whether its vote counts: not every confederate's does."""

    @property
    def is_model(self) -> bool:
        """Whether a model sits there."""
        return self.model != CONFEDERATE


@dataclass(frozen=True, slots=True)
class Ballots:
    """One ballot of each turn, [debates, rounds, seats]; options are places in the question's own order."""

    vote: Small
    """−1 where there is no ballot."""
    distribution: Floats
    """[…, options]: 0 at places that the question has no option for, NaN where there is no distribution."""
    confidence: Floats
    """The probability of the vote; NaN where there is no distribution."""
    tied: Flags
    """The first place was shared exactly, and the vote drawn by the turn's seed."""
    persuaded_by: Small
    """The seat that was named; −1 for its own reasoning and for no change."""
    label_mass: Floats
    """What all labels have together where nothing constrains the answer; NaN where that was not measured."""
    free_asked: Flags
    """The ballot was also answered with nothing constrained."""
    free_vote: Small
    """What the parser reads in that; −1 for nothing."""


@dataclass(frozen=True, slots=True)
class Orders:
    """The ballots that count and were asked in several orders of their options, each order's answer apart.

    A ballot of a question with fewer options may have fewer orders than there are columns.
    """

    where: tuple[Integers, Integers, Integers]
    """[ballots] debate, round and seat, from 0."""
    num_orders: Integers
    """[ballots]"""
    listed: Small
    """[ballots, orders, slots] the option that stands at each slot, under that slot's letter; −1 behind the last."""
    distribution: Floats
    """[ballots, orders, options] by the question's own order; 0 behind its last option, NaN in orders not asked."""


@dataclass(frozen=True, slots=True)
class Influences:
    """What peers were measured to have done to turns that read them (docs/influence.md): a row for each turn, peer and
    kind.
    """

    where: tuple[Integers, Integers, Integers]
    """[rows] debate, round and seat that read, from 0."""
    peer: Small
    """[rows] the seat that was read."""
    total: Flags
    """[rows] through what the reader then says; else direct."""
    value: Floats
    """[rows] how much more probable the peer's own option is with the peer than without."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What is known of each turn beside its ballots, [debates, rounds, seats]; 0 and False where there is none."""

    present: Flags
    position: Small
    """Place in the order in which the next round shows turns, from 1."""
    stated: Small
    """The option that the statement itself names; −1 for none."""
    changed_mind: Flags
    truncated: Flags
    """The statement was cut at its bound."""
    thought: Flags
    """The seat thought before it spoke."""
    thinking_cut: Flags
    """Thinking was ended by its budget."""
    empty: Flags
    """Nothing was said, a second time too."""
    names_letter: Flags
    peers_cut: Small
    """Peers' turns that the seat read shortened."""
    prompt_tokens: Integers
    """Of all steps of the turn; a generation that turns share counts in each."""
    cached_tokens: Integers
    completion_tokens: Integers


@dataclass(frozen=True, slots=True)
class ConditionTable:
    """One condition: the debate, or a control with its own seats and rounds."""

    name: str
    control: str
    """Which control it is, whatever its model: `debate` for none."""
    debate: str
    """The debate that it is, or of which it is a control."""
    levels: Mapping[str, str]
    """In a sweep: its variant's level of each factor."""
    panel: Panel
    """Who sits there and by which rules."""
    seats: tuple[SeatColumn, ...]
    left_out: int
    """Questions that the condition could not ask (noise-peers without a partner): they have no row."""
    max_rounds: int
    """That a debate may have."""
    question: NDArray[np.int32]
    """[debates] place in the table's questions: what debates of one question share."""
    repeat: NDArray[np.int32]
    """[debates] from 0."""
    answer: Integers
    """[debates] the right option; −1 where the question has none."""
    num_options: Integers
    """[debates] of the debate's own question."""
    tags: tuple[tuple[str, ...], ...]
    """[debates] of the question."""
    finished: Flags
    """[debates] a verdict was reached."""
    failed: Flags
    """[debates] given up; a debate that is neither is open."""
    rounds_held: NDArray[np.int32]
    """[debates] before the verdict; 0 without one."""
    turns: Turns
    ballots: Ballots
    """Those that count: after the statement, or before it with `ballot: {at: before}`."""
    before: Ballots | None
    """Those before the statement; None where the run has none."""
    orders: Orders | None
    """Of the ballots that count; None where each was asked in one order."""
    influences: Influences | None
    """None where none was measured."""

    @property
    def num_rounds(self) -> int:
        """The most rounds that any debate has a turn of."""
        return int(self.ballots.vote.shape[1])

    def of(self, debates: NDArray[np.integer]) -> ConditionTable:
        """Some of the debates.

        Args:
            debates: Their rows, ascending.
        """
        return replace(
            _rows_of(self, debates),
            tags=tuple(self.tags[row] for row in debates.tolist()),
            turns=_rows_of(self.turns, debates),
            ballots=_rows_of(self.ballots, debates),
            before=None if self.before is None else _rows_of(self.before, debates),
            orders=None if self.orders is None else _placed_of(self.orders, debates),
            influences=None if self.influences is None else _placed_of(self.influences, debates),
        )


def _rows_of(table: Table, rows: NDArray[np.integer]) -> Table:
    """The same with some rows of every array that stands in a field."""
    import numpy as np

    values = {field.name: getattr(table, field.name) for field in fields(table)}
    taken: Any = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    return cast("Table", replace(cast("Any", table), **taken))


def _placed_of(placed: Placed, debates: NDArray[np.integer]) -> Placed:
    """The same of some debates, which are counted anew."""
    import numpy as np

    mine = np.flatnonzero(np.isin(placed.where[0], debates))
    debate, round_, seat = (axis[mine] for axis in placed.where)
    where = (np.searchsorted(debates, debate), round_, seat)
    return cast("Placed", replace(cast("Any", _rows_of(placed, mine)), where=where))


@dataclass(frozen=True, slots=True)
class RunTable:
    """A whole store."""

    uuid: str
    """The run's."""
    questions: tuple[str, ...]
    """Their ids, in the suite's order."""
    max_options: int
    """Length of every distribution's last axis."""
    conditions: tuple[ConditionTable, ...]
    """Those that were asked for, in the store's order."""
