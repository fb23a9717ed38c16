"""`localtable models`: which models there are, what is known of them, and their weights on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.errors import ConfigError, LocaltableError

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.types import Card, Endpoint
    from localtable.weights import ModelFiles, WeightStore

DEMO_MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
"""What the demo panel seats."""


@click.group()
def models() -> None:
    """List, add, fetch and check models."""


@models.command("list")
@click.option("--family", help="Models of one origin, such as Qwen.")
@click.option("--license", "license_text", metavar="TEXT", help="Models whose licence has this in its name.")
@click.option("--min-size", metavar="SIZE", help="At least so many parameters, such as 8B.")
@click.option("--max-size", metavar="SIZE", help="At most so many.")
@click.option("--fits", metavar="SPEC", help="What fits a machine such as 24GiB, rtx4090 or 2xH100-80GB.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array in place of the table.")
def list_models(
    family: str | None,
    license_text: str | None,
    min_size: str | None,
    max_size: str | None,
    fits: str | None,
    as_json: bool,
) -> None:
    """List the models that have cards: size, licence, the memory that they need, and whether their weights are here."""
    from localtable.cli.listing import Filters, choose, table
    from localtable.config import load_card, packaged_card_ids

    filters = Filters.read(family, license_text, min_size, max_size, fits)
    listed, left_out = choose([load_card(card_id) for card_id in packaged_card_ids()], filters)
    for line in left_out:
        click.echo(line, err=True)
    store = _store()
    rows = [(entry, store.find(entry.card)) for entry in listed]
    if as_json:
        data = [{**_facts(entry.card, files), **entry.facts()} for entry, files in rows]
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    for line in table(rows):
        click.echo(line)


@models.command()
@click.argument("model_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of the card's text.")
def show(model_id: str, as_json: bool) -> None:
    """Show a model's card and where its weights are."""
    from localtable.config import load_card
    from localtable.config.writing import dump_card

    card = load_card(model_id)
    files = _store().find(card)
    if as_json:
        click.echo(json.dumps(_facts(card, files), indent=2, ensure_ascii=False))
        return
    click.echo(dump_card(card).rstrip())
    if card.endpoint is not None:
        click.echo(f"# nothing to fetch: {endpoint_state(card.endpoint)}")
        return
    if files is None:
        click.echo(f"# weights: not fetched; `localtable models fetch {card.id}`")
        return
    click.echo(f"# weights: {files.folder}")
    click.echo(f"# from {files.source}, {files.weights_hash}")
    for file in files.files:
        click.echo(f"#   {file.sha256}  {file.name} ({file.size_bytes:,} bytes)")


