"""Tokenizers, seen the way prompts need them: a chat template's text is trusted, everything else is inert.

`encode_plain` turns any text into ids among which no added token (`<|im_start|>`, `</tool_call>`, …) can be: the
added vocabulary is left out of copies of the tokenizer, and where a merge still arrives at such an id the text is cut
inside that token and its halves are encoded apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from localtable import scripted_vocabulary
from localtable.errors import PrerequisiteError, TemplateError

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as FastTokenizer

PINNED_DATE = "2025-01-01"
"""What templates that print today's date are told, so that prompts are the same on every day."""

Place = Literal["start", "control", "inside"]
"""Where a text stands: at the start of the whole prompt, right behind a control token, or behind other text. Some
tokenizers put a space before the first two, some before the first only."""

_HTML = re.compile(
    r"</?(?:table|caption|thead|tbody|tfoot|tr|th|td|h[1-6]|blockquote|p|div|span|ul|ol|li|a|b|i|em|strong|u|sub|sup|"
    r"code|pre|br|hr|img)>"
)
"""Some tokenizers have these as added tokens: text that a statement may hold, so generation doesn't stop there."""


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
    def encode_plain(self, text: str, *, at: Place = "inside") -> list[int]:
        """Ids of an untrusted text, no added token among them."""

    @abstractmethod
    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of generated ids, added tokens written out."""

    @abstractmethod
    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        """All ids that stand for exactly this ASCII text in mid-word, byte fallbacks among them."""


class HfTokenizer(PromptTokenizer):
    """The tokenizer and chat template of a Hugging Face folder."""

    def __init__(self, folder: Path) -> None:
        try:
            self._hf = _tokenizer_class(folder).from_pretrained(folder, local_files_only=True, trust_remote_code=False)
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
        texts = [token for token in added.values() if _is_text(token)]
        self._added_ids = frozenset(i for i, token in added.items() if not _is_text(token))
        named = frozenset(self._hf.all_special_ids)
        self.control_ids = frozenset(
            i for i in self._added_ids if i in named or added[i].special or _looks_like_markup(added[i])
        )
        self._plain: dict[Place, FastTokenizer] = {
            place: _without_added_tokens(self._full, place, keep=texts) for place in get_args(Place)
        }
        # A copy numbers what it keeps anew where the model's own vocabulary lacks it.
        self._renumbered = {
            copied: own
            for token in texts
            if (copied := self._plain["inside"].token_to_id(token.content))
            != (own := self._full.token_to_id(token.content))
        }

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
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise TemplateError(
                f"the chat template refuses {[m['role'] for m in messages]}: {error}",
                hint="Its model can't hold this debate as it is asked to.",
            ) from error
        return text

    def find_controls(self, text: str) -> list[ControlToken]:
        encoding = self._full.encode(text, add_special_tokens=False)
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        return [ControlToken(start, end, i) for i, (start, end) in pairs if i in self._added_ids]

    def encode_plain(self, text: str, *, at: Place = "inside") -> list[int]:
        if not text.isascii():
            # Halves of surrogate pairs, as from a command line that is no UTF-8, are no text for a tokenizer.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return self._encode_inert(text, at)

    def _encode_inert(self, text: str, at: Place) -> list[int]:
        encoding = self._plain[at].encode(text, add_special_tokens=False)
        ids: list[int] = encoding.ids
        if self._renumbered:
            ids = [self._renumbered.get(i, i) for i in ids]
        if self._added_ids.isdisjoint(ids):
            return ids
        cuts = self._cuts(encoding, len(text))
        if not cuts:
            # A character that the vocabulary lacks, so that it would become the unknown token.
            instead = " " if text.isspace() else "?"
            lacking = len(text) == 1 and text != instead
            return self._encode_inert(instead, at) if lacking else [i for i in ids if i not in self._added_ids]
        parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        inert = self._encode_inert(parts[0], at)
        for part in parts[1:]:
            inert += self._encode_inert(part, "inside")
        return inert

    def _cuts(self, encoding: Encoding, length: int) -> list[int]:
        """Where to cut a text so that no added token of its `encoding` can come about again."""
        cuts: set[int] = set()
        for token_id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if self._renumbered.get(token_id, token_id) in self._added_ids:
                cuts |= {(start + end) // 2} if end - start > 1 else {start, end}
        return sorted(cut for cut in cuts if 0 < cut < length)

    def decode(self, token_ids: Sequence[int]) -> str:
        text: str = self._full.decode(list(token_ids), skip_special_tokens=False)
        return text

    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        pieces = [label]
        if len(label) == 1 and getattr(self._full.model, "byte_fallback", False):
            pieces.append(f"<0x{ord(label):02X}>")
        found = (self._full.token_to_id(piece) for piece in pieces)
        return tuple(i for i in found if i is not None and i not in self._added_ids)


def _tokenizer_class(folder: Path) -> Any:
    if (folder / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast

        # Takes the file as it stands, and leaves torch alone: AutoTokenizer costs 3 s of processor time to import.
        return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def _is_text(token: Any) -> bool:
    """Whether an added token is text like any other: a single character, or a run of white space.

    Even where it is declared special: some models name "!" as what they pad with.
    """
    return len(token.content.strip()) < 2


def _looks_like_markup(token: Any) -> bool:
    """Whether an added token that isn't declared special steers by its looks: `</tool_call>`, `[TOOL]`, `◁think▷`."""
    content = token.content.strip()
    framed = len(content) > 2 and not content[0].isalnum() and not content[-1].isalnum()
    return framed and any(map(str.isalpha, content)) and not _HTML.fullmatch(content)


