"""A canary stops where its frames speak against it, and only then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from apps.inference.tally import Sums, added
from apps.inference.trials.figures import of_message, side
from apps.inference.trials.watching import (
    LEAST_FRAMES,
    WINDOW_S,
    Bounds,
    why_stop,
    with_latest,
)
from tests.unit.inference.trials.answers import answer

LENIENT = Bounds(most_failed_share=0.05, most_p95_ms=None)
FAILED = {"type": "inference.dropped", "reason": "failed"}
EXPIRED = {"type": "inference.dropped", "reason": "expired"}


def sums_of(messages: list[dict[str, Any]]) -> Sums:
    total: Sums = {}
    for message in messages:
        total = added(total, of_message(message))
    return total


def figures(
    challenger: list[dict[str, Any]], champion: list[dict[str, Any]] | None = None
) -> Sums:
    return {
        "challenger": sums_of(challenger),
        "champion": sums_of(champion or [answer()] * LEAST_FRAMES),
    }


def test_one_that_does_as_well_goes_on():
    assert why_stop(figures([answer()] * 500), LENIENT) is None


def test_of_a_few_frames_nothing_is_said():
    assert why_stop(figures([FAILED] * (LEAST_FRAMES - 1)), LENIENT) is None


def test_one_that_fails_more_than_is_allowed_stops():
    reason = why_stop(figures([FAILED] * 10 + [answer()] * 90), LENIENT)
    assert reason == "It failed on 10.0% of 100 frames; the deployment allows 5.0%."


def test_frames_that_were_too_old_are_no_failures():
    assert why_stop(figures([EXPIRED] * 50 + [answer()] * 100), LENIENT) is None


def test_one_that_fails_more_than_the_champion_stops():
    reason = why_stop(figures([FAILED] * 4 + [answer()] * 96), LENIENT)
    assert reason == "It failed on 4.0% of 100 frames, the version beside it on 0.0%."


def test_where_the_champion_fails_as_often_it_goes_on():
    badly = [FAILED] * 4 + [answer()] * 96
    assert why_stop(figures(badly, badly), LENIENT) is None


def test_one_whose_results_are_older_than_is_allowed_stops():
    bounds = Bounds(most_failed_share=0.05, most_p95_ms=100)
    slow = [answer(age_ms=200.0)] * 100
    reason = why_stop(figures(slow, [answer(age_ms=199.0)] * 100), bounds)
    assert reason is not None
    assert reason.endswith("the deployment allows 100 ms.")


def test_one_that_is_clearly_slower_than_the_champion_stops():
    reason = why_stop(figures([answer(age_ms=200.0)] * 100), LENIENT)
    assert reason is not None
    assert "that of the version beside it 20 ms" in reason


@pytest.mark.parametrize(("theirs", "ours"), [(40.0, 20.0), (290.0, 200.0)])
def test_a_little_slower_is_no_reason(theirs: float, ours: float):
    both = figures([answer(age_ms=theirs)] * 100, [answer(age_ms=ours)] * 100)
    assert why_stop(both, LENIENT) is None


def test_a_champion_with_few_frames_is_no_measure():
    few = figures([answer(age_ms=500.0)] * 100, [answer()] * 10)
    assert why_stop(few, LENIENT) is None


def second(answered: int, failed: int = 0, age_ms: float = 20.0) -> Sums:
    """What both sides have done in a second, the champion always well."""
    theirs = [answer(age_ms=age_ms)] * answered + [FAILED] * failed
    return figures(theirs, [answer()] * 30)


def after(*seconds: Sums) -> Iterator[Sums]:
    """The figures of a canary, second by second."""
    total: Sums = {}
    for now_s, more in enumerate(seconds):
        total = added(total, more)
        total["recent"] = with_latest(total.get("recent", {}), more, now_s)
        yield total


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (second(0, failed=30), r"Lately it failed on \d+\.\d% of \d+ frames; the"),
        (second(30, age_ms=900.0), "Lately the p95 age of its results was"),
    ],
)
def test_a_good_past_outweighs_no_bad_present(bad: Sums, reason: str):
    past, present = [second(30)] * 2000, [bad] * 10
    told = [why_stop(each, LENIENT) for each in after(*past, *present)]
    assert set(told[:2001]) == {None}
    assert re.match(reason, told[-1] or "")


def test_a_bad_second_of_a_good_minute_is_no_reason():
    seconds = [second(30)] * 300 + [second(20, failed=10)] + [second(30)] * 100
    assert {why_stop(each, LENIENT) for each in after(*seconds)} == {None}


def test_the_latest_frames_of_few_sessions_are_of_more_than_a_minute():
    *_, last = after(*[second(1)] * 60 * WINDOW_S)
    latest = side(added(last["recent"]["before"], last["recent"]["now"]), "challenger")
    assert LEAST_FRAMES <= latest.frames <= 2 * LEAST_FRAMES


def test_a_side_is_read_from_its_sums():
    seen = side({"champion": sums_of([answer(age_ms=40.0)] * 9 + [FAILED])}, "champion")
    assert (seen.answered, seen.failed, seen.failed_share) == (9, 1, 0.1)
    assert seen.age_p95 == pytest.approx(40.0, rel=0.03)
    assert seen.model_p50 == pytest.approx(10.0, rel=0.03)


def test_a_side_that_has_answered_nothing_has_no_times():
    assert side({}, "challenger").age_p95 is None
