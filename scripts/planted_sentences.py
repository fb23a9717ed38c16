"""True and false sentences about real debates, in many wordings, to try the moderator's checks on.

A wording has gaps; each is filled from a debate's own record, and a false sentence is a true one with one gap filled
wrongly: another name, vote, count, direction or quotation. What is true is worked out here, from the transcript alone:
nothing of the moderator's is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STRANGERS = ("Zoe", "Marvin", "Priya", "Hector", "Mistral", "Claude", "Professor Lin", "Grok", "Ingrid", "Tomas")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True)
class Planted:
    """A sentence of which it is known whether it is true."""

    sentence: str
    kind: str
    """What is wrong with it, or would be: name, vote, count, direction, quotation."""
    true: bool
    debate: int


class Told:
    """A debate's own record."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.options: list[str] = [" ".join(text.split()) for text in data["question"]["options"]]
        self.seats: list[str] = [seat["name"] for seat in data["panel"]["seats"]]
        self.rounds: list[dict[str, Mapping[str, Any]]] = [
            {turn["seat"]: turn for turn in round_["turns"]} for round_ in data["rounds"]
        ]
        self.verdict = data["verdict"]

    def vote(self, seat: str, number: int) -> str:
        return self.options["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(self.rounds[number - 1][seat]["ballot"]["vote"])]

    @property
    def last(self) -> int:
        return len(self.rounds)

    def count(self, option: str, number: int) -> int:
        return sum(self.vote(seat, number) == option for seat in self.seats)

    def changes(self) -> list[tuple[str, int, str, str, str | None]]:
        """Seat, round, from, to, whom it names."""
        return [
            (seat, n, self.vote(seat, n - 1), self.vote(seat, n), self.rounds[n - 1][seat]["ballot"]["persuaded_by"])
            for n in range(2, self.last + 1)
            for seat in self.seats
            if self.vote(seat, n - 1) != self.vote(seat, n)
        ]

    def winners(self) -> list[str]:
        counts = {option: self.count(option, self.last) for option in self.options}
        return [option for option, count in counts.items() if count == max(counts.values())]

    def said(self, seat: str, number: int) -> str:
        return " ".join(self.rounds[number - 1][seat]["statement"].split())


VOTED = (
    "{seat} opted for {option} in round {round}.",
    "Asked in round {round}, {seat} answered with a vote for {option}.",
    "In its round {round} ballot {seat} selected {option}.",
    "By round {round}, {seat} was voting for {option}.",
    "{seat} gave its vote to {option} in round {round}.",
    "The vote of {seat} in round {round} fell on {option}.",
    "{seat} stood by {option} in round {round}.",
    "Round {round}: {seat} voted {option}.",
    "{seat} (round {round}) voted for {option}.",
    "{seat} voted for {option} in round {round}.",
    "In round {round}, {seat} voted {option}.",
    "{seat} chose {option} in round {round}.",
    "In round {round}, {option} was the choice of {seat}.",
    "{seat} backed {option} in the {ordinal} round.",
    "In the {ordinal} round {seat} went for {option}.",
    "{seat}'s vote in round {round} was {option}.",
    "Round {round} saw {seat} pick {option}.",
    "{seat} cast its vote for {option} in round {round}.",
    "{seat} sided with {option} in round {round}.",
    "During round {round}, {seat} supported {option}.",
)
VOTED_LAST = (
    "{seat}'s last word was {option}.",
    "{seat} closed the debate with a vote for {option}.",
    "At the end {seat} was in the {option} camp.",
    "{seat} came down on the side of {option}.",
    "The final ballot of {seat} reads {option}.",
    "By the final round {seat} had chosen {option}.",
    "{seat} voted for {option}.",
    "In the end, {seat} voted for {option}.",
    "{seat} ended up with {option}.",
    "Ultimately {seat} settled on {option}.",
    "{seat}'s final vote was {option}.",
    "{seat} finally chose {option}.",
    "{seat} preferred {option} in the final round.",
    "When the debate ended, {seat} was for {option}.",
    "{seat} finished on “{option}”.",
)
VOTED_FIRST = (
    "{seat} began the debate voting for {option}.",
    "Before hearing anyone, {seat} voted for {option}.",
    "{seat} opened with a vote for {option}.",
    "{seat}'s first choice was {option}.",
    "{seat} initially voted for {option}.",
    "At first {seat} chose {option}.",
    "{seat} started with {option}.",
    "{seat} originally backed {option}.",
    "In the opening round {seat} favoured {option}.",
)
CHANGED = (
    "{seat} traded {before} for {after}.",
    "{seat} swung from {before} to {after} in round {round}.",
    "After round {prev} {seat} turned from {before} to {after}.",
    "{seat} first voted for {before} but later changed to {after}.",
    "{seat} reconsidered in round {round} and moved from {before} to {after}.",
    "{seat} gave up on {before} in round {round}, switching to {after}.",
    "{seat}'s switch from {before} to {after} came in round {round}.",
    "{before} lost {seat} to {after} in round {round}.",
    "In round {round} {seat} crossed from {before} over to {after}.",
    "{seat} changed its vote from {before} to {after} in round {round}.",
    "In round {round}, {seat} switched from {before} to {after}.",
    "{seat} moved from {before} to {after}.",
    "{seat} flipped from {before} to {after} in round {round}.",
    "{seat} abandoned {before} for {after}.",
    "{seat} gave up {before} and went over to {after} in round {round}.",
    "From {before}, {seat} shifted to {after}.",
    "{seat} went from {before} to {after}.",
    "{seat} left {before} and joined the {after} camp.",
    "In the {ordinal} round {seat} changed its mind, moving from {before} to {after}.",
    "{seat} dropped {before} in favour of {after}.",
    "A change from {before} to {after} was made by {seat} in round {round}.",
)
PERSUADED = (
    "{seat} says that {peer} persuaded it.",
    "{peer}'s statement convinced {seat} to choose {after}.",
    "{seat} was won over by {peer}.",
    "{peer} talked {seat} into voting for {after}.",
    "{seat} followed {peer} to {after}.",
    "{peer} brought {seat} around to {after}.",
    "Under the influence of {peer}, {seat} changed its vote to {after}.",
    "{seat} named {peer} as the one who changed its mind.",
    "What {peer} said convinced {seat}.",
    "{peer} got {seat} to switch to {after}.",
    "{seat} switched to {after} because of {peer}.",
    "{peer} persuaded {seat} to vote for {after}.",
    "{seat} was persuaded by {peer}.",
    "{seat} changed to {after}, persuaded by {peer}.",
    "{peer} convinced {seat} to switch to {after}.",
    "Persuaded by {peer}, {seat} moved from {before} to {after}.",
    "{peer} won over {seat} in round {round}.",
    "{seat} was swayed by {peer} in round {round}.",
    "It was {peer} who convinced {seat}.",
    "{seat}, convinced by {peer}, switched to {after}.",
    "{peer} moved {seat} from {before} to {after}.",
    "{peer} flipped {seat}'s vote from {before} to {after}.",
    "{seat} credited {peer} for its change to {after}.",
    "Thanks to {peer}, {seat} switched from {before} to {after}.",
)
KEPT = (
    "{seat} voted for {option} in all rounds.",
    "{seat} kept its vote for {option}.",
    "{seat} held firm on {option}.",
    "{seat} maintained {option} in each round.",
    "{seat} stuck with {option} throughout.",
    "{seat} stayed with {option} in every round.",
    "{seat} never changed its vote.",
    "{seat} held on to {option} to the end.",
    "{seat} did not change its mind.",
    "{seat} remained at {option}.",
)
COUNTED = (
    "{n} votes were cast for {option} in the last round.",
    "{option} drew {word} votes.",
    "A total of {n} seats ended up backing {option}.",
    "{option} closed with the support of {word} seats.",
    "{word} seats finished on {option}.",
    "With {n} votes, {option} ended where it did.",
    "{n} out of {total} seats voted {option} in the end.",
    "The final count for {option} was {n}.",
    "{option} received {n} votes in the final round.",
    "{option} got {n} of {total} votes.",
    "{n} of {total} votes went to {option}.",
    "{word} of the {totalword} seats voted for {option}.",
    "In the end {word} seats voted for {option}.",
    "{option} finished with {n} votes.",
    "At the end of the debate, {option} had {word} votes.",
    "{option} was backed by {word} seats in the last round.",
    "There were {n} votes for {option} in the final tally.",
    "{option} ended on {n}/{total}.",
)
NUM_CHANGED = (
    "{word} seats switched sides.",
    "The number of seats that changed their vote was {n}.",
    "There were {n} seats whose vote changed.",
    "{n} seats changed their votes.",
    "In all, {word} seats changed their minds during the debate.",
    "{word} of the {totalword} seats switched.",
    "Over the debate {n} of {total} models changed their vote.",
)
SIZES = (
    "It took {rounds} rounds.",
    "After {rounds} rounds the debate ended.",
    "There were {total} participants.",
    "{totalword} participants took part in the debate.",
    "The debate took {rounds} rounds.",
    "{total} seats debated for {rounds} rounds.",
    "The panel had {totalword} seats.",
)
WON = (
    "{option} came out on top.",
    "{option} was the winner.",
    "The debate ended with {option} in the lead.",
    "In the end the panel settled on {option}.",
    "{option} carried the day with {n} votes.",
    "{option} won.",
    "The panel chose {option}.",
    "{option} prevailed with {n} votes.",
    "The winning option was {option}.",
    "{option} won the debate with {n} of {total} votes.",
    "The verdict was {option}.",
)
QUOTED = (
    "{seat}'s words were “{words}”.",
    "In the words of {seat}: “{words}”.",
    "{seat} wrote “{words}” in round {round}.",
    "“{words}” was what {seat} said in round {round}.",
    "{seat} made the point that “{words}”.",
    "{seat} said: “{words}”",
    "In round {round}, {seat} argued that “{words}”.",
    "“{words}”, {seat} wrote.",
    '{seat} put it this way in round {round}: "{words}".',
    "As {seat} said, “{words}”.",
    "“{words},” said {seat} in round {round}.",
    "{seat} claimed “{words}”.",
)
EVERYONE = (
    "Every seat voted for {option} in the last round.",
    "All seats agreed on {option}.",
    "Nobody voted against {option} in the end.",
    "All {totalword} seats voted for {option} in the final round.",
    "The vote for {option} was unanimous.",
    "Everyone voted for {option}.",
    "Everybody ended up with {option}.",
)
PAIRS = (
    "{seat} joined {peer} in voting for {option}.",
    "Both {seat} and {peer} voted for {option} in the final round.",
    "{option} had the votes of {seat} and {peer}.",
    "Like {peer}, {seat} voted for {option}.",
    "{seat} and {peer} both voted for {option}.",
    "{seat} and {peer} ended on {option}.",
    "{option} was chosen by {seat} and {peer}.",
)
PLAIN = (
    "The discussion turned on how the question is read.",
    "Several arguments were repeated in later rounds.",
    "The statements differed in length and in tone.",
    "It remained a short debate.",
    "Some reasons were given more weight than others.",
    "The panel weighed the options against each other.",
    "Most statements began by restating the question.",
    "None of the statements quoted a source.",
)
"""No claim that can be checked: kept, always."""

Gaps = dict[str, Any]
Maker = Callable[
    [Told, random.Random], Iterator[tuple[str, str, Gaps, Callable[[Gaps], bool], dict[str, Sequence[Any]]]]
]
"""Wording, kind, true gaps, whether gaps are true, and what each gap can be filled with wrongly."""


def _votes(told: Told, rng: random.Random) -> Iterator[Any]:
    seat, number = rng.choice(told.seats), rng.randint(1, told.last)
    gaps = {"seat": seat, "option": told.vote(seat, number), "round": number}

    def true(filled: Gaps) -> bool:
        return bool(told.vote(filled["seat"], filled["round"]) == filled["option"])

    wrong = {"option": told.options, "seat": told.seats, "round": range(1, told.last + 1)}
    yield rng.choice(VOTED), "vote", gaps, true, wrong
    for wordings, number in ((VOTED_LAST, told.last), (VOTED_FIRST, 1)):
        fixed = {"seat": seat, "option": told.vote(seat, number), "round": number}
        yield rng.choice(wordings), "vote", fixed, true, {"option": told.options, "seat": told.seats}


def _changes(told: Told, rng: random.Random) -> Iterator[Any]:
    changes = told.changes()
    if not changes:
        return
    seat, number, before, after, peer = rng.choice(changes)
    gaps = {"seat": seat, "round": number, "before": before, "after": after, "peer": peer}
    wording = rng.choice(CHANGED)
    tells_round = any(gap in wording for gap in ("{round}", "{ordinal}"))

    def true(filled: Gaps) -> bool:
        return any(
            (s, b, a) == (filled["seat"], filled["before"], filled["after"])
            and (n == filled["round"] or not tells_round)
            for s, n, b, a, _ in changes
        )

    wrong: dict[str, Sequence[Any]] = {"seat": told.seats, "before": told.options, "after": told.options}
    yield wording, "direction", gaps, true, {**wrong, "turned": [None]}
    if peer is None:
        return

    def persuaded(filled: Gaps) -> bool:
        return any((s, p) == (filled["seat"], filled["peer"]) for s, _, _, _, p in changes)

    wording = rng.choice(PERSUADED)
    yield wording, "direction", gaps, persuaded, {"peer": told.seats, "seat": told.seats, "reversed": [None]}


def _kept(told: Told, rng: random.Random) -> Iterator[Any]:
    changed = {seat for seat, *_ in told.changes()}
    kept = [seat for seat in told.seats if seat not in changed]
    if told.last < 2 or not kept:
        return
    seat = rng.choice(kept)
    gaps = {"seat": seat, "option": told.vote(seat, 1)}
    wording = rng.choice(KEPT)

    def true(filled: Gaps) -> bool:
        same = all(told.vote(filled["seat"], n) == filled["option"] for n in range(1, told.last + 1))
        return same or ("{option}" not in wording and filled["seat"] not in changed)

    yield wording, "vote", gaps, true, {"seat": told.seats, "option": told.options}


def _counts(told: Told, rng: random.Random) -> Iterator[Any]:
    total = len(told.seats)
    option = rng.choice([o for o in told.options if told.count(o, told.last)])
    n = told.count(option, told.last)
    gaps = {"option": option, "n": n, "word": NUMBERS[n], "total": total, "totalword": NUMBERS[total]}

    def true(filled: Gaps) -> bool:
        return bool(told.count(filled["option"], told.last) == filled["n"] and filled["total"] == total)

    others = [k for k in range(1, total + 1)]
    yield rng.choice(COUNTED), "count", gaps, true, {"n": others, "option": told.options}
    changed = len({seat for seat, *_ in told.changes()})
    gaps = {"n": changed, "word": NUMBERS[changed], "total": total, "totalword": NUMBERS[total], "rounds": told.last}
    if changed > 1:
        yield rng.choice(NUM_CHANGED), "count", gaps, lambda f: f["n"] == changed, {"n": others[1:]}
    yield (
        rng.choice(SIZES),
        "count",
        gaps,
        lambda f: (f["total"], f["rounds"]) == (total, told.last),
        {"total": range(2, 9), "rounds": range(2, 9)},
    )
    winners = told.winners()
    if len(winners) == 1:
        n = told.count(winners[0], told.last)
        gaps = {"option": winners[0], "n": n, "total": total}
        yield (
            rng.choice(WON),
            "count",
            gaps,
            lambda f: f["option"] in winners and f["n"] == n,
            {"option": told.options, "n": others},
        )
        everyone = {"option": winners[0], "totalword": NUMBERS[total], "n": n}
        wording = rng.choice(EVERYONE)
        if n == total:
            yield wording, "count", everyone, lambda f: f["option"] in winners, {"option": told.options}


def _pairs(told: Told, rng: random.Random) -> Iterator[Any]:
    pairs = [
        (a, b) for a in told.seats for b in told.seats if a != b and told.vote(a, told.last) == told.vote(b, told.last)
    ]
    if pairs:
        seat, peer = rng.choice(pairs)
        gaps = {"seat": seat, "peer": peer, "option": told.vote(seat, told.last)}

        def true(filled: Gaps) -> bool:
            return all(told.vote(filled[key], told.last) == filled["option"] for key in ("seat", "peer"))

        yield rng.choice(PAIRS), "vote", gaps, true, {"peer": told.seats, "option": told.options}


def _quotes(told: Told, rng: random.Random) -> Iterator[Any]:
    seat, number = rng.choice(told.seats), rng.randint(1, told.last)
    words = told.said(seat, number).replace("“", "").replace("”", "").replace('"', "").split()
    if len(words) < 6 or '"' in told.said(seat, number) or "“" in told.said(seat, number):
        return
    length = rng.randint(4, min(12, len(words)))
    start = rng.randint(0, len(words) - length)
    quoted = " ".join(words[start : start + length]).strip(".,;:!?…'’‘")
    gaps = {"seat": seat, "round": number, "words": quoted}
    wording = rng.choice(QUOTED)

    def true(filled: Gaps) -> bool:
        rounds = [filled["round"]] if "{round}" in wording else range(1, told.last + 1)
        return any(filled["words"].casefold() in told.said(filled["seat"], n).casefold() for n in rounds)

    yield wording, "quotation", gaps, true, {"seat": told.seats, "words": [_bent(quoted, rng) for _ in range(3)]}


def _bent(words: str, rng: random.Random) -> str:
    """Words that are nearly what was said."""
    parts = words.split()
    place = rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            parts[place] = rng.choice(["never", "certainly", "hardly", "always"])
        case 1:
            del parts[place if len(parts) > 2 else 0]
        case 2:
            parts.insert(place, rng.choice(["not", "really", "clearly"]))
        case _:
            other = rng.randrange(len(parts))
            parts[place], parts[other] = parts[other], parts[place]
    return " ".join(parts)


MAKERS: tuple[Maker, ...] = (_votes, _changes, _changes, _kept, _counts, _pairs, _quotes)
ORDINALS = ("zeroth", "first", "second", "third", "fourth", "fifth", "sixth")


def _write(wording: str, gaps: Gaps) -> str:
    filled = dict(gaps)
    if "n" in filled:
        filled["word"] = NUMBERS[filled["n"]]
    if "total" in filled:
        filled["totalword"] = NUMBERS[filled["total"]]
    if "round" in filled:
        filled["ordinal"] = ORDINALS[filled["round"]]
        filled["prev"] = filled["round"] - 1
    text = wording.format(**filled)
    text = text.replace("1 votes", "1 vote").replace("one votes", "one vote").replace("one seats", "one seat")
    return text[0].upper() + text[1:]


def _wrong(
    wording: str, gaps: Gaps, true: Callable[[Gaps], bool], wrong: Mapping[str, Sequence[Any]], rng: random.Random
) -> tuple[str, Gaps] | None:
    """The gaps with one of them filled wrongly, and which; None where none can be."""
    gaps_used = [
        key
        for key in wrong
        if f"{{{key}}}" in wording
        or (key == "n" and "{word}" in wording)
        or (key == "total" and "{totalword}" in wording)
        or (key == "round" and "{ordinal}" in wording)
    ]
    if "turned" in wrong and "{before}" in wording:
        gaps_used.append("turned")
    if "reversed" in wrong:
        gaps_used.append("reversed")
    rng.shuffle(gaps_used)
    for key in gaps_used:
        if key == "turned":
            filled = {**gaps, "before": gaps["after"], "after": gaps["before"]}
            options = [filled]
        elif key == "reversed":
            options = [{**gaps, "seat": gaps["peer"], "peer": gaps["seat"]}]
        else:
            options = [{**gaps, key: value} for value in wrong[key] if value != gaps[key]]
        rng.shuffle(options)
        for filled in options:
            if filled.get("seat") == filled.get("peer") and "peer" in filled:
                continue
            if not true(filled) and not _also_true(wording, filled, gaps):
                return key, filled
    return None


def _also_true(wording: str, filled: Gaps, gaps: Gaps) -> bool:
    """Whether a wrong gap does not show in the wording, so that the sentence is as true as before."""
    return _write(wording, filled) == _write(wording, gaps)


def plant(transcripts: Sequence[Mapping[str, Any]], seed: int, num_true: int, num_false: int) -> list[Planted]:
    """Sentences about debates, true and false ones.

    Args:
        transcripts: As JSON data.
        seed: Of everything that is drawn.
        num_true: How many true ones.
        num_false: How many false ones: a fifth each of wrong names, votes, counts, directions and quotations.
    """
    rng = random.Random(seed)
    found: dict[tuple[bool, str], list[Planted]] = {}
    wanted = {(False, kind): num_false // 5 for kind in ("name", "vote", "count", "direction", "quotation")}
    wanted |= {(True, kind): num_true // 5 for kind in ("vote", "count", "direction", "quotation", "none")}
    seen: set[str] = set()
    for _ in range(4000):
        number = rng.randrange(len(transcripts))
        told = Told(transcripts[number])
        if told.verdict is None:
            continue
        for maker in MAKERS:
            for wording, kind, gaps, true, wrong in maker(told, rng):
                options = [Planted(_write(wording, gaps), kind, True, number)]
                if bad := _wrong(wording, gaps, true, wrong, rng):
                    options.append(Planted(_write(wording, bad[1]), kind, False, number))
                if "{seat}" in wording:
                    stranger = {**gaps, "seat": rng.choice(STRANGERS)}
                    if stranger["seat"] not in told.seats:
                        options.append(Planted(_write(wording, stranger), "name", False, number))
                for planted in options:
                    key = (planted.true, planted.kind)
                    if planted.sentence not in seen and len(found.setdefault(key, [])) < wanted.get(key, 0):
                        seen.add(planted.sentence)
                        found[key].append(planted)
        key = (True, "none")
        if len(found.setdefault(key, [])) < wanted[key]:
            found[key].append(Planted(rng.choice(PLAIN), "none", True, number))
        if all(len(found.get(key, [])) >= most for key, most in wanted.items()):
            break
    return [planted for group in found.values() for planted in group]
