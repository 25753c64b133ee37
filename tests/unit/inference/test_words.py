"""How numbers read."""

from __future__ import annotations

import pytest

from apps.inference.words import counted


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (1200, "1,200 pictures")],
)
def test_one_is_not_many(count: int, words: str):
    assert counted(count, "picture") == words
