"""`localtable analyze` from the command line down: what is written where, and stores of which little can be said."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from builders import make_panel, make_question, votes, write_script
from command_line import Command, Ended, run_command
from store_builders import NAMED, alter, hold_suite

from localtable.analysis.metrics.registry import METRICS
from localtable.store import Store

CONTRACTS = (Path(__file__).resolve().parents[2] / "docs/contracts.md").read_text("utf-8")


@pytest.fixture
def analyze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, "analyze", *arguments)
        assert not re.search(r"\b(nan|inf)\b", ended.out + ended.err, flags=re.IGNORECASE)
        return ended

    return command


def figures(ended: Ended) -> dict[str, Any]:
    """A `--json -`."""
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def figure(data: dict[str, Any], name: str, **by: Any) -> dict[str, Any]:
    wanted = {"condition": "debate", **by}
    (found,) = [metric for metric in data["metrics"] if metric["name"] == name and metric["by"] == wanted]
    return dict(found)


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_report_is_read_in_order(example: Path, analyze: Command) -> None:
    ended = analyze(example)
    assert ended.code == 0
    assert ended.err == ""
    heads = ("What was run", "Validity", "What changed", "Controls and cost", "Agreement", "Calibration", "Bias")
    places = [ended.out.index(f"\n{head}") for head in (*heads, "Decision rules", "What the data can't show", "Notes")]
    assert places == sorted(places)
    assert "\x1b" not in ended.out


def test_figures_of_the_example_by_hand(example: Path, analyze: Command) -> None:
    # tomato (A): BA AA BB · whale (B): AB BB AB · sun (B): BB BB BB · glass (B): AA BA BB, by seat and round.
    data = figures(analyze(example, "--json", "-"))
    assert figure(data, "individual_accuracy", round=1)["value"] == pytest.approx(7 / 12)
    assert figure(data, "individual_accuracy", round="last")["value"] == pytest.approx(9 / 12)
    assert figure(data, "majority_accuracy", round=1)["value"] == 0.5
    assert figure(data, "majority_accuracy", round=2)["value"] == 0.75
    assert figure(data, "correction_rate", round=2)["value"] == pytest.approx(3 / 5)
    assert figure(data, "vulnerability", round=2)["value"] == pytest.approx(1 / 7)
    assert figure(data, "martingale_drift", round="last")["value"] == pytest.approx(2 / 12)
    assert figure(data, "truncation_rate", round=1)["value"] == pytest.approx(1 / 12)
    assert figure(data, "stated_agreement", round=1)["value"] == pytest.approx(10 / 11)
    assert figure(data, "persuasion", seat="Ada", peer="Bob")["value"] == pytest.approx(2 / 3)
    assert figure(data, "majority_accuracy", round=1, agreement="3:0")["value"] == 1


def test_text_and_json_say_the_same_numbers(example: Path, analyze: Command) -> None:
    shown, data = analyze(example).out, figures(analyze(example, "--json", "-"))

    def cell(name: str, **by: Any) -> str:
        found = figure(data, name, **by)
        sign = "+" if found["unit"] != "share" else ""
        return "{v:{s}.1f} [{a:{s}.1f}, {b:{s}.1f}]".format(
            v=found["value"] * 100, a=found["low"] * 100, b=found["high"] * 100, s=sign
        )

    by_round = {
        "single seats right": "individual_accuracy",
        "majority right": "majority_accuracy",
        "all seats agree": "unanimity_rate",
        "pairs that agree": "pairwise_agreement",
    }
    for label, name in by_round.items():
        line = next(line for line in shown.splitlines() if line.startswith(label))
        assert [cell(name, round=number) in line for number in (1, 2)] == [True, True], line
    line = next(line for line in shown.splitlines() if line.startswith("debate gain"))
    value, interval = cell("debate_gain").split(" ", 1)
    assert value in line
    assert interval in line
    borda = next(line for line in shown.splitlines() if line.startswith("borda"))
    assert cell("rule_accuracy", rule="borda", round="last") in borda
    test = next(test for test in data["tests"] if test["family"] == "primary")
    assert f"{test['detectable'] * 100:.1f}" in shown.split("What the data can't show")[1]


def test_the_json_has_the_keys_of_the_contract_and_no_others(mixed: Path, analyze: Command) -> None:
    data = figures(analyze(mixed, "--json", "-"))
    section = CONTRACTS.split("## Analysis (`analyze --json`)")[1].split("\n## ")[0]
    named = set(re.findall("[a-z_0-9]+", section))
    for metric in data["metrics"]:
        assert set(metric) == {
            *("name", "by", "value", "low", "high", "n", "method", "unit", "family", "verdict", "reason")
        }
    for test in data["tests"]:
        assert set(test) == {
            *("name", "value", "low", "high", "p", "p_adjusted", "n", "detectable", "method", "interval"),
            *("family", "metric", "first", "second", "verdict", "mcnemar", "reason"),
        }
    assert set(data) == {"schema_version", "localtable", "run", "asked", "metrics", "tests", "notes"}
    for keys in (data["metrics"][0], data["tests"][0], data["asked"], data["run"]):
        assert set(keys) <= named
    assert data["run"]["conditions"][0] == {"name": "debate", "finished": 6, "failed": 2, "open": 0, "left_out": 0}


def test_files_say_what_stdout_says(example: Path, analyze: Command, tmp_path: Path) -> None:
    ended = analyze(example, "--json", "out.json", "--csv", "tables")
    assert ended.code == 0
    assert "What was run" in ended.out
    data = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert data == figures(analyze(example, "--json", "-"))
    with (tmp_path / "tables/metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(data["metrics"])
    for row, metric in zip(rows, data["metrics"], strict=True):
        for key in ("name", "value", "low", "high", "n", "method", "reason", "unit"):
            assert row[key] == ("" if metric[key] is None else str(metric[key]))
        assert {key: text for key, text in row.items() if text and key in metric["by"]} == {
            key: str(value) for key, value in metric["by"].items()
        }
    with (tmp_path / "tables/tests.csv").open(encoding="utf-8", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [test["name"] for test in data["tests"]]
    with (tmp_path / "tables/notes.csv").open(encoding="utf-8", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == data["notes"]


def test_a_family_is_listed_whole(example: Path, analyze: Command) -> None:
    shown = analyze(example, "--family", "social").out
    data = figures(analyze(example, "--family", "social", "--json", "-"))
    assert {metric["family"] for metric in data["metrics"]} == {"social"}
    assert sum(line.startswith("persuasion: ") for line in shown.splitlines()) == 12
    assert "Calibration" not in shown


def test_a_metric_is_explained_with_its_figures(example: Path, analyze: Command) -> None:
    ended = analyze(example, "--explain", "persuasion", "--explain", "ece")
    assert ended.code == 0
    for text in (METRICS["persuasion"].formula, METRICS["ece"].source, "n: units of inference"):
        assert text in ended.out
    line = next(line for line in ended.out.splitlines() if line.startswith("persuasion: debate, seat Ada, peer Bob"))
    assert line.split()[-1] == "3"


def test_breakdowns_have_tables_of_their_own(mixed: Path, analyze: Command) -> None:
    shown = analyze(mixed, "--by", "tag", "--by", "seat", "--by", "round").out
    assert "By tag (debate)" not in shown  # one question each
    assert "By seat (debate)" in shown
    assert "2 tags that only one question has are no parts" not in shown
    data = figures(analyze(mixed, "--by", "seat", "--json", "-"))
    assert {metric["by"].get("seat") for metric in data["metrics"]} >= {"Ada", "Bob", "Cy"}


def test_conditions_can_be_chosen(example: Path, analyze: Command) -> None:
    data = figures(analyze(example, "--condition", "votes-only", "--json", "-"))
    assert {metric["by"].get("condition", "votes-only") for metric in data["metrics"]} == {"votes-only"}
    assert data["tests"] == []
    shown = analyze(example, "--condition", "votes-only").out
    assert "What changed (votes-only)" in shown


# ── stores of which little can be said ──────────────────────────────────────────────────────────────────────

ALL = [make_question("Yes", "No", "Maybe", id=f"q{i}", question=f"{i}?", answer="A") for i in range(3)]


def small(
    tmp_path: Path, *turns: dict[str, Any], questions: Any = ALL, names: Any = ("Ada", "Bob"), **options: Any
) -> Path:
    """A run of three questions; panel's keys and the suite's options both."""
    suite = {key: options.pop(key) for key in ("controls", "repeats", "stop_after") if key in options}
    panel = make_panel(tmp_path, *names, cards=NAMED, **options)
    return hold_suite(tmp_path / "run.db", panel, questions, write_script(tmp_path, *turns) if turns else None, **suite)


def computed(ended: Ended) -> dict[str, Any]:
    """What it comes to; every null has its reason among the notes."""
    data = figures(ended)
    said = "\n".join(data["notes"])
    for metric in data["metrics"]:
        if metric["value"] is None:
            assert metric["reason"] in said
        assert (metric["reason"] is None) == (None not in (metric["value"], metric["low"]))
    return data


def test_an_empty_store(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path, stop_after=0)
    data = computed(analyze(path, "--json", "-"))
    assert "no debate has finished: nothing can be said but what was counted" in data["notes"]
    assert all(metric["value"] is None for metric in data["metrics"] if "condition" in metric["by"])
    assert data["tests"] == []
    shown = analyze(path)
    assert shown.code == 0
    assert "Nothing has been said yet." in shown.out


def test_a_running_store(tmp_path: Path, analyze: Command) -> None:
    questions = [make_question("Yes", "No", id=f"q{i}", question=f"{i}?", answer="A") for i in range(30)]
    path = small(tmp_path, questions=questions, stop_after=31, engine={"max_num_seqs": "4"})
    data = computed(analyze(path, "--json", "-"))
    (debate,) = data["run"]["conditions"]
    assert debate["open"] > 0
    assert any("unfinished debates" in note for note in data["notes"])
    assert figure(data, "stated_rate", round=1)["value"] is not None
    assert analyze(path).code == 0


def test_a_store_where_everything_failed(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path, {"seat": "Bob", "round": 2, "fail": "always"})
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "failure_rate")["value"] == 1
    assert figure(data, "truncation_rate", round=1)["value"] == 0
    voted, lost = (figure(data, "vote_accuracy", invalid=how, round=2)["value"] for how in ("excluded", "wrong"))
    assert lost == pytest.approx(voted / 2)  # Ada's votes are there, Bob's are not
    assert figure(data, "individual_accuracy")["reason"] == "no debate has finished with all its ballots"
    shown = analyze(path).out
    assert "debate: 100.0 [" in shown
    assert "No primary comparison could be made." in shown


def test_a_store_without_answers(tmp_path: Path, analyze: Command) -> None:
    questions = [make_question("Yes", "No", id=f"q{i}", question=f"{i}?") for i in range(4)]
    data = computed(analyze(small(tmp_path, questions=questions, controls=("solo-revise",)), "--json", "-"))
    assert figure(data, "majority_accuracy")["reason"] == "no finished debate's question has an answer"
    assert figure(data, "change_rate", round=2)["value"] is not None
    assert figure(data, "unanimity_rate", round=1)["value"] is not None
    assert figure(data, "modal_adoption")["value"] is not None or figure(data, "modal_adoption")["reason"]
    assert [test["metric"] for test in data["tests"]] == ["unanimity_rate", "change_rate", "conformity_gap"]
    assert "questions with an answer: 0 of 4; accuracy is of these" in data["notes"]


def test_one_seat(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path, names=("Ada",))
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "fleiss_kappa")["reason"] == "one seat has nobody to be compared with"
    assert figure(data, "conformity")["reason"] == "one seat has no peers"
    assert figure(data, "majority_accuracy", round=1)["value"] == figure(data, "individual_accuracy", round=1)["value"]
    assert analyze(path).code == 0


def test_one_round(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path, rounds=1)
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "martingale_drift")["reason"] == "one round: nobody could change a vote"
    assert figure(data, "majority_accuracy", round=1) == figure(data, "majority_accuracy", round="last") | {
        "by": {"condition": "debate", "round": 1}
    }
    assert analyze(path).code == 0


def test_all_ties(tmp_path: Path, analyze: Command) -> None:
    even = {"distribution": {"A": 0.5, "B": 0.5, "C": 0.0}}
    path = small(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "B", "B"))
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "majority_accuracy", round=2)["value"] == 0.5
    assert figure(data, "ece", of="panel", round=1)["value"] is None
    (tmp_path / "even").mkdir()
    tied = computed(analyze(small(tmp_path / "even", even), "--json", "-"))
    assert figure(tied, "tied_ballot_rate")["value"] == 1
    assert any("12 of 12 ballots share their first place exactly" in note for note in tied["notes"])


def test_no_variance(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "A", "A"), controls=("solo-revise",))
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "individual_accuracy", round=1)["value"] == 1
    assert figure(data, "individual_accuracy", round=1)["low"] is not None  # a score interval needs no variance
    assert figure(data, "auroc", of="seat", round=1)["reason"] == "all are right, or all wrong: nothing to tell apart"
    assert figure(data, "error_correlation", round=1)["reason"] == "every seat is always right or always wrong"
    assert {test["p"] for test in data["tests"]} == {1, None}  # no seat was wrong: no correction rate to compare
    assert all(test["detectable"] is None for test in data["tests"])
    assert analyze(path).code == 0


def test_ballots_without_distributions(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path)
    alter(path, "UPDATE ballots SET distribution = 'null'")
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "brier")["reason"] == "no ballot has a distribution"
    assert figure(data, "majority_accuracy", round=1)["value"] is not None
    assert analyze(path).code == 0


def test_a_finished_debate_that_lacks_a_ballot_is_left_out_and_counted(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path)
    alter(path, "DELETE FROM ballots WHERE turn = 1")
    data = computed(analyze(path, "--json", "-"))
    assert figure(data, "majority_accuracy", round=1)["n"] == 2
    assert any("1 finished debates lack a ballot" in note for note in data["notes"])


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--explain", "persusion"], "Did you mean 'persuasion'?"),
        (["--explain", "zzz"], "unknown metric 'zzz'"),
        (["--condition", "vote-only"], "the run has no condition 'vote-only'"),
        (["--by", "modell"], "'modell' is not one of"),
        (["--family", "outcomes"], "'outcomes' is not one of"),
        (["--cluster", "passage"], "no question has a tag that begins with 'passage:'"),
        (["--json", "missing/out.json"], "does not exist"),
        (["--csv", "missing/tables"], "does not exist"),
    ],
)
def test_what_can_not_be_asked_is_refused(example: Path, analyze: Command, arguments: list[str], said: str) -> None:
    ended = analyze(example, *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert said in ended.err


def test_the_figures_do_not_replace_the_store(example: Path, analyze: Command, tmp_path: Path) -> None:
    assert "is the store itself" in analyze(example, "--json", example).err
    taken = tmp_path / "metrics.csv"
    taken.write_bytes(example.read_bytes())
    assert "is the store itself" in analyze(taken, "--csv", tmp_path).err
    (tmp_path / "file").touch()
    assert "is no folder" in analyze(example, "--csv", "file").err
    assert analyze("nothing.db").code == 2


def test_names_can_not_steer_the_terminal(tmp_path: Path, analyze: Command) -> None:
    path = small(tmp_path)
    hostile = "\x1b[31mEve\u202e, best"
    with Store.open(path, write=False) as store:
        panel = dict(store.run().panel)
    panel["seats"][0]["name"] = panel["name"] = hostile
    for table in ("turns SET seat", "ballots SET persuaded_by"):
        column = table.rpartition(" ")[2]
        alter(path, f"UPDATE {table} = char(27) || '[31mEve' || char(8238) || ', best' WHERE {column} = 'Ada'")
    quoted = json.dumps(panel, ensure_ascii=False).replace("'", "''")
    alter(path, f"UPDATE run SET panel = '{quoted}'", "UPDATE questions SET tags = '[\"\\u001b[31mtag\"]'")
    ended = analyze(path, "--by", "seat", "--by", "tag", "--family", "social")
    assert ended.code == 0
    assert "\\x1b[31mEve\\u202e, best" in ended.out
    for shown in (ended, analyze(path, "--by", "tag"), analyze(path, "--explain", "\x1b[31m")):
        for text in (shown.out, shown.err):
            assert "\x1b" not in text
            assert "\u202e" not in text
