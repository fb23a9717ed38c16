"""A request whose debate has failed and that another's turn waits for: it goes on, also where it is preempted."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from localtable.engines.base import EngineInfo, Preempted, Request
from localtable.errors import LocaltableError
from localtable.runner.at_work import AtWork
from localtable.runner.turn_loop import TurnLoop
from localtable.runner.turns import TurnAtWork
from localtable.scheduler.pool import Outlook
from localtable.types import Sampling


@dataclass
class Owner:
    state: str = "open"


class Bare(TurnLoop[TurnAtWork, Owner]):
    """Nothing but what all such loops share."""

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        return Outlook(0, 0, left=False)

    def _has_new(self, model_id: str) -> bool:
        return False

    def _next_turns(self, model_id: str, num_rows: int) -> list[tuple[TurnAtWork, Request, Owner]] | None:
        return None

    def _finish_turn(self, turn: TurnAtWork, owner: Owner) -> None:
        raise AssertionError("nothing comes to its end here")

    def _fail(self, owner: Owner, error: LocaltableError) -> None:
        self._drop(owner)


def test_an_inherited_request_that_is_preempted_is_handed_over_again_under_its_own_name() -> None:
    store: Any = SimpleNamespace(commit=lambda: None)
    unused: Any = None
    loop = Bare(store, unused, key_of=unused, tell=unused, should_stop=unused)
    first, heir = Owner(), Owner()
    turn: Any = SimpleNamespace(charged=False, reused=True)
    asked, equal = (Request(name, (1,), Sampling(max_tokens=9), 1) for name in ("first", "heir"))
    key: Any = SimpleNamespace(sha256=b"same")
    at_work = AtWork(asked, key, turn, first, since=0.0, followers=[(turn, equal, heir)])
    loop._at_work["first"] = loop._by_key[b"same"] = at_work

    loop._fail(first, LocaltableError("it failed"))
    assert at_work.owner is heir, "somebody else waits for the answer"
    loop._preempted("model", Preempted("first", (5, 6)))
    info = EngineInfo("scripted", "cpu", "float32", 64, 4, None, None, None, None, {}, {})
    (handed,) = loop.take("model", info, num_running=0)
    assert handed.request_id == "first"
    assert handed.said == (5, 6)
    assert loop._at_work[handed.request_id] is at_work
