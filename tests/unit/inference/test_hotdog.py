from __future__ import annotations

import pytest

from apps.inference.hotdog import HOT_DOG, is_hot_dog
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


def test_coco_names_its_80_things_in_order():
    assert len(set(COCO_LABELS)) == len(COCO_LABELS) == 80
    numbers = {0: "person", 16: "dog", 39: "bottle", 52: HOT_DOG, 53: "pizza"}
    assert {n: COCO_LABELS[n] for n in numbers} == numbers
    assert COCO_LABELS[79] == "toothbrush"
