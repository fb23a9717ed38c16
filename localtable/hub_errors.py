"""What the Hugging Face hub's client raises, as one sentence and what to do: for models and for data sets alike."""

from __future__ import annotations

from typing import Literal, NamedTuple

TOKEN = "set HF_TOKEN to a token of that account (or run `hf auth login`)"


class HubProblem(NamedTuple):
    """Why the hub gave nothing."""

    message: str
    hint: str
    """Empty where there is nothing to do but to ask elsewhere."""


def hub_errors() -> tuple[type[Exception], ...]:
    """What is to be caught around a question to the hub."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    # The client's transport errors have no name of their own: they share this base with its HTTP errors, and the
    # library that defines them has changed between versions.
    http_error = HfHubHTTPError.__bases__[0]
    return (http_error, HFValidationError, LocalEntryNotFoundError, ConnectionError, TimeoutError)


def hub_problem(error: Exception, repo: str, what: Literal["model", "dataset"]) -> HubProblem:
    """One of `hub_errors` in words."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"https://huggingface.co/{'datasets/' if what == 'dataset' else ''}{repo}"
    match error:
        case GatedRepoError():  # before what it is a kind of: a repository that isn't found
            return HubProblem(
                f"{repo} is gated: its conditions have to be accepted first", f"Accept them at {page}, then {TOKEN}."
            )
        case RevisionNotFoundError():
            return HubProblem(f"{repo} has no such revision", f"See {page}/commits.")
        case RepositoryNotFoundError():
            return HubProblem(
                f"the hub shows no {what} {repo}", f"Check the name at {page}; if it is private, {TOKEN}."
            )
        case OfflineModeIsEnabled():
            return HubProblem("HF_HUB_OFFLINE keeps the hub from being asked", "Unset it.")
        case HFValidationError():
            return HubProblem(f"{repo} is no name of a repository: {error}", "It has the form ORG/NAME.")
    first = (str(error).splitlines() or [type(error).__name__])[0][:160]
    return HubProblem(f"the hub can't be reached ({first})", "")
