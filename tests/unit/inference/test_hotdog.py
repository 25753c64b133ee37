from __future__ import annotations

import pytest

from apps.inference.hotdog import HOT_DOG, Thresholds, is_hot_dog
from apps.inference.labels import COCO_LABELS
from apps.inference.types import Box, Classification, Detection, Prediction, Timings

TIMINGS = Timings(0, 0, 0)
BOX = Box(0, 0, 1, 1)


def detected(*found: tuple[str, float]) -> Prediction:
    detections = tuple(Detection(BOX, label, score) for label, score in found)
    return Prediction(TIMINGS, detections=detections)


def classified(*found: tuple[str, float]) -> Prediction:
    classifications = tuple(Classification(label, score) for label, score in found)
    return Prediction(TIMINGS, classifications=classifications)


@pytest.mark.parametrize(
    ("prediction", "verdict"),
    [
        (detected(), False),
        (detected(("hot dog", 0.5)), True),
        (detected(("hot dog", 0.499)), False),
        (detected(("pizza", 0.99)), False),
        (detected(("pizza", 0.99), ("hot dog", 0.6)), True),
        (detected(("hot dog bun", 0.9)), False),
        (classified(("hot dog", 0.2), ("pizza", 0.1)), True),
        (classified(("Hot dog", 0.9)), True),
        (classified(("pizza", 0.6), ("hot dog", 0.4)), False),
        (classified(("hotdog, hot dog, red hot", 0.9)), True),
        (classified(("not hot dog", 0.9)), False),
        (classified(("dog", 0.9)), False),
    ],
)
def test_verdict(prediction, verdict):
    assert is_hot_dog(prediction) is verdict


@pytest.mark.parametrize(
    ("prediction", "least", "verdict"),
    [
        (detected(("hot dog", 0.3)), 0.3, True),
        (detected(("hot dog", 0.6)), 0.7, False),
        (detected(("hot dog", 0.0)), 0.0, True),
        (classified(("hot dog", 0.6)), 0.7, False),
        (classified(("hot dog", 0.7)), 0.7, True),
        # Whatever it scores: something else was liked better.
        (classified(("pizza", 0.4), ("hot dog", 0.3)), 0.1, False),
    ],
)
def test_a_deployment_has_a_score_of_its_own_for_the_verdict(
    prediction: Prediction, least: float, verdict: bool
):
    assert is_hot_dog(prediction, Thresholds(hot_dog_score=least)) is verdict


def test_what_scores_less_than_is_asked_for_is_not_shown():
    seen = Thresholds(min_score=0.4).shown(
        detected(("hot dog", 0.9), ("pizza", 0.4), ("cup", 0.39))
    )
    assert [each.label for each in seen.detections] == ["hot dog", "pizza"]
    seen = Thresholds(min_score=0.4).shown(classified(("cup", 0.5), ("pizza", 0.3)))
    assert [each.label for each in seen.classifications] == ["cup"]


def test_without_a_score_of_its_own_all_is_shown():
    prediction = detected(("hot dog", 0.01))
    assert Thresholds().shown(prediction) is prediction


def test_coco_names_its_80_things_in_order():
    assert len(set(COCO_LABELS)) == len(COCO_LABELS) == 80
    numbers = {0: "person", 16: "dog", 39: "bottle", 52: HOT_DOG, 53: "pizza"}
    assert {n: COCO_LABELS[n] for n in numbers} == numbers
    assert COCO_LABELS[79] == "toothbrush"
