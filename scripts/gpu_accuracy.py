"""A model's solo accuracy by the preset `answer`, beside what lm-eval makes of the same questions.

lm-eval scores options by their likelihood behind the question; the preset lets the model reason and vote. Both are
right or wrong on the same questions, so what is compared is the difference question by question.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from gpu_bench import Bench, ModelHere, example_questions
from gpu_parts import NotRunError

from localtable.analysis.statistics.wilson import Z_95, wilson
from localtable.config import load_suite
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.store import Store
from localtable.types import FileSource, Panel, Question, Sampling, Seat

TASK = "localtable_gpu_check"
ANSWER_TOKENS = 512


def part_accuracy(
    bench: Bench, suites: Sequence[Path], number: int, samples: Path | None, *, seconds: float
) -> dict[str, Any]:
    """Solo accuracy of the main model, its weights real."""
    if bench.main.made_up:
        raise NotRunError("made-up weights know no answers: give a model with --model-folder FOLDER")
    questions = choose(suites, number)
    bench.close_all()
    began = time.monotonic()
    right = solo(bench, questions)
    results = bench.found
    results |= {"model": bench.main.card.id, "questions": len(questions), "localtable": share(right)}
    left = seconds - (time.monotonic() - began)
    theirs = lm_eval_right(bench.main, questions, samples, bench.home, left)
    if isinstance(theirs, str):
        return results | {"lm_eval": theirs}
    return results | {"lm_eval": share(theirs), "paired": paired(right, theirs)}


def choose(suites: Sequence[Path], number: int) -> list[Question]:
    """Questions with an answer, of each suite as many; the example suite's where none is given."""
    if not suites:
        return example_questions(min(number, 12))
    files = sorted(path for suite in suites for path in (suite.glob("*.jsonl") if suite.is_dir() else [suite]))
    in_turn = (q for same in zip(*map(load_suite, files), strict=False) for q in same if q.answer)
    found = list(islice(in_turn, number))
    if not found:
        raise NotRunError(f"no question with an answer in {', '.join(map(str, suites))}")
    return found


def solo(bench: Bench, questions: Sequence[Question]) -> dict[str, bool]:
    """By question: whether one seat, one round, the preset `answer` and temperature 0 give its answer."""
    card, folder = bench.main.card, bench.main.folder
    seat = Seat("Solo", replace(card, sources=(FileSource(str(folder)),)), Sampling(0.0, 1.0, ANSWER_TOKENS))
    panel = Panel("solo", (seat,), rounds=1, prompts="answer", engine=bench.engine())
    path = bench.home / f"solo-{time.monotonic_ns()}.db"
    options = RunOptions(home=bench.home, engine="vllm")
    begin_suite(path, panel, questions, options, SuiteOptions())
    with open_suite(path, options) as run:
        for _ in run.run():
            pass
    return right_by_question(path)


def right_by_question(path: Path) -> dict[str, bool]:
    with Store.open(path, write=False) as store:
        rows = store.query(
            "SELECT questions.name, coalesce(json_array_length(leading) = 1 AND leading ->> 0 = answer, 0)"
            " FROM debates JOIN questions ON questions.id = debates.question"
            " WHERE state IN ('finished', 'failed') AND answer IS NOT NULL"
        )
        return {name: bool(right) for name, right in rows}


# ── lm-eval ─────────────────────────────────────────────────────────────────────────────────────────────────


def lm_eval_right(
    model: ModelHere, questions: Sequence[Question], samples: Path | None, folder: Path, seconds: float
) -> dict[str, bool] | str:
    """By question: whether lm-eval's choice is right; or why that isn't known."""
    if samples is not None:
        return read_samples(samples, questions)
    if importlib.util.find_spec("lm_eval") is None:
        write_task(questions, folder / "lm-eval")
        return "not run: lm_eval is not installed, and --lm-eval-samples names no results"
    task = folder / "lm-eval"
    write_task(questions, task)
    try:
        subprocess.run(
            lm_eval_command(model.folder, task), check=True, capture_output=True, text=True, timeout=max(seconds, 1)
        )
    except subprocess.TimeoutExpired:
        return f"not run: lm-eval was not done within the {seconds:.0f} s that were left"
    except subprocess.CalledProcessError as error:
        return f"not run: lm-eval ended with {error.returncode}: {error.stderr.strip()[-300:]}"
    found = sorted(task.rglob("samples_*.jsonl"))
    return read_samples(found[-1], questions) if found else "not run: lm-eval wrote no samples"


def write_task(questions: Sequence[Question], folder: Path) -> Path:
    """The same questions as a multiple-choice task of lm-eval, with its usual letters.

    Returns:
        The task's file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "questions.jsonl"
    rows = [
        {
            "id": question.id,
            "text": "\n".join(filter(None, (question.context, question.question))),
            "options": [f"{letter}. {text}" for letter, text in zip(question.letters, question.options, strict=True)],
            "letters": list(question.letters),
            "gold": question.letters.index(question.answer or ""),
        }
        for question in questions
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{text}}\n{{options | join('\n')}}\nAnswer:",
        "doc_to_choice": "{{letters}}",
        "doc_to_target": "{{gold}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    path = folder / f"{TASK}.yaml"
    path.write_text(json.dumps(task, indent=1))  # JSON is YAML
    return path


def lm_eval_command(model: Path, task: Path) -> list[str]:
    """Transformers' backend, since a vLLM of its own would need the device to itself for as long again."""
    return [
        *(sys.executable, "-m", "lm_eval", "--model", "hf"),
        *("--model_args", f"pretrained={model},dtype=bfloat16", "--tasks", TASK),
        *("--include_path", str(task), "--batch_size", "16"),
        *("--log_samples", "--output_path", str(task / "out")),
    ]


def read_samples(path: Path, questions: Sequence[Question]) -> dict[str, bool] | str:
    """By question: whether lm-eval's logged sample is right; matched by id, else by its place."""
    found = {}
    for row in _rows(path):
        doc, place = row.get("doc") or {}, row.get("doc_id")
        name = doc.get("id") or (questions[place].id if isinstance(place, int) and place < len(questions) else None)
        if name is not None and "acc" in row:
            found[name] = bool(row["acc"])
    missing = [question.id for question in questions if question.id not in found]
    if missing:
        return f"not run: {path} has no sample of {len(missing)} of {len(questions)} questions, {missing[0]} first"
    return {question.id: found[question.id] for question in questions}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────


def share(right: Mapping[str, bool]) -> dict[str, Any]:
    count = sum(right.values())
    low, high = wilson(count, len(right))
    return {"right": count, "of": len(right), "share": count / max(len(right), 1), "interval_95": [low, high]}


def paired(ours: Mapping[str, bool], theirs: Mapping[str, bool]) -> dict[str, Any]:
    """Ours less theirs, question by question, with the normal interval of a mean of paired differences."""
    names = sorted(ours.keys() & theirs.keys())
    differences = [int(ours[name]) - int(theirs[name]) for name in names]
    n = len(differences)
    mean = sum(differences) / max(n, 1)
    variance = sum((d - mean) ** 2 for d in differences) / max(n - 1, 1)
    half = Z_95 * math.sqrt(variance / max(n, 1))
    return {
        "questions": n,
        "difference": mean,
        "interval_95": [mean - half, mean + half],
        "only_localtable": differences.count(1),
        "only_lm_eval": differences.count(-1),
    }
