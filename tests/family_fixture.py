"""The fixture `family`: every tokenizer family once, those of the demo models from the weights store."""

from __future__ import annotations

import families
import pytest


@pytest.fixture(scope="session", params=families.NAMES)
def family(request: pytest.FixtureRequest) -> families.Family:
    """A tokenizer under test."""
    name: str = request.param
    if name in families.DEMO:
        folder = request.getfixturevalue({"smollm2": "smollm2_folder", "qwen2.5": "qwen_folder"}[name])
        return families.loaded(name, folder)
    return families.made(name)
