"""Labels as each tokenizer really writes them, and what outlines allows for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from families import Family

from localtable.ballots import PERSUADED_KEY, VOTE_KEY, LabelSet, probe_labels
from localtable.ballots.labels import LABELS
from localtable.engines.decode.token_bytes import load_vocabulary
from localtable.errors import TemplateError
from localtable.prompts import ByteTokenizer
from localtable.types import LETTERS

KEYS = (VOTE_KEY, PERSUADED_KEY)


class MadeUpTokenizer:
    """A vocabulary of given pieces, the longest taken first; every character is a piece unless it is left out."""

    def __init__(self, *pieces: str, without: str = "") -> None:
        chars = [chr(code) for code in range(32, 127) if chr(code) not in without]
        self.ids = {piece: i for i, piece in enumerate([*chars, *pieces])}

    def encode_plain(self, text: str, *, at: Literal["control"]) -> list[int]:
        ids: list[int] = []
        while text:
            piece = next((text[:n] for n in range(len(text), 0, -1) if text[:n] in self.ids), None)
            ids.append(-ord(text[0]) if piece is None else self.ids[piece])
            text = text[len(piece or text[0]) :]
        return ids

    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        return (self.ids[label],) if label in self.ids else ()

    def read(self, ids: Sequence[int]) -> str:
        pieces = {i: piece for piece, i in self.ids.items()}
        return "".join(pieces[i] for i in ids)


def opening(labels: LabelSet) -> str:
    return labels.form.format(key=labels.key, label="\0").split("\0")[0]


# ── on real tokenizers ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("count", [2, 5, 26])
def test_the_probe_finds_where_a_tokenizer_writes_the_label(family: Family, key: str, count: int) -> None:
    labels = probe_labels(family.tokenizer, key, count)
    assert labels.labels == tuple(LETTERS[:count])
    assert labels.canonical
    assert family.tokenizer.decode(labels.prefix_ids).strip() == opening(labels)
    for label, ids in zip(labels.labels, labels.token_ids, strict=True):
        written = family.tokenizer.encode_plain(labels.form.format(key=key, label=label), at="control")
        assert tuple(written[: len(labels.prefix_ids)]) == labels.prefix_ids
        assert written[len(labels.prefix_ids)] in ids


@pytest.mark.parametrize("key", KEYS)
def test_prefix_label_and_rest_read_as_the_ballot(family: Family, key: str) -> None:
    labels = probe_labels(family.tokenizer, key, 4)
    rest = labels.form.format(key=key, label="\0").split("\0")[1]
    for label, ids in zip(labels.labels, labels.token_ids, strict=True):
        for token_id in ids:
            ballot = [*labels.prefix_ids, token_id, *family.tokenizer.encode_plain(rest)]
            assert family.tokenizer.decode(ballot).strip() == labels.form.format(key=key, label=label)


def test_no_id_stands_for_two_labels(family: Family) -> None:
    labels = probe_labels(family.tokenizer, PERSUADED_KEY, 40)
    assert len(set(labels.allowed_ids)) == len(labels.allowed_ids)
    assert len(labels.token_ids) == len(labels.labels)
    assert all(labels.token_ids)


def test_64_labels_are_found_where_a_panel_is_full(family: Family) -> None:
    labels = probe_labels(family.tokenizer, PERSUADED_KEY, 64)
    assert len(set(labels.labels)) == 64
    assert labels.labels[:26] == tuple(LETTERS)


def test_a_letter_with_a_byte_fallback_has_two_ids(family: Family) -> None:
    labels = probe_labels(family.tokenizer, VOTE_KEY, 3)
    vocabulary = family.own.get_vocab()
    due = 2 if "<0x41>" in vocabulary else 1
    assert [len(ids) for ids in labels.token_ids] == [due] * 3
    assert due == (2 if family.name.startswith(("mistral", "gemma")) else 1)


def index_of(family: Family, regex: str, folder: Path) -> Any:
    from outlines_core import Index

    file = family.folder / "tokenizer.json"
    if not file.exists():
        family.own.save_pretrained(folder)
        file = folder / "tokenizer.json"
    end = family.own.eos_token_id
    return Index(regex, load_vocabulary(file, end_id=end, vocab_size=len(family.own)))


@pytest.mark.parametrize("count", [3, 64])
def test_outlines_allows_exactly_the_labels_ids_first(family: Family, tmp_path: Path, count: int) -> None:
    labels = probe_labels(family.tokenizer, PERSUADED_KEY, count)
    index = index_of(family, labels.regex, tmp_path)
    start = index.get_initial_state()
    assert set(index.get_allowed_tokens(start)) == set(labels.allowed_ids)
    for token_id in labels.allowed_ids:
        assert index.is_final_state(index.get_next_state(start, token_id))


def test_the_scripted_engines_tokenizer_has_labels_for_a_full_panel() -> None:
    labels = probe_labels(ByteTokenizer(), PERSUADED_KEY, 64)
    assert labels.canonical
    assert bytes(labels.prefix_ids).decode() == '{"persuaded_by":"'
    assert labels.token_ids[:2] == ((65,), (66,))


# ── on made-up ones ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_tokenizer_that_merges_quote_and_letter_gets_another_form() -> None:
    # In the first form `:"` and the letter are one piece; behind a space they are not.
    tokenizer = MadeUpTokenizer(*(f':"{letter}' for letter in LETTERS))
    labels = probe_labels(tokenizer, VOTE_KEY, 3)
    assert labels.canonical
    assert labels.form == '{{"{key}": "{label}"}}'
    assert tokenizer.read(labels.prefix_ids) == '{"vote": "'


def test_a_tokenizer_that_merges_letter_and_quote_is_not_canonical_in_any_form_and_says_so() -> None:
    tokenizer = MadeUpTokenizer(*(f'"{letter}' for letter in LETTERS))
    labels = probe_labels(tokenizer, VOTE_KEY, 3)
    assert not labels.canonical
    assert tokenizer.read(labels.prefix_ids) == '{"vote":"'
    assert labels.token_ids == tuple(tokenizer.ids_of_piece(letter) for letter in "ABC")


@pytest.mark.parametrize("shape", ['{letter}"', '{letter}"}}'])
def test_a_tokenizer_that_merges_the_letter_with_what_follows_is_not_canonical_either(shape: str) -> None:
    tokenizer = MadeUpTokenizer(*(shape.format(letter=letter) for letter in LETTERS))
    labels = probe_labels(tokenizer, VOTE_KEY, 3)
    assert labels.canonical is (shape != '{letter}"')
    assert tokenizer.read(labels.prefix_ids) == opening(labels)


def test_one_merged_letter_among_the_options_is_enough() -> None:
    tokenizer = MadeUpTokenizer(':"B')
    assert probe_labels(tokenizer, VOTE_KEY, 2).form == '{{"{key}": "{label}"}}'


def test_a_tokenizer_without_a_letter_that_options_stand_under_is_refused() -> None:
    with pytest.raises(TemplateError, match="a ballot of 3 choices is needed") as caught:
        probe_labels(MadeUpTokenizer(without="B"), VOTE_KEY, 3)
    assert "options" in caught.value.hint


def test_a_letter_that_no_option_stands_under_may_be_missing() -> None:
    assert probe_labels(MadeUpTokenizer(without="DZ"), VOTE_KEY, 3).labels == ("A", "B", "C")


def test_a_tokenizer_without_letters_is_refused() -> None:
    with pytest.raises(TemplateError, match="labels of one token: 0 1 2"):
        probe_labels(MadeUpTokenizer(without=LETTERS + LETTERS.lower()), VOTE_KEY, 2)


def test_a_tokenizer_with_too_few_labels_for_a_full_panel_is_refused() -> None:
    with pytest.raises(TemplateError, match="a ballot of 64 choices"):
        probe_labels(MadeUpTokenizer(without="0123456789#$%&*+-=@"), PERSUADED_KEY, 64)


def test_beyond_the_letters_a_label_that_is_missing_is_passed_over() -> None:
    labels = probe_labels(MadeUpTokenizer("AA", without="a"), PERSUADED_KEY, 64).labels
    assert labels[25:28] == ("Z", "b", "c")
    assert labels[61] == "AA"


def test_no_two_labels_are_the_same() -> None:
    assert len(set(LABELS)) == len(LABELS) >= 64


@pytest.mark.parametrize("count", [2, 26, 64])
def test_the_regex_matches_every_label_and_nothing_else(count: int) -> None:
    labels = probe_labels(MadeUpTokenizer(*(letter * 2 for letter in LETTERS)), PERSUADED_KEY, count)
    assert all(re.fullmatch(labels.regex, label) for label in labels.labels)
    assert not any(re.fullmatch(labels.regex, text) for text in ("", "AAA", "AB", "?", " A", 'A"'))


def test_longer_labels_stand_before_their_own_beginnings_in_the_regex() -> None:
    labels = probe_labels(MadeUpTokenizer("AA", "BB", without="0123456789"), PERSUADED_KEY, 54)
    alternatives = labels.regex.strip("()").split("|")
    lengths = [len(text) for text in alternatives if text.isalpha()]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[:3] == [2, 2, 1]
