"""`localtable tally` from the command line down: what is decided, what can't be computed, what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import make_panel, make_question, votes, write_script
from command_line import Command, Ended, run_command
from store_builders import alter, hold_suite

from localtable.analysis.rules import RULES
from localtable.store import Store

CONTRACTS = Path(__file__).resolve().parents[2] / "docs/contracts.md"


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, "tally", *arguments)
        assert not re.search(r"\bnan\b", ended.out + ended.err, flags=re.IGNORECASE)
        return ended

    return command


def figures(ended: Ended) -> dict[str, Any]:
    """The one condition of a `--json -`."""
    assert ended.code == 0
    (condition,) = json.loads(ended.out)["conditions"]
    found: dict[str, Any] = condition
    return found


def by_rule(condition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["rule"]: rule for rule in condition["rules"]}


def line_of(ended: Ended, rule: str) -> list[str]:
    """A rule's cells in the table."""
    return next(line.split()[1:] for line in ended.out.splitlines() if line.split()[:1] == [rule])


# ── what is decided ─────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_rule_all_of_them_stand_side_by_side(example: Path, tally: Command) -> None:
    ended = tally(example)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "debate: 4 debates, 3 seats, each debate's last round"
    shown = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in RULES]
    assert shown == [name for name in RULES if name != "judge"]
    assert "judge:seat=NAME" in ended.err


def test_figures_of_the_example_by_hand(example: Path, tally: Command) -> None:
    # Last votes: tomato A A B (answer A) · whale B B B (B) · sun B B B (B) · glass A A B (B).
    ended = tally(example)
    assert line_of(ended, "plurality")[:3] == ["100.0", "0.0", "75.0"]
    assert line_of(ended, "unanimity")[:3] == ["50.0", "0.0", "50.0"]
    assert line_of(ended, "plurality")[3] == "30.1–95.4"  # Wilson's, 3 of 4
    rules = by_rule(figures(tally(example, "--json", "-")))
    assert rules["unanimity"]["accuracy"] == {
        "value": 0.5,
        "n": 4,
        "low": pytest.approx(0.1500, abs=1e-4),
        "high": pytest.approx(0.8500, abs=1e-4),
    }
    assert rules["unanimity"]["accuracy_decided"]["value"] == 1
    assert rules["unanimity"]["accuracy_decided"]["n"] == 2
    assert rules["plurality"]["margin"]["value"] == pytest.approx((1 / 3 + 1 + 1 + 1 / 3) / 4)


def test_plurality_is_what_the_debates_verdicts_say(mixed: Path, tally: Command) -> None:
    with Store.open(mixed, write=False) as store:
        verdicts = [d.verdict for d in store.all_debates("finished") if d.condition == 1]
    condition = figures(tally(mixed, "--json", "-"))
    plurality = by_rule(condition)["plurality"]
    assert condition["debates"] == len(verdicts)
    tied = sum(len(verdict.options) > 1 for verdict in verdicts if verdict)
    assert plurality["tie_rate"]["value"] == pytest.approx(tied / len(verdicts))


def test_a_round_is_tallied_in_place_of_the_last_one(example: Path, tally: Command) -> None:
    # First votes: tomato B A B · whale A B A · sun B B B · glass A B B: right on sun and glass.
    ended = tally(example, "--round", "1", "--rule", "majority", "--rule", "judge:seat=Bob")
    assert ended.out.splitlines()[0].endswith("3 seats, round 1")
    assert line_of(ended, "majority")[2] == "50.0"
    assert line_of(ended, "judge:seat=Bob")[2] == "100.0"
    assert line_of(ended, "judge:seat=Bob")[5] == "–"
    assert "judge has to be told" not in ended.err


