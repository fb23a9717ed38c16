"""Tokenizers of several families, each as a Hugging Face folder with a small chat template of our own.

Those of Mistral ship with vLLM's dependency mistral_common; what none of the real ones has (added tokens that are
white space or HTML, a normalizer that folds look-alikes, no byte fallback) is made here from them or trained on a page.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from localtable.prompts import HfTokenizer

CHATML = """\
{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

INST = """\
{{ bos_token }}{% for m in messages %}
{%- if m.role == 'user' %}[INST] {{ m.content }} [/INST]
{%- elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}
{%- else %}{{ raise_exception('there is no system role') }}{% endif %}{% endfor %}"""

TIGHT_INST = """\
{{ bos_token }}{% for m in messages %}
{%- if m.role == 'system' %}[SYSTEM_PROMPT]{{ m.content }}[/SYSTEM_PROMPT]
{%- elif m.role == 'user' %}[INST]{{ m.content }}[/INST]
{%- else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"""

TURNS = """\
{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}
{{ m.content }}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}"""

SWALLOWING = """\
{% for m in messages %}<|{{ m.role }}|>
{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>
{% endif %}"""


@dataclass(frozen=True)
class Family:
    """A tokenizer under test."""

    name: str
    folder: Path
    tokenizer: HfTokenizer

    @property
    def own(self) -> Any:
        """The tokenizer as transformers loads it: what ids should be, and what would arise without our care."""
        return self.tokenizer._hf

    @property
    def literals(self) -> dict[str, int]:
        """Every added token that isn't just white space, by its text."""
        added = self.own.added_tokens_decoder.items()
        return {token.content: i for i, token in added if token.content.strip()}


# ── how each is made ────────────────────────────────────────────────────────────────────────────────────────


def _mistral_file(name: str) -> Path:
    spec = find_spec("mistral_common")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "data" / name


def _sentencepiece(file: str, folder: Path, template: str, *, legacy: bool) -> None:
    shutil.copy(_mistral_file(file), folder / "tokenizer.model")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": legacy, "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(template)


def _save(tokenizer: Any, folder: Path, template: str, **special: str) -> None:
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **special).save_pretrained(folder)


def mistral_v1(folder: Path) -> None:
    """SentencePiece with byte fallback; a space before the prompt's first text only; `[INST]` is plain text."""
    _sentencepiece("tokenizer.model.v1", folder, INST, legacy=False)


def mistral_v3(folder: Path) -> None:
    """SentencePiece with byte fallback; a space before every text; `[INST]` is a control token."""
    _sentencepiece("mistral_instruct_tokenizer_240323.model.v3", folder, INST, legacy=True)


def mistral_v3_prepend(folder: Path) -> None:
    """The same as older conversions wrote it: the space comes from a normalizer."""
    from tokenizers import normalizers, pre_tokenizers

    mistral_v3(folder)
    backend = HfTokenizer(folder)._hf.backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.pre_tokenizer = pre_tokenizers.Sequence([])
    shutil.rmtree(folder)
    folder.mkdir()
    _save(backend, folder, INST, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def tekken(folder: Path) -> None:
    """Byte-level, a thousand special tokens, which stand in its base vocabulary too."""
    from transformers.integrations.mistral.tokenizer import convert_tekken_tokenizer

    convert_tekken_tokenizer(str(_mistral_file("tekken_240911.json")), TIGHT_INST).save_pretrained(folder)


def gemma_like(folder: Path) -> None:
    """No leading spaces; runs of white space and HTML tags are added tokens that aren't special."""
    from tokenizers import AddedToken, normalizers, pre_tokenizers

    mistral_v1(folder)
    backend = HfTokenizer(folder)._hf.backend_tokenizer
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    backend.add_special_tokens(["<start_of_turn>", "<end_of_turn>"])
    texts = ["\n\n", "\n\n\n", "   ", "\t\t", "<h1>", "</h1>", "<strong>", "[toxicity=0]", "</tool_call>"]
    backend.add_tokens([AddedToken(text, normalized=False, special=False) for text in texts])
    shutil.rmtree(folder)
    folder.mkdir()
    _save(backend, folder, TURNS, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram_nfkc(folder: Path) -> None:
    """Look-alikes are folded before matching, control tokens swallow white space, unknown characters become `<unk>`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    page = (Path(__file__).parent.parent / "LICENSE").read_text()
    letters = [chr(code) for code in range(0x21, 0x7F)]
    tokenizer.train_from_iterator(
        [*page.splitlines(), *letters],
        trainers.UnigramTrainer(
            vocab_size=2000,
            special_tokens=["<unk>", "<pad>"],
            unk_token="<unk>",
            initial_alphabet=letters,
            show_progress=False,
        ),
    )
    controls = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer.add_special_tokens([AddedToken(text, rstrip=text != "<|end|>", normalized=True) for text in controls])
    _save(tokenizer, folder, SWALLOWING, eos_token="<|end|>", pad_token="<pad>", unk_token="<unk>")


MADE: Mapping[str, Callable[[Path], None]] = {
    "mistral-v1": mistral_v1,
    "mistral-v3": mistral_v3,
    "mistral-v3-prepend": mistral_v3_prepend,
    "tekken": tekken,
    "gemma-like": gemma_like,
    "unigram-nfkc": unigram_nfkc,
}
DEMO = ("smollm2", "qwen2.5")
"""Those of the demo models, which are in the weights store."""
NAMES = (*DEMO, *MADE)

_ROOT = tempfile.TemporaryDirectory(prefix="localtable-families-")


@cache
def made(name: str) -> Family:
    """A family that needs no weights; made once per process."""
    folder = Path(_ROOT.name) / name
    folder.mkdir()
    MADE[name](folder)
    return Family(name, folder, HfTokenizer(folder))


@cache
def loaded(name: str, folder: Path) -> Family:
    """A family from a Hugging Face folder."""
    return Family(name, folder, HfTokenizer(folder))


def demo_models() -> Iterator[Family]:
    """Those of the demo models that the weights store has; the others are named on stderr."""
    from localtable.config import load_card
    from localtable.places import home
    from localtable.weights import WeightStore

    store = WeightStore(home() / "weights")
    for card_id in ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"):
        found = store.find(load_card(card_id))
        if found is None:
            print(f"{card_id} is not here and left out: localtable models fetch {card_id}", file=sys.stderr)
        else:
            yield loaded(card_id, found.folder)


def with_template(folder: Path, template: str, out: Path, *, add: tuple[str, ...] = ()) -> HfTokenizer:
    """A tokenizer under another chat template, with `add` as control tokens that aren't declared special."""
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    copy = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    copy.add_tokens([AddedToken(text, normalized=False, special=False) for text in add])
    copy.chat_template = template
    copy.save_pretrained(out)
    return HfTokenizer(out)


CHATML_CONTROLS = ("<|im_start|>", "<|im_end|>")


def bytes_only(
    folder: Path, template: str, *, controls: tuple[str, ...] = CHATML_CONTROLS, **special: str
) -> HfTokenizer:
    """A token per byte and the named control tokens under any template: loads in a moment."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=text.startswith("<|")) for text in controls])
    _save(tokenizer, folder, template, **{"eos_token": "<|im_end|>", **special})
    return HfTokenizer(folder)
