"""A debate in its written form: values → plain data → text, checked against the schema that ships with the package.

Every write is validated. docs/contracts.md explains the form.
"""

from localtable.transcript.checking import SUM_TOLERANCE, check
from localtable.transcript.plain import (
    PARTS,
    cards_to_json,
    panel_to_json,
    question_from_json,
    question_to_json,
    summary_from_json,
    summary_to_json,
    to_data,
    to_json,
    turning_point_to_json,
)
from localtable.transcript.schema import SCHEMA_VERSION, transcript_schema
from localtable.transcript.text import dump, parse_transcript, read_transcript

__all__ = [
    "PARTS",
    "SCHEMA_VERSION",
    "SUM_TOLERANCE",
    "cards_to_json",
    "check",
    "dump",
    "panel_to_json",
    "parse_transcript",
    "question_from_json",
    "question_to_json",
    "read_transcript",
    "summary_from_json",
    "summary_to_json",
    "to_data",
    "to_json",
    "transcript_schema",
    "turning_point_to_json",
]
