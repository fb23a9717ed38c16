"""Engines by name: which can run here, which to take, and how one is made.

Nothing heavy is imported until an engine is made, so the command line can ask what is there at no cost.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from typing import NamedTuple

from localtable.engines.base import Engine, EngineSpec
from localtable.errors import ConfigError, EngineImportError, PrerequisiteError
from localtable.loading import nearest
from localtable.types import Card

KINDS = ("vllm", "transformers", "scripted")
"""In the order in which `auto` prefers them; it never takes the scripted engine, which has no model."""

ENDPOINT = "endpoint"
"""What models run on whose cards name a server, whichever engine the others have: nobody asks for it by name."""

_NEEDS = {"vllm": ("torch", "vllm"), "transformers": ("torch", "transformers"), "scripted": (), ENDPOINT: ()}


class Choice(NamedTuple):
    """An engine and why it was taken."""

    kind: str
    reason: str


def create_engine(spec: EngineSpec) -> Engine:
    """Load the engine that `spec` asks for, in this process."""
    _check(spec.kind, extra=(ENDPOINT,))
    _import(spec.kind)
    if spec.kind == "vllm":
        from localtable.engines.vllm_engine import VllmEngine

        return VllmEngine(spec)
    if spec.kind == "transformers":
        from localtable.engines.transformers_engine import TransformersEngine

        return TransformersEngine(spec)
    if spec.kind == ENDPOINT:
        from localtable.engines.endpoint.engine import EndpointEngine

        return EndpointEngine(spec)
    from localtable.engines.scripted import ScriptedEngine

    return ScriptedEngine(spec)


def _import(kind: str) -> None:
    for name in _NEEDS[kind]:
        try:
            importlib.import_module(name)
        except Exception as error:
            # A broken installation raises anything: an operator that is missing, a library of another version.
            said = (str(error).splitlines() or [""])[0]
            raise EngineImportError(
                f"{name} is installed but does not import: {type(error).__name__}: {said}",
                hint="`localtable doctor --import` says more; `make setup` installs it anew.",
            ) from error


def available(kind: str) -> tuple[bool, str]:
    """Whether the packages of this engine are installed, and a sentence about it; imports none of them."""
    _check(kind)
    missing = [name for name in _NEEDS[kind] if find_spec(name) is None]
    if missing:
        return False, f"{kind} can't run here: {' and '.join(missing)} not installed"
    return True, f"{kind} is installed" if _NEEDS[kind] else f"{kind} needs nothing"


def choose(requested: str) -> Choice:
    """The engine for `requested`: auto, or an engine's own name.

    Raises:
        ConfigError: There is no engine of that name.
        PrerequisiteError: Its packages are not installed.
    """
    if requested == "auto":
        return _choose_best()
    _check(requested, extra=("auto",))
    there, sentence = available(requested)
    if not there:
        raise PrerequisiteError(sentence, hint=_INSTALL)
    return Choice(requested, "asked for")


def choose_for(requested: str, cards: Iterable[Card]) -> Choice:
    """The engine for these models: as `choose`, unless all of them are spoken to at endpoints."""
    if all(card.endpoint is not None for card in cards):
        return Choice(ENDPOINT, "every model is spoken to at an endpoint")
    return choose(requested)


_INSTALL = "Install localtable[cpu] or localtable[gpu] (see docs/getting-started.md), or take --engine scripted."


def _choose_best() -> Choice:
    skipped: list[str] = []
    for kind in ("vllm", "transformers"):
        there, sentence = available(kind)
        if there:
            return Choice(kind, "; ".join([*skipped, sentence]))
        skipped.append(sentence)
    raise PrerequisiteError("; ".join(skipped), hint=_INSTALL)


def _check(kind: str, extra: tuple[str, ...] = ()) -> None:
    if kind not in (*KINDS, *extra):
        raise ConfigError(f"there is no engine {kind!r}", hint=nearest(kind, [*KINDS, *extra], kind="engines"))
