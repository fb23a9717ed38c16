"""One turn at its engine: the next step's request out of the draft, the draft forward by what came back.

The token ids of a turn grow in one sequence: prompt, thinking, statement, ballot, who persuaded. So every step's
prompt is the beginning of the next one's, and its keys and values are still there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from localtable.ballots import (
    LabelSet,
    Reading,
    assemble,
    ballot_orders,
    choose,
    mean_mass,
    names_a_letter,
    pooled,
    read_choice,
    read_label_mass,
    read_reply,
    replied_vote,
    stated_vote,
    weakest,
)
from localtable.ballots.reply import MAX_TOKENS as MAX_REPLY_TOKENS
from localtable.engines.base import Completion, Constraint, Origin, ReplyForm, Request
from localtable.errors import PlacementError
from localtable.prompts import shown_names
from localtable.protocol import Debate, Draft, Text, Vote, next_step, rule_for
from localtable.runner.models import Model
from localtable.seeds import request_seed
from localtable.types import (
    UNASKED_REASONING,
    Ballot,
    FreeReply,
    Letter,
    OrderedBallot,
    Sampling,
    Seat,
    ShownTurn,
    Step,
    Turn,
    Usage,
    VoteCounts,
)

BALLOT_SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=1)
"""One greedy step: the distribution is read, what is drawn decides nothing."""
REPLY_SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=MAX_REPLY_TOKENS)
"""A free reply is the most probable one, as a ballot's vote is."""


