from __future__ import annotations

import pytest

from bench.age import AgeReport, Watch, ages
from bench.figures import Spread
from bench.reading import Reading

WATCH = Watch("watch", sessions=1, sleep_ms=20, most_p50_ms=18, most_p95_ms=32)


def reading(started_at: float, age_ms: float | None) -> Reading:
    return Reading("a", started_at, age_ms, held_ms=1.0)


def test_only_what_was_read_in_time_counts():
    readings = [reading(at, 10.0 + at) for at in range(20)]

    figures = ages(WATCH, 9.0, 5.0, readings, [])

    assert figures.results == 9
    assert figures.results_per_second == 1.0
    assert figures.age.p50 == 19.0
    assert figures.first == Spread(16.0, 16.9)
    assert figures.last == Spread(22.0, 22.9)


def test_a_picture_that_can_not_be_read_is_told():
    figures = ages(WATCH, 2.0, 0.0, [reading(0, None), reading(1, 15.0)], [])

    assert (figures.results, figures.unreadable) == (2, 1)
    assert figures.age == Spread(15.0, 15.0)


@pytest.mark.parametrize(
    ("age_ms", "reached"), [(18.0, True), (18.1, False), (None, False)]
)
def test_an_aim_is_reached_or_not(age_ms, reached):
    figures = ages(WATCH, 1.0, 0.0, [reading(0, age_ms)], [])

    assert figures.is_reached is reached
    heading = {"cpu": "x", "cores": 2, "load": [0], "commit": None}
    said = AgeReport("now", heading, [figures]).as_text()
    assert ("NO" not in said) is reached
