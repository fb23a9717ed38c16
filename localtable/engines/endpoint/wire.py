"""One exchange with a server over HTTP: what is sent, how much may come back, and what each failure means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localtable.engines.base import Away
from localtable.engines.endpoint.key import Key
from localtable.engines.endpoint.pacing import retry_after_s
from localtable.engines.endpoint.reply import DONE, Declined, Reply, Unreadable, read_events
from localtable.errors import EngineLoadError
from localtable.types import LOOPBACK, Endpoint

if TYPE_CHECKING:
    import httpx

CONNECT_S = 10.0
CHECK_S = 20.0
"""Longest silence where it is only asked whether somebody is there."""
PATIENCE = 30
"""How many silences long one answer may take that never falls silent."""
MAX_ERROR_BYTES = 64 * 1024
MAX_REPLY_BYTES = 8 * 2**20
BYTES_PER_TOKEN = 8 * 1024
"""At most, of what comes back: a token with twenty others and their log-probabilities is 2 to 3 KB."""
AWAY: Mapping[int, Away] = {401: "shut", 402: "shut", 404: "shut", 429: "busy", 502: "busy", 503: "busy"}
"""What says nothing of the request: no key, no money, no such model; too many at once, nobody behind the gate. 403 is
not among them, by which some say that they don't like a prompt, nor 504, which a long answer meets."""
AGAIN = frozenset({408, 409, 425, 429, *range(500, 600)} - {501})
"""Answers after which the same request may go well; what a server doesn't know, it will not learn."""


