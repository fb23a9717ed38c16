"""In which order a seat reads the turns of a round, where that is not one order for all.

One order for all readers lets their prompts share what they read; these two don't, and free what seats do from where a
peer happened to stand.
"""

from __future__ import annotations

from localtable.seeds import derive


def shuffled(names: tuple[str, ...], *drawn_by: str | int) -> tuple[str, ...]:
    """A permutation drawn from a seed; all are equally probable, and every version of Python draws the same."""
    return tuple(sorted(names, key=lambda name: derive("reading", *drawn_by, name)))


def balanced(names: tuple[str, ...], row: int, *, mirrored: bool) -> tuple[str, ...]:
    """A row of a Williams square (Williams 1949, Aust. J. Sci. Res. A 2:149): as many orders as there are names.

    Over its rows each name stands at each place once, and with an even number of names each follows each other one
    once. An odd number takes both squares for that, the mirrored one, too.
    """
    count = len(names)
    # 0, 1, −1, 2, −2 …: the distances between neighbours are all different.
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    order = tuple(names[(step + row) % count] for step in zigzag)
    return order[::-1] if mirrored else order
