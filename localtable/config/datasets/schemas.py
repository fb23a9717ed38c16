"""What published datasets look like: which column is what, how the answer is written, where the files lie.

A dataset is a description here and nothing else; the code that reads rows is the same for all of them, so a further
one is a further entry. Columns and layouts are those of the datasets' own pages on the hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from localtable.errors import ConfigError
from localtable.loading import nearest

AnswerKind = Literal["letter", "index", "index1", "text"]
"""How a column names the right option: by its label, by its place counted from 0 or from 1, by its text."""

ANSWER_KINDS: tuple[str, ...] = get_args(AnswerKind)

GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Schema:
    """One dataset's form."""

    name: str
    question: str
    options: tuple[str, ...]
    """A column that holds them as a list, or a column each."""
    answer: str | None = None
    answer_is: AnswerKind | None = None
    """None: whatever the value can only mean; refused where it can mean two things."""
    right_is_first: bool = False
    """The first option column holds the right one; there is no column for the answer."""
    also_index: str | None = None
    """A column that repeats the answer, counted from 0, and has to agree."""
    id: str | None = None
    id_prefix: str = ""
    numbered_within: str | None = None
    """Without ids of its own: the column within whose values the rows are counted."""
    context: str | None = None
    tags: tuple[str, ...] = ()
    padding: str | None = None
    """What fills up short lists of options at their end."""
    shuffled: bool = False
    """Options have to be shuffled, since their order gives the answer away."""
    repo: str | None = None
    config: str | None = None
    """What is taken from the hub where nobody says otherwise."""
    split: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        named = (self.question, *self.options, self.answer, self.also_index, self.id, self.numbered_within)
        return tuple(dict.fromkeys(name for name in (*named, self.context, *self.tags) if name is not None))


_PUBLISHED = (
    Schema(
        name="mmlu",
        question="question",
        options=("choices",),
        answer="answer",
        answer_is="index",
        id_prefix="mmlu/",
        numbered_within="subject",
        tags=("subject",),
        repo="cais/mmlu",
        config="all",
        split="test",
    ),
    Schema(
        name="mmlu-pro",
        question="question",
        options=("options",),
        answer="answer",
        answer_is="letter",
        also_index="answer_index",
        id="question_id",
        id_prefix="mmlu-pro/",
        tags=("category",),
        padding="N/A",  # its authors' own evaluation leaves these out
        repo="TIGER-Lab/MMLU-Pro",
        split="test",
    ),
    Schema(
        name="gpqa",
        question="Question",
        options=("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"),
        right_is_first=True,
        id="Record ID",
        id_prefix="gpqa/",
        tags=("High-level domain", "Subdomain"),
        shuffled=True,
        repo="Idavidrein/gpqa",
        config="gpqa_diamond",
    ),
    Schema(
        name="arc",
        question="question",
        options=("choices",),
        answer="answerKey",
        answer_is="letter",
        id="id",
        id_prefix="arc/",
        repo="allenai/ai2_arc",
        config="ARC-Challenge",
        split="test",
    ),
    Schema(
        name="commonsense-qa",
        question="question",
        options=("choices",),
        answer="answerKey",
        answer_is="letter",
        id="id",
        id_prefix="commonsense-qa/",
        repo="tau/commonsense_qa",
        split="validation",  # the test split is published without answers
    ),
)

SCHEMAS = {schema.name: schema for schema in _PUBLISHED}


def find_schema(name: str) -> Schema:
    """The form of a published dataset.

    Raises:
        ConfigError: No dataset of that name is known.
    """
    if name not in SCHEMAS:
        raise ConfigError(
            f"no dataset is called {name!r}", hint=nearest(name.lower(), [*SCHEMAS, GENERIC], kind="datasets")
        )
    return SCHEMAS[name]
