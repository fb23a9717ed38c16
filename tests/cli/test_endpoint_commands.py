"""Panels with seats at endpoints, as their users run them, against a server on loopback."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD
from command_line import Command, Ended, run_command
from endpoint_server import WORDS, Handler, Received, Server, answer, hang, refuses, reply, running, say, status
from store_builders import hold_suite, require_clean

from localtable.cli.main import run
from localtable.config import load_panel, load_suite
from localtable.runner import RunOptions, absence, hold_debate
from localtable.runner.events import RunEvent, TextArrived
from localtable.types import Stop

KEY = "sk-command-0123456789abcdefghij"
QUESTION = ("Is a tomato a fruit?", "-o", "Yes", "-o", "No", "-o", "Perhaps")
SCRIPTED = ("--engine", "scripted")


@pytest.fixture(scope="module")
def _listening() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def server(_listening: Server) -> Server:
    _listening.received.clear()
    _listening.next.clear()
    _listening.usual = answer
    return _listening


@pytest.fixture
def folder(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a panel of a local seat and two at the endpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEST_KEY", KEY)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(dict(CARD)))
    write_card(tmp_path, server)
    seats = [{"name": "Ada", "model": "toy.yaml"}, *({"name": name, "model": "hosted.yaml"} for name in ("Bob", "Cyd"))]
    write_panel(tmp_path, seats)
    lines = [{"id": f"q{i}", "question": f"Is it {i}?", "options": ["Yes", "No", "Perhaps"]} for i in range(3)]
    (tmp_path / "suite.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def write_card(folder: Path, server: Server, **changes: Any) -> None:
    endpoint = {"base_url": server.address, "model": "some-model", "key_env": "TEST_KEY", "retries": 0, **changes}
    price = {"price": {"input": 1.0, "output": 10.0}}
    (folder / "hosted.yaml").write_text(yaml.safe_dump({"id": "hosted", "endpoint": {**endpoint, **price}}))


def write_panel(folder: Path, seats: list[dict[str, Any]], **changes: Any) -> None:
    panel = {"name": "mixed", "seats": seats, "stop": {"when": "never"}, **changes}
    (folder / "panel.yaml").write_text(yaml.safe_dump(panel))


@pytest.fixture
def localtable(capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, *arguments)
        assert KEY not in ended.out + ended.err
        return ended

    return command


def held(folder: Path, localtable: Command, *options: str) -> dict[str, Any]:
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED, "--json", "out.json", *options)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def turns_of(transcript: dict[str, Any], seat: str) -> list[dict[str, Any]]:
    return [turn for round_ in transcript["rounds"] for turn in round_["turns"] if turn["seat"] == seat]


def test_a_mixed_panel_debates_and_each_vote_says_what_it_was_read_from(
    folder: Path, server: Server, localtable: Command
) -> None:
    transcript = held(folder, localtable)
    for turn in turns_of(transcript, "Ada"):
        assert "source" not in turn["ballot"] and turn["ballot"]["distribution"] and turn["token_ids"]
    for turn in turns_of(transcript, "Bob"):
        assert (turn["ballot"]["source"], turn["ballot"]["unlisted"]) == ("logprobs", [])
        assert turn["ballot"]["listed_mass"] == pytest.approx(0.95)
        assert turn["ballot"]["distribution"]["A"] == pytest.approx(0.6 / 0.95)
        assert "token_ids" not in turn and turn["usage"]["prompt_tokens"] > 0
    card = transcript["manifest"]["cards"]["hosted"]
    assert card["endpoint"] == {"base_url": server.address, "model": "some-model"}
    assert (card["parameters"], card["weights"], card["dtype"]) == (None, None, None)
    used = [turn["usage"] for seat in ("Bob", "Cyd") for turn in turns_of(transcript, seat)]
    cost = sum(use["prompt_tokens"] * 1.0 + use["completion_tokens"] * 10.0 for use in used) / 1e6
    assert transcript["manifest"]["cost"]["total"] == pytest.approx(cost)
    later = [request.body["messages"][0]["content"] for request in server.asked[4:]]
    assert any("Ada chose:" in text for text in later), "what local seats say is read at the endpoint"


def test_where_it_sends_what_is_said_first_quiet_or_not(folder: Path, server: Server, localtable: Command) -> None:
    host = server.address.split("/")[2]
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED, "--quiet")
    assert ended.err.splitlines() == [f"hosted: what this panel reads and says is sent to {host}"]


@pytest.mark.parametrize(
    ("parts", "source"), [(("logprobs",), "structured"), (("response_format", "logprobs"), "structured")]
)
def test_votes_without_probabilities_are_kept_as_that(
    folder: Path, server: Server, localtable: Command, parts: tuple[str, ...], source: str
) -> None:
    server.usual = refuses(*parts)
    ballot = turns_of(held(folder, localtable), "Bob")[0]["ballot"]
    assert (ballot["vote"], ballot["source"], ballot["unlisted"]) == ("A", source, [])
    assert ballot["distribution"] is ballot["confidence"] is None


def test_votes_in_words_are_parsed_and_kept_as_that(folder: Path, server: Server, localtable: Command) -> None:
    server.usual = say("My vote is for No.")
    for turn in turns_of(held(folder, localtable), "Bob"):
        assert (turn["ballot"]["vote"], turn["ballot"]["source"]) == ("B", "parsed")


def test_what_the_server_does_not_count_is_null(folder: Path, server: Server, localtable: Command) -> None:
    server.usual = say("My vote is for No.", counts=False)
    transcript = held(folder, localtable)
    assert turns_of(transcript, "Bob")[0]["usage"] is None
    assert transcript["manifest"]["cost"] == {"total": None, "models": {"hosted": None}}


def test_a_cost_of_which_a_part_was_not_counted_is_null(folder: Path, server: Server, localtable: Command) -> None:
    def counts_votes_alone(handler: Handler, request: Received) -> None:
        (answer if request.labels else say("It is not.", counts=False))(handler, request)

    server.usual = counts_votes_alone
    nothing = {"total": None, "models": {"hosted": None}}
    assert held(folder, localtable)["manifest"]["cost"] == nothing
    suite = ("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--quiet", "--store", "run.db")
    assert localtable(*suite, "--summary", "sum.json").code == 0
    assert json.loads((folder / "sum.json").read_text())["cost"] == nothing


def test_thoughts_without_an_end_are_no_statement(folder: Path, server: Server, localtable: Command) -> None:
    def cut(handler: Handler, request: Received) -> None:
        (answer if request.labels else say("<think>\nHm, let me", finish_reason="length"))(handler, request)

    server.usual = cut
    turn = turns_of(held(folder, localtable), "Bob")[0]
    assert (turn["statement"], turn["reasoning"], turn["truncated"]) == ("", "Hm, let me", True)
    assert not any("Hm," in message["content"] for request in server.asked for message in request.body["messages"])


def test_thoughts_are_kept_apart(folder: Path, server: Server, localtable: Command) -> None:
    server.usual = say("No, it is not.\nMy vote is for No.", thoughts="Hm.")
    turn = turns_of(held(folder, localtable), "Bob")[0]
    assert turn["reasoning"].strip() == "Hm."
    assert turn["statement"].startswith("No, it is not.")
    sent = [message["content"] for request in server.asked for message in request.body["messages"]]
    assert not any("Hm." in text for text in sent)


def test_a_suite_is_held_verified_exported_gone_on_with_and_taken_over(
    folder: Path, server: Server, localtable: Command
) -> None:
    seats = yaml.safe_load((folder / "panel.yaml").read_text())["seats"]
    write_panel(folder, seats, ballot={"orders": 2, "at": "both", "label_mass": True, "free_reply": True})
    suite = ("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--quiet")
    ended = localtable(*suite, "--store", "run.db", "--summary", "sum.json", "--control", "votes-only")
    assert ended.code == 0, ended.err
    assert "6 debates finished" in ended.err and "cost" in ended.err
    totals = json.loads((folder / "sum.json").read_text())
    assert totals["cost"]["total"] > 0
    assert totals["conditions"]["debate"]["flops"] is None
    assert localtable("verify", "run.db", "--prompts").code == 0
    assert localtable("export", "run.db", "--out", "out.jsonl", "--parquet", "tables").code == 0
    assert len((folder / "out.jsonl").read_text().splitlines()) == 6
    for command in ("analyze", "tally", "methods"):
        assert localtable(command, "run.db").code == 0
    asked = len(server.asked)
    assert localtable("resume", "run.db", "--quiet").code == 0
    again = localtable(*suite, "--store", "again.db", "--reuse", "run.db")
    assert again.code == 0, again.err
    assert len(server.asked) == asked, "all of it was there"
    assert localtable("verify", "again.db").code == 0


def test_who_reads_a_debate_sees_which_probabilities_a_server_has_listed(
    folder: Path, server: Server, localtable: Command
) -> None:
    transcript = held(folder, localtable)
    turn, own = turns_of(transcript, "Bob")[-1], turns_of(transcript, "Ada")[-1]
    assert localtable("report", "out.json", "--html", "out.html", "--markdown", "out.md").code == 0
    page, text = (folder / "out.html").read_text(), (folder / "out.md").read_text()
    for written in (page, text):
        assert f"≈ {turn['ballot']['confidence']:.0%}" in written
        assert f"≈ {own['ballot']['confidence']:.0%}" not in written
    assert "a server has listed its most probable tokens" in page
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED)
    assert f"≈ {turn['ballot']['confidence']:.0%}" in ended.out + ended.err


def test_what_a_server_has_not_listed_and_what_was_read_out_of_words_is_said(
    folder: Path, server: Server, localtable: Command
) -> None:
    held(folder, localtable)
    found = json.loads((folder / "out.json").read_text())
    for turn in turns_of(found, "Bob"):
        turn["ballot"]["unlisted"] = ["B", "C"]
    for turn in turns_of(found, "Cyd"):
        turn["ballot"] |= {"source": "parsed", "distribution": None, "confidence": None}
    (folder / "out.json").write_text(json.dumps(found))
    assert localtable("report", "out.json", "--html", "out.html").code == 0
    page = (folder / "out.html").read_text()
    assert "Its server listed no probability of B, C, which has 0 here" in page
    assert "Its vote was read out of running words" in page


def test_votes_without_probabilities_make_a_store_that_verifies(
    folder: Path, server: Server, localtable: Command
) -> None:
    server.usual = refuses("logprobs")
    suite = ("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--quiet", "--store", "run.db")
    assert localtable(*suite).code == 0
    assert localtable("verify", "run.db", "--prompts").code == 0
    for command in ("analyze", "tally"):
        ended = localtable(command, "run.db")
        assert ended.code == 0, ended.err
        assert "no distribution" in f"{ended.out}{ended.err}", "what is left out is said"
    with closing(sqlite3.connect(folder / "run.db")) as store:
        assert store.execute(
            "SELECT DISTINCT source, distribution FROM ballots WHERE source <> 'exact'"
        ).fetchall() == [("structured", "null")]
        store.execute("UPDATE ballots SET source = 'parsed', vote = 'C' WHERE source = 'structured'")
        store.commit()
    found = localtable("verify", "run.db")
    assert found.code == 1
    assert "source" in found.out and "vote" in found.out


def test_a_debate_whose_vote_can_t_be_read_fails_with_the_reason_and_others_go_on(
    folder: Path, server: Server, localtable: Command
) -> None:
    write_card(folder, server, max_concurrent=1)
    server.usual = say("I have no opinion.")
    ended = localtable(
        "suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--store", "run.db", "--strict", "--quiet"
    )
    assert ended.code == 1
    assert "3 failed" in ended.err and "3 answers to a ballot" in ended.err
    server.usual = answer
    one = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED, "--quiet")
    assert one.code == 0


def test_only_endpoints_need_no_engine_and_no_panel(folder: Path, localtable: Command) -> None:
    ended = localtable("debate", *QUESTION, "-m", "hosted.yaml", "-m", "hosted.yaml", "--json", "out.json")
    assert ended.code == 0, ended.err
    assert "engine endpoint (every model is spoken to at an endpoint)" in ended.err
    assert json.loads((folder / "out.json").read_text())["manifest"]["engine"] == "endpoint"


@pytest.mark.parametrize(
    ("bad", "said", "code"),
    [
        (status(401, f"Incorrect API key: {KEY}"), "HTTP 401", 3),
        (status(500, KEY), "HTTP 500", 1),
        (reply(f'{{"vote": "{KEY}"}}'), "[key]", 1),
    ],
)
def test_no_error_shows_the_key_and_nothing_that_is_written_holds_it(
    folder: Path,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    bad: Any,
    said: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCALTABLE_HOME", str(folder / "home"))
    server.usual = bad
    suite = ["suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--store", "run.db", "--debug"]
    debate = ["debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED, "--debug", "--json", "out.json"]
    assert run(suite) == (0 if code == 1 else code), "failed debates are counted"
    assert run(debate) == code
    shown = capsys.readouterr()
    assert said in shown.err and "Traceback" in shown.err
    assert KEY not in shown.out + shown.err
    assert any(KEY in request.headers["Authorization"] for request in server.asked)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


# ── servers that go away ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "PAUSE_S", 0.1)


@pytest.fixture
def impatient(brisk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "PATIENCE_S", 0.6)


def states() -> dict[str, int]:
    with closing(sqlite3.connect("run.db")) as store:
        return dict(store.execute("SELECT state, count(*) FROM debates GROUP BY state").fetchall())


def hosted_suite(folder: Path, server: Server, number: int, **card: Any) -> tuple[str, ...]:
    """A suite of two seats at the endpoint, and the command that holds it."""
    write_card(folder, server, **card)
    write_panel(folder, [{"name": name, "model": "hosted.yaml"} for name in ("Bob", "Cyd")])
    lines = [{"id": f"q{i}", "question": f"Is it {i}?", "options": ["Yes", "No", "Perhaps"]} for i in range(number)]
    (folder / "suite.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--store", "run.db", "--quiet")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (status(401, "the key was withdrawn"), "the key was withdrawn"),
        (status(402, "no credit"), "HTTP 402"),
        (status(404, "no such model"), "HTTP 404"),
        (status(429, "no more today", Retry_After="86400"), "left alone for 86,400 s"),
        (status(429, "slower"), "slower"),
        (status(503), "HTTP 503"),
    ],
)
def test_a_server_that_goes_away_ends_the_run_and_costs_no_debate(
    folder: Path, server: Server, localtable: Command, gone: Any, said: str
) -> None:
    write_card(folder, server, max_concurrent=2)
    server.next = [answer] * 9
    server.usual = gone
    suite = ("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--store", "run.db", "--summary", "sum.json")
    ended = localtable(*suite, "--quiet")
    assert ended.code == 3
    assert "hosted is away" in ended.err and said in ended.err
    assert "localtable resume run.db" in ended.err
    debates = json.loads((folder / "sum.json").read_text())["debates"]
    assert debates["failed"] == 0
    assert debates["open"] > 0
    refused = len(server.asked) - 9
    server.usual = answer
    assert localtable("resume", "run.db", "--quiet").code == 0
    assert states() == {"finished": 3}
    with closing(sqlite3.connect(folder / "run.db")) as store:
        (answers,) = store.execute("SELECT count(*) FROM generations WHERE model = 'hosted'").fetchone()
    assert len(server.asked) == answers + refused, "nothing that was answered is asked again"
    assert localtable("verify", "run.db").code == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("gone", [status(402, "no credit"), status(503, "overloaded")])
def test_what_a_server_still_answers_as_it_goes_is_kept(
    folder: Path, server: Server, localtable: Command, gone: Any
) -> None:
    """New requests are refused at once, while those that it has come to their end one by one."""
    suite = hosted_suite(folder, server, 20, max_concurrent=16)
    asked, answered = [0], [0]

    def draining(handler: Handler, request: Received) -> None:
        with server.lock:
            asked[0] += 1
            place = asked[0]
        if place > 40:
            time.sleep(0.05)
            gone(handler, request)
            return
        time.sleep(0.02 * (place % 16))
        answer(handler, request)
        with server.lock:
            answered[0] += 1

    server.usual = draining
    assert localtable(*suite).code == 3
    assert "failed" not in states()
    with closing(sqlite3.connect("run.db")) as store:
        (kept,) = store.execute("SELECT count(*) FROM generations").fetchone()
    assert kept == answered[0] == 40
    server.usual = answer
    assert localtable("resume", "run.db", "--quiet").code == 0
    assert states() == {"finished": 20}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [403, 503])
def test_a_question_that_a_server_does_not_like_fails_alone(
    folder: Path, server: Server, localtable: Command, code: int
) -> None:
    """It refuses more quickly than it answers the others."""
    suite = hosted_suite(folder, server, 8, max_concurrent=4)

    def moderated(handler: Handler, request: Received) -> None:
        flagged = "Is it 2?" in json.dumps(request.body["messages"])
        time.sleep(0.01 if flagged else 0.05)
        (status(code, "flagged") if flagged else answer)(handler, request)

    server.usual = moderated
    ended = localtable(*suite)
    if code == 503 and ended.code == 3:
        # Where it was the last one, nobody else was there to tell that the server is well.
        assert states() == {"finished": 7, "open": 1}
    else:
        assert ended.code == 0, ended.err
        assert states() == {"finished": 7, "failed": 1}


@pytest.mark.usefixtures("impatient")
def test_another_server_s_answers_are_kept_when_one_goes_away(
    folder: Path, server: Server, localtable: Command
) -> None:
    suite = hosted_suite(folder, server, 6, max_concurrent=4)
    with running() as other:
        endpoint = {"base_url": other.address, "model": "m", "max_concurrent": 4, "retries": 0}
        (folder / "other.yaml").write_text(yaml.safe_dump({"id": "other", "endpoint": endpoint}))
        write_panel(folder, [{"name": "Bob", "model": "hosted.yaml"}, {"name": "Cyd", "model": "other.yaml"}])

        waiting = threading.Event()

        def slow(handler: Handler, request: Received) -> None:
            waiting.set()
            time.sleep(0.3)
            answer(handler, request)

        def refuse(handler: Handler, request: Received) -> None:
            """Once the other has something to answer: which of the two is asked first is the machine's."""
            assert waiting.wait(60)
            status(402, "no credit")(handler, request)

        other.usual, server.usual = slow, refuse
        assert localtable(*suite).code == 3
        with closing(sqlite3.connect("run.db")) as store:
            (kept,) = store.execute("SELECT count(*) FROM generations WHERE model = 'other'").fetchone()
        assert kept == len(other.asked) > 0


