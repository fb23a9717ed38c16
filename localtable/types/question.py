"""What is asked: a question, its options and their letters."""

from __future__ import annotations

from dataclasses import dataclass

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Option letters; an option's letter is its place in the question's own order."""

Letter = str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its options; `answer` is the letter of the right one where there is one."""

    id: str
    question: str
    options: tuple[str, ...]
    context: str | None = None
    answer: Letter | None = None
    tags: tuple[str, ...] = ()

    @property
    def letters(self) -> tuple[Letter, ...]:
        return tuple(LETTERS[: len(self.options)])

    def text_of(self, letter: Letter) -> str:
        return self.options[LETTERS.index(letter)]
