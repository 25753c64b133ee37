"""A gap belongs to the time in which it ends, and one without end counts, too."""

from __future__ import annotations

from itertools import accumulate

import pytest

from bench.activate import gaps


@pytest.mark.parametrize(
    ("spans", "longest", "times"),
    [
        ([0.1] * 30, 100, 1.0),
        ([*[0.1] * 14, 0.25, *[0.1] * 15], 250, 2.5),
        # Nothing came any more.
        ([0.1] * 14, 1600, 16.0),
        # A long one before it was asked for is usual.
        ([*[0.1] * 5, 0.3, *[0.1] * 24], 100, 1.0),
    ],
)
def test_the_longest_gap_is_held_against_the_usual_one(
    spans: list[float], longest: float, times: float
):
    found = gaps(list(accumulate(spans)), began=0.0, asked=1.25, ended=3.0)
    assert found.usual_p50 == pytest.approx(100)
    assert found.longest == pytest.approx(longest)
    assert found.times_usual == pytest.approx(times)
