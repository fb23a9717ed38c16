"""Written transcripts → what a comparison needs of a panel: its last votes and distributions, question by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from localtable.types import CONFEDERATE, LETTERS, VerdictKind

Distribution = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as one side has it."""

    id: str
    text: str
    options: tuple[str, ...]
    options_listed: bool
    """False where an import's page lists none: there may have been others."""
    answer: int | None
    """The right option's place."""


@dataclass(frozen=True, slots=True)
class Debate:
    """What one debate came to, in its last round; options are places in the question's own order."""

    repeat: int
    votes: Mapping[str, int]
    """By seat."""
    counting: frozenset[str]
    """Seats whose votes decide."""
    played: frozenset[str]
    """Seats that a script plays: nobody asks how good they are."""
    distributions: Mapping[str, Distribution]
    """By seat; seats of which none is known are missing."""
    kind: VerdictKind
    leading: tuple[int, ...]
    num_votes: int
    """Of each leading option."""
    of: int
    rounds: int | None


@dataclass(frozen=True, slots=True)
class Seat:
    """Who sat there."""

    name: str
    model: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What debates took; None where a turn of them does not say, as on imports."""

    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    """At the prices of endpoints' cards; None also where nothing has a price."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            _sum(self.prompt_tokens, other.prompt_tokens),
            _sum(self.cached_tokens, other.cached_tokens),
            _sum(self.completion_tokens, other.completion_tokens),
            _sum(self.cost, other.cost),
        )


Number = TypeVar("Number", int, float)


def _sum(one: Number | None, other: Number | None) -> Number | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class Panel:
    """One side of a comparison."""

    name: str
    """Of the panel."""
    where: str
    """What was read."""
    condition: str
    imported: bool
    seats: tuple[Seat, ...]
    """Everybody who sat in any debate, in the order of the panel."""
    debates: Mapping[Asked, Sequence[Debate]]
    """By question; several where it was held several times."""
    left_out: Mapping[str, int]
    """Why debates are not compared, and how many."""
    spent: Mapping[Asked, Spent]
    sessions: Mapping[str, float]
    """Seconds that each session took in which any of the debates ended, by its id."""

    @property
    def num_debates(self) -> int:
        return sum(map(len, self.debates.values()))

    @property
    def seconds(self) -> float | None:
        """Of the sessions that held these debates, and whatever else they held; None where no time is known."""
        return sum(self.sessions.values()) if self.sessions else None


@dataclass
class PanelReader:
    """Reads one side, transcript by transcript, and keeps of each only what is compared."""

    where: str
    _debates: dict[Asked, list[Debate]] = field(default_factory=dict)
    _seats: dict[str, Seat] = field(default_factory=dict)
    _left_out: Counter[str] = field(default_factory=Counter)
    _spent: dict[Asked, Spent] = field(default_factory=dict)
    _sessions: dict[str, float] = field(default_factory=dict)
    _name: str = ""
    _condition: str = ""
    _imported: bool = False

    def add(self, data: Mapping[str, Any]) -> None:
        """Take one more debate.

        Args:
            data: A transcript that `transcript.check` lets pass.
        """
        self._name, self._condition = data["panel"]["name"], data["condition"]
        self._imported |= data["source"] == "import"
        for seat in data["panel"]["seats"]:
            self._seats.setdefault(seat["name"], Seat(seat["name"], seat.get("model", CONFEDERATE)))
        reason = _why_left_out(data)
        if reason is not None:
            self._left_out[reason] += 1
            return
        asked = _asked(data)
        self._debates.setdefault(asked, []).append(_debate(data))
        spent = _spent(data)
        self._spent[asked] = self._spent[asked] + spent if asked in self._spent else spent
        timings = data["manifest"].get("timings") or {}
        if timings.get("session") is not None and timings.get("seconds") is not None:
            self._sessions[str(timings["session"])] = float(timings["seconds"])

    def leave_out(self, reason: str, number: int) -> None:
        """So many debates are not there to be added."""
        if number:
            self._left_out[reason] += number

    def panel(self) -> Panel:
        """What was read."""
        return Panel(
            self._name,
            self.where,
            self._condition,
            self._imported,
            tuple(self._seats.values()),
            self._debates,
            dict(self._left_out),
            self._spent,
            self._sessions,
        )


def _spent(data: Mapping[str, Any]) -> Spent:
    played = _played(data)
    usages = [turn["usage"] for round_ in data["rounds"] for turn in round_["turns"] if turn["seat"] not in played]
    cost = (data["manifest"].get("cost") or {}).get("total")
    if None in usages:
        return Spent(None, None, None, cost)
    prompt, cached, completion = (
        sum(usage[name] for usage in usages) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
    )
    return Spent(prompt, cached, completion, cost)


def _why_left_out(data: Mapping[str, Any]) -> str | None:
    if not data["question"]["options"]:
        return "without options to vote for"
    if data["verdict"] is None:
        return "without a verdict"
    votes = [turn for round_ in data["rounds"][-1:] for turn in round_["turns"] if turn["ballot"] is not None]
    counting = _counting(data)
    return None if any(turn["seat"] in counting for turn in votes) else "without a vote in its last round"


def _counting(data: Mapping[str, Any]) -> frozenset[str]:
    """Seats whose votes decide."""
    seats = data["panel"]["seats"]
    return frozenset(seat["name"] for seat in seats if seat.get("confederate", {"counts": True})["counts"])


def _played(data: Mapping[str, Any]) -> frozenset[str]:
    """Seats that a script plays."""
    return frozenset(seat["name"] for seat in data["panel"]["seats"] if "confederate" in seat)


def _asked(data: Mapping[str, Any]) -> Asked:
    question = data["question"]
    about = data["manifest"].get("import") or {}
    answer = question["answer"]
    return Asked(
        question["id"],
        question["question"],
        tuple(question["options"]),
        about.get("options_listed", True),
        None if answer is None else LETTERS.index(answer),
    )


def _debate(data: Mapping[str, Any]) -> Debate:
    verdict = data["verdict"]
    turns = [turn for turn in data["rounds"][-1]["turns"] if turn["ballot"] is not None]
    return Debate(
        repeat=data["repeat"],
        votes={turn["seat"]: LETTERS.index(turn["ballot"]["vote"]) for turn in turns},
        counting=_counting(data),
        played=_played(data),
        distributions=dict(_distributions(turns)),
        kind=verdict["kind"],
        leading=tuple(map(LETTERS.index, verdict["options"])),
        num_votes=verdict["votes"],
        of=verdict["of"],
        rounds=verdict["rounds"],
    )


def _distributions(turns: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Distribution]]:
    for turn in turns:
        if (found := turn["ballot"]["distribution"]) is not None:
            yield turn["seat"], tuple(found[letter] for letter in sorted(found))