@dataclass(slots=True)
class TurnAtWork:
    """A turn in progress: the pure draft, and the ids that were said so far."""

    debate_id: int
    debate: Debate
    round_number: int
    seat: Seat
    model: Model
    place: int
    """The turn's 1-based place in the order in which this round is shown."""
    peers: tuple[str, ...]
    names: Mapping[str, str]
    """What each seat is called in this turn's prompts, by its own name."""
    draft: Draft
    shown: tuple[ShownTurn, ...] = ()
    tally: VoteCounts = ()
    peers_cut: int = 0
    prompt_ids: tuple[int, ...] = ()
    """The statement's prompt."""
    asked_ids: tuple[int, ...] = ()
    """Up to where the ballot that counts is answered, the options in the question's own order."""
    tries: int = 0
    """Failures of the present step."""
    step: Step | None = None
    stream: bool = False
    said: list[int] = field(default_factory=list)
    """Ids that have streamed in for the present step."""
    steps: list[tuple[str, int]] = field(default_factory=list)
    """The steps that are done, and the number of the generation that each came from."""
    reused: bool = True
    """No engine has worked for it so far."""
    charged: bool = False
    """It holds room in its engine's cache."""

    @property
    def group(self) -> Hashable:
        """Names those with whom it shares what their prompts begin with: its round."""
        return (self.debate_id, self.round_number)

    @property
    def member(self) -> Hashable:
        """Names it among them."""
        return self.place

    @property
    def doing(self) -> str:
        """What it is at, for those who read why it failed."""
        return f"the {self.step} of {self.seat.name!r} in round {self.round_number} of {self.debate.question.id!r}"

    def current_step(self) -> str:
        """The name of the present request's step."""
        return str(self.step)

    # ── out: requests ─────────────────────────────────────────────────────────────────────────────────────

    def next_request(self) -> Request | None:
        """The request of the next step; None when the turn is complete.

        Raises:
            PlacementError: A peer's turn is longer than was reckoned with and may not be cut.
        """
        rule = rule_for(self.seat, self.debate.panel.ballot)
        self.step = next_step(self.draft, rule=rule, thinking=self.seat.thinking.on)
        self.said = []
        if self.step is None:
            return None
        prompt, sampling, labels = self._prompt()
        constraint = None
        measured = self.step == "label_mass" and labels is not None
        if labels is not None and not measured:
            meaning = self._meaning(self.step)
            by_id = [(i, name) for ids, name in zip(labels.token_ids, meaning, strict=True) for i in ids]
            form = ReplyForm(labels.key, self._texts(self.step)) if labels.replies else None
            constraint = Constraint(labels.regex, tuple(i for i, _ in by_id), tuple(name for _, name in by_id), form)
        return Request(
            request_id=self._request_id(),
            prompt_token_ids=prompt,
            sampling=sampling,
            seed=self.seed(self.step, self._sample),
            stop_token_ids=() if labels else self._stop_ids(),
            constraint=constraint,
            logprob_token_ids=labels.mass_ids if labels is not None and measured else (),
            stream=self.stream and self.step in ("thinking", "statement"),
            origin=Origin(
                self.debate.question.id, self.debate.repeat, self.seat.name, self.round_number, self.step, self._sample
            ),
        )

    def reserved_tokens(self) -> int:
        """Tokens that this turn can still take in a cache behind its first prompt: what it says, and its ballot.

        Who persuaded a seat is not reckoned with: few are asked, when turns that began with them are ending, and for
        all of them it would take a third of the rows of a short cache.
        """
        thinking = self.seat.thinking.max_tokens if self.seat.thinking.on else 0
        return thinking + self.seat.sampling.max_tokens + self.model.ballot_tokens(self.seat, self.debate.question)

    @property
    def _sample(self) -> int:
        """Which attempt at a statement this is, or which order of a ballot."""
        if self.step == "statement":
            return self.draft.attempts
        return len(self.draft.asked) if self.step in ("before", "ballot") else 0

    @property
    def _orders(self) -> tuple[tuple[Letter, ...], ...]:
        return ballot_orders(self.debate.question.letters, self.debate.panel.ballot)

    @property
    def _order(self) -> tuple[Letter, ...]:
        """In which the present ballot lists the options."""
        return self._orders[self._sample]

    def _request_id(self) -> str:
        parts = (self.debate_id, self.round_number, self.seat.name, self.step)
        return "/".join(map(str, (*parts, self._sample, self.tries)))

    def seed(self, step: Step, sample: int) -> int:
        debate = self.debate
        return request_seed(
            debate.panel.seed, debate.repeat, debate.question.id, self.seat.name, self.round_number, step, sample
        )

    def _stop_ids(self) -> tuple[int, ...]:
        ids = self.model.renderer.stop_ids
        end = self.model.renderer.think_end_ids
        # A marker of several ids, as the scripted engine's vocabulary has it, can't be stopped at: each is text too.
        return (*ids, *end) if self.step == "thinking" and len(end) == 1 else ids

    def _prompt(self) -> tuple[tuple[int, ...], Sampling, LabelSet | None]:
        renderer, question, seat = self.model.renderer, self.debate.question, self.seat
        match self.step:
            case "before":
                labels = self.model.labels_for_vote(len(question.options))
                opened = renderer.ballot_before(question, self._speaker, self.shown, self._order, self.tally)
                return opened + labels.prefix_ids, BALLOT_SAMPLING, labels
            case "thinking":
                bounded = replace(seat.sampling, max_tokens=seat.thinking.max_tokens, min_tokens=0)
                return self._opened(), bounded, None
            case "statement":
                return self._before_statement(), seat.sampling, None
            case "ballot":
                labels = self.model.labels_for_vote(len(question.options))
                said = self._before_statement() + self._statement_ids()
                asked = renderer.ballot_after(question, self._speaker, self._order)
                return said + asked + labels.prefix_ids, BALLOT_SAMPLING, labels
            case "label_mass":
                labels = self.model.labels_for_vote(len(question.options))
                return self.asked_ids + labels.prefix_ids, BALLOT_SAMPLING, labels
            case "free_reply":
                return self.asked_ids, REPLY_SAMPLING, None
            case _:
                return self._persuaded_prompt()

    def _opened(self) -> tuple[int, ...]:
        if not self.prompt_ids:
            self.prompt_ids = self.model.renderer.statement(self.debate.question, self._speaker, self.shown, self.tally)
        return self.prompt_ids

    def _before_statement(self) -> tuple[int, ...]:
        thinking = self.draft.thinking
        if thinking is None:
            return self._opened()
        return self._opened() + thinking.token_ids + self.model.renderer.think_closing(forced=thinking.cut)

    def _statement_ids(self) -> tuple[int, ...]:
        assert self.draft.statement is not None
        return self.draft.statement.token_ids

    def _persuaded_prompt(self) -> tuple[tuple[int, ...], Sampling, LabelSet]:
        question, vote = self.debate.question, self.draft.vote
        assert vote is not None and self.draft.previous_vote is not None
        voted = self.model.labels_for_vote(len(question.options))
        rest = voted.form.format(key=voted.key, label="\0").split("\0")[1]
        labels = self.model.labels_for_peers(len(self.peers))
        names = dict(zip(labels.labels, self._texts("persuaded"), strict=True))
        asked = self.model.renderer.persuaded(question, self._speaker, self.draft.previous_vote, vote.letter, names)
        closed = tuple(self.model.renderer.tokenizer.encode_plain(rest))
        label = voted.token_ids[question.letters.index(vote.letter)][0]
        return (
            self.asked_ids + voted.prefix_ids + (label,) + closed + asked + labels.prefix_ids,
            BALLOT_SAMPLING,
            labels,
        )

    def _meaning(self, step: Step) -> tuple[str, ...]:
        if step == "persuaded":
            return (*self.peers, self.model.renderer.wording.parts.ballot.own_reasoning)
        return self._order

    def _texts(self, step: Step) -> tuple[str, ...]:
        """What stands behind each label in the prompt."""
        if step == "persuaded":
            own = self.model.renderer.wording.parts.ballot.own_reasoning
            return (*(self.names[peer] for peer in self.peers), own)
        return tuple(self.debate.question.text_of(letter) for letter in self._order)

    def prompt_texts(self) -> tuple[str, str]:
        """The words of the statement's prompt: what all seats read, and what this one reads behind it."""
        return self.model.renderer.statement_texts(self.debate.question, self._speaker, self.shown, self.tally)

    @property
    def _speaker(self) -> Seat:
        """The seat as its prompts call it."""
        called = self.names[self.seat.name]
        return self.seat if called == self.seat.name else replace(self.seat, name=called)

    # ── in: completions ───────────────────────────────────────────────────────────────────────────────────

    def take(self, request: Request, completion: Completion) -> None:
        """Move the draft forward by what an engine gave for the present step.

        Raises:
            BallotError: A ballot that the constraint should have made valid is not.
        """
        assert self.step is not None
        usage = Usage(completion.prompt_tokens, completion.cached_tokens, completion.completion_tokens)
        step, draft = self.step, self.draft
        self.tries = 0
        match step:
            case "thinking":
                self.draft = draft.after(step, usage, thinking=self._said(completion))
            case "statement":
                self.draft = draft.after_statement(self._said(completion), usage)
            case "persuaded":
                name = self._read(self.model.labels_for_peers(len(self.peers)), completion).choice.chosen
                own = self.model.renderer.wording.parts.ballot.own_reasoning
                self.draft = draft.after(step, usage, persuaded=None if name == own else name, asked_who=True)
            case "before" | "ballot":
                self._take_ballot(step, request, completion, usage)
            case "label_mass":
                labels = self.model.labels_for_vote(len(self.debate.question.options))
                self.draft = draft.after(step, usage, label_mass=read_label_mass(labels, completion.logprobs))
            case "free_reply":
                text = self._said(completion).text
                reply = FreeReply(text, replied_vote(text, self.debate.question))
                self.draft = draft.after(step, usage, free_reply=reply)

    def _take_ballot(self, step: Step, request: Request, completion: Completion, usage: Usage) -> None:
        """One order's answer; with the last one, the vote."""
        letters, order = self.debate.question.letters, self._order
        labels = self.model.labels_for_vote(len(letters))
        if not self.draft.asked:
            self.asked_ids = request.prompt_token_ids[: len(request.prompt_token_ids) - len(labels.prefix_ids)]
        choice, source, mass = self._read(labels, completion)
        answer = OrderedBallot(order, {letter: choice.distribution[letter] for letter in letters}, source, mass)
        asked = (*self.draft.asked, answer)
        if len(asked) < len(self._orders):
            self.draft = self.draft.after(step, usage, asked=asked)
            return
        if len(asked) > 1:
            # Whatever order was asked last: options that share the first place are drawn by the step's own seed.
            choice = choose(pooled(asked, self.debate.panel.ballot), self.seed(step, 0))
        source = weakest([answer.source for answer in asked])
        shares = dict(choice.distribution) if source in ("exact", "logprobs") else None
        orders = asked if len(asked) > 1 else ()
        vote = Vote(choice.chosen, shares, choice.tied, orders, source, mean_mass(asked))
        part = "before" if step == "before" else "ballot"
        self.draft = self.draft.after(step, usage, asked=(), **{part: vote})

    def _read(self, labels: LabelSet, completion: Completion) -> Reading:
        assert self.step is not None
        meaning, seed = self._meaning(self.step), self.seed(self.step, self._sample)
        if labels.replies:
            texts = self._texts(self.step)
            reading = read_reply(labels, completion.token_ids, completion.logprobs, meaning, texts, seed)
        else:
            reading = Reading(read_choice(labels, completion.logprobs, meaning, seed), "exact", None)
        assemble(labels, labels.labels[meaning.index(reading.choice.chosen)])
        return reading

    def _said(self, completion: Completion) -> Text:
        text = self.model.renderer.tokenizer.decode(completion.token_ids).strip()
        return Text(completion.token_ids, text, cut=completion.finish_reason == "length")

    # ── done ──────────────────────────────────────────────────────────────────────────────────────────────

    def finish(self) -> Turn:
        """The complete turn."""
        draft, question = self.draft, self.debate.question
        statement, vote = draft.statement, draft.vote
        assert statement is not None and vote is not None
        own_thinking, spoken = self._split_thinking(statement.text)
        reasoning = "\n\n".join(part for part in (draft.thinking.text if draft.thinking else "", own_thinking) if part)
        before = draft.before if draft.ballot is not None else None
        return Turn(
            seat=self.seat.name,
            position=self.place,
            statement=spoken,
            reasoning=reasoning or None,
            reasoning_truncated=draft.thinking is not None and draft.thinking.cut,
            stated=stated_vote(spoken, question),
            ballot=_ballot(vote, draft),
            ballot_before=_ballot(before) if before else None,
            changed_mind=draft.changed_mind,
            finish_reason="length" if statement.cut else "stop",
            truncated=statement.cut,
            seed=self.seed("statement", draft.attempts - 1),
            usage=draft.usage,
            attempts=draft.attempts,
            names_letter=names_a_letter(spoken),
            peers_cut=self.peers_cut,
            token_ids=statement.token_ids,
        )

    def _split_thinking(self, text: str) -> tuple[str, str]:
        """Thinking that a model wrote although it was not asked to is kept apart all the same."""
        reasoning = UNASKED_REASONING if self.model.at_endpoint else self.model.card.reasoning
        if self.model.at_endpoint and text.startswith(UNASKED_REASONING.start) and UNASKED_REASONING.end not in text:
            # Cut before it came to an end: nothing was said.
            return text.removeprefix(UNASKED_REASONING.start).strip(), ""
        if reasoning is None or reasoning.end not in text:
            return "", text
        thought, _, spoken = text.rpartition(reasoning.end)
        return thought.replace(reasoning.start, "").strip(), spoken.strip()


