"""What a ballot's constraint allows, found out before vLLM is asked.

A regex that can't be compiled makes vLLM 0.24 raise out of every later step, for all requests; and a constraint that
allows other ids than its sender thinks would give a distribution that is not one. Both are settled here, with the
very vocabulary that vLLM's outlines backend uses (it hangs on vLLM's cached tokenizer, so it is built once).
"""

from __future__ import annotations

import threading
from typing import Any

from localtable.engines.base import Constraint


class Grammars:
    """The constraints seen so far, and what is wrong with each."""

    def __init__(self, model_config: Any) -> None:
        """`model_config` is vLLM's own."""
        self._model_config = model_config
        self._vocabulary: Any = None
        self._problems: dict[Constraint, str | None] = {}
        self._building = threading.Lock()

    def warm(self) -> None:
        """Build the vocabulary now; a second caller waits for the first."""
        from vllm.tokenizers import cached_tokenizer_from_config
        from vllm.v1.structured_output.utils import get_outlines_vocabulary

        with self._building:
            if self._vocabulary is None:
                tokenizer = cached_tokenizer_from_config(model_config=self._model_config)
                self._vocabulary = get_outlines_vocabulary(tokenizer).inner

    def problem(self, constraint: Constraint) -> str | None:
        """Why this constraint can't be used, or None."""
        if constraint not in self._problems:
            self._problems[constraint] = self._find_problem(constraint)
        return self._problems[constraint]

    def _find_problem(self, constraint: Constraint) -> str | None:
        from outlines_core import Index

        self.warm()
        try:
            index = Index(constraint.regex, self._vocabulary)
        except ValueError as error:
            return f"the regex {constraint.regex!r} can't be compiled: {error}"
        if not constraint.token_ids:
            return None
        allowed = index.get_allowed_tokens(index.get_initial_state()) or []
        if set(allowed) != set(constraint.token_ids) or len(allowed) != len(constraint.token_ids):
            return (
                f"the regex {constraint.regex!r} allows the ids {_some(allowed)} first, "
                f"the constraint says {_some(list(constraint.token_ids))}"
            )
        return None


def _some(ids: list[int], most: int = 12) -> str:
    shown = ", ".join(str(i) for i in sorted(ids)[:most])
    return f"{{{shown}}}" if len(ids) <= most else f"{{{shown}, … {len(ids)} in all}}"
