"""Published multiple-choice datasets → suites: files of a known form, or of any with its columns named."""

from localtable.config.datasets.hub import hub_source, is_hub
from localtable.config.datasets.importing import ImportRecord, import_dataset, record_path
from localtable.config.datasets.schemas import ANSWER_KINDS, GENERIC, SCHEMAS, AnswerKind, Schema, find_schema
from localtable.config.datasets.selection import Source, local_source

__all__ = [
    "ANSWER_KINDS",
    "GENERIC",
    "SCHEMAS",
    "AnswerKind",
    "ImportRecord",
    "Schema",
    "Source",
    "find_schema",
    "hub_source",
    "import_dataset",
    "is_hub",
    "local_source",
    "record_path",
]
