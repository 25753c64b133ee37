"""How well boxes fit the truth: average precision, as COCO counts it at one IoU.

Knows boxes, scores and label numbers; neither networks nor scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from apps.inference.boxes import Kept, box_iou

IOU_THRESHOLD = 0.5
# Precision is read at these shares of all objects found.
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one image, best first, and what is there."""

    found: Kept
    boxes: Tensor  # [n, 4] xyxy
    labels: Tensor  # [n] int64


def average_precision(answers: Sequence[Answer], label: int) -> float | None:
    """The area under precision over recall for one label; None if it is never there."""
    total = sum(int((answer.labels == label).sum()) for answer in answers)
    if total == 0:
        return None
    scores, hits = [], []
    for answer in answers:
        chosen = answer.found.labels == label
        scores.append(answer.found.scores[chosen].numpy())
        hits.append(
            matched(answer.found.boxes[chosen], answer.boxes[answer.labels == label])
        )
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right = np.concatenate(hits)[order].cumsum()
    precision = right / np.arange(1, len(right) + 1)
    # At each recall the best precision that a lower threshold still reaches.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / total, _RECALLS, side="left")
    padded = np.append(envelope, 0.0)
    return float(padded[np.minimum(places, len(envelope))].mean())


def matched(found: Tensor, wanted: Tensor) -> NDArray[np.bool_]:
    """Which boxes found [K, 4], best first, meet a wanted one [n, 4] of their own."""
    hits = np.zeros(len(found), np.bool_)
    if not len(wanted):
        return hits
    overlaps = box_iou(found, wanted)
    for row, overlap in enumerate(overlaps):
        best = int(overlap.argmax())
        if overlap[best] >= IOU_THRESHOLD:
            hits[row] = True
            overlaps[:, best] = -1.0  # taken
    return hits
