"""The tokenizer families, for this room."""

from family_fixture import family

__all__ = ["family"]
