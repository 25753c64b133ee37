"""The loss that teaches a YOLOv5 network where objects are.

Written from the published description: anchors matched by the ratio of their shape,
three cells for each object, complete IoU (Zheng et al., 2020) for the box, binary
cross-entropy for objectness and labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_LARGEST_RATIO = 4.0
# Fine levels see more cells and so more easy background than coarse ones.
_LEVEL_WEIGHTS = (4.0, 1.0, 0.4)
_BOX_GAIN, _OBJECTNESS_GAIN, _LABEL_GAIN = 1.0, 4.0, 2.5


class _Matches(NamedTuple):
    """Which predictions of a level answer for which objects, one row a pair."""

    image: Tensor  # [M] int64
    anchor: Tensor  # [M] int64
    row: Tensor  # [M] int64
    column: Tensor  # [M] int64
    box: Tensor  # [M, 4] cx, cy from the cell's corner, w, h; in cells
    shape: Tensor  # [M, 2] the anchor's width and height in cells
    label: Tensor  # [M] int64


def detection_loss(
    levels: Sequence[Tensor], objects: Tensor, anchors: Tensor, strides: Sequence[int]
) -> Tensor:
    """One number for a batch.

    Args:
        levels: raw maps [B, A, h, w, 5 + labels], finest first.
        objects: [N, 6]: image number, label, xyxy in input pixels. The number behind
            the last label is of a thing that has none of them.
        anchors: [levels, A, 2] in cells of their level.
        strides: input pixels a cell, one a level.
    """
    total = levels[0].new_zeros(())
    for raw, shapes, stride, weight in zip(
        levels, anchors, strides, _LEVEL_WEIGHTS, strict=False
    ):
        found = _match(objects, shapes, stride, raw.shape[2], raw.shape[3])
        wanted = torch.zeros_like(raw[..., 4])
        if len(found.image):
            cells = (found.image, found.anchor, found.row, found.column)
            predicted = raw[cells]
            overlap = complete_iou(_decode(predicted, found.shape), found.box)
            total = total + _BOX_GAIN * (1 - overlap).mean()
            wanted[cells] = overlap.detach().clamp(min=0)
            count = raw.shape[-1] - 5
            names = functional.one_hot(found.label, count + 1)[:, :count].to(raw)
            total = total + _LABEL_GAIN * functional.binary_cross_entropy_with_logits(
                predicted[:, 5:], names
            )
        objectness = functional.binary_cross_entropy_with_logits(raw[..., 4], wanted)
        total = total + _OBJECTNESS_GAIN * weight * objectness
    return total


def complete_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU less penalties for distance and shape; cxcywh [M, 4] twice to [M]."""
    half, other_half = boxes[:, 2:] / 2, others[:, 2:] / 2
    low, other_low = boxes[:, :2] - half, others[:, :2] - other_half
    high, other_high = boxes[:, :2] + half, others[:, :2] + other_half
    shared = (torch.minimum(high, other_high) - torch.maximum(low, other_low)).clamp(
        min=0
    )
    intersection = shared.prod(dim=1)
    union = boxes[:, 2:].prod(dim=1) + others[:, 2:].prod(dim=1) - intersection
    iou = intersection / (union + 1e-7)

    hull = torch.maximum(high, other_high) - torch.minimum(low, other_low)
    apart = (boxes[:, :2] - others[:, :2]).square().sum(dim=1)
    distance = apart / (hull.square().sum(dim=1) + 1e-7)
    slope, other_slope = _slope(boxes), _slope(others)
    shape = 4 / math.pi**2 * (slope - other_slope).square()
    trade_off = (shape / (1 - iou + shape + 1e-7)).detach()
    return iou - distance - trade_off * shape


def _slope(boxes: Tensor) -> Tensor:
    return torch.atan(boxes[:, 2] / (boxes[:, 3] + 1e-7))


def _decode(raw: Tensor, shape: Tensor) -> Tensor:
    """Logits [M, 5 + labels] to cx, cy, w, h in cells, from the cell's corner."""
    y = raw[:, :4].sigmoid()
    return torch.cat([y[:, :2] * 2 - 0.5, (y[:, 2:] * 2).square() * shape], dim=1)


def _match(
    objects: Tensor, shapes: Tensor, stride: int, height: int, width: int
) -> _Matches:
    """Pair objects with anchors of alike shape in the nearest three cells."""
    corners = objects[:, 2:] / stride
    center = (corners[:, :2] + corners[:, 2:]) / 2
    size = corners[:, 2:] - corners[:, :2]
    ratio = size[None] / shapes[:, None]
    alike = torch.maximum(ratio, 1 / ratio).amax(dim=2) < _LARGEST_RATIO
    anchor, number = alike.nonzero(as_tuple=True)
    center, size = center[number], size[number]

    own = center.floor()
    nearer = torch.where(center - own < 0.5, -1.0, 1.0)
    sideways, upright = (
        nearer * nearer.new_tensor((1, 0)),
        nearer * nearer.new_tensor((0, 1)),
    )
    cells = torch.cat([own, own + sideways, own + upright])
    inside = (cells >= 0).all(dim=1) & (cells < cells.new_tensor((width, height))).all(
        dim=1
    )
    cells, chosen = cells[inside], inside.nonzero()[:, 0] % max(len(own), 1)
    offset = center[chosen] - cells
    return _Matches(
        image=objects[number[chosen], 0].long(),
        anchor=anchor[chosen],
        row=cells[:, 1].long(),
        column=cells[:, 0].long(),
        box=torch.cat([offset, size[chosen]], dim=1),
        shape=shapes[anchor[chosen]],
        label=objects[number[chosen], 1].long(),
    )
