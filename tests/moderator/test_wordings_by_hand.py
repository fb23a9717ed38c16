"""Wordings that were written down by hand before the checks had seen any of them, true and false ones.

The first time, of two sets of such sentences 72 % and 80 % of the false ones were found, with alarms on 10 % and 8 % of
the true ones; the checks learned from what they had missed, and this holds what was learned.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from summary_builders import written

from localtable.moderator.checks import Ground, check_sentence, ground_of
from localtable.moderator.facts import find_facts

SAID = {
    (1, "Ada"): "It tastes of summer, and that is all I know.",
    (1, "Bob"): "Botanists call it a berry. “Berry” is their word.",
    (2, "Ada"): "Bob is right about the berry.",
}
VOTES = {"Ada": "AB", "Bob": "BB", "Cy": "AA", "Dan": "BC"}
"""Options are Yes, No and Maybe: Ada moves to No, persuaded by Bob, and Dan to Maybe."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder: Path = tmp_path_factory.mktemp("wordings")
    data = written(folder, VOTES, persuaded={(2, "Ada"): "Bob"}, said=SAID)
    return ground_of(data, find_facts(data))


TRUE = """
No was the most popular answer, with two votes.
No came first with two of the four votes.
Yes attracted only Cy.
Cy was alone in voting for Yes.
Dan drifted away from No and ended at Maybe.
Ada, initially a supporter of Yes, was persuaded by Bob and switched to No.
Bob's argument about berries persuaded Ada.
Only Bob and Cy kept their votes.
Half of the seats changed their votes.
The panel never reached agreement.
The debate ended without a majority.
Ada gave in to Bob's argument and voted No in round 2.
Neither Yes nor Maybe got more than one vote.
Maybe had no votes in round 1.
In round 1 the vote was split two to two between Yes and No.
Ada and Bob finished on the same side.
After hearing Bob, Ada changed to No.
Bob did not move.
Cy remained unconvinced and stuck to Yes.
Dan ended up alone with Maybe.
The four debaters discussed over two rounds.
Dan's move from No to Maybe was its own.
No received the support of Ada and Bob.
Bob argued that botanists call it a berry.
Nobody voted for Maybe in the first round.
Ada said that it “tastes of summer”.
Bob convinced one seat, Ada.
The result was a plurality for No.
Although Ada started with Yes, it ended with No.
With two votes No finished ahead of Yes and Maybe.
The group was divided to the end, with No slightly in front.
Ada was the only one whom Bob convinced.
Cy's support for Yes never wavered.
Dan left the No camp in round 2.
No picked up Ada but lost Dan.
By the last round, Yes was down to one vote.
In the opening round there were two votes for Yes and two for No.
Bob stayed loyal to No.
Two debaters revised their position.
Two votes were enough for No to lead.
Ada and Dan each changed once.
It was Bob's statement that made Ada switch.
Cy kept voting for Yes.
The lead went to No.
Round 2 brought two changes.
Dan chose Maybe in the second round after voting for No in the first.
Maybe was Dan's choice.
Bob, who had voted for No from the start, did not change.
Ada said it “tastes of summer, and that is all I know”.
The only seat for Maybe was Dan.
No ended with half of the votes.
None of the options got a majority.
Ada now sides with Bob.
Bob and Ada voted alike.
Bob's “botanists call it a berry” convinced Ada.
"""
FALSE = """
Yes was the most popular answer, with two votes.
No came first with three of the four votes.
Yes attracted only Dan.
Bob was alone in voting for Yes.
Dan drifted away from Yes and ended at Maybe.
Ada, initially a supporter of No, was persuaded by Bob and switched to Yes.
Bob's argument about berries persuaded Cy.
Only Ada and Cy kept their votes.
All of the seats changed their votes.
The panel reached agreement.
The debate ended with a majority for No.
Cy gave in to Bob's argument and voted No in round 2.
Maybe got two votes.
Maybe had two votes in round 1.
In round 1 the vote was split three to one between Yes and No.
Ada and Cy finished on the same side.
After hearing Bob, Cy changed to No.
Bob moved to Maybe.
Cy remained unconvinced and stuck to No.
Ada ended up alone with Maybe.
The six debaters discussed over two rounds.
Dan's move from Yes to Maybe was its own.
No received the support of Ada and Cy.
Greta argued that botanists call it a berry.
Nobody voted for No in the first round.
Ada said that it “tastes of winter”.
Bob convinced two seats.
The result was unanimous for No.
Although Ada started with No, it ended with Yes.
With three votes No finished ahead of Yes and Maybe.
Dan was talked out of No by Cy.
Cy and Dan swapped sides.
Ada voted for Yes throughout.
Everyone but Cy voted for No.
Bob lost faith in No and turned to Yes.
Ada's final choice was Maybe.
Ada was the last to hold on to Yes.
Dan persuaded Bob to stay with No.
Two thirds of the seats voted for No.
Yes beat No by two votes to one.
The group was unanimous in the end.
Cy was the only one whom Bob convinced.
Ada's support for Yes never wavered.
Bob left the No camp in round 2.
By the last round, Yes was down to zero votes.
In the opening round there were three votes for Yes and one for No.
Dan stayed loyal to No.
Three debaters revised their position.
Three votes were enough for No to lead.
Ada and Bob each changed once.
It was Cy's statement that made Ada switch.
Ada kept voting for Yes.
The lead went to Yes.
Round 2 brought three changes.
Dan chose Maybe in the first round after voting for No in the second.
Maybe was Cy's choice.
Dan, who had voted for No from the start, did not change.
Ada said it “tastes of nothing, and that is all I know”.
The only seat for Maybe was Ada.
No ended with three of the votes.
Maybe got a majority.
Cy now sides with Bob.
Cy and Ada voted alike.
Cy's “botanists call it a berry” convinced Ada.
Olga kept voting for Yes.
Dan and Olga voted for Maybe.
Ada's vote for Yes decided the debate.
Bob changed sides after hearing Ada.
Everyone stayed with their first vote.
"""


@pytest.mark.parametrize("sentence", TRUE.strip().splitlines())
def test_what_is_true_holds_however_it_is_worded(ground: Ground, sentence: str) -> None:
    assert check_sentence(sentence, ground).problems == ()


@pytest.mark.parametrize("sentence", FALSE.strip().splitlines())
def test_what_is_false_is_found_however_it_is_worded(ground: Ground, sentence: str) -> None:
    assert not check_sentence(sentence, ground).holds
