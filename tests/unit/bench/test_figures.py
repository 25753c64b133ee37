from __future__ import annotations

from typing import Any

import pytest

from bench.clip import Truth
from bench.figures import Spread, accuracy, iou, latencies, spread
from bench.sender import Result

HOT_DOG = ("hot dog", (10.0, 10.0, 30.0, 30.0))
CUP = ("cup", (10.0, 10.0, 30.0, 30.0))


def result(
    truth: Truth,
    *found: tuple[str, tuple[float, float, float, float]],
    is_hot_dog: bool | None = None,
    timings: dict[str, float] | None = None,
) -> Result:
    message: dict[str, Any] = {
        "detections": [{"label": label, "box": list(box)} for label, box in found],
        "is_hot_dog": bool(found) if is_hot_dog is None else is_hot_dog,
        "timings": timings,
    }
    return Result(seq=0, sent_at=1.0, arrived_at=1.1, truth=truth, message=message)


def shows(*objects, partly=()) -> Truth:
    return Truth(objects, partly)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0.0, 0.0, 10.0, 10.0), 1.0),
        ((0.0, 0.0, 10.0, 5.0), 0.5),
        ((5.0, 5.0, 15.0, 15.0), 25 / 175),
        ((10.0, 0.0, 20.0, 10.0), 0.0),
        ((20.0, 20.0, 30.0, 30.0), 0.0),
    ],
)
def test_iou(other, expected):
    assert iou((0.0, 0.0, 10.0, 10.0), other) == pytest.approx(expected)


def test_a_hot_dog_counts_as_found_where_it_is():
    elsewhere = ("hot dog", (25.0, 25.0, 45.0, 45.0))

    answers = [
        result(shows(HOT_DOG), HOT_DOG),
        result(shows(HOT_DOG), elsewhere, HOT_DOG),
        result(shows(HOT_DOG), elsewhere),
        result(shows(HOT_DOG), CUP),
        result(shows(HOT_DOG, CUP)),
    ]

    assert accuracy(answers).found == 0.4


def test_a_false_alarm_needs_a_frame_without_any_of_a_hot_dog():
    answers = [
        result(shows(), HOT_DOG),
        result(shows(CUP), CUP, is_hot_dog=False),
        result(shows(CUP)),
        result(shows()),
        result(shows(partly=("hot dog",)), HOT_DOG),
        result(shows(HOT_DOG), HOT_DOG),
    ]

    assert accuracy(answers).false_alarms == 0.25


def test_shares_of_nothing_are_not_known():
    assert accuracy([result(shows(HOT_DOG))]).false_alarms is None
    assert accuracy([result(shows())]).found is None
    assert spread([]) == Spread(None, None)
    assert latencies([]).stages == {}


def test_orchestration_is_what_the_decoder_and_the_model_did_not_take():
    timings = {"receive_ms": 1.0, "wait_ms": 3.0}
    timings |= {
        "featurize_ms": 1.0,
        "forward_ms": 20.0,
        "decode_ms": 2.0,
        "publish_ms": 3.0,
        "age_ms": 31.0,
    }

    figures = latencies([result(shows(), timings=timings)])

    assert figures.orchestration == Spread(7.0, 7.0)
    assert figures.age == Spread(31.0, 31.0)
    assert figures.sent_to_result == Spread(100.0, 100.0)
    stages = ["receive", "wait", "featurize", "forward", "decode", "publish"]
    assert list(figures.stages) == stages


def test_percentiles():
    assert spread(range(101)) == Spread(50.0, 95.0)
