"""Panels: who sits at the table and by which rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from localtable.config.card_lookup import load_card
from localtable.config.confederate import ConfederateFile, SeatName
from localtable.config.sampling import SamplingChoice, SamplingFile
from localtable.errors import ConfigError
from localtable.loading import path_from, read_mapping, validate
from localtable.types import (
    CONFEDERATE,
    BallotRule,
    Card,
    Panel,
    Participant,
    Peers,
    Sampling,
    Seat,
    Stop,
    Thinking,
    Visibility,
)

MAX_SEATS = 64
MAX_ROUNDS = 100
FILE_ENDINGS = (".yaml", ".yml", ".json")


class _File(BaseModel):
    """Strict: an unknown key is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid")


class ThinkingFile(_File):
    """`thinking`."""

    on: bool = False
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024

    def build(self) -> Thinking:
        return Thinking(self.on, self.max_tokens)


class SeatFile(_File):
    """One of `seats`: a model's, or a confederate's."""

    name: SeatName
    model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None
    persona: str | None = None
    role: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None
    thinking: ThinkingFile | None = None
    sampling: SamplingChoice | None = None
    confederate: ConfederateFile | None = None

    @model_validator(mode="after")
    def _model_or_confederate(self) -> SeatFile:
        if (self.model is None) == (self.confederate is None):
            raise ValueError("a seat has a `model`, or it is a `confederate`")
        given = [key for key in ("persona", "role", "thinking", "sampling") if getattr(self, key) is not None]
        if self.confederate is not None and given:
            raise ValueError(f"a confederate has no model that {given[0]!r} would be for")
        return self


class VisibilityFile(_File):
    """`visibility`."""

    reads: Literal["everyone", "itself", "neighbours"] = "everyone"
    names: Literal["seats", "neutral", "models"] = "seats"
    votes: Literal["shown", "hidden"] = "shown"
    statements: Literal["shown", "hidden"] = "shown"
    confidence: Literal["shown", "hidden"] = "hidden"
    tally: Literal["shown", "hidden"] = "hidden"
    order: Literal["fixed", "shuffled", "balanced"] = "fixed"

    @model_validator(mode="after")
    def _something_to_see(self) -> VisibilityFile:
        if self.votes == self.statements == "hidden" and self.reads != "itself":
            if self.confidence == "shown":
                raise ValueError("a confidence is shown beside a vote or a statement, and both are hidden")
            if self.tally == "hidden":
                raise ValueError("with votes, statements and tally hidden a seat reads itself alone: `reads: itself`")
        return self

    def build(self) -> Visibility:
        return Visibility(**self.model_dump())


class PeersFile(_File):
    """`peers`."""

    max_tokens: Annotated[int, Field(ge=8)] | None = None
    over: Literal["refuse", "head_tail"] = "refuse"


class BallotFile(_File):
    """`ballot`."""

    at: Literal["after", "before", "both"] = "after"
    orders: Annotated[int, Field(ge=1, le=26)] | Literal["all_rotations"] = 1
    pool: Literal["arithmetic", "geometric"] = "arithmetic"
    floor: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    label_mass: bool = False
    free_reply: bool = False

    @model_validator(mode="after")
    def _floor_fits(self) -> BallotFile:
        if self.floor is not None and self.pool != "geometric":
            raise ValueError("a floor belongs to `pool: geometric`, where one probability near zero would veto")
        if self.pool == "geometric" and self.orders == 1:
            raise ValueError("a pool makes one distribution out of several orders; set `orders`, too")
        return self

    def build(self) -> BallotRule:
        rule = BallotRule(
            self.at,
            None if self.orders == "all_rotations" else self.orders,
            self.pool,
            label_mass=self.label_mass,
            free_reply=self.free_reply,
        )
        return rule if self.floor is None else replace(rule, floor=self.floor)


class StopFile(_File):
    """`stop`."""

    when: Literal["unanimous", "threshold", "never"]
    share: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _share_fits(self) -> StopFile:
        if (self.share is not None) != (self.when == "threshold"):
            raise ValueError("a share belongs to `when: threshold`, and only to it")
        return self

    def build(self) -> Stop:
        return Stop(self.when, self.share if self.share is not None else 1.0)


