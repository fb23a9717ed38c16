"""How true are the sentences of a moderator, and how well do its checks tell true from false? (docs/benchmarks.md)

    .venv/bin/python scripts/check_summaries.py --debates 100 --moderator smollm2-135m-instruct

(a) Debates of the demo models are held and summed up in one run; another checker, which shares no code with the
moderator's, counts the claims that are wrong in what the moderator wrote and kept. (b) True and false sentences about
these debates, in many wordings (`planted_sentences.py`), go through the moderator's own checks.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planted_sentences import NUMBERS, Told, plant

from localtable.api import load_transcripts, run_suite
from localtable.config import parse_panel, parse_question
from localtable.moderator.checks import check_sentence, ground_of
from localtable.moderator.facts import find_facts
from localtable.transcript import to_data
from localtable.types import Panel, Question, Stop

SEATS = (("Ada", "smollm2-135m-instruct"), ("Ben", "qwen2.5-coder-0.5b-instruct"))
MAX_TOKENS = 24
CACHE = "640MiB"
"""Of each engine: both stay loaded beside other work on the machine."""
CAUGHT, FALSE_ALARMS = 0.95, 0.05
"""Bounds: of false sentences at least so many are caught, of true ones fewer are."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--debates", type=int, default=100, help="0: those that the store has finished.")
    parser.add_argument("--moderator", default="smollm2-135m-instruct")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--store", type=Path, default=Path("check_summaries.db"), help="Gone on with if it is there.")
    parser.add_argument("--sentences", type=int, default=200, help="As many true ones as false ones.")
    parser.add_argument("--seeds", type=int, default=5, help="How often sentences are drawn.")
    arguments = parser.parse_args()
    began = time.monotonic()
    if arguments.debates:
        panel = _panel(arguments.moderator)
        for _ in run_suite(_questions(arguments.debates), store=arguments.store, panel=panel, engine=arguments.engine):
            pass
    transcripts = [to_data(transcript) for transcript in load_transcripts(arguments.store)]
    print(f"{len(transcripts)} debates held and summed up in {time.monotonic() - began:.0f} s")
    left = _report_summaries(transcripts)
    caught, alarms = _report_planted(transcripts, arguments.sentences, arguments.seeds)
    return 0 if left == 0 and caught >= CAUGHT and alarms < FALSE_ALARMS else 1


def _panel(moderator: str) -> Panel:
    data = {
        "name": "check",
        "seats": [{"name": name, "model": model} for name, model in SEATS],
        "rounds": "2",
        "sampling": {"max_tokens": str(MAX_TOKENS)},
        "engine": {"kv_cache_memory_bytes": CACHE},
        "moderator": moderator,
    }
    return parse_panel(data, "the panel", Path.cwd(), default_stop=Stop("never"))


def _questions(number: int) -> Iterator[Question]:
    """Questions of several kinds, each once, without an answer that any model could know by heart."""
    kinds = (
        ("Which of two plans is better for town {n}: a tram line or more buses?", ("Tram", "Buses", "Neither")),
        ("Should school {n} begin an hour later?", ("Yes", "No")),
        ("Club {n} has money for one thing. Which one?", ("New floor", "New lights", "A trip", "Save it")),
        ("Is it fair that row {n} in the cinema costs more?", ("Fair", "Unfair", "It depends")),
    )
    for n in range(number):
        text, options = kinds[n % len(kinds)]
        yield parse_question({"id": f"s-{n}", "question": text.format(n=n + 2), "options": list(options)}, f"s-{n}")


# ── (a) what is left in summaries ───────────────────────────────────────────────────────────────────────────


def _report_summaries(transcripts: list[dict[str, Any]]) -> int:
    own = kept = dropped = again = 0
    wrong: Counter[str] = Counter()
    for data in transcripts:
        summary = data["summary"]
        if summary["by"] == "template":
            continue
        own += 1
        dropped, again = dropped + summary["dropped"], again + summary["asked_again"]
        for sentence in _sentences(summary):
            kept += 1
            for kind in wrong_claims(sentence, data):
                wrong[kind] += 1
                print(f"  {kind}: {sentence}  [{data['question']['id']}]")
    print(f"{own} summaries by a model: {kept} sentences kept, {again} asked for again, {dropped} dropped")
    print(f"wrong claims left, by the second checker: {wrong.total()} {dict(wrong) or ''}")
    return wrong.total()


def _sentences(summary: Mapping[str, Any]) -> Iterator[str]:
    for part in ("text", "arguments", "turning_points"):
        for item in summary[part]:
            yield item["sentence"]


