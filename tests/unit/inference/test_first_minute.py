"""What is found out in the first seconds is enough to decide, and chance is not."""

from __future__ import annotations

from collections import Counter

import pytest

from apps.inference.serving import first_minute
from apps.inference.serving.first_minute import (
    Bounds,
    Counts,
    figures,
    why_not,
    why_stuck,
)
from apps.inference.tally import Tally

BOUNDS = Bounds(most_failed_share=0.05, most_p95_ms=None)


def second(answered: int = 0, failed: int = 0, age_ms: float = 50.0) -> Counts:
    counts = first_minute.failed(failed)
    for _ in range(answered):
        counts.update(first_minute.answered(age_ms))
    return counts


def test_what_was_taken_isn_t_counted_again():
    tally = Tally()
    tally.count(first_minute.answered(20.0))
    tally.count(first_minute.failed(2))
    assert figures(Counter(tally.take()))["failed"] == 2
    assert tally.take() == {}


def test_the_figures_say_how_old_the_answers_were():
    counts = first_minute.expired(2000.0)
    for age_ms in range(1, 101):
        counts.update(first_minute.answered(age_ms))
    found = figures(counts)
    assert (found["answered"], found["failed"], found["expired"]) == (100, 0, 1)
    assert found["p50_ms"] == pytest.approx(50, rel=0.05)
    assert found["p95_ms"] == pytest.approx(96, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "is_over", "is_bad"),
    [
        ({}, False, False),
        ({1: second(95, 5)}, False, False),
        ({1: second(94, 6)}, False, True),
        # Of so few nothing can be said yet, but at the end it must be.
        ({1: second(3, 7)}, False, False),
        ({1: second(3, 7)}, True, True),
        # Two frames may fail by chance, however few there are.
        ({1: second(20, 2)}, True, False),
        # It begins to fail after half a minute of good answers.
        ({**{n: second(10) for n in range(30)}, 30: second(5, 5)}, False, True),
        # It failed at first, and was taken for good: what is past is past.
        ({0: second(90, 10), **{n: second(100) for n in range(1, 9)}}, False, False),
        # One frame in two seconds: the last twenty count.
        ({n: second(0, 1) for n in range(0, 40, 2)}, False, True),
    ],
)
def test_too_many_failures_are_found_by_the_last_of_them(
    seconds: dict[int, Counts], is_over: bool, is_bad: bool
):
    assert bool(why_not(seconds, BOUNDS, is_over=is_over)) is is_bad


def test_answers_that_are_too_old_break_the_bound_where_there_is_one():
    seconds = {1: second(30, age_ms=600.0)}
    assert why_not(seconds, BOUNDS) == ""
    bounds = Bounds(0.05, 500)
    assert why_not(seconds, bounds).startswith("The p95 age of its results was 6")
    assert why_not({1: second(30, age_ms=400.0)}, bounds) == ""


def test_frames_that_expire_are_old_frames():
    counts: Counts = Counter()
    for _ in range(30):
        counts.update(first_minute.expired(1500.0))
    assert "and 500 ms are allowed" in why_not({1: counts}, Bounds(0.05, 500))


def test_an_answer_that_does_not_come_is_found_by_how_long_it_takes():
    assert why_stuck(4.9) == ""
    assert why_stuck(6.2) == "Its answer to a frame has been under way for 6 s."
