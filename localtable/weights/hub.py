"""Weights from the Hugging Face hub, used where the hub's own cache keeps them: no second copy.

Only safetensors, JSON, tokenizer and template files are fetched. A source without a revision is pinned, with its
sums, at the first fetch. A hub that doesn't answer is given up within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from localtable.errors import PrerequisiteError
from localtable.hub_errors import hub_errors, hub_problem
from localtable.types import HubSource
from localtable.weights.disk import require_space
from localtable.weights.folder import UNWANTED, WANTED, check_model_folder, is_wanted
from localtable.weights.hashing import FileSum, sha256_of
from localtable.weights.progress import Advance
from localtable.weights.source import SourceUnavailableError, Workplace

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

Answer = TypeVar("Answer")

ANSWER_S = 5.0
"""How long the hub may take to answer before it counts as unreachable."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at one commit, in the hub's cache."""

    folder: Path
    commit: str
    files: tuple[FileSum, ...]


def fetch_snapshot(source: HubSource, commit: str | None, work: Workplace) -> Snapshot:
    """Download what is missing of a repository and sum it.

    Args:
        source: The repository.
        commit: The one pinned by an earlier fetch, if there was one.
        work: Where to work and whom to tell.

    Raises:
        SourceUnavailableError: Not reachable, gated, no such repository or revision.
        PrerequisiteError: A file is not what the hub announces; it has been removed.
        PlacementError: The disk is too small.
    """
    wanted = commit or source.revision
    announced: dict[str, str] = {}
    try:
        info = _ask(source.repo, wanted)
        announced = _announced_sums(info)
        folder = _download(source.repo, info, work)
    except SourceUnavailableError as problem:
        cached = _cached(source.repo, wanted)
        if cached is None:
            raise
        work.say(f"{work.model}: {problem.reason}; the hub's cache on this machine has it")
        folder = cached
    names = check_model_folder(folder)
    files = _sums(folder, names, work)
    for file in files:
        if announced.get(file.name, file.sha256) != file.sha256:
            _remove(folder / file.name)
            raise PrerequisiteError(
                f"{source.repo}: {file.name} has the SHA-256 {file.sha256}, the hub announces "
                f"{announced[file.name]}; it has been removed from the hub's cache",
                hint="Run the command again.",
            )
    return Snapshot(folder, folder.name, files)


def _ask(repo: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi

    return reaching(repo, lambda: HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=ANSWER_S))


def _download(repo: str, info: ModelInfo, work: Workplace) -> Path:
    from huggingface_hub import constants, snapshot_download

    total = sum(file.size or 0 for file in info.siblings or [] if is_wanted(file.rfilename))
    cache = Path(constants.HF_HUB_CACHE)
    require_space(cache, {f"the files of {repo}": max(0, total - _cached_bytes(repo))}, what=work.model)
    with work.progress.step(f"{work.model}: downloading {repo}", total) as advance, _watching(repo, advance):
        folder = reaching(
            repo,
            lambda: snapshot_download(
                repo,
                revision=info.sha,
                allow_patterns=list(WANTED),
                ignore_patterns=list(UNWANTED),
                etag_timeout=ANSWER_S,
            ),
        )
    return Path(folder)


def _cached_bytes(repo: str) -> int:
    """What the hub's cache holds of a repository, unfinished files included."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"
    total = 0
    for blob in blobs.glob("*"):
        with suppress(FileNotFoundError):  # an unfinished file has just got its name
            total += blob.stat().st_size
    return total


@contextmanager
def _watching(repo: str, advance: Advance) -> Iterator[None]:
    """Report a download's progress by what arrives on the disk; the hub's own bars differ with its versions."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    done = Event()

    def watch() -> None:
        seen = 0
        while not done.wait(0.5):
            now = _cached_bytes(repo)
            advance(now - seen)
            seen = now

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        if not were_disabled:
            enable_progress_bars()


def _cached(repo: str, revision: str | None) -> Path | None:
    """The snapshot in the hub's cache, if it is complete; asks nobody."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repo,
            revision=revision,
            local_files_only=True,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
        )
        check_model_folder(Path(folder))
    except (LocalEntryNotFoundError, PrerequisiteError):
        return None
    return Path(folder)


def _sums(folder: Path, names: list[str], work: Workplace) -> tuple[FileSum, ...]:
    sizes = {name: (folder / name).stat().st_size for name in names}
    with work.progress.step(f"{work.model}: checking", sum(sizes.values())) as advance:
        return tuple(FileSum(name, sizes[name], sha256_of(folder / name, advance=advance)) for name in names)


def _announced_sums(info: ModelInfo) -> dict[str, str]:
    return {file.rfilename: file.lfs.sha256 for file in info.siblings or [] if file.lfs is not None}


def _remove(path: Path) -> None:
    """Remove a file from the hub's cache: the name in the snapshot and what it points to."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def reaching(repo: str, ask: Callable[[], Answer]) -> Answer:
    """What the hub answers.

    Raises:
        SourceUnavailableError: With the reason in words: no network, gated, not found, offline by wish.
    """
    try:
        return ask()
    except hub_errors() as error:
        problem = hub_problem(error, repo, "model")
        raise SourceUnavailableError(problem.message, hint=problem.hint) from None