@models.command()
@click.argument("reference", metavar="FOLDER|hub:ORG/NAME[@REVISION]")
@click.option("--id", "card_id", help="The card's id, in place of one made from the model's name.")
def add(reference: str, card_id: str | None) -> None:
    """Make a card from a model's own config.json; fetches no weights."""
    from localtable.config.writing import dump_card
    from localtable.places import home

    card = _hub_card(reference, card_id) if reference.startswith("hub:") else _folder_card(Path(reference), card_id)
    path = home() / "cards" / f"{card.id}.yaml"
    text = dump_card(card)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(f"another card is called {card.id!r}: {path}", hint="Choose another --id, or delete it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)
    click.echo(f"{card.id}  {path}")


@models.command()
@click.argument("model_ids", metavar="ID…", nargs=-1)
@click.option("--panel", "panel_file", metavar="FILE", type=click.Path(path_type=Path), help="All models of a panel.")
@click.option("--demo", is_flag=True, help="The three models of the demo panel.")
def fetch(model_ids: Sequence[str], panel_file: Path | None, demo: bool) -> None:
    """Fetch the weights of models that are not here yet."""
    from rich.console import Console

    from localtable.config import load_card, load_panel
    from localtable.types import Stop

    cards = [load_card(model_id) for model_id in (*model_ids, *(DEMO_MODELS if demo else ()))]
    if panel_file is not None:
        cards.extend(load_panel(panel_file, default_stop=Stop()).cards)
    if not cards:
        raise ConfigError("no model is named", hint="Name ids (`localtable models list` has them), --panel or --demo.")
    local = _with_weights(cards)
    for card, files in zip(local, fetch_cards(local, Console(stderr=True)), strict=True):
        click.echo(f"{card.id}  {files.folder}  {files.weights_hash}")


def _with_weights(cards: Iterable[Card]) -> list[Card]:
    """The cards that have weights; of the others it is said why not."""
    found = []
    for card in cards:
        if card.endpoint is None:
            found.append(card)
        else:
            click.echo(f"{card.id}: no weights; {endpoint_state(card.endpoint)}", err=True)
    return found


def endpoint_state(endpoint: Endpoint) -> str:
    """Where a model is spoken to, and whether its key is there; asks nobody."""
    key = "no key"
    if endpoint.key_env is not None:
        key = f"key in {endpoint.key_env}, which is {'set' if os.environ.get(endpoint.key_env) else 'not set'}"
    return f"{endpoint.model} at {endpoint.base_url}, {key}"


def fetch_cards(cards: Iterable[Card], console: Console) -> list[ModelFiles]:
    """Fetch what is missing of these models, with progress on the console; those at endpoints have nothing to fetch.

    Raises:
        LocaltableError: As `WeightStore.fetch`.
    """
    from localtable.weights import ConsoleProgress

    with ConsoleProgress(console) as progress:
        local = [card for card in cards if card.endpoint is None]
        return _store().fetch_all(local, say=progress.say, progress=progress)


@models.command()
@click.argument("model_ids", metavar="ID…", nargs=-1, required=True)
def verify(model_ids: Sequence[str]) -> None:
    """Sum every file of these models again and compare with what was recorded at the fetch."""
    from rich.console import Console

    from localtable.config import load_card
    from localtable.weights import ConsoleProgress

    store = _store()
    wrong = 0
    with ConsoleProgress(Console(stderr=True)) as progress:
        for card in _with_weights([load_card(model_id) for model_id in model_ids]):
            messages = store.verify(card, progress=progress)
            wrong += len(messages)
            for line in messages or ["as recorded"]:
                click.echo(f"{card.id}: {line}")
    if wrong:
        raise LocaltableError(
            f"{wrong} file(s) are not what was recorded",
            hint="`localtable models remove` and `fetch` bring the model anew.",
        )


@models.command()
@click.argument("model_ids", metavar="ID…", nargs=-1, required=True)
def remove(model_ids: Sequence[str]) -> None:
    """Delete the stored weights of these models; a folder of your own and the hub's cache stay as they are."""
    from localtable.config import load_card
    from localtable.weights import gigabytes

    store = _store()
    for card in _with_weights([load_card(model_id) for model_id in model_ids]):
        click.echo(f"{card.id}: {gigabytes(store.remove(card))} freed")


def _store() -> WeightStore:
    from localtable.places import home
    from localtable.weights import WeightStore

    return WeightStore(home() / "weights")


def _facts(card: Card, files: ModelFiles | None) -> dict[str, Any]:
    from localtable.cli.listing import family_of
    from localtable.weights import describe

    return {
        "id": card.id,
        "name": card.name,
        "publisher": card.publisher,
        "license": card.license,
        "family": family_of(card),
        "parameters": card.parameters or None,
        "active_parameters": card.active_parameters or None,
        "context_length": card.context_length or None,
        "endpoint": card.endpoint.base_url if card.endpoint is not None else None,
        "sources": [describe(source) for source in card.sources],
        "fetched": files is not None,
        "size_bytes": files.size_bytes if files else None,
        "folder": str(files.folder) if files else None,
        "weights_hash": files.weights_hash if files else None,
        "source": files.source if files else None,
    }


def _folder_card(folder: Path, card_id: str | None) -> Card:
    from localtable.config import card_from_hf_config

    return card_from_hf_config(folder.expanduser().resolve(), card_id=card_id)


def _hub_card(reference: str, card_id: str | None) -> Card:
    import tempfile
    from dataclasses import replace

    from localtable.config import card_from_hf_config
    from localtable.config.card_lookup import hub_card_id
    from localtable.types import HubSource
    from localtable.weights.hub_facts import download_facts

    repo, _, revision = reference.removeprefix("hub:").partition("@")
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise ConfigError(f"{reference!r} is no hub:ORG/NAME", hint="For example hub:Qwen/Qwen3-8B.")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / repo.split("/")[1]
        folder.mkdir()
        facts = download_facts(repo, revision or None, folder)
        card = card_from_hf_config(
            folder, card_id=card_id or hub_card_id(reference), source=HubSource(repo, facts.commit)
        )
    return replace(
        card,
        publisher=facts.publisher,
        license=facts.license,
        license_url=facts.license_url,
        facts_from=f"config.json of {repo} at commit {facts.commit}",
    )
