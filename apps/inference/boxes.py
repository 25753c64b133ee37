"""Arithmetic on boxes as tensors: conversion, overlap, non-maximum suppression.

Knows no pictures, labels or networks; which pixels a box is measured in is the
caller's affair.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The best of an image's boxes that are compared with each other, all with all: a bound
# on time and memory when an untrained network calls everything an object.
CANDIDATES = 1000


class Kept(NamedTuple):
    """The boxes of one image that survived, best first, on the CPU."""

    boxes: Tensor  # [K, 4] xyxy
    scores: Tensor  # [K]
    labels: Tensor  # [K] int64


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Centre and size to corners; [..., 4] both."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((center - half, center + half), dim=-1)


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each with each.

    `xyxy` [..., N, 4] and [..., M, 4] to [..., N, M].
    """
    boxes, others = boxes[..., :, None, :], others[..., None, :, :]
    top_left = torch.maximum(boxes[..., :2], others[..., :2])
    bottom_right = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(dim=-1)
    union = _area(boxes) + _area(others) - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def non_max_suppression(
    predictions: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int = 100,
    has_objectness: bool = True,
) -> list[Kept]:
    """Of boxes that overlap and carry the same label, keep the best.

    Args:
        predictions: [B, N, 5 + labels]: cx, cy, w, h, objectness, label scores, the
            last two in 0..1. A box counts for its best label alone, with the product
            of both as its score.
        score_threshold: boxes score more than this.
        iou_threshold: boxes that overlap a better one by more than this go.
        max_detections: how many an image may keep.
        has_objectness: without it, predictions are [B, N, 4 + labels], and a box scores
            what its best label does.
    """
    if predictions.device.type != "cpu":
        return suppress_together(
            predictions,
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
            has_objectness=has_objectness,
        )
    suppress = _suppress if has_objectness else _suppress_labelled
    with np.errstate(invalid="ignore", over="ignore"):  # infinite boxes overlap nothing
        return [
            suppress(rows, score_threshold, iou_threshold, max_detections)
            for rows in predictions.detach().numpy()
        ]


def _suppress(
    rows: NDArray[Any], score_threshold: float, iou_threshold: float, limit: int
) -> Kept:
    """One image on the CPU, in numpy: so little work that torch's threads cost more."""
    # No score exceeds its objectness, so this loses nothing and leaves little to do.
    rows = rows[rows[:, 4] > score_threshold]
    labels = rows[:, 5:].argmax(axis=1)
    scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + labels]
    return _survivors(rows, labels, scores, (score_threshold, iou_threshold), limit)


def _suppress_labelled(
    rows: NDArray[Any], score_threshold: float, iou_threshold: float, limit: int
) -> Kept:
    """The same without objectness."""
    rows = rows[rows[:, 4:].max(axis=1) > score_threshold]
    labels = rows[:, 4:].argmax(axis=1)
    scores = rows[np.arange(len(rows)), 4 + labels]
    return _survivors(rows, labels, scores, (score_threshold, iou_threshold), limit)


def _survivors(
    rows: NDArray[Any],
    labels: NDArray[np.int64],
    scores: NDArray[Any],
    thresholds: tuple[float, float],
    limit: int,
) -> Kept:
    score_threshold, iou_threshold = thresholds
    order = (-scores).argsort(kind="stable")[:CANDIDATES]
    order = order[scores[order] > score_threshold]
    center, half = rows[order, :2], rows[order, 2:4] / 2
    corners = np.concatenate((center - half, center + half), axis=1)

    kept = _greedy(corners, labels[order], iou_threshold, limit)
    return Kept(
        torch.from_numpy(corners[kept]),
        torch.from_numpy(scores[order[kept]]),
        torch.from_numpy(labels[order[kept]]),
    )


def _greedy(
    corners: NDArray[Any], labels: NDArray[np.int64], iou_threshold: float, limit: int
) -> list[int]:
    """Keep the best that waits, send away what it hides, until none waits."""
    kept: list[int] = []
    waiting = np.arange(len(corners))
    areas = (corners[:, 2:] - corners[:, :2]).clip(min=0).prod(axis=1)
    while waiting.size and len(kept) < limit:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        top_left = np.maximum(corners[best, :2], corners[waiting, :2])
        bottom_right = np.minimum(corners[best, 2:], corners[waiting, 2:])
        shared = (bottom_right - top_left).clip(min=0).prod(axis=1)
        union = areas[best] + areas[waiting] - shared
        hidden = (shared > iou_threshold * union) & (labels[waiting] == labels[best])
        waiting = waiting[~hidden]
    return kept


def suppress_together(
    predictions: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int = 100,
    has_objectness: bool = True,
) -> list[Kept]:
    """What `non_max_suppression` does, for a whole batch at once, where it lies.

    For a GPU, which likes few large steps: only the boxes that are kept leave it.
    """
    first_label = 5 if has_objectness else 4
    scores, labels = predictions[..., first_label:].max(dim=2)
    if has_objectness:
        scores = predictions[..., 4] * scores
    scores = scores.where(scores > score_threshold, 0)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    count = min(CANDIDATES, int((scores > 0).sum(dim=1).max()))
    scores, order = scores[:, :count], order[:, :count]
    labels = labels.gather(1, order)
    rows = predictions[..., :4].gather(1, order[..., None].expand(-1, -1, 4))
    boxes = cxcywh_to_xyxy(rows)

    same = labels[:, :, None] == labels[:, None, :]
    hides = (same & (box_iou(boxes, boxes) > iou_threshold)).triu(diagonal=1)
    kept = _unhidden(hides, scores > 0)
    kept &= kept.cumsum(dim=1) <= max_detections
    survivors = torch.cat((boxes, scores[..., None], labels[..., None]), dim=2)[kept]
    counts = kept.sum(dim=1).tolist()
    return [
        Kept(found[:, :4], found[:, 4], found[:, 5].long())
        for found in torch.split(survivors.cpu(), counts)
    ]


def _unhidden(hides: Tensor, present: Tensor) -> Tensor:
    """Which boxes no kept box hides; `hides` [B, K, K] is true where row hides column.

    A round settles at least the first box that is still unsettled, and as a rule nearly
    all: what ends is what going through them one by one would say.
    """
    kept, before = present, None
    while before is None or not torch.equal(kept, before):
        before = kept
        kept = present & ~(hides & kept[:, :, None]).any(dim=1)
    return kept


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