def _ballot(vote: Vote, draft: Draft | None = None) -> Ballot:
    """A vote as it is kept; of the one that counts, with what its draft has measured beside it."""
    if draft is None:
        return Ballot(
            vote.letter, vote.distribution, vote.tied, orders=vote.orders, source=vote.source, listed_mass=vote.mass
        )
    measured = (draft.persuaded, draft.label_mass, vote.orders, draft.free_reply, vote.source, vote.mass)
    return Ballot(vote.letter, vote.distribution, vote.tied, *measured)


def begin_turn(debate_id: int, debate: Debate, seat: Seat, model: Model, *, stream: bool) -> TurnAtWork:
    """A seat's turn in the debate's open round, nothing asked yet.

    Raises:
        PlacementError: A peer's turn is longer than its bound and `peers` says to refuse.
    """
    round_number = debate.open_round
    assert round_number is not None
    names = tuple(other.name for other in debate.order)
    peers = debate.readers_peers(seat.name, round_number)
    called = shown_names(debate.order, debate.panel.visibility, model.renderer.wording)
    draft = Draft(seat.name, round_number, debate.previous_vote(seat.name, round_number), len(peers))
    place = names.index(seat.name) + 1
    turn = TurnAtWork(debate_id, debate, round_number, seat, model, place, peers, called, draft, stream=stream)
    shown, turn.peers_cut = _shown(debate, seat, debate.shown_to(seat.name, round_number), model)
    # Under their own names, which is the rule, turns are read as they are.
    turn.shown = tuple(o if called[o.seat] == o.seat else replace(o, seat=called[o.seat]) for o in shown)
    turn.tally = debate.tally_shown(round_number)
    return turn


