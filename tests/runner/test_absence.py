"""What is made of requests that a server has turned away, by what became of the others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from localtable.runner import absence
from localtable.runner.absence import PATIENCE_S, PAUSE_S, Absence


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(absence, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_while_the_server_has_requests_nothing_is_made_of_it(clock: Clock) -> None:
    server = Absence()
    server.turn_away("a", "busy")
    clock.now += 10 * PATIENCE_S
    assert server.find(num_running=3) == "wait"
    assert server.find(num_running=0) == "away"


def test_who_is_turned_away_while_others_are_answered_had_no_luck(clock: Clock) -> None:
    server = Absence()
    server.turn_away("a", "busy")
    server.turn_away("b", "busy, too")
    server.answer()
    assert server.find(0) == "no luck"
    assert server.release() == {"a": "busy", "b": "busy, too"}
    assert server.turned_away == {}


def test_an_answer_before_the_first_refusal_says_nothing_of_it(clock: Clock) -> None:
    server = Absence()
    server.answer()
    server.turn_away("a", "busy")
    assert server.find(0) == "wait"
    clock.now += PAUSE_S
    assert server.find(0) == "ask again"


def test_silence_is_counted_from_the_first_refusal_and_begins_anew_with_each_answer(clock: Clock) -> None:
    server = Absence()
    for _ in range(int(PATIENCE_S / PAUSE_S / 2)):
        server.turn_away("a", "busy")
        clock.now += PAUSE_S
        assert server.find(0) == "ask again"
        server.release()
    server.answer()
    server.turn_away("a", "busy")
    clock.now += PATIENCE_S - 1
    assert server.find(0) == "ask again"
    server.release()
    server.turn_away("b", "busy")
    clock.now += 1
    assert server.find(0) == "away"
