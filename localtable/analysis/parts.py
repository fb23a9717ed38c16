"""How debates are grouped: into units of inference, and into the parts that figures are asked of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.families import Dimension
from localtable.analysis.metrics.metric import EVERYTHING
from localtable.analysis.sample import Sample
from localtable.analysis.table import ConditionTable, RunTable
from localtable.errors import ConfigError
from localtable.loading import nearest

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Integers

MIN_QUESTIONS = 2
"""That a tag needs to be a part: one question says nothing of how questions vary."""


class Clusters(NamedTuple):
    """The units of inference, the same for all conditions."""

    of_question: Integers
    """[questions] each one's cluster, from 0."""
    number: int


def clusters_of(table: RunTable, kind: str | None) -> Clusters:
    """Each question for itself, or those together that share their tag `KIND:…`.

    A question without such a tag stands alone; of several such tags the first counts.

    Raises:
        ConfigError: No question has such a tag.
    """
    import numpy as np

    names = [("question", name) for name in table.questions]
    if kind is not None:
        tags = _tags_of_questions(table)
        for question, own in tags.items():
            found = next((tag for tag in own if tag.startswith(f"{kind}:")), None)
            if found is not None:
                names[question] = ("tag", found)
        if not any(what == "tag" for what, _ in names):
            kinds = sorted({tag.partition(":")[0] for own in tags.values() for tag in own if ":" in tag})
            hint = nearest(kind, kinds, kind="kinds of tag") if kinds else f"Tags look like `{kind}:NAME`."
            raise ConfigError(f"no question has a tag that begins with {kind + ':'!r}", hint=hint)
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return Clusters(np.array([places[name] for name in names], np.int64), len(places))


def _tags_of_questions(table: RunTable) -> dict[int, tuple[str, ...]]:
    return {
        question: tags
        for condition in table.conditions
        for question, tags in zip(condition.question.tolist(), condition.tags, strict=True)
    }


class Part(NamedTuple):
    """A condition's debates, or some of them, or some of its seats."""

    by: Mapping[str, int | str]
    sample: Sample
    dimension: Dimension | None
    """None: the whole."""


def parts_of(sample: Sample, dimensions: Collection[Dimension], cluster: str | None) -> Iterator[Part]:
    """The whole, and then what each dimension breaks it into.

    Args:
        sample: A condition's.
        dimensions: `round` among them adds nothing: figures stand by round anyway.
        cluster: A kind of tag that makes up the units; its tags are no parts.
    """
    import numpy as np

    yield Part(EVERYTHING, sample, None)
    by_seat: tuple[tuple[Dimension, list[str]], ...] = (("model", _models(sample)), ("seat", _seats(sample)))
    for dimension, labels in by_seat:
        if dimension in dimensions:
            for label in dict.fromkeys(label for label in labels if label):
                mine = np.array([own == label for own in labels], np.bool_)
                yield Part({dimension: label}, sample.with_seats(mine), dimension)
    if "agreement" in dimensions and sample.counting.sum() > 1:
        agreement = np.array(sample.initial_agreement, object)
        for label in sorted(filter(None, set(agreement)), key=_counts, reverse=True):
            yield Part({"agreement": label}, sample.of(np.flatnonzero(agreement == label)), "agreement")
    if "tag" in dimensions:
        for tag, rows in tags_of(sample.condition, cluster).items():
            if len(set(sample.cluster[rows].tolist())) >= MIN_QUESTIONS:
                yield Part({"tag": tag}, sample.of(np.array(rows)), "tag")


def _counts(agreement: str) -> list[int]:
    return [int(count) for count in agreement.split(":")]


def _models(sample: Sample) -> list[str]:
    return [seat.model if seat.is_model else "" for seat in sample.condition.seats]


def _seats(sample: Sample) -> list[str]:
    return [seat.name if seat.is_model else "" for seat in sample.condition.seats]


def tags_of(condition: ConditionTable, cluster: str | None) -> dict[str, list[int]]:
    """Rows of debates by their questions' tags, tags in alphabetical order."""
    found: dict[str, list[int]] = {}
    for row, tags in enumerate(condition.tags):
        for tag in dict.fromkeys(tags):
            if cluster is None or not tag.startswith(f"{cluster}:"):
                found.setdefault(tag, []).append(row)
    return dict(sorted(found.items()))
