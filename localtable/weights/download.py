"""One file over HTTP: summed as it streams, resumed where a cut or a kill left it, given its name only when right."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localtable.errors import PrerequisiteError
from localtable.weights.hashing import feed
from localtable.weights.progress import Advance
from localtable.weights.source import SourceUnavailableError

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 4
"""Attempts in a row without a single new byte before a download is given up."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file lies, and what it must be."""

    url: str
    name: str
    sha256: str | None
    """None where the index states no sum; what is made of the file is checked all the same."""


def download(
    client: httpx.Client, link: Link, target: Path, *, advance: Advance, is_unwanted: Callable[[], bool]
) -> None:
    """Download to `target`, through `target` + `.part`; what an earlier attempt left there is used.

    Args:
        client: Carries time-outs, certificates and proxies.
        link: What to download.
        target: Where it goes, once it is complete and right.
        advance: Hears of bytes as they come, at first of those that lie there already.
        is_unwanted: Asked with every chunk; true once nobody waits for the file any longer.

    Raises:
        SourceUnavailableError: The server can't be reached, refuses, or keeps breaking off.
        PrerequisiteError: The bytes are not the announced ones; they have been removed.
    """
    import httpx

    part = target.with_name(target.name + ".part")
    advance(_size(part))
    fruitless = 0
    while True:
        before = _size(part)
        try:
            digest = _attempt(client, link, part, advance, is_unwanted)
            break
        except httpx.HTTPStatusError as error:
            problem = f"the server answers {error.response.status_code}"
            if error.response.status_code < 500:
                raise SourceUnavailableError(f"{link.name}: {problem}") from None
        except (httpx.TransportError, _WrongRangeError) as error:
            problem = str(error) or type(error).__name__
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless == ATTEMPTS:
            raise SourceUnavailableError(
                f"{link.name}: {problem}", hint="Run the command again: it goes on where it stopped."
            )
        time.sleep(min(4.0, 0.25 * 2**fruitless))
    if link.sha256 is not None and digest != link.sha256:
        part.unlink()
        raise PrerequisiteError(
            f"{link.name} has the SHA-256 {digest}, its index announces {link.sha256}; it has been removed",
            hint="Run the command again. If it happens twice, something between here and the index changes files.",
        )
    os.replace(part, target)


class _WrongRangeError(Exception):
    """The server has no such range; what lies here is no beginning of its file and has been removed."""


def _attempt(client: httpx.Client, link: Link, part: Path, advance: Advance, is_unwanted: Callable[[], bool]) -> str:
    """One request for what is missing; gives the sum of the whole file."""
    digest = hashlib.sha256()
    start = _size(part)
    if start:
        feed(digest, part, 0)
        if digest.hexdigest() == link.sha256:
            return link.sha256  # killed between the last byte and the new name
    # No compression on the way: a range counts bytes of the file itself.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with client.stream("GET", link.url, headers=headers) as response:
        if start and _misses(response, start):
            part.unlink()
            advance(-start)
            raise _WrongRangeError(f"the server has no bytes from {start} on")
        response.raise_for_status()
        if start and response.status_code != 206:  # it knows no ranges and sends everything
            digest = hashlib.sha256()
            advance(-start)
        with part.open("ab" if response.status_code == 206 else "wb") as file:
            for chunk in response.iter_raw():  # as it arrives: what is waited for is lost at a cut
                if is_unwanted():
                    raise SourceUnavailableError(f"{link.name}: no longer wanted")
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    return digest.hexdigest()


def _misses(response: httpx.Response, start: int) -> bool:
    return response.status_code == 416 or (
        response.status_code == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
