"""Which frames a page can still point at, and that no more of them are held."""

from __future__ import annotations

from typing import Any

import pytest

from apps.inference.types import Frame
from apps.nexus.judged import (
    HELD,
    HELD_WITH_CONSENT,
    OLDER_APART_S,
    OLDER_S,
    SHOWN,
    JudgedFrames,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def judged(clock: Clock) -> JudgedFrames:
    return JudgedFrames(clock)


def offer(judged: JudgedFrames, *numbers: int) -> None:
    for seq in numbers:
        judged.offer(Frame("s", seq, 2, 2, b"\x80" * 6))


def answer(judged: JudgedFrames, *numbers: int) -> None:
    for seq in numbers:
        assert judged.answer(message(seq)) is not None


def message(seq: int) -> dict[str, Any]:
    return {"seq": seq, "is_hot_dog": True}


def held(judged: JudgedFrames, numbers: range) -> list[int]:
    return [seq for seq in numbers if judged.find(seq)]


def test_what_was_answered_can_be_found(judged: JudgedFrames):
    offer(judged, 3, 4)
    answer(judged, 3)
    found = judged.find(3)
    assert found is not None
    assert (found.frame.seq, found.message) == (3, message(3))
    assert judged.find(4) is None
    assert judged.find(5) is None


def test_an_answer_to_a_frame_that_nobody_holds_is_passed_over(judged: JudgedFrames):
    assert judged.answer(message(9)) is None
    assert judged.find(9) is None


def test_what_was_drawn_before_is_let_go_of(judged: JudgedFrames):
    offer(judged, 1, 2, 3)
    answer(judged, 1, 2, 3)
    judged.draw(2)
    assert held(judged, range(5)) == [2, 3]


def test_a_frame_that_was_dropped_is_not_held(judged: JudgedFrames):
    offer(judged, 1)
    judged.drop(1)
    judged.drop(1)
    assert judged.answer(message(1)) is None


def test_what_a_busy_page_still_shows_is_held(judged: JudgedFrames):
    offer(judged, 1, 2, 3)
    answer(judged, 1, 2, 3)
    for seq in (1, 2, 3):
        judged.show(seq)
    judged.draw(1)
    # It draws nothing for long, so nothing more is sent to it.
    for seq in range(4, 100):
        offer(judged, seq)
        answer(judged, seq)
    assert held(judged, range(100)) == [1, 2, 3, 97, 98, 99]
    judged.show(99)
    judged.draw(99)
    assert held(judged, range(100)) == [99]


def test_what_nobody_holds_can_be_shown(judged: JudgedFrames):
    judged.show(1)
    assert judged.find(1) is None


def test_a_page_that_says_nothing_has_no_more_held_for_it(judged: JudgedFrames):
    for seq in range(100):
        offer(judged, seq)
        answer(judged, seq)
        judged.show(seq)
    assert held(judged, range(100)) == list(range(100 - HELD, 100))
    offer(judged, *range(100, 200))
    assert held(judged, range(200)) == list(range(100 - SHOWN, 100))


def test_what_was_offered_before_anybody_allowed_it_is_not_given(judged: JudgedFrames):
    def is_given(seq: int) -> bool:
        found = judged.answer(message(seq))
        return found is not None and found.is_given

    offer(judged, 1)
    judged.allow(True)
    offer(judged, 2)
    assert [is_given(1), is_given(2)] == [False, True]
    judged.allow(False)
    judged.allow(True)
    assert is_given(2) is False


def test_no_more_are_held_than_can_be_pointed_at(judged: JudgedFrames):
    offer(judged, *range(100))
    answer(judged, *range(100 - HELD, 100))
    assert held(judged, range(100)) == list(range(100 - HELD, 100))


def show_hundred(judged: JudgedFrames, clock: Clock) -> None:
    """30 a second, each drawn at once."""
    for seq in range(100):
        clock.now = seq / 30
        offer(judged, seq)
        answer(judged, seq)
        judged.show(seq)
        judged.draw(seq)


def test_with_consent_some_that_were_drawn_before_are_held(
    judged: JudgedFrames, clock: Clock
):
    judged.allow(True)
    show_hundred(judged, clock)
    newest = range(100 - HELD_WITH_CONSENT, 100)
    assert held(judged, newest) == list(newest)


def test_a_challenger_that_takes_long_still_finds_some_frames(
    judged: JudgedFrames, clock: Clock
):
    judged.allow(True)
    show_hundred(judged, clock)
    older = held(judged, range(100 - HELD_WITH_CONSENT))
    ages_s = [(100 - seq) / 30 for seq in older]
    assert OLDER_S / 2 < max(ages_s) <= OLDER_S + 1
    assert len(older) <= (OLDER_S + 1) / OLDER_APART_S


def test_nothing_old_is_held_of_who_does_not_allow_it_any_more(
    judged: JudgedFrames, clock: Clock
):
    judged.allow(True)
    show_hundred(judged, clock)
    judged.allow(False)
    older = range(100 - HELD_WITH_CONSENT)
    assert held(judged, older) == []


def test_what_is_pinned_stays_until_it_is_let_go_of(judged: JudgedFrames):
    offer(judged, 1)
    answer(judged, 1)
    assert judged.pin(1) is not None
    offer(judged, *range(2, 50))
    judged.draw(49)
    assert held(judged, range(50)) == [1]
    judged.unpin()
    assert held(judged, range(50)) == []


def test_what_is_gone_can_not_be_pinned(judged: JudgedFrames):
    assert judged.pin(1) is None
    assert judged.find(1) is None
