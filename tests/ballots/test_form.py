"""The assembled ballot: JSON that its schema allows."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from localtable.ballots import LabelSet, assemble, ballot_schema
from localtable.ballots.labels import _FORMS, LABELS
from localtable.errors import BallotError

LABEL_SET = LabelSet("vote", ("A", "B"), (), ((1,), (2,)), "(A|B)", True, _FORMS[0])


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("key", ["vote", "persuaded_by"])
def test_every_form_gives_the_same_ballot(form: str, key: str) -> None:
    for label in LABELS:
        labels = replace(LABEL_SET, key=key, labels=LABELS, form=form)
        assert json.loads(assemble(labels, label)) == {key: label}


def test_the_first_form_is_the_shortest_json() -> None:
    assert assemble(LABEL_SET, "B") == json.dumps({"vote": "B"}, separators=(",", ":"))


def test_the_schema_is_a_schema_and_allows_the_labels_only() -> None:
    schema = ballot_schema("vote", ("A", "B"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"vote": "A"})
    for wrong in ({"vote": "C"}, {"vote": "a"}, {"vote": ["A"]}, {"vote": None}, {}, {"vote": "A", "why": "x"}, "A"):
        assert not validator.is_valid(wrong)


def test_a_label_that_the_schema_does_not_have_is_no_ballot() -> None:
    with pytest.raises(BallotError, match=r'\{"vote":"C"\}.* is not valid'):
        assemble(LABEL_SET, "C")


def test_a_label_that_breaks_the_json_is_no_ballot() -> None:
    with pytest.raises(BallotError, match="is no JSON"):
        assemble(LABEL_SET, 'A"')


def test_a_form_without_the_right_key_is_no_ballot() -> None:
    with pytest.raises(BallotError, match="is not valid"):
        assemble(replace(LABEL_SET, form='{{"other":"{label}"}}'), "A")
