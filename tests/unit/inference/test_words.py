"""How numbers read."""

from __future__ import annotations

import pytest

from apps.inference.words import counted, percent


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (1200, "1,200 pictures")],
)
def test_one_is_not_many(count: int, words: str):
    assert counted(count, "picture") == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.037, "3.7%"), (0.07, "7%"), (0.29, "29%"), (1.0, "100%"), (0.0001, "0.01%")],
)
def test_what_is_no_whole_percent_has_a_decimal(share: float, words: str):
    assert percent(share) == words
