"""Debates → prompts: which words a seat reads at each step of its turn, as token ids of its own model.

Every round is a fresh prompt of one user message: what all seats share first (rules, question, options, previous
turns in one order), then the seat's own. Ballots continue the tokens of the statement they follow. Pure: no engine,
no clock; equal inputs give equal ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from localtable.errors import PlacementError, TemplateError
from localtable.prompts.template import ChatTemplate, Role
from localtable.prompts.tokenizer import PINNED_DATE, PromptTokenizer
from localtable.prompts.wording import Wording, fill
from localtable.types import LETTERS, Card, Letter, Peers, Question, Seat, ShownTurn, VoteCounts

RETOKENIZED = 1.25
"""How much longer a text may get in the tokenizer of the model that wrote it: generated ids needn't be canonical."""
OTHER_TOKENIZER = 2.0
"""The same for another model's tokenizer: plain English differs by a few per cent, code and other scripts by more."""
BYTES_PER_TOKEN = 4
"""Where tokens can't be counted: English in tokenizers of today; code and other scripts have more tokens."""
ENDLESS = 2**31 - 1
"""Tokens that nothing takes."""
ASIDE = 16
"""Tokens of slack per turn, for very short statements."""


class Renderer:
    """Renders the prompts of one model under one wording."""

    def __init__(self, card: Card, tokenizer: PromptTokenizer, wording: Wording) -> None:
        self.card = card
        self.tokenizer = tokenizer
        self.wording = wording
        self.template = ChatTemplate(tokenizer)
        # All seats of a round read it, and the store keeps it.
        self._shared = lru_cache(maxsize=64)(self._render_shared)
        self.neutral = lru_cache(maxsize=256)(self._render_neutral)
        self._system_role = self._takes_system() if wording.parts.system else False
        self.think_end_ids: tuple[int, ...] = ()
        self._think_start_ids: tuple[int, ...] = ()
        if card.reasoning:
            self._think_start_ids = self._marker_ids(card.reasoning.start)
            self.think_end_ids = self._marker_ids(card.reasoning.end)

    # ── what the template does by itself ──────────────────────────────────────────────────────────────────

    def describe(self) -> dict[str, Any]:
        """What the manifest keeps of the template: its hash, the text it adds by itself, the date it was told."""
        return {
            "sha256": self.tokenizer.template_sha256,
            "adds": self.template.before(["user"], switches=self._switches(False)),
            "date": PINNED_DATE,
        }

    def check_thinking(self) -> None:
        """Refuse a thinking switch that does nothing.

        Raises:
            TemplateError: The card names no way to think, or its switch changes nothing in the rendering.
        """
        reasoning = self.card.reasoning
        if self.card.endpoint is not None:
            raise TemplateError(
                f"{self.card.id} can't be told to think: whether a model at an endpoint thinks is its server's matter",
                hint="Turn thinking off for this seat; what it thinks unasked is kept all the same.",
            )
        if reasoning is None:
            raise TemplateError(
                f"{self.card.id} can't think: its card says nothing about reasoning",
                hint="Turn thinking off for this seat, or add `reasoning: {start, end, switch}` to the card.",
            )
        if len(self.think_end_ids) != 1:
            raise TemplateError(
                f"{reasoning.end!r}, the end of thinking, is {len(self.think_end_ids)} tokens of {self.card.id}",
                hint="Correct `reasoning.end` in the card, or turn thinking off for this seat.",
            )
        if reasoning.switch is None:
            return
        on, off = (
            self.template.text(["user"], open_turn=True, switches={reasoning.switch: value})
            for value in (reasoning.on, reasoning.off)
        )
        if on == off:
            raise TemplateError(
                f"the thinking switch {reasoning.switch!r} of {self.card.id} changes nothing in its chat template",
                hint="Correct `reasoning.switch` in the card; docs/contracts.md says how to find it.",
            )

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Generation stops at any control token, the reasoning markers aside."""
        markers = {*self._think_start_ids, *self.think_end_ids}
        return tuple(sorted(self.tokenizer.control_ids - markers))

    def _takes_system(self) -> bool:
        try:
            self.template.encode(["system", "user"], ["", ""], open_turn=True, switches=self._switches(False))
        except TemplateError:
            return False
        return True

    def _switches(self, thinking: bool) -> Mapping[str, Any]:
        reasoning = self.card.reasoning
        if reasoning is None or reasoning.switch is None:
            return {}
        return {reasoning.switch: reasoning.on if thinking else reasoning.off}

    def _marker_ids(self, marker: str) -> tuple[int, ...]:
        controls = self.tokenizer.find_controls(marker)
        if len(controls) == 1 and (controls[0].start, controls[0].end) == (0, len(marker)):
            return (controls[0].token_id,)
        return tuple(self.tokenizer.encode_plain(marker))

    # ── the statement ─────────────────────────────────────────────────────────────────────────────────────

    def statement(
        self, question: Question, seat: Seat, turns: Sequence[ShownTurn], tally: VoteCounts = ()
    ) -> tuple[int, ...]:
        """The prompt of a seat's statement, up to where its answer (or its thinking) begins.

        Args:
            question: What is debated.
            seat: Whose statement, under the name that it has in prompts.
            turns: The previous round's, in the order in which this seat sees them; empty in round 1.
            tally: Of the previous round, where it is shown.
        """
        own = self._own(question, seat, turns)
        return self._open(seat, self._shared(question, tuple(turns), tally), own, thinking=seat.thinking.on)

    def message(self, text: str, reply: str) -> tuple[int, ...]:
        """A prompt of one message of our own, and the beginning of its answer; whatever it quotes is inert.

        Args:
            text: The message.
            reply: What the answer begins with.
        """
        roles: list[Role] = ["user"]
        ids = self.template.encode(roles, [text], open_turn=True, switches=self._switches(thinking=False))
        ids += self._think_opening(roles, thinking=False)
        return (*ids, *self.tokenizer.encode_plain(reply, at="control"))

    def _own(self, question: Question, seat: Seat, turns: Sequence[ShownTurn]) -> str:
        parts = self.wording.parts
        own = parts.later_round.own if turns else parts.statement.own
        return fill(own, {**self._self(seat), "options": _options(question)})

    def _self(self, seat: Seat) -> dict[str, str]:
        """Who a seat is: its name, and behind its persona what its role is told."""
        role = self.wording.parts.roles[seat.role] if seat.role else None
        return {"seat": seat.name, "persona": "\n".join(filter(None, (seat.persona, role)))}

    def statement_texts(
        self, question: Question, seat: Seat, turns: Sequence[ShownTurn], tally: VoteCounts = ()
    ) -> tuple[str, str]:
        """The words of a statement's prompt: what all seats read, and what this one reads behind it."""
        return self._shared(question, tuple(turns), tally), self._own(question, seat, turns)

    def ballot_before(
        self,
        question: Question,
        seat: Seat,
        turns: Sequence[ShownTurn],
        order: Sequence[Letter],
        tally: VoteCounts = (),
    ) -> tuple[int, ...]:
        """The prompt of a ballot cast before the statement: peers are read, nothing is said yet."""
        tail = fill(
            self.wording.parts.ballot.before, {**self._self(seat), "lettered_options": _lettered(question, order)}
        )
        return self._open(seat, self._shared(question, tuple(turns), tally), tail, thinking=False)

    def _open(self, seat: Seat, shared: str, own: str, *, thinking: bool) -> tuple[int, ...]:
        roles, contents = self._conversation(seat, shared + "\n\n" + own)
        ids = self.template.encode(roles, contents, open_turn=True, switches=self._switches(thinking))
        return tuple(ids + self._think_opening(roles, thinking=thinking))

    def _conversation(self, seat: Seat, message: str) -> tuple[list[Role], list[str]]:
        system = fill(self.wording.parts.system or "", self._self(seat))
        if not system:
            return ["user"], [message]
        if self._system_role:
            return ["system", "user"], [system, message]
        return ["user"], [f"{system}\n\n{message}"]

    def _render_shared(self, question: Question, turns: tuple[ShownTurn, ...], tally: VoteCounts) -> str:
        parts = self.wording.parts
        blocks = [few_shot] if (few_shot := (parts.few_shot or "").strip()) else []
        blocks.append(
            fill(
                parts.statement.shared,
                {"question": question.question, "context": question.context or "", "options": _options(question)},
            )
        )
        if turns:
            shown = "\n\n".join(self._turn(turn) for turn in turns)
            blocks.append(fill(parts.later_round.shared, {"turns": shown}))
        if tally:
            counts = (fill(parts.tally_line, {"option": option, "votes": str(votes)}) for option, votes in tally)
            blocks.append(fill(parts.tally, {"counts": "\n".join(counts)}))
        return "\n\n".join(blocks)

    def _turn(self, turn: ShownTurn) -> str:
        parts = self.wording.parts
        said = "" if turn.statement is None else _quoted(turn.statement)
        sure = ""
        if turn.confidence is not None:
            sure = " " + fill(parts.confidence, {"percent": f"{turn.confidence:.0%}".removesuffix("%")})
        if turn.vote is None:
            return fill(parts.peer_without_vote, {"name": turn.seat + sure, "statement": said})
        return fill(parts.peer, {"name": turn.seat, "vote": turn.vote + sure, "statement": said})

    def _think_opening(self, roles: Sequence[Role], *, thinking: bool, thought: bool = False) -> list[int]:
        """What must stand between the opened turn and the first free token so that thinking is on, or off.

        Args:
            roles: Of the conversation whose last turn is opened.
            thinking: Whether the seat is to think now.
            thought: Whether the conversation's beginning told it to think.
        """
        reasoning = self.card.reasoning
        if reasoning is None:
            return []
        # What the template itself writes there: a content may spell the markers, too.
        opening = self.template.opening(roles, switches=self._switches(thinking))
        opened, closed = reasoning.start.strip() in opening, reasoning.end.strip() in opening
        if thinking:
            return [] if opened and not closed else [*self._think_start_ids, *self._newline()]
        if closed:
            return []
        if opened:
            return [*self._newline(), *self.think_end_ids, *self._newline(2)]
        if reasoning.switch is not None and not thought:
            return []
        return [*self._think_start_ids, *self._newline(2), *self.think_end_ids, *self._newline(2)]

    def _newline(self, count: int = 1) -> list[int]:
        return self.tokenizer.encode_plain("\n" * count)

    def think_closing(self, *, forced: bool) -> tuple[int, ...]:
        """What stands between thinking and statement: the end marker, forced or met, and an empty line."""
        lead = self._newline() if forced else []
        return (*lead, *self.think_end_ids, *self._newline(2))

    # ── ballots behind a statement ────────────────────────────────────────────────────────────────────────

    def ballot_after(self, question: Question, seat: Seat, order: Sequence[Letter]) -> tuple[int, ...]:
        """What follows a statement's ids: its turn's end, the ballot's turn, the opened answer."""
        text = fill(
            self.wording.parts.ballot.after, {"seat": seat.name, "lettered_options": _lettered(question, order)}
        )
        return self._continue(seat, text)

    def persuaded(
        self, question: Question, seat: Seat, old: Letter, new: Letter, labels: Mapping[str, str]
    ) -> tuple[int, ...]:
        """What follows a ballot's ids for a seat that changed its vote: who persuaded it?

        Args:
            question: What is debated.
            seat: Who changed.
            old: Its vote of the round before.
            new: Its vote now.
            labels: Peers' names by label; `own_reasoning` of the wording stands for no peer.
        """
        text = fill(
            self.wording.parts.ballot.persuaded,
            {
                "seat": seat.name,
                "old_vote": question.text_of(old),
                "new_vote": question.text_of(new),
                "lettered_peers": "\n".join(f"{label}. {name}" for label, name in labels.items()),
            },
        )
        return self._continue(seat, text)

    def _continue(self, seat: Seat, text: str) -> tuple[int, ...]:
        roles, contents = self._conversation(seat, "")
        roles += ["assistant", "user"]
        ids = self.template.encode_after(
            roles, [*contents, "", text], len(contents), switches=self._switches(thinking=False)
        )
        return tuple(ids + self._think_opening(roles, thinking=False, thought=seat.thinking.on))

    def _render_neutral(self, turn: ShownTurn) -> ShownTurn:
        """What stands in a turn's place and says nothing: no vote, and neutral words for a statement.

        They are repeated and cut so that the turn takes as many tokens as before, its vote included; where no cut comes
        to exactly that, the longest that doesn't go beyond. A turn that is shown without a statement gets none.
        """
        bare = replace(turn, vote=None, confidence=None, statement=None if turn.statement is None else "")
        if turn.statement is None:
            return bare
        due = self._turn_tokens(turn)
        encode, text = self.tokenizer.encode_plain, self.wording.parts.neutral_turn.strip()
        words = encode(" ".join([text] * (due // len(encode(text)) + 2)))
        made = {0: bare}
        size = due - self._turn_tokens(bare)
        # Cut apart from what follows, and quoted, words may take a token more or less.
        while size > 0 and size not in made:
            made[size] = replace(bare, statement=self.tokenizer.decode(words[:size]).rstrip("\ufffd"))
            size += due - self._turn_tokens(made[size])
        fitting = [one for one in made.values() if self._turn_tokens(one) <= due]
        return max(fitting, key=self._turn_tokens, default=bare)

    def _turn_tokens(self, turn: ShownTurn) -> int:
        return len(self.tokenizer.encode_plain(self._turn(turn)))

    # ── lengths ───────────────────────────────────────────────────────────────────────────────────────────

    def turn_bound(self, author: Seat, peers: Peers) -> int:
        """The most tokens of this tokenizer that an author's statement may take when it is shown."""
        given = self.given_bound(peers)
        if given is not None:
            return given
        if self.card.endpoint is not None:
            return ENDLESS
        factor = RETOKENIZED if author.card.id == self.card.id else OTHER_TOKENIZER
        return int(author.sampling.max_tokens * factor) + ASIDE

    def given_bound(self, peers: Peers) -> int | None:
        """The panel's own bound, in tokens of this tokenizer; an endpoint's are bytes here."""
        if peers.max_tokens is None or self.card.endpoint is None:
            return peers.max_tokens
        return peers.max_tokens * BYTES_PER_TOKEN

    def shown_tokens(self, statement: str) -> int:
        """How many tokens a statement takes where it is shown, quoted line by line."""
        return len(self.tokenizer.encode_plain(_quoted(statement)))

    def cut(self, statement: str, bound: int) -> tuple[str, bool]:
        """A statement in at most `bound` tokens, counted as it is shown: head and tail around a mark that readers see.

        Returns:
            The text, and whether it was cut.
        """
        if self.shown_tokens(statement) <= bound:
            return statement, False
        ids = self.tokenizer.encode_plain(statement)
        room = min(bound, len(ids) - 1)
        while room > 0:
            left_out = len(ids) - room
            left_out = left_out if self.card.endpoint is None else -(-left_out // BYTES_PER_TOKEN)
            mark = fill(self.wording.parts.cut, {"count": str(left_out)})
            head, tail = ids[: room - room // 3], ids[len(ids) - room // 3 :]
            # A character whose bytes are cut apart is left out.
            ends = (self.tokenizer.decode(head).rstrip("\ufffd"), mark, self.tokenizer.decode(tail).lstrip("\ufffd"))
            text = "\n".join(part for part in ends if part)
            over = self.shown_tokens(text) - bound
            if over <= 0:
                return text, True
            room -= over
        raise PlacementError(
            f"a bound of {bound} tokens has no room for the mark that says a turn was cut",
            hint="Raise peers.max_tokens.",
        )


def _quoted(statement: str) -> str:
    """Every line of what a peer said begins with a mark, so that none of it can pass for another peer's turn."""
    # splitlines knows more line ends than \n: a carriage return or U+2028 begins a line in a model's eyes, too.
    return "\n".join(f"> {line}".rstrip() for line in statement.splitlines() or [""])


def _options(question: Question) -> str:
    return "\n".join(f"- {option}" for option in question.options)


def _lettered(question: Question, order: Sequence[Letter]) -> str:
    """Options under the letters of this ballot: `order` names the options in the order in which they are listed."""
    return "\n".join(f"{LETTERS[i]}. {question.text_of(letter)}" for i, letter in enumerate(order))
