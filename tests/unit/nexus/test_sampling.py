"""Which pictures a deployment that samples takes, and how few of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from apps.inference.models import Deployment
from apps.nexus.sampling import SAMPLES_PER_SECOND, Sampler, is_uncertain
from apps.sessions.captures import Terms
from apps.sessions.models import CameraSession, Capture

Reason = Capture.Reason


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def answer(*scores: float, best_class: float | None = None) -> dict[str, Any]:
    return {
        "detections": [{"label": "cup", "score": score} for score in scores],
        "classifications": [] if best_class is None else [{"score": best_class}],
    }


def sampler(
    *, share: float = 0, uncertain: bool = False, drawn: float = 0.5, clock: Clock
) -> Sampler:
    return Sampler(Terms(True, 30, share, uncertain), lambda: drawn, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_who_samples_nothing_takes_nothing(clock: Clock):
    assert sampler(drawn=0, clock=clock).choose(answer(0.5)) is None


def test_a_share_is_taken_by_chance(clock: Clock):
    assert sampler(share=0.2, drawn=0.19, clock=clock).choose(answer()) is Reason.RANDOM
    assert sampler(share=0.2, drawn=0.2, clock=clock).choose(answer()) is None


def test_the_uncertain_are_taken(clock: Clock):
    taken = sampler(uncertain=True, clock=clock).choose(answer(0.6))
    assert taken is Reason.UNCERTAIN
    assert sampler(uncertain=True, clock=clock).choose(answer(0.9, 0.5)) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (answer(), False),
        (answer(0.34), False),
        (answer(0.36), True),
        (answer(0.64), True),
        (answer(0.66), False),
        (answer(best_class=0.45), True),
        (answer(best_class=0.95), False),
    ],
)
def test_uncertain_is_near_the_threshold(message: dict[str, Any], expected: bool):
    assert is_uncertain(message, 0.5) is expected


def test_uncertain_is_near_the_threshold_of_the_deployment(clock: Clock):
    session = CameraSession(
        deployment=Deployment(hot_dog_score=0.8, sample_uncertain=True),
        consented_at=timezone.now(),
    )
    terms = Terms.of(session)
    assert Sampler(terms, lambda: 0.5, clock).choose(answer(0.5)) is None
    taken = Sampler(terms, lambda: 0.5, clock).choose(answer(0.9))
    assert taken is Reason.UNCERTAIN


def test_one_is_taken_at_a_time(clock: Clock):
    all_of_them = sampler(share=1, clock=clock)
    assert all_of_them.choose(answer()) is Reason.RANDOM
    assert all_of_them.choose(answer()) is None
    clock.now = 1 / SAMPLES_PER_SECOND
    assert all_of_them.choose(answer()) is Reason.RANDOM
