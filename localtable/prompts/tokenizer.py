"""Tokenizers, seen the way prompts need them: a chat template's text is trusted, everything else is inert.

`encode_plain` turns any text into ids among which no added token (`<|im_start|>`, `</tool_call>`, …) can be: the
tokenizer's added vocabulary is taken out of a copy of it, and where a merge still arrives at such an id the text is
cut inside that token and its halves are encoded apart.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from localtable import scripted_vocabulary
from localtable.errors import PrerequisiteError, TemplateError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

PINNED_DATE = "2025-01-01"
"""What templates that print today's date are told, so that prompts are the same on every day."""


class ControlToken(NamedTuple):
    """An added token in a trusted text: where it stands and its id."""

    start: int
    end: int
    token_id: int


class PromptTokenizer(ABC):
    """What rendering needs of a tokenizer."""

    control_ids: frozenset[int]
    """Added tokens that steer the model; generation stops at any of them."""
    template_sha256: str

    @abstractmethod
    def render(self, messages: Sequence[Mapping[str, Any]], switches: Mapping[str, Any], *, open_turn: bool) -> str:
        """The chat template's text; `open_turn` begins the assistant's next turn.

        Raises:
            TemplateError: The template refuses these messages.
        """

    @abstractmethod
    def find_controls(self, text: str) -> list[ControlToken]:
        """The added tokens in a trusted text, in order."""

    @abstractmethod
    def encode_plain(self, text: str, *, first: bool = False) -> list[int]:
        """Ids of an untrusted text, no added token among them; `first` where it begins the whole prompt."""

    @abstractmethod
    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of generated ids, added tokens written out."""

    @abstractmethod
    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        """All ids that stand for exactly this ASCII text in mid-word, byte fallbacks among them."""


class HfTokenizer(PromptTokenizer):
    """The tokenizer and chat template of a Hugging Face folder."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        try:
            self._hf = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self._full: FastTokenizer = self._hf.backend_tokenizer
        except Exception as error:
            raise PrerequisiteError(
                f"the tokenizer in {folder} can't be read: {str(error).splitlines()[0]}",
                hint="`localtable models verify` says whether the files are whole; a tokenizer.json is needed.",
            ) from error
        if not self._hf.chat_template:
            raise TemplateError(
                f"the model in {folder} has no chat template, so it can't be spoken to in turns",
                hint="Take an instruction-tuned model.",
            )
        template = self._hf.chat_template
        self.template_sha256 = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()
        added = self._full.get_added_tokens_decoder()
        # A single character that happens to be an added token is text, not control.
        self._added_ids = frozenset(i for i, token in added.items() if len(token.content.strip()) != 1)
        self.control_ids = frozenset(i for i in self._added_ids if added[i].special or _looks_like_markup(added[i]))
        self._plain_first = _without_added_tokens(self._full, first=True)
        self._plain = _without_added_tokens(self._full, first=False)
        self._vocab: dict[str, int] = self._full.get_vocab(with_added_tokens=True)

    def render(self, messages: Sequence[Mapping[str, Any]], switches: Mapping[str, Any], *, open_turn: bool) -> str:
        import datetime

        import jinja2

        date = datetime.date.fromisoformat(PINNED_DATE)
        try:
            text: str = self._hf.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=open_turn,
                strftime_now=date.strftime,
                **switches,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise TemplateError(
                f"the chat template refuses {[m['role'] for m in messages]}: {error}",
                hint="Its model can't hold this debate as it is asked to.",
            ) from error
        return text

    def find_controls(self, text: str) -> list[ControlToken]:
        encoding = self._full.encode(text, add_special_tokens=False)
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        return [ControlToken(start, end, i) for i, (start, end) in pairs if i in self._added_ids]

    def encode_plain(self, text: str, *, first: bool = False) -> list[int]:
        encoding = (self._plain_first if first else self._plain).encode(text, add_special_tokens=False)
        for token_id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token_id in self._added_ids:
                # Merges have rebuilt an added token: its halves, encoded apart, can't.
                cut = start + max(1, (end - start) // 2)
                if not 0 < cut < len(text):
                    raise TemplateError(
                        f"the text {text!r} can't be written without the added token {token_id} of this tokenizer",
                        hint="Take that character out.",
                    )
                return self.encode_plain(text[:cut], first=first) + self.encode_plain(text[cut:])
        ids: list[int] = encoding.ids
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        text: str = self._full.decode(list(token_ids), skip_special_tokens=False)
        return text

    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        pieces = [label]
        if len(label) == 1 and self._has_byte_fallback():
            pieces.append(f"<0x{ord(label):02X}>")
        found = (self._vocab.get(piece) for piece in pieces)
        return tuple(i for i in found if i is not None and i not in self._added_ids)

    def _has_byte_fallback(self) -> bool:
        return bool(getattr(self._full.model, "byte_fallback", False))


def _looks_like_markup(token: Any) -> bool:
    content = token.content.strip()
    return len(content) > 2 and (content[0], content[-1]) in {("<", ">"), ("[", "]")}


def _without_added_tokens(full: FastTokenizer, *, first: bool) -> FastTokenizer:
    from tokenizers import Tokenizer

    data = json.loads(full.to_str())
    data["added_tokens"] = []
    data["post_processor"] = data["truncation"] = data["padding"] = None
    if not first:
        # Behind a control token such a tokenizer adds no leading space; only the prompt's very first run gets one.
        _never_prepend(data.get("pre_tokenizer"))
    return Tokenizer.from_str(json.dumps(data))


def _never_prepend(pre_tokenizer: Any) -> None:
    if not isinstance(pre_tokenizer, dict):
        return
    if pre_tokenizer.get("prepend_scheme") == "first":
        pre_tokenizer["prepend_scheme"] = "never"
    for part in pre_tokenizer.get("pretokenizers", []):
        _never_prepend(part)


class ByteTokenizer(PromptTokenizer):
    """The scripted engine's tokenizer: a byte is a token, two control tokens frame a turn."""

    _CONTROLS: Mapping[str, int] = {
        "<|start|>": scripted_vocabulary.START_OF_TURN,
        "<|end|>": scripted_vocabulary.END_OF_TURN,
    }

    def __init__(self) -> None:
        self.control_ids = frozenset(self._CONTROLS.values())
        self.template_sha256 = hashlib.sha256(b"localtable scripted").hexdigest()

    def render(self, messages: Sequence[Mapping[str, Any]], switches: Mapping[str, Any], *, open_turn: bool) -> str:
        text = "".join(f"<|start|>{message['role']}\n{message['content']}<|end|>\n" for message in messages)
        thinking = "<think>\n" if switches.get("enable_thinking") else ""
        return text + f"<|start|>assistant\n{thinking}" if open_turn else text

    def find_controls(self, text: str) -> list[ControlToken]:
        import re

        pattern = "|".join(re.escape(literal) for literal in self._CONTROLS)
        return [ControlToken(m.start(), m.end(), self._CONTROLS[m.group()]) for m in re.finditer(pattern, text)]

    def encode_plain(self, text: str, *, first: bool = False) -> list[int]:
        return list(text.encode())

    def decode(self, token_ids: Sequence[int]) -> str:
        return scripted_vocabulary.decode(token_ids)

    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        return (ord(label),) if len(label) == 1 and ord(label) < 128 else ()