@pytest.mark.usefixtures("brisk")
def test_a_server_that_is_back_in_a_moment_ends_nothing(folder: Path, server: Server, localtable: Command) -> None:
    suite = hosted_suite(folder, server, 4, max_concurrent=4)
    server.next = [answer] * 6 + [status(503, "starting")] * 8
    ended = localtable(*suite, "--strict")
    assert ended.code == 0, ended.err
    assert states() == {"finished": 4}


@pytest.mark.usefixtures("brisk")
def test_one_that_had_no_luck_is_asked_again_while_others_are_answered(
    folder: Path, server: Server, localtable: Command
) -> None:
    """As with a bound on requests a minute that many share."""
    suite = hosted_suite(folder, server, 6, max_concurrent=4)
    asked: Counter[str] = Counter()

    def busy(handler: Handler, request: Received) -> None:
        text = json.dumps(request.body["messages"])
        with server.lock:
            asked[text] += 1
            unlucky = asked[text] == 1 and len(asked) % 4 == 0
        (status(429, "slower") if unlucky else answer)(handler, request)

    server.usual = busy
    ended = localtable(*suite, "--strict")
    assert ended.code == 0, ended.err
    assert 2 in asked.values()


def test_a_debate_whose_server_goes_away_says_so(folder: Path, server: Server, localtable: Command) -> None:
    server.next = [answer] * 3
    server.usual = status(401, "the key was withdrawn")
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED)
    assert ended.code == 3
    assert "hosted is away" in ended.err
    assert "Try again when its server answers" in ended.err


