"""What statements say their vote is: a table of what models write, traps among it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.ballots import names_a_letter, stated_vote
from localtable.types import Question

FORECAST = ("No", "Maybe", "By end of 2027", "Yes", "By end of 2027, Yes", "Exceed it")
CITIES = ("Paris", "London", "New York", "York")
NUMBERS = ("5", "-5", "5.5", "55", "$5")
LETTERED = ("B", "A", "C")  # options whose texts are letters of other options
CODE = ("C", "C++", "C#", "Java")
DATES = ("05/01/2021", "01/05/2021", "05/01/2012")
VALID = ("valid", "invalid")
FREE = ("It is legal", "It is not legal", "It depends")

TABLE = [
    # ── the answer line, as asked for ──
    (FORECAST, "I weighed both sides.\nAnswer: Yes", "D"),
    (FORECAST, "Answer: yes.", "D"),
    (FORECAST, "Answer: By end of 2027", "C"),
    (FORECAST, "Answer: By end of 2027, Yes", "E"),
    (FORECAST, "Final answer: Maybe!", "B"),
    (FORECAST, "My vote: exceed it", "F"),
    (FORECAST, "So my answer is Yes.", "D"),
    (FORECAST, "I vote for: No", "A"),
    (FORECAST, "Answer - Maybe", "B"),
    (FORECAST, "答え is unclear, but answer：Yes", "D"),
    (FORECAST, "Answer: Yes\n\n", "D"),
    (FORECAST, "Answer:\nYes", "D"),
    # ── marks and quotes ──
    (FORECAST, "**Answer:** Yes", "D"),
    (FORECAST, "**Answer**: **Maybe**", "B"),
    (FORECAST, "*Answer*: _No_", "A"),
    (FORECAST, "### Answer: `Yes`", "D"),
    (FORECAST, 'Answer: "Exceed it"', "F"),
    (FORECAST, "Answer: “By end of 2027”.", "C"),
    (FORECAST, "Answer: <Yes>", "D"),
    (FORECAST, "> Answer: Yes", "D"),
    (FORECAST, "- Yes", "D"),
    (FORECAST, '{"answer": "Maybe"}', "B"),
    (FORECAST, "<answer>Yes</answer>", "D"),
    (FORECAST, "The answer is $\\boxed{\\text{Yes}}$.", "D"),
    (FORECAST, "Answer: Yes\n```", "D"),
    (FORECAST, "Answer: Yes\n---\n***", "D"),
    # ── in a sentence ──
    (FORECAST, "I believe that Maybe is the best option.", "B"),
    (FORECAST, "Given all this, I say **Yes**, and firmly so.", "D"),
    (CITIES, "The right answer is therefore Paris, the capital.", "A"),
    (CITIES, "It must be London.", "B"),
    (CITIES, "Of Paris and London, the correct choice is London.", "B"),
    # ── an option that is part of another ──
    (CITIES, "I would go to New York.", "C"),
    (CITIES, "I would go to York.", "D"),
    (CITIES, "York is nicer than New York.", "D"),
    (FORECAST, "It will happen by end of 2027, yes.", "E"),
    (VALID, "The argument is invalid.", "B"),
    (VALID, "The argument is valid.", "A"),
    (FREE, "As I see it, it is not legal here.", "B"),
    (FREE, "Surely it is legal here.", "A"),
    (CODE, "Answer: C", "A"),
    (CODE, "Answer: **C#**", "C"),
    (CODE, "I would write it in C++ today.", "B"),
    (CITIES, "The Yorkshire moors, or Parisian streets?", None),
    (CITIES, "Long-york-like", None),
    (CITIES, "London's weather is bad.", None),
    # ── negations and comparisons ──
    (FORECAST, "The answer is not Yes.", None),
    (FORECAST, "It isn't Maybe, it's Yes.", "D"),
    (FORECAST, "Yes, not Maybe.", "D"),
    (FORECAST, "I prefer Yes over Maybe.", "D"),
    (FORECAST, "Maybe rather than Yes.", "B"),
    (FORECAST, "I can’t choose Yes.", None),
    (CITIES, "It is London instead of Paris.", "B"),
    (CITIES, "Neither Paris nor London.", None),
    (VALID, "The argument is not valid.", None),
    # ── words that sentences have anyway ──
    (FORECAST, "There is no doubt about it: Yes", "D"),
    (FORECAST, "There is no way that this happens.", None),
    (FORECAST, "No doubt it will happen.", None),
    (FORECAST, "No, this will take longer.", "A"),
    (FORECAST, "My answer is No because nobody trains them.", "A"),
    (("A", "B"), "It is a good idea.", None),
    (("A", "B"), "I take A.", "A"),
    (("None", "One"), "None of them is right, so One", "B"),
    # ── several, or nothing ──
    (FORECAST, "It could be Yes or Maybe.", None),
    (FORECAST, "Answer: Yes and Maybe", None),
    (FORECAST, "I am not sure yet.", None),
    (FORECAST, "", None),
    (FORECAST, " \n\n---\n", None),
    (FORECAST, "Answer:", None),
    (FORECAST, "Answer: Yes\nThat was hard to decide, thank you for reading.", None),
    (FORECAST, "Answer: Certainly", None),
    # ── letters ──
    (FORECAST, "Answer: B", "B"),
    (FORECAST, "Answer: (D)", "D"),
    (FORECAST, "The correct answer is C.", "C"),
    (FORECAST, "**D**", "D"),
    (FORECAST, "Answer: Option F", "F"),
    (FORECAST, "Answer: G", None),
    (FORECAST, "Answer: B. Yes", "D"),
    (FORECAST, "Answer: A or B", None),
    (CITIES, "D) London", "B"),
    (LETTERED, "Answer: B", "A"),
    (LETTERED, "Answer: C", "C"),
    # ── numbers and dates ──
    (NUMBERS, "Answer: 5", "A"),
    (NUMBERS, "Answer: -5", "B"),
    (NUMBERS, "Answer: 5.5", "C"),
    (NUMBERS, "Answer: $5", "E"),
    (NUMBERS, "Answer: 5.", "A"),
    (NUMBERS, "The sum comes to 55 in the end.", "D"),
    (NUMBERS, "The sum comes to 5.5 in the end.", "C"),
    (NUMBERS, "The sum comes to 5, in the end.", "A"),
    (NUMBERS, "It lies within 3-5.", None),
    (("5", "7"), "The sum comes to 5.7.", None),
    (DATES, "Answer: 01/05/2021", "B"),
    (DATES, "So the date is 05/01/2012.", "C"),
    (("2021", "2012"), "So the date is 05/01/2021.", None),
    # ── options that differ little ──
    (("yes", "Yes"), "Answer: Yes", "B"),
    (("Yes", "Yes!"), "Answer: Yes!", "B"),
    (("Yes", "Yes!"), "Answer: **yes**", "A"),
    (("No choice is right", "Some choice is right"), "Answer: No choice is right", "A"),
]


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 40


@pytest.mark.parametrize(("options", "statement", "letter"), TABLE)
def test_a_statement_states_what_its_last_line_says(options: tuple[str, ...], statement: str, letter: str) -> None:
    assert stated_vote(statement, Question("q", "?", options)) == letter


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=6, unique=True))
def test_any_statement_states_an_option_or_nothing(statement: str, options: list[str]) -> None:
    question = Question("q", "?", tuple(options))
    assert stated_vote(statement, question) in {*question.letters, None}


@pytest.mark.parametrize(
    "text", ["$", " ", "\n", ". ", ").", "> ", "`", "not a ", "answer is ", "\\boxed{", "Yes ", "(A"]
)
def test_a_degenerate_statement_is_read_in_a_moment(text: str) -> None:
    begun = time.process_time()
    stated_vote(text * 5000, Question("q", "?", FORECAST))
    names_a_letter(text * 5000)
    assert time.process_time() - begun < 2


@given(st.sampled_from(FORECAST), st.sampled_from(["Answer: {}", "**Answer:** {}.", "My vote is {}", '"{}"', "{}!"]))
def test_an_option_said_in_its_own_words_is_always_found(option: str, form: str) -> None:
    question = Question("q", "?", FORECAST)
    letter = stated_vote(f"Some reasons.\n{form.format(option)}", question)
    assert letter is not None and question.text_of(letter) == option


@pytest.mark.parametrize(
    "statement",
    [
        "I choose option B.",
        "Option B is right.",
        "The answer is C.",
        "Answer: D",
        "answer (A) seems right",
        "It is (B), I think.",
        "B) Paris\nBecause of its size.",
        "**A. Yes**",
        "My choice: C",
        "I vote for B.",
        "letter F",
        "Answer I.",
    ],
)
def test_a_statement_that_names_a_letter_is_noticed(statement: str) -> None:
    assert names_a_letter(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "The Volga is the longest.",
        "The answer I gave stands.",
        "It is the option I prefer.",
        "A good answer is one that holds.",
        "Vitamin C helps.",
        "The answer A's author gave",
        "Plan B failed.",
        "I. e. nothing.",
        "Answer: Yes",
        "(see above)",
        "An answer is a choice.",
    ],
)
def test_a_statement_without_a_letter_is_left_alone(statement: str) -> None:
    assert not names_a_letter(statement)


@pytest.mark.parametrize(
    ("said", "vote"),
    [
        ("Answer: Aa", "B"),
        ("The genotype is Aa, since one allele is dominant.", "B"),
        ("So it is aa in the end", "C"),
        ("I would say AA here.", "A"),
    ],
)
def test_where_options_differ_in_case_alone_the_case_decides(said: str, vote: str) -> None:
    assert stated_vote(said, Question("q", "Which?", ("AA", "Aa", "aa"))) == vote
