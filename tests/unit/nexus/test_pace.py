from __future__ import annotations

from apps.nexus.pace import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def allowed(pace: Pace, messages: int) -> int:
    return sum(pace.allows_one_more() for _ in range(messages))


def test_a_burst_is_bounded():
    assert allowed(Pace(Clock()), 10_000) == MESSAGES_AT_ONCE


def test_a_page_that_keeps_the_pace_is_never_refused():
    clock = Clock()
    pace = Pace(clock)
    for _ in range(10_000):
        clock.now += 1 / MESSAGES_PER_SECOND
        assert pace.allows_one_more()


def test_a_thousand_messages_a_second_end_within_the_first():
    clock = Clock()
    pace = Pace(clock)
    sent = 0
    while pace.allows_one_more():
        sent += 1
        clock.now += 1 / 1000
    assert MESSAGES_AT_ONCE < sent < 1000


def test_a_rest_gives_back_a_burst_and_no_more():
    clock = Clock()
    pace = Pace(clock)
    allowed(pace, 10_000)
    clock.now += 3600
    assert allowed(pace, 10_000) == MESSAGES_AT_ONCE