def wrong_claims(sentence: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Claims of a sentence that a debate contradicts, by kind; found by plain search, word for word.

    It knows fewer wordings than the moderator's checks, and judges on its own.
    """
    told = Told(data)
    statements = [told.said(seat, n) for n in range(1, told.last + 1) for seat in told.seats]
    bare = re.sub(r"“[^”]*”|\"[^\"]*\"|(?<!\w)'[^']+'(?!\w)", " “” ", sentence)
    yield from _wrong_quotations(sentence, told, statements, data)
    yield from _wrong_votes(bare, told)
    yield from _wrong_directions(bare, told)
    yield from _wrong_counts(bare, told)
    yield from _wrong_names(bare, told, " ".join((*statements, data["question"]["question"], *told.options)))


def _wrong_quotations(sentence: str, told: Told, statements: list[str], data: Mapping[str, Any]) -> Iterator[str]:
    for found in re.findall(r"“([^”]+)”|\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)", sentence):
        words = " ".join("".join(found).split()).strip(" .,;:!?…").casefold()
        known = (*statements, *told.options, *told.seats, data["question"]["question"])
        if words and not any(words in text.casefold() for text in known):
            yield "quotation"


def _pattern(names: list[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def _wrong_votes(bare: str, told: Told) -> Iterator[str]:
    """`Ada voted for Yes`: never, in no round, or not in the round that is named."""
    seats, options = _pattern(told.seats), _pattern(told.options)
    verbs = r"(?:voted?s?|votes|chose|chooses|picked|backed|supports?|supported|favou?red|preferred|opted|sided)"
    link = r"(?:\s+(?:for|with|the|option|in|favou?r|of|to))*"
    for seat, option, rest in re.findall(rf"\b({seats})\s+(?:\w+\s+)?{verbs}{link}\s+({options})\b(.{{0,20}})", bare):
        round_ = re.search(r"round (\d+)", rest)
        rounds = [int(round_[1])] if round_ else range(1, told.last + 1)
        if not any(1 <= n <= told.last and told.vote(seat, n) == option for n in rounds):
            yield "vote"
    if re.search(rf"\b(?:{seats})\s+(?:has\s+)?(?:won|wins)\b(?!\s+over)", bare):
        yield "vote"


def _wrong_directions(bare: str, told: Told) -> Iterator[str]:
    seats, options, changes = _pattern(told.seats), _pattern(told.options), told.changes()
    for seat, before, after in re.findall(rf"\b({seats})\b[^.;]*?\bfrom ({options}) to ({options})\b", bare):
        if not any((s, b, a) == (seat, before, after) for s, _, b, a, _ in changes):
            yield "direction"
    for seat in re.findall(rf"\b({seats})\s+(?:has\s+|then\s+|also\s+)?(?:changed|switched)\b", bare):
        if not any(s == seat for s, *_ in changes):
            yield "direction"
    for agent, patient in re.findall(rf"\b({seats})\s+(?:persuaded|convinced|won over|swayed)\s+({seats})\b", bare):
        if not any((s, p) == (patient, agent) for s, _, _, _, p in changes):
            yield "direction"
    for patient, agent in re.findall(rf"\b({seats})\b[^.;]*?\b(?:persuaded|convinced|swayed) by ({seats})\b", bare):
        if not any((s, p) == (patient, agent) for s, _, _, _, p in changes):
            yield "direction"


def _wrong_counts(bare: str, told: Told) -> Iterator[str]:
    """Votes of an option, winners, ties, unanimity."""
    options = _pattern(told.options)
    counts = {option: told.count(option, told.last) for option in told.options}
    number = rf"(\d+|{'|'.join(NUMBERS[1:])})"
    verbs = r"(?:got|received|won|had|has|led|won with|led with|with)"
    for option, n in re.findall(rf"\b({options})\s+{verbs}\s+(?:with\s+)?{number}\b", bare):
        if (int(n) if n.isdecimal() else NUMBERS.index(n)) != counts[option]:
            yield "count"
    winners = told.winners()
    for option in re.findall(rf"\b({options})\s+(?:won|wins|prevailed)\b", bare):
        if winners != [option]:
            yield "count"
    if re.search(r"\b(?:tied|a tie)\b", bare) and not re.search(r"\b(?:no|not|would)\b", bare) and len(winners) < 2:
        yield "count"
    if re.search(r"\bunanimous(?:ly)?\b", bare) and "not" not in bare and max(counts.values()) != len(told.seats):
        yield "count"
    for n in re.findall(r"\bround (\d+)", bare):
        if not 1 <= int(n) <= told.last:
            yield "count"


def _wrong_names(bare: str, told: Told, text: str) -> Iterator[str]:
    """Somebody acts who is neither a seat nor spoken of."""
    acts = r"(?:voted|changed|switched|persuaded|convinced|argued|said|chose|moved)"
    for name in re.findall(rf"\b([A-Z][a-z]+)\s+{acts}\b", bare):
        known = name in (*told.seats, "It", "They", "The", "He", "She", "Who", "Both", "All", "Everyone", "Nobody")
        if not known and name not in text and not any(name in option for option in told.options):
            yield "name"


# ── (b) planted sentences ───────────────────────────────────────────────────────────────────────────────────


def _report_planted(transcripts: list[dict[str, Any]], number: int, seeds: int) -> tuple[float, float]:
    grounds = [ground_of(data, find_facts(data)) for data in transcripts]
    of: Counter[tuple[bool, str]] = Counter()
    wrong: Counter[tuple[bool, str]] = Counter()
    for seed in range(seeds):
        for planted in plant(transcripts, seed, number, number):
            of[planted.true, planted.kind] += 1
            wrong[planted.true, planted.kind] += (
                check_sentence(planted.sentence, grounds[planted.debate]).holds != planted.true
            )
    for is_true, what in ((False, "missed"), (True, "false alarms")):
        parts = ", ".join(f"{kind} {wrong[t, kind]}/{of[t, kind]}" for t, kind in sorted(of) if t == is_true)
        print(f"{'true' if is_true else 'false'} sentences, {what}: {parts}")
    num_false = sum(count for (is_true, _), count in of.items() if not is_true)
    num_true = of.total() - num_false
    missed = sum(count for (is_true, _), count in wrong.items() if not is_true)
    caught, alarms = 1 - missed / num_false, (wrong.total() - missed) / num_true
    print(
        f"caught {caught:.1%} of {num_false:,} false sentences; false alarms on {alarms:.1%} of {num_true:,} true ones"
    )
    return caught, alarms


if __name__ == "__main__":
    sys.exit(main())
