"""What a run knows of each of its models: renderer, labels, lengths.

Built once per run, before anything loads. Here the longest possible prompt is computed, so that what can't fit is
refused with its figures before a minute is spent on loading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from heapq import heappush, heappushpop
from itertools import chain, islice

from localtable.ballots import PERSUADED_KEY, VOTE_KEY, LabelSet, ballot_orders, probe_labels
from localtable.ballots.reply import MAX_TOKENS as MAX_REPLY_TOKENS
from localtable.errors import ConfigError, PlacementError
from localtable.prompts import PromptTokenizer, Renderer, Wording, check_wording, longest_names
from localtable.prompts.render import ENDLESS
from localtable.prompts.wording import fill
from localtable.protocol import Condition, peers_read, statement_for
from localtable.types import Card, Letter, Panel, Participant, Question, Seat, ShownTurn, VoteCounts

MIN_SHOWN_TOKENS = 32
"""A peer's turn cut below this says nothing any more."""
AROUND_MARK_TOKENS = 16
"""What is left of a cut turn before and behind the mark, at least."""
MAX_EXACT = 24
"""Questions whose longest turns are rendered to reckon with them."""
JOINING_TOKENS = 32
"""What a question's tokens may come to more inside a prompt than by themselves."""
OPTION_LISTS = 3
"""How often a turn lists the options: in its question, in its task, in its ballot."""


