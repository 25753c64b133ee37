"""What is asked of a sender, from what is observed of its session. No time passes."""

from __future__ import annotations

import itertools

import pytest

from apps.nexus.quality import (
    CALM_S,
    LONGEST_CALM_S,
    STANDING_OBSERVATIONS,
    STEPS,
    Quality,
    QualityController,
)

FULL = Quality(640, 30)
LATE_MS, IN_TIME_MS = 90.0, 5.0


class Session:
    """A session that is observed 10 times a second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.quality = FULL
        self._controller = QualityController(640)

    def observe(self, lag_ms: float, results_per_s: float | None = 20.0) -> Quality:
        self.now += 0.1
        self.quality = self._controller.observe(
            self.now, lag_ms=lag_ms, results_per_s=results_per_s
        )
        return self.quality

    def be_late(self, intervals: int = 1) -> list[Quality]:
        """What is asked for at the end of each interval."""
        asked = []
        for _ in range(intervals):
            for _ in range(STANDING_OBSERVATIONS):
                self.observe(LATE_MS)
            asked.append(self.quality)
        return asked

    def seconds_until_more(self) -> float:
        """For how long it has to be in time until more is asked for."""
        begun, before = self.now, self.quality
        while self.observe(IN_TIME_MS) == before:
            if self.now - begun > 2 * LONGEST_CALM_S:
                return float("inf")
        return self.now - begun


def pixels_per_second(quality: Quality) -> int:
    return quality.max_side**2 * quality.max_framerate


@pytest.fixture
def session() -> Session:
    return Session()


def test_a_session_without_trouble_sends_what_the_model_is_given(session: Session):
    assert {session.observe(IN_TIME_MS) for _ in range(300)} == {FULL}


def test_a_standing_lag_is_acted_upon_within_half_a_second(session: Session):
    begun = session.now
    while session.observe(LATE_MS) == FULL:
        assert session.now - begun < 0.55
    assert session.quality == Quality(427, 30)


def test_the_size_goes_first_then_the_rate_down_to_five_a_second(session: Session):
    asked = session.be_late(intervals=len(STEPS) + 2)

    assert asked[:3] == [Quality(427, 30), Quality(320, 30), Quality(320, 20)]
    assert asked[-3:] == [Quality(320, 5)] * 3
    costs = [pixels_per_second(quality) for quality in [FULL, *asked[:-2]]]
    assert all(less < 0.8 * more for more, less in itertools.pairwise(costs[:-1]))


def test_a_lag_that_passes_by_itself_changes_nothing(session: Session):
    for _ in range(100):
        for _ in range(STANDING_OBSERVATIONS - 1):
            session.observe(10 * LATE_MS)
        session.observe(IN_TIME_MS)
    assert session.quality == FULL


def test_a_step_has_an_interval_to_take_effect(session: Session):
    session.be_late()
    for _ in range(STANDING_OBSERVATIONS - 1):
        assert session.observe(LATE_MS) == Quality(427, 30)


def test_more_is_asked_for_a_step_after_each_calm_time(session: Session):
    session.be_late(intervals=3)
    assert session.seconds_until_more() == pytest.approx(CALM_S, abs=0.2)
    assert session.quality == Quality(320, 30)
    assert session.seconds_until_more() == pytest.approx(CALM_S, abs=0.2)
    assert session.seconds_until_more() == pytest.approx(CALM_S, abs=0.2)
    assert session.quality == FULL
    assert session.seconds_until_more() == float("inf")


def test_a_moment_of_lag_begins_the_calm_time_anew(session: Session):
    session.be_late()
    for _ in range(round(CALM_S / 0.1) - 5):
        session.observe(IN_TIME_MS)
    session.observe(LATE_MS)
    assert session.seconds_until_more() == pytest.approx(CALM_S, abs=0.2)


def test_a_step_up_that_fails_is_tried_again_ever_more_seldom(session: Session):
    session.be_late()
    waits = []
    for _ in range(7):
        waits.append(session.seconds_until_more())
        session.be_late()
    assert waits == pytest.approx([10, 20, 40, 80, 160, 160, 160], abs=0.2)


def test_a_step_up_that_holds_ends_the_distrust(session: Session):
    session.be_late(intervals=3)
    session.seconds_until_more()
    session.be_late()
    waits = [session.seconds_until_more() for _ in range(3)]
    assert waits == pytest.approx([2 * CALM_S, 2 * CALM_S, CALM_S], abs=0.2)


def test_a_model_that_answers_seldom_is_sent_fewer_frames_but_fresh_ones(
    session: Session,
):
    """Four sessions on a worker of 200 ms: 15 frames a second age by 67 ms at worst."""
    assert session.observe(IN_TIME_MS, results_per_s=1.25) == Quality(640, 15)


def test_a_slow_model_of_one_session_keeps_every_frame(session: Session):
    """One session on a worker of 200 ms: p50 of its age is promised to be 45 ms."""
    assert session.observe(IN_TIME_MS, results_per_s=4.8) == FULL


def test_before_results_can_be_counted_nothing_is_spared(session: Session):
    assert session.observe(IN_TIME_MS, results_per_s=None) == FULL


def test_a_rate_between_few_and_enough_results_stays_as_it_is(session: Session):
    rates = [4.0, 2.9, 3.1, 4.4, 4.6, 4.4, 3.1]
    asked = [session.observe(IN_TIME_MS, results_per_s=rate) for rate in rates]
    assert [quality.max_framerate for quality in asked] == [30, 15, 15, 15, 30, 30, 30]


def test_few_results_never_raise_a_rate_that_lag_has_lowered(session: Session):
    session.be_late(intervals=len(STEPS))
    assert session.observe(IN_TIME_MS, results_per_s=1.0) == Quality(320, 5)