class PanelFile(_File):
    """The written form of a panel."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    rounds: Annotated[int, Field(ge=1, le=MAX_ROUNDS)] = 2
    seats: Annotated[list[SeatFile], Field(min_length=1, max_length=MAX_SEATS)]
    sampling: SamplingChoice = SamplingFile()
    thinking: ThinkingFile = ThinkingFile()
    prompts: str = "argue"
    visibility: VisibilityFile = VisibilityFile()
    peers: PeersFile = PeersFile()
    ballot: BallotFile = BallotFile()
    engine: dict[str, Any] = {}
    stop: StopFile | None = None
    moderator: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0

    @model_validator(mode="after")
    def _names_differ(self) -> PanelFile:
        seen: dict[str, str] = {}
        for seat in self.seats:
            folded = seat.name.casefold()
            if folded in seen:
                raise ValueError(f"two seats are named {seat.name!r}; names must differ")
            seen[folded] = seat.name
        return self

    @model_validator(mode="after")
    def _somebody_debates(self) -> PanelFile:
        if all(seat.model is None for seat in self.seats):
            raise ValueError("all seats are confederates; a panel needs one with a model")
        return self


def parse_panel(
    data: Any, where: str, base: Path, *, default_stop: Stop, load: Callable[[str, Path], Card] = load_card
) -> Panel:
    """Plain data → a panel with its cards.

    Args:
        data: As `PanelFile`.
        where: What to call the input in an error.
        base: Folder that relative paths are read from.
        default_stop: The command's own, for a panel that names none.
        load: Finds the card that a seat's `model`, or `moderator`, means.

    Raises:
        ConfigError: Anything out of bounds, an unknown model among it.
    """
    read = validate(PanelFile, data, where)
    cards: dict[str, Card] = {}
    for seat in read.seats:
        if seat.model is not None and seat.model not in cards:
            cards[seat.model] = load(seat.model, base)
    moderator = None if read.moderator is None else cards.get(read.moderator) or load(read.moderator, base)
    refuse_mixed_cards((*cards.values(), *filter(None, [moderator])), where)
    if moderator is not None:
        refuse_moderator(moderator, where)
    seats = tuple(_build_seat(seat, read, cards, base) for seat in read.seats)
    _refuse_certain_refusals(read.peers, seats, where)
    return Panel(
        name=read.name,
        rounds=read.rounds,
        seats=seats,
        prompts=str(path_from(read.prompts, base)) if read.prompts.endswith(FILE_ENDINGS) else read.prompts,
        visibility=read.visibility.build(),
        peers=Peers(read.peers.max_tokens, read.peers.over),
        ballot=read.ballot.build(),
        engine=read.engine,
        stop=read.stop.build() if read.stop else default_stop,
        moderator=moderator,
        seed=read.seed,
    )


def refuse_moderator(card: Card, where: str) -> None:
    """Refuse a moderator whose words can't be held to the summary's form.

    Raises:
        ConfigError: It is spoken to at an endpoint, where no constraint of ours reaches.
    """
    if card.endpoint is not None:
        raise ConfigError(
            f"{where}: {card.id!r} can't be the moderator: it is at an endpoint, where a summary's form can't be held",
            hint="Name a model that runs here, or none: then the summary is written from templates.",
        )


def refuse_mixed_cards(cards: Iterable[Card], where: str) -> None:
    """Refuse two models under one id.

    Raises:
        ConfigError: Says which id.
    """
    by_id: dict[str, Card] = {}
    for card in cards:
        if by_id.setdefault(card.id, card) != card:
            raise ConfigError(f"{where}: two different models are called {card.id!r}", hint="Give one another id.")
    if CONFEDERATE in by_id:
        raise ConfigError(
            f"{where}: a model is called {CONFEDERATE!r}, as seats without one are in stores",
            hint="Give it another id.",
        )


def _refuse_certain_refusals(peers: PeersFile, seats: tuple[Participant, ...], where: str) -> None:
    # Otherwise the second round would fail at the first long turn, when the first one has been paid for.
    for seat in seats:
        if not isinstance(seat, Seat):
            continue  # reckoned with where tokens can be counted
        if peers.over == "refuse" and peers.max_tokens is not None and seat.sampling.max_tokens > peers.max_tokens:
            raise ConfigError(
                f"{where}: {seat.name!r} may say {seat.sampling.max_tokens:,} tokens, and peers.max_tokens refuses "
                f"turns of more than {peers.max_tokens:,}",
                hint="Raise peers.max_tokens, lower sampling.max_tokens, or set `peers: {over: head_tail}`.",
            )


def _build_seat(seat: SeatFile, panel: PanelFile, cards: Mapping[str, Card], base: Path) -> Participant:
    if seat.confederate is not None:
        return seat.confederate.build(seat.name, base)
    assert seat.model is not None
    card = cards[seat.model]
    chosen = seat.sampling if seat.sampling is not None else panel.sampling
    sampling: Sampling = card.sampling if chosen == "card" else chosen.build()
    persona = (seat.persona or "").strip() or None
    return Seat(seat.name, card, sampling, (seat.thinking or panel.thinking).build(), persona, seat.role)


def load_panel(path: Path, *, default_stop: Stop) -> Panel:
    """A panel from a YAML or JSON file.

    Raises:
        ConfigError: As `read_mapping` and `parse_panel`.
    """
    return parse_panel(read_mapping(path), str(path), path.resolve().parent, default_stop=default_stop)