@dataclass(frozen=True)
class Model:
    """One model of a run, and the seats that it sits on."""

    card: Card
    renderer: Renderer
    panel: Panel
    context_length: int
    """Tokens: the card's, or less where the user's `engine.max_model_len` says so. Of an endpoint as good as endless:
    what is too long the server refuses."""

    @cached_property
    def seats(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.panel.model_seats if seat.card.id == self.card.id)

    def labels_for_vote(self, num_options: int) -> LabelSet:
        return _labels(self.renderer.tokenizer, VOTE_KEY, num_options, self.at_endpoint)

    def labels_for_peers(self, num_peers: int) -> LabelSet:
        """One label per peer, and one for the seat's own reasoning."""
        return _labels(self.renderer.tokenizer, PERSUADED_KEY, num_peers + 1, self.at_endpoint)

    @property
    def at_endpoint(self) -> bool:
        """Whether it is spoken to at a server: then its tokens can't be counted before it has answered."""
        return self.card.endpoint is not None

    # ── lengths ───────────────────────────────────────────────────────────────────────────────────────────

    def longest(self, question: Question) -> int:
        """The most tokens that any seat of this model can need for a turn on this question, prompt to last ballot.

        Raises:
            PlacementError: More than the model's context; with `peers: {over: head_tail}` only if turns would have to
                be cut so short that nothing of them is left.
        """
        bounds = self.shown_bounds(question) if self.panel.rounds > 1 else {}
        self._refuse_long_confederates(question, bounds)
        if self.panel.peers.over == "head_tail" and bounds and min(bounds.values()) < self._least_shown:
            raise PlacementError(
                f"each of {len(bounds)} seats' turns would be cut to {min(bounds.values())} tokens for {self.card.id}, "
                f"whose context is {self.context_length:,}; {self._least_shown} are needed to leave something",
                hint=self._how_to_fit(),
            )
        if self.at_endpoint:
            return self.context_length
        return max(self._longest_for(seat, question, bounds) for seat in self.seats)

    def shown_bounds(self, question: Question) -> dict[str, int]:
        """By author: the most tokens of this model that a turn may take in what is shown to its seats."""
        peers = self.panel.peers
        bounds = {author.name: self._bound(author, question) for author in self.panel.seats}
        if peers.over == "refuse" or self.panel.rounds == 1:
            return bounds
        # Short turns are granted the mark's room: one of many short lines can take more than its tokens.
        least = self._least_shown if peers.max_tokens is None else 0
        share = max(self._room(question) // self._most_read, 0)
        return {name: min(max(bound, least), share) for name, bound in bounds.items()}

    def _bound(self, author: Participant, question: Question) -> int:
        if isinstance(author, Seat):
            return self.renderer.turn_bound(author, self.panel.peers)
        return self.renderer.given_bound(self.panel.peers) or self._confederate_tokens(author.name, question)

    @cached_property
    def _confederate_tokens(self) -> Callable[[str, Question], int]:
        """By a confederate's name: tokens of what it says, whichever option it says it of."""
        said = {seat.name: seat for seat in self.panel.confederates}
        count = self.renderer.shown_tokens
        return lru_cache(maxsize=1024)(
            lambda name, question: max(count(statement_for(said[name], option)) for option in question.options)
        )

    def _refuse_long_confederates(self, question: Question, bounds: Mapping[str, int]) -> None:
        # What models say is bounded by their sampling, and that is checked with the panel.
        for seat in self.panel.confederates if bounds and self.panel.peers.over == "refuse" else ():
            said = self._confederate_tokens(seat.name, question)
            if said > bounds[seat.name]:
                raise PlacementError(
                    f"what {seat.name!r} says takes {said:,} tokens of {self.card.id} on {question.id!r}, and "
                    f"peers.max_tokens refuses turns of more than {bounds[seat.name]:,}",
                    hint="Raise peers.max_tokens, shorten the statement, or set `peers: {over: head_tail}`.",
                )

    def room_for_shown(self, seat: Seat, bounds: Mapping[str, int]) -> int:
        """Tokens that a seat's prompt has for what was said in the round before; none in a panel of one round."""
        if not bounds:
            return 0
        read = [bounds[name] for name in self._statements_read(seat)]
        if self.panel.peers.over == "head_tail":
            return sum(read)
        # A turn of many short lines grows when it is quoted, to twice its tokens at most. Where all are read, short
        # turns leave it the room.
        return min(sum(read) + max(read), sum(bounds.values()))

    @cached_property
    def _most_read(self) -> int:
        """How many statements a seat reads in a later round, at most; kept, since every turn of a debate asks."""
        return max(len(self._statements_read(seat)) for seat in self.seats)

    def _statements_read(self, seat: Seat) -> frozenset[str]:
        """Whose statements a seat reads in later rounds, its own among them."""
        read = peers_read(self.panel, seat.name) if self.panel.visibility.statements == "shown" else frozenset()
        return read | {seat.name}

    @cached_property
    def _room(self) -> Callable[[Question], int]:
        """Tokens of the context that are left for what peers said; kept, since every turn of a debate asks."""

        def room(question: Question) -> int:
            return self.context_length - max(self._fixed(seat, question) for seat in self.seats)

        return lru_cache(maxsize=1024)(room)

    @cached_property
    def _least_shown(self) -> int:
        mark = fill(self.renderer.wording.parts.cut, {"count": "100000"})
        return max(MIN_SHOWN_TOKENS, self.renderer.shown_tokens(mark) + AROUND_MARK_TOKENS)

    def _longest_for(self, seat: Seat, question: Question, bounds: Mapping[str, int]) -> int:
        fixed, shown = self._fixed(seat, question), self.room_for_shown(seat, bounds)
        if fixed + shown > self.context_length:
            raise PlacementError(
                f"seat {seat.name!r} can need {fixed:,} tokens of its own and {shown:,} for what "
                f"{len(self._statements_read(seat))} seats said; {self.card.id} has a context of "
                f"{self.context_length:,}",
                hint=self._how_to_fit(),
            )
        return fixed + shown

    def _how_to_fit(self) -> str:
        if self.panel.peers.over == "refuse":
            return "Lower sampling.max_tokens, take fewer seats, or set `peers: {over: head_tail}` to have turns cut."
        if (self.panel.peers.max_tokens or self._least_shown) < self._least_shown:
            return "Raise peers.max_tokens."
        return "Lower sampling.max_tokens or thinking.max_tokens, shorten the question, or take fewer seats."

    def _fixed(self, seat: Seat, question: Question) -> int:
        """Tokens of a turn apart from what peers' statements fill in."""
        renderer, at, speaker = self.renderer, self.panel.ballot.at, self._as_called(seat)
        turns = self._empty_turns(seat, question) if self.panel.rounds > 1 else []
        tally = self._longest_tally(question) if self.panel.rounds > 1 else ()
        thinking = seat.thinking.max_tokens + len(renderer.think_closing(forced=True)) if seat.thinking.on else 0
        said = len(renderer.statement(question, speaker, turns, tally)) + thinking + seat.sampling.max_tokens
        # The ballot before the statement has a prompt of its own, which a wording can make the longer one.
        before = 0
        if at != "after":
            orders = ballot_orders(question.letters, self.panel.ballot)
            before = max(len(renderer.ballot_before(question, speaker, turns, order, tally)) for order in orders)
            before += self._answer_tokens(question)
        if at == "before":
            return max(said, before + self._persuaded_tokens(seat, question))
        return max(said + self.ballot_tokens(seat, question) + self._persuaded_tokens(seat, question), before)

    def ballot_tokens(self, seat: Seat, question: Question) -> int:
        """Tokens that the ballot behind a statement takes, from the statement's end to the label."""
        return self._ballot_tokens(seat.name, question)

    @cached_property
    def _ballot_tokens(self) -> Callable[[str, Question], int]:
        """By a seat's name; kept, since every round asks for every seat."""
        seats = {seat.name: self._as_called(seat) for seat in self.seats}
        return lru_cache(maxsize=1024)(lambda name, question: self._count_ballot_tokens(seats[name], question))

    def _count_ballot_tokens(self, seat: Seat, question: Question) -> int:
        orders = ballot_orders(question.letters, self.panel.ballot)
        asked = max(len(self.renderer.ballot_after(question, seat, order)) for order in orders)
        return asked + self._answer_tokens(question)

    def _answer_tokens(self, question: Question) -> int:
        """Tokens behind a ballot's question: its fixed part and the label, or a reply of the seat's own."""
        label = len(self.labels_for_vote(len(question.options)).prefix_ids) + 1
        return max(label, MAX_REPLY_TOKENS) if self.panel.ballot.free_reply else label

    def _persuaded_tokens(self, seat: Seat, question: Question) -> int:
        read = peers_read(self.panel, seat.name)
        peers = [self._names[other.name] for other in self.panel.seats if other.name in read]
        if not peers or self.panel.rounds == 1:
            return 0
        labels = self.labels_for_peers(len(peers))
        names = dict(zip(labels.labels, [*peers, self.renderer.wording.parts.ballot.own_reasoning], strict=True))
        longest = self._longest_option(question)
        closing = 4  # the rest of the ballot behind its label: `"}`
        text = self.renderer.persuaded(question, self._as_called(seat), longest, longest, names)
        return closing + len(text) + len(labels.prefix_ids) + 1

    def _longest_option(self, question: Question) -> Letter:
        encode = self.renderer.tokenizer.encode_plain
        return max(question.letters, key=lambda letter: len(encode(question.text_of(letter))))

    def _empty_turns(self, reader: Seat, question: Question) -> list[ShownTurn]:
        longest, seen = question.text_of(self._longest_option(question)), self.panel.visibility
        sure = 1.0 if seen.confidence == "shown" else None
        own = ShownTurn(self._names[reader.name], longest, "", sure)
        vote, said = longest if seen.votes == "shown" else None, "" if seen.statements == "shown" else None
        read = peers_read(self.panel, reader.name) | {reader.name}
        return [
            own if author.name == reader.name else ShownTurn(self._names[author.name], vote, said, sure)
            for author in self.panel.seats
            if author.name in read
        ]

    def _longest_tally(self, question: Question) -> VoteCounts:
        most = len(self.panel.seats)
        return tuple((option, most) for option in question.options) if self.panel.visibility.tally == "shown" else ()

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """What seats are called in prompts, at the longest."""
        return longest_names(self.panel.seats, self.panel.visibility, self.renderer.wording, self.renderer.shown_tokens)

    def _as_called(self, seat: Seat) -> Seat:
        return replace(seat, name=self._names[seat.name])


@lru_cache(maxsize=512)
def _labels(tokenizer: PromptTokenizer, key: str, count: int, at_endpoint: bool) -> LabelSet:
    return replace(probe_labels(tokenizer, key, count), replies=at_endpoint)


def build_models(
    panel: Panel,
    tokenizers: Mapping[str, PromptTokenizer],
    wording: Wording,
    *,
    real_templates: bool,
    renderers: Mapping[str, Renderer] | None = None,
) -> dict[str, Model]:
    """The models of a panel, by card id.

    Args:
        panel: Who sits where.
        tokenizers: By card id.
        wording: Of the prompts.
        real_templates: False with the scripted engine, which stands in for models that needn't be here.
        renderers: By card id: those of this wording that are there already.

    Raises:
        TemplateError: A seat is to think and its model can't be told to.
        ConfigError: `engine.max_model_len` is above a model's context; as `check_wording`.
    """
    check_wording(wording, panel)
    models: dict[str, Model] = {}
    for card in panel.cards:
        known = (renderers or {}).get(card.id)
        renderer = Renderer(card, tokenizers[card.id], wording) if known is None else known
        thinks = any(seat.thinking.on for seat in panel.model_seats if seat.card.id == card.id)
        if thinks and (real_templates or card.endpoint is not None):
            renderer.check_thinking()
        models[card.id] = Model(card, renderer, panel, _context_length(card, panel))
    return models


def build_moderators(
    conditions: Mapping[int, Condition],
    models: Mapping[str, Model],
    tokenizers: Mapping[str, PromptTokenizer],
    wordings: Mapping[int, Wording],
) -> dict[int, Model]:
    """Who sums up the debates of each condition that has a moderator, by the condition's number.

    Args:
        conditions: By number.
        models: Those that sit at the table, by card id: a moderator that sits there too is the same engine.
        tokenizers: By card id.
        wordings: By the condition's number.
    """
    moderators: dict[int, Model] = {}
    for number, condition in conditions.items():
        card = condition.moderator
        if card is None:
            continue
        same = [model for model in (*models.values(), *moderators.values()) if model.card.id == card.id]
        renderer = same[0].renderer if same else Renderer(card, tokenizers[card.id], wordings[number])
        panel = condition.panel
        moderators[number] = Model(card, renderer, panel, _context_length(card, panel))
    return moderators


def seat_conditions(
    conditions: Mapping[int, Condition],
    tokenizers: Mapping[str, PromptTokenizer],
    wordings: Mapping[int, Wording],
    *,
    real_templates: bool,
) -> dict[int, dict[str, Model]]:
    """The models that sit in each condition, each reckoning with that condition's seats.

    Conditions of one wording have one renderer for each model, which keeps what seats share.

    Args:
        conditions: By number.
        tokenizers: By card id.
        wordings: By the condition's number.
        real_templates: As for `build_models`.

    Returns:
        By the condition's number and the card's id.

    Raises:
        TemplateError, ConfigError: As `build_models`.
    """
    renderers: defaultdict[str, dict[str, Renderer]] = defaultdict(dict)
    sitting: dict[int, dict[str, Model]] = {}
    for number, condition in conditions.items():
        wording = wordings[number]
        known = renderers[wording.sha256]
        sitting[number] = build_models(
            condition.panel, tokenizers, wording, real_templates=real_templates, renderers=known
        )
        known |= {card_id: model.renderer for card_id, model in sitting[number].items()}
    return sitting


def _context_length(card: Card, panel: Panel) -> int:
    if card.endpoint is not None:
        return ENDLESS
    wanted = {**card.engine, **panel.engine}.get("max_model_len")
    if wanted is None:
        return card.context_length
    try:
        length = int(wanted)
    except (TypeError, ValueError):
        raise ConfigError(f"max_model_len {wanted!r} is no number", hint="Give a number of tokens.") from None
    if not 1 <= length <= card.context_length:
        raise ConfigError(
            f"max_model_len {length:,} is not between 1 and {card.context_length:,}, the context of {card.id}",
            hint="Leave it out: it is computed from the longest prompt.",
        )
    return length


def longest_turns(conditions: Collection[Mapping[str, Model]], questions: Iterable[Question]) -> dict[str, int]:
    """By card id: the most tokens that a turn on any of the questions can take.

    Of a long suite the questions with the most tokens are reckoned with exactly, and what joining their parts may add
    is granted on top.

    Args:
        conditions: For each condition its models, by card id.
        questions: Read once.

    Raises:
        PlacementError: As `Model.longest`.
    """
    needs: dict[str, int] = {}
    renderers = {model.card.id: model.renderer for models in conditions for model in models.values()}
    first = list(islice(questions, MAX_EXACT + 1))
    whole = len(first) <= MAX_EXACT
    longest = {card_id: first for card_id in renderers} if whole else _longest(renderers, chain(first, questions))
    for model in _distinct(conditions):
        card_id = model.card.id
        need = max(model.longest(question) for question in longest[card_id]) + (0 if whole else JOINING_TOKENS)
        needs[card_id] = max(needs.get(card_id, 0), min(need, model.context_length))
    return needs


def _distinct(conditions: Iterable[Mapping[str, Model]]) -> Iterable[Model]:
    """The models of all conditions, those left out that differ from one before in the seed alone: a sweep has many."""
    found: dict[tuple[str, int, str], Model] = {}
    for model in chain.from_iterable(models.values() for models in conditions):
        panel = repr(replace(model.panel, seed=0))
        found.setdefault((model.card.id, id(model.renderer), panel), model)
    return found.values()


def _longest(renderers: Mapping[str, Renderer], questions: Iterable[Question]) -> dict[str, list[Question]]:
    """By card id: the questions of the most tokens, as many as are reckoned with exactly."""
    heaps: dict[str, list[tuple[int, int, Question]]] = {card_id: [] for card_id in renderers}
    for number, question in enumerate(questions):
        options = "\n".join(question.options)
        texts = (question.question, question.context or "", *(options,) * OPTION_LISTS)
        size = sum(len(text.encode()) for text in texts)
        for card_id, renderer in renderers.items():
            heap = heaps[card_id]
            # A token is a byte at least, so that most short questions need no tokenizer.
            if len(heap) == MAX_EXACT and size <= heap[0][0]:
                continue
            encode = renderer.tokenizer.encode_plain
            tokens = sum(len(encode(text)) for text in texts[:2]) + OPTION_LISTS * len(encode(options))
            push = heappushpop if len(heap) == MAX_EXACT else heappush
            push(heap, (tokens, -number, question))
    return {card_id: [question for _, _, question in heap] for card_id, heap in heaps.items()}
