"""A moderator at its engine: the summary of a finished debate, text by text, as one more chain of requests."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localtable.engines.base import Completion, Constraint, Origin, Request
from localtable.errors import PlacementError
from localtable.moderator.writing import TEXT_REGEX, Writing
from localtable.prompts import Renderer
from localtable.protocol import Condition, Debate, panel_on
from localtable.runner.models import MIN_SHOWN_TOKENS, Model
from localtable.seeds import request_seed
from localtable.transcript import cards_to_json, to_data
from localtable.types import SUMMARY_STEP, Summary, Transcript, TurnPlace

MAX_LENGTH = 4096
"""Tokens of a moderator's prompt and all that it writes, at most: what it reads is cut to that."""


@dataclass(slots=True)
class SummaryAtWork:
    """A summary in progress, and the requests that it is made of."""

    debate_id: int
    question: str
    """The question's id."""
    repeat: int
    seed: int
    """The run's."""
    model: Model
    writing: Writing
    state: str = "open"
    tries: int = 0
    """Failures of the present request."""
    said: list[int] = field(default_factory=list)
    steps: list[tuple[str, int]] = field(default_factory=list)
    """The requests that are done, and the number of the generation that each came from."""
    prompt_ids: tuple[int, ...] = ()
    """The first request's prompt."""
    reused: bool = True
    charged: bool = False
    message: str = ""

    @property
    def group(self) -> Hashable:
        """It shares its prompt with nobody."""
        return (SUMMARY_STEP, self.debate_id)

    @property
    def member(self) -> Hashable:
        return SUMMARY_STEP

    @property
    def doing(self) -> str:
        """What it is at, for those who read why it failed."""
        return f"the summary of {self.question!r}"

    def current_step(self) -> str:
        """The name of all its requests' step."""
        return SUMMARY_STEP

    def next_request(self) -> Request | None:
        """The request of the next text; None when the summary is complete.

        Raises:
            PlacementError: The facts alone are too long for the model.
        """
        self.said = []
        writing = self.writing
        if writing.is_done:
            return None
        renderer = self.model.renderer
        if not self.message:
            self.message = fitting_message(renderer, writing, length_for(self.model))
        prompt = renderer.message(self.message, writing.document())
        self.prompt_ids = self.prompt_ids or prompt
        place, attempt = writing.place, writing.attempt
        return Request(
            request_id=f"{self.debate_id}/{SUMMARY_STEP}/{place}/{attempt}/{self.tries}",
            prompt_token_ids=prompt,
            sampling=writing.sampling,
            seed=request_seed(self.seed, self.repeat, self.question, "", place, SUMMARY_STEP, attempt),
            stop_token_ids=renderer.stop_ids,
            constraint=Constraint(TEXT_REGEX),
            origin=Origin(self.question, self.repeat, "", place, SUMMARY_STEP, attempt),
        )

    def reserved_tokens(self) -> int:
        """Tokens that it can still take in a cache behind its first prompt."""
        document = self.model.renderer.tokenizer.encode_plain(self.writing.longest_document())
        return self.writing.tokens_left + len(document)

    def take(self, request: Request, completion: Completion) -> None:
        """Go on with what an engine gave for the present text."""
        self.tries = 0
        text = self.model.renderer.tokenizer.decode(completion.token_ids)
        whole = text.endswith('"')
        self.writing.take(text.removesuffix('"'), cut=not whole)

    def finish(self) -> Summary:
        """The complete summary."""
        return self.writing.summary(self.model.card.id)


def begin_summary(debate_id: int, transcript: Mapping[str, Any], model: Model) -> SummaryAtWork:
    """A debate's summary, nothing asked yet.

    Args:
        debate_id: Its number.
        transcript: As JSON data.
        model: Who sums up.
    """
    seed = transcript["panel"].get("seed", 0)
    asked = transcript["question"]["id"]
    return SummaryAtWork(debate_id, asked, transcript["repeat"], seed, model, Writing(transcript))


def told(condition: Condition, debate: Debate) -> dict[str, Any]:
    """A debate as its moderator is told of it, as JSON data: all but what its engines say of themselves."""
    panel = panel_on(debate.question, condition.panel)
    transcript = Transcript(
        *(debate.question, panel, debate.repeat, debate.rounds, debate.verdict),
        condition=condition.name,
        manifest={"cards": cards_to_json(panel.cards, {}, {})},
    )
    return to_data(transcript)


def length_for(model: Model) -> int:
    """Tokens that a summary may take, prompt and all."""
    return min(model.context_length, MAX_LENGTH)


def fitting_message(renderer: Renderer, writing: Writing, length: int) -> str:
    """What a moderator is told, its statements cut so that all of it fits.

    Args:
        renderer: The model's.
        writing: Nothing of it is written.
        length: Tokens, for the message and everything that is written behind it.

    Raises:
        PlacementError: The facts alone don't fit.
    """
    keys = writing.longest_document()
    statements = writing.turns_to_show()

    def left(shown: dict[TurnPlace, str]) -> int:
        return length - writing.tokens_left - len(renderer.message(writing.message(shown), keys))

    without = left({})
    if without < 0:
        raise PlacementError(
            f"facts and summary take {length - without:,} tokens of {renderer.card.id}, which has {length:,} for them",
            hint="Take a moderator with a longer context.",
        )
    # At a large table even who said something in which round takes more: then there is room for no statement.
    room = left(dict.fromkeys(statements, ""))
    share = room // max(len(statements), 1)
    while share >= MIN_SHOWN_TOKENS:
        try:
            shown = {turn: renderer.cut(text, share)[0] for turn, text in statements.items()}
        except PlacementError:
            break  # so little room that nothing is left of a statement beside the mark that says it was cut
        over = -left(shown)
        if over <= 0:
            return writing.message(shown)
        share -= max(over // len(statements), 1)  # cut apart from what stands around them, texts may take a token more
    return writing.message({})