def test_disagreement_is_the_share_of_debates_that_end_otherwise(example: Path, tally: Command) -> None:
    rules = ["plurality", "unanimity", "judge:seat=Cy"]
    arguments = [argument for rule in rules for argument in ("--rule", rule)]
    condition = figures(tally(example, *arguments, "--json", "-"))
    assert condition["disagreement"] == [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    shown = tally(example, *arguments).out
    assert re.search(r"^2 unanimity +50 *$", shown, flags=re.MULTILINE)
    assert re.search(r"^3 judge:seat=Cy +50 +50 *$", shown, flags=re.MULTILINE)


def test_a_rule_that_is_named_twice_stands_once(example: Path, tally: Command) -> None:
    condition = figures(tally(example, "--rule", "borda", "--rule", "borda", "--json", "-"))
    assert list(by_rule(condition)) == ["borda"]
    assert "Disagreement" not in tally(example, "--rule", "borda").out


def test_conditions_are_named_whole_or_by_their_control(mixed: Path, tally: Command) -> None:
    ended = tally(mixed, "--condition", "self-consistency", "--condition", "votes-only", "--json", "-")
    names = [condition["condition"] for condition in json.loads(ended.out)["conditions"]]
    assert names == ["votes-only", "self-consistency:small", "self-consistency:large"]
    assert all(line.startswith((*names, "The rule judge")) for line in ended.err.splitlines())
    one = figures(tally(mixed, "--condition", "self-consistency:large", "--json", "-"))
    assert [seat["model"] for seat in one["seats"]] == ["large"] * 6


def test_rules_are_explained(example: Path, tally: Command) -> None:
    said = tally(example, "--rule", "log_pool:floor=0.01", "--explain").out
    assert "log_pool:floor=0.01\n  reads     distributions\n" in said
    assert "(above 0 to 0.03); here 0.01" in said
    assert "Genest and Zidek 1986" in said


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────


def keys_of(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield key
            if key != "parameters":
                yield from keys_of(value)
    elif isinstance(data, list):
        for value in data:
            yield from keys_of(value)


def test_the_contract_names_every_key(mixed: Path, tally: Command) -> None:
    (part,) = re.findall(r"^## Tally.*?(?=^## )", CONTRACTS.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = set(keys_of(json.loads(tally(mixed, "--json", "-").out)))
    assert found - set(re.findall(r"\w+", part)) == set()


def test_a_file_gets_the_figures_and_the_terminal_the_table(example: Path, tally: Command, tmp_path: Path) -> None:
    ended = tally(example, "--json", "out.json")
    assert ended.out.startswith("debate: 4 debates")
    written = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert written == json.loads(tally(example, "--json", "-").out)
    assert written["schema_version"] == 1


# ── what can't be computed ──────────────────────────────────────────────────────────────────────────────────


def small(
    folder: Path, *turns: Any, count: int = 3, names: str = "Ada Bob", stop_after: int | None = None, **panel: Any
) -> Path:
    questions = [make_question("Yes", "No", "Maybe", id=f"q{i}", question=f"Question {i}?") for i in range(count)]
    table = make_panel(folder, *names.split(), **panel)
    return hold_suite(folder / "run.db", table, questions, write_script(folder, *turns), stop_after=stop_after)


def test_an_empty_store_is_no_error(tmp_path: Path, tally: Command) -> None:
    path = small(tmp_path, stop_after=0)
    ended = tally(path)
    assert ended.code == 0
    assert ended.out == "debate: 0 debates, 2 seats, each debate's last round\n"
    assert ended.err.splitlines()[:2] == [
        "no debate can be tallied",
        "debates not tallied: 0 failed, 3 unfinished",
    ]
    condition = figures(tally(path, "--json", "-"))
    assert by_rule(condition)["borda"]["accuracy"] == {"value": None, "n": 0, "low": None, "high": None}
    assert condition["disagreement"][0][1] is None
    assert condition["notes"]


def test_a_running_store_is_tallied_as_it_was_at_one_moment(tmp_path: Path, tally: Command) -> None:
    path = small(tmp_path, count=20, stop_after=30, engine={"max_num_seqs": "2"})
    with Store.open(path, write=True) as store:
        store.begin_session({})
        store.fail_debate(1, "not committed yet")  # another process may be in the middle of a step
        ended = tally(path)
    assert ended.code == 0
    number = int(ended.out.split()[1])
    assert 0 < number < 20
    assert f"debates not tallied: 0 failed, {20 - number} unfinished" in ended.err


def test_of_failed_debates_alone_nothing_is_said_but_that(tmp_path: Path, tally: Command) -> None:
    ended = tally(small(tmp_path, {"seat": "Ada", "fail": "always"}))
    assert ended.code == 0
    assert ended.out == "debate: 0 debates, 2 seats, each debate's last round\n"
    assert "debates not tallied: 3 failed, 0 unfinished" in ended.err


def test_without_answers_the_rest_is_computed(tmp_path: Path, tally: Command) -> None:
    ended = tally(small(tmp_path))
    assert ended.code == 0
    decides, ties, right, interval, decided, margin, _ = line_of(ended, "linear_pool")
    assert (decides, right, interval, decided) == ("100.0", "–", "–", "–")
    assert float(ties) >= 0
    assert float(margin) >= 0
    assert "no tallied debate's question has an answer" in ended.err


def test_questions_without_an_answer_are_left_out_of_what_is_right(mixed: Path, tally: Command) -> None:
    ended = tally(mixed)
    assert "tallied debates whose question has an answer: 4 of 6" in ended.err
    condition = figures(tally(mixed, "--json", "-"))
    assert (condition["debates"], condition["answered"]) == (6, 4)
    assert by_rule(condition)["plurality"]["accuracy"]["n"] == 4


def test_repeats_of_a_question_give_no_wilson_interval(mixed: Path, tally: Command) -> None:
    ended = tally(mixed, "--rule", "majority")
    assert line_of(ended, "majority")[3] == "–"
    assert "no interval for what is right by majority" in ended.err


def test_one_seat_is_said(tmp_path: Path, tally: Command) -> None:
    ended = tally(small(tmp_path, names="Ada"))
    assert ended.code == 0
    assert "one seat: nothing is put together" in ended.err
    assert line_of(ended, "unanimity")[0] == "100.0"


def test_one_round_has_a_trajectory_of_one_vote(tmp_path: Path, tally: Command) -> None:
    path = small(tmp_path, rounds=1)
    condition = figures(tally(path, "--rule", "trajectory", "--rule", "plurality", "--json", "-"))
    assert condition["disagreement"] == [[0.0, 0.0], [0.0, 0.0]]


def test_all_ties_are_shared_and_told(tmp_path: Path, tally: Command) -> None:
    turns = [
        {**turn, "distribution": {"A": 0.5, "B": 0.5, "C": 0.0}}
        for turn in (*votes("Ada", *"AA"), *votes("Bob", *"BB"))
    ]
    path = small(tmp_path, *turns)
    alter(path, "UPDATE questions SET answer = 'A'")
    ended = tally(path)
    assert ended.code == 0
    for rule in ("borda", "instant_runoff", "linear_pool", "log_pool"):
        assert line_of(ended, rule)[:4] == ["100.0", "100.0", "50.0", "–"]
        assert line_of(ended, rule)[5] == "0.000"
    assert "6 of 6 ballots share their first place exactly" in ended.err
    assert "no tallied debate has a Condorcet winner" in ended.err
    assert "condorcet decided nothing" in ended.err


def test_nearly_sure_ballots_are_counted(tmp_path: Path, tally: Command) -> None:
    sure = {"distribution": {"A": 0.995, "B": 0.005, "C": 0.0}, "vote": "A"}
    ended = tally(small(tmp_path, {"seat": "Ada", **sure}))
    assert re.search(r"[3-6] of 6 ballots \(\d+%\) give more than 0.99", ended.err)


def test_a_round_that_some_debates_never_held_leaves_them_out(tmp_path: Path, tally: Command) -> None:
    agreed = [{**turn, "question": "q0"} for turn in (*votes("Ada", "A"), *votes("Bob", "A"))]
    apart = [
        {**turn, "question": name} for name in ("q1", "q2") for turn in (*votes("Ada", *"AA"), *votes("Bob", *"BB"))
    ]
    path = small(tmp_path, *agreed, *apart, stop={"when": "unanimous"})
    assert "debates not tallied, which had ended before round 2: 1" in tally(path, "--round", "2").err
    assert tally(path).out.startswith("debate: 3 debates")


def test_ballots_without_distributions_are_left_out_of_what_reads_them(tmp_path: Path, tally: Command) -> None:
    path = small(tmp_path)
    alter(path, "UPDATE ballots SET distribution = 'null' WHERE turn = (SELECT max(id) FROM turns)")
    ended = tally(path)
    assert ended.code == 0
    assert "rankings or distributions leave out: 1" in ended.err
    rules = by_rule(figures(tally(path, "--json", "-")))
    assert (rules["plurality"]["n"], rules["borda"]["n"]) == (3, 2)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rule", "bordas"], "unknown rule 'bordas'"),
        (["--rule", "supermajority:share=0.3"], "share is '0.3', and has to be above 0.5 to 1"),
        (["--rule", "judge"], "seat is missing"),
        (["--rule", "judge:seat=Eve"], "there is no seat 'Eve'"),
        (["--round", "3"], "round 3 of debate: its debates have rounds 1 to 2"),
        (["--round", "0"], "0 is not in the range"),
        (["--condition", "vote-only"], "the run has no condition 'vote-only'"),
        (["--json", "missing/out.json"], "does not exist"),
    ],
)
def test_what_can_not_be_asked_is_refused(example: Path, tally: Command, arguments: list[str], said: str) -> None:
    ended = tally(example, *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert said in ended.err


def test_the_figures_do_not_replace_the_store(example: Path, tally: Command) -> None:
    ended = tally(example, "--json", example)
    assert ended.code == 2
    assert "is the store itself" in ended.err
    assert tally("nothing.db").code == 2


def test_names_can_not_steer_the_terminal(tmp_path: Path, tally: Command) -> None:
    path = small(tmp_path)
    hostile = "\x1b[31mEve\u202e, best"
    with Store.open(path, write=False) as store:
        panel = dict(store.run().panel)
    panel["seats"][0]["name"] = hostile
    for table in ("turns SET seat", "ballots SET persuaded_by"):
        column = table.rpartition(" ")[2]
        alter(path, f"UPDATE {table} = char(27) || '[31mEve' || char(8238) || ', best' WHERE {column} = 'Ada'")
    quoted = json.dumps(panel, ensure_ascii=False).replace("'", "''")
    alter(path, f"UPDATE run SET panel = '{quoted}'")
    ended = tally(path, "--rule", f"judge:seat={hostile}", "--rule", "borda", "--explain")
    assert ended.code == 0
    assert "\\x1b[31mEve\\u202e, best" in ended.out
    refused = tally(path, "--rule", "judge:seat=\x1b[31mMallory")
    assert refused.code == 2
    for text in (ended.out, ended.err, refused.err):
        assert "\x1b" not in text
        assert "\u202e" not in text
