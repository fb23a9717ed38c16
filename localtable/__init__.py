"""localtable: several open models sit at one table, argue a question, vote, and reach a verdict.

    import localtable

    transcript = localtable.debate("Is a tomato a fruit?", options=["Yes", "No"])
    print(localtable.result_line(transcript))
    localtable.save(transcript, "tomato.json")

    for transcript in localtable.run_suite("questions.jsonl", store="run.db"):
        print(localtable.result_line(transcript))

    for transcript in localtable.run_sweep("sweep.yaml", store="sweep.db"):
        print(transcript.condition, localtable.result_line(transcript))
    figures = localtable.analyze("sweep.db")

Everything is imported when it is first used, so that `import localtable` costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from localtable.api import (
        analyze,
        debate,
        load_panel,
        load_question,
        load_transcripts,
        result_line,
        run_suite,
        run_sweep,
        save,
    )
    from localtable.types import Panel, Question, Transcript

__all__ = [
    "Panel",
    "Question",
    "Transcript",
    "__version__",
    "analyze",
    "debate",
    "load_panel",
    "load_question",
    "load_transcripts",
    "result_line",
    "run_suite",
    "run_sweep",
    "save",
]

_TYPES = ("Panel", "Question", "Transcript")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'localtable' has no attribute {name!r}")
    if name in _TYPES:
        from localtable import types

        return getattr(types, name)
    from localtable import api

    return getattr(api, name)