def _without_added_tokens(full: FastTokenizer, place: Place, *, keep: Sequence[Any]) -> FastTokenizer:
    """A copy for texts at `place`, with the added tokens in `keep` only; it shares the model, which is the big part."""
    from tokenizers import Tokenizer, models

    frame = _set_steps(Tokenizer(models.BPE()), full)
    data = json.loads(frame.to_str())
    change = {"start": lambda step: step, "control": _space_at_start_only, "inside": _no_space}[place]
    data |= {key: _changed(data[key], change) for key in ("normalizer", "pre_tokenizer")}
    copy = _set_steps(Tokenizer(full.model), Tokenizer.from_str(json.dumps(data)))
    copy.add_tokens(list(keep))
    return copy


def _set_steps(tokenizer: FastTokenizer, like: FastTokenizer) -> FastTokenizer:
    # Neither step can be set to None.
    if like.normalizer is not None:
        tokenizer.normalizer = like.normalizer
    if like.pre_tokenizer is not None:
        tokenizer.pre_tokenizer = like.pre_tokenizer
    return tokenizer


def _changed(data: Any, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Any:
    """A tokenizer's steps with `change` made to each of them, those left out that it turns into None."""
    if isinstance(data, list):
        return [part for part in (_changed(part, change) for part in data) if part is not None]
    if isinstance(data, dict):
        return change({key: _changed(value, change) for key, value in data.items()})
    return data


def _space_at_start_only(step: dict[str, Any]) -> dict[str, Any] | None:
    return _no_space(step) if step.get("prepend_scheme") == "first" else step


def _no_space(step: dict[str, Any]) -> dict[str, Any] | None:
    """A step that adds no leading space."""
    match step.get("type"):
        case "Prepend":
            return None
        case "Metaspace":
            return {**step, "prepend_scheme": "never"}
        case "ByteLevel":
            return {**step, "add_prefix_space": False}
        case _:
            return step


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
        pattern = "|".join(re.escape(literal) for literal in self._CONTROLS)
        return [ControlToken(m.start(), m.end(), self._CONTROLS[m.group()]) for m in re.finditer(pattern, text)]

    def encode_plain(self, text: str, *, at: Place = "inside") -> list[int]:
        return list(text.encode(errors="replace"))

    def decode(self, token_ids: Sequence[int]) -> str:
        return scripted_vocabulary.decode(token_ids)

    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        return (ord(label),) if len(label) == 1 and ord(label) < 128 else ()
