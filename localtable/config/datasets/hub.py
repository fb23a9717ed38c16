"""Datasets from the Hugging Face hub, at one commit, through the hub's own cache. Nothing else here opens a network.

Only the data files that were chosen are fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from localtable.config.datasets.schemas import GENERIC, Schema
from localtable.config.datasets.selection import Source, SourceFile, select
from localtable.errors import ConfigError, PrerequisiteError
from localtable.hub_errors import hub_errors, hub_problem

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo

ANSWER_S = 5.0
"""How long the hub may take to answer before it counts as unreachable."""
BY_HAND = "Or fetch it by hand and name the files."


def is_hub(text: str) -> bool:
    """Whether `--from` means the hub: the word `hub` itself, or `hub:ORG/NAME[@REVISION]`."""
    return text == "hub" or text.startswith("hub:")


def hub_source(
    text: str,
    schema: Schema,
    *,
    revision: str | None,
    config: str | None,
    split: str | None,
    say: Callable[[str], None],
) -> Source:
    """Download a dataset's files.

    Args:
        text: `hub`, for the dataset's own repository, or `hub:ORG/NAME[@REVISION]`.
        schema: Says what is taken where `config` and `split` don't.
        revision: A branch, a tag or a commit; the newest commit without one. What was taken is in the answer.
        config: Which of the repository's configurations.
        split: Which split.
        say: Told what is downloaded.

    Raises:
        ConfigError: No repository is named, or it holds no such file.
        PrerequisiteError: The hub can't be reached, the dataset is gated or not there, or a file is not what the hub
            announces.
    """
    repo, revision = _repository(text, schema, revision)
    config, split = config or schema.config, split or schema.split
    with _in_words(repo):
        info = _ask(repo, revision)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    names = select(list(sizes), repo, config=config, split=split)
    commit = info.sha or ""
    say(f"{repo} at {commit}: {len(names)} files, {sum(sizes[name] for name in names) / 1e6:.1f} MB")
    with _in_words(repo):
        files = tuple(SourceFile(_download(repo, name, commit), name, f"{repo}/{name}") for name in names)
    _check_sums(info, files)
    return Source(files, config, split, repo, commit)


def _repository(text: str, schema: Schema, revision: str | None) -> tuple[str, str | None]:
    repo, _, pinned = text.removeprefix("hub").removeprefix(":").partition("@")
    if pinned and revision and pinned != revision:
        raise ConfigError(f"--from {text} and --revision {revision} name two revisions", hint="Leave one of them out.")
    repo = repo or ("" if ":" in text else schema.repo or "")
    if repo.count("/") != 1 or not all(repo.split("/")):
        what = f"{GENERIC} has no repository of its own" if text == "hub" else f"{text!r} is no hub:ORG/NAME"
        raise ConfigError(what, hint="For example --from hub:cais/mmlu.")
    return repo, pinned or revision


def _ask(repo: str, revision: str | None) -> DatasetInfo:
    from huggingface_hub import HfApi

    return HfApi().dataset_info(repo, revision=revision, files_metadata=True, timeout=ANSWER_S)


def _download(repo: str, name: str, commit: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset", revision=commit, etag_timeout=ANSWER_S))
    finally:
        if not were_disabled:
            enable_progress_bars()


def _check_sums(info: DatasetInfo, files: tuple[SourceFile, ...]) -> None:
    import hashlib

    announced = {file.rfilename: file.lfs.sha256 for file in info.siblings or [] if file.lfs is not None}
    for file in files:
        with file.path.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if announced.get(file.name, found) != found:
            raise PrerequisiteError(
                f"{file.label} has the SHA-256 {found}, the hub announces {announced[file.name]}",
                hint=f"Delete {file.path.resolve()} and run the command again.",
            )


@contextmanager
def _in_words(repo: str) -> Iterator[None]:
    """Errors of the hub's client as one sentence and what to do."""
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except hub_errors() as error:
        problem = hub_problem(error, repo, "dataset")
        kind = ConfigError if isinstance(error, HFValidationError) else PrerequisiteError
        raise kind(problem.message, hint=f"{problem.hint or 'Connect.'} {BY_HAND}") from None
    except OSError as error:
        raise PrerequisiteError(
            f"{repo} can't be kept in the hub's cache: {error.strerror or error}", hint=BY_HAND
        ) from None