class Again(Exception):
    """It went wrong, and may go well another time."""

    def __init__(self, message: str, wait_s: float | None = None, *, away: Away | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.wait_s = wait_s
        """What the server asks for."""
        self.away = away
        """Whether it may be no fault of the request's."""


class Refused(Exception):
    """The server will not, or must not be asked again."""

    def __init__(self, message: str, *, status: int | None = None, away: Away | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.away = away
        """As of `Again`."""


class Wire:
    """An open connection to an endpoint; may be used by several threads."""

    def __init__(self, endpoint: Endpoint, key: Key) -> None:
        import httpx

        self._endpoint = endpoint
        self._key = key
        parts = urlsplit(endpoint.base_url)
        self.host = parts.netloc
        self._client = httpx.Client(
            # Asked for uncompressed, so that what is counted is what was sent.
            headers={"Accept-Encoding": "identity", **key.headers()},
            limits=httpx.Limits(max_connections=None),
            follow_redirects=False,
            # Proxies of the environment are for other machines.
            trust_env=parts.hostname not in LOOPBACK,
        )

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def check(self) -> None:
        """Whether somebody is there who takes the key, before anything is said.

        Raises:
            EngineLoadError: Nobody, or one who sends elsewhere.
        """
        hint = "Start the server, or correct `endpoint` in the card: base_url ends in /v1 with most servers."
        try:
            with self._open("GET", "/models", None, min(CHECK_S, self._endpoint.timeout_s)) as response:
                self._read(response, MAX_REPLY_BYTES)
                status = response.status_code
        except Again as error:
            raise EngineLoadError(f"{self._endpoint.base_url} {error.message}", hint=hint) from None
        except Refused as error:
            raise EngineLoadError(f"{self._endpoint.base_url} {error.message}", hint=hint) from None
        if status in (401, 403):
            where = f"the key in {self._endpoint.key_env}" if self._endpoint.key_env else "a request without a key"
            raise EngineLoadError(
                f"{self._endpoint.base_url} refuses {where} (HTTP {status})",
                hint="Set the variable that `key_env` names to a key of this server.",
            )

    def ask(self, body: Mapping[str, Any], on_text: Callable[[str], None], is_unwanted: Callable[[], bool]) -> Reply:
        """Send a request and read its answer.

        Args:
            body: Of the request.
            on_text: Is given all that was said so far, each time that there is more.
            is_unwanted: Asked while the answer comes; where it says yes, what there is is given back.

        Raises:
            Again, Refused: Say in words that go behind the server's name what went wrong.
        """
        most = MAX_REPLY_BYTES + BYTES_PER_TOKEN * int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)
        try:
            with self._open("POST", "/chat/completions", body, self._endpoint.timeout_s) as response:
                if response.status_code != 200:
                    raise self._failure(response)
                if "text/event-stream" in response.headers.get("content-type", ""):
                    return self._read_stream(response, most, on_text, is_unwanted)
                reply = Reply()
                reply.add(self._read(response, most))
                self._require_end(reply)
                return reply
        except Unreadable as error:
            raise Again(self._clean(str(error))) from None
        except Declined as error:
            raise Refused(self._clean(str(error))) from None

    def _open(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float) -> _Exchange:
        return _Exchange(self._client, method, self._endpoint.base_url + path, body, timeout_s)

    def _read_stream(
        self, response: httpx.Response, most: int, on_text: Callable[[str], None], is_unwanted: Callable[[], bool]
    ) -> Reply:
        reply, ended = Reply(), False
        for data in read_events(self._lines(response, most)):
            if is_unwanted():
                return reply
            ended = data == DONE
            if not ended:
                before = len(reply.content) + len(reply.reasoning)
                reply.add(data)
                if len(reply.content) + len(reply.reasoning) > before:
                    on_text(reply.text)
        if not ended:
            self._require_end(reply)
        return reply

    def _require_end(self, reply: Reply) -> None:
        if reply.finish_reason is None:
            raise Unreadable("broke off before the end of its answer")

    def _lines(self, response: httpx.Response, most: int) -> Iterator[str]:
        rest = b""
        for piece in self._pieces(response, most):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield self._text(line).rstrip("\r")
        yield self._text(rest)

    def _read(self, response: httpx.Response, most: int) -> str:
        return self._text(b"".join(self._pieces(response, most)))

    def _text(self, sent: bytes) -> str:
        # At once, so that no later quotation can cut through the key and keep its beginning.
        return self._key.redact(sent.decode(errors="replace"))

    def _pieces(self, response: httpx.Response, most: int) -> Iterator[bytes]:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Refused("sends its answers compressed, which was not asked for")
        size, until = 0, time.monotonic() + PATIENCE * self._endpoint.timeout_s
        for piece in response.iter_raw():
            size += len(piece)
            if time.monotonic() > until:
                raise Refused(f"took more than {PATIENCE * self._endpoint.timeout_s:g} s for one answer")
            if size > most:
                raise Refused(f"sent more than {most:,} bytes for one answer")
            yield piece

    def _failure(self, response: httpx.Response) -> Exception:
        status = response.status_code
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("location", "")).netloc or "another path"
            return Refused(f"sends the request on to {self._clean(target)}, and is not followed there", status=status)
        try:
            said = self._clean(self._read(response, MAX_ERROR_BYTES))
        except Refused:
            said = "an endless error"
        message = f"answered HTTP {status}: {said or 'nothing'}"
        if status in AGAIN:
            return Again(message, retry_after_s(response.headers.get("retry-after")), away=AWAY.get(status))
        return Refused(message, status=status, away=AWAY.get(status))

    def _clean(self, text: str) -> str:
        """One short harmless line of what a server said."""
        line = " ".join(self._key.redact(text).split())
        line = "".join(c if c.isprintable() else "?" for c in line)
        return line if len(line) <= 300 else line[:299] + "…"


class _Exchange:
    """A request and its response, with the failures of the network in this file's own words."""

    def __init__(
        self, client: httpx.Client, method: str, url: str, body: Mapping[str, Any] | None, timeout_s: float
    ) -> None:
        import httpx

        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        self._stream = client.stream(method, url, json=body, timeout=timeout)
        self._timeout_s = timeout_s

    def __enter__(self) -> httpx.Response:
        try:
            return self._stream.__enter__()
        except Exception as error:  # noqa: BLE001
            raise self._translated(error) from None

    def __exit__(self, kind: object, error: BaseException | None, traceback: Any) -> None:
        with suppress(Exception):  # what went wrong before says more than what goes wrong at closing
            self._stream.__exit__(type(error) if error else None, error, traceback)
        translated = self._translated(error) if isinstance(error, Exception) else error
        if translated is not None and translated is not error:
            raise translated from None

    def _translated(self, error: Exception) -> Exception:
        import httpx

        if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
            return Again("can't be reached", away="busy")
        if isinstance(error, httpx.TimeoutException):
            return Again(f"said nothing for {self._timeout_s:g} s")
        if isinstance(error, httpx.HTTPError | httpx.InvalidURL | httpx.StreamError):
            return Again(f"broke the connection off ({type(error).__name__})")
        return error