def _shown(debate: Debate, seat: Seat, turns: Sequence[ShownTurn], model: Model) -> tuple[tuple[ShownTurn, ...], int]:
    """The previous round's turns as this seat's model reads them, and how many of them had to be cut."""
    if not turns:
        return (), 0
    bounds = model.shown_bounds(debate.question)
    peers = debate.panel.peers
    if peers.over == "refuse":
        # A bound that the panel names holds for every turn; the computed ones only have to hold together.
        in_all = None if peers.max_tokens is not None else model.room_for_shown(seat, bounds)
        _refuse_too_long(turns, model, bounds, in_all)
        return tuple(turns), 0
    shown, num_cut = [], 0
    for turn in turns:
        if turn.statement is not None:
            text, was_cut = model.renderer.cut(turn.statement, bounds[turn.seat])
            turn, num_cut = replace(turn, statement=text), num_cut + was_cut
        shown.append(turn)
    return tuple(shown), num_cut


def _refuse_too_long(turns: Sequence[ShownTurn], model: Model, bounds: Mapping[str, int], in_all: int | None) -> None:
    lengths = {turn.seat: model.renderer.shown_tokens(turn.statement or "") for turn in turns}
    over = [seat for seat, length in lengths.items() if length > bounds[seat]]
    if not over or (in_all is not None and sum(lengths.values()) <= in_all):
        return
    raise PlacementError(
        f"the turn of {over[0]!r} takes {lengths[over[0]]:,} tokens of {model.card.id}; {bounds[over[0]]:,} were "
        "reckoned with",
        hint="Set `peers: {over: head_tail}` to have long turns cut with a mark, or raise peers.max_tokens.",
    )
