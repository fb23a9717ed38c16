"""What the scripted engine says where no script says it: sentences and scores that follow from a request's seed.

The same seed gives the same answer, in any batch, order or process, and different seeds differ.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from localtable.scripted_vocabulary import VOCAB_SIZE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SENTENCES = 6
SCORE_SPREAD = 1.5
"""Standard deviation of the scores: among four labels the first then holds about two thirds on average."""

_SUBJECTS = (
    "The first reading",
    "The plain reading",
    "What the question states",
    "The order of events",
    "A check by hand",
    "The strongest objection",
    "The remaining alternative",
)
_VERBS = ("supports", "speaks against", "leaves open", "depends on", "rules out", "agrees with", "weakens")
_OBJECTS = (
    "what was said so far",
    "the obvious choice",
    "the second step",
    "an assumption that nobody named",
    "the figures as they are given",
    "the simplest explanation",
    "the answer I would have given at once",
)
_ENDS = (
    "",
    ", as far as I can tell",
    ", and I see no reason to drop it",
    ", once both cases are written out",
    ", although it is close",
    ", which settles the matter for me",
)


def sentences(seed: int, *, min_bytes: int, max_bytes: int) -> str:
    """One to `MAX_SENTENCES` plain sentences, as many as fit below `max_bytes`.

    The first sentence is given whole, and more than `min_bytes` are, whatever fits: cutting is the engine's.
    """
    rng = random.Random(seed)
    wanted = rng.randint(1, MAX_SENTENCES)
    text = ""
    while wanted > 0 or len(text) <= min_bytes:
        said = f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}{rng.choice(_ENDS)}."
        longer = f"{text} {said}".lstrip()
        if min_bytes < len(text) and len(longer) >= max_bytes:
            break
        text, wanted = longer, wanted - 1
    return text


def scores(seed: int) -> NDArray[np.float64]:
    """A score for every id of the vocabulary; probabilities are their softmax."""
    import numpy as np

    return SCORE_SPREAD * np.random.default_rng(seed).standard_normal(VOCAB_SIZE)  # [vocab_size]
