"""Messages → token ids through a model's own chat template, with contents that can't escape their place.

The template is rendered with a marker in place of every content. What it writes around the markers is trusted: its
added tokens become control ids. Each stretch between two control ids, contents filled in, is then encoded as plain
text. For harmless contents the ids are those of the model's own tokenization; for hostile ones no control id arises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from localtable.errors import TemplateError
from localtable.prompts.tokenizer import PromptTokenizer

Role = Literal["system", "user", "assistant"]

_MARKER = "LocaltableContent{}Here"


@dataclass(frozen=True, slots=True)
class _Run:
    """Text between two control tokens: literal pieces of the template and indices of contents, in turn."""

    pieces: tuple[str | int, ...]
    first: bool

    def fill(self, contents: Sequence[str]) -> str:
        return "".join(piece if isinstance(piece, str) else contents[piece] for piece in self.pieces)


Skeleton = tuple[_Run | int, ...]
"""A rendered template: control ids, and runs of text between them."""


class ChatTemplate:
    """A model's chat template over a tokenizer."""

    def __init__(self, tokenizer: PromptTokenizer) -> None:
        self._tokenizer = tokenizer
        # Per instance, so that the cache dies with it.
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
            contents: Untrusted; none of them can make a control token.
            open_turn: Whether the assistant's next turn is begun.
            switches: Arguments for the template, such as `enable_thinking`.

        Raises:
            TemplateError: The template refuses the conversation, or drops or repeats a content.
        """
        skeleton = self._skeleton(tuple(roles), open_turn, _freeze(switches))
        return self._assemble(skeleton, contents)

    def encode_after(
        self, roles: Sequence[Role], contents: Sequence[str], after: int, *, switches: Mapping[str, Any]
    ) -> list[int]:
        """Ids of what follows content number `after`, up to and into the assistant's next turn.

        This is how a conversation goes on behind tokens that were generated: their turn's end, then the new turns.
        """
        skeleton = self._skeleton(tuple(roles), True, _freeze(switches))
        return self._assemble(_behind(skeleton, after), contents)

    def text(self, roles: Sequence[Role], *, open_turn: bool, switches: Mapping[str, Any]) -> str:
        """The rendering with markers in place of contents: for comparing what switches do."""
        return self._tokenizer.render(
            [{"role": role, "content": _MARKER.format(i)} for i, role in enumerate(roles)],
            switches,
            open_turn=open_turn,
        )

    def _assemble(self, skeleton: Skeleton, contents: Sequence[str]) -> list[int]:
        ids: list[int] = []
        for part in skeleton:
            if isinstance(part, int):
                ids.append(part)
            elif text := part.fill(contents):
                ids.extend(self._tokenizer.encode_plain(text, first=part.first))
        return ids

    def _build_skeleton(self, roles: tuple[Role, ...], open_turn: bool, switches: tuple[Any, ...]) -> Skeleton:
        markers = [_MARKER.format(i) for i in range(len(roles))]
        text = self._tokenizer.render(
            [{"role": role, "content": marker} for role, marker in zip(roles, markers, strict=True)],
            dict(switches),
            open_turn=open_turn,
        )
        if any(text.count(marker) != 1 for marker in markers):
            # Templates of multimodal models take contents as lists of parts.
            text = self._tokenizer.render(
                [
                    {"role": role, "content": [{"type": "text", "text": marker}]}
                    for role, marker in zip(roles, markers, strict=True)
                ],
                dict(switches),
                open_turn=open_turn,
            )
        for role, marker in zip(roles, markers, strict=True):
            if text.count(marker) != 1:
                raise TemplateError(
                    f"the chat template shows the content of a {role} turn {text.count(marker)} times, not once",
                    hint="Its model can't hold this debate as it is asked to.",
                )
        return _split(text, markers, self._tokenizer)


def _split(text: str, markers: Sequence[str], tokenizer: PromptTokenizer) -> Skeleton:
    parts: list[_Run | int] = []
    position = 0
    for control in tokenizer.find_controls(text):
        if control.start > position:
            parts.append(_run(text[position : control.start], markers, first=position == 0))
        parts.append(control.token_id)
        position = control.end
    if position < len(text):
        parts.append(_run(text[position:], markers, first=position == 0))
    return tuple(parts)


def _run(text: str, markers: Sequence[str], *, first: bool) -> _Run:
    pieces: list[str | int] = []
    places = sorted((text.index(marker), i) for i, marker in enumerate(markers) if marker in text)
    position = 0
    for place, i in places:
        pieces += [text[position:place], i]
        position = place + len(markers[i])
    return _Run((*pieces, text[position:]), first)


def _behind(skeleton: Skeleton, content: int) -> Skeleton:
    for number, part in enumerate(skeleton):
        if isinstance(part, _Run) and content in part.pieces:
            rest = part.pieces[part.pieces.index(content) + 1 :]
            return (_Run(rest, first=False), *skeleton[number + 1 :])
    raise TemplateError(f"the chat template drops content {content}", hint="Its model can't hold this debate.")


def _freeze(switches: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(switches.items()))
