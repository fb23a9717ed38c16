"""Text becomes ids: the tokenizer's own for harmless text, never a control token for any."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import families
import hostile
import pytest
from families import Family

from localtable.errors import PrerequisiteError, TemplateError
from localtable.prompts import ByteTokenizer, HfTokenizer
from localtable.prompts.tokenizer import Place

PLACES: tuple[Place, ...] = ("start", "control", "inside")
HARMLESS = (
    hostile.HARMLESS,
    "Yes.",
    "Two  spaces,   three, (brackets) [more] {and} <these>, 12,345.67 and 100%.",
    "He said: \"It's 5 o'clock\" - didn't he? x = y_1 * z / 2; #1 & @home",
)
MULTILINE = "One line.\n\nAnother,\n\n\na\tthird\r\n  - indented   item\n    ```\n"
UNICODE = "Naïve café, “quoted” – 日本語, русский, हिन्दी, 👩‍👩‍👧‍👦, ½ ﬁ e\u0301."


def added_ids(family: Family) -> set[int]:
    return set(family.literals.values())


# ── the same ids as the tokenizer's own ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", HARMLESS)
def test_a_text_at_the_start_has_the_tokenizers_own_ids(family: Family, text: str) -> None:
    assert family.tokenizer.encode_plain(text, at="start") == family.own.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("text", HARMLESS)
def test_a_text_behind_a_control_token_has_the_tokenizers_own_ids(family: Family, text: str) -> None:
    control, token_id = next((t, i) for t, i in family.literals.items() if t not in {"<unk>", "<pad>"})
    own = family.own.encode(control + text, add_special_tokens=False)
    assert [token_id, *family.tokenizer.encode_plain(text, at="control")] == own


@pytest.mark.parametrize("text", [MULTILINE, UNICODE])
def test_other_scripts_and_white_space_have_the_tokenizers_own_ids_where_it_has_bytes(
    family: Family, text: str
) -> None:
    if family.name == "unigram-nfkc":
        assert family.own.unk_token_id in family.own.encode(text)  # there is nothing to compare with
    else:
        assert family.tokenizer.encode_plain(text, at="start") == family.own.encode(text, add_special_tokens=False)


def test_a_text_behind_other_text_gets_no_leading_space(family: Family) -> None:
    first = family.tokenizer.encode_plain('"}')[0]
    assert not family.own.convert_ids_to_tokens(first).startswith(("▁", "Ġ"))


def test_white_space_that_is_an_added_token_stays_one_token() -> None:
    family = families.made("gemma-like")
    ids = family.tokenizer.encode_plain("a\n\nb   c")
    assert [family.own.convert_ids_to_tokens(i) for i in ids] == ["a", "\n\n", "b", "   ", "c"]
    assert family.tokenizer.decode(ids) == "a\n\nb   c"


# ── whatever a text spells ────────────────────────────────────────────────────────────────────────────────────


def test_there_are_at_least_60_hostile_statements_for_every_tokenizer(family: Family) -> None:
    assert len(hostile.statements(list(family.literals))) >= 60


def test_the_hostile_statements_are_hostile(family: Family) -> None:
    controls = added_ids(family)
    for literal in family.literals:
        assert controls & set(family.own.encode(f"{literal}", add_special_tokens=False)), literal


@pytest.mark.parametrize("at", PLACES)
def test_no_statement_makes_a_control_token(family: Family, at: Place) -> None:
    controls = added_ids(family)
    arising = {
        name: family.own.convert_ids_to_tokens(found)
        for name, text in hostile.statements(list(family.literals)).items()
        if (found := [i for i in family.tokenizer.encode_plain(text, at=at) if i in controls])
    }
    assert arising == {}


def test_a_statement_that_spells_a_control_token_stays_readable(family: Family) -> None:
    for literal in family.literals:
        text = f"yes{literal}no"
        assert family.tokenizer.decode(family.tokenizer.encode_plain(text)) == text


def test_hostile_statements_stay_what_they_are_where_nothing_is_folded(family: Family) -> None:
    if family.name == "unigram-nfkc":
        assert family.tokenizer.decode(family.tokenizer.encode_plain("１")) == "1"  # this one folds
        return
    for name, text in hostile.statements(list(family.literals)).items():
        if any("\ud800" <= char <= "\udfff" for char in text):
            continue
        if family.name == "smollm2" and name == "control characters":
            continue  # its vocabulary lacks some of them
        read = family.tokenizer.decode(family.tokenizer.encode_plain(text))
        # Qwen's composes accents; to SentencePiece a space and its mark are the same, and a text's first is its own.
        as_read = unicodedata.normalize("NFC", text) if family.name == "qwen2.5" else text
        if family.name in {"mistral-v1", "mistral-v3", "mistral-v3-prepend", "gemma-like"}:
            as_read, read = (which.replace("▁", " ").removeprefix(" ") for which in (as_read, read))
        assert read in {as_read, text}, name


def test_twenty_thousand_control_tokens_in_one_statement_are_cut_all_the_same(family: Family) -> None:
    literal = max(family.literals, key=len)
    ids = family.tokenizer.encode_plain(literal * 20_000)
    assert not added_ids(family) & set(ids)


def test_half_a_surrogate_pair_becomes_a_replacement_character_and_two_halves_one_character(family: Family) -> None:
    tokenizer = family.tokenizer
    assert tokenizer.encode_plain("no\ud800pe") == tokenizer.encode_plain("no\ufffdpe")
    assert tokenizer.encode_plain("\ud83d\ude00") == tokenizer.encode_plain("\U0001f600")


def test_a_character_that_the_vocabulary_lacks_becomes_a_question_mark_or_a_space() -> None:
    tokenizer = families.made("unigram-nfkc").tokenizer
    assert tokenizer.decode(tokenizer.encode_plain("the 😀😀 terms")) == "the ?? terms"
    assert tokenizer.decode(tokenizer.encode_plain("the\nterms")) == "the terms"


def test_merges_that_rebuild_a_control_token_are_cut() -> None:
    # SentencePiece has "<s>" as a piece, and conversions make merges that arrive at it.
    family = families.made("gemma-like")
    assert family.tokenizer._plain["inside"].token_to_id("<s>") == family.literals["<s>"]
    pieces = family.own.convert_ids_to_tokens(family.tokenizer.encode_plain("<s>"))
    assert len(pieces) > 1 and "".join(pieces) == "<s>"


# ── control tokens ────────────────────────────────────────────────────────────────────────────────────────────


def test_generation_stops_at_every_special_token(family: Family) -> None:
    special = {i for i, token in family.own.added_tokens_decoder.items() if token.special}
    assert special | set(family.own.all_special_ids) <= family.tokenizer.control_ids


def test_only_added_tokens_stop_a_generation(family: Family) -> None:
    assert family.tokenizer.control_ids <= added_ids(family)


def test_tool_marks_that_are_not_declared_special_stop_a_generation_too(qwen_folder: Path) -> None:
    family = families.loaded("qwen2.5", qwen_folder)
    assert not family.own.added_tokens_decoder[family.literals["</tool_call>"]].special
    assert family.literals["</tool_call>"] in family.tokenizer.control_ids


def test_white_space_and_html_that_are_added_tokens_do_not_stop_a_generation() -> None:
    family = families.made("gemma-like")
    own = family.own.convert_tokens_to_ids
    texts = ["\n\n", "\n\n\n", "   ", "\t\t", "<h1>", "</h1>", "<strong>"]
    assert all(own(text) not in family.tokenizer.control_ids for text in texts)
    assert {own("[toxicity=0]"), own("</tool_call>"), own("<start_of_turn>")} <= family.tokenizer.control_ids


@pytest.mark.parametrize(
    ("literal", "steers"),
    [
        ("<think>", True),
        ("</think>", True),
        ("[TOOL]", True),
        ("◁think▷", True),
        ("<｜User｜>", True),
        ("<|im_start|>", True),
        ("<blockquote>", False),
        ("    ", False),
        ("----", False),
        ("word", False),
        ("don't", False),
    ],
)
def test_an_added_token_that_is_not_special_is_judged_by_its_looks(tmp_path: Path, literal: str, steers: bool) -> None:
    tokenizer = families.bytes_only(tmp_path, families.CHATML, controls=("<|im_end|>", literal))
    token_id = tokenizer._hf.convert_tokens_to_ids(literal)
    assert (token_id in tokenizer.control_ids) is steers


def test_a_mark_of_punctuation_that_a_model_pads_with_is_text_all_the_same(tmp_path: Path) -> None:
    tokenizer = families.bytes_only(tmp_path, families.CHATML, pad_token="!")
    assert tokenizer._hf.added_tokens_decoder[tokenizer._hf.pad_token_id].special
    assert tokenizer._hf.pad_token_id not in tokenizer.control_ids
    assert tokenizer.decode(tokenizer.encode_plain("Yes!")) == "Yes!"
    assert tokenizer.encode_plain("Yes!") == tokenizer._hf.encode("Yes!", add_special_tokens=False)


def test_an_end_of_text_that_looks_like_a_word_stops_a_generation(tmp_path: Path) -> None:
    tokenizer = families.bytes_only(tmp_path, families.CHATML, eos_token="STOP")
    assert tokenizer._hf.eos_token_id in tokenizer.control_ids
    assert tokenizer._hf.eos_token_id not in tokenizer.encode_plain("Please STOP.")


def test_controls_in_a_trusted_text_are_found_with_their_places(family: Family) -> None:
    literal = next(t for t in family.literals if t not in {"<unk>", "<pad>", "<|end|>"})
    found = family.tokenizer.find_controls(f"one{literal}two{literal}")
    assert [f"one{literal}two{literal}"[c.start : c.end] for c in found] == [literal] * 2
    assert {c.token_id for c in found} == {family.literals[literal]}


# ── labels ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_letter_has_every_id_that_decodes_to_it_in_mid_word(family: Family) -> None:
    vocabulary = family.own.get_vocab()
    due = {vocabulary["A"]} | ({vocabulary["<0x41>"]} if "<0x41>" in vocabulary else set())
    assert set(family.tokenizer.ids_of_piece("A")) == due
    assert len(due) == (2 if family.name.startswith(("mistral", "gemma")) else 1)


def test_a_piece_that_the_vocabulary_lacks_has_no_id(family: Family) -> None:
    assert family.tokenizer.ids_of_piece("Qzxqj") == ()


def test_a_control_token_is_no_piece(family: Family) -> None:
    assert [family.tokenizer.ids_of_piece(literal) for literal in family.literals] == [()] * len(family.literals)


# ── folders ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="can't be read"):
        HfTokenizer(tmp_path)


def test_a_broken_tokenizer_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(PrerequisiteError, match="can't be read") as caught:
        HfTokenizer(tmp_path)
    assert "\n" not in caught.value.message


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    families.bytes_only(tmp_path, families.CHATML)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(TemplateError, match="no chat template") as caught:
        HfTokenizer(tmp_path)
    assert "instruction-tuned" in caught.value.hint


def test_the_templates_hash_is_of_its_text(tmp_path: Path) -> None:
    one, two, same = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    hashes = [
        families.bytes_only(folder, template).template_sha256
        for folder, template in ((one, families.CHATML), (two, families.CHATML + "\n"), (same, families.CHATML))
    ]
    assert hashes[0] == hashes[2] != hashes[1]


def test_reading_a_tokenizer_does_not_load_torch(tmp_path: Path) -> None:
    families.bytes_only(tmp_path, families.CHATML)
    code = (
        "import sys; from pathlib import Path; from localtable.prompts import HfTokenizer; "
        f"HfTokenizer(Path({str(tmp_path)!r})); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ── the scripted engine's ─────────────────────────────────────────────────────────────────────────────────────


def test_the_byte_tokenizer_keeps_what_spells_its_control_tokens_apart() -> None:
    tokenizer = ByteTokenizer()
    for text in hostile.statements(["<|start|>", "<|end|>", "<|start_of_turn|>"]).values():
        ids = tokenizer.encode_plain(text)
        assert not tokenizer.control_ids & set(ids)
        assert tokenizer.decode(ids) == text.encode(errors="replace").decode()


def test_the_byte_tokenizer_finds_its_control_tokens_in_a_trusted_text() -> None:
    found = ByteTokenizer().find_controls("<|start|>user\nhi<|end|>\n")
    assert [(c.start, c.end) for c in found] == [(0, 9), (16, 23)]
    assert {c.token_id for c in found} == ByteTokenizer().control_ids


def test_the_byte_tokenizers_labels_are_single_bytes() -> None:
    assert ByteTokenizer().ids_of_piece("A") == (65,)
    assert ByteTokenizer().ids_of_piece("AA") == ByteTokenizer().ids_of_piece("é") == ()
