"""What a card says of a server that its model is spoken to at."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from localtable.types import Endpoint, Price


class PriceFile(BaseModel):
    """Of a million tokens."""

    model_config = ConfigDict(extra="forbid")

    input: Annotated[float, Field(ge=0, le=1_000_000)]
    output: Annotated[float, Field(ge=0, le=1_000_000)]


class EndpointFile(BaseModel):
    """The written form of `Endpoint`."""

    model_config = ConfigDict(extra="forbid")

    base_url: str
    model: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    key_env: str | None = None
    max_concurrent: Annotated[int, Field(ge=1, le=256)] = 4
    requests_per_minute: Annotated[float, Field(gt=0, le=100_000)] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    ballot_tokens: Annotated[int, Field(ge=8, le=100_000)] = 64
    price: PriceFile | None = None

    @model_validator(mode="after")
    def _without_secrets(self) -> EndpointFile:
        # Judged together, since an error of a field of its own would show its value: these may hold a key by mistake.
        if self.key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", self.key_env):
            raise ValueError("key_env is no name of an environment variable; the key itself has no place in a card")
        if self.key_env is not None and _may_be_key(self.key_env):
            raise ValueError("key_env looks like a key itself; it names the environment variable that holds the key")
        if not self.model.isprintable():
            raise ValueError("model has characters that can't be printed")
        if not _is_plain(self.base_url):
            raise ValueError(
                "base_url is no address such as http://127.0.0.1:8000/v1, without user, password, `?` and `#`"
            )
        return self

    def build(self) -> Endpoint:
        """The value."""
        figures = self.model_dump(exclude={"base_url", "price"})
        price = Price(**self.price.model_dump()) if self.price else None
        return Endpoint(self.base_url.rstrip("/"), **figures, price=price)


def _may_be_key(name: str) -> bool:
    """Some providers' keys could be names of variables, such as `gsk_` and fifty letters and digits."""
    return len(name) >= 24 and all(re.search(kind, name) for kind in ("[a-z]", "[0-9]"))


def _is_plain(address: str) -> bool:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  one that is no number is found here
    except ValueError:
        return False
    bare = "@" not in parts.netloc and not re.search(r"[?#\s\\]", address)
    return bare and address.isprintable() and parts.scheme in ("http", "https") and bool(parts.hostname)
