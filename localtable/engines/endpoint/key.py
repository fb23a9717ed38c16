"""Keys: read where they are used, sent to their server, and shown to nobody."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from localtable.errors import PrerequisiteError
from localtable.types import Endpoint

REDACTED = "[key]"
LEAST_SECRET = 8
"""Shorter ones are what servers are given that want some key and take any: `EMPTY`, `none`. As words of an answer they
are left alone."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or none; whatever text comes from its server goes through `redact`."""

    _value: str | None = field(repr=False)

    @property
    def _secret(self) -> str | None:
        return None if self._value is None or len(self._value) < LEAST_SECRET else self._value

    def headers(self) -> dict[str, str]:
        """What a request carries."""
        return {} if self._value is None else {"Authorization": f"Bearer {self._value}"}

    def redact(self, text: str) -> str:
        """The text with the key crossed out: servers quote it, and a hostile one may say it."""
        return text if self._secret is None else text.replace(self._secret, REDACTED)

    def redact_open(self, text: str) -> str:
        """The same for a text that goes on: without an end that may be the key's beginning."""
        if self._secret is None:
            return text
        longest = min(len(self._secret) - 1, len(text))
        held = next((n for n in range(longest, 0, -1) if text.endswith(self._secret[:n])), 0)
        return self.redact(text[: len(text) - held])


def read_key(endpoint: Endpoint) -> Key:
    """The key out of the environment variable that the card names.

    Raises:
        PrerequisiteError: It is not set, or what it holds can't be a key.
    """
    if endpoint.key_env is None:
        return Key(None)
    value = os.environ.get(endpoint.key_env, "").strip()
    if not value:
        raise PrerequisiteError(
            f"the environment variable {endpoint.key_env}, the key of {endpoint.base_url}, is not set",
            hint=f"Set {endpoint.key_env}, or leave `key_env` out of the card where the server wants no key.",
        )
    # HTTP libraries quote a header that they refuse.
    if not all(33 <= ord(character) < 127 for character in value):
        raise PrerequisiteError(
            f"the environment variable {endpoint.key_env} holds white space or characters that no key has",
            hint=f"Set {endpoint.key_env} to the key alone.",
        )
    return Key(value)
