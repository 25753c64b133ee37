"""From what was observed to the figures that are reported. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.composition import BoxXYXY
from bench.sender import Result

# The video decoder's stage, and those of the model.
WORK_STAGES = ("receive_ms", "featurize_ms", "forward_ms", "decode_ms")
MATCHING_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Spread:
    """Two percentiles; None when nothing was measured."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds of the results of a scenario.

    `age` is from the arrived picture to the consumer, as the product tells it, and
    `orchestration` the same less the video decoder's and the model's own time;
    `sent_to_result` is seen from the camera, with network and WebSocket in it.
    """

    age: Spread
    orchestration: Spread
    sent_to_result: Spread
    stages: dict[str, Spread]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Answers beside the truth of their frames; shares are None without such frames.

    `found` of the results with a hot dog in view carry a box that matches it, and
    `false_alarms` of those without any speak of one.
    """

    results: int
    found: float | None
    false_alarms: float | None


def spread(values: Iterable[float]) -> Spread:
    measured = list(values)
    if not measured:
        return Spread(None, None)
    p50, p95 = np.percentile(measured, (50, 95))
    return Spread(round(float(p50), 2), round(float(p95), 2))


def latencies(results: Sequence[Result]) -> Latencies:
    timings = [result.timings for result in results]
    stages = [stage for stage in timings[0] if stage != "age_ms"] if timings else []
    return Latencies(
        age=spread(timing["age_ms"] for timing in timings),
        orchestration=spread(
            timing["age_ms"] - sum(timing[stage] for stage in WORK_STAGES)
            for timing in timings
        ),
        sent_to_result=spread(
            (result.arrived_at - result.sent_at) * 1000 for result in results
        ),
        stages={
            stage.removesuffix("_ms"): spread(timing[stage] for timing in timings)
            for stage in stages
        },
    )


def accuracy(results: Sequence[Result]) -> Accuracy:
    found = [
        any(
            iou(box, true) >= MATCHING_IOU
            for true in _true_boxes(result)
            for box in _boxes(result)
        )
        for result in results
        if _true_boxes(result)
    ]
    alarms = [
        bool(result.message["is_hot_dog"])
        for result in results
        # Too little of a hot dog to ask for a box may still be enough to see it.
        if not _true_boxes(result) and HOT_DOG not in result.truth.partly
    ]
    return Accuracy(len(results), _share(found), _share(alarms))


def iou(box: BoxXYXY, other: BoxXYXY) -> float:
    """Intersection over union of two `xyxy` boxes."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    union = _area(box) + _area(other) - shared
    return shared / union if union else 0.0


def _area(box: BoxXYXY) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _true_boxes(result: Result) -> list[BoxXYXY]:
    return [box for label, box in result.truth.objects if label == HOT_DOG]


def _boxes(result: Result) -> list[BoxXYXY]:
    return [
        tuple(found["box"])
        for found in result.message["detections"]
        if found["label"] == HOT_DOG
    ]


def _share(outcomes: Sequence[bool]) -> float | None:
    return round(sum(outcomes) / len(outcomes), 4) if outcomes else None