def test_nobody_there_ends_the_run_before_anything_is_said(folder: Path, localtable: Command) -> None:
    with running() as gone:
        pass
    write_card(folder, gone)
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED)
    assert ended.code == 3
    assert "can't be reached" in ended.err


def test_without_its_key_nothing_begins(
    folder: Path, server: Server, localtable: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY")
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED)
    assert ended.code == 3
    assert "TEST_KEY" in ended.err
    assert server.received == []


def test_a_seat_at_an_endpoint_can_t_be_told_to_think(folder: Path, localtable: Command) -> None:
    write_panel(folder, [{"name": "Bob", "model": "hosted.yaml", "thinking": {"on": "true"}}])
    ended = localtable("debate", *QUESTION, "-p", "panel.yaml", *SCRIPTED)
    assert ended.code == 2
    assert "can't be told to think" in ended.err


def test_long_turns_are_cut_for_endpoints_too(folder: Path, server: Server, localtable: Command) -> None:
    seats = yaml.safe_load((folder / "panel.yaml").read_text())["seats"]
    write_panel(folder, seats, peers={"max_tokens": 100, "over": "head_tail"})
    server.usual = say("Yes, since " + "one reason after the other speaks for it and " * 20 + "\nMy vote is for Yes.")
    transcript = held(folder, localtable)
    assert turns_of(transcript, "Bob")[1]["peers_cut"] > 0


