"""`localtable methods`: what a paper has to say, nothing that isn't so, and citations of what was used alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from analyzed_stores import random_store
from builders import make_panel, make_question, write_script
from store_builders import alter, hold_suite, mixed_store
from sweep_builders import hold_sweep, write_sweep

from localtable import __version__
from localtable.cli.main import run

Command = Callable[..., str]


@pytest.fixture
def methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path, code: int = 0) -> str:
        assert run(["methods", *map(str, arguments)]) == code
        captured = capsys.readouterr()
        assert not re.search(r"\bnan\b", captured.out, flags=re.IGNORECASE)
        return captured.out if code == 0 else captured.err

    return command


def cited(text: str) -> set[str]:
    return set(re.findall(r"@([\w.-]+\w)", text.split("\n@")[0]))


def entries(text: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_store(tmp_path_factory.mktemp("held"))


def test_what_a_paper_has_to_say_is_said(held: Path, methods: Command) -> None:
    text = methods(held)
    for part in (
        "24 multiple-choice questions (8 with 2 options, 8 with 3 options and 8 with 4 options; 19 with a known answer",
        "each held 2 times",
        "a panel of 5 seats (3 on @small and 2 on @large) in 3 rounds [@du2024debate]",
        "the previous round's statements and votes of all others, under seats' names and in one order for all readers",
        "temperature 0.7, top-p 0.95, at most 256 tokens",
        "'argue' (SHA-256 ",
        "run seed 0",
        "self-consistency (as many independent first turns of one model as the debate has turns; [@wang2023selfcons",
        "Of 192 debates over all conditions 192 finished, 0 failed and 0 were not held; none was replaced.",
        "The unit of inference is the question [@miller2024error]; n = 24.",
        "Primary, adjusted after Holm [@holm1979]: majority_accuracy: debate − its first round (n = 19, detectable",
        f"localtable {__version__} [@localtable]",
    ):
        assert part in text, part


def test_every_entry_is_cited_and_every_citation_has_its_entry(held: Path, methods: Command) -> None:
    text = methods(held)
    keys = entries(text)
    assert len(set(keys)) == len(keys)
    assert cited(text) == set(keys)
    for entry in re.findall(r"^@\w+\{.*?^\}", text, flags=re.MULTILINE | re.DOTALL):
        assert entry.count("{") == entry.count("}")
        assert "title = {" in entry


def test_what_was_not_used_is_not_cited(tmp_path: Path, methods: Command) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds=1)
    questions = [make_question(id=f"q{i}", question=f"{i}?", answer="A") for i in range(12)]
    text = methods(hold_suite(tmp_path / "run.db", panel, questions))
    for name in ("du2024debate", "wang2023", "choi2025", "schuirmann", "holm1979", "outlines", "vllm", "transformers"):
        assert name not in text
    assert "Seats answer independently of each other." in text
    assert "scripted engine, not from a model" in text
    assert "Controls" not in text


PANELS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"peers": {"over": "head_tail"}}, "A peer's turn that is too long is shown shortened, with a mark."),
    ({"seed": "7"}, "all requests' seeds derive from the run seed 7. The run, "),
    (
        {"ballot": {"at": "both", "orders": "all_rotations"}},
        "It is also cast before the statement. Each was asked under all",
    ),
    (
        {"visibility": {"votes": "hidden", "names": "neutral"}},
        "the previous round's statements of all others, under neutral",
    ),
    ({"visibility": {"tally": "shown", "order": "shuffled"}}, "an order drawn for each, with tally"),
    ({"stop": {"when": "unanimous"}}, "A debate ends early once votes are unanimous."),
)


@pytest.mark.parametrize(("panel", "said"), PANELS)
def test_the_panels_own_rules_are_said(tmp_path: Path, methods: Command, panel: dict[str, Any], said: str) -> None:
    path = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", "Bob", **panel), [make_question(answer="A")])
    assert said in methods(path)


def test_failed_debates_and_thinking_are_not_forgotten(tmp_path: Path, methods: Command) -> None:
    text = methods(mixed_store(tmp_path))
    assert "Of 38 debates over all conditions 32 finished, 6 failed and 0 were not held" in text
    assert "after up to 1,024 tokens of thinking" in text


def test_weights_and_engine_of_real_models_are_named(tmp_path: Path, methods: Command) -> None:
    path = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", "Bob"), [make_question(answer="A")])
    versions = '{"localtable": "0.1.0", "vllm": "0.30.0", "torch": "2.9.0"}'
    facts = f'{{"versions": {versions}, "device": {{"kind": "cuda", "name": "H100"}}}}'
    alter(
        path,
        'UPDATE run SET engine = \'vllm\', weights = \'{"toy": {"weights": "abcdef0123456789", "source": "hub"}}\'',
        'UPDATE run SET cards = json_set(cards, \'$.toy.sources\', json(\'[{"hub": "org/toy", "revision": "r1"}]\'))',
        f"UPDATE sessions SET facts = '{facts}'",
    )
    text = methods(path)
    assert (
        "text was generated by vllm [@kwon2023vllm] (localtable 0.1.0, vllm 0.30.0, torch 2.9.0) on cuda (H100)" in text
    )
    assert "the options' letters [@willard2023outlines]" in text
    assert "weights SHA-256 abcdef012345…" in text
    assert "\\url{https://huggingface.co/org/toy}" in text
    assert "weights SHA-256 abcdef0123456789, revision r1" in text


def test_a_sweep_s_design_is_said_whole(tmp_path: Path, methods: Command) -> None:
    doubt = {"seats": {"Ada": {"persona": "You doubt what you read."}}}
    file = write_sweep(
        tmp_path,
        num_questions=6,
        factors={"visibility.tally": ["hidden", "shown"], "mood": {"plain": {}, "doubt": doubt}, "seed": ["3", "4"]},
        exclude=[{"mood": "doubt", "seed": "4"}],
        primary=[{"metric": "majority_accuracy", "factor": "mood", "levels": ["doubt", "plain"]}],
        controls=["solo-revise"],
    )
    script = write_script(tmp_path, {"question": "q1", "round": 2, "seat": "Bob", "fail": "always"})
    text = methods(hold_sweep(tmp_path / "run.db", file, engine_arguments={"script": str(script)}))
    failed = "tally=hidden,mood=plain,seed=3"
    for part in (
        "the sweep 'trial', 6 of the 8 combinations of visibility.tally (hidden, shown), mood (plain: {}, doubt: "
        '{"seats": {"Ada": {"persona": "You doubt what you read."}}}) and seed (3, 4): 6 variants.',
        f"the baseline, {failed}; each other variant differs from it in its levels.",
        "Left out: tally=hidden,mood=doubt,seed=4; tally=shown,mood=doubt,seed=4.",
        "the run seeds 3 and 4.",
        "generated once and serve every condition that asks for them",
        "Of 42 debates over all conditions 35 finished, 7 failed and 0 were not held; none was replaced.",
        f"Those that failed: 1 in {failed}, 1 in {failed}/solo-revise, 1 in ",
        "Figures are of the finished ones",
        "Levels of a factor are compared over all pairs of variants that differ in nothing else",
        "Primary, adjusted after Holm [@holm1979]: majority_accuracy: mood doubt − mood plain (n = 5",
    ):
        assert part in text, part


def test_a_full_factorial_without_a_primary_comparison_is_called_so(tmp_path: Path, methods: Command) -> None:
    text = methods(hold_sweep(tmp_path / "run.db", write_sweep(tmp_path)))
    assert "a full factorial design of visibility.order (fixed, shuffled) and rounds (2, 3): 4 variants" in text
    assert "Left out" not in text
    assert "No comparison was named as primary." in text
    assert "Of 16 debates over all conditions 16 finished, 0 failed" in text
    assert "Those that" not in text


def test_finished_debates_that_lack_a_ballot_are_not_forgotten(tmp_path: Path, methods: Command) -> None:
    questions = [make_question(id=f"q{i}", question=f"{i}?", answer="A") for i in range(4)]
    path = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", "Bob"), questions)
    assert "lack a ballot" not in methods(path)
    alter(path, "DELETE FROM ballots WHERE turn = (SELECT min(id) FROM turns)")
    assert "Debate: 1 finished debates lack a ballot and are left out" in methods(path)


def test_an_empty_store_has_methods_too(tmp_path: Path, methods: Command) -> None:
    path = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", "Bob"), [make_question()], stop_after=0)
    assert "0 finished, 0 failed and 1 were not held" in methods(path)


def test_what_is_not_there_is_refused(methods: Command, held: Path) -> None:
    assert "the run has no condition 'vote-only'" in methods(held, "--condition", "vote-only", code=2)
    methods("nothing.db", code=2)
