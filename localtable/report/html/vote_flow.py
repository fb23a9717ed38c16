"""How votes went from option to option: a column of blocks for each round, a band for each group that went together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localtable.report.view import DebateView, Option, RoundView

UNIT = 34.0
"""Height of one vote."""
GAP = 14.0
"""Between options."""
BLOCK, STEP = 16.0, 230.0
"""Width of a block, and from one round's blocks to the next one's."""
TOP, LEFT = 30.0, 8.0


@dataclass(frozen=True, slots=True)
class Block:
    """An option's votes in a round."""

    x: float
    y: float
    height: float
    option: Option
    votes: int


@dataclass(frozen=True, slots=True)
class Band:
    """Seats that went the same way between two rounds."""

    path: str
    option: Option
    """Where they came from."""
    changed: bool
    title: str


@dataclass(frozen=True, slots=True)
class VoteFlow:
    """The drawing."""

    width: float
    height: float
    rounds: Sequence[tuple[int, float]]
    """Numbers, and where each one's blocks begin."""
    blocks: Sequence[Block]
    bands: Sequence[Band]


def find_vote_flow(view: DebateView) -> VoteFlow | None:
    """The flow of all seats' votes; None where fewer than two rounds have any."""
    rounds = [round_ for round_ in view.rounds if any(turn.vote for turn in round_.turns)]
    if len(rounds) < 2:
        return None
    places = [LEFT + STEP * i for i in range(len(rounds))]
    columns = [list(_blocks(view, round_, x)) for round_, x in zip(rounds, places, strict=True)]
    pairs = zip(zip(rounds, columns, strict=True), zip(rounds[1:], columns[1:], strict=True), strict=False)
    bands = [band for before, after in pairs for band in _bands(view, *before, *after)]
    blocks = [block for column in columns for block in column]
    return VoteFlow(
        width=places[-1] + STEP,
        height=max(block.y + block.height for block in blocks) + 10,
        rounds=[(round_.number, x) for round_, x in zip(rounds, places, strict=True)],
        blocks=blocks,
        bands=bands,
    )


def _blocks(view: DebateView, round_: RoundView, x: float) -> Iterator[Block]:
    votes = Counter(turn.vote.letter for turn in round_.turns if turn.vote is not None)
    y = TOP
    for option in view.options:
        if votes[option.letter]:
            height = UNIT * votes[option.letter]
            yield Block(x, y, height, option, votes[option.letter])
            y += height + GAP


def _bands(
    view: DebateView, before: RoundView, left: Sequence[Block], after: RoundView, right: Sequence[Block]
) -> Iterator[Band]:
    earlier = {turn.seat.name: turn.vote for turn in before.turns}
    groups: dict[tuple[str, str], list[str]] = {}
    for turn in after.turns:
        old = earlier.get(turn.seat.name)
        if old is not None and turn.vote is not None:
            groups.setdefault((old.letter, turn.vote.letter), []).append(turn.seat.name)
    leaves = {block.option.letter: block.y for block in left}
    arrives = {block.option.letter: block.y for block in right}
    x1, x2 = left[0].x + BLOCK, right[0].x
    middle = (x1 + x2) / 2
    for (old_letter, new_letter), names in sorted(groups.items()):
        y1, y2, height = leaves[old_letter], arrives[new_letter], UNIT * len(names)
        leaves[old_letter] += height
        arrives[new_letter] += height
        path = (
            f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}v{height:.0f}"
            f"C{middle:.0f} {y2 + height:.0f} {middle:.0f} {y1 + height:.0f} {x1:.0f} {y1 + height:.0f}z"
        )
        title = f"{', '.join(names)}: {view.option(old_letter).text} → {view.option(new_letter).text}"
        yield Band(path, view.option(old_letter), old_letter != new_letter, title)
