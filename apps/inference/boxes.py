"""Arithmetic on boxes as tensors: conversion, overlap, non-maximum suppression.

Knows no pictures, labels or networks; which pixels a box is measured in is the
caller's affair.
"""

from __future__ import annotations

from typing import NamedTuple

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
    """Intersection over union of each with each: `xyxy` [N, 4] and [M, 4] to [N, M]."""
    top_left = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    bottom_right = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(dim=2)
    union = _area(boxes)[:, None] + _area(others)[None, :] - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def non_max_suppression(
    predictions: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int = 100,
) -> list[Kept]:
    """Of boxes that overlap and carry the same label, keep the best.

    Args:
        predictions: [B, N, 5 + labels]: cx, cy, w, h, objectness, label scores, the
            last two in 0..1. A box counts for its best label alone, with the product
            of both as its score.
        score_threshold: boxes score more than this.
        iou_threshold: boxes that overlap a better one by more than this go.
        max_detections: how many an image may keep.
    """
    # No score exceeds its objectness, so this loses nothing, and of the whole batch
    # only the few likely boxes leave the device.
    likely = predictions[..., 4] > score_threshold
    images = likely.nonzero()[:, 0].cpu()
    rows = predictions[likely].cpu()
    return [
        Kept(*(of_kept[:max_detections] for of_kept in kept))
        for kept in (
            _suppress(rows[images == image], score_threshold, iou_threshold)
            for image in range(len(predictions))
        )
    ]


def _suppress(rows: Tensor, score_threshold: float, iou_threshold: float) -> Kept:
    label_scores, labels = rows[:, 5:].max(dim=1)
    scores = rows[:, 4] * label_scores
    order = scores.argsort(descending=True, stable=True)[:CANDIDATES]
    order = order[scores[order] > score_threshold]
    boxes, labels = cxcywh_to_xyxy(rows[order, :4]), labels[order]

    same = labels[:, None] == labels[None, :]
    hides = (same & (box_iou(boxes, boxes) > iou_threshold)).triu(diagonal=1)
    kept = torch.from_numpy(_greedy(hides.numpy()))
    return Kept(boxes[kept], scores[order][kept], labels[kept])


def _greedy(hides: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which boxes no kept box hides; `hides` [K, K] is true where row hides column."""
    kept = np.ones(len(hides), dtype=np.bool_)
    for row, hidden in enumerate(hides):
        if kept[row]:
            kept &= ~hidden
    return kept


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