def test_influence_leaves_endpoints_out(folder: Path, server: Server, localtable: Command) -> None:
    localtable("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--store", "run.db", "--quiet")
    asked = len(server.asked)
    ended = localtable("influence", "run.db", "--all", *SCRIPTED, "--quiet")
    assert ended.code == 0, ended.err
    assert len(server.asked) == asked
    assert localtable("verify", "run.db").code == 0


def test_commands_about_models_say_what_an_endpoint_is(
    folder: Path, server: Server, localtable: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALTABLE_HOME", str(folder / "home"))
    (folder / "home" / "cards").mkdir(parents=True)
    (folder / "hosted.yaml").rename(folder / "home" / "cards" / "hosted.yaml")
    assert f"at {server.address}" in localtable("models", "list").out
    assert "hosted" not in localtable("models", "list", "--fits", "24GiB").out
    assert "nothing to fetch" in localtable("models", "show", "hosted").out
    for command in ("fetch", "verify", "remove"):
        ended = localtable("models", command, "hosted")
        assert ended.code == 0 and "hosted: no weights" in ended.err
    monkeypatch.delenv("TEST_KEY")
    assert "which is not set" in localtable("doctor").out
    assert localtable("plan", "-m", "hosted").code == 2
    ended = localtable("plan", "-m", "hosted", "-m", "toy.yaml", "--gpus", "24GiB")
    assert ended.code == 0 and "not planned for" in ended.err and "hosted" not in ended.out
    assert server.received == []


def test_a_sweep_with_endpoints_is_planned_without_speaking_to_them(
    folder: Path, server: Server, localtable: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY")
    factors = {"visibility.order": ["fixed", "shuffled"]}
    sweep = {"name": "trial", "panel": "panel.yaml", "questions": ["suite.jsonl"], "factors": factors}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    ended = localtable("plan", "--sweep", "sweep.yaml", "--gpus", "24GiB", "--json")
    assert ended.code == 0, ended.err
    # Two variants of three questions and two rounds; of three seats one is here, and its first round is shared.
    assert json.loads(ended.out)["workload"] == {"conditions": 2, "debates": 6, "turns": 12, "new_turns": 9}
    assert server.received == []


def test_a_server_that_hangs_keeps_nobody_from_going_on(folder: Path, server: Server, localtable: Command) -> None:
    write_card(folder, server, timeout_s=2.0, max_concurrent=1)
    server.next = [hang(3.0)]
    ended = localtable("suite", "suite.jsonl", "-p", "panel.yaml", *SCRIPTED, "--store", "run.db", "--quiet")
    assert "2 debates finished, 1 failed" in ended.err
    assert "said nothing for 2 s" in ended.err


def test_a_run_that_was_stopped_goes_on_and_asks_nothing_twice(
    folder: Path, server: Server, localtable: Command
) -> None:
    write_card(folder, server, max_concurrent=1)
    panel = load_panel(folder / "panel.yaml", default_stop=Stop())
    questions = list(load_suite(folder / "suite.jsonl"))
    hold_suite(folder / "run.db", panel, questions, stop_after=7)
    before = {json.dumps(request.body, sort_keys=True) for request in server.asked[:-1]}
    assert before
    server.received.clear()
    assert localtable("resume", "run.db", "--quiet").code == 0
    after = {json.dumps(request.body, sort_keys=True) for request in server.asked}
    assert after and not before & after
    require_clean(folder / "run.db", 3)


def test_statements_are_shown_as_they_come(folder: Path, server: Server) -> None:
    shown: list[str] = []

    def tell(event: RunEvent) -> None:
        if isinstance(event, TextArrived) and event.seat == "Bob":
            shown.append(event.text)

    options = RunOptions(home=folder / "home", engine="scripted", tell=tell, stream=True)
    question = next(iter(load_suite(folder / "suite.jsonl")))
    hold_debate(question, load_panel(folder / "panel.yaml", default_stop=Stop()), options)
    assert "Yes," in {text.strip() for text in shown}
    assert any(text.strip() == WORDS for text in shown)


@pytest.mark.parametrize("command", [("debate", *QUESTION, "-p", "panel.yaml"), ("summarize", "out.json")])
def test_a_model_at_an_endpoint_is_no_moderator(folder: Path, localtable: Command, command: tuple[str, ...]) -> None:
    if command[0] == "summarize":
        held(folder, localtable)
    ended = localtable(*command, *SCRIPTED, "--moderator", "hosted.yaml")
    assert ended.code == 2
    assert "--moderator: 'hosted' can't be the moderator: it is at an endpoint" in ended.err
