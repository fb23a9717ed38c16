"""Messages → token ids through a model's own chat template, with contents that can't escape their place.

The template is rendered with a marker in place of every content. What it writes around the markers is trusted: its
added tokens become control ids. Each stretch between two control ids, contents filled in, is then encoded as plain
text. For harmless contents the ids are those of the model's own tokenization; for hostile ones no control id arises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from localtable.errors import TemplateError
from localtable.prompts.tokenizer import Place, PromptTokenizer

Role = Literal["system", "user", "assistant"]

_MARKER = "LocaltableContent{}Here"


@dataclass(frozen=True, slots=True)
class _Run:
    """Text between two control tokens: literal pieces of the template and indices of contents, in turn."""

    pieces: tuple[str | int, ...]
    at: Place

    def fill(self, contents: Sequence[str]) -> str:
        return "".join(piece if isinstance(piece, str) else contents[piece] for piece in self.pieces)


Skeleton = tuple[_Run | int, ...]
"""A rendered template: control ids, and runs of text between them."""


class ChatTemplate:
    """A model's chat template over a tokenizer."""

    def __init__(self, tokenizer: PromptTokenizer) -> None:
        self._tokenizer = tokenizer
        # Per instance, so that the caches die with it.
        self._marked = lru_cache(maxsize=64)(self._render_marked)
        self._skeleton = lru_cache(maxsize=64)(self._build_skeleton)

    def encode(
        self,
        roles: Sequence[Role],
        contents: Sequence[str],
        *,
        open_turn: bool,
        switches: Mapping[str, Any],
    ) -> list[int]:
        """Token ids of a conversation.

        Args:
            roles: One per content.
            contents: Untrusted; none of them can make a control token. Without white space around them, which some
                templates would strip.
            open_turn: Whether the assistant's next turn is begun.
            switches: Arguments for the template, such as `enable_thinking`.

        Raises:
            TemplateError: The template refuses the conversation, or drops or repeats a content.
        """
        return self._assemble(self._skeleton(tuple(roles), open_turn, _freeze(switches)), contents)

    def encode_after(
        self, roles: Sequence[Role], contents: Sequence[str], after: int, *, switches: Mapping[str, Any]
    ) -> list[int]:
        """Ids of what follows content number `after`, up to and into the assistant's next turn.

        This is how a conversation goes on behind tokens that were generated: their turn's end, then the new turns.

        Raises:
            TemplateError: As `encode`.
        """
        skeleton = self._skeleton(tuple(roles), True, _freeze(switches))
        return self._assemble(_behind(skeleton, after), contents)

    def text(self, roles: Sequence[Role], *, open_turn: bool, switches: Mapping[str, Any]) -> str:
        """The rendering with markers in place of contents: for comparing what switches do.

        Raises:
            TemplateError: As `encode`.
        """
        return self._marked(tuple(roles), open_turn, _freeze(switches))

    def before(self, roles: Sequence[Role], *, switches: Mapping[str, Any]) -> str:
        """What the template writes by itself in front of the first content."""
        text = self.text(roles, open_turn=True, switches=switches)
        return text[: min(text.index(_MARKER.format(i)) for i in range(len(roles)))]

    def opening(self, roles: Sequence[Role], *, switches: Mapping[str, Any]) -> str:
        """What the template writes behind the last content to begin the assistant's turn."""
        text = self.text(roles, open_turn=True, switches=switches)
        last = max((_MARKER.format(i) for i in range(len(roles))), key=text.index)
        return text[text.index(last) + len(last) :]

    def _assemble(self, skeleton: Skeleton, contents: Sequence[str]) -> list[int]:
        ids: list[int] = []
        for part in skeleton:
            if isinstance(part, int):
                ids.append(part)
            elif text := part.fill(contents):
                ids.extend(self._tokenizer.encode_plain(text, at=part.at))
        return ids

    def _build_skeleton(self, roles: tuple[Role, ...], open_turn: bool, switches: str) -> Skeleton:
        markers = [_MARKER.format(i) for i in range(len(roles))]
        return _split(self._marked(roles, open_turn, switches), markers, self._tokenizer)

    def _render_marked(self, roles: tuple[Role, ...], open_turn: bool, switches: str) -> str:
        markers = [_MARKER.format(i) for i in range(len(roles))]
        as_text: list[Any] = list(markers)
        # Templates of multimodal models take contents as lists of parts.
        as_parts: list[Any] = [[{"type": "text", "text": marker}] for marker in markers]
        problems: list[TemplateError] = []
        for contents in (as_text, as_parts):
            messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]
            try:
                text = self._tokenizer.render(messages, json.loads(switches), open_turn=open_turn)
            except TemplateError as error:
                problems.append(error)
                continue
            counts = [_times_shown(content, marker, text) for content, marker in zip(contents, markers, strict=True)]
            if all(count == 1 for count in counts):
                return text
            problems += [_shown_wrongly(role, n) for role, n in zip(roles, counts, strict=True) if n != 1]
        raise problems[0]


def _times_shown(content: Any, marker: str, text: str) -> int:
    # A template for texts that is given parts may print their Python form, which is no way to show a text.
    return 0 if not isinstance(content, str) and str(content) in text else text.count(marker)


def _shown_wrongly(role: Role, times: int) -> TemplateError:
    return TemplateError(
        f"the chat template shows what the {role} says {times} times, not once",
        hint="Its model can't hold this debate as it is asked to.",
    )


def _split(text: str, markers: Sequence[str], tokenizer: PromptTokenizer) -> Skeleton:
    parts: list[_Run | int] = []
    position = 0
    for control in tokenizer.find_controls(text):
        if control.start > position:
            parts.append(_run(text[position : control.start], markers, at="control" if parts else "start"))
        parts.append(control.token_id)
        position = max(position, control.end)
    if position < len(text):
        parts.append(_run(text[position:], markers, at="control" if parts else "start"))
    return tuple(parts)


def _run(text: str, markers: Sequence[str], *, at: Place) -> _Run:
    pieces: list[str | int] = []
    places = sorted((text.index(marker), i) for i, marker in enumerate(markers) if marker in text)
    position = 0
    for place, i in places:
        pieces += [text[position:place], i]
        position = place + len(markers[i])
    return _Run((*pieces, text[position:]), at)


def _behind(skeleton: Skeleton, content: int) -> Skeleton:
    for number, part in enumerate(skeleton):
        if isinstance(part, _Run) and content in part.pieces:
            rest = part.pieces[part.pieces.index(content) + 1 :]
            return (replace(part, pieces=rest, at="inside"), *skeleton[number + 1 :])
    raise TemplateError(f"the chat template drops content {content}", hint="Its model can't hold this debate.")


def _freeze(switches: Mapping[str, Any]) -> str:
    return json.dumps(switches, sort_keys=True)
